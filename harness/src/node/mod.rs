//! A virtual machine becomes a node. fake-arm tells which machines there are; [`NodeRunner`] boots them, lets each
//! join its cluster the way a kubelet does (custom data, TLS bootstrap, registration under its own identity), and
//! removes their Nodes when they are deleted. KWOK keeps the Nodes alive and runs their pods; whether pods that probe the
//! network are ready is decided here.

mod agent_pool;
mod boot;
mod capacity;
mod cluster;
mod custom_data;
mod join;
mod kubelet;
mod machine;
mod pod_probe;
mod provider_id;
mod quantity;
mod runner;
mod silence;
mod tls_bootstrap;
#[cfg(test)]
pub(crate) mod trial;

pub use boot::{Boot, BootPlan, BootSettings, Machines, UniformBoot};
pub use cluster::{ClientError, NodeCluster};
pub use custom_data::{CustomData, CustomDataError};
pub use join::{Intent, JoinError};
pub use kubelet::{KubeletConfig, KubeletError, Taint, Threshold};
pub use machine::zone_label;
pub use provider_id::provider_id;
pub use quantity::{Quantity, QuantityError};
pub use runner::NodeRunner;
pub use tls_bootstrap::CertificateError;
