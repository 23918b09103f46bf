//! What a run tells and how it is told: the lines that a scenario's process sends up while it works, the verdict, the
//! terminal, JUnit, the files of a run. Whoever tells of a run is a [`Reporter`] and hears [`RunEvent`]s; nothing here starts
//! or judges anything.

mod cost;
pub mod environment;
mod event;
pub mod junit;
mod kept;
mod live;
mod output;
mod palette;
mod plain;
mod progress;
mod repeat;
mod scenario;
mod summary;
mod whole_file;

pub use cost::{Costs, Seconds};
pub use environment::{EnvironmentError, ScenarioEnvironment};
pub use event::{Reporter, Reporters, RunEvent, RunPlan, Untold};
pub use junit::JunitFiles;
pub use kept::{Keeper, KeptError, KeptRun};
pub use live::Live;
pub use output::OutputTail;
pub use palette::Palette;
pub(crate) use palette::elapsed;
pub use plain::Plain;
pub use progress::{Line, ProgressReader, ProgressWriter};
pub(crate) use repeat::quoted;
pub use repeat::{repeat_command, runner_command};
pub use scenario::{Facts, ScenarioId, ScenarioIdError, ScenarioReport, Verdict};
pub use summary::{Counts, Summary};
