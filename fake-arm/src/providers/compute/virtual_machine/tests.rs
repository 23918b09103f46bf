mod capacity;
mod disks;
mod images;
mod power;

use serde_json::{Value, json};

use crate::events::{ArmEvent, VirtualMachine, VmEvent};
use crate::gateway::TestFake;
use crate::providers::compute::Quotas;
use crate::providers::network;
use arm::ResourceId;

const VERSION: &str = "api-version=2025-04-01";
const IMAGE: &str =
    "/CommunityGalleries/AKSUbuntu-38d80f77-467a-481f-a8d4-09b6d4220bd2/images/2404gen2containerd/versions/202510.12.0";
const SUBNET: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/nodes";

fn nic_id(name: &str) -> ResourceId {
    ResourceId::group_of(TestFake::SUBSCRIPTION, "rg").resource(network::INTERFACE, name)
}

/// A fake with a group, a network and an interface `aks-a`.
fn fake() -> TestFake {
    let mut fake = TestFake::with_group();
    add_nic(&mut fake, "aks-a", "eastus");
    fake
}

/// An interface in the subnet `nodes` of the location's network, `v` in eastus.
fn add_nic(fake: &mut TestFake, name: &str, location: &str) {
    let network = if location == "eastus" { "v" } else { location };
    let at = |path: &str| format!("/resourceGroups/rg/providers/Microsoft.Network/{path}?api-version=2022-01-01");
    let subnet = SUBNET.replace("/v/", &format!("/{network}/"));
    let space = json!({ "addressPrefixes": ["10.0.0.0/16"] });
    let subnets = json!([{ "name": "nodes", "properties": { "addressPrefix": "10.0.1.0/24" } }]);
    let body = json!({ "location": location, "properties": { "addressSpace": space, "subnets": subnets } });
    fake.put(&at(&format!("virtualNetworks/{network}")), body);
    fake.settle();
    let configuration = json!({ "primary": true, "privateIPAllocationMethod": "Dynamic", "subnet": { "id": subnet } });
    let properties = json!({
        "enableAcceleratedNetworking": true,
        "ipConfigurations": [{ "name": name, "properties": configuration }],
    });
    fake.put(&at(&format!("networkInterfaces/{name}")), json!({ "location": location, "properties": properties }))
        .expect(201);
    fake.settle();
}

/// The body that the provisioner sends, with the interface of the same name.
fn body(name: &str, size: &str) -> Value {
    json!({
        "location": "eastus",
        "name": name,
        "properties": {
            "hardwareProfile": { "vmSize": size },
            "networkProfile": { "networkInterfaces": [
                { "id": nic_id(name), "properties": { "deleteOption": "Delete", "primary": true } },
            ] },
            "osProfile": {
                "adminUsername": "azureuser",
                "computerName": name,
                "customData": "IyEvYmluL2Jhc2g=",
                "linuxConfiguration": {
                    "disablePasswordAuthentication": true,
                    "ssh": { "publicKeys": [
                        { "keyData": "ssh-rsa AAAA test", "path": "/home/azureuser/.ssh/authorized_keys" },
                    ] },
                },
            },
            "priority": "Regular",
            "storageProfile": {
                "imageReference": { "communityGalleryImageId": IMAGE },
                "osDisk": { "createOption": "FromImage", "deleteOption": "Delete", "diskSizeGB": 128, "name": name },
            },
        },
        "tags": { "karpenter.sh_nodepool": "default" },
        "zones": ["3"],
    })
}

fn vm(name: &str) -> String {
    format!("/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/{name}?{VERSION}")
}

fn disk(name: &str) -> String {
    format!("/resourceGroups/rg/providers/Microsoft.Compute/disks/{name}?api-version=2024-03-02")
}

fn vm_events(fake: &mut TestFake) -> Vec<VmEvent> {
    let events = crate::gateway::take_events(&mut fake.world);
    events.into_iter().filter_map(|event| if let ArmEvent::Vm(event) = event { Some(event) } else { None }).collect()
}

/// `body` with the value at `pointer` set, or taken out where it is null.
fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = body.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}"));
    if value.is_null() {
        parent.as_object_mut().expect("an object").remove(key);
    } else {
        parent[key] = value;
    }
    body
}

