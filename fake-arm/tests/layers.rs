//! Which module may use which, held against the source: the tables of ARCHITECTURE.md say it for each crate that has one
//! there, and every path in the code (`use` lines, and `crate::…`, `super::…` where they stand) is an arrow.
//!
//! Tests may use what they like: what is under `#[cfg(test)]` is not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The workspace's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in a workspace").to_owned()
}

/// What ARCHITECTURE.md says of one crate: a heading ``## Layers of `folder/src` ``, a table
/// `module | what for | may use`, and a line `Without rings of files:` with the folders that have none.
#[derive(Debug, Default)]
struct Layers {
    /// `fake-arm/src`.
    folder: String,
    /// Modules, the highest first, with those that they may use. A module within another has a row of its own where it
    /// has rules of its own: `providers/network`.
    rows: Vec<(String, Vec<String>)>,
    without_rings: Vec<String>,
}

impl Layers {
    /// All tables of a document.
    fn read(document: &str) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for line in document.lines() {
            if line.starts_with('#') {
                if line.starts_with("## ") {
                    let folder =
                        if line.contains("Layers of") { quoted(line).pop().unwrap_or_default() } else { String::new() };
                    all.push(Self { folder, ..Self::default() });
                }
                continue;
            }
            let Some(layers) = all.last_mut() else { continue };
            if let Some(folders) = line.strip_prefix("Without rings of files:") {
                layers.without_rings = quoted(folders);
            } else if let [module, _, uses] = cells(line)[..]
                && let [module] = &quoted(module)[..]
            {
                layers.rows.push((module.clone(), quoted(uses)));
            }
        }
        all.retain(|layers| !layers.folder.is_empty());
        all
    }

    /// The row of a module: the longest that names it or what it is in.
    fn row(&self, module: &[String]) -> Option<usize> {
        let is_of =
            |name: &str| name.split('/').count() <= module.len() && name.split('/').zip(module).all(|(a, b)| a == b);
        let fitting = self.rows.iter().enumerate().filter(|(_, (name, _))| is_of(name));
        fitting.max_by_key(|(_, (name, _))| name.split('/').count()).map(|(index, _)| index)
    }

    /// Rows that let a module use one that stands above it, or that there is no row of.
    fn upward(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (index, (module, uses)) in self.rows.iter().enumerate() {
            for used in uses {
                if !self.rows[index + 1..].iter().any(|(below, _)| below == used) {
                    wrong.push(format!("{}: `{module}` may use `{used}`, which is no row below it", self.folder));
                }
            }
        }
        wrong
    }

    /// Arrows that the table does not allow, and modules that it does not know.
    fn wrong(&self, source: &Source) -> Vec<String> {
        let mut wrong = self.upward();
        for (module, _) in &self.rows {
            let path: Vec<String> = module.split('/').map(str::to_owned).collect();
            if !source.files.contains_key(&path) {
                wrong.push(format!("{}: the table has a row for `{module}`, which is no module", self.folder));
            }
        }
        for arrow in source.arrows.iter().filter(|arrow| !arrow.from.is_empty()) {
            let place = format!("{}/{}:{}", self.folder, arrow.file, arrow.line);
            let Some(from) = self.row(&arrow.from) else {
                wrong.push(format!("{place}: `{}` has no row in the table", arrow.from[0]));
                continue;
            };
            let target = source.end_of(&arrow.to);
            let Some(to) = self.row(&target).filter(|_| !target.is_empty()) else { continue };
            let (module, uses) = &self.rows[from];
            let used = &self.rows[to].0;
            if from != to && !uses.contains(used) {
                let allowed = if uses.is_empty() { "no other".to_owned() } else { uses.join(", ") };
                let path = arrow.to.join("::");
                wrong.push(format!("{place}: `{module}` uses `{used}` (crate::{path}); it may use {allowed}"));
            }
        }
        wrong
    }
}

fn cells(line: &str) -> Vec<&str> {
    let inner = line.strip_prefix('|').and_then(|rest| rest.trim_end().strip_suffix('|'));
    inner.map(|inner| inner.split('|').collect()).unwrap_or_default()
}

fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// One path in the code.
#[derive(Debug, Clone, PartialEq)]
struct Arrow {
    /// Below the crate's `src`.
    file: String,
    line: usize,
    /// The module that the file is.
    from: Vec<String>,
    /// Where the path leads, from the crate's root on.
    to: Vec<String>,
    /// The name that a `use` gives it; `*` for everything.
    name: Option<String>,
}

/// A crate, as far as its modules and the arrows between them.
#[derive(Debug, Default)]
struct Source {
    /// Modules and their files.
    files: BTreeMap<Vec<String>, String>,
    arrows: Vec<Arrow>,
    /// What a name that a module uses stands for.
    names: BTreeMap<Vec<String>, BTreeMap<String, Vec<String>>>,
}

