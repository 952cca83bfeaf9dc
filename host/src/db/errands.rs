//! Input and output on behalf of threads that must not do it themselves: those of tasks, which stand back behind everything else. A
//! write that such a thread began would make requests wait for it, and a thread that it makes the runtime start would inherit its place.

use std::future::Future;

use tokio::runtime::Handle;

/// Where errands are run: a runtime, at the priority of requests.
#[derive(Debug, Clone)]
pub struct Errands(Handle);

impl Errands {
    /// Errands for the runtime that this is called on.
    #[must_use]
    pub fn here() -> Self {
        Self(Handle::current())
    }

    /// Has the runtime do `work`, and waits for what comes of it. Not to be called on the runtime itself.
    pub fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        match self.0.block_on(self.0.spawn(work)) {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is gone, and with it whatever the caller wanted to go on with.
                Err(cancelled) => panic!("an errand was given up: {cancelled}"),
            },
        }
    }
}
