//! Functions of arrays and objects, and of texts as arrays of characters.

use serde_json::{Map, Value, json};

use super::argument::Arguments;
use crate::error::TemplateError;
use crate::evaluation::{find, plain};

/// Azure makes no longer ranges.
const LONGEST_RANGE: i64 = 10_000;

type Result<T> = std::result::Result<T, TemplateError>;

pub(super) fn call(name: &str, arguments: &Arguments<'_>) -> Option<Result<Value>> {
    let result = match name {
        "array" => arguments.value(0).map(|value| if value.is_array() { value.clone() } else { json!([value]) }),
        "createarray" => Ok(json!(arguments.values)),
        "createobject" => create_object(arguments),
        "length" => length(arguments),
        "empty" => arguments.value(0).map(|value| json!(is_empty(value))),
        "contains" => contains(arguments),
        "indexof" => index_of(arguments, false),
        "lastindexof" => index_of(arguments, true),
        "first" => end(arguments, false),
        "last" => end(arguments, true),
        "skip" => part(arguments, false),
        "take" => part(arguments, true),
        "join" => join(arguments),
        "union" => together(arguments, true),
        "intersection" => together(arguments, false),
        "range" => range(arguments),
        "min" => extreme(arguments, false),
        "max" => extreme(arguments, true),
        "flatten" => arguments.array(0).map(|items| {
            items.iter().flat_map(|item| item.as_array().cloned().unwrap_or_else(|| vec![item.clone()])).collect()
        }),
        "items" => object(arguments).map(|fields| {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort_unstable();
            keys.into_iter().map(|key| json!({ "key": key, "value": fields[key] })).collect()
        }),
        "objectkeys" => object(arguments).map(|fields| fields.keys().cloned().collect()),
        "tryget" => arguments.count(2, 2).and_then(|()| {
            let found = match (arguments.value(0)?, arguments.value(1)?) {
                (Value::Object(fields), Value::String(name)) => find(fields, name).cloned(),
                (Value::Array(items), index) => {
                    index.as_u64().and_then(|i| usize::try_from(i).ok()).and_then(|i| items.get(i)).cloned()
                }
                _ => None,
            };
            Ok(found.unwrap_or(Value::Null))
        }),
        _ => return None,
    };
    Some(result)
}

fn create_object(arguments: &Arguments<'_>) -> Result<Value> {
    let mut fields = Map::new();
    for pair in arguments.values.chunks(2) {
        let [Value::String(name), value] = pair else {
            return Err(arguments.wrong("it takes names and values in turn"));
        };
        fields.insert(name.clone(), value.clone());
    }
    Ok(Value::Object(fields))
}

