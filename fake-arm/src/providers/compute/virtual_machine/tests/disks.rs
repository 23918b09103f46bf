//! Disks: of machines, attached, on their own.

use super::*;

fn at(name: &str) -> Value {
    json!(ResourceId::group_of(TestFake::SUBSCRIPTION, "rg").resource("Microsoft.Compute/disks", name))
}

fn empty(size: u32) -> Value {
    json!({ "location": "eastus", "zones": ["3"], "properties": { "creationData": { "createOption": "Empty" }, "diskSizeGB": size } })
}

fn data_disks(fake: &mut TestFake, name: &str, disks: Value) -> crate::gateway::Reply {
    fake.patch(&vm(name), json!({ "properties": { "storageProfile": { "dataDisks": disks } } }))
}

#[test]
fn data_disks_come_with_the_machine_and_go_as_they_say() {
    let mut fake = fake();
    fake.put(&disk("old"), empty(64)).expect(201);
    let disks = json!([
        { "lun": 0, "createOption": "Empty", "diskSizeGB": 32, "deleteOption": "Delete", "name": "new" },
        { "lun": 1, "createOption": "Attach", "managedDisk": { "id": at("old") } },
    ]);
    fake.put(&vm("aks-a"), with(body("aks-a", "Standard_D4s_v5"), "/properties/storageProfile/dataDisks", disks))
        .expect(201);
    fake.settle();
    let shown = fake.get(&vm("aks-a")).expect(200);
    let disks = &shown["properties"]["storageProfile"]["dataDisks"];
    assert_eq!(
        (&disks[0]["managedDisk"]["id"], &disks[1]["name"], &disks[1]["diskSizeGB"]),
        (&at("new"), &json!("old"), &json!(64))
    );
    assert_eq!(fake.get(&disk("new")).expect(200)["managedBy"], shown["id"]);
    assert_eq!(fake.get(&disk("old")).expect(200)["properties"]["diskState"], "Attached");
    let attached = fake.delete(&disk("old"));
    assert_eq!((attached.status, attached.code()), (409, "OperationNotAllowed"));
    assert_eq!(attached.message(), format!("Disk old is attached to VM {}.", shown["id"].as_str().unwrap()));
    // What was read can be sent back.
    let again = fake
        .put(&vm("aks-a"), with(shown.clone(), "/properties/osProfile/customData", json!("IyEvYmluL2Jhc2g=")))
        .expect(200);
    assert_eq!(again["properties"]["storageProfile"], shown["properties"]["storageProfile"]);
    fake.delete(&vm("aks-a")).expect(202);
    fake.settle();
    assert_eq!(fake.get(&disk("new")).status, 404);
    assert_eq!(fake.get(&disk("old")).expect(200)["properties"]["diskState"], "Unattached");
}

