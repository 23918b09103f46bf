//! Which module may use which, held against the source: the tables of ARCHITECTURE.md say it for each crate that has one
//! there, and every path in the code (`use` lines, and `crate::…`, `super::…` where they stand) is an arrow.
//!
//! Tests may use what they like: what is under `#[cfg(test)]` is not looked at.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use source::Source;
use table::Layers;

#[path = "layers/reader.rs"]
mod reader;
#[path = "layers/source.rs"]
mod source;
#[path = "layers/table.rs"]
mod table;

/// The workspace's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in a workspace").to_owned()
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
    let crates = Layers::crates_without_rings(&document);
    assert!(!crates.is_empty(), "ARCHITECTURE.md names the crates without rings");
    for folder in crates {
        let source = Source::read(&root().join(&folder));
        assert!(source.files.len() > 1, "the files of {folder} are found");
        for ring in source.rings("") {
            writeln!(wrong, "a ring of files in {folder}:\n    {ring}").unwrap();
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
            let whole =
                [("lib.rs", "mod a;\nmod b;\npub use a::A;\npub use b::{B, C as D};\n"), ("a.rs", a), ("b.rs", B.1)];
            let whole = whole.map(|(file, text)| (file, text.replace("::low", "")));
            let rings = source(&whole.each_ref().map(|(file, text)| (*file, text.as_str()))).rings("");
            assert_eq!(rings, ["a.rs:1 -> b", "b.rs:1 -> a"], "{a}, in a crate");
        }
    }
}