impl Source {
    /// Reads every file below `src` but those of programs.
    fn read(src: &Path) -> Self {
        let mut texts = BTreeMap::new();
        let mut open = vec![src.to_owned()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
                let path = entry.expect("the folder is readable").path();
                let name = path.strip_prefix(src).expect("it is below").to_string_lossy().replace('\\', "/");
                if path.is_dir() && name != "bin" {
                    open.push(path);
                } else if name.ends_with(".rs") && name != "main.rs" {
                    texts.insert(name, fs::read_to_string(&path).expect("the file is readable"));
                }
            }
        }
        Self::of(&texts)
    }

    fn of(texts: &BTreeMap<String, String>) -> Self {
        let module_of = |file: &str| -> Vec<String> {
            let stem = file.strip_suffix(".rs").unwrap_or(file);
            let stem = stem.strip_suffix("/mod").unwrap_or(stem);
            stem.split('/').filter(|segment| *segment != "lib").map(str::to_owned).collect()
        };
        let mut source = Self::default();
        source.files.extend(texts.keys().map(|file| (module_of(file), file.clone())));
        let mut tests: Vec<Vec<String>> = Vec::new();
        for (file, text) in texts {
            let mut reader = Reader {
                tokens: tokens(text),
                file,
                module: module_of(file),
                files: &source.files,
                arrows: Vec::new(),
                tests: Vec::new(),
            };
            reader.run();
            tests.append(&mut reader.tests);
            source.arrows.append(&mut reader.arrows);
        }
        let is_test = |module: &[String]| tests.iter().any(|test| module.starts_with(test));
        source.arrows.retain(|arrow| !is_test(&arrow.from));
        source.files.retain(|module, _| !is_test(module));
        for arrow in &source.arrows {
            if let Some(name) = &arrow.name {
                let names = source.names.entry(arrow.from.clone()).or_default();
                names.entry(name.clone()).or_insert_with(|| arrow.to.clone());
            }
        }
        source
    }

    /// The module in which what a path names is made: re-exports are followed.
    fn end_of(&self, path: &[String]) -> Vec<String> {
        let mut path = path.to_vec();
        for _ in 0..8 {
            let cut = (0..=path.len()).rev().find(|cut| self.files.contains_key(&path[..*cut])).unwrap_or(0);
            let (module, rest) = path.split_at(cut);
            let Some(name) = rest.first() else { return module.to_vec() };
            match self.names.get(module).and_then(|names| names.get(name)) {
                Some(to) => path = to.iter().chain(&rest[1..]).cloned().collect(),
                None => return module.to_vec(),
            }
        }
        path
    }

    /// The rings of files in a folder, each as its steps. What a `mod.rs` uses does not count: it re-exports.
    fn rings(&self, folder: &str) -> Vec<String> {
        let folder: Vec<String> = folder.split('/').map(str::to_owned).collect();
        let mut steps = Steps::new();
        let inside = |module: &[String]| module.starts_with(&folder);
        for arrow in self.arrows.iter().filter(|arrow| inside(&arrow.from) && !arrow.file.ends_with("mod.rs")) {
            let to = self.end_of(&arrow.to);
            if inside(&to) && to != arrow.from {
                let place = format!("{}:{} -> {}", arrow.file, arrow.line, to.join("/"));
                steps.entry(arrow.from.clone()).or_default().entry(to).or_insert(place);
            }
        }
        let rings = steps.keys().filter(|module| reached(&steps, module).contains(module));
        // Of each file what leads back to it, so that the weakest step can be chosen.
        rings
            .map(|module| {
                let back = steps[module].iter().filter(|(to, _)| reached(&steps, to).contains(module));
                back.map(|(_, place)| place.as_str()).collect::<Vec<_>>().join("\n    ")
            })
            .collect()
    }
}

type Steps = BTreeMap<Vec<String>, BTreeMap<Vec<String>, String>>;

/// Everything that steps from one module on lead to.
fn reached<'s>(steps: &'s Steps, start: &'s Vec<String>) -> BTreeSet<&'s Vec<String>> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
    while let Some(at) = open.pop() {
        open.extend(steps.get(at).into_iter().flat_map(BTreeMap::keys).filter(|to| seen.insert(*to)));
    }
    seen
}

type Token<'t> = (usize, &'t str);

/// Words and signs with their lines; comments and what is between quotes left out.
fn tokens(text: &str) -> Vec<Token<'_>> {
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