#[test]
fn disks_are_attached_and_detached() {
    let mut fake = fake();
    add_nic(&mut fake, "aks-b", "eastus");
    for name in ["aks-a", "aks-b"] {
        fake.put(&vm(name), body(name, "Standard_D4s_v5")).expect(201);
    }
    fake.settle();
    fake.put(&disk("d"), empty(64)).expect(201);
    let attach = |lun: u32| json!({ "lun": lun, "createOption": "Attach", "managedDisk": { "id": at("d") } });
    data_disks(&mut fake, "aks-a", json!([attach(0)])).expect(200);
    assert!(fake.get(&disk("d")).expect(200)["managedBy"].as_str().unwrap().ends_with("/aks-a"));
    let owned = data_disks(&mut fake, "aks-b", json!([attach(0)]));
    assert_eq!((owned.status, owned.code()), (409, "ConflictingUserInput"));
    assert!(
        owned.message().starts_with("Disk 'd' cannot be attached as the disk is already owned by VM '/subscriptions/")
    );
    let twice = json!([attach(0), { "lun": 0, "createOption": "Empty", "diskSizeGB": 1 }]);
    let reply = data_disks(&mut fake, "aks-a", twice);
    assert_eq!(
        (reply.status, reply.code(), reply.message()),
        (400, "InvalidParameter", "A disk at LUN 0 already exists.")
    );
    let gone = json!([{ "lun": 0, "createOption": "Attach", "managedDisk": { "id": at("gone") } }]);
    assert_eq!(data_disks(&mut fake, "aks-b", gone).status, 404);
    let many: Vec<Value> = (0..9).map(|lun| json!({ "lun": lun, "createOption": "Empty", "diskSizeGB": 1 })).collect();
    let reply = data_disks(&mut fake, "aks-b", json!(many));
    assert_eq!(reply.message(), "The maximum number of data disks allowed to be attached to a VM of this size is 8.");
    let mut leaving = attach(0);
    leaving["toBeDetached"] = json!(true);
    data_disks(&mut fake, "aks-a", json!([leaving])).expect(200);
    assert_eq!(fake.get(&disk("d")).expect(200)["managedBy"], Value::Null);
    data_disks(&mut fake, "aks-b", json!([attach(3)])).expect(200);
    data_disks(&mut fake, "aks-b", json!([])).expect(200);
    fake.delete(&disk("d")).expect(200);
}

#[test]
fn a_disk_stands_in_a_zone_and_grows() {
    let mut fake = fake();
    let mut other = empty(64);
    other["zones"] = json!(["1"]);
    fake.put(&disk("d"), other).expect(201);
    fake.put(&vm("aks-a"), body("aks-a", "Standard_D4s_v5")).expect(201);
    fake.settle();
    let attach = json!([{ "lun": 0, "createOption": "Attach", "managedDisk": { "id": at("d") } }]);
    let reply = data_disks(&mut fake, "aks-a", attach);
    assert_eq!((reply.status, reply.code()), (400, "BadRequest"));
    assert!(reply.message().ends_with("VM zone: '3'. Disk zone: '1'."), "{}", reply.message());
    let mut nowhere = empty(64);
    nowhere["zones"] = json!(["9"]);
    assert_eq!(fake.put(&disk("e"), nowhere).code(), "InvalidAvailabilityZone");
    let grown = fake.patch(&disk("d"), json!({ "properties": { "diskSizeGB": 128 } })).expect(200);
    assert_eq!((&grown["properties"]["diskSizeGB"], &grown["zones"]), (&json!(128), &json!(["1"])));
    assert_eq!(fake.patch(&disk("d"), json!({ "properties": { "diskSizeGB": 64 } })).code(), "OperationNotAllowed");
    let larger = json!({ "properties": { "diskSizeGB": 256 } });
    let running = fake.patch(&disk("aks-a"), larger.clone());
    assert_eq!((running.status, running.code()), (409, "OperationNotAllowed"));
    assert!(
        running.message().starts_with("Cannot resize disk aks-a while it is attached to running VM "),
        "{}",
        running.message()
    );
    fake.post(&vm("aks-a").replace('?', "/deallocate?"), Value::Null).expect(202);
    fake.settle();
    fake.patch(&disk("aks-a"), larger).expect(200);
    fake.patch(&disk("d"), json!({ "sku": { "name": "Bronze_LRS" } })).expect(400);
    let copy = json!({ "location": "eastus", "properties": { "creationData": { "createOption": "Copy", "sourceResourceId": at("d") } } });
    assert_eq!(fake.put(&disk("c"), copy).expect(201)["properties"]["diskSizeGB"], 128);
    let import = json!({ "location": "eastus", "properties": { "creationData": { "createOption": "Import" }, "diskSizeGB": 1 } });
    assert_eq!(fake.put(&disk("i"), import).code(), "NotModelled");
}

