//! The nouns of paddock. Plain data and the rules that make it valid; no input or output happens here.

pub mod contest;
pub mod hex;
pub mod history;
pub mod ids;
pub mod interrupt;
pub mod job;
pub mod lineup;
pub mod lineup_rule;
pub mod model;
pub mod payout;
pub mod plugin;
pub mod plugin_ref;
pub mod problem;
pub mod race;
pub mod scenario;
pub mod slate;
pub mod spec;
