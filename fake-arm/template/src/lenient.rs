//! JSON as Azure Resource Manager takes it in deployments: with comments, with commas after the last member, with names
//! without quotes, with texts in single quotes and over several lines. The az CLI sends the template's file as it is, below
//! an unquoted `template:`.
//!
//! Own code, because the crates that read JSON5 refuse line breaks within texts and recurse without an end.

use serde_json::{Map, Number, Value};

/// Nesting beyond this is refused.
const DEEPEST: usize = 128;

/// A text that is not even that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at offset {at}")]
pub(crate) struct Malformed {
    reason: &'static str,
    at: usize,
}

/// The body of a deployment that is lenient JSON but not strict JSON; `None` where it is neither, or not a deployment.
pub fn deployment_body(bytes: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(bytes).ok()?;
    let body = parse(text).ok()?;
    body["properties"]["template"].is_object().then_some(body)
}

/// Reads lenient JSON.
pub(crate) fn parse(text: &str) -> Result<Value, Malformed> {
    let mut reader = Reader { bytes: text.as_bytes(), text, at: 0, depth: 0 };
    reader.blank()?;
    let value = reader.value()?;
    reader.blank()?;
    if reader.at < reader.bytes.len() { Err(reader.wrong("something follows the value")) } else { Ok(value) }
}

