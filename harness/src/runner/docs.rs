//! The first sentence of each scenario's doc comment, found in its source. Best effort: the list is as good without.

use std::collections::BTreeMap;
use std::path::Path;

/// First sentences by function name.
pub(crate) type Docs = BTreeMap<String, String>;

/// What is said of the functions in a suite: its file and, for a suite with modules, the folder of its name.
pub(crate) fn of_suite(source: &Path) -> Docs {
    let mut docs = of_file(source);
    let folder = if source.file_name().is_some_and(|name| name == "main.rs") {
        source.parent().map(Path::to_path_buf)
    } else {
        Some(source.with_extension(""))
    };
    for file in folder.and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten() {
        if file.path().extension().is_some_and(|extension| extension == "rs") {
            docs.extend(of_file(&file.path()));
        }
    }
    docs
}

fn of_file(file: &Path) -> Docs {
    std::fs::read_to_string(file).map(|text| of_text(&text)).unwrap_or_default()
}

fn of_text(text: &str) -> Docs {
    let mut docs = Docs::new();
    let mut said: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            said.push(words.trim());
        } else if let Some(name) = function_name(line) {
            if let Some(sentence) = first_sentence(&said) {
                docs.insert(name.to_owned(), sentence);
            }
            said.clear();
        } else if line.is_empty() || line == "}" {
            said.clear();
        }
    }
    docs
}

fn function_name(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let mut word = words.next()?;
    while word == "async" || word == "pub" || word.starts_with("pub(") {
        word = words.next()?;
    }
    if word != "fn" {
        return None;
    }
    let name = words.next()?;
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
    Some(&name[..end]).filter(|name| !name.is_empty())
}

fn first_sentence(said: &[&str]) -> Option<String> {
    let paragraph: Vec<&str> = said.iter().copied().take_while(|line| !line.is_empty()).collect();
    let text = paragraph.join(" ");
    let end = text.find(". ").map_or(text.len(), |at| at + 1);
    let sentence = text[..end].trim_end_matches('.').trim();
    (!sentence.is_empty()).then(|| sentence.to_owned())
}

/// What is said of the test `name`: the function may stand in modules, and rstest makes a module of a function with
/// cases.
pub(super) fn lookup<'a>(docs: &'a Docs, name: &str) -> Option<&'a str> {
    name.rsplit("::").find_map(|part| docs.get(part)).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
//! The suite.

/// A helper that nobody asks for.
fn helper() {}

/// A node class that names a subnet gets its nodes
/// there; one that names none gets the default. (VNET-01)
///
/// Further words.
#[rstest]
#[case::one(
    1
)]
#[tokio::test]
async fn nodes_land(#[case] n: u8) -> Outcome {}

/// Lost by an empty line.

#[tokio::test]
async fn undocumented() {}

mod inner {
    /// Inner words
    #[tokio::test]
    pub(crate) async fn deep<T>() {}
}
"#;

    #[test]
    fn first_sentences_are_found_through_attributes_modules_and_cases() {
        let docs = of_text(SOURCE);
        let said = |name| lookup(&docs, name);
        let sentence = "A node class that names a subnet gets its nodes there; one that names none gets the default";
        assert_eq!(said("nodes_land"), Some(sentence));
        assert_eq!(said("nodes_land::case_1_one"), Some(sentence));
        assert_eq!(said("inner::deep"), Some("Inner words"));
        assert_eq!(said("undocumented"), None);
    }
}
