//! Who gets the processor first. Requests take a moment and somebody waits for them, so threads that compute for long stand back, and
//! those that nobody can ask to pause are made to.

use std::{cell::RefCell, io, mem, ptr, time::Duration};

/// How long a request may have to wait behind a thread that [`gives_way`](give_way).
const TURN: Duration = Duration::from_millis(1);

/// The signal that interrupts a thread; ignored by who does not know it, and used by nothing else here.
const SIGNAL: libc::c_int = libc::SIGURG;

/// Gives this thread, and those that it starts, the processor when nothing else wants it (`SCHED_IDLE`).
///
/// # Errors
/// Where the system does not allow it.
pub fn stand_back() -> io::Result<()> {
    let no_priority = libc::sched_param { sched_priority: 0 };
    // SAFETY: the structure outlives the call, and 0 means the calling thread.
    done(unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const no_priority) })
}

/// Has this thread offer the processor to others every millisecond from now on, whatever it does. A thread that stands back is not always
/// interrupted when another wakes: Linux may leave it running until its next tick, up to 4 ms later, and a request passes through several
/// threads. For threads that do little else than compute: they are woken for it even while they wait for something.
///
/// # Errors
/// Where there is no timer to be had.
pub fn give_way() -> io::Result<()> {
    // SAFETY: all zeros are a valid `sigaction`; the handler only makes a system call that is safe in one, and leaves errno alone.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = offer as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_RESTART;
        done(libc::sigaction(SIGNAL, &raw const action, ptr::null_mut()))?;
    }
    let turns = Turns::start()?;
    TURNS.with_borrow_mut(|own| *own = Some(turns));
    Ok(())
}

thread_local! {
    /// Ends with the thread.
    static TURNS: RefCell<Option<Turns>> = const { RefCell::new(None) };
}

/// A timer that interrupts the thread which started it.
struct Turns(libc::timer_t);

impl Turns {
    fn start() -> io::Result<Self> {
        let turn = libc::timespec { tv_sec: 0, tv_nsec: i64::from(TURN.subsec_nanos()) };
        let turns = libc::itimerspec { it_interval: turn, it_value: turn };
        let mut timer: libc::timer_t = ptr::null_mut();
        // SAFETY: all zeros are a valid `sigevent`, and all structures outlive the calls.
        unsafe {
            let mut event: libc::sigevent = mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = SIGNAL;
            event.sigev_notify_thread_id = libc::gettid();
            done(libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer))?;
            let timer = Self(timer);
            done(libc::timer_settime(timer.0, 0, &raw const turns, ptr::null_mut()))?;
            Ok(timer)
        }
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        // SAFETY: the timer was made, and nobody else knows it.
        unsafe { libc::timer_delete(self.0) };
    }
}

extern "C" fn offer(_: libc::c_int) {
    #[cfg(test)]
    tests::OFFERS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    // SAFETY: takes nothing, and cannot fail.
    unsafe { libc::sched_yield() };
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        thread,
        time::Instant,
    };

    use super::*;

    pub(super) static OFFERS: AtomicU32 = AtomicU32::new(0);

    #[test]
    fn a_thread_that_gives_way_does_so_while_it_computes() {
        let busy = thread::spawn(|| {
            give_way().unwrap();
            let started = Instant::now();
            while started.elapsed() < TURN * 50 {
                std::hint::spin_loop();
            }
            OFFERS.load(Ordering::Relaxed)
        });
        // Turns that pass while it does not have the processor count as one.
        assert!(busy.join().unwrap() >= 5);
    }
}
