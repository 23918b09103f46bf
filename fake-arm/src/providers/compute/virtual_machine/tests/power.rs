//! Power, spot, eviction.

use std::time::Duration;

use super::*;
use crate::events::StopReason;
use crate::gateway::Reply;
use crate::providers::compute::{Capacity, PowerState, acknowledge, evict_overpriced, power_state, scheduled_events};

fn vm_id(name: &str) -> ResourceId {
    ResourceId::group_of(TestFake::SUBSCRIPTION, "rg").resource("Microsoft.Compute/virtualMachines", name)
}

fn made(body: Value) -> TestFake {
    let mut fake = fake();
    fake.put(&vm("aks-a"), body).expect(201);
    fake.settle();
    vm_events(&mut fake);
    fake
}

fn act(fake: &mut TestFake, action: &str) -> Reply {
    let reply = fake.post(&vm("aks-a").replace('?', &format!("/{action}?")), Value::Null);
    // Short, so that a notice of eviction does not end.
    fake.advance(Duration::from_secs(1));
    reply
}

fn code(fake: &mut TestFake) -> Value {
    let view = fake.get(&vm("aks-a").replace('?', "/instanceView?")).expect(200);
    view["statuses"][1]["code"].clone()
}

fn spot(policy: &str) -> Value {
    let body = with(body("aks-a", "Standard_D4s_v5"), "/properties/priority", json!("Spot"));
    with(body, "/properties/evictionPolicy", json!(policy))
}

/// `Started`, `Stopped(reason)`, … in the order in which they happened.
fn story(fake: &mut TestFake) -> Vec<String> {
    let told = |event| match event {
        VmEvent::Started(_) => "started".to_owned(),
        VmEvent::Evicting { .. } => "evicting".to_owned(),
        VmEvent::Stopped { reason, .. } => format!("{reason:?}"),
        VmEvent::Deleted { .. } => "deleted".to_owned(),
    };
    vm_events(fake).into_iter().map(told).collect()
}

#[test]
fn a_machine_is_stopped_deallocated_and_started() {
    let mut fake = made(body("aks-a", "Standard_D4s_v5"));
    assert_eq!(code(&mut fake), "PowerState/running");
    let reply = fake.post(&vm("aks-a").replace('?', "/powerOff?"), Value::Null);
    assert_eq!((reply.status, reply.header("location").is_some()), (202, true));
    assert_eq!(fake.get(&vm("aks-a")).expect(200)["properties"]["provisioningState"], "Updating");
    fake.settle();
    assert_eq!((code(&mut fake), story(&mut fake)), (json!("PowerState/stopped"), vec!["PoweredOff".to_owned()]));
    assert_eq!(act(&mut fake, "deallocate").status, 202);
    assert_eq!(code(&mut fake), "PowerState/deallocated");
    assert!(story(&mut fake).is_empty(), "it was off already");
    assert_eq!(fake.get(&disk("aks-a")).expect(200)["properties"]["diskState"], "Reserved");
    let refused = act(&mut fake, "restart");
    assert_eq!((refused.status, refused.code()), (409, "OperationNotAllowed"));
    assert_eq!(
        refused.message(),
        "Operation 'restart' is not allowed on VM 'aks-a' since the VM is either deallocated or marked to be deallocated."
    );
    assert_eq!(act(&mut fake, "start").status, 202);
    assert_eq!((code(&mut fake), story(&mut fake)), (json!("PowerState/running"), vec!["started".to_owned()]));
    act(&mut fake, "start");
    assert!(story(&mut fake).is_empty(), "it runs already");
    for action in ["restart", "redeploy"] {
        act(&mut fake, action);
        assert_eq!(story(&mut fake), ["Restarted", "started"], "{action}");
    }
    act(&mut fake, "reapply");
    assert!(story(&mut fake).is_empty());
    let reimage = act(&mut fake, "reimage");
    assert_eq!((reimage.status, reimage.code()), (400, "NotModelled"));
    assert_eq!(act(&mut fake, "dance").code(), "InvalidResourceType");
    fake.delete(&vm("aks-a")).expect(202);
    let late = act(&mut fake, "start");
    assert_eq!(late.code(), "OperationNotAllowed");
    assert!(late.message().contains("marked for deletion"), "{}", late.message());
}

