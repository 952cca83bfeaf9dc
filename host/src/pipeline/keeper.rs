//! Keeps a running search's state in checkpoints, so that another attempt, on this or another node, goes on from it.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{outputs::LeftOut, task::Task};
use crate::{
    jobs::LogLevel,
    optimize::{SearchState, Watch},
};

/// A checkpoint waits for at least this many times as long as the last one took to write.
const CHECKPOINT_PAUSES: u32 = 20;

/// What a checkpoint of a search holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// Constraints that had failed themselves: a search with others is another search.
    left_out: Vec<LeftOut>,
    search: SearchState,
}

/// Reports a search's progress and checkpoints its state, about every second.
pub struct Keeper<'a> {
    task: &'a Task<'a>,
    left_out: &'a [LeftOut],
    kept_at: Instant,
    pause: Duration,
}

impl<'a> Keeper<'a> {
    /// A keeper for the search that goes on without the constraints that are left out.
    pub fn new(task: &'a Task<'a>, left_out: &'a [LeftOut]) -> Self {
        let pause = Duration::from_millis(task.pipeline.config.checkpoint_ms);
        Self { task, left_out, kept_at: Instant::now(), pause }
    }

    /// Where an earlier attempt at the same search was. One that cannot be read costs time, not the result.
    pub fn last_state(&self) -> Option<SearchState> {
        let bytes = self.task.context.last_checkpoint().ok()??;
        let kept: Kept = match serde_json::from_slice(&bytes) {
            Ok(kept) => kept,
            Err(error) => {
                let line = format!("the checkpoint cannot be read ({error}); the search starts over");
                self.task.context.log(LogLevel::Warn, &line);
                return None;
            }
        };
        if kept.left_out != self.left_out {
            return None;
        }
        self.task.context.log(LogLevel::Info, "the search goes on from its checkpoint");
        Some(kept.search)
    }

    /// A checkpoint that cannot be written is no reason to stop: a lost lease raises the interrupt, the rest may pass.
    fn keep(&mut self, search: SearchState) {
        let started = Instant::now();
        let kept = Kept { left_out: self.left_out.to_vec(), search };
        let written = serde_json::to_vec(&kept).map(|bytes| self.task.context.save_checkpoint(&bytes));
        if let Ok(Err(_)) | Err(_) = written {
            self.task.context.log(LogLevel::Warn, "a checkpoint of the search was not stored");
        }
        self.kept_at = Instant::now();
        let pause = Duration::from_millis(self.task.pipeline.config.checkpoint_ms);
        self.pause = pause.max(started.elapsed() * CHECKPOINT_PAUSES);
    }
}

impl Watch for Keeper<'_> {
    fn tick(&mut self, share: f64, state: &mut dyn FnMut() -> SearchState) {
        self.task.context.progress(share, "searching lineups");
        if self.kept_at.elapsed() >= self.pause {
            self.keep(state());
        }
    }
}
