//! What each job kind does: its stages, its tasks and its result. It implements the job engine's runner and knows no HTTP.

pub mod columns;