#[test]
fn a_machine_with_an_ephemeral_disk_is_not_deallocated() {
    let os_disk = json!({
        "createOption": "FromImage", "deleteOption": "Delete", "diskSizeGB": 64, "name": "aks-a", "caching": "ReadOnly",
        "diffDiskSettings": { "option": "Local", "placement": "CacheDisk" },
    });
    let mut fake = made(with(body("aks-a", "Standard_D8ds_v5"), "/properties/storageProfile/osDisk", os_disk));
    let refused = act(&mut fake, "deallocate");
    assert_eq!((refused.status, refused.code()), (409, "OperationNotAllowed"));
    assert_eq!(
        refused.message(),
        "Operation 'deallocate' is not supported for VMs or VM Scale Set instances using an ephemeral OS disk."
    );
    act(&mut fake, "powerOff");
    assert_eq!(code(&mut fake), "PowerState/stopped");
}

#[test]
fn an_evicted_machine_is_deleted_or_deallocated_as_its_policy_says() {
    for (policy, end) in [("Delete", "deleted"), ("Deallocate", "Evicted")] {
        let mut fake = made(spot(policy));
        assert_eq!(act(&mut fake, "simulateEviction").status, 204);
        assert_eq!(story(&mut fake), ["evicting"]);
        let events = scheduled_events(&fake.world, &vm_id("aks-a"));
        assert_eq!(events["Events"][0]["EventType"], "Preempt");
        assert_eq!(events["Events"][0]["Resources"], json!(["aks-a"]));
        assert_eq!(events["Events"][0]["NotBefore"], "Thu, 01 Jan 2026 00:00:30 GMT");
        act(&mut fake, "simulateEviction");
        assert!(story(&mut fake).is_empty(), "it is announced once");
        fake.advance(Duration::from_secs(26));
        assert!(story(&mut fake).is_empty());
        fake.advance(Duration::from_secs(10));
        assert_eq!(story(&mut fake), [end]);
        assert_eq!(scheduled_events(&fake.world, &vm_id("aks-a"))["Events"], json!([]));
        if policy == "Delete" {
            assert_eq!(fake.get(&vm("aks-a")).status, 404);
            assert!(fake.world.resources().get(&nic_id("aks-a")).is_none());
        } else {
            assert_eq!(power_state(&fake.world, &vm_id("aks-a")), PowerState::Deallocated);
        }
    }
    let mut fake = made(body("aks-a", "Standard_D4s_v5"));
    let refused = act(&mut fake, "simulateEviction");
    assert_eq!((refused.status, refused.code()), (409, "OperationNotAllowed"));
}

#[test]
fn a_machine_that_is_ready_goes_at_once() {
    let mut fake = made(spot("Delete"));
    act(&mut fake, "simulateEviction");
    let events = scheduled_events(&fake.world, &vm_id("aks-a"));
    let event = events["Events"][0]["EventId"].as_str().unwrap().parse().unwrap();
    assert!(acknowledge(&mut fake.world, event));
    assert_eq!(story(&mut fake), ["evicting", "deleted"]);
    assert!(!acknowledge(&mut fake.world, event));
    fake.settle();
    assert!(story(&mut fake).is_empty());
}

#[test]
fn a_price_above_the_maximum_takes_machines_back_and_keeps_others_out() {
    let mut fake = made(with(spot("Delete"), "/properties/billingProfile", json!({ "maxPrice": 0.05 })));
    fake.world.state::<Capacity>().set_spot_price("eastus", "Standard_D4s_v5", 0.04);
    evict_overpriced(&mut fake.world);
    assert!(story(&mut fake).is_empty());
    fake.world.state::<Capacity>().set_spot_price("eastus", "standard_d4s_v5", 0.07);
    evict_overpriced(&mut fake.world);
    fake.settle();
    assert_eq!(story(&mut fake), ["evicting", "deleted"]);
    add_nic(&mut fake, "aks-a", "eastus");
    let cheap = fake.put(&vm("aks-a"), with(spot("Delete"), "/properties/billingProfile", json!({ "maxPrice": 0.05 })));
    assert_eq!((cheap.status, cheap.code()), (409, "SpotPriceGreaterThanProvidedMaxPrice"));
    assert_eq!(
        cheap.message(),
        "Unable to perform operation 'Create VM' since the provided max price '0.05 USD' is lower than the current spot \
         price '0.07 USD' for Azure Spot Virtual Machine size 'Standard_D4s_v5'."
    );
    fake.put(&vm("aks-a"), with(spot("Delete"), "/properties/billingProfile", json!({ "maxPrice": -1 }))).expect(201);
}

