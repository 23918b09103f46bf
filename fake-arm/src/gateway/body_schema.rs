//! The outer form of a resource's body, which Azure Resource Manager itself reads before the provider does: the types
//! of the common members, members that it does not know, and tags.

use http::{Method, StatusCode};
use serde_json::Value;

use super::route::Target;
use crate::provider::Request;
use arm::ArmError;

/// What a resource's body may have at the top. ARM compares without regard to case.
const MEMBERS: &[&str] = &[
    "id",
    "name",
    "type",
    "location",
    "tags",
    "plan",
    "sku",
    "kind",
    "managedBy",
    "managedByExtended",
    "identity",
    "zones",
    "properties",
    "etag",
    "systemData",
    "extendedLocation",
    "placement",
    "resources",
    "scale",
];
/// The same for a resource group.
const GROUP_MEMBERS: &[&str] = &["id", "name", "type", "location", "tags", "properties", "managedBy"];

/// Tags of one resource.
const MOST_TAGS: usize = 50;
const LONGEST_TAG_NAME: usize = 512;
const LONGEST_TAG_VALUE: usize = 256;
/// Characters that no tag's name may have.
const RESERVED: &[char] = &['<', '>', '%', '&', '\\', '?', '/'];

/// The body of a `PUT` or `PATCH` has the form of a resource.
///
/// # Errors
/// `InvalidRequestContent` where it has not, the tag errors of ARM.
pub(super) fn check(request: &Request, target: &Target) -> Result<(), ArmError> {
    let changes = matches!(request.method, Method::PUT | Method::PATCH);
    if !changes || !matches!(target, Target::Resource(_)) || request.body.is_null() {
        return Ok(());
    }
    let is_group = request.id.is_type("Microsoft.Resources/subscriptions/resourceGroups");
    let definition = if is_group { "ResourceGroupDefinition" } else { "ResourceDefinition" };
    let Some(members) = request.body.as_object() else {
        return Err(unconvertible(&request.body, definition, ""));
    };
    for (name, value) in members {
        let fits = match name.to_ascii_lowercase().as_str() {
            "location" | "name" | "type" | "id" | "kind" | "managedby" | "etag" => !is_compound(value),
            "tags" | "properties" | "sku" | "plan" | "identity" => value.is_object() || value.is_null(),
            "zones" => value.is_null() || value.as_array().is_some_and(|all| all.iter().all(|z| !is_compound(z))),
            _ => true,
        };
        if !fits {
            return Err(unconvertible(value, expected(name), name));
        }
        let known = if is_group { GROUP_MEMBERS } else { MEMBERS };
        // Of resources without location ARM knows less: their providers read the body themselves.
        let read_by_arm = is_group || request.resource_type.tracked;
        if read_by_arm && request.method == Method::PUT && !known.iter().any(|k| k.eq_ignore_ascii_case(name)) {
            return Err(invalid(format!(
                "Could not find member '{name}' on object of type '{definition}'. Path '{name}'."
            )));
        }
    }
    check_tags(&request.body["tags"])
}

fn is_compound(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

fn expected(name: &str) -> &'static str {
    match name.to_ascii_lowercase().as_str() {
        "tags" => "InsensitiveDictionary`1[System.String]",
        "zones" => "System.String[]",
        "sku" => "ResourceSku",
        "plan" => "ResourcePlan",
        "identity" => "ResourceIdentity",
        "properties" => "Newtonsoft.Json.Linq.JObject",
        _ => "System.String",
    }
}

fn unconvertible(value: &Value, to: &str, path: &str) -> ArmError {
    let shown: String = value.to_string().chars().take(200).collect();
    invalid(format!("Error converting value {shown} to type '{to}'. Path '{path}'."))
}

fn invalid(why: String) -> ArmError {
    ArmError::bad_request(
        "InvalidRequestContent",
        format!("The request content was invalid and could not be deserialized: '{why}'."),
    )
}

fn check_tags(tags: &Value) -> Result<(), ArmError> {
    let Some(tags) = tags.as_object() else { return Ok(()) };
    if let Some((name, value)) = tags.iter().find(|(_, value)| is_compound(value)) {
        return Err(unconvertible(value, "System.String", &format!("tags.{name}")));
    }
    if tags.len() > MOST_TAGS {
        return Err(ArmError::bad_request(
            "InvalidTagsCount",
            format!("The number of tags '{}' exceeds the limit of '{MOST_TAGS}' that a resource can have.", tags.len()),
        ));
    }
    let reserved: Vec<&str> = tags
        .keys()
        .filter(|name| name.contains(RESERVED) || name.contains(char::is_control))
        .map(String::as_str)
        .collect();
    if !reserved.is_empty() {
        return Err(ArmError::new(
            StatusCode::BAD_REQUEST,
            "InvalidTagNameCharacters",
            format!(
                "The tag names '{}' have reserved characters '<,>,%,&,\\,?,/' or control characters.",
                reserved.join(",")
            ),
        ));
    }
    for (name, value) in tags {
        let value = value.as_str().unwrap_or_default();
        if name.is_empty() || name.chars().count() > LONGEST_TAG_NAME || value.chars().count() > LONGEST_TAG_VALUE {
            return Err(ArmError::bad_request(
                "InvalidTagNameOrValue",
                format!(
                    "The tag '{name}' is not valid: its name must have 1 to {LONGEST_TAG_NAME} characters, its value at \
                     most {LONGEST_TAG_VALUE}."
                ),
            ));
        }
    }
    Ok(())
}