#[test]
fn a_machine_is_created_as_asked_and_starts_at_once() {
    let mut fake = fake();
    let reply = fake.put(&vm("aks-a"), body("aks-a", "Standard_D4s_v5"));
    assert!(reply.header("azure-asyncoperation").is_some(), "{:?}", reply.headers);
    let created = reply.expect(201);
    assert_eq!(created["properties"]["provisioningState"], "Creating");
    let [VmEvent::Started(machine)] = &vm_events(&mut fake)[..] else { panic!("one start") };
    let VirtualMachine { name, zone, size, vcpus, memory_gib, os_disk_gb, custom_data, .. } = &**machine;
    assert_eq!((name.as_str(), zone.as_deref(), size.as_str()), ("aks-a", Some("3"), "Standard_D4s_v5"));
    assert_eq!((*vcpus, *memory_gib, *os_disk_gb), (4, 16.0, 128));
    assert_eq!(custom_data.as_deref(), Some("IyEvYmluL2Jhc2g="));
    assert_eq!(machine.private_ip, Some("10.0.1.4".parse().expect("address")));
    assert_eq!(machine.subnet_id.as_deref(), Some(SUBNET));
    assert_eq!(machine.image.as_deref(), Some(IMAGE));

    fake.settle();
    let shown = fake.get(&vm("AKS-A")).expect(200);
    let sent = body("aks-a", "Standard_D4s_v5");
    let properties = &shown["properties"];
    assert_eq!(properties["provisioningState"], "Succeeded");
    assert!(properties["timeCreated"].as_str().is_some_and(|time| time.starts_with("2026-01-01T00:00:00")));
    assert!(properties["vmId"].is_string());
    assert_eq!(properties["storageProfile"]["imageReference"], sent["properties"]["storageProfile"]["imageReference"]);
    assert_eq!(properties["priority"], "Regular");
    for key in ["tags", "zones", "location"] {
        assert_eq!(shown[key], sent[key]);
    }
    assert_eq!(properties["osProfile"]["customData"], Value::Null, "custom data is never shown");
    assert_eq!(properties["osProfile"]["computerName"], "aks-a");

    let disk = fake.get(&disk("aks-a")).expect(200);
    assert_eq!(disk["managedBy"], shown["id"]);
    assert_eq!(disk["properties"]["diskSizeGB"], 128);
    assert_eq!(properties["storageProfile"]["osDisk"]["managedDisk"]["id"], disk["id"]);
    let nic = fake.world.resources().get(&nic_id("aks-a")).expect("still there");
    assert_eq!(nic.properties()["virtualMachine"]["id"], shown["id"]);
}

#[test]
fn a_deleted_machine_takes_interface_and_disk_along() {
    let mut fake = fake();
    fake.put(&vm("aks-a"), body("aks-a", "Standard_D4s_v5")).expect(201);
    fake.settle();
    vm_events(&mut fake);
    fake.delete(&format!("{}&forceDeletion=true", vm("aks-a"))).expect(202);
    assert_eq!(fake.get(&vm("aks-a")).expect(200)["properties"]["provisioningState"], "Deleting");
    let refused = fake.put(&vm("aks-a"), body("aks-a", "Standard_D4s_v5"));
    assert_eq!((refused.status, refused.code()), (409, "OperationNotAllowed"));
    assert!(vm_events(&mut fake).is_empty());
    fake.settle();
    assert_eq!(fake.get(&vm("aks-a")).status, 404);
    assert_eq!(fake.get(&disk("aks-a")).status, 404);
    assert!(fake.world.resources().get(&nic_id("aks-a")).is_none());
    let [VmEvent::Deleted { id }] = &vm_events(&mut fake)[..] else { panic!("one end") };
    assert!(id.ends_with("/virtualMachines/aks-a"));
    fake.delete(&vm("aks-a")).expect(204);
}

#[test]
fn what_is_to_be_detached_outlives_the_machine() {
    let mut fake = fake();
    let body =
        with(body("aks-a", "Standard_D4s_v5"), "/properties/storageProfile/osDisk/deleteOption", json!("Detach"));
    let body = with(body, "/properties/networkProfile/networkInterfaces/0/properties/deleteOption", json!("Detach"));
    fake.put(&vm("aks-a"), body).expect(201);
    fake.settle();
    let attached = fake.delete(&disk("aks-a"));
    assert_eq!((attached.status, attached.code()), (409, "OperationNotAllowed"));
    fake.delete(&vm("aks-a")).expect(202);
    fake.settle();
    let freed = fake.get(&disk("aks-a")).expect(200);
    assert_eq!((&freed["managedBy"], &freed["properties"]["diskState"]), (&Value::Null, &json!("Unattached")));
    let nic = fake.world.resources().get(&nic_id("aks-a")).expect("outlives");
    assert!(nic.properties()["virtualMachine"].is_null());
    let taken = fake.put(&vm("aks-a"), self::body("aks-a", "Standard_D4s_v5"));
    assert_eq!((taken.status, taken.code()), (409, "ConflictingUserInput"));
    fake.delete(&disk("aks-a")).expect(200);
}

