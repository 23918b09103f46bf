//! Templates that are carried out.

use serde_json::{Value, json};

use crate::gateway::{Reply, TestFake};

const API: &str = "api-version=2025-04-01";

fn path(rest: &str) -> String {
    format!("/resourcegroups/rg/providers/Microsoft.Resources/deployments/d{rest}?{API}")
}

fn body(template: Value) -> Value {
    json!({ "properties": { "mode": "Incremental", "parameters": {}, "template": template } })
}

fn template(resources: Value) -> Value {
    json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {},
        "resources": resources,
    })
}

/// Puts a deployment and lets it end.
fn deploy(fake: &mut TestFake, body: Value) -> Reply {
    let reply = fake.put(&path(""), body);
    fake.settle();
    reply
}

#[track_caller]
fn outcome(fake: &mut TestFake, reply: &Reply) -> Value {
    let url = reply.header("azure-asyncoperation").expect("it is long-running").replace("https://127.0.0.1:1", "");
    fake.get(&url).expect(200)
}

/// A network with a subnet from a parameter, an address for each of a loop, an interface that refers to both.
fn several() -> Value {
    json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {
            "location": { "type": "string", "defaultValue": "[resourceGroup().location]" },
            "addresses": { "type": "int", "defaultValue": 2 },
            "secret": { "type": "securestring", "defaultValue": "s3cret" },
        },
        "variables": {
            "network": "[concat('vnet-', uniqueString(resourceGroup().id))]",
            "prefixes": { "nodes": "10.1.0.0/24" },
        },
        "resources": [
            {
                "type": "Microsoft.Network/networkInterfaces",
                "apiVersion": "2024-05-01",
                "name": "nic",
                "location": "[parameters('location')]",
                "dependsOn": ["addresses"],
                "properties": {
                    "ipConfigurations": [{
                        "name": "ip",
                        "properties": {
                            "subnet": { "id": "[resourceId('Microsoft.Network/virtualNetworks/subnets', variables('network'), 'nodes')]" },
                            "publicIPAddress": { "id": "[resourceId('Microsoft.Network/publicIPAddresses', 'address-1')]" },
                        },
                    }],
                },
                "tags": { "space": "[reference(variables('network')).addressSpace.addressPrefixes[0]]" },
            },
            {
                "type": "Microsoft.Network/publicIPAddresses",
                "apiVersion": "2024-05-01",
                "name": "[format('address-{0}', copyIndex())]",
                "location": "[parameters('location')]",
                "copy": { "name": "addresses", "count": "[parameters('addresses')]" },
                "properties": {},
            },
            {
                "type": "Microsoft.Network/virtualNetworks",
                "apiVersion": "2024-05-01",
                "name": "[variables('network')]",
                "location": "[parameters('location')]",
                "properties": {
                    "addressSpace": { "addressPrefixes": ["10.1.0.0/16"] },
                    "copy": [{ "name": "subnets", "count": 1, "input": { "name": "nodes", "properties": { "addressPrefix": "[variables('prefixes').nodes]" } } }],
                },
            },
            {
                "condition": false,
                "type": "Microsoft.Network/publicIPAddresses",
                "apiVersion": "2024-05-01",
                "name": "never",
                "location": "[parameters('location')]",
            },
        ],
        "outputs": {
            "subnet": { "type": "string", "value": "[reference(resourceId('Microsoft.Network/virtualNetworks', variables('network'))).subnets[0].id]" },
            "nic": { "type": "object", "value": "[reference('nic', '2024-05-01', 'Full').tags]" },
            "many": { "type": "array", "copy": { "count": 2, "input": "[copyIndex()]" } },
            "secret": { "type": "securestring", "value": "[parameters('secret')]" },
        },
    })
}

