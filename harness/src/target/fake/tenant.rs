//! What a scenario can do to the tenant that it works in: what stands in its directory, and what Azure itself decides
//! about rights, which no request of a customer orders.

use std::sync::Arc;
use std::time::Duration;

use fake_arm::FakeArm;
use fake_arm::arm::ResourceId;
use fake_arm::directory::{Principal, PrincipalKind};
use fake_arm::providers::authorization::{self, ROLE_DEFINITION};
use serde_json::json;
use uuid::Uuid;

use crate::azure::{ClientSecret, Credential, PrincipalId, Scope};
use crate::history::{Event, History};
use crate::target::{Capability, CapabilityKind};

/// The tenant of a lab whose Azure is fake-arm.
#[derive(Clone)]
pub struct Tenant {
    fake: Arc<FakeArm>,
    history: History,
}

impl std::fmt::Debug for Tenant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tenant").finish_non_exhaustive()
    }
}

impl Capability for Tenant {
    const KIND: CapabilityKind = CapabilityKind::Tenant;
}

impl Tenant {
    pub(in crate::target) fn new(fake: Arc<FakeArm>, history: History) -> Self {
        Self { fake, history }
    }

    /// The credential of any principal: the tenant's directory signs tokens for everyone.
    ///
    /// # Panics
    /// Where the principal's id is no GUID.
    #[must_use]
    pub fn credential_of(&self, principal: impl Into<PrincipalId>) -> Arc<dyn Credential> {
        let (fake, id) = (self.fake.clone(), guid(&principal.into()));
        Arc::new(move || fake.token_for(id))
    }

    /// Lets role assignments take this long to be known from here on, in coming and in going. Azure's documents say up to
    /// ten minutes.
    pub fn role_assignments_take(&self, delay: Duration) {
        self.step(format!("role assignments take {} to be known from here on", crate::duration::readable(delay)));
        self.fake.tune(|settings| settings.role_propagation = delay);
    }

    /// A new client of the directory (a service principal) that owns the subscription, and how it signs in.
    #[must_use]
    pub fn owner(&self, name: &str) -> ClientSecret {
        self.step(format!("create the service principal {name}, an owner"));
        let object_id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("client {name}").as_bytes());
        let client_id = Uuid::new_v5(&object_id, b"client");
        let secret = Uuid::new_v4().simple().to_string();
        let kind = PrincipalKind::ServicePrincipal;
        self.fake.add_owner(Principal { object_id, client_id, kind, display_name: name.to_owned() });
        let held = fake_arm::directory::ClientSecret::new(secret.clone());
        self.fake.with(|world| world.credentials_mut().add_secret(object_id, held));
        ClientSecret {
            authority: self.fake.endpoint().to_string(),
            tenant: self.fake.tenant_id().to_string(),
            client: client_id.to_string(),
            secret,
        }
    }

    /// A new security group, without members.
    #[must_use]
    pub fn security_group(&self, name: &str) -> SecurityGroup {
        self.step(format!("create the security group {name}"));
        let object_id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("group {name}").as_bytes());
        let kind = PrincipalKind::Group;
        self.fake.add_principal(Principal { object_id, client_id: object_id, kind, display_name: name.to_owned() });
        SecurityGroup { tenant: self.clone(), name: name.to_owned(), object_id }
    }

    /// Denies everyone to change anything in a scope, as AKS does where it locks a node resource group down, until the
    /// denial is [lifted](Denial::lift).
    ///
    /// # Panics
    /// Where the scope is no ARM id.
    pub fn deny_changes(&self, scope: &(impl Scope + ?Sized), name: &str) -> Denial {
        self.step(format!("deny all changes in {}", scope.scope()));
        let scope = ResourceId::parse(scope.scope()).expect("a scope is an ARM id");
        let id = self.fake.with(|world| authorization::deny_changes(world, &scope, name, &[]));
        Denial { tenant: self.clone(), id }
    }

    /// Lets the directory not know a principal until it [is known](Unknown::reveal): one that was just made and has not
    /// been replicated, or one that was taken away. Azure accepts none of its tokens meanwhile.
    ///
    /// # Panics
    /// Where the principal's id is no GUID, or the directory does not know it anyway.
    pub fn hide_principal(&self, principal: impl Into<PrincipalId>) -> Unknown {
        let id = principal.into();
        self.step(format!("the directory does not know {id}"));
        let taken = self.fake.with(|world| world.principals_mut().remove(guid(&id)));
        Unknown { tenant: self.clone(), principal: taken.expect("the directory knows it until now") }
    }

    /// Fills the tenant with custom roles up to `free` below Azure's limit of 5000.
    pub fn has_room_for_roles(&self, free: usize) {
        const MOST: usize = 5000;
        self.step(format!("the tenant has room for {free} more custom roles"));
        self.fake.with(|world| {
            let subscription = ResourceId::subscription_of(world.subscription());
            let there = world.resources().of_type(ROLE_DEFINITION).count();
            for number in there..MOST.saturating_sub(free) {
                let name = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("role {number}").as_bytes());
                let id = subscription.resource(ROLE_DEFINITION, &name.to_string());
                let properties = json!({
                    "roleName": format!("Role {number}"), "type": "CustomRole", "description": "",
                    "assignableScopes": [subscription.as_str()], "permissions": [],
                });
                world.upsert(&id, ROLE_DEFINITION, json!({ "properties": properties }));
            }
        });
    }

    fn step(&self, text: String) {
        self.history.record(Event::Step { text });
    }
}

/// A security group of the directory: a principal that roles can be given to.
#[derive(Debug, Clone)]
pub struct SecurityGroup {
    tenant: Tenant,
    name: String,
    object_id: Uuid,
}

impl SecurityGroup {
    /// Takes someone in.
    ///
    /// # Panics
    /// Where the principal's id is no GUID.
    pub fn add(&self, member: impl Into<PrincipalId>) {
        let member = member.into();
        self.tenant.step(format!("{member} joins the group {}", self.name));
        let member = guid(&member);
        self.tenant.fake.with(|world| world.principals_mut().join(member, self.object_id));
    }

    /// Takes someone out.
    ///
    /// # Panics
    /// Where the principal's id is no GUID.
    pub fn remove(&self, member: impl Into<PrincipalId>) {
        let member = member.into();
        self.tenant.step(format!("{member} leaves the group {}", self.name));
        let member = guid(&member);
        self.tenant.fake.with(|world| world.principals_mut().leave(member, self.object_id));
    }
}

impl From<&SecurityGroup> for PrincipalId {
    fn from(group: &SecurityGroup) -> Self {
        group.object_id.to_string().as_str().into()
    }
}

/// A deny assignment that is in force.
#[derive(Debug, Clone)]
#[must_use = "it stays until it is lifted"]
pub struct Denial {
    tenant: Tenant,
    id: ResourceId,
}

impl Denial {
    /// Takes it away.
    pub fn lift(self) {
        self.tenant.step(format!("lift the deny assignment {}", self.id));
        self.tenant.fake.with(|world| world.resources_mut().remove(&self.id));
    }
}

/// A principal that the directory does not know.
#[derive(Debug, Clone)]
#[must_use = "it stays unknown until it is known"]
pub struct Unknown {
    tenant: Tenant,
    principal: Principal,
}

impl Unknown {
    /// The directory knows it again, or at last.
    pub fn reveal(self) {
        self.tenant.step(format!("the directory knows {}", self.principal.object_id));
        self.tenant.fake.add_principal(self.principal);
    }
}

fn guid(principal: &PrincipalId) -> Uuid {
    principal.as_str().parse().expect("object ids are GUIDs")
}
