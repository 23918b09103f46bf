//! The modules of a crate, and where their code leads.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::reader::{Reader, tokens};

/// One path in the code.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Arrow {
    /// Below the crate's `src`.
    pub(super) file: String,
    pub(super) line: usize,
    /// The module that the file is.
    pub(super) from: Vec<String>,
    /// Where the path leads, from the crate's root on.
    pub(super) to: Vec<String>,
    /// The name that a `use` gives it; `*` for everything.
    pub(super) name: Option<String>,
}

/// A crate, as far as its modules and the arrows between them.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// Modules and their files.
    pub(super) files: BTreeMap<Vec<String>, String>,
    pub(super) arrows: Vec<Arrow>,
    /// What a name that a module uses stands for.
    pub(super) names: BTreeMap<Vec<String>, BTreeMap<String, Vec<String>>>,
}

impl Source {
    /// Reads every file below `src` but those of programs.
    pub(super) fn read(src: &Path) -> Self {
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

    pub(super) fn of(texts: &BTreeMap<String, String>) -> Self {
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
    pub(super) fn end_of(&self, path: &[String]) -> Vec<String> {
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

    /// The rings of files in a folder, or in the whole crate for an empty one, each as its steps. What a `mod.rs` or
    /// `lib.rs` uses does not count: it re-exports.
    pub(super) fn rings(&self, folder: &str) -> Vec<String> {
        let folder: Vec<String> = folder.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let mut steps = Steps::new();
        let inside = |module: &[String]| module.starts_with(&folder);
        let re_exports = |file: &str| file.ends_with("mod.rs") || file == "lib.rs";
        for arrow in self.arrows.iter().filter(|arrow| inside(&arrow.from) && !re_exports(&arrow.file)) {
            let to = self.end_of(&arrow.to);
            if inside(&to) && !to.is_empty() && to != arrow.from {
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
pub(super) fn reached<'s>(steps: &'s Steps, start: &'s Vec<String>) -> BTreeSet<&'s Vec<String>> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
    while let Some(at) = open.pop() {
        open.extend(steps.get(at).into_iter().flat_map(BTreeMap::keys).filter(|to| seen.insert(*to)));
    }
    seen
}
