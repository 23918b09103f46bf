//! What fake-arm tells its owner while it works: each request that it answered, and what became of virtual machines.
//! One ordered stream; see [`ArmEvent`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One thing that happened in the fake Azure, in the order in which it happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum ArmEvent {
    /// A request was answered (also a refused one, also a token request).
    Request(Arc<LedgerEntry>),
    /// A virtual machine changed.
    Vm(VmEvent),
    /// A resource was created, changed or removed, whoever caused it.
    Resource(ResourceEvent),
}

/// A change of the stored state of a resource.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceEvent {
    /// Full ARM id, in the case in which it was created.
    pub id: String,
    /// Type, for example `Microsoft.Network/networkInterfaces`.
    pub resource_type: String,
    /// The resource as a GET would show it; `None` when it is gone.
    pub body: Option<Arc<serde_json::Value>>,
}

/// A change of a virtual machine, as hardware would notice it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "camelCase")]
pub enum VmEvent {
    /// Its PUT was accepted and its hardware starts to boot.
    Started(Arc<VirtualMachine>),
    /// Azure has announced that it takes a spot machine back: what the machine reads as a scheduled event `Preempt`.
    Evicting {
        /// Full ARM id, in the case in which it was created.
        id: String,
        /// When it stops.
        not_before: Timestamp,
    },
    /// Its hardware is off, the resource remains; a later [`Started`](Self::Started) boots it again.
    Stopped {
        /// Full ARM id, in the case in which it was created.
        id: String,
        /// Why.
        reason: StopReason,
    },
    /// It is gone.
    Deleted {
        /// Full ARM id, in the case in which it was created.
        id: String,
    },
}

/// Why a machine's hardware is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StopReason {
    /// It was powered off: its place on the host stays its own.
    PoweredOff,
    /// It was deallocated: its place is given up.
    Deallocated,
    /// Azure took a spot machine back whose eviction policy is to deallocate.
    Evicted,
    /// It boots again at once: it was restarted, or redeployed to another host.
    Restarted,
}

/// What a machine knows of itself when it boots: the parts of the `Microsoft.Compute/virtualMachines` resource (or of
/// an agent pool's scale-set instance) that decide which node it becomes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VirtualMachine {
    /// Full ARM id, in the case in which it was created.
    pub id: String,
    /// Last segment of the id, or the instance name of a scale set (`aks-nodepool1-12345678-vmss000000`).
    pub name: String,
    /// `osProfile.computerName`: the host name, and so the node's name.
    pub computer_name: String,
    /// ARM region, lower case, without blanks.
    pub location: String,
    /// Availability zone (`1`, `2`, `3`); `None` for a regional machine.
    pub zone: Option<String>,
    /// Size, for example `Standard_D4s_v5`.
    pub size: String,
    /// vCPUs of the size.
    pub vcpus: u32,
    /// Memory of the size in GiB.
    pub memory_gib: f64,
    /// `x64` or `Arm64`.
    pub architecture: String,
    /// Number of GPUs.
    pub gpus: u32,
    /// OS disk size in GB (10^9 bytes, as Azure rounds).
    pub os_disk_gb: u32,
    /// `Regular` or `Spot`.
    pub priority: String,
    /// Base64 of the script that cloud-init runs; `None` for agent pool machines.
    pub custom_data: Option<String>,
    /// Primary address of the primary network interface.
    pub private_ip: Option<IpAddr>,
    /// Subnet id of the primary network interface.
    pub subnet_id: Option<String>,
    /// Image reference id (gallery, community gallery).
    pub image: Option<String>,
    /// Resource tags.
    pub tags: std::collections::BTreeMap<String, String>,
    /// Managed cluster that the machine belongs to as a member of an agent pool.
    pub agent_pool: Option<AgentPoolMembership>,
}

/// An agent pool machine's place in its cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentPoolMembership {
    /// Full ARM id of the managed cluster.
    pub cluster_id: String,
    /// Agent pool name.
    pub pool: String,
    /// `System` or `User`.
    pub mode: String,
    /// Node labels of the pool.
    pub labels: std::collections::BTreeMap<String, String>,
    /// Node taints of the pool, `key=value:Effect`.
    pub taints: Vec<String>,
    /// Pods per node.
    pub max_pods: u32,
}

/// One request and its answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntry {
    /// Position in the ledger, from 1.
    pub sequence: u64,
    /// When the request arrived, by fake-arm's clock.
    pub at: Timestamp,
    /// How long the answer took, wall time.
    pub latency: Duration,
    /// HTTP method.
    pub method: String,
    /// Path as sent.
    pub path: String,
    /// Query string as sent, without `?`.
    pub query: String,
    /// What it means in the language of role definitions, for example `Microsoft.Network/networkInterfaces/write`;
    /// empty where the route is unknown.
    pub operation: String,
    /// Full id of the resource that it concerns; empty for token requests and the like.
    pub resource_id: String,
    /// Object id of the principal whose token came with it.
    pub principal: Option<Uuid>,
    /// `User-Agent` header.
    pub user_agent: String,
    /// HTTP status of the answer.
    pub status: u16,
    /// Azure's error code where the answer is an error.
    pub error_code: Option<String>,
    /// Azure's error message where the answer is an error.
    pub error_message: Option<String>,
    /// Request body where it was JSON and at most 256 KiB (secrets such as `customData` are replaced by their length).
    pub request_body: Option<serde_json::Value>,
    /// `x-ms-request-id` of the answer.
    pub request_id: Uuid,
    /// Nothing in fake-arm serves this route: a gap of the fake, which fails the scenario that ran into it.
    pub unknown_route: bool,
}
