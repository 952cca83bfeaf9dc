//! Native code that uses all cores, with its CPU time told to the engine: what rayon's threads spend is the job's cost too.

use std::time::Duration;

use rayon::{ThreadPoolBuildError, ThreadPoolBuilder};

use crate::{
    domain::problem::Problem,
    jobs::{TaskContext, TaskFailure},
    processor::give_way,
};

/// Runs `work` on rayon threads of its own, one per core; gives the CPU time of all of them as well.
///
/// # Errors
/// Where the machine has no threads left, and as `work`.
pub fn on_all_cores<T: Send>(
    context: &TaskContext,
    work: impl FnOnce() -> Result<T, TaskFailure> + Send,
) -> Result<(T, Duration), TaskFailure> {
    let (done, cpu) = measured(work).map_err(|error| {
        TaskFailure::retry(Problem::internal(format!("The threads of a task could not be started: {error}.")))
    })?;
    context.spent_elsewhere(cpu);
    Ok((done?, cpu))
}

/// What `work` gives, and the CPU time of the threads that it ran on. The threads that everybody shares would mix what runs side by
/// side, and nobody could say what each has cost; starting threads takes a fraction of a millisecond.
fn measured<T: Send>(work: impl FnOnce() -> T + Send) -> Result<(T, Duration), ThreadPoolBuildError> {
    let threads = ThreadPoolBuilder::new().thread_name(|index| format!("native-{index}")).start_handler(|_| {
        // Without it requests wait a few milliseconds longer now and then, which is no reason to fail.
        let _ = give_way();
    });
    let threads = threads.build()?;
    let done = threads.install(work);
    // Each thread says what it has spent since it was started for this.
    let cpu = threads.broadcast(|_| thread_cpu()).into_iter().sum();
    Ok((done, cpu))
}

fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps this thread busy until it has spent this much.
    fn spend(cpu: Duration) {
        let until = thread_cpu() + cpu;
        while thread_cpu() < until {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn what_all_threads_spend_is_counted_and_nothing_else() {
        let each = Duration::from_millis(20);
        spend(each * 3);
        let (sum, cpu) = measured(|| {
            rayon::join(|| spend(each), || spend(each));
            7
        })
        .unwrap();
        assert_eq!(sum, 7);
        assert!((each * 2..each * 3).contains(&cpu), "{cpu:?}");
    }
}
