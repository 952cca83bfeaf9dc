//! The plugin room from outside: uploads, runs and their limits, with the real binary as compiler and components that are hostile
//! on purpose.

mod attacks;
mod caching;
mod conformance;
mod outputs;
mod room;
mod running;
mod uploads;
mod wasi;

use hostile::fixture;
