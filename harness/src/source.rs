//! What the source of a suite says of its scenarios: where each stands, what its doc comment says, and which known faults
//! are named. Read as Rust, through the files that `mod` declares, so that a name in a text or a comment is no scenario.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, LineColumn, Span, TokenStream, TokenTree};
use serde::{Deserialize, Serialize};
use syn::ext::IdentExt;
use syn::{Attribute, Expr, Ident, Item, ItemFn, ItemMod, Lit, LitStr, Meta};

/// The place of a scenario in the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePlace {
    /// The file, relative to the workspace: `suites/tests/custom_vnet/traffic.rs`.
    pub file: PathBuf,
    /// The line with the function's name, from 1.
    pub line: usize,
}

/// What the source says of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioSource {
    /// The whole doc comment, its lines as they stand there without what makes them comments; empty where there is none.
    pub doc: String,
    /// Whether it says with `#[scenario(azure_only)]` that it creates no cluster.
    #[serde(default)]
    pub azure_only: bool,
    /// Where it is.
    #[serde(flatten)]
    pub place: SourcePlace,
}

impl ScenarioSource {
    /// The first sentence of the doc comment, on one line and without its full stop; `None` where it says nothing.
    #[must_use]
    pub fn sentence(&self) -> Option<String> {
        let paragraph: Vec<&str> = self.doc.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
        let text = paragraph.join(" ");
        let end = text.find(". ").map_or(text.len(), |at| at + 1);
        let sentence = text[..end].trim_end_matches('.').trim();
        (!sentence.is_empty()).then(|| sentence.to_owned())
    }
}

/// What the source of a suite says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SuiteSource {
    /// Its tests, by the modules and the function: `traffic::a_pod_reaches_another`. Cases of rstest are one function.
    pub scenarios: BTreeMap<String, ScenarioSource>,
    /// The names that it calls `known_fault` with.
    pub known_faults: BTreeSet<String>,
}

/// Source that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("failed to read the scenarios in {}: {why}", file.display())]
pub struct SourceError {
    file: PathBuf,
    why: String,
}

impl SuiteSource {
    /// Reads the suite whose crate begins with the file `root`. Places are told relative to the folder `workspace`.
    ///
    /// # Errors
    /// When a file is not there or is not Rust.
    pub fn read(root: &Path, workspace: &Path) -> Result<Self, SourceError> {
        let mut reader = Reader { workspace, suite: Self::default() };
        // Wherever it stands and whatever its name, the first file of a crate has its modules beside it.
        reader.file(root, root.parent().unwrap_or(Path::new("")), &[])?;
        Ok(reader.suite)
    }

    /// Reads the suite of this name in the workspace that this was built from; `None` where that is not there, or has no
    /// such suite.
    #[must_use]
    pub fn of_this_build(suite: &str) -> Option<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
        let tests = workspace.join("suites/tests");
        let mut roots = [tests.join(suite).join("main.rs"), tests.join(suite).with_extension("rs")].into_iter();
        Self::read(&roots.find(|root| root.is_file())?, workspace).ok()
    }

    /// Every suite of the workspace that this was built from, by its name.
    #[cfg(test)]
    pub(crate) fn all_of_this_build() -> BTreeMap<String, Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let entries = std::fs::read_dir(workspace.join("suites/tests")).unwrap();
        let read = |path: PathBuf| {
            let root = if path.is_dir() { path.join("main.rs") } else { path.clone() };
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, Self::read(&root, workspace).unwrap())
        };
        entries.map(|entry| read(entry.unwrap().path())).collect()
    }

    /// What is said of the test that libtest knows by this name. A function with cases is a module to libtest:
    /// `traffic::a_pod_reaches_another::case_1_ipv6`.
    #[must_use]
    pub fn scenario(&self, name: &str) -> Option<&ScenarioSource> {
        let mut name = name;
        loop {
            if let Some(found) = self.scenarios.get(name) {
                return Some(found);
            }
            name = name.rsplit_once("::")?.0;
        }
    }
}

struct Reader<'a> {
    workspace: &'a Path,
    suite: SuiteSource,
}

