//! The identities of a cluster: under which its control plane works, and under which its nodes do.

use serde_json::{Value, json};
use uuid::Uuid;

use super::links::SUBNET_JOIN;
use super::refusal::{linked, refused, required};
use crate::directory::{Principal, PrincipalKind};
use crate::engine::Identity;
use crate::provider::Request;
use crate::providers::authorization::Rights;
use crate::providers::managed_identity;
use crate::world::World;
use arm::{ArmError, ResourceId};

/// What gives an identity to a machine.
const ASSIGN: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action";

/// What a request says of the control plane's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RequestedIdentity {
    /// One that lives and dies with the cluster.
    SystemAssigned,
    /// The user's, by id as written.
    UserAssigned(String),
    /// An application, by its client id.
    ServicePrincipal(String),
}

impl RequestedIdentity {
    /// Reads `identity` and `servicePrincipalProfile`.
    ///
    /// # Errors
    /// Neither is there; not one of the types; several identities, or no identity for the type that wants one.
    pub(super) fn read(body: &Value) -> Result<Self, ArmError> {
        let given = &body["identity"];
        let client = body["properties"]["servicePrincipalProfile"]["clientId"].as_str().unwrap_or_default();
        match given["type"].as_str().unwrap_or_default().to_ascii_lowercase().as_str() {
            "systemassigned" => Ok(Self::SystemAssigned),
            "userassigned" => match given["userAssignedIdentities"].as_object() {
                Some(all) if all.len() == 1 => Ok(Self::UserAssigned(all.keys().next().cloned().unwrap_or_default())),
                _ => Err(refused(
                    "InvalidIdentityValues",
                    "identity.userAssignedIdentities",
                    "The identity values supplied are invalid: exactly one user-assigned identity is expected.",
                )),
            },
            "" | "none" if !client.is_empty() && client != "msi" => Ok(Self::ServicePrincipal(client.to_owned())),
            "" | "none" => Err(required("servicePrincipalProfile")),
            other => Err(refused(
                "InvalidParameter",
                "identity.type",
                format!("The identity type '{other}' is not one of SystemAssigned, UserAssigned."),
            )),
        }
    }
}

/// The identity of a new cluster, and how the resource shows it; a system-assigned one is made.
///
/// # Errors
/// A user-assigned identity that does not exist.
pub(super) fn of_control_plane(
    world: &mut World,
    request: &Request,
    wanted: &RequestedIdentity,
) -> Result<(Identity, Value), ArmError> {
    match wanted {
        RequestedIdentity::UserAssigned(id) => {
            let identity = user_assigned(world, id)?;
            let shown = json!({
                "type": "UserAssigned",
                "userAssignedIdentities": { id: { "clientId": identity.client_id, "principalId": identity.object_id } },
            });
            Ok((identity, shown))
        }
        RequestedIdentity::SystemAssigned => {
            let (object_id, client_id) = (world.uuid(), world.uuid());
            let display_name = request.id.name().to_owned();
            world.add_principal(Principal { object_id, client_id, kind: PrincipalKind::ManagedIdentity, display_name });
            let shown = json!({ "type": "SystemAssigned", "principalId": object_id, "tenantId": world.tenant() });
            Ok((Identity { resource_id: String::new(), client_id, object_id }, shown))
        }
        RequestedIdentity::ServicePrincipal(client) => {
            let client_id = client.parse().unwrap_or(Uuid::nil());
            Ok((Identity { resource_id: String::new(), client_id, object_id: Uuid::nil() }, Value::Null))
        }
    }
}

/// The identity that a stored cluster shows.
pub(super) fn read(world: &World, shown: &Value) -> Identity {
    let object_id = shown["principalId"].as_str().and_then(|text| text.parse::<Uuid>().ok());
    if let Some(principal) = object_id.and_then(|id| world.principals().get(id)) {
        return Identity { resource_id: String::new(), client_id: principal.client_id, object_id: principal.object_id };
    }
    let assigned = shown["userAssignedIdentities"].as_object().and_then(|all| all.iter().next());
    assigned.map_or_else(Identity::default, |(id, known)| Identity {
        resource_id: id.clone(),
        client_id: uuid(&known["clientId"]),
        object_id: uuid(&known["principalId"]),
    })
}

