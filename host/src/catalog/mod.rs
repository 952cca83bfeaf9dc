//! The catalog: races, slates, contests, models and plugins of each team, and the files they come from. It runs nothing.

mod cells;
pub mod columns;
pub mod contests;
pub mod history;
pub mod issue;
pub mod limits;
pub mod names;
pub mod race_file;
pub mod race_warning;
pub mod slate_file;
pub mod slate_match;
mod table;
pub mod upcoming;
