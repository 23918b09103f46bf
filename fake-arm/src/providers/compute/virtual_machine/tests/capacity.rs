//! Room, restrictions, features.

use super::*;
use crate::providers::compute::{Capacity, ComputeFeatures, Shortage, ShortageKind};

fn operation_of(fake: &mut TestFake, body: Value) -> Value {
    let reply = fake.put(&vm("aks-a"), body);
    assert_eq!(reply.status, 201, "{:#}", reply.body);
    let url = reply.header("azure-asyncoperation").expect("a status").replace("https://127.0.0.1:1", "");
    fake.settle();
    fake.get(&url).expect(200)
}

#[test]
fn what_azure_notices_at_once_is_refused_at_once() {
    let mut fake = fake();
    let shortage = Shortage::new("eastus", ShortageKind::SkuNotAvailable).size("Standard_D4s_v5").zone("3");
    fake.world.state::<Capacity>().add(shortage);
    let reply = fake.put(&vm("aks-a"), body("aks-a", "Standard_D4s_v5"));
    assert_eq!((reply.status, reply.code()), (409, "SkuNotAvailable"));
    assert!(fake.world.resources().get(&nic_id("aks-a")).unwrap().properties()["virtualMachine"].is_null());
    let elsewhere = with(body("aks-a", "Standard_D4s_v5"), "/zones", json!(["1"]));
    fake.put(&vm("aks-a"), elsewhere).expect(201);
}

#[test]
fn what_azure_notices_at_work_fails_the_operation() {
    let cases = [
        (
            ShortageKind::ZonalAllocationFailed,
            "ZonalAllocationFailed",
            "Allocation failed. We do not have sufficient capacity for the requested VM size in this zone. Read more about \
             improving likelihood of allocation success at http://aka.ms/allocation-guidance",
        ),
        (
            ShortageKind::AllocationFailed,
            "AllocationFailed",
            "Allocation failed. We do not have sufficient capacity for the requested VM size in this region. Read more \
             about improving likelihood of allocation success at http://aka.ms/allocation-guidance",
        ),
        (
            ShortageKind::OverconstrainedZonalAllocationRequest,
            "OverconstrainedZonalAllocationRequest",
            "Allocation failed. VM(s) with the following constraints cannot be allocated, because the condition is too \
             restrictive. Please remove some constraints and try again. Constraints applied are:\n  - Availability Zone\n  \
             - Networking Constraints (such as Accelerated Networking or IPv6)\n  - VM Size\n",
        ),
    ];
    for (kind, code, message) in cases {
        let mut fake = fake();
        fake.world.state::<Capacity>().add(Shortage::new("eastus", kind).size("standardDSv5Family"));
        let outcome = operation_of(&mut fake, body("aks-a", "Standard_D4s_v5"));
        assert_eq!((&outcome["status"], &outcome["error"]["code"]), (&json!("Failed"), &json!(code)));
        assert_eq!(outcome["error"]["message"], message);
        assert_eq!(fake.get(&vm("aks-a")).expect(200)["properties"]["provisioningState"], "Failed");
        assert!(vm_events(&mut fake).is_empty(), "it never booted");
        let view = fake.get(&vm("aks-a").replace('?', "/instanceView?")).expect(200);
        assert_eq!(view["statuses"].as_array().unwrap().len(), 1, "no power state");
        fake.delete(&vm("aks-a")).expect(202);
        fake.settle();
        assert!(fake.world.resources().get(&nic_id("aks-a")).is_none(), "it goes with the failed machine");
    }
}

#[test]
fn a_machine_that_found_no_place_is_put_again() {
    let mut fake = fake();
    fake.world.state::<Capacity>().add(Shortage::new("eastus", ShortageKind::AllocationFailed));
    for _ in 0..2 {
        fake.put(&vm("aks-a"), body("aks-a", "Standard_D4s_v5"));
        fake.settle();
        assert_eq!(fake.get(&vm("aks-a")).expect(200)["properties"]["provisioningState"], "Failed");
    }
    fake.world.state::<Capacity>().relieve();
    fake.put(&vm("aks-a"), body("aks-a", "Standard_D4s_v5")).expect(200);
    fake.settle();
    assert_eq!(fake.get(&vm("aks-a")).expect(200)["properties"]["provisioningState"], "Succeeded");
    assert!(matches!(&vm_events(&mut fake)[..], [VmEvent::Started(_)]));
}

#[test]
fn a_failed_machines_interface_that_stays_is_reserved() {
    let mut fake = fake();
    fake.world.state::<Capacity>().add(Shortage::new("eastus", ShortageKind::AllocationFailed));
    let body = with(
        body("aks-a", "Standard_D4s_v5"),
        "/properties/networkProfile/networkInterfaces/0/properties/deleteOption",
        json!("Detach"),
    );
    operation_of(&mut fake, body);
    fake.delete(&vm("aks-a")).expect(202);
    fake.settle();
    let path = "/resourceGroups/rg/providers/Microsoft.Network/networkInterfaces/aks-a?api-version=2022-01-01";
    assert_eq!(fake.delete(path).code(), "NicReservedForAnotherVm");
    fake.advance(std::time::Duration::from_secs(180));
    fake.delete(path).expect(200);
}

