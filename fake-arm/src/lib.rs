//! A fake Azure, as far as node auto-provisioning can see: Azure Resource Manager, managed-identity tokens,
//! virtual networks, virtual machines, managed clusters. It knows nothing of Kubernetes: what a virtual machine
//! turns into and what a managed cluster consists of is said by whoever listens to its [`events`] and serves as
//! its [`engine`].
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let azure = fake_arm::FakeArm::builder().seed(7).start().await?;
//! println!("ARM is at {}, trust {}", azure.endpoint(), azure.ca_pem());
//! # Ok(()) }
//! ```

pub mod catalog;
pub mod causes;
pub mod clock;
pub mod directory;
pub mod engine;
mod entra;
pub mod events;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod gateway;
pub mod ledger;
pub mod provider;
pub mod providers;
pub mod seed;
pub mod server;
mod transport;
pub mod world;

pub use arm;
pub use net;
pub use rbac;
pub use server::{Builder, FakeArm, StartError};
pub use world::Settings;
