//! The words of a condition.

use super::InvalidCondition;

/// One word, and where it begins (in characters).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Open,
    Close,
    OpenBrace,
    CloseBrace,
    Comma,
    And,
    Or,
    Not,
    /// `@Resource[…]`: source and what is between the brackets.
    Attribute(String, String),
    /// `'…'`
    Text(String),
    /// Anything else: names of operators, numbers, ids.
    Word(String),
}

/// Cuts a text into words.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, InvalidCondition> {
    let letters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(letter) = letters.get(at).copied() {
        let start = at;
        let pair = letters.get(at + 1).copied();
        let (kind, length) = match letter {
            c if c.is_whitespace() => {
                at += 1;
                continue;
            }
            '(' => (Kind::Open, 1),
            ')' => (Kind::Close, 1),
            '{' => (Kind::OpenBrace, 1),
            '}' => (Kind::CloseBrace, 1),
            ',' => (Kind::Comma, 1),
            '!' => (Kind::Not, 1),
            '&' if pair == Some('&') => (Kind::And, 2),
            '|' if pair == Some('|') => (Kind::Or, 2),
            '\'' => quoted(&letters, at)?,
            '@' => attribute(&letters, at)?,
            c if is_word(c) => {
                let length = letters[at..].iter().take_while(|c| is_word(**c)).count();
                let word: String = letters[at..at + length].iter().collect();
                let kind = match word.to_ascii_uppercase().as_str() {
                    "AND" => Kind::And,
                    "OR" => Kind::Or,
                    "NOT" => Kind::Not,
                    _ => Kind::Word(word),
                };
                (kind, length)
            }
            c => return Err(malformed(at, format!("{c:?} has no meaning here"))),
        };
        tokens.push(Token { at: start, kind });
        at += length;
    }
    Ok(tokens)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, ':' | '-' | '.' | '_' | '/' | '+')
}

fn quoted(letters: &[char], at: usize) -> Result<(Kind, usize), InvalidCondition> {
    let mut text = String::new();
    let mut here = at + 1;
    loop {
        match (letters.get(here), letters.get(here + 1)) {
            (Some('\\'), Some('\'')) => {
                text.push('\'');
                here += 2;
            }
            (Some('\''), _) => return Ok((Kind::Text(text), here + 1 - at)),
            (Some(c), _) => {
                text.push(*c);
                here += 1;
            }
            (None, _) => return Err(malformed(at, "a text without an end")),
        }
    }
}

fn attribute(letters: &[char], at: usize) -> Result<(Kind, usize), InvalidCondition> {
    let open = letters[at..].iter().position(|c| *c == '[').ok_or_else(|| malformed(at, "'[' is missing"))?;
    let close = letters[at..].iter().position(|c| *c == ']').filter(|close| *close > open);
    let close = close.ok_or_else(|| malformed(at, "']' is missing"))?;
    let source: String = letters[at + 1..at + open].iter().collect();
    let name: String = letters[at + open + 1..at + close].iter().collect();
    Ok((Kind::Attribute(source, name), close + 1))
}

pub(super) fn malformed(at: usize, reason: impl Into<String>) -> InvalidCondition {
    InvalidCondition::Malformed { at, reason: reason.into() }
}
