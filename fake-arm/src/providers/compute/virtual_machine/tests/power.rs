//! Power, spot, eviction.

use std::time::Duration;

use super::*;
use crate::events::StopReason;
use crate::gateway::Reply;
use crate::providers::compute::{Capacity, PowerState, acknowledge, evict_overpriced, power_state, scheduled_events};

fn vm_id(name: &str) -> ResourceId {
    ResourceId::group_of(Bench::SUBSCRIPTION, "rg").resource("Microsoft.Compute/virtualMachines", name)
}

fn made(body: Value) -> Bench {
    let mut bench = bench();
    bench.put(&vm("aks-a"), body).expect(201);
    bench.settle();
    vm_events(&mut bench);
    bench
}

fn act(bench: &mut Bench, action: &str) -> Reply {
    let reply = bench.post(&vm("aks-a").replace('?', &format!("/{action}?")), Value::Null);
    // Short, so that a notice of eviction does not end.
    bench.advance(Duration::from_secs(1));
    reply
}

fn code(bench: &mut Bench) -> Value {
    let view = bench.get(&vm("aks-a").replace('?', "/instanceView?")).expect(200);
    view["statuses"][1]["code"].clone()
}

fn spot(policy: &str) -> Value {
    let body = with(body("aks-a", "Standard_D4s_v5"), "/properties/priority", json!("Spot"));
    with(body, "/properties/evictionPolicy", json!(policy))
}

/// `Started`, `Stopped(reason)`, … in the order in which they happened.
fn story(bench: &mut Bench) -> Vec<String> {
    let told = |event| match event {
        VmEvent::Started(_) => "started".to_owned(),
        VmEvent::Evicting { .. } => "evicting".to_owned(),
        VmEvent::Stopped { reason, .. } => format!("{reason:?}"),
        VmEvent::Deleted { .. } => "deleted".to_owned(),
    };
    vm_events(bench).into_iter().map(told).collect()
}

#[test]
fn a_machine_is_stopped_deallocated_and_started() {
    let mut bench = made(body("aks-a", "Standard_D4s_v5"));
    assert_eq!(code(&mut bench), "PowerState/running");
    let reply = bench.post(&vm("aks-a").replace('?', "/powerOff?"), Value::Null);
    assert_eq!((reply.status, reply.header("location").is_some()), (202, true));
    assert_eq!(bench.get(&vm("aks-a")).expect(200)["properties"]["provisioningState"], "Updating");
    bench.settle();
    assert_eq!((code(&mut bench), story(&mut bench)), (json!("PowerState/stopped"), vec!["PoweredOff".to_owned()]));
    assert_eq!(act(&mut bench, "deallocate").status, 202);
    assert_eq!(code(&mut bench), "PowerState/deallocated");
    assert!(story(&mut bench).is_empty(), "it was off already");
    assert_eq!(bench.get(&disk("aks-a")).expect(200)["properties"]["diskState"], "Reserved");
    let refused = act(&mut bench, "restart");
    assert_eq!((refused.status, refused.code()), (409, "OperationNotAllowed"));
    assert_eq!(
        refused.message(),
        "Operation 'restart' is not allowed on VM 'aks-a' since the VM is either deallocated or marked to be deallocated."
    );
    assert_eq!(act(&mut bench, "start").status, 202);
    assert_eq!((code(&mut bench), story(&mut bench)), (json!("PowerState/running"), vec!["started".to_owned()]));
    act(&mut bench, "start");
    assert!(story(&mut bench).is_empty(), "it runs already");
    for action in ["restart", "redeploy"] {
        act(&mut bench, action);
        assert_eq!(story(&mut bench), ["Restarted", "started"], "{action}");
    }
    act(&mut bench, "reapply");
    assert!(story(&mut bench).is_empty());
    let reimage = act(&mut bench, "reimage");
    assert_eq!((reimage.status, reimage.code()), (400, "NotModelled"));
    assert_eq!(act(&mut bench, "dance").code(), "InvalidResourceType");
    bench.delete(&vm("aks-a")).expect(202);
    let late = act(&mut bench, "start");
    assert_eq!(late.code(), "OperationNotAllowed");
    assert!(late.message().contains("marked for deletion"), "{}", late.message());
}

