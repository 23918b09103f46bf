//! From text to words.

/// A word of a query with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// As written.
    pub(super) text: String,
    /// Offset in characters.
    pub(super) at: usize,
}

/// What a word is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A name or keyword.
    Name,
    /// A text, without its quotes.
    Text(String),
    /// A number.
    Number(f64),
    /// Operators and punctuation.
    Sign,
    /// The end of the query.
    End,
}

/// Why a text is not a query: what is wrong, and where.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct QueryRefusal {
    pub(super) reason: String,
    pub(super) token: String,
    pub(super) at: usize,
    /// Kusto knows it, and we do not.
    pub(super) not_modelled: bool,
}

const SIGNS: [&str; 9] = ["==", "=~", "!=", "!~", "<=", ">=", "<>", "!in", ".."];

/// Splits a query into words.
pub(super) fn split(query: &str) -> Result<Vec<Token>, QueryRefusal> {
    let letters: Vec<char> = query.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        let letter = letters[at];
        let rest: String = letters[at..letters.len().min(at + 3)].iter().collect();
        let verbatim = letter == '@' && matches!(letters.get(at + 1), Some('"' | '\''));
        if letter.is_whitespace() {
            at += 1;
        } else if rest.starts_with("//") {
            while at < letters.len() && letters[at] != '\n' {
                at += 1;
            }
        } else if letter == '"' || letter == '\'' || verbatim {
            let (text, end) = if verbatim { literal(&letters, at + 1)? } else { quoted(&letters, at)? };
            tokens.push(Token { kind: Kind::Text(text), text: letters[at..end].iter().collect(), at });
            at = end;
        } else if letter.is_alphabetic() || letter == '_' {
            let start = at;
            while at < letters.len() && (letters[at].is_alphanumeric() || letters[at] == '_') {
                at += 1;
            }
            let mut text: String = letters[start..at].iter().collect();
            if (text == "in" || text == "has_any") && letters.get(at) == Some(&'~') {
                text.push('~');
                at += 1;
            }
            tokens.push(Token { kind: Kind::Name, text, at: start });
        } else if letter.is_ascii_digit() {
            let start = at;
            let range = |at: usize| letters[at] == '.' && letters.get(at + 1) == Some(&'.');
            while at < letters.len() && (letters[at].is_alphanumeric() || letters[at] == '.') && !range(at) {
                at += 1;
            }
            let text: String = letters[start..at].iter().collect();
            let number = text.parse().map_err(|_| QueryRefusal {
                reason: format!("'{text}' is not a number"),
                token: text.clone(),
                at: start,
                // Kusto has times such as `1d`.
                not_modelled: text.ends_with(char::is_alphabetic),
            })?;
            tokens.push(Token { kind: Kind::Number(number), text, at: start });
        } else {
            let sign = SIGNS.iter().find(|s| rest.starts_with(**s)).map_or(letter.to_string(), |s| (*s).to_owned());
            let length = sign.chars().count();
            tokens.push(Token { kind: Kind::Sign, text: sign, at });
            at += length;
        }
    }
    tokens.push(Token { kind: Kind::End, text: String::new(), at: letters.len() });
    Ok(tokens)
}

/// A text behind `@`, in which a backslash is one and a doubled quote is a quote. Its end.
fn literal(letters: &[char], start: usize) -> Result<(String, usize), QueryRefusal> {
    let quote = letters[start];
    let mut text = String::new();
    let mut at = start + 1;
    while let Some(letter) = letters.get(at) {
        if *letter != quote {
            text.push(*letter);
            at += 1;
        } else if letters.get(at + 1) == Some(&quote) {
            text.push(quote);
            at += 2;
        } else {
            return Ok((text, at + 1));
        }
    }
    Err(unclosed(letters, start))
}

fn unclosed(letters: &[char], start: usize) -> QueryRefusal {
    QueryRefusal {
        reason: "a text has no closing quote".to_owned(),
        token: letters[start..].iter().collect(),
        at: start,
        not_modelled: false,
    }
}

/// A text in single or double quotes, with backslash escapes. Its end.
fn quoted(letters: &[char], start: usize) -> Result<(String, usize), QueryRefusal> {
    let quote = letters[start];
    let mut text = String::new();
    let mut at = start + 1;
    while let Some(letter) = letters.get(at) {
        match letter {
            '\\' => {
                match letters.get(at + 1) {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some(other) => text.push(*other),
                    None => break,
                }
                at += 2;
            }
            letter if *letter == quote => return Ok((text, at + 1)),
            letter => {
                text.push(*letter);
                at += 1;
            }
        }
    }
    Err(unclosed(letters, start))
}