#[test]
fn what_only_spot_machines_may_say_is_refused_of_others() {
    let refused = |body: Value| {
        let reply = fake().put(&vm("aks-a"), body);
        (reply.status, reply.code().to_owned())
    };
    let regular = || body("aks-a", "Standard_D4s_v5");
    let code = |name: &str| (400, name.to_owned());
    assert_eq!(
        refused(with(regular(), "/properties/evictionPolicy", json!("Delete"))),
        code("EvictionPolicyCanBeSetOnlyOnAzureSpotVirtualMachines")
    );
    assert_eq!(
        refused(with(regular(), "/properties/billingProfile", json!({ "maxPrice": -1 }))),
        code("MaxPriceIsSupportedOnlyForAzureSpotVirtualMachines")
    );
    assert_eq!(
        refused(with(spot("Delete"), "/properties/billingProfile", json!({ "maxPrice": 0 }))),
        code("MaxPriceValueInvalid")
    );
    assert_eq!(refused(spot("Hibernate")), code("InvalidParameter"));
    let set = json!({ "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/availabilitySets/a" });
    assert_eq!(
        refused(with(spot("Delete"), "/properties/availabilitySet", set.clone())),
        code("AzureSpotVMNotSupportedInAvailabilitySet")
    );
    assert_eq!(refused(with(regular(), "/properties/availabilitySet", set)), code("NotModelled"));
    let mut fake = made(with(spot("Delete"), "/properties/evictionPolicy", Value::Null));
    assert_eq!(fake.get(&vm("aks-a")).expect(200)["properties"]["evictionPolicy"], "Deallocate");
    let dearer = json!({ "properties": { "billingProfile": { "maxPrice": 1.5 } } });
    let reply = fake.patch(&vm("aks-a"), dearer.clone());
    assert_eq!((reply.status, reply.code()), (409, "MaxPriceChangeNotAllowedForAllocatedVMs"));
    act(&mut fake, "deallocate");
    fake.patch(&vm("aks-a"), dearer).expect(200);
}

#[test]
fn another_size_is_another_boot() {
    let mut fake = made(body("aks-a", "Standard_D4s_v5"));
    fake.put(&vm("aks-a"), body("aks-a", "Standard_D8s_v5")).expect(200);
    let events = vm_events(&mut fake);
    let [VmEvent::Stopped { reason: StopReason::Restarted, .. }, VmEvent::Started(machine)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(machine.vcpus, 8);
    *fake.world.state::<Quotas>() = Quotas::default();
    fake.world.state::<Quotas>().region("eastus").regional = Some(10);
    let larger = fake.put(&vm("aks-a"), body("aks-a", "Standard_D16s_v5"));
    assert_eq!(larger.code(), "OperationNotAllowed");
    assert!(larger.message().contains("Current Usage: 0, Additional Required: 16"), "{}", larger.message());
}

/// The world as it comes back from the text of its snapshot.
fn come_back(fake: &mut TestFake) {
    let text = serde_json::to_string(&fake.world.snapshot()).unwrap();
    fake.world.restore(serde_json::from_str(&text).unwrap(), crate::provider::remove).unwrap();
}

#[test]
fn a_snapshot_keeps_what_is_off_and_what_room_costs() {
    let mut fake = made(spot("Deallocate"));
    fake.world.state::<Capacity>().set_spot_price("eastus", "Standard_D4s_v5", 0.04);
    act(&mut fake, "powerOff");
    come_back(&mut fake);
    assert_eq!(code(&mut fake), "PowerState/stopped");
    let price = fake.world.peek::<Capacity>().and_then(|capacity| capacity.spot_price("eastus", "Standard_D4s_v5"));
    assert_eq!(price, Some(0.04));
}

#[test]
fn an_eviction_under_way_does_not_outlive_a_snapshot_and_can_be_announced_again() {
    let mut fake = made(spot("Delete"));
    act(&mut fake, "simulateEviction");
    come_back(&mut fake);
    let events = scheduled_events(&fake.world, &vm_id("aks-a"));
    assert_eq!((&events["DocumentIncarnation"], &events["Events"]), (&json!(1), &json!([])));
    act(&mut fake, "simulateEviction");
    fake.settle();
    assert_eq!(story(&mut fake), ["evicting", "evicting", "deleted"]);
}
