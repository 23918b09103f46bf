//! Reading address prefixes out of request bodies, with Azure's refusals.

use ipnet::IpNet;
use serde_json::Value;

use arm::{ArmError, ResourceId};

/// The error of a subnet without an address prefix.
pub(super) fn missing(of: &ResourceId) -> ArmError {
    ArmError::bad_request(
        "AddressPrefixStringCannotBeNullOrEmpty",
        format!("Address prefix string for resource {of} cannot be null or empty."),
    )
}

/// Reads one prefix in CIDR notation whose host bits are zero.
pub(super) fn parse(text: &str, of: &ResourceId) -> Result<IpNet, ArmError> {
    if text.trim().is_empty() {
        return Err(missing(of));
    }
    let malformed = || {
        ArmError::bad_request(
            "InvalidAddressPrefixFormat",
            format!(
                "Address prefix {text} of resource {of} is not formatted correctly. It should follow CIDR notation, for \
                 example 10.0.0.0/24."
            ),
        )
    };
    if !text.contains('/') {
        return Err(malformed());
    }
    let prefix: IpNet = text.parse().map_err(|_| malformed())?;
    let truncated = prefix.trunc();
    if truncated == prefix {
        return Ok(prefix);
    }
    Err(ArmError::bad_request(
        "InvalidCIDRNotation",
        format!(
            "The address prefix {text} in resource {of} has an invalid CIDR notation. For the given prefix length, the \
             address prefix should be {truncated}."
        ),
    ))
}

/// The prefixes that a subnet's or an address space's `properties` name: `addressPrefixes`, else `addressPrefix`.
pub(super) fn named(properties: &Value) -> Vec<&str> {
    match properties["addressPrefixes"].as_array() {
        Some(list) if !list.is_empty() => list.iter().filter_map(Value::as_str).collect(),
        _ => properties["addressPrefix"].as_str().into_iter().collect(),
    }
}

/// The same, read; what is stored was checked before.
pub(super) fn prefixes_of(properties: &Value) -> Vec<IpNet> {
    named(properties).into_iter().filter_map(|text| text.parse().ok()).collect()
}
