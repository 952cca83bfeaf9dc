//! Native code that uses all cores, with its CPU time told to the engine: what rayon's threads spend is the job's cost too.

use std::time::Duration;

use rayon::ThreadPoolBuilder;

use crate::{
    domain::problem::Problem,
    jobs::{TaskContext, TaskFailure},
};

/// Runs `work` on rayon threads of its own, one per core. The shared threads would mix the work of tasks that run side by side, and
/// nobody could say what each of them has cost; starting threads takes a fraction of a millisecond.
///
/// # Errors
/// Where the machine has no threads left, and as `work`.
pub fn on_all_cores<T: Send>(
    context: &TaskContext,
    work: impl FnOnce() -> Result<T, TaskFailure> + Send,
) -> Result<T, TaskFailure> {
    let threads = ThreadPoolBuilder::new().thread_name(|index| format!("native-{index}")).build();
    let threads = threads.map_err(|error| {
        TaskFailure::retry(Problem::internal(format!("The threads of a task could not be started: {error}.")))
    })?;
    let done = threads.install(work);
    // Each thread says what it has spent since it was started for this task.
    context.spent_elsewhere(threads.broadcast(|_| thread_cpu()).into_iter().sum());
    done
}

fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
