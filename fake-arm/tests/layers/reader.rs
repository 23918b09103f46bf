//! The paths in one file: `use` lines with their groups, and paths where they stand.

use std::collections::BTreeMap;

use super::source::Arrow;

type Token<'t> = (usize, &'t str);

/// Words and signs with their lines; comments and what is between quotes left out.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let bytes = text.as_bytes();
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    while at < bytes.len() {
        let rest = &text[at..];
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = string(rest) {
            length
        } else if word(bytes[at]) {
            let length = rest.bytes().position(|byte| !word(byte)).unwrap_or(rest.len());
            found.push((line, &rest[..length]));
            length
        } else if rest.starts_with("::") {
            found.push((line, "::"));
            2
        } else {
            if !bytes[at].is_ascii_whitespace() {
                found.push((line, &rest[..1]));
            }
            1
        };
        line += rest[..length].matches('\n').count();
        at += length;
    }
    found
}

pub(super) fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match text.as_bytes().get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The length of a string or a character at the beginning of a text; a lifetime is neither.
pub(super) fn string(text: &str) -> Option<usize> {
    let quoted = |from: usize, quote: char| {
        let mut escaped = false;
        let end = text[from..].char_indices().find(|(_, c)| {
            let ends = *c == quote && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        end.map_or(text.len(), |(at, _)| from + at + 1)
    };
    let plain = text.strip_prefix(['b', 'c']).unwrap_or(text);
    let prefix = text.len() - plain.len();
    if let Some(raw) = plain.strip_prefix('r') {
        let marks = raw.len() - raw.trim_start_matches('#').len();
        if raw[marks..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(marks));
            let from = prefix + 1 + marks + 1;
            return Some(text[from..].find(&end).map_or(text.len(), |at| from + at + end.len()));
        }
    }
    if plain.starts_with('"') {
        return Some(quoted(prefix + 1, '"'));
    }
    let mut inner = plain.strip_prefix('\'')?.chars();
    let (first, second) = (inner.next()?, inner.next()?);
    (first == '\\' || second == '\'').then(|| quoted(prefix + 1, '\''))
}

/// Walks over the tokens of one file.
pub(super) struct Reader<'t> {
    pub(super) tokens: Vec<Token<'t>>,
    pub(super) file: &'t str,
    pub(super) module: Vec<String>,
    pub(super) files: &'t BTreeMap<Vec<String>, String>,
    pub(super) arrows: Vec<Arrow>,
    /// Modules that only tests have.
    pub(super) tests: Vec<Vec<String>>,
}