struct Reader<'t> {
    bytes: &'t [u8],
    text: &'t str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn wrong(&self, reason: &'static str) -> Malformed {
        Malformed { reason, at: self.at }
    }

    fn here(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn starts(&self, what: &str) -> bool {
        self.bytes[self.at.min(self.bytes.len())..].starts_with(what.as_bytes())
    }

    /// Skips blanks and comments.
    fn blank(&mut self) -> Result<(), Malformed> {
        loop {
            if self.starts("//") {
                while self.here().is_some_and(|b| b != b'\n') {
                    self.at += 1;
                }
            } else if self.starts("/*") {
                let rest = &self.text[self.at..];
                let end = rest.find("*/").ok_or_else(|| self.wrong("a comment has no end"))?;
                self.at += end + 2;
            } else if self.here().is_some_and(|b| b.is_ascii_whitespace()) {
                self.at += 1;
            } else if self.starts("\u{feff}") || self.starts("\u{a0}") {
                self.at += self.text[self.at..].chars().next().map_or(1, char::len_utf8);
            } else {
                return Ok(());
            }
        }
    }

    fn value(&mut self) -> Result<Value, Malformed> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong("it is nested too deeply"));
        }
        let value = match self.here() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(quote @ (b'"' | b'\'')) => self.quoted(quote).map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => self.word(),
            None => Err(self.wrong("a value is missing")),
        };
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Value, Malformed> {
        self.at += 1;
        let mut members = Map::new();
        loop {
            self.blank()?;
            let name = match self.here() {
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Object(members));
                }
                Some(quote @ (b'"' | b'\'')) => self.quoted(quote)?,
                _ => self.name()?,
            };
            self.blank()?;
            if self.here() != Some(b':') {
                return Err(self.wrong("a name has no ':' after it"));
            }
            self.at += 1;
            self.blank()?;
            let value = self.value()?;
            members.insert(name, value);
            self.after_item(b'}')?;
        }
    }

    fn array(&mut self) -> Result<Value, Malformed> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.blank()?;
            if self.here() == Some(b']') {
                self.at += 1;
                return Ok(Value::Array(items));
            }
            items.push(self.value()?);
            self.after_item(b']')?;
        }
    }

    /// A comma, or the end, which stays.
    fn after_item(&mut self, end: u8) -> Result<(), Malformed> {
        self.blank()?;
        match self.here() {
            Some(b',') => {
                self.at += 1;
                Ok(())
            }
            Some(here) if here == end => Ok(()),
            _ => Err(self.wrong("a ',' is missing")),
        }
    }

    fn name(&mut self) -> Result<String, Malformed> {
        let start = self.at;
        while self.here().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'$') {
            self.at += 1;
        }
        if self.at == start { Err(self.wrong("a name is missing")) } else { Ok(self.text[start..self.at].to_owned()) }
    }

    fn word(&mut self) -> Result<Value, Malformed> {
        let start = self.at;
        match self.name()?.as_str() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "null" => Ok(Value::Null),
            _ => {
                self.at = start;
                Err(self.wrong("that is no value"))
            }
        }
    }

    fn number(&mut self) -> Result<Value, Malformed> {
        let start = self.at;
        while self.here().is_some_and(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        serde_json::from_str::<Number>(text).map(Value::Number).map_err(|_| self.wrong("that is no number"))
    }

    fn quoted(&mut self, quote: u8) -> Result<String, Malformed> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(letter) = self.text[self.at..].chars().next() else {
                return Err(self.wrong("a text has no closing quote"));
            };
            self.at += letter.len_utf8();
            match letter {
                '\\' => text.push(self.escaped()?),
                letter if letter == char::from(quote) => return Ok(text),
                letter => text.push(letter),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, Malformed> {
        let Some(letter) = self.text[self.at..].chars().next() else {
            return Err(self.wrong("a text has no closing quote"));
        };
        self.at += letter.len_utf8();
        Ok(match letter {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => {
                let first = self.hex()?;
                if (0xd800..0xdc00).contains(&first) && self.starts("\\u") {
                    self.at += 2;
                    let second = self.hex()?;
                    let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400);
                    let code = low.map(|low| 0x10000 + ((first - 0xd800) << 10) + low);
                    code.and_then(char::from_u32).unwrap_or('\u{fffd}')
                } else {
                    char::from_u32(first).unwrap_or('\u{fffd}')
                }
            }
            other => other,
        })
    }

    fn hex(&mut self) -> Result<u32, Malformed> {
        let digits = self.text.get(self.at..self.at + 4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        digits.ok_or_else(|| {
            self.at -= 4;
            self.wrong("four hexadecimal digits are missing")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn the_clis_body_with_the_documents_trailing_comma_is_read() {
        let body = "{\"properties\": {\"parameters\": {}, \"mode\": \"Incremental\", template:{\n  \"resources\": [\n    { \"name\": \"napcluster\", \"properties\": { \"mode\": \"Auto\", }, }\n  ]\n}\n}}";
        let read = deployment_body(body.as_bytes()).unwrap();
        assert_eq!(read["properties"]["template"]["resources"][0]["properties"], json!({"mode": "Auto"}));
        assert_eq!(deployment_body(b"{\"a\":1,}"), None, "no deployment");
    }

    #[test]
    fn comments_quotes_and_lines_are_taken() {
        let text =
            "// first\n{ a: 'it''s', /* b */ 'b': [1, -2.5e3, true, null,], \"c\": \"one\ntwo\\u00e9\\ud83d\\ude00\" }";
        assert!(parse(text).is_err(), "two texts side by side are no value");
        let text = text.replace("it''s", "its");
        assert_eq!(
            parse(&text).unwrap(),
            json!({"a": "its", "b": [1, -2500.0, true, null], "c": "one\ntwo\u{e9}\u{1f600}"})
        );
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in ["", "{", "{a}", "{a:}", "[1 2]", "nul", "'a", "1 2", "/* x", "{,}", "\"\\u12\"", "--1", "\"\\"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(".{0,8}", inner, 0..5)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn strict_json_is_read_as_it_is(value in any_json()) {
            prop_assert_eq!(parse(&value.to_string()).unwrap(), value.clone());
            prop_assert_eq!(parse(&serde_json::to_string_pretty(&value).unwrap()).unwrap(), value);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}:,'\"/*\\\\ua0-9.e -]{0,60}|.{0,60}") {
            let _ = parse(&text);
        }
    }
}