fn block_comment(text: &str) -> usize {
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
fn string(text: &str) -> Option<usize> {
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
struct Reader<'t> {
    tokens: Vec<Token<'t>>,
    file: &'t str,
    module: Vec<String>,
    files: &'t BTreeMap<Vec<String>, String>,
    arrows: Vec<Arrow>,
    /// Modules that only tests have.
    tests: Vec<Vec<String>>,
}

impl<'t> Reader<'t> {
    fn word(&self, at: usize) -> &'t str {
        self.tokens.get(at).map_or("", |(_, word)| word)
    }

    fn run(&mut self) {
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
    fn closing(&self, at: usize) -> usize {
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
    fn item(&self, mut at: usize) -> (Option<&'t str>, usize) {
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
    fn tree(&mut self, mut at: usize, module: &[String], begun: Option<&[String]>, in_use: bool) -> usize {
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

#[test]
fn modules_use_what_the_tables_of_architecture_allow() {
    let document = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is readable");
    let all = Layers::read(&document);
    assert!(all.iter().any(|layers| layers.folder == "fake-arm/src"), "ARCHITECTURE.md has the layers of fake-arm/src");
    let mut wrong = String::new();
    for layers in &all {
        let source = Source::read(&root().join(&layers.folder));
        assert!(source.arrows.len() > source.files.len(), "the arrows of {} are found", layers.folder);
        for line in layers.wrong(&source) {
            writeln!(wrong, "{line}").unwrap();
        }
        for folder in &layers.without_rings {
            for ring in source.rings(folder) {
                writeln!(wrong, "{}: a ring of files in {folder}:\n    {ring}", layers.folder).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "
## Layers of `x/src`

| module | what for | may use |
|---|---|---|
| `top` | all | `low` |
| `low` | nothing | |

Without rings of files: `low`
";

    fn source(files: &[(&str, &str)]) -> Source {
        Source::of(&files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }

    fn wrong(files: &[(&str, &str)]) -> Vec<String> {
        Layers::read(TABLE)[0].wrong(&source(files))
    }

    const TOP: (&str, &str) = ("top.rs", "pub struct T;\nuse crate::low::{self, a::A};\n");
    const ROOM: (&str, &str) =
        ("low/mod.rs", "//! crate::top\nmod a;\nmod b;\npub use a::A;\npub use b::{B, C as D};\n");
    const A: (&str, &str) = ("low/a.rs", "pub struct A;\n");
    const B: (&str, &str) = ("low/b.rs", "use super::A;\npub struct B(A);\npub struct C;\n");

    #[test]
    fn an_arrow_up_is_named_with_file_and_line() {
        assert_eq!(wrong(&[TOP, ROOM, A, B]), [""; 0]);
        for bad in [
            "\nuse crate::top::T;",
            "\nuse crate::{\nlow::B, top::T};",
            "\nfn f() { g::<u8>(super::super::top::T) }",
            "\nuse super::super::top as other;",
            "\nmod inner { use super::super::super::top::T; }",
            "\nmacro_rules! m { () => { $crate::top::T } }",
            "/* \" */\nconst C: (char, &str, &str) = ('\"', \"\\\"\", r#\"\"\"#); crate::top::f();",
            "\nimpl<'a> F<'a> { fn f(_: crate::top::T) {} }",
            "\npub use crate::T;",
        ] {
            let bad = ("low/a.rs", bad);
            let found = wrong(&[("lib.rs", "pub use top::T;\nmod low;\nmod top;"), TOP, ROOM, bad, B]);
            assert_eq!(found.len(), 1, "{bad:?}: {found:?}");
            let line = if bad.1.contains("{\nlow") { 3 } else { 2 };
            assert!(found[0].starts_with(&format!("x/src/low/a.rs:{line}: `low` uses `top` ")), "{found:?}");
        }
    }

    #[test]
    fn comments_strings_and_tests_are_no_arrows() {
        let good = "// crate::top::T\n/* crate::top /* */ crate::top */ const S: &str = \"crate::top::T\";\n\
                    #[cfg(test)]\nmod tests { use crate::top::T; fn f() { crate::top::T } }\n\
                    #[cfg(test)]\nmod more;\n#[cfg(test)]\npub(crate) use crate::top::T;\nfn f() { top::g() }";
        assert_eq!(wrong(&[TOP, ROOM, ("low/a.rs", good), ("low/a/more.rs", "use crate::top::T;"), B]), [""; 0]);
        let bad = good.replace("#[cfg(test)]\npub", "#[cfg(any(test, feature = \"x\"))]\npub");
        assert_eq!(wrong(&[TOP, ROOM, ("low/a.rs", &bad), B]).len(), 1);
    }

    #[test]
    fn tables_that_do_not_fit_are_refused() {
        assert!(wrong(&[TOP, ROOM, A, B, ("else.rs", "use crate::low::A;")])[0].contains("`else` has no row"));
        assert!(wrong(&[ROOM, A, B])[0].contains("a row for `top`, which is no module"));
        let upward = TABLE.replace("| nothing | |", "| nothing | `top` |");
        assert!(Layers::read(&upward)[0].upward()[0].contains("`low` may use `top`"));
    }

    #[test]
    fn rings_are_found_through_re_exports() {
        assert_eq!(source(&[TOP, ROOM, A, B]).rings("low"), [""; 0]);
        for a in ["use super::B;", "fn f(_: super::D) {}", "use crate::low::b;"] {
            let rings = source(&[TOP, ROOM, ("low/a.rs", a), B]).rings("low");
            assert_eq!(rings, ["low/a.rs:1 -> low/b", "low/b.rs:1 -> low/a"], "{a}");
        }
    }
}
