//! paddock: decide under uncertainty about a motor race. See ARCHITECTURE.md for the rooms and their direction.

pub mod api;
pub mod app;
pub mod auth;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod db;
pub mod domain;
pub mod jobs;
pub mod optimize;
pub mod pipeline;
pub mod plugins;
pub mod processor;
pub mod results;
pub mod score;
pub mod telemetry;
pub mod webhooks;

#[cfg(test)]
#[path = "../../tests/support/mod.rs"]
#[expect(dead_code, reason = "shared with the tests of the binary, which use more of it")]
mod support;
