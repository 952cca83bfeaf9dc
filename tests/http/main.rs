//! The real binary, met over HTTP as a client meets it: bad input, ownership, uploads, and what is in the API description.

mod author;
mod bad_files;
mod bad_jobs;
mod bad_plugins;
mod chaos;
mod costs;
mod crash;
mod drain;
mod fleet;
mod full_disk;
mod good_plugins;
mod history;
mod oci;
mod prune;
mod real_data;
mod registry;
mod replay;
mod results;
mod schedules;
mod season;
mod server;
mod shadow;
mod soak;
#[path = "../support/mod.rs"]
mod support;
mod templates;
mod webhooks;