#[test]
fn a_machine_with_an_ephemeral_disk_is_not_deallocated() {
    let os_disk = json!({
        "createOption": "FromImage", "deleteOption": "Delete", "diskSizeGB": 64, "name": "aks-a", "caching": "ReadOnly",
        "diffDiskSettings": { "option": "Local", "placement": "CacheDisk" },
    });
    let mut bench = made(with(body("aks-a", "Standard_D8ds_v5"), "/properties/storageProfile/osDisk", os_disk));
    let refused = act(&mut bench, "deallocate");
    assert_eq!((refused.status, refused.code()), (409, "OperationNotAllowed"));
    assert_eq!(
        refused.message(),
        "Operation 'deallocate' is not supported for VMs or VM Scale Set instances using an ephemeral OS disk."
    );
    act(&mut bench, "powerOff");
    assert_eq!(code(&mut bench), "PowerState/stopped");
}

#[test]
fn an_evicted_machine_is_deleted_or_deallocated_as_its_policy_says() {
    for (policy, end) in [("Delete", "deleted"), ("Deallocate", "Evicted")] {
        let mut bench = made(spot(policy));
        assert_eq!(act(&mut bench, "simulateEviction").status, 204);
        assert_eq!(story(&mut bench), ["evicting"]);
        let events = scheduled_events(&bench.world, &vm_id("aks-a"));
        assert_eq!(events["Events"][0]["EventType"], "Preempt");
        assert_eq!(events["Events"][0]["Resources"], json!(["aks-a"]));
        assert_eq!(events["Events"][0]["NotBefore"], "Thu, 01 Jan 2026 00:00:30 GMT");
        act(&mut bench, "simulateEviction");
        assert!(story(&mut bench).is_empty(), "it is announced once");
        bench.advance(Duration::from_secs(26));
        assert!(story(&mut bench).is_empty());
        bench.advance(Duration::from_secs(10));
        assert_eq!(story(&mut bench), [end]);
        assert_eq!(scheduled_events(&bench.world, &vm_id("aks-a"))["Events"], json!([]));
        if policy == "Delete" {
            assert_eq!(bench.get(&vm("aks-a")).status, 404);
            assert!(bench.world.resources().get(&nic_id("aks-a")).is_none());
        } else {
            assert_eq!(power_state(&bench.world, &vm_id("aks-a")), PowerState::Deallocated);
        }
    }
    let mut bench = made(body("aks-a", "Standard_D4s_v5"));
    let refused = act(&mut bench, "simulateEviction");
    assert_eq!((refused.status, refused.code()), (409, "OperationNotAllowed"));
}

#[test]
fn a_machine_that_is_ready_goes_at_once() {
    let mut bench = made(spot("Delete"));
    act(&mut bench, "simulateEviction");
    let events = scheduled_events(&bench.world, &vm_id("aks-a"));
    let event = events["Events"][0]["EventId"].as_str().unwrap().parse().unwrap();
    assert!(acknowledge(&mut bench.world, event));
    assert_eq!(story(&mut bench), ["evicting", "deleted"]);
    assert!(!acknowledge(&mut bench.world, event));
    bench.settle();
    assert!(story(&mut bench).is_empty());
}

