//! Functions of texts.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use uuid::Uuid;

use super::argument::Arguments;
use crate::error::TemplateError;
use crate::evaluation::plain;

/// The namespace of `guid`, as Microsoft documents it.
const GUID_NAMESPACE: Uuid = Uuid::from_u128(0x11fb_06fb_712d_4ddd_98c7_e71b_bd58_8830);
/// Longer texts are refused.
const LONGEST: usize = 1 << 20;

type Result<T> = std::result::Result<T, TemplateError>;

pub(super) fn call(name: &str, arguments: &Arguments<'_>) -> Option<Result<Value>> {
    let result = match name {
        "concat" => concat(arguments),
        "format" => format(arguments),
        "tolower" => arguments.text(0).map(|text| json!(text.to_lowercase())),
        "toupper" => arguments.text(0).map(|text| json!(text.to_uppercase())),
        "trim" => arguments.text(0).map(|text| json!(text.trim())),
        "substring" => substring(arguments),
        "replace" => replace(arguments),
        "split" => split(arguments),
        "padleft" => pad(arguments),
        "startswith" => {
            two(arguments).map(|(text, start)| json!(text.to_lowercase().starts_with(&start.to_lowercase())))
        }
        "endswith" => two(arguments).map(|(text, end)| json!(text.to_lowercase().ends_with(&end.to_lowercase()))),
        "string" => arguments.value(0).map(|value| json!(plain(value))),
        "int" => int(arguments),
        "float" => arguments.value(0).and_then(|value| {
            let number = value.as_f64().or_else(|| plain(value).parse().ok());
            number.map(|number| json!(number)).ok_or_else(|| arguments.wrong("that is no number"))
        }),
        "bool" => bool(arguments),
        "json" => arguments
            .text(0)
            .and_then(|text| serde_json::from_str(text).map_err(|error| arguments.wrong(&error.to_string()))),
        "base64" => arguments.text(0).map(|text| json!(BASE64_STANDARD.encode(text))),
        "base64tostring" => decoded(arguments).map(|text| json!(text)),
        "base64tojson" => decoded(arguments)
            .and_then(|text| serde_json::from_str(&text).map_err(|error| arguments.wrong(&error.to_string()))),
        "uri" => two(arguments).and_then(|(base, relative)| {
            let url = url::Url::parse(base).and_then(|base| base.join(relative));
            url.map(|url| json!(url.as_str())).map_err(|error| arguments.wrong(&error.to_string()))
        }),
        "uricomponent" => arguments.text(0).map(|text| json!(encoded(text))),
        "uricomponenttostring" => arguments.text(0).map(|text| json!(percent_decoded(text))),
        "guid" => joined(arguments).map(|text| json!(Uuid::new_v5(&GUID_NAMESPACE, text.as_bytes()))),
        "uniquestring" => joined(arguments).map(|text| json!(unique(&text))),
        _ => return None,
    };
    Some(result)
}

/// Texts and numbers side by side, or arrays one after the other.
fn concat(arguments: &Arguments<'_>) -> Result<Value> {
    if matches!(arguments.values.first(), Some(Value::Array(_))) {
        let mut items = Vec::new();
        for index in 0..arguments.values.len() {
            items.extend_from_slice(arguments.array(index)?);
        }
        return Ok(Value::Array(items));
    }
    let mut text = String::new();
    for value in arguments.values {
        if value.is_array() || value.is_object() {
            return Err(arguments.wrong("texts and arrays cannot be mixed"));
        }
        text.push_str(&plain(value));
    }
    Ok(json!(text))
}

/// `{0}`, `{1:D3}`, `{0,8}`; `{{` and `}}` for braces.
fn format(arguments: &Arguments<'_>) -> Result<Value> {
    let pattern: Vec<char> = arguments.text(0)?.chars().collect();
    let mut text = String::new();
    let mut at = 0;
    while at < pattern.len() {
        let (here, next) = (pattern[at], pattern.get(at + 1));
        if (here == '{' || here == '}') && next == Some(&here) {
            text.push(here);
            at += 2;
        } else if here == '{' {
            let end =
                pattern[at..].iter().position(|c| *c == '}').ok_or_else(|| arguments.wrong("a '{' has no '}'"))?;
            let hole: String = pattern[at + 1..at + end].iter().collect();
            text.push_str(&filled(arguments, &hole)?);
            at += end + 1;
        } else if here == '}' {
            return Err(arguments.wrong("a '}' has no '{'"));
        } else {
            text.push(here);
            at += 1;
        }
        if text.len() > LONGEST {
            return Err(arguments.wrong("the text is too long"));
        }
    }
    Ok(json!(text))
}

