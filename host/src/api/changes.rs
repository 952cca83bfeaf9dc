//! Waiting for something to happen to a job. A hint wakes at once; a look at the row every second finds what no hint told, for
//! example because another process did it.

use std::time::Duration;

use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};

use super::state::ApiState;
use crate::{db::Hint, domain::ids::JobId};

/// Time between two looks where no hint comes.
const LOOK: Duration = Duration::from_secs(1);

/// Changes of one job, from the making of this on: make it before looking at the row.
pub struct Changes {
    job: JobId,
    hints: broadcast::Receiver<Hint>,
    stopping: watch::Receiver<bool>,
}

impl Changes {
    /// From now on.
    pub fn of(state: &ApiState, job: &JobId) -> Self {
        Self { job: job.clone(), hints: state.db().hints(), stopping: state.stopping() }
    }

    /// Waits until it is worth looking again; false when the server stops and nobody should wait any longer.
    pub async fn wait(&mut self) -> bool {
        let (job, hints) = (&self.job, &mut self.hints);
        let hinted = async {
            loop {
                match hints.recv().await {
                    Ok(Hint::JobChanged(changed)) if changed == *job => return,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return,
                    // Without hints, looking is all that is left.
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            // An error means that the server is gone.
            _ = self.stopping.wait_for(|is_stopping| *is_stopping) => false,
            () = hinted => true,
            () = tokio::time::sleep(LOOK) => true,
        }
    }
}
