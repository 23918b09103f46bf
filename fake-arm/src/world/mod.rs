//! The state of one fake Azure: a single value behind a single lock. Providers change it, the server reads it out, and
//! whatever happens later (the end of a long-running operation, a machine's boot) is a change kept with its time.

mod operation;
mod resource;
mod settings;
mod snapshot;
mod state;
mod store;
mod throttling;
mod timer_queue;

pub use operation::{FirstStep, LongRunning, Outcome};
pub use resource::Resource;
pub use settings::Settings;
pub use snapshot::{KeptState, RestoreError, Snapshot};
pub(crate) use state::Task;
pub use state::World;
pub use store::Resources;
pub use throttling::{Bucket, Throttling};
pub use timer_queue::Change;