#[test]
fn a_deletion_overtakes_a_creation() {
    let mut fake = fake();
    let operation = fake.put(&vm("aks-a"), body("aks-a", "Standard_D4s_v5"));
    let url = operation.header("azure-asyncoperation").expect("a status").replace("https://127.0.0.1:1", "");
    fake.advance(std::time::Duration::from_millis(300));
    fake.delete(&vm("aks-a")).expect(202);
    fake.advance(std::time::Duration::from_millis(200));
    let status = fake.get(&url).expect(200);
    assert_eq!((&status["status"], &status["error"]["code"]), (&json!("Failed"), &json!("OperationPreempted")));
    assert_eq!(fake.get(&vm("aks-a")).expect(200)["properties"]["provisioningState"], "Deleting");
    fake.settle();
    assert_eq!(fake.get(&vm("aks-a")).status, 404);
}

#[test]
fn tags_and_identities_change_and_what_is_settled_does_not() {
    let mut fake = fake();
    fake.put(&vm("aks-a"), body("aks-a", "Standard_D4s_v5")).expect(201);
    fake.settle();
    let patched = fake.patch(&vm("aks-a"), json!({ "tags": { "a": "b" } })).expect(200);
    assert_eq!(patched["tags"], json!({ "a": "b" }));
    assert_eq!(patched["zones"], json!(["3"]));
    // The same body again is no change, tags apart.
    let again = fake.put(&vm("aks-a"), body("aks-a", "Standard_D4s_v5")).expect(200);
    assert_eq!(again["tags"], json!({ "karpenter.sh_nodepool": "default" }));
    assert_eq!(again["properties"]["vmId"], patched["properties"]["vmId"]);
    let changes = [
        ("/properties/storageProfile/imageReference/communityGalleryImageId", json!("/other"), "imageReference"),
        ("/properties/storageProfile/osDisk/name", json!("other"), "osDisk.name"),
        ("/properties/osProfile/customData", json!("b3RoZXI="), "customData"),
        ("/properties/priority", json!("Spot"), "priority"),
        ("/zones", json!(["1"]), "zones"),
    ];
    for (pointer, value, property) in changes {
        let reply = fake.put(&vm("aks-a"), with(body("aks-a", "Standard_D4s_v5"), pointer, value));
        assert_eq!((reply.status, reply.code()), (409, "PropertyChangeNotAllowed"), "{pointer}");
        assert_eq!(reply.message(), format!("Changing property '{property}' is not allowed."));
    }
    let resized = fake.put(&vm("aks-a"), body("aks-a", "Standard_D8s_v5")).expect(200);
    assert_eq!(resized["properties"]["hardwareProfile"]["vmSize"], "Standard_D8s_v5");
}

