//! How far the threads of tasks stand back behind requests for the processor: requests take a moment and somebody waits for them.

use std::io;

use serde::{Deserialize, Serialize};

use crate::processor::stand_back;

/// Niceness of tasks that do not stand back all the way.
const NICENESS: i32 = 10;

/// When the threads of tasks get the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskPriority {
    /// When nothing else of this process, or of its control group, wants it. A request interrupts a task at once. (`SCHED_IDLE`)
    #[default]
    Idle,
    /// Less of it than others, but always some: for machines whose other processes would leave nothing. (Niceness 10)
    Nice,
    /// As much as requests.
    Normal,
}

impl TaskPriority {
    /// Gives this priority to the calling thread and to those that it starts from now on.
    pub(super) fn take(self) {
        let taken = match self {
            Self::Idle => stand_back(),
            Self::Nice => {
                rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS).map_err(io::Error::from)
            }
            Self::Normal => Ok(()),
        };
        if let Err(error) = taken {
            tracing::warn!(error = %error, "tasks run with the same priority as requests");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> libc::c_int {
        // SAFETY: asks for the calling thread's own policy.
        unsafe { libc::sched_getscheduler(0) }
    }

    #[test]
    fn an_idle_thread_and_what_it_starts_stand_back_and_its_parent_does_not() {
        let child = std::thread::spawn(|| {
            TaskPriority::Idle.take();
            (policy(), std::thread::spawn(policy).join().unwrap())
        });
        assert_eq!(child.join().unwrap(), (libc::SCHED_IDLE, libc::SCHED_IDLE));
        assert_eq!(policy(), libc::SCHED_OTHER);
    }

    #[test]
    fn a_nice_thread_still_gets_its_share() {
        let child = std::thread::spawn(|| {
            TaskPriority::Nice.take();
            (policy(), rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap())
        });
        let (policy, niceness) = child.join().unwrap();
        assert_eq!(policy, libc::SCHED_OTHER);
        assert!(niceness >= NICENESS);
    }
}