impl Reader<'_> {
    /// Reads a file, which is the module of this path; the files of its own modules are below `folder`.
    fn file(&mut self, file: &Path, folder: &Path, path: &[String]) -> Result<(), SourceError> {
        let failed = |why: String| SourceError { file: file.to_path_buf(), why };
        let at = |span: Span, why: &dyn std::fmt::Display| {
            let LineColumn { line, column } = span.start();
            failed(format!("line {line}, column {}: {why}", column + 1))
        };
        let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
        let tokens: TokenStream = text.parse().map_err(|error: proc_macro2::LexError| at(error.span(), &error))?;
        find_known_faults(tokens.clone(), &mut self.suite.known_faults);
        let parsed: syn::File = syn::parse2(tokens).map_err(|error| at(error.span(), &error))?;
        let here = file.parent().unwrap_or(Path::new(""));
        self.items(&parsed.items, &Module { file, here, folder, path })
    }

    fn items(&mut self, items: &[Item], module: &Module<'_>) -> Result<(), SourceError> {
        for item in items {
            match item {
                Item::Fn(function) if is_test(function) => self.test(function, module),
                Item::Mod(inner) => self.module(inner, module)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn test(&mut self, function: &ItemFn, module: &Module<'_>) {
        let ident = &function.sig.ident;
        let file = module.file.strip_prefix(self.workspace).unwrap_or(module.file).to_path_buf();
        let place = SourcePlace { file, line: ident.span().start().line };
        let source = ScenarioSource { doc: doc_of(&function.attrs), azure_only: is_azure_only(&function.attrs), place };
        self.suite.scenarios.insert(module.path_of(ident).join("::"), source);
    }

    fn module(&mut self, inner: &ItemMod, module: &Module<'_>) -> Result<(), SourceError> {
        let path = module.path_of(&inner.ident);
        let name = inner.ident.unraw().to_string();
        let named = inner.attrs.iter().find_map(|attribute| text_of("path", attribute));
        if let Some((_, items)) = &inner.content {
            let folder = module.folder.join(named.unwrap_or(name));
            return self.items(items, &Module { file: module.file, here: &folder, folder: &folder, path: &path });
        }
        if let Some(named) = named {
            let file = module.here.join(named);
            return self.file(&file, file.parent().unwrap_or(Path::new("")), &path);
        }
        let (folder, file) = (module.folder.join(&name), module.folder.join(format!("{name}.rs")));
        let in_folder = folder.join("mod.rs");
        let is_conditional = inner.attrs.iter().any(|attribute| attribute.path().is_ident("cfg"));
        match (file.is_file(), in_folder.is_file()) {
            (false, true) => self.file(&in_folder, &folder, &path),
            (false, false) if is_conditional => Ok(()),
            _ => self.file(&file, &folder, &path),
        }
    }
}

/// Where the reader is.
struct Module<'a> {
    file: &'a Path,
    /// What the attribute `#[path]` is relative to.
    here: &'a Path,
    /// Where files of its modules are.
    folder: &'a Path,
    path: &'a [String],
}

impl Module<'_> {
    fn path_of(&self, ident: &Ident) -> Vec<String> {
        self.path.iter().cloned().chain([ident.to_string()]).collect()
    }
}

/// `#[scenario]`, `#[test]`, `#[tokio::test]`, `#[rstest]`.
fn is_test(function: &ItemFn) -> bool {
    let last = |attribute: &Attribute| attribute.path().segments.last().map(|segment| segment.ident.to_string());
    function.attrs.iter().filter_map(last).any(|name| matches!(name.as_str(), "scenario" | "test" | "rstest"))
}

/// `#[scenario(azure_only)]`.
fn is_azure_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let mut found = false;
        let of_scenario = attribute.path().segments.last().is_some_and(|last| last.ident == "scenario");
        if of_scenario && matches!(attribute.meta, Meta::List(_)) {
            // What else stands there is the attribute's own matter, which refuses what it does not know.
            let _ = attribute.parse_nested_meta(|meta| {
                found |= meta.path.is_ident("azure_only");
                if meta.input.peek(syn::Token![=]) { meta.value()?.parse::<Expr>().map(drop) } else { Ok(()) }
            });
        }
        found
    })
}