#[test]
fn a_body_that_azure_refuses_is_refused_alike() {
    let size = "/properties/hardwareProfile/vmSize";
    let image = "/properties/storageProfile/imageReference";
    let cases = [
        (
            size,
            json!("Standard_X1"),
            400,
            "InvalidParameter",
            "The value Standard_X1 provided for the VM size is not valid.",
        ),
        (size, Value::Null, 400, "InvalidParameter", "Required parameter 'vmSize' is missing (null)."),
        ("/zones", json!(["4"]), 400, "InvalidAvailabilityZone", "The zone(s) '4' for resource"),
        ("/zones", json!(["1", "2"]), 400, "InvalidParameter", "A virtual machine can be in one zone at most."),
        (image, json!({}), 400, "InvalidParameter", "Required parameter 'imageReference' is missing (null)."),
        (
            image,
            json!({ "communityGalleryImageId": format!("{IMAGE}9") }),
            404,
            "GalleryImageNotFound",
            "The gallery image ",
        ),
        (
            image,
            json!({ "communityGalleryImageId": "/CommunityGalleries/g/images/i/versions/" }),
            400,
            "InvalidParameter",
            "The value ",
        ),
        (
            "/properties/osProfile/customData",
            json!("no base64!"),
            400,
            "InvalidParameter",
            "Custom data in OSProfile must be",
        ),
        (
            "/properties/osProfile/computerName",
            json!("a_b"),
            400,
            "InvalidParameter",
            "Linux host name cannot exceed 64",
        ),
        (
            "/properties/osProfile/computerName",
            json!("a".repeat(65)),
            400,
            "InvalidParameter",
            "Linux host name cannot exceed 64",
        ),
        ("/properties/osProfile/adminUsername", json!("root2"), 400, "InvalidParameter", "Destination path for SSH"),
        (
            "/properties/osProfile/linuxConfiguration/ssh",
            Value::Null,
            400,
            "InvalidParameter",
            "Authentication using either SSH",
        ),
        (
            "/properties/networkProfile/networkInterfaces",
            json!([]),
            400,
            "InvalidParameter",
            "Required parameter 'networkProfile.networkInterfaces'",
        ),
        (
            "/properties/networkProfile/networkInterfaces/0/id",
            json!("nonsense"),
            400,
            "LinkedInvalidPropertyId",
            "Property id 'nonsense' at path",
        ),
        (
            "/properties/networkProfile/networkInterfaces/0/id",
            json!(nic_id("gone")),
            400,
            "NotFound",
            "Resource /subscriptions/",
        ),
        (
            "/identity",
            json!({ "type": "UserAssigned", "userAssignedIdentities": { "/nonsense": {} } }),
            400,
            "FailedIdentityOperation",
            "Identity operation for resource",
        ),
    ];
    for (pointer, value, status, code, message) in cases {
        let mut fake = fake();
        let reply = fake.put(&vm("aks-a"), with(body("aks-a", "Standard_D4s_v5"), pointer, value));
        assert_eq!((reply.status, reply.code()), (status, code), "{pointer}: {:#}", reply.body);
        assert!(reply.message().starts_with(message), "{}", reply.message());
        assert!(vm_events(&mut fake).is_empty(), "nothing starts");
        assert_eq!(fake.get(&vm("aks-a")).status, 404);
        assert_eq!(fake.get(&disk("aks-a")).status, 404);
    }
}

#[test]
fn a_size_that_the_region_or_zone_lacks_is_not_available() {
    let mut fake = TestFake::with_group();
    for (location, size) in [("westus3", "Standard_ND96asr_v4"), ("southcentralus", "Standard_D2as_v6")] {
        add_nic(&mut fake, location, location);
        let body = with(body(location, size), "/location", json!(location));
        let reply = fake.put(&vm(location), with(body, "/zones", json!(["1"])));
        assert_eq!((reply.status, reply.code()), (409, "SkuNotAvailable"));
        assert!(reply.message().contains(size) && reply.message().contains(location), "{}", reply.message());
    }
    add_nic(&mut fake, "aks-a", "westcentralus");
    let zonal = with(body("aks-a", "Standard_D2s_v5"), "/location", json!("westcentralus"));
    assert_eq!(fake.put(&vm("aks-a"), zonal.clone()).code(), "LocationNotSupportAvailabilityZones");
    let regional = fake.put(&vm("aks-a"), with(zonal, "/zones", json!([]))).expect(201);
    assert_eq!(regional["zones"], Value::Null);
}

#[test]
fn an_interface_is_free_in_the_region_and_fits_the_size() {
    let mut fake = fake();
    fake.put(&vm("aks-a"), body("aks-a", "Standard_D4s_v5")).expect(201);
    let other = with(
        body("aks-b", "Standard_D4s_v5"),
        "/properties/networkProfile",
        body("aks-a", "")["properties"]["networkProfile"].clone(),
    );
    let reply = fake.put(&vm("aks-b"), other);
    assert_eq!((reply.status, reply.code()), (400, "NicInUse"));
    assert!(reply.message().contains("/virtualMachines/aks-a."), "{}", reply.message());
    add_nic(&mut fake, "aks-c", "westus3");
    assert_eq!(fake.put(&vm("aks-c"), body("aks-c", "Standard_D4s_v5")).code(), "InvalidResourceReference");
    add_nic(&mut fake, "aks-d", "eastus");
    let burstable = fake.put(&vm("aks-d"), body("aks-d", "Standard_B2s"));
    assert_eq!(burstable.code(), "VMSizeIsNotPermittedToEnableAcceleratedNetworking");
}

