//! One folder per ARM namespace. `build.rs` declares each of them; what a folder registers with `inventory::submit!`
//! is served, so that a new namespace or type is a new folder or file and nothing else (see [`crate::provider`]).

include!(concat!(env!("OUT_DIR"), "/providers.rs"));
