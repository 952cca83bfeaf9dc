//! What each job kind does: its stages, its tasks and its result. It implements the job engine's runner and knows no HTTP.

mod chain_state;
pub mod columns;
pub mod pinned;
pub mod stages;
pub mod veto;
