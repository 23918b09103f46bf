//! Everything that is assigned, arranged so that a question about one principal looks at little else.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::{DenyAssignment, Hierarchy, RoleAssignment, RoleDefinition, builtin};

/// Role definitions, role assignments and deny assignments of a tenant.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    custom: HashMap<Uuid, Arc<RoleDefinition>>,
    /// By principal, then by scope in lower case.
    assignments: HashMap<Uuid, HashMap<String, Vec<Arc<RoleAssignment>>>>,
    denies: Vec<DenyAssignment>,
    hierarchy: Hierarchy,
}

impl Policy {
    /// A tenant with these management groups, the built-in roles, and nothing assigned.
    pub fn new(hierarchy: Hierarchy) -> Self {
        Self { hierarchy, ..Self::default() }
    }

    /// Adds a custom role.
    pub fn define(&mut self, role: RoleDefinition) {
        self.custom.insert(role.id, Arc::new(role));
    }

    /// Adds a role assignment.
    pub fn assign(&mut self, assignment: RoleAssignment) {
        let scopes = self.assignments.entry(assignment.principal).or_default();
        scopes.entry(assignment.scope.folded().to_owned()).or_default().push(Arc::new(assignment));
    }

    /// Adds a deny assignment.
    pub fn deny(&mut self, assignment: DenyAssignment) {
        self.denies.push(assignment);
    }

    /// Which scopes are in which.
    pub fn hierarchy(&self) -> &Hierarchy {
        &self.hierarchy
    }

    /// A role by its id, built-in or custom.
    pub fn role(&self, id: Uuid) -> Option<&Arc<RoleDefinition>> {
        builtin().get(&id).or_else(|| self.custom.get(&id))
    }

    /// All roles, the built-in ones first, by name.
    pub fn roles(&self) -> Vec<&Arc<RoleDefinition>> {
        let mut roles: Vec<_> = builtin().values().chain(self.custom.values()).collect();
        roles.sort_by(|a, b| (a.kind.as_str(), &a.name, a.id).cmp(&(b.kind.as_str(), &b.name, b.id)));
        roles
    }

    /// The deny assignments.
    pub fn denies(&self) -> &[DenyAssignment] {
        &self.denies
    }

    /// Assignments to one of these principals, by scope in lower case.
    pub(super) fn by_scope(&self, principal: Uuid) -> Option<&HashMap<String, Vec<Arc<RoleAssignment>>>> {
        self.assignments.get(&principal)
    }

    /// Every assignment to a principal, wherever it is.
    pub fn assignments_of(&self, principal: Uuid) -> impl Iterator<Item = &Arc<RoleAssignment>> {
        self.assignments.get(&principal).into_iter().flat_map(|scopes| scopes.values().flatten())
    }
}