fn length(arguments: &Arguments<'_>) -> Result<Value> {
    match arguments.value(0)? {
        Value::String(text) => Ok(json!(text.chars().count())),
        Value::Array(items) => Ok(json!(items.len())),
        Value::Object(fields) => Ok(json!(fields.len())),
        _ => Err(arguments.wrong("it takes a string, an array or an object")),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn contains(arguments: &Arguments<'_>) -> Result<Value> {
    arguments.count(2, 2)?;
    let item = arguments.value(1)?;
    match arguments.value(0)? {
        Value::String(text) => Ok(json!(text.contains(&plain(item)))),
        Value::Array(items) => Ok(json!(items.contains(item))),
        Value::Object(fields) => Ok(json!(find(fields, &plain(item)).is_some())),
        _ => Err(arguments.wrong("it takes a string, an array or an object")),
    }
}

fn index_of(arguments: &Arguments<'_>, last: bool) -> Result<Value> {
    arguments.count(2, 2)?;
    let found = match arguments.value(0)? {
        Value::Array(items) => {
            let wanted = arguments.value(1)?;
            let mut places = items.iter().enumerate().filter(|(_, item)| *item == wanted).map(|(at, _)| at);
            if last { places.next_back() } else { places.next() }
        }
        _ => {
            let letters: Vec<char> = arguments.text(0)?.to_lowercase().chars().collect();
            let wanted: Vec<char> = arguments.text(1)?.to_lowercase().chars().collect();
            let places = 0..=letters.len().saturating_sub(wanted.len());
            let mut places = places.filter(|at| letters[*at..].starts_with(&wanted));
            if last { places.next_back() } else { places.next() }
        }
    };
    Ok(found.map_or(json!(-1), |at| json!(at)))
}

fn end(arguments: &Arguments<'_>, last: bool) -> Result<Value> {
    match arguments.value(0)? {
        Value::Array(items) => Ok(if last { items.last() } else { items.first() }.cloned().unwrap_or(Value::Null)),
        _ => {
            let mut letters = arguments.text(0)?.chars();
            let letter = if last { letters.next_back() } else { letters.next() };
            Ok(json!(letter.map(String::from).unwrap_or_default()))
        }
    }
}

fn part(arguments: &Arguments<'_>, take: bool) -> Result<Value> {
    arguments.count(2, 2)?;
    let count = usize::try_from(arguments.number(1)?.max(0)).unwrap_or(usize::MAX);
    match arguments.value(0)? {
        Value::Array(items) => {
            let at = count.min(items.len());
            Ok(json!(if take { &items[..at] } else { &items[at..] }))
        }
        _ => {
            let letters = arguments.text(0)?.chars();
            let text: String = if take { letters.take(count).collect() } else { letters.skip(count).collect() };
            Ok(json!(text))
        }
    }
}

fn join(arguments: &Arguments<'_>) -> Result<Value> {
    arguments.count(2, 2)?;
    let between = arguments.text(1)?;
    Ok(json!(arguments.array(0)?.iter().map(plain).collect::<Vec<_>>().join(between)))
}

/// `union` where `all`, else `intersection`; of arrays, or of objects.
fn together(arguments: &Arguments<'_>, all: bool) -> Result<Value> {
    let Some((first, rest)) = arguments.values.split_first() else {
        return Err(arguments.wrong("it takes at least one argument"));
    };
    let mut result = first.clone();
    for other in rest {
        result = match (result, other) {
            (Value::Array(mut items), Value::Array(others)) => {
                if all {
                    items.extend(others.iter().cloned());
                } else {
                    items.retain(|item| others.contains(item));
                }
                Value::Array(items)
            }
            (Value::Object(fields), Value::Object(others)) if all => Value::Object(merged(fields, others)),
            (Value::Object(mut fields), Value::Object(others)) => {
                fields.retain(|name, value| others.get(name) == Some(value));
                Value::Object(fields)
            }
            _ => return Err(arguments.wrong("it takes arrays, or objects")),
        };
    }
    if let Value::Array(items) = &mut result {
        let mut seen: Vec<Value> = Vec::new();
        for item in items.drain(..) {
            if !seen.contains(&item) {
                seen.push(item);
            }
        }
        *items = seen;
    }
    Ok(result)
}

/// Objects within objects are merged, too.
fn merged(mut fields: Map<String, Value>, others: &Map<String, Value>) -> Map<String, Value> {
    for (name, other) in others {
        let value = match (fields.remove(name), other) {
            (Some(Value::Object(mine)), Value::Object(theirs)) => Value::Object(merged(mine, theirs)),
            _ => other.clone(),
        };
        fields.insert(name.clone(), value);
    }
    fields
}

fn range(arguments: &Arguments<'_>) -> Result<Value> {
    arguments.count(2, 2)?;
    let (start, count) = (arguments.number(0)?, arguments.number(1)?);
    let end = start.checked_add(count);
    match end {
        Some(end) if (0..=LONGEST_RANGE).contains(&count) && end <= i64::from(i32::MAX) => {
            Ok((start..end).map(|number| json!(number)).collect())
        }
        _ => Err(arguments.wrong(&format!("the count must be between 0 and {LONGEST_RANGE}"))),
    }
}

fn extreme(arguments: &Arguments<'_>, largest: bool) -> Result<Value> {
    let items = match arguments.values {
        [Value::Array(items)] => items.as_slice(),
        values => values,
    };
    let numbers: Option<Vec<i64>> = items.iter().map(Value::as_i64).collect();
    let numbers = numbers.ok_or_else(|| arguments.wrong("it takes integers"))?;
    let found = if largest { numbers.iter().max() } else { numbers.iter().min() };
    found.map(|number| json!(number)).ok_or_else(|| arguments.wrong("it takes at least one integer"))
}

fn object<'a>(arguments: &Arguments<'a>) -> Result<&'a Map<String, Value>> {
    let value = arguments.value(0)?;
    value.as_object().ok_or_else(|| arguments.wrong(&format!("'{value}' is not an object")))
}
