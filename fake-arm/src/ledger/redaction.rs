//! Secrets do not enter the ledger.

use serde_json::Value;

/// Values under these keys are secrets.
const SECRETS: &[&str] = &["customData", "adminPassword", "protectedSettings", "secret", "access_token", "kubeconfig"];

/// The value with each secret replaced by its length.
pub(crate) fn redacted(mut value: Value) -> Value {
    redact(&mut value);
    value
}

fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                if SECRETS.iter().any(|s| s.eq_ignore_ascii_case(key)) && !field.is_null() {
                    let length = field.as_str().map_or_else(|| field.to_string().len(), str::len);
                    *field = Value::String(format!("<{length} characters>"));
                } else {
                    redact(field);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn custom_data_becomes_its_length() {
        let body = json!({"properties": {"osProfile": {"customData": "abcd", "computerName": "n"}}});
        let expected = json!({"properties": {"osProfile": {"customData": "<4 characters>", "computerName": "n"}}});
        assert_eq!(redacted(body), expected);
    }
}