#[test]
fn an_ephemeral_disk_says_what_azure_says() {
    let ephemeral = |caching: &str, security: Value| {
        let os_disk = json!({
            "createOption": "FromImage", "diskSizeGB": 100, "name": "aks-a", "caching": caching,
            "diffDiskSettings": { "option": "Local", "placement": "CacheDisk" },
        });
        let body = with(body("aks-a", "Standard_D4ds_v5"), "/properties/storageProfile/osDisk", os_disk);
        with(body, "/properties/securityProfile", security)
    };
    assert_eq!(fake().put(&vm("aks-a"), ephemeral("ReadOnly", json!({}))).status, 201);
    let trusted = fake().put(&vm("aks-a"), ephemeral("ReadOnly", json!({ "securityType": "TrustedLaunch" })));
    assert_eq!((trusted.status, trusted.code()), (400, "NotSupported"));
    assert_eq!(
        trusted.message(),
        "OS disk of Ephemeral VM with size greater than 99 GB is not allowed for VM size Standard_D4ds_v5 when the \
         DiffDiskPlacement is CacheDisk. Please refer to https://aka.ms/Ephemeral for more details."
    );
    assert_eq!(fake().put(&vm("aks-a"), ephemeral("ReadWrite", json!({}))).code(), "InvalidParameter");
    let mut fake = fake();
    fake.put(&vm("aks-a"), ephemeral("ReadOnly", json!({}))).expect(201);
    fake.settle();
    fake.delete(&vm("aks-a")).expect(202);
    fake.settle();
    assert_eq!(fake.get(&disk("aks-a")).status, 404, "it has nowhere to stay");
}

#[test]
fn of_several_interfaces_one_is_the_primary() {
    let mut fake = fake();
    add_nic(&mut fake, "aks-b", "eastus");
    let interfaces = |first: bool, second: bool| {
        let list = json!([
            { "id": nic_id("aks-a"), "properties": { "primary": first } },
            { "id": nic_id("aks-b"), "properties": { "primary": second } },
        ]);
        with(body("aks-a", "Standard_D4s_v5"), "/properties/networkProfile/networkInterfaces", list)
    };
    for (first, second) in [(false, false), (true, true)] {
        let reply = fake.put(&vm("aks-a"), interfaces(first, second));
        assert_eq!(reply.code(), "VirtualMachineMustHaveOneNetworkInterfaceAsPrimary");
    }
    fake.put(&vm("aks-a"), interfaces(false, true)).expect(201);
    let [VmEvent::Started(machine)] = &vm_events(&mut fake)[..] else { panic!("one start") };
    assert_eq!(machine.private_ip, Some("10.0.1.5".parse().expect("address")), "of the second interface");
    let primary = |fake: &TestFake, name: &str| {
        fake.world.resources().get(&nic_id(name)).unwrap().properties()["primary"].clone()
    };
    assert_eq!((primary(&fake, "aks-a"), primary(&fake, "aks-b")), (json!(false), json!(true)));
}

/// What the SDKs for Go (armcompute 8.4) and Python (azure-mgmt-compute 39) send unless they are told otherwise.
#[test]
fn disks_and_galleries_know_the_versions_of_the_sdks() {
    let mut fake = fake();
    for (types, version) in [
        ("/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines", "2026-04-01"),
        ("/resourceGroups/rg/providers/Microsoft.Compute/disks", "2026-03-02"),
        ("/resourceGroups/rg/providers/Microsoft.Compute/galleries", "2026-03-03"),
        ("/providers/Microsoft.Compute/locations/eastus/sharedGalleries", "2026-03-03"),
        (
            "/providers/Microsoft.Compute/locations/eastus/communityGalleries/AKSUbuntu-38d80f77-467a-481f-a8d4-09b6d4220bd2/images",
            "2026-03-03",
        ),
        ("/providers/Microsoft.Compute/skus", "2021-07-01"),
    ] {
        fake.get(&format!("{types}?api-version={version}")).expect(200);
    }
}