#[test]
fn an_ephemeral_disk_fits_its_size_or_is_refused() {
    let ephemeral = |size: &str, gb: u32, placement: &str| {
        let os_disk = json!({
            "createOption": "FromImage", "deleteOption": "Delete", "diskSizeGB": gb, "name": "aks-a",
            "caching": "ReadOnly", "diffDiskSettings": { "option": "Local", "placement": placement },
        });
        let reply = fake().put(&vm("aks-a"), with(body("aks-a", size), "/properties/storageProfile/osDisk", os_disk));
        (reply.status, reply.message().to_owned())
    };
    assert_eq!(ephemeral("Standard_D8ds_v5", 128, "CacheDisk").0, 201);
    assert_eq!(ephemeral("Standard_D8ds_v5", 256, "ResourceDisk").0, 201);
    let (status, message) = ephemeral("Standard_D4ds_v5", 128, "CacheDisk");
    assert_eq!(status, 400);
    assert!(message.contains("greater than 100 GB is not allowed for VM size Standard_D4ds_v5"), "{message}");
    assert_eq!(ephemeral("Standard_D8ds_v5", 128, "NvmeDisk").0, 400);
    assert_eq!(ephemeral("Standard_D8s_v5", 128, "CacheDisk").0, 400);
}

#[test]
fn what_a_size_does_not_support_is_refused() {
    let refused = |size: &str, pointer: &str, value: Value| {
        let mut fake = fake();
        // A plain interface, so that only the size's other limits are met.
        let nic = fake.world.resources_mut().get_mut(&nic_id("aks-a")).expect("interface");
        nic.properties_mut().remove("enableAcceleratedNetworking");
        let reply = fake.put(&vm("aks-a"), with(body("aks-a", size), pointer, value));
        (reply.status, reply.message().to_owned())
    };
    let (status, message) = refused("Standard_B2s", "/properties/priority", json!("Spot"));
    assert_eq!(status, 400);
    assert_eq!(message, "Azure Spot Virtual Machine is not supported for this VM size Standard_B2s.");
    let (status, message) = refused("Standard_D2_v2", "/properties/priority", json!("Regular"));
    assert_eq!(status, 400);
    assert!(message.contains("'Standard_D2_v2' cannot boot Hypervisor Generation '2'"), "{message}");
    let (status, message) = refused("Standard_D2ps_v5", "/properties/priority", json!("Regular"));
    assert_eq!(status, 400);
    assert!(message.contains("CPU Architecture of 'Arm64', but an image or disk with CPU Architecture 'x64'"));
    assert_eq!(refused("Standard_B2s", "/properties/priority", json!("Regular")).0, 201);
}

#[test]
fn quotas_hold_by_region_family_and_priority() {
    let mut fake = fake();
    add_nic(&mut fake, "aks-b", "eastus");
    fake.put(&vm("aks-a"), body("aks-a", "Standard_D4s_v5")).expect(201);
    let mut attempt = |change: &dyn Fn(&mut Quotas), spot: bool| {
        *fake.world.state::<Quotas>() = Quotas::default();
        change(fake.world.state::<Quotas>());
        let priority = if spot { "Spot" } else { "Regular" };
        let reply =
            fake.put(&vm("aks-b"), with(body("aks-b", "Standard_D4s_v5"), "/properties/priority", json!(priority)));
        assert_eq!((reply.status, reply.code()), (409, "OperationNotAllowed"));
        reply.message().to_owned()
    };
    let regional = attempt(&|quotas| quotas.region("eastus").regional = Some(7), false);
    assert!(regional.contains("exceeding approved Total Regional Cores quota"), "{regional}");
    assert!(
        regional
            .contains("Current Limit: 7, Current Usage: 4, Additional Required: 4, (Minimum) New Limit Required: 8.")
    );
    let family = attempt(
        &|quotas| {
            quotas.region("eastus").families.insert("standarddsv5family".to_owned(), 0);
        },
        false,
    );
    assert!(family.contains("standardDSv5Family Cores quota") && family.contains("Current Limit: 0"), "{family}");
    let spot = attempt(&|quotas| quotas.region("eastus").spot = Some(3), true);
    assert!(spot.contains("LowPriorityCores quota"), "{spot}");

    let path = format!(
        "/subscriptions/{}/providers/Microsoft.Compute/locations/eastus/usages?{VERSION}",
        TestFake::SUBSCRIPTION
    );
    let usages = fake.get(&path).expect(200);
    let cores =
        usages["value"].as_array().expect("list").iter().find(|u| u["name"]["value"] == "cores").expect("cores");
    assert_eq!((&cores["currentValue"], &cores["limit"]), (&json!(4), &json!(2000)));
}

