//! What a run tells and how it is told: the lines that a scenario's process sends up while it works, the verdict, the
//! terminal, JUnit. Whoever shows something reads [`RunEvent`]s; nothing here starts or judges anything.

mod cost;
pub mod environment;
mod event;
pub mod junit;
mod live;
mod output;
mod palette;
mod plain;
mod progress;
mod repeat;
mod scenario;
mod summary;

pub use cost::{Costs, Seconds};
pub use environment::{EnvironmentError, ScenarioEnvironment};
pub use event::{Display, RunEvent};
pub use live::Live;
pub use output::OutputTail;
pub use palette::Palette;
pub(crate) use palette::elapsed;
pub use plain::Plain;
pub use progress::{Line, ProgressReader, ProgressWriter};
pub(crate) use repeat::quoted;
pub use repeat::{repeat_command, runner_command};
pub use scenario::{Facts, ScenarioId, ScenarioIdError, ScenarioReport, Verdict};
pub use summary::{Summary, Tally};