#[test]
fn a_price_above_the_maximum_takes_machines_back_and_keeps_others_out() {
    let mut bench = made(with(spot("Delete"), "/properties/billingProfile", json!({ "maxPrice": 0.05 })));
    bench.world.state::<Capacity>().set_spot_price("eastus", "Standard_D4s_v5", 0.04);
    evict_overpriced(&mut bench.world);
    assert!(story(&mut bench).is_empty());
    bench.world.state::<Capacity>().set_spot_price("eastus", "standard_d4s_v5", 0.07);
    evict_overpriced(&mut bench.world);
    bench.settle();
    assert_eq!(story(&mut bench), ["evicting", "deleted"]);
    add_nic(&mut bench, "aks-a", "eastus");
    let cheap =
        bench.put(&vm("aks-a"), with(spot("Delete"), "/properties/billingProfile", json!({ "maxPrice": 0.05 })));
    assert_eq!((cheap.status, cheap.code()), (409, "SpotPriceGreaterThanProvidedMaxPrice"));
    assert_eq!(
        cheap.message(),
        "Unable to perform operation 'Create VM' since the provided max price '0.05 USD' is lower than the current spot \
         price '0.07 USD' for Azure Spot Virtual Machine size 'Standard_D4s_v5'."
    );
    bench.put(&vm("aks-a"), with(spot("Delete"), "/properties/billingProfile", json!({ "maxPrice": -1 }))).expect(201);
}

#[test]
fn what_only_spot_machines_may_say_is_refused_of_others() {
    let refused = |body: Value| {
        let reply = bench().put(&vm("aks-a"), body);
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
    let mut bench = made(with(spot("Delete"), "/properties/evictionPolicy", Value::Null));
    assert_eq!(bench.get(&vm("aks-a")).expect(200)["properties"]["evictionPolicy"], "Deallocate");
    let dearer = json!({ "properties": { "billingProfile": { "maxPrice": 1.5 } } });
    let reply = bench.patch(&vm("aks-a"), dearer.clone());
    assert_eq!((reply.status, reply.code()), (409, "MaxPriceChangeNotAllowedForAllocatedVMs"));
    act(&mut bench, "deallocate");
    bench.patch(&vm("aks-a"), dearer).expect(200);
}

#[test]
fn another_size_is_another_boot() {
    let mut bench = made(body("aks-a", "Standard_D4s_v5"));
    bench.put(&vm("aks-a"), body("aks-a", "Standard_D8s_v5")).expect(200);
    let events = vm_events(&mut bench);
    let [VmEvent::Stopped { reason: StopReason::Restarted, .. }, VmEvent::Started(machine)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(machine.vcpus, 8);
    *bench.world.state::<Quotas>() = Quotas::default();
    bench.world.state::<Quotas>().region("eastus").regional = Some(10);
    let larger = bench.put(&vm("aks-a"), body("aks-a", "Standard_D16s_v5"));
    assert_eq!(larger.code(), "OperationNotAllowed");
    assert!(larger.message().contains("Current Usage: 0, Additional Required: 16"), "{}", larger.message());
}

/// The world as it comes back from the text of its snapshot.
fn come_back(bench: &mut Bench) {
    let text = serde_json::to_string(&bench.world.snapshot()).unwrap();
    bench.world.restore(serde_json::from_str(&text).unwrap(), crate::provider::remove).unwrap();
}

#[test]
fn a_snapshot_keeps_what_is_off_and_what_room_costs() {
    let mut bench = made(spot("Deallocate"));
    bench.world.state::<Capacity>().set_spot_price("eastus", "Standard_D4s_v5", 0.04);
    act(&mut bench, "powerOff");
    come_back(&mut bench);
    assert_eq!(code(&mut bench), "PowerState/stopped");
    let price = bench.world.peek::<Capacity>().and_then(|capacity| capacity.spot_price("eastus", "Standard_D4s_v5"));
    assert_eq!(price, Some(0.04));
}

#[test]
fn an_eviction_under_way_does_not_outlive_a_snapshot_and_can_be_announced_again() {
    let mut bench = made(spot("Delete"));
    act(&mut bench, "simulateEviction");
    come_back(&mut bench);
    let events = scheduled_events(&bench.world, &vm_id("aks-a"));
    assert_eq!((&events["DocumentIncarnation"], &events["Events"]), (&json!(1), &json!([])));
    act(&mut bench, "simulateEviction");
    bench.settle();
    assert_eq!(story(&mut bench), ["evicting", "evicting", "deleted"]);
}