#[test]
fn extensions_live_and_die_with_their_machine() {
    let mut fake = fake();
    let path =
        format!("/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/aks-a/extensions/billing?{VERSION}");
    let extension = json!({
        "location": "eastus",
        "properties": {
            "publisher": "Microsoft.AKS", "type": "Compute.AKS.Linux.Billing", "typeHandlerVersion": "1.0",
            "protectedSettings": { "secret": "x" },
        },
        "tags": { "a": "b" },
    });
    assert_eq!(fake.put(&path, extension.clone()).code(), "ParentResourceNotFound");
    fake.put(&vm("aks-a"), body("aks-a", "Standard_D4s_v5")).expect(201);
    fake.settle();
    let made = fake.put(&path, extension).expect(201);
    assert!(made["id"].as_str().expect("id").ends_with("/extensions/billing"));
    assert_eq!(made["properties"]["provisioningState"], "Creating");
    fake.settle();
    let shown = fake.get(&path).expect(200);
    assert_eq!(shown["properties"]["provisioningState"], "Succeeded");
    assert_eq!(shown["properties"]["protectedSettings"], Value::Null);
    assert_eq!(fake.patch(&path, json!({ "tags": { "c": "d" } })).expect(200)["tags"], json!({ "c": "d" }));
    let list = path.replace("/billing", "");
    assert_eq!(fake.get(&list).expect(200)["value"].as_array().map(Vec::len), Some(1));
    let view = fake.get(&format!("{}&$expand=instanceView", vm("aks-a"))).expect(200);
    assert_eq!(view["properties"]["instanceView"]["extensions"][0]["name"], "billing");
    let view = fake.get(&vm("aks-a").replace('?', "/instanceView?")).expect(200);
    assert_eq!(view["statuses"][1]["code"], "PowerState/running");
    fake.delete(&vm("aks-a")).expect(202);
    fake.settle();
    assert_eq!(fake.get(&path).status, 404);
}

#[test]
fn sizes_and_images_are_listed() {
    let mut fake = TestFake::new();
    let at = |rest: &str| format!("/subscriptions/{}/providers/Microsoft.Compute{rest}", TestFake::SUBSCRIPTION);
    let skus = fake.get(&at("/skus?api-version=2021-07-01&$filter=location%20eq%20%27westus3%27")).expect(200);
    let skus = skus["value"].as_array().expect("list");
    assert!(skus.len() >= 80 && skus.iter().all(|sku| sku["locations"] == json!(["westus3"])));
    let gallery = "/locations/eastus/communityGalleries/AKSUbuntu-38d80f77-467a-481f-a8d4-09b6d4220bd2";
    let versions =
        fake.get(&at(&format!("{gallery}/images/2404gen2containerd/versions?api-version=2025-03-03"))).expect(200);
    assert_eq!(versions["value"].as_array().map(Vec::len), Some(3));
    let latest = fake.get(&at(&format!("{gallery}/images/2404gen2containerd/versions/latest?api-version=2025-03-03")));
    assert_eq!(latest.expect(200)["name"], "202510.12.0");
    assert_eq!(
        fake.get(&at(&format!("{gallery}/images?api-version=2025-03-03"))).expect(200)["value"]
            .as_array()
            .map(Vec::len),
        Some(6)
    );
    assert_eq!(fake.get(&at(&format!("{gallery}?api-version=2025-03-03"))).status, 200);
    assert_eq!(fake.get(&at(&format!("{gallery}/images/2604/versions?api-version=2025-03-03"))).status, 404);
}

#[test]
fn a_resource_group_takes_its_machines_along() {
    let mut fake = fake();
    fake.put(&vm("aks-a"), body("aks-a", "Standard_D4s_v5")).expect(201);
    fake.settle();
    vm_events(&mut fake);
    fake.delete("/resourceGroups/rg?api-version=2021-04-01").expect(202);
    fake.settle();
    assert!(matches!(&vm_events(&mut fake)[..], [VmEvent::Deleted { .. }]));
    assert!(fake.world.resources().get(&nic_id("aks-a")).is_none());
}