#[test]
fn a_shortage_leaves_room_for_some_and_ends() {
    let mut fake = fake();
    add_nic(&mut fake, "aks-b", "eastus");
    let shortage = Shortage::new("eastus", ShortageKind::SkuNotAvailable).spot(false).room(1);
    fake.world.state::<Capacity>().add(shortage);
    fake.put(&vm("aks-a"), body("aks-a", "Standard_D4s_v5")).expect(201);
    fake.settle();
    assert_eq!(fake.put(&vm("aks-b"), body("aks-b", "Standard_D4s_v5")).code(), "SkuNotAvailable");
    // A deallocated machine gives its place up, and may not get it again.
    fake.post(&vm("aks-a").replace('?', "/deallocate?"), Value::Null).expect(202);
    fake.settle();
    fake.put(&vm("aks-b"), body("aks-b", "Standard_D4s_v5")).expect(201);
    fake.settle();
    let start = vm("aks-a").replace('?', "/start?");
    assert_eq!(fake.post(&start, Value::Null).code(), "SkuNotAvailable");
    fake.world.state::<Capacity>().relieve();
    fake.post(&start, Value::Null).expect(202);
}

#[test]
fn a_restricted_size_is_listed_as_such_and_refused() {
    let mut fake = fake();
    fake.world.state::<Capacity>().restrict("eastus", "Standard_D4s_v5", &["3"]);
    let path = format!(
        "/subscriptions/{}/providers/Microsoft.Compute/skus?api-version=2021-07-01&$filter=location%20eq%20%27eastus%27",
        TestFake::SUBSCRIPTION
    );
    let restrictions = |fake: &mut TestFake| {
        let skus = fake.get(&path).expect(200);
        let next = skus["nextLink"].as_str().map(|link| link.replace("https://127.0.0.1:1", ""));
        let more = next.map(|next| fake.get(&next).expect(200)).unwrap_or_default();
        let all = [skus, more];
        let mut all = all.iter().flat_map(|page| page["value"].as_array().into_iter().flatten());
        all.find(|sku| sku["name"] == "Standard_D4s_v5").expect("listed")["restrictions"].clone()
    };
    assert_eq!(
        restrictions(&mut fake),
        json!([{
            "type": "Zone", "values": ["eastus"], "restrictionInfo": { "locations": ["eastus"], "zones": ["3"] },
            "reasonCode": "NotAvailableForSubscription",
        }])
    );
    assert_eq!(fake.put(&vm("aks-a"), body("aks-a", "Standard_D4s_v5")).code(), "SkuNotAvailable");
    fake.world.state::<Capacity>().allow("eastus", "Standard_D4s_v5");
    assert_eq!(restrictions(&mut fake), json!([]));
    fake.put(&vm("aks-a"), body("aks-a", "Standard_D4s_v5")).expect(201);
}

#[test]
fn encryption_at_host_needs_its_feature_and_its_size() {
    let mut fake = fake();
    let encrypted =
        |size: &str| with(body("aks-a", size), "/properties/securityProfile", json!({ "encryptionAtHost": true }));
    let reply = fake.put(&vm("aks-a"), encrypted("Standard_D4s_v5"));
    assert_eq!((reply.status, reply.code()), (400, "InvalidParameter"));
    assert_eq!(
        reply.message(),
        "The property 'securityProfile.encryptionAtHost' is not valid because the 'Microsoft.Compute/EncryptionAtHost' \
         feature is not enabled for this subscription."
    );
    fake.world.state::<ComputeFeatures>().register("Microsoft.Compute/EncryptionAtHost");
    let plain = fake.put(&vm("aks-a"), encrypted("Standard_D2_v2"));
    assert_eq!(plain.message(), "Encryption at host is not supported by VM size 'Standard_D2_v2'.");
    fake.put(&vm("aks-a"), encrypted("Standard_D4s_v5")).expect(201);
}

#[test]
fn instances_of_agent_pools_count_against_the_quota() {
    let mut fake = fake();
    let group = ResourceId::group_of(TestFake::SUBSCRIPTION, "rg");
    let instance = group.resource("Microsoft.Compute/virtualMachineScaleSets", "pool").child("virtualMachines", "0");
    let body = json!({ "location": "eastus", "sku": { "name": "Standard_D8s_v5" } });
    fake.world.upsert(&instance, "Microsoft.Compute/virtualMachineScaleSets/virtualMachines", body);
    fake.world.state::<Quotas>().region("eastus").regional = Some(11);
    let reply = fake.put(&vm("aks-a"), super::body("aks-a", "Standard_D4s_v5"));
    assert!(reply.message().contains("Current Usage: 8, Additional Required: 4"), "{}", reply.message());
}

#[test]
fn sizes_are_listed_for_a_region_and_for_a_machine() {
    let mut fake = fake();
    fake.put(&vm("aks-a"), body("aks-a", "Standard_D4s_v5")).expect(201);
    fake.world.settings_mut().page_size = 1000;
    let path = format!(
        "/subscriptions/{}/providers/Microsoft.Compute/locations/eastus/vmSizes?{VERSION}",
        TestFake::SUBSCRIPTION
    );
    let all = fake.get(&path).expect(200);
    let size = all["value"].as_array().unwrap().iter().find(|size| size["name"] == "Standard_D4s_v5").expect("listed");
    assert_eq!((&size["numberOfCores"], &size["memoryInMB"]), (&json!(4), &json!(16384)));
    assert_eq!(fake.get(&vm("aks-a").replace('?', "/vmSizes?")).expect(200), all);
}
