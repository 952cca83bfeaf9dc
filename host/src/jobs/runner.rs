//! The contract between the engine and whoever knows what a task does.

use serde_json::Value;

use super::context::TaskContext;
use crate::domain::{
    ids::{JobId, TaskId, TeamId},
    job::JobKind,
    problem::Problem,
};

/// A task as the worker that claimed it sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedTask {
    /// The task.
    pub task: TaskId,
    /// Its job.
    pub job: JobId,
    /// Whose job it is.
    pub team: TeamId,
    /// What the job does.
    pub kind: JobKind,
    /// The job's spec, as it was submitted.
    pub spec: Value,
    /// Name of the stage.
    pub stage: String,
    /// Position within the stage, from 0.
    pub index: u32,
    /// What the plan gave this task.
    pub input: Value,
    /// 1 for the first attempt. Releases while draining do not count, so two attempts can carry the same number.
    pub attempt: u32,
    /// Rises with every claim; the fence of every write.
    pub lease_epoch: u64,
}

/// Why a task has no output.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskFailure {
    /// It would fail again: the job fails with this problem now.
    Fatal(Box<Problem>),
    /// It may succeed later (I/O, memory of the host): tried again after a pause, up to the limit of attempts.
    Retry(Box<Problem>),
    /// It stopped because its interrupt was raised; the reason there decides what becomes of the task.
    Stopped,
}

impl TaskFailure {
    /// A failure that would repeat.
    #[must_use]
    pub fn fatal(problem: Problem) -> Self {
        Self::Fatal(Box::new(problem))
    }

    /// A failure that may pass.
    #[must_use]
    pub fn retry(problem: Problem) -> Self {
        Self::Retry(Box::new(problem))
    }
}

/// Most problems would repeat, so `?` on a [`Problem`] is fatal.
impl From<Problem> for TaskFailure {
    fn from(problem: Problem) -> Self {
        Self::fatal(problem)
    }
}

/// What a task leaves for later stages: small JSON. Large things are artifacts, named by hash in it.
///
/// The one task of the final stage leaves `{"result": ..., "components": [Component], "signature": ..., "spent": [Spent]}`: the job's
/// result, what it is signed with, and what its components have cost. The last two may be left out.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskOutput {
    /// The JSON.
    pub value: Value,
}

/// Runs tasks; implemented once, by the room that knows the job kinds.
pub trait TaskRunner: Send + Sync + 'static {
    /// Runs one task, blocking a thread that is there for it. Looks at `context.interrupt()` often, and returns
    /// [`TaskFailure::Stopped`] soon after it is raised.
    ///
    /// A task may run twice, on two machines even, when a lease is lost: only one output is kept, so it must depend on nothing but
    /// spec, input, earlier outputs and checkpoint.
    ///
    /// # Errors
    /// See [`TaskFailure`]. A panic counts as fatal.
    fn run(&self, context: &TaskContext, task: &ClaimedTask) -> Result<TaskOutput, TaskFailure>;
}