/// A system-assigned identity goes with its cluster.
pub(super) fn forget(world: &mut World, shown: &Value) {
    if let Some(id) = shown["principalId"].as_str().and_then(|text| text.parse::<Uuid>().ok()) {
        world.remove_principal(id);
    }
}

/// The identity that a request names for the kubelets; `None` where AKS is to make one.
///
/// # Errors
/// `CustomKubeletIdentityOnlySupportedOnUserAssignedMSICluster`; an identity that does not exist.
pub(super) fn of_kubelets(
    world: &World,
    properties: &Value,
    wanted: &RequestedIdentity,
) -> Result<Option<Identity>, ArmError> {
    let Some(id) = properties["identityProfile"]["kubeletidentity"]["resourceId"].as_str() else { return Ok(None) };
    if !matches!(wanted, RequestedIdentity::UserAssigned(_)) {
        return Err(refused(
            "CustomKubeletIdentityOnlySupportedOnUserAssignedMSICluster",
            "identityProfile.kubeletidentity",
            "Custom kubelet identity is only supported on clusters with a user-assigned managed identity.",
        ));
    }
    user_assigned(world, id).map(Some)
}

/// What a user-assigned identity must be allowed before its cluster is made. One of the cluster's own does not exist yet.
///
/// # Errors
/// 403 `LinkedAuthorizationFailed` for the API server's subnet; `CustomKubeletIdentityMissingPermissionError`.
pub(super) fn check_rights(
    world: &mut World,
    wanted: &RequestedIdentity,
    cluster: &ResourceId,
    api_server: Option<&ResourceId>,
    kubelet: Option<&Identity>,
) -> Result<(), ArmError> {
    let RequestedIdentity::UserAssigned(id) = wanted else { return Ok(()) };
    let identity = user_assigned(world, id)?;
    let rights = Rights::of(world, identity.object_id);
    if let Some(subnet) = api_server.filter(|subnet| !rights.may(SUBNET_JOIN, subnet)) {
        let (client, object) = (identity.client_id, identity.object_id);
        return Err(ArmError::forbidden(
            "LinkedAuthorizationFailed",
            format!(
                "The client '{client}' with object id '{object}' has permission to perform action \
                 'Microsoft.ContainerService/managedClusters/write' on scope '{cluster}'; however, it does not have \
                 permission to perform action(s) '{SUBNET_JOIN}' on the linked scope(s) '{subnet}' or the linked scope(s) \
                 are invalid."
            ),
        ));
    }
    let kubelet = kubelet.map(|kubelet| linked(&kubelet.resource_id)).transpose()?;
    if let Some(kubelet) = kubelet.filter(|kubelet| !rights.may(ASSIGN, kubelet)) {
        return Err(refused(
            "CustomKubeletIdentityMissingPermissionError",
            "identityProfile.kubeletidentity",
            format!(
                "The cluster using user-assigned managed identity must be granted 'Managed Identity Operator' role to \
                 assign kubelet identity {kubelet}."
            ),
        ));
    }
    Ok(())
}

/// `identityProfile.kubeletidentity` as the resource shows it.
pub(super) fn shown_of_kubelets(identity: &Identity) -> Value {
    json!({
        "kubeletidentity": {
            "resourceId": identity.resource_id,
            "clientId": identity.client_id,
            "objectId": identity.object_id,
        },
    })
}

/// The kubelets' identity of a stored cluster.
pub(super) fn read_of_kubelets(properties: &Value) -> Identity {
    let shown = &properties["identityProfile"]["kubeletidentity"];
    Identity {
        resource_id: shown["resourceId"].as_str().unwrap_or_default().to_owned(),
        client_id: uuid(&shown["clientId"]),
        object_id: uuid(&shown["objectId"]),
    }
}

fn user_assigned(world: &World, id: &str) -> Result<Identity, ArmError> {
    let parsed: ResourceId = linked(id)?;
    world.resources().require(&parsed)?;
    let principal = managed_identity::principal_of(world, &parsed).ok_or_else(|| {
        let message = format!("The resource '{id}' is not a user-assigned identity.");
        refused("InvalidIdentityValues", "identity.userAssignedIdentities", message)
    })?;
    Ok(Identity { resource_id: id.to_owned(), client_id: principal.client_id, object_id: principal.object_id })
}

fn uuid(value: &Value) -> Uuid {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or(Uuid::nil())
}
