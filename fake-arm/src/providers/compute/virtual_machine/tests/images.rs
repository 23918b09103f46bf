//! Galleries of the subscription and what machines make of them.

use super::*;

const GALLERIES: &str = "api-version=2024-03-03";

fn at(path: &str) -> String {
    format!("/resourceGroups/rg/providers/Microsoft.Compute/galleries/{path}?{GALLERIES}")
}

fn id(path: &str) -> String {
    at(path).replace(&format!("?{GALLERIES}"), "").replacen(
        "/resourceGroups",
        &format!("/subscriptions/{}/resourceGroups", TestFake::SUBSCRIPTION),
        1,
    )
}

/// A gallery `g` with a definition `i` and the versions 1.0.0 (eastus) and 1.10.0, 1.9.0 (eastus and westus3).
fn with_gallery() -> TestFake {
    let mut fake = fake();
    let shared = json!({ "location": "eastus", "properties": { "sharingProfile": { "permissions": "Groups" } } });
    fake.put(&at("g"), shared).expect(201);
    let definition = json!({ "location": "eastus", "properties": {
        "osType": "Linux", "osState": "Generalized", "hyperVGeneration": "V2",
        "identifier": { "publisher": "p", "offer": "o", "sku": "s" } } });
    fake.put(&at("g/images/i"), definition).expect(201);
    for (version, regions) in
        [("1.0.0", &["East US"][..]), ("1.10.0", &["eastus", "westus3"]), ("1.9.0", &["eastus", "westus3"])]
    {
        let regions: Vec<Value> = regions.iter().map(|name| json!({ "name": name })).collect();
        let body = json!({ "location": "eastus", "properties": { "publishingProfile": { "targetRegions": regions }, "storageProfile": {} } });
        fake.put(&at(&format!("g/images/i/versions/{version}")), body).expect(201);
    }
    fake.settle();
    fake
}

#[test]
fn galleries_hold_definitions_and_versions() {
    let mut fake = with_gallery();
    let shown = fake.get(&at("g/images/i/versions/1.0.0")).expect(200);
    assert_eq!(shown["properties"]["provisioningState"], "Succeeded");
    assert_eq!(shown["properties"]["publishingProfile"]["targetRegions"][0]["regionalReplicaCount"], 1);
    assert!(shown["properties"]["publishingProfile"]["publishedDate"].is_string());
    let status = fake.get(&format!("{}&$expand=ReplicationStatus", at("g/images/i/versions/1.0.0"))).expect(200);
    assert_eq!(status["properties"]["replicationStatus"]["aggregatedState"], "Completed");
    assert_eq!(fake.get(&at("g/images/i/versions")).expect(200)["value"].as_array().unwrap().len(), 3);
    let body = json!({ "location": "eastus", "properties": { "storageProfile": {} } });
    assert_eq!(fake.put(&at("g/images/i/versions/latest"), body).code(), "InvalidParameter");
    let other = json!({ "location": "eastus", "properties": { "osType": "Windows", "osState": "Generalized",
        "identifier": { "publisher": "p", "offer": "o", "sku": "s" } } });
    assert_eq!(fake.put(&at("g/images/i"), other).code(), "PropertyChangeNotAllowed");
    assert_eq!(fake.put(&at("g/images/j"), json!({ "location": "eastus" })).code(), "InvalidParameter");
    for path in ["g", "g/images/i"] {
        let reply = fake.delete(&at(path));
        assert_eq!(
            (reply.status, reply.message()),
            (409, "Can not delete resource before nested resources are deleted.")
        );
    }
    for path in
        ["g/images/i/versions/1.0.0", "g/images/i/versions/1.9.0", "g/images/i/versions/1.10.0", "g/images/i", "g"]
    {
        fake.delete(&at(path)).expect(202);
        fake.settle();
    }
    assert_eq!(fake.get(&at("g")).status, 404);
}

#[test]
fn machines_take_images_that_are_in_their_region() {
    let mut fake = with_gallery();
    let shared = format!("/SharedGalleries/{}-G/Images/i", TestFake::SUBSCRIPTION);
    let image = |reference: Value| {
        with(body("aks-a", "Standard_D4s_v5"), "/properties/storageProfile/imageReference", reference)
    };
    for reference in [
        json!({ "id": id("g/images/none") }),
        json!({ "id": id("g/images/i/versions/2.0.0") }),
        json!({ "sharedGalleryImageId": format!("{shared}/Versions/2.0.0") }),
        json!({ "sharedGalleryImageId": shared.replace("-G/", "-H/") }),
    ] {
        let reply = fake.put(&vm("aks-a"), image(reference.clone()));
        assert_eq!((reply.status, reply.code()), (404, "GalleryImageNotFound"), "{reference}");
    }
    assert_eq!(
        fake.put(&vm("aks-a"), image(json!({ "sharedGalleryImageId": "/SharedGalleries/g" }))).code(),
        "InvalidParameter"
    );
    for reference in [
        json!({ "id": id("g/images/i") }),
        json!({ "id": id("g/images/i/versions/1.0.0") }),
        json!({ "sharedGalleryImageId": format!("{shared}/Versions/latest") }),
        json!({ "sharedGalleryImageId": "/SharedGalleries/99999999-1111-1111-1111-111111111111-AKS/Images/x" }),
        json!({ "id": "/subscriptions/99999999-1111-1111-1111-111111111111/resourceGroups/AKS-Ubuntu/providers/Microsoft.Compute/galleries/AKSUbuntu/images/x/versions/1.0.0" }),
    ] {
        fake.put(&vm("aks-a"), image(reference)).expect(201);
        fake.settle();
        fake.delete(&vm("aks-a")).expect(202);
        fake.settle();
        add_nic(&mut fake, "aks-a", "eastus");
    }
    add_nic(&mut fake, "far", "westus3");
    let far = |version: &str| {
        let body = with(body("far", "Standard_D4s_v5"), "/location", json!("westus3"));
        with(
            body,
            "/properties/storageProfile/imageReference",
            json!({ "id": id(&format!("g/images/i/versions/{version}")) }),
        )
    };
    assert_eq!(fake.put(&vm("far"), far("1.0.0")).code(), "GalleryImageNotFound");
    fake.put(&vm("far"), far("1.9.0")).expect(201);
}

#[test]
fn shared_galleries_are_read_by_their_unique_names() {
    let mut fake = with_gallery();
    let shared = |rest: &str| {
        format!(
            "/subscriptions/{0}/providers/Microsoft.Compute/locations/westus3/sharedGalleries{rest}?{GALLERIES}",
            TestFake::SUBSCRIPTION
        )
    };
    let name = format!("{}-G", TestFake::SUBSCRIPTION);
    assert_eq!(fake.get(&shared("")).expect(200)["value"][0]["name"], name);
    let image = fake.get(&shared(&format!("/{name}/images/i"))).expect(200);
    assert_eq!(image["identifier"]["uniqueId"], format!("/SharedGalleries/{name}/Images/i"));
    assert_eq!(image["properties"]["hyperVGeneration"], "V2");
    let versions = fake.get(&shared(&format!("/{name}/images/i/versions"))).expect(200);
    let names: Vec<&str> = versions["value"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["1.9.0", "1.10.0"], "those of the region, by number");
    assert_eq!(fake.get(&shared(&format!("/{name}/images/i/versions/latest"))).expect(200)["name"], "1.10.0");
    assert_eq!(fake.get(&shared(&format!("/{name}/images/none/versions"))).status, 404);
    assert_eq!(fake.get(&shared("/nobody")).status, 404);
}