#[test]
fn resources_come_in_the_order_of_their_dependencies() {
    let mut fake = TestFake::with_group();
    let validated = fake.post(&path("/validate"), body(several())).expect(200);
    assert_eq!(validated["properties"]["validatedResources"].as_array().unwrap().len(), 4);
    let started = deploy(&mut fake, body(several()));
    assert_eq!((started.status, &started.body["properties"]["provisioningState"]), (201, &json!("Accepted")));
    assert_eq!(outcome(&mut fake, &started)["status"], "Succeeded");
    let done = fake.get(&path("")).expect(200);
    let properties = &done["properties"];
    assert_eq!(properties["provisioningState"], "Succeeded");
    assert_eq!(properties["outputs"]["nic"], json!({"type": "Object", "value": {"space": "10.1.0.0/16"}}));
    assert_eq!(properties["outputs"]["many"]["value"], json!([0, 1]));
    assert_eq!(properties["outputs"]["secret"], json!({"type": "SecureString"}));
    assert_eq!(properties["parameters"]["secret"], json!({"type": "SecureString"}));
    assert!(properties["outputs"]["subnet"]["value"].as_str().unwrap().ends_with("/subnets/nodes"));
    assert_eq!(properties["outputResources"].as_array().unwrap().len(), 4);
    assert_eq!(properties["providers"][0]["namespace"], "Microsoft.Network");
    assert!(properties.get("template").is_none());

    let operations = fake.get(&path("/operations")).expect(200);
    let made: Vec<&str> = operations["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["properties"]["targetResource"]["resourceName"].as_str().unwrap())
        .collect();
    assert_eq!(made.len(), 4);
    let one = &operations["value"][0];
    assert_eq!(
        (&one["properties"]["provisioningState"], &one["properties"]["statusCode"]),
        (&json!("Succeeded"), &json!("Created"))
    );
    let again = fake.get(&path(&format!("/operations/{}", one["operationId"].as_str().unwrap()))).expect(200);
    assert_eq!(again["operationId"], one["operationId"]);

    let exported = fake.post(&path("/exportTemplate"), Value::Null).expect(200);
    assert_eq!(exported["template"]["contentVersion"], "1.0.0.0");
    // Once more, over what is there.
    let again = deploy(&mut fake, body(several()));
    assert_eq!((again.status, &outcome(&mut fake, &again)["status"]), (200, &json!("Succeeded")));
    let list =
        fake.get("/resourceGroups/rg/providers/Microsoft.Resources/deployments?api-version=2025-04-01").expect(200);
    assert_eq!(list["value"].as_array().unwrap().len(), 1);
    fake.delete(&path("")).expect(204);
    assert_eq!(fake.get(&path("/operations")).status, 404);
}

#[test]
fn a_refused_resource_fails_the_deployment_and_those_that_wait_for_it_do_not_start() {
    let mut fake = TestFake::with_group();
    let resources = json!([
        {"type": "Microsoft.Network/virtualNetworks", "apiVersion": "2024-05-01", "name": "v", "location": "eastus", "properties": {"addressSpace": {"addressPrefixes": ["nonsense"]}}},
        {"type": "Microsoft.Network/publicIPAddresses", "apiVersion": "2024-05-01", "name": "p", "location": "eastus", "dependsOn": ["v"]},
    ]);
    let started = deploy(&mut fake, body(template(resources)));
    let outcome = outcome(&mut fake, &started);
    assert_eq!((&outcome["status"], &outcome["error"]["code"]), (&json!("Failed"), &json!("DeploymentFailed")));
    assert!(outcome["error"]["message"].as_str().unwrap().starts_with(
        "At least one resource deployment operation failed. Please list deployment operations for details."
    ));
    let detail = &outcome["error"]["details"][0];
    assert_eq!(detail["code"], "InvalidAddressPrefixFormat");
    assert!(detail["target"].as_str().unwrap().ends_with("/virtualNetworks/v"));
    let done = fake.get(&path("")).expect(200);
    assert_eq!(
        (&done["properties"]["provisioningState"], &done["properties"]["error"]["code"]),
        (&json!("Failed"), &json!("DeploymentFailed"))
    );
    let operations = fake.get(&path("/operations")).expect(200);
    assert_eq!(operations["value"][0]["properties"]["statusMessage"]["error"]["code"], "InvalidAddressPrefixFormat");
    assert_eq!(operations["value"][0]["properties"]["statusCode"], "BadRequest");
    assert_eq!(operations["value"][1]["properties"]["provisioningState"], "NotStarted");
    assert_eq!(
        fake.get("/resourceGroups/rg/providers/Microsoft.Network/publicIPAddresses/p?api-version=2024-05-01").status,
        404
    );
}

#[test]
fn templates_are_refused_before_anything_is_made() {
    for (template, code, words) in [
        (
            json!({}),
            "InvalidTemplate",
            "Deployment template validation failed: 'The template is missing the property '$schema'.",
        ),
        (
            template(json!([{"type": "Microsoft.Bananas/trees", "apiVersion": "2024-05-01", "name": "b"}])),
            "InvalidTemplateDeployment",
            "The template deployment 'd' is not valid according to the validation procedure. The tracking id is '",
        ),
        (
            template(json!([{"type": "Microsoft.Network/virtualNetworks", "apiVersion": "1999-01-01", "name": "b"}])),
            "InvalidTemplateDeployment",
            "See inner errors for details.",
        ),
        (
            template(
                json!([{"type": "Microsoft.Network/virtualNetworks", "apiVersion": "2024-05-01", "name": "b", "location": "[parameters('x')]"}]),
            ),
            "InvalidTemplateDeployment",
            "",
        ),
    ] {
        let mut fake = TestFake::with_group();
        for reply in
            [fake.post(&path("/validate"), body(template.clone())), fake.put(&path(""), body(template.clone()))]
        {
            assert_eq!((reply.status, reply.code()), (400, code), "{:#}", reply.body);
            assert!(reply.message().contains(words), "{:#}", reply.body);
        }
        assert_eq!(fake.get(&path("")).status, 404);
    }
}

#[test]
fn what_is_not_modelled_is_refused_loudly() {
    let mut fake = TestFake::with_group();
    let whatif = fake.post(&path("/whatIf"), body(template(json!([]))));
    assert_eq!((whatif.status, whatif.code()), (501, "WhatIfNotModelled"));
    let mut complete = body(template(json!([])));
    complete["properties"]["mode"] = json!("Complete");
    assert_eq!(fake.put(&path(""), complete).code(), "NotModelled");
    let mut linked = body(template(json!([])));
    linked["properties"]["templateLink"] = json!({"uri": "https://example.org/t.json"});
    assert_eq!(fake.put(&path(""), linked).code(), "NotModelled");
}

#[test]
fn a_subscriptions_deployment_makes_groups_and_what_is_in_them() {
    let mut fake = TestFake::new();
    let inner = template(json!([
        {"type": "Microsoft.Network/publicIPAddresses", "apiVersion": "2024-05-01", "name": "[concat('p-', deployment().name)]", "location": "[resourceGroup().location]"},
    ]));
    let template = template(json!([
        {"type": "Microsoft.Resources/resourceGroups", "apiVersion": "2024-11-01", "name": "made", "location": "[deployment().location]"},
        {"type": "Microsoft.Resources/deployments", "apiVersion": "2025-04-01", "name": "inner", "resourceGroup": "made",
         "dependsOn": ["[subscriptionResourceId('Microsoft.Resources/resourceGroups', 'made')]"],
         "properties": {"mode": "Incremental", "expressionEvaluationOptions": {"scope": "inner"}, "template": inner}},
    ]));
    let at = format!("/providers/Microsoft.Resources/deployments/sub?{API}");
    let mut body = body(template);
    assert_eq!(fake.put(&at, body.clone()).code(), "LocationRequired");
    body["location"] = json!("westus3");
    // `subscriptionResourceId` of a group has a `providers` in it, which is no group's id.
    body["properties"]["template"]["resources"][1]["dependsOn"] = json!(["made"]);
    let started = fake.put(&at, body);
    fake.settle();
    assert_eq!(outcome(&mut fake, &started)["status"], "Succeeded", "{:#}", fake.get(&at).body);
    let address = fake
        .get("/resourceGroups/made/providers/Microsoft.Network/publicIPAddresses/p-inner?api-version=2024-05-01")
        .expect(200);
    assert_eq!(address["location"], "westus3");
    let list = fake.get(&format!("/providers/Microsoft.Resources/deployments?{API}")).expect(200);
    assert_eq!(list["value"].as_array().unwrap().len(), 1);
}

#[test]
fn one_deployment_of_a_name_at_a_time() {
    let mut fake = TestFake::with_group();
    fake.put(&path(""), body(several())).expect(201);
    let refused = fake.put(&path(""), body(several()));
    assert_eq!((refused.status, refused.code()), (409, "DeploymentActive"));
}
