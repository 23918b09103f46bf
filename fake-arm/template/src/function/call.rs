//! A function by its name.

use serde_json::Value;

use super::super::error::TemplateError;
use super::super::evaluation::Scope;
use super::super::expression::Expression;
use super::{argument, collection, logic, resource, text};

/// Functions of Azure's that are not here.
const NOT_MODELLED: &[&str] = &[
    "cidrhost",
    "cidrsubnet",
    "parsecidr",
    "datauri",
    "datauritostring",
    "datetimeadd",
    "datetimefromepoch",
    "datetimetoepoch",
    "deployer",
    "externalinput",
    "fail",
    "filter",
    "groupby",
    "lambda",
    "lambdavariables",
    "managementgroup",
    "managementgroupresourceid",
    "map",
    "mapvalues",
    "pickzones",
    "providers",
    "reduce",
    "references",
    "shallowmerge",
    "sort",
    "toobject",
    "tolocallylogicalzone",
    "tophysicalzone",
    "trybase64tostring",
    "buildUri",
];

/// What a function gives.
///
/// # Errors
/// There is no such function; the arguments are not what it takes.
pub(crate) fn call(scope: &Scope<'_>, name: &str, values: &[Value]) -> Result<Value, TemplateError> {
    let arguments = argument::Arguments { function: name, values };
    let folded = name.to_ascii_lowercase();
    let found = text::call(&folded, &arguments)
        .or_else(|| collection::call(&folded, &arguments))
        .or_else(|| logic::call(&folded, &arguments))
        .or_else(|| resource::call(scope, &folded, &arguments));
    found.unwrap_or_else(|| {
        if NOT_MODELLED.iter().any(|known| known.eq_ignore_ascii_case(name)) || name.contains('.') {
            return Err(TemplateError::not_modelled(format!(
                "The template function '{name}' is not modelled by fake-arm."
            )));
        }
        Err(TemplateError::new(format!(
            "The template function '{name}' is not valid. Please see https://aka.ms/arm-functions for usage details."
        )))
    })
}

