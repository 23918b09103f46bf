//! The tables of ARCHITECTURE.md.

use super::source::Source;

/// What ARCHITECTURE.md says of one crate: a heading ``## Layers of `folder/src` ``, a table
/// `module | what for | may use`, and a line `Without rings of files:` with the folders that have none.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// `fake-arm/src`.
    pub(super) folder: String,
    /// Modules, the highest first, with those that they may use. A module within another has a row of its own where it
    /// has rules of its own: `providers/network`.
    pub(super) rows: Vec<(String, Vec<String>)>,
    pub(super) without_rings: Vec<String>,
}

impl Layers {
    /// All tables of a document.
    pub(super) fn read(document: &str) -> Vec<Self> {
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

    /// The `src` folders of crates that have no rings at all.
    pub(super) fn crates_without_rings(document: &str) -> Vec<String> {
        document
            .lines()
            .filter_map(|line| line.strip_prefix("Crates without rings of files:"))
            .flat_map(quoted)
            .collect()
    }

    /// The row of a module: the longest that names it or what it is in.
    pub(super) fn row(&self, module: &[String]) -> Option<usize> {
        let is_of =
            |name: &str| name.split('/').count() <= module.len() && name.split('/').zip(module).all(|(a, b)| a == b);
        let fitting = self.rows.iter().enumerate().filter(|(_, (name, _))| is_of(name));
        fitting.max_by_key(|(_, (name, _))| name.split('/').count()).map(|(index, _)| index)
    }

    /// Rows that let a module use one that stands above it, or that there is no row of.
    pub(super) fn upward(&self) -> Vec<String> {
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
    pub(super) fn wrong(&self, source: &Source) -> Vec<String> {
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

pub(super) fn cells(line: &str) -> Vec<&str> {
    let inner = line.strip_prefix('|').and_then(|rest| rest.trim_end().strip_suffix('|'));
    inner.map(|inner| inner.split('|').collect()).unwrap_or_default()
}

pub(super) fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
