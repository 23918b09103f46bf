//! Plans of templates.

use super::*;
use crate::function::tests::facts;

fn template(resources: Value) -> Value {
    json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": { "count": { "type": "int", "defaultValue": 2, "maxValue": 5 }, "kind": { "type": "string", "allowedValues": ["a", "b"], "defaultValue": "a" } },
        "resources": resources,
    })
}

fn planned(resources: Value) -> Result<Plan, TemplateError> {
    plan(&facts(), &template(resources), &Map::new())
}

fn network(name: &str, more: Value) -> Value {
    let mut resource = json!({"type": "Microsoft.Network/virtualNetworks", "apiVersion": "2022-01-01", "name": name, "location": "eastus"});
    resource.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    resource
}

fn names(waits: &[ResourceId]) -> Vec<&str> {
    waits.iter().map(ResourceId::name).collect()
}

#[test]
fn dependencies_are_said_implied_and_inherited() {
    let plan = planned(json!([
        network("v", json!({"resources": [{"type": "subnets", "apiVersion": "2022-01-01", "name": "s", "properties": {}}]})),
        network("by-id", json!({"dependsOn": ["[resourceId('Microsoft.Network/virtualNetworks', 'v')]"]})),
        network("by-name", json!({"dependsOn": ["v", "Microsoft.Network/virtualNetworks/by-id"]})),
        network("by-reference", json!({"properties": {"a": "[reference('by-id').x]", "b": "[reference(resourceId('other', 'Microsoft.Network/virtualNetworks', 'away')).x]"}})),
    ])).unwrap();
    assert_eq!(plan.resources.len(), 5);
    let waits: Vec<(&str, Vec<&str>)> = plan.resources.iter().map(|r| (r.id.name(), names(&r.waits_for))).collect();
    assert_eq!(
        waits,
        [
            ("v", vec![]),
            ("s", vec!["v"]),
            ("by-id", vec!["v"]),
            ("by-name", vec!["by-id", "v"]),
            ("by-reference", vec!["by-id"]),
        ]
    );
}

#[test]
fn loops_and_conditions_decide_how_often() {
    let plan = planned(json!([
        network("[concat('v', copyIndex(1))]", json!({"copy": {"name": "all", "count": "[parameters('count')]"}})),
        network("never", json!({"condition": "[equals(parameters('kind'), 'b')]"})),
        network("after", json!({"dependsOn": ["all", "never"]})),
    ]))
    .unwrap();
    let found: Vec<(&str, Vec<&str>)> = plan.resources.iter().map(|r| (r.id.name(), names(&r.waits_for))).collect();
    assert_eq!(found, [("v1", vec![]), ("v2", vec![]), ("after", vec!["v1", "v2"])]);
}

#[test]
fn what_is_wrong_is_said_in_azures_words() {
    for (resources, words) in [
        (json!([network("v", json!({"dependsOn": ["none"]}))]), "The resource 'none' is not defined in the template."),
        (
            json!([network("a", json!({"dependsOn": ["b"]})), network("b", json!({"dependsOn": ["a"]}))]),
            "Circular dependency detected on resource",
        ),
        (json!([network("v", json!({})), network("V", json!({}))]), "is defined multiple times in a template"),
        (
            json!([{"type": "Microsoft.Network/virtualNetworks/subnets", "apiVersion": "x", "name": "s"}]),
            "has incorrect segment lengths",
        ),
        (json!([{"type": "Microsoft.Network/virtualNetworks", "name": "s"}]), "is missing the property 'apiVersion'"),
        (json!([network("[nope()]", json!({}))]), "The template function 'nope' is not valid."),
        (json!("x"), "is missing the property 'resources'"),
    ] {
        let error = planned(resources).unwrap_err();
        assert!(error.message.contains(words), "{error}");
    }
}

#[test]
fn parameters_are_of_their_type_and_within_their_bounds() {
    let with = |given: Value| plan(&facts(), &template(json!([])), given.as_object().unwrap());
    assert_eq!(with(json!({"count": {"value": 3}})).unwrap().parameters["count"], 3);
    for (given, words) in [
        (json!({"count": {"value": "3"}}), "Expected 'Integer'. Actual 'String'."),
        (json!({"count": {"value": 9}}), "breaks maxValue '5'"),
        (json!({"kind": {"value": "c"}}), "The value 'c' is not part of the allowed value(s): 'a,b'."),
        (json!({"other": {"value": 1}}), "The template parameters 'other' in the parameters file are not valid"),
    ] {
        let error = with(given).unwrap_err();
        assert!(error.message.contains(words), "{error}");
    }
    let mut needy = template(json!([]));
    needy["parameters"]["must"] = json!({"type": "string"});
    let error = plan(&facts(), &needy, &Map::new()).unwrap_err();
    assert!(error.message.contains("The value for the template parameter 'must' is not provided."), "{error}");
    assert!(plan(&facts(), &json!({}), &Map::new()).unwrap_err().message.contains("'$schema'"));
}
