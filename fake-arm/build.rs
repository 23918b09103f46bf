//! Declares a module for each folder under `src/providers/` and under `src/providers/*/`, nothing more: a new ARM
//! namespace is a new folder, and no list of folders is kept by hand.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo names the crate's folder");
    let folder = Path::new(&root).join("src/providers");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut names: Vec<String> = fs::read_dir(&folder)
        .expect("src/providers is readable")
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            path.join("mod.rs").is_file().then(|| path.file_name()?.to_str().map(str::to_owned))?
        })
        .collect();
    names.sort();
    let mut out = String::new();
    for name in names {
        let path = folder.join(&name).join("mod.rs");
        writeln!(out, "#[path = {:?}]\npub mod {name};", path.display().to_string()).expect("a string takes text");
    }
    let target = Path::new(&env::var("OUT_DIR").expect("cargo names the output folder")).join("providers.rs");
    fs::write(target, out).expect("the output folder is writable");
}
