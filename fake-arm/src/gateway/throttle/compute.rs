//! The policies of the compute provider for virtual machines, as it documents them ("Compute throttling limits", May
//! 2024): one bucket for each machine, one for the subscription, both in the machine's region. The region is left out
//! here: a request does not always tell it.

use http::Method;

use crate::gateway::route::Target;
use crate::world::Bucket;

/// One policy.
#[derive(Debug, PartialEq)]
pub(super) struct Policy {
    /// `PutVM`: with `Resource` or `SubscriptionMaximum` the name that callers see.
    pub(super) name: &'static str,
    /// The bucket of each machine.
    pub(super) resource: Option<Bucket>,
    /// The bucket of the subscription.
    pub(super) subscription: Bucket,
}

static PUT: Policy = change("PutVM");
static UPDATE: Policy = change("UpdateVM");
static DELETE: Policy = change("DeleteVM");
static LOW_COST_GET: Policy = Policy {
    name: "LowCostGet",
    resource: Some(Bucket::per_minute(36, 12)),
    subscription: Bucket::per_minute(24_000, 8000),
};
static HIGH_COST_GET: Policy =
    Policy { name: "HighCostGet", resource: None, subscription: Bucket::per_minute(900, 300) };

const fn change(name: &'static str) -> Policy {
    Policy { name, resource: Some(Bucket::per_minute(12, 4)), subscription: Bucket::per_minute(1500, 500) }
}

const MACHINE: &str = "microsoft.compute/virtualmachines";

/// Which policy a request falls under; `None` where it is not about a virtual machine. `known`: the machine exists.
pub(super) fn policy(type_name: &str, target: &Target, method: &Method, known: bool) -> Option<&'static Policy> {
    let name = type_name.to_ascii_lowercase();
    let child = match name.strip_prefix(MACHINE)? {
        "" => false,
        rest if rest.starts_with('/') => true,
        _ => return None,
    };
    let deletes = |action: &str| ["deallocate", "simulateeviction"].contains(&action.to_ascii_lowercase().as_str());
    let reads = |action: &str| action.eq_ignore_ascii_case("retrieveBootDiagnosticsData");
    Some(match (target, method.as_str()) {
        (Target::Collection(_), "GET") if !child => &HIGH_COST_GET,
        (_, "GET" | "HEAD") => &LOW_COST_GET,
        (Target::Action(_, action), _) if deletes(action) => &DELETE,
        (Target::Action(_, action), _) if reads(action) => &LOW_COST_GET,
        (Target::Resource(_), "PUT") if !child && !known => &PUT,
        (Target::Resource(_), "DELETE") if !child => &DELETE,
        _ => &UPDATE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arm::ResourceId;

    #[test]
    fn requests_fall_under_their_policies() {
        let vm = "Microsoft.Compute/virtualMachines";
        let group = ResourceId::parse("/subscriptions/s/resourceGroups/g").unwrap();
        let id = || group.resource(vm, "v");
        let one = || Target::Resource(id());
        let action = |name: &str| Target::Action(id(), name.to_owned());
        let name = |kind: &str, target: &Target, method: Method, known| {
            policy(kind, target, &method, known).map(|policy| policy.name)
        };
        assert_eq!(name(vm, &one(), Method::PUT, false), Some("PutVM"));
        assert_eq!(name(vm, &one(), Method::PUT, true), Some("UpdateVM"));
        assert_eq!(name(vm, &one(), Method::PATCH, true), Some("UpdateVM"));
        assert_eq!(name(vm, &one(), Method::DELETE, true), Some("DeleteVM"));
        assert_eq!(name(vm, &one(), Method::GET, true), Some("LowCostGet"));
        assert_eq!(name(vm, &Target::Collection(group.clone()), Method::GET, false), Some("HighCostGet"));
        assert_eq!(name(vm, &action("start"), Method::POST, true), Some("UpdateVM"));
        assert_eq!(name(vm, &action("deallocate"), Method::POST, true), Some("DeleteVM"));
        let extension = format!("{vm}/extensions");
        assert_eq!(name(&extension, &one(), Method::PUT, false), Some("UpdateVM"));
        assert_eq!(name(&extension, &one(), Method::DELETE, true), Some("UpdateVM"));
        assert_eq!(name("Microsoft.Compute/virtualMachineScaleSets", &one(), Method::PUT, false), None);
        assert_eq!(name("Microsoft.Compute/disks", &one(), Method::PUT, false), None);
    }
}