fn filled(arguments: &Arguments<'_>, hole: &str) -> Result<String> {
    let (rest, form) = hole.split_once(':').unwrap_or((hole, ""));
    let (index, width) = rest.split_once(',').unwrap_or((rest, "0"));
    let index: usize = index.trim().parse().map_err(|_| arguments.wrong(&format!("'{{{hole}}}' names no argument")))?;
    let width: i32 = width.trim().parse().map_err(|_| arguments.wrong(&format!("'{{{hole}}}' has no width")))?;
    let value = index.checked_add(1).and_then(|index| arguments.values.get(index));
    let value = value.ok_or_else(|| arguments.wrong(&format!("'{{{hole}}}' has no argument")))?;
    let text = match (form.chars().next().map(|c| c.to_ascii_uppercase()), value.as_i64()) {
        (None, _) => plain(value),
        (Some(kind @ ('D' | 'X')), Some(number)) => {
            let digits: usize = if form.len() > 1 { form[1..].parse().unwrap_or(100) } else { 0 };
            let digits = digits.min(99);
            match kind {
                'D' => format!("{number:0digits$}"),
                _ => format!("{number:0digits$x}"),
            }
        }
        _ => {
            let message = format!("The format '{form}' of the template function 'format' is not modelled by fake-arm.");
            return Err(TemplateError::not_modelled(message));
        }
    };
    let size = usize::try_from(width.unsigned_abs()).unwrap_or(0).min(1000);
    Ok(if width < 0 { format!("{text:<size$}") } else { format!("{text:>size$}") })
}

fn substring(arguments: &Arguments<'_>) -> Result<Value> {
    arguments.count(2, 3)?;
    let letters: Vec<char> = arguments.text(0)?.chars().collect();
    let start = arguments.size(1)?;
    let length = if arguments.values.len() > 2 { arguments.size(2)? } else { letters.len().saturating_sub(start) };
    let end = start.checked_add(length).filter(|end| *end <= letters.len());
    let end = end.ok_or_else(|| arguments.wrong("the index and length must be within the string"))?;
    Ok(json!(letters[start..end].iter().collect::<String>()))
}

fn replace(arguments: &Arguments<'_>) -> Result<Value> {
    arguments.count(3, 3)?;
    let (text, old, new) = (arguments.text(0)?, arguments.text(1)?, arguments.text(2)?);
    if old.is_empty() || text.len().saturating_mul(new.len().max(1)) > LONGEST {
        return Err(arguments.wrong("what is replaced must not be empty, and the result must not be too long"));
    }
    Ok(json!(text.replace(old, new)))
}

fn split(arguments: &Arguments<'_>) -> Result<Value> {
    arguments.count(2, 2)?;
    let between: Vec<char> = match arguments.value(1)? {
        Value::Array(list) => list.iter().flat_map(|one| plain(one).chars().collect::<Vec<_>>()).collect(),
        Value::String(text) if text.chars().count() > 1 => {
            return Ok(json!(arguments.text(0)?.split(text.as_str()).collect::<Vec<_>>()));
        }
        other => plain(other).chars().collect(),
    };
    Ok(json!(arguments.text(0)?.split(|c| between.contains(&c)).collect::<Vec<_>>()))
}

fn pad(arguments: &Arguments<'_>) -> Result<Value> {
    arguments.count(2, 3)?;
    let text = plain(arguments.value(0)?);
    let width = arguments.size(1)?;
    let with = if arguments.values.len() > 2 { plain(arguments.value(2)?) } else { " ".to_owned() };
    let [with] = with.chars().collect::<Vec<_>>()[..] else {
        return Err(arguments.wrong("the character to pad with must be one character"));
    };
    if width > 1000 {
        return Err(arguments.wrong("the length is too large"));
    }
    let missing = width.saturating_sub(text.chars().count());
    Ok(json!(format!("{}{text}", String::from_iter(std::iter::repeat_n(with, missing)))))
}

fn two<'a>(arguments: &Arguments<'a>) -> Result<(&'a str, &'a str)> {
    arguments.count(2, 2)?;
    Ok((arguments.text(0)?, arguments.text(1)?))
}

fn int(arguments: &Arguments<'_>) -> Result<Value> {
    arguments.count(1, 1)?;
    let value = arguments.value(0)?;
    let number =
        value.as_i64().or_else(|| value.as_f64().map(|f| f as i64)).or_else(|| plain(value).trim().parse().ok());
    number.map(|number| json!(number)).ok_or_else(|| arguments.wrong(&format!("'{value}' is not an integer")))
}

fn bool(arguments: &Arguments<'_>) -> Result<Value> {
    arguments.count(1, 1)?;
    match plain(arguments.value(0)?).to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(json!(true)),
        "false" | "0" => Ok(json!(false)),
        other => Err(arguments.wrong(&format!("'{other}' is not a boolean"))),
    }
}

fn decoded(arguments: &Arguments<'_>) -> Result<String> {
    let bytes = BASE64_STANDARD.decode(arguments.text(0)?);
    let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| arguments.wrong("that is no base64 of a text"))
}

fn joined(arguments: &Arguments<'_>) -> Result<String> {
    if arguments.values.is_empty() {
        return Err(arguments.wrong("it takes at least one argument"));
    }
    Ok(arguments.values.iter().map(plain).collect::<Vec<_>>().join("-"))
}

/// Thirteen letters and digits that are always the same for the same text. Azure's are others: FIDELITY.md.
fn unique(text: &str) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let hash = Uuid::new_v5(&GUID_NAMESPACE, text.as_bytes()).as_u128();
    (0..13).map(|n| char::from(LETTERS[(hash >> (5 * n)) as usize % 32])).collect()
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn percent_decoded(text: &str) -> String {
    // A form's only difference is the plus sign.
    let escaped = text.replace('+', "%2B");
    url::form_urlencoded::parse(escaped.as_bytes()).map(|(name, value)| format!("{name}{value}")).collect()
}
