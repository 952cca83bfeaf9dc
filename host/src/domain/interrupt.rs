//! The flag through which a running task learns that it must stop.

use std::{
    cell::Cell,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Why a running task must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// Somebody cancelled the job.
    Cancelled,
    /// The job's deadline has passed.
    Deadline,
    /// The worker lost its lease on the task: another worker may run it now.
    LeaseLost,
    /// The process is draining: the task goes back to the queue with its last checkpoint.
    Draining,
}

/// The longest that a thread which looks at an interrupt keeps the processor before it offers it to others.
///
/// Linux (6.12 and later, EEVDF) lets a thread of the class `SCHED_IDLE` run on beside one that has just had more than its share,
/// until the next tick of the timer: 4 ms, and a request passes through several threads.
const TURN: Duration = Duration::from_millis(1);

thread_local! {
    static GAVE_WAY: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// One per running task. Native loops look at it often (a look at the clock), guests through the epoch callback.
///
/// The first reason wins: a task that was cancelled does not turn into one that was drained.
#[derive(Debug, Default)]
pub struct Interrupt {
    reason: AtomicU8,
    deadline: OnceLock<Instant>,
    parent: Option<Arc<Interrupt>>,
}

impl Interrupt {
    /// A flag that is not raised, without a deadline.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A flag that raises itself with [`StopReason::Deadline`] at `deadline`.
    #[must_use]
    pub fn with_deadline(deadline: Instant) -> Self {
        let interrupt = Self::default();
        // A fresh lock is empty, so this always stores.
        let _ = interrupt.deadline.set(deadline);
        interrupt
    }

    /// A flag that is raised with `parent`, and raises itself, not the parent, with [`StopReason::Deadline`] at `deadline`.
    #[must_use]
    pub fn below(parent: Arc<Self>, deadline: Instant) -> Self {
        Self { parent: Some(parent), ..Self::with_deadline(deadline) }
    }

    /// Raises the flag; does nothing where it is raised already.
    pub fn raise(&self, reason: StopReason) {
        let code = match reason {
            StopReason::Cancelled => 1,
            StopReason::Deadline => 2,
            StopReason::LeaseLost => 3,
            StopReason::Draining => 4,
        };
        let _ = self.reason.compare_exchange(0, code, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Why the task must stop, or `None` while it may go on. Looks at the clock, and offers the processor to others once a
    /// millisecond.
    #[must_use]
    pub fn reason(&self) -> Option<StopReason> {
        let now = Instant::now();
        give_way(now);
        self.reason_at(now)
    }

    fn reason_at(&self, now: Instant) -> Option<StopReason> {
        if let Some(reason) = self.parent.as_ref().and_then(|parent| parent.reason_at(now)) {
            self.raise(reason);
        }
        if self.deadline.get().is_some_and(|deadline| now >= *deadline) {
            self.raise(StopReason::Deadline);
        }
        match self.reason.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(StopReason::Cancelled),
            2 => Some(StopReason::Deadline),
            3 => Some(StopReason::LeaseLost),
            _ => Some(StopReason::Draining),
        }
    }
}

fn give_way(now: Instant) {
    let is_due = GAVE_WAY.get().is_none_or(|last| now.duration_since(last) >= TURN);
    if is_due {
        thread::yield_now();
        GAVE_WAY.set(Some(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_to_stop_wins() {
        let interrupt = Interrupt::new();
        assert_eq!(interrupt.reason(), None);
        interrupt.raise(StopReason::Cancelled);
        interrupt.raise(StopReason::Draining);
        assert_eq!(interrupt.reason(), Some(StopReason::Cancelled));
    }

    #[test]
    fn a_flag_below_another_is_raised_with_it_and_does_not_raise_it() {
        let parent = Arc::new(Interrupt::new());
        let late = Interrupt::below(Arc::clone(&parent), Instant::now());
        assert_eq!((late.reason(), parent.reason()), (Some(StopReason::Deadline), None));
        let below = Interrupt::below(Arc::clone(&parent), Instant::now() + std::time::Duration::from_secs(3600));
        assert_eq!(below.reason(), None);
        parent.raise(StopReason::Cancelled);
        assert_eq!(below.reason(), Some(StopReason::Cancelled));
    }

    #[test]
    fn a_deadline_in_the_past_stops_at_once() {
        let interrupt = Interrupt::with_deadline(Instant::now());
        assert_eq!(interrupt.reason(), Some(StopReason::Deadline));
    }
}