fn doc_of(attributes: &[Attribute]) -> String {
    let texts = attributes.iter().filter_map(|attribute| text_of("doc", attribute));
    let lines: Vec<String> = texts
        .flat_map(|text| {
            let lines: Vec<_> = text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned()).collect();
            // A comment without a word is a line too.
            if lines.is_empty() { vec![String::new()] } else { lines }
        })
        .collect();
    lines.join("\n").trim().to_owned()
}

/// The text of `#[name = "text"]`, which is also what a doc comment is.
fn text_of(name: &str, attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else { return None };
    match &pair.value {
        Expr::Lit(literal) if pair.path.is_ident(name) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

/// Finds `.known_fault("name", …)`, in macros too.
fn find_known_faults(tokens: TokenStream, found: &mut BTreeSet<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        let is_call = group.delimiter() == Delimiter::Parenthesis
            && matches!(&tokens[..at], [.., TokenTree::Punct(dot), TokenTree::Ident(name)]
                if dot.as_char() == '.' && name == "known_fault");
        if is_call && let Some(first) = group.stream().into_iter().next() {
            found.extend(syn::parse2::<LitStr>(first.into()).ok().map(|name| name.value()));
        }
        find_known_faults(group.stream(), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The suite of these files, of which the first one is the crate's.
    fn suite(files: &[(&str, &str)]) -> Result<SuiteSource, SourceError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join("suites/tests").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        SuiteSource::read(&folder.path().join("suites/tests").join(files[0].0), folder.path())
    }

    const SOURCE: &str = r#"
//! The suite.

/// A helper that nobody asks for.
fn helper() {}

/// A node class that names a subnet gets its nodes
/// there; one that names none gets the default. (VNET-01)
///
/// Further words.
#[scenario]
#[case::one(
    1
)]
#[tokio::test]
async fn nodes_land(#[case] n: u8) -> Outcome {}

#[tokio::test]
async fn undocumented() {}

mod inner {
    /// Inner words
    #[tokio::test]
    pub(crate) async fn deep<T>() {}
}
"#;

    #[test]
    fn a_scenario_that_is_about_azure_alone_says_so() {
        let said = |attribute: &str| {
            let text = format!("#[{attribute}]\nasync fn holds(lab: &Lab) {{}}\n");
            suite(&[("network.rs", &text)]).unwrap().scenario("holds").unwrap().azure_only
        };
        assert!(said("scenario(azure_only)") && said("scenario(begins = \"2026-03-02T08:00:00Z\", azure_only)"));
        assert!(!said("scenario") && !said("scenario(begins = \"azure_only\")"));
    }

    #[test]
    fn doc_comments_and_lines_are_found_through_attributes_modules_and_cases() {
        let suite = suite(&[("network.rs", SOURCE)]).unwrap();
        assert_eq!(suite.scenarios.keys().collect::<Vec<_>>(), ["inner::deep", "nodes_land", "undocumented"]);
        let said = |name| suite.scenario(name).and_then(ScenarioSource::sentence);
        let sentence = "A node class that names a subnet gets its nodes there; one that names none gets the default";
        assert_eq!(said("nodes_land").as_deref(), Some(sentence));
        assert_eq!(said("nodes_land::case_1_one").as_deref(), Some(sentence));
        assert_eq!(said("inner::deep").as_deref(), Some("Inner words"));
        assert_eq!(said("undocumented"), None);
        assert_eq!(suite.scenario("helper"), None);
        let lands = suite.scenario("nodes_land::case_1_one").unwrap();
        assert_eq!(lands.place, SourcePlace { file: "suites/tests/network.rs".into(), line: 16 });
        assert!(lands.doc.ends_with("(VNET-01)\n\nFurther words."), "{}", lands.doc);
    }

    /// Read by lines, the second hid the first.
    #[test]
    fn two_functions_of_one_name_in_different_modules_do_not_hide_each_other() {
        let suite = suite(&[(
            "network.rs",
            "mod a {\n/// AA-01: one\n#[tokio::test]\nasync fn holds() {}\n}\n\
             mod b {\n/// AA-02: two\n#[tokio::test]\nasync fn holds() {}\n}\n",
        )])
        .unwrap();
        assert_eq!(suite.scenario("a::holds").unwrap().doc, "AA-01: one");
        assert_eq!(suite.scenario("b::holds").unwrap().doc, "AA-02: two");
        assert_eq!(suite.scenario("holds"), None);
    }

    /// Read by lines, a text was taken for a function, and an empty line within an attribute or a `doc` attribute lost
    /// what was said.
    #[test]
    fn what_only_looks_like_a_function_is_none_and_every_way_to_document_one_counts() {
        let suite = suite(&[(
            "network.rs",
            "/// Real words\n#[rstest]\n#[case::a(\n\n    1\n)]\nasync fn real(#[case] a: u8) {}\n\
             const TEXT: &str = \"\n/// No words\n#[test]\nfn real() {}\n\";\n\
             #[doc = \"Other\"]\n#[tokio::test]\nasync fn other() {}\n\
             /** Block\n words */\n#[test]\nfn block() {}\n",
        )])
        .unwrap();
        assert_eq!(suite.scenario("real::case_1_a").unwrap().doc, "Real words");
        assert_eq!(suite.scenario("other").unwrap().doc, "Other");
        assert_eq!(suite.scenario("block").unwrap().doc, "Block\nwords");
    }

    /// Read by lines, files were found one folder deep, whether or not anything declared them.
    #[test]
    fn modules_are_followed_through_files_and_what_nothing_declares_is_not_read() {
        let deep = "/// Deep\n#[tokio::test]\nasync fn deep() {}\n";
        let suite = suite(&[
            (
                "network/main.rs",
                "mod a;\nmod c { mod d; }\n#[path = \"elsewhere.rs\"]\nmod e;\n#[cfg(windows)]\nmod w;\n",
            ),
            ("network/a.rs", "mod b;\nmod f;\n"),
            ("network/a/b.rs", deep),
            ("network/a/f/mod.rs", "mod g;"),
            ("network/a/f/g.rs", deep),
            ("network/c/d.rs", deep),
            ("network/elsewhere.rs", deep),
            ("network/left_over.rs", deep),
        ])
        .unwrap();
        let names: Vec<_> = suite.scenarios.keys().collect();
        assert_eq!(names, ["a::b::deep", "a::f::g::deep", "c::d::deep", "e::deep"]);
        assert_eq!(
            suite.scenario("a::b::deep").unwrap().place,
            SourcePlace { file: "suites/tests/network/a/b.rs".into(), line: 3 }
        );
    }

    #[test]
    fn known_faults_are_calls_and_not_words() {
        let suite = suite(&[(
            "network.rs",
            "// lab.known_fault(\"in-a-comment\", &[])\n\
             const TEXT: &str = r#\"lab.known_fault(\"in-a-text\")\"#;\n\
             async fn a() { lab.known_fault(\n    \"called\", &[\"1.7.1\"], async {}).await }\n\
             async fn b() { tokio::join!(lab.known_fault(\"in-a-macro\", &[], end)) }\n\
             fn known_fault(name: &str) {}\n",
        )])
        .unwrap();
        assert_eq!(suite.known_faults.into_iter().collect::<Vec<_>>(), ["called", "in-a-macro"]);
    }

    #[test]
    fn source_that_cannot_be_read_is_named_with_its_line() {
        let error = suite(&[("network.rs", "fn a() {}\nfn {}\n")]).unwrap_err().to_string();
        assert!(error.contains("suites/tests/network.rs: line 2, column 4: "), "{error}");
        let error = suite(&[("network.rs", "mod gone;\n")]).unwrap_err().to_string();
        assert!(error.contains("suites/tests/gone.rs: No such file"), "{error}");
        assert!(suite(&[("network.rs", "fn a() { \"\n")]).is_err());
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let suite = suite(&[("network.rs", SOURCE)]).unwrap();
        let text = serde_json::to_string(&suite).unwrap();
        assert_eq!(serde_json::from_str::<SuiteSource>(&text).unwrap(), suite);
    }
}
