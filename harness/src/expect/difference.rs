//! What differs between two JSON values, for those who expect that nothing does.

use serde_json::Value;

/// Every place at which two values differ, as `<JSON pointer>: <one> became <other>`; `None` where they are the same.
#[must_use]
pub fn differences(before: &Value, after: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", before, after, &mut found);
    found
}

fn compare(pointer: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(was), Value::Object(is)) => {
            let new = is.keys().filter(|name| !was.contains_key(*name));
            for name in was.keys().chain(new) {
                compare(&format!("{pointer}/{name}"), &before[name], &after[name], found);
            }
        }
        (Value::Array(was), Value::Array(is)) if was.len() == is.len() => {
            for (index, (was, is)) in was.iter().zip(is).enumerate() {
                compare(&format!("{pointer}/{index}"), was, is, found);
            }
        }
        _ if before == after => {}
        _ => found.push(format!("{pointer}: {before} became {after}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_difference_is_told_with_its_place() {
        let before = json!({ "a": { "b": [1, 2] }, "gone": true, "same": "x" });
        let after = json!({ "a": { "b": [1, 3] }, "new": "y", "same": "x" });
        let told = ["/a/b/1: 2 became 3", "/gone: true became null", "/new: null became \"y\""];
        assert_eq!(differences(&before, &after), told);
        assert!(differences(&before, &before).is_empty());
        assert_eq!(differences(&json!([1]), &json!([])), [": [1] became []"]);
    }
}