/// `if(condition, then, else)`.
///
/// # Errors
/// Not three arguments; the first is not a boolean.
pub(crate) fn choose(
    arguments: &[Expression],
    evaluate: impl Fn(&Expression) -> Result<Value, TemplateError>,
) -> Result<Value, TemplateError> {
    let [condition, then, otherwise] = arguments else {
        return Err(argument::wrong("if", "it takes three arguments"));
    };
    match evaluate(condition)? {
        Value::Bool(true) => evaluate(then),
        Value::Bool(false) => evaluate(otherwise),
        other => Err(argument::wrong("if", &format!("the condition '{other}' is not a boolean"))),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::environment::{DeploymentFacts, Group};
    use proptest::prelude::*;
    use serde_json::{Map, json};

    pub(crate) fn facts() -> DeploymentFacts {
        DeploymentFacts {
            subscription: "11111111-1111-1111-1111-111111111111".parse().unwrap(),
            tenant: uuid::Uuid::from_u128(0x22),
            group: Some(Group { name: "rg".into(), location: "eastus".into(), tags: json!({}) }),
            name: "d".into(),
            location: "eastus".into(),
            endpoint: "https://127.0.0.1:1/".into(),
            guid: uuid::Uuid::from_u128(0x44),
            now: "20260101T000000Z".into(),
        }
    }

    fn evaluate(text: &str) -> Result<Value, TemplateError> {
        let facts = facts();
        let parameters = json!({"name": "vnet", "list": [1, 2, 3], "object": {"a": {"b": "c"}}});
        let variables = json!({
            "prefix": "[concat(parameters('name'), '-')]",
            "circle": "[variables('circle')]",
            "copy": [{"name": "subnets", "count": 3, "input": {"name": "[format('s{0}', copyIndex('subnets', 1))]"}}],
        });
        let empty = Map::new();
        let scope =
            Scope::new(&facts, parameters.as_object().unwrap_or(&empty), variables.as_object().unwrap_or(&empty));
        scope.text(text)
    }

    #[test]
    fn functions_give_what_azure_documents() {
        let subscription = "/subscriptions/11111111-1111-1111-1111-111111111111";
        for (text, expected) in [
            ("plain", json!("plain")),
            ("[concat('a', 1, 'b')]", json!("a1b")),
            ("[concat(createArray(1), createArray(2, 3))]", json!([1, 2, 3])),
            ("[format('{0}-{1:D3}-{{x}}', 'a', 7)]", json!("a-007-{x}")),
            ("[toUpper(variables('prefix'))]", json!("VNET-")),
            ("[substring('abcdef', 2, 3)]", json!("cde")),
            ("[replace('a-b-c', '-', '')]", json!("abc")),
            ("[split('a,b;c', createArray(',', ';'))]", json!(["a", "b", "c"])),
            ("[padLeft(12, 5, '0')]", json!("00012")),
            ("[trim('  a ')]", json!("a")),
            ("[length('abc')]", json!(3)),
            ("[length(parameters('object'))]", json!(1)),
            ("[empty('')]", json!(true)),
            ("[contains(parameters('list'), 2)]", json!(true)),
            ("[contains('ABC', 'b')]", json!(false)),
            ("[startsWith('Abc', 'aB')]", json!(true)),
            ("[indexOf('abc', 'C')]", json!(2)),
            ("[first('abc')]", json!("a")),
            ("[last(parameters('list'))]", json!(3)),
            ("[skip(parameters('list'), 1)]", json!([2, 3])),
            ("[take('abc', 2)]", json!("ab")),
            ("[join(createArray('a', 'b'), '/')]", json!("a/b")),
            ("[union(createObject('a', 1), createObject('b', 2))]", json!({"a": 1, "b": 2})),
            ("[intersection(createArray(1, 2), createArray(2, 3))]", json!([2])),
            ("[range(2, 3)]", json!([2, 3, 4])),
            ("[min(createArray(3, 1))]", json!(1)),
            ("[coalesce(null(), 'x')]", json!("x")),
            ("[if(equals(1, 1), 'y', fail('n'))]", json!("y")),
            ("[and(true(), not(false()))]", json!(true)),
            ("[or(false(), false())]", json!(false)),
            ("[less(1, 2)]", json!(true)),
            ("[add(mul(2, 3), sub(10, mod(7, 4)))]", json!(13)),
            ("[div(7, 2)]", json!(3)),
            ("[int('42')]", json!(42)),
            ("[bool('true')]", json!(true)),
            ("[string(createObject('a', 1))]", json!("{\"a\":1}")),
            ("[json('{\"a\": [1]}').a[0]]", json!(1)),
            ("[base64('one')]", json!("b25l")),
            ("[base64ToString('b25l')]", json!("one")),
            ("[uriComponent('a b')]", json!("a%20b")),
            ("[parameters('OBJECT').a['B']]", json!("c")),
            ("[parameters('object').?z]", json!(null)),
            ("[variables('subnets')[2].name]", json!("s3")),
            ("[resourceGroup().location]", json!("eastus")),
            ("[subscription().subscriptionId]", json!("11111111-1111-1111-1111-111111111111")),
            ("[deployment().name]", json!("d")),
            ("[items(createObject('b', 1, 'a', 2))[0].key]", json!("a")),
            ("[guid('a', 'b')]", json!("e3a0b53f-68b0-5bdd-8b4d-ec38bd6ee98f")),
        ] {
            if text.starts_with("[guid") {
                let expected = uuid::Uuid::new_v5(&"11fb06fb-712d-4ddd-98c7-e71bbd588830".parse().unwrap(), b"a-b");
                assert_eq!(evaluate(text).unwrap(), json!(expected));
                continue;
            }
            assert_eq!(evaluate(text).unwrap_or_else(|e| panic!("{text}: {e}")), expected, "{text}");
        }
        for (text, expected) in [
            (
                "[resourceId('Microsoft.Network/virtualNetworks/subnets', 'v', 's')]",
                "/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s",
            ),
            (
                "[resourceId('other', 'Microsoft.Network/virtualNetworks', 'v')]",
                "/resourceGroups/other/providers/Microsoft.Network/virtualNetworks/v",
            ),
            (
                "[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'x')]",
                "/providers/Microsoft.Authorization/roleDefinitions/x",
            ),
        ] {
            assert_eq!(evaluate(text).unwrap(), json!(format!("{subscription}{expected}")), "{text}");
        }
        let unique = evaluate("[uniqueString(resourceGroup().id)]").unwrap();
        assert_eq!(unique, evaluate("[uniqueString(resourceGroup().id)]").unwrap());
        assert_eq!(unique.as_str().unwrap().len(), 13);
        assert_ne!(unique, evaluate("[uniqueString('x')]").unwrap());
    }

    #[test]
    fn what_goes_wrong_is_said() {
        for (text, words) in [
            ("[nonsense()]", "The template function 'nonsense' is not valid."),
            ("[parameters('x')]", "The template parameter 'x' is not found."),
            ("[variables('x')]", "The template variable 'x' is not found."),
            ("[variables('circle')]", "Circular dependency detected on template variable 'circle'."),
            (
                "[parameters('object').z]",
                "The language expression property 'z' doesn't exist, available properties are 'a'.",
            ),
            ("[parameters('list')[9]]", "out of bounds"),
            ("[parameters('name').x]", "can't be evaluated"),
            ("[substring('abc', 2, 5)]", "'substring'"),
            ("[div(1, 0)]", "'div'"),
            (
                "[resourceId('Microsoft.Network/virtualNetworks/subnets', 'v')]",
                "requires '2' resource name argument(s)",
            ),
            ("[reference('x')]", "is not expected at this location"),
            ("[copyIndex()]", "is not expected at this location"),
            ("[newGuid()]", "is not expected at this location"),
            ("[concat(", "['"),
        ] {
            match evaluate(text) {
                Err(error) => assert!(error.message.contains(words), "{text}: {error}"),
                // Without a closing bracket it is a literal.
                Ok(value) => assert_eq!(value, json!(text)),
            }
        }
        assert!(evaluate("[map(createArray(1), 'x')]").unwrap_err().not_modelled);
    }

    const NAMES: &[&str] = &[
        "concat",
        "format",
        "substring",
        "split",
        "padLeft",
        "skip",
        "take",
        "range",
        "mod",
        "div",
        "add",
        "indexOf",
        "union",
        "intersection",
        "resourceId",
        "int",
        "json",
        "first",
        "last",
        "min",
        "max",
        "replace",
        "items",
        "join",
        "contains",
        "base64ToString",
        "uniqueString",
        "createObject",
        "copyIndex",
        "if",
        "sub",
        "mul",
    ];

    proptest! {
        #[test]
        fn no_arguments_make_a_function_panic(
            name in proptest::sample::select(NAMES),
            arguments in proptest::collection::vec(
                prop_oneof![
                    any::<i64>().prop_map(|n| n.to_string()),
                    "'[a-z{}0-9:%/]{0,8}'",
                    Just("parameters('list')".to_owned()),
                    Just("parameters('object')".to_owned()),
                    Just("null()".to_owned()),
                ],
                0..4,
            ),
        ) {
            let _ = evaluate(&format!("[{name}({})]", arguments.join(", ")));
        }

        #[test]
        fn concat_is_format(a in "[a-z]{0,9}", b in "[a-z]{0,9}") {
            let concat = evaluate(&format!("[concat('{a}', '{b}')]")).unwrap();
            prop_assert_eq!(&concat, &evaluate(&format!("[format('{{0}}{{1}}', '{a}', '{b}')]")).unwrap());
            let text = format!("{a}{b}");
            prop_assert_eq!(concat, json!(text));
        }
    }
}
