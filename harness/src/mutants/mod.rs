//! Variants of the provisioner and of fake-arm with one fault each, and the scenarios that must catch them: the proof
//! that scenarios can fail.
//!
//! A variant is a file `ci/mutants/NAME.patch`: a head that says what is wrong with it, which scenario catches it, and
//! what it changes, then a unified diff of one file.
//!
//! Go refuses overlays on files below its module cache, so the provisioner's two modules are copied once and put in place
//! of the pinned ones; a variant is then an overlay over the copy. A variant of fake-arm is built in a copy of the
//! workspace. Both stand in `target/mutants`.

mod builder;
mod mutant;

pub use builder::{Built, MutantBuilder};
pub use mutant::{Module, Mutant, MutantError};
