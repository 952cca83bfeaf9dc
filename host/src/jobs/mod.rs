//! The job engine: a queue in the database, leases with epochs, workers, retries, cancellation, progress. It knows no job kind:
//! what a task does is behind [`runner::TaskRunner`].
//!
//! A job is a row with stages, a stage is a row with tasks, a task is what a worker leases. Everything that a worker writes about a
//! task names the epoch of its lease, so a worker that was presumed dead and comes back changes nothing.

pub mod admission;
mod attempt;
pub mod attempts;
mod batch;
pub mod cancel;
mod claim;
mod complete;
mod context;
pub mod costs;
mod dispatch;
mod document;
mod error;
pub mod events;
mod finish;
mod fleet;
mod forecast;
mod heartbeat;
pub mod intake;
mod lease;
mod limits;
pub mod list;
mod load;
pub mod outlook;
mod pace;
mod priority;
mod prospect;
pub mod query;
pub mod quota;
pub mod recent;
mod reconcile;
pub mod rerun;
pub mod retention;
pub mod runner;
mod running;
pub mod schedules;
mod settle;
mod share;
pub mod state;
pub mod submit;
pub mod tags;
mod task_times;
pub mod worker;

pub use context::{LogLevel, TaskContext};
pub use error::JobsError;
pub use forecast::{Outlook, Span};
pub use limits::{JobsConfig, TASKS_PER_JOB_MAX};
pub use priority::TaskPriority;
pub use prospect::{Newcomer, Prospect};
pub use runner::{ClaimedTask, TaskFailure, TaskOutput, TaskRunner};
pub use submit::{NewJob, NewStage};
pub use worker::{Worker, WorkerHandle};

#[cfg(test)]
mod tests;
