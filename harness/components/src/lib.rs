//! Where the real components come from: a path given, the cache, a build from pinned sources. [`Store::resolve`] turns
//! [`Versions`] into [`Binaries`] and says meanwhile how far it is.

mod build;
mod cache;
mod complaint;
mod component;
mod display;
mod entry;
mod error;
mod finding;
mod given;
mod go;
mod lock;
mod machine;
mod obtain;
mod pin;
mod progress;
mod store;
#[cfg(test)]
mod tests;
mod versions;

pub use cache::{Cleaned, Held};
pub use component::{Component, Program};
pub use display::FetchDisplay;
pub use error::ComponentError;
pub use finding::{Finding, State};
pub use given::StoreOptions;
pub use machine::Machine;
pub use progress::{Progress, Stage};
pub use store::{Binaries, Selection, Source, Store};
pub use versions::Versions;
pub use versions::number;