impl<'t> Reader<'t> {
    pub(super) fn word(&self, at: usize) -> &'t str {
        self.tokens.get(at).map_or("", |(_, word)| word)
    }

    pub(super) fn run(&mut self) {
        let (mut at, mut depth) = (0, 0);
        // The modules within the file, with the depth of their braces.
        let mut inner: Vec<(usize, &str)> = Vec::new();
        while at < self.tokens.len() {
            let here = |inner: &[(usize, &str)]| -> Vec<String> {
                self.module.iter().cloned().chain(inner.iter().map(|(_, name)| (*name).to_owned())).collect()
            };
            match self.word(at) {
                "#" if self.word(at + 1) == "[" => {
                    let end = self.closing(at + 1);
                    let words: Vec<&str> = (at + 2..end).map(|at| self.word(at)).collect();
                    let only_tests = words.first() == Some(&"cfg")
                        && words.contains(&"test")
                        && !words.contains(&"any")
                        && !words.contains(&"not");
                    at = end + 1;
                    if only_tests {
                        let (item, end) = self.item(at);
                        if let Some(name) = item {
                            let mut module = here(&inner);
                            module.push(name.to_owned());
                            self.tests.push(module);
                        }
                        at = end;
                    }
                    continue;
                }
                "mod" if self.word(at + 2) == "{" => inner.push((depth, self.word(at + 1))),
                "{" => depth += 1,
                "}" => {
                    depth = depth.saturating_sub(1);
                    inner.pop_if(|(outer, _)| *outer == depth);
                }
                "use" => {
                    let module = here(&inner);
                    at = self.tree(at + 1, &module, None, true);
                    continue;
                }
                "crate" | "super" | "self" if self.word(at + 1) == "::" => {
                    let module = here(&inner);
                    at = self.tree(at, &module, None, false);
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// The index of the bracket that closes the one at `at`.
    pub(super) fn closing(&self, at: usize) -> usize {
        let mut depth = 0;
        for end in at..self.tokens.len() {
            match self.word(end) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return end;
            }
        }
        self.tokens.len()
    }

    /// The item that begins at `at`: the name of the module where it is one, and the index behind it.
    pub(super) fn item(&self, mut at: usize) -> (Option<&'t str>, usize) {
        let mut module = None;
        while at < self.tokens.len() {
            match self.word(at) {
                "mod" => module = Some(self.word(at + 1)),
                ";" => return (module, at + 1),
                "{" => return (module, self.closing(at) + 1),
                "(" | "[" => at = self.closing(at),
                _ => {}
            }
            at += 1;
        }
        (module, at)
    }

    /// Reads a path at `at`, in a `use` with its groups and names, and notes where it leads. The index behind it.
    pub(super) fn tree(&mut self, mut at: usize, module: &[String], begun: Option<&[String]>, in_use: bool) -> usize {
        let line = self.tokens.get(at).map_or(0, |(line, _)| *line);
        let mut path: Option<Vec<String>> = begun.map(<[String]>::to_vec);
        let mut last = String::new();
        loop {
            let word = self.word(at);
            let base = path.get_or_insert_with(Vec::new);
            match word {
                "{" if in_use => {
                    let end = self.closing(at);
                    let base = base.clone();
                    at += 1;
                    while at < end {
                        at = self.tree(at, module, Some(&base), true).max(at + 1);
                        at += usize::from(self.word(at) == ",");
                    }
                    return end + 1;
                }
                "crate" if begun.is_none() && last.is_empty() => *base = vec!["crate".to_owned()],
                "self" if begun.is_none() && last.is_empty() => {
                    *base = ["crate".to_owned()].into_iter().chain(module.iter().cloned()).collect();
                }
                "super" => {
                    if base.is_empty() {
                        *base = ["crate".to_owned()].into_iter().chain(module.iter().cloned()).collect();
                    }
                    base.pop();
                }
                // `{self}` is the path before it.
                "self" | "*" => {}
                name => {
                    if base.is_empty() {
                        // Where the first word is no keyword, it is a child of the module, or another crate.
                        let child: Vec<String> = module.iter().cloned().chain([name.to_owned()]).collect();
                        let known = self.files.contains_key(&child);
                        base.push(if known { "crate" } else { "" }.to_owned());
                        base.extend(module.iter().filter(|_| known).cloned());
                    }
                    base.push(name.to_owned());
                }
            }
            last = if word == "self" { base.last().cloned().unwrap_or_default() } else { word.to_owned() };
            at += 1;
            let next = self.word(at + 1);
            let goes_on =
                next.starts_with(|c: char| c.is_alphabetic() || c == '_') || (in_use && matches!(next, "{" | "*"));
            if self.word(at) != "::" || !goes_on {
                break;
            }
            at += 1;
        }
        if in_use && self.word(at) == "as" {
            last = self.word(at + 1).to_owned();
            at += 2;
        }
        if let Some([krate, to @ ..]) =
            path.as_deref().filter(|path| path.first().is_some_and(|first| first == "crate"))
        {
            debug_assert_eq!(krate, "crate");
            let name = in_use.then_some(last);
            self.arrows.push(Arrow {
                file: self.file.to_owned(),
                line,
                from: self.module.clone(),
                to: to.to_vec(),
                name,
            });
        }
        at
    }
}
