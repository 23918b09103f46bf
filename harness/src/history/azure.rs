//! What became of Azure, as a lab sees it: the requests that were made there, its resources and its machines.
//!
//! Where Azure is fake-arm, every change is told the moment it happens. Where it is asked instead, what happened between
//! two looks is told in one, and requests that others made are not told at all.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use fake_arm::ledger::RequestFacts;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How a lab sees what becomes of Azure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AzureStream {
    /// It is told everything, as it happens and in its order.
    #[default]
    Pushed,
    /// It asks for resources now and then, and hears of no requests but its own.
    Polled,
}

/// One thing that happened in Azure.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum AzureEvent {
    /// A request was answered (also a refused one, also a token request).
    Request(Arc<AzureRequest>),
    /// A virtual machine changed, as hardware would notice it.
    #[serde(rename = "vm")]
    Machine(MachineChange),
    /// A resource was created, changed or removed, whoever caused it.
    Resource(ResourceChange),
}

/// A request and its answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AzureRequest {
    /// Which request it was, counted from 1.
    pub sequence: u64,
    /// When it arrived, by Azure's clock.
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
    /// Request body where it was JSON; secrets such as `customData` are replaced by their length.
    pub request_body: Option<serde_json::Value>,
    /// `x-ms-request-id` of the answer.
    pub request_id: Uuid,
    /// Nothing serves this route: a gap of a fake Azure, which fails the scenario that ran into it.
    pub unknown_route: bool,
}

impl<'a> From<&'a AzureRequest> for RequestFacts<'a> {
    fn from(request: &'a AzureRequest) -> Self {
        Self {
            principal: request.principal,
            method: &request.method,
            operation: &request.operation,
            resource_id: &request.resource_id,
            status: request.status,
            body: request.request_body.as_ref(),
            unknown_route: request.unknown_route,
        }
    }
}

/// A change of a resource.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceChange {
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
pub enum MachineChange {
    /// Its hardware starts to boot.
    Started(Arc<Machine>),
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
        reason: MachineStop,
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
pub enum MachineStop {
    /// It was powered off: its place on the host stays its own.
    PoweredOff,
    /// It was deallocated: its place is given up.
    Deallocated,
    /// Azure took a spot machine back whose eviction policy is to deallocate.
    Evicted,
    /// It boots again at once: it was restarted, or redeployed to another host.
    Restarted,
}

/// What a machine is and was given when it started.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
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
    /// `Regular` or `Spot`.
    pub priority: String,
    /// Base64 of the script that cloud-init runs; `None` for machines of agent pools, and where Azure tells nobody.
    pub custom_data: Option<String>,
    /// Primary address of the primary network interface.
    pub private_ip: Option<IpAddr>,
    /// Subnet id of the primary network interface.
    pub subnet_id: Option<String>,
    /// Image reference id (gallery, community gallery).
    pub image: Option<String>,
    /// Resource tags.
    pub tags: BTreeMap<String, String>,
}
