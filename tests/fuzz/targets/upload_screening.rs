//! Whatever is uploaded, screening it comes to an answer that can be shown.

#![no_main]

use libfuzzer_sys::fuzz_target;
use paddock::plugins::{PluginLimits, fuzzing::screen};

/// Longest answer: names of the component are cut.
const ANSWER_BYTES_MAX: usize = 2_000;

fuzz_target!(|bytes: &[u8]| {
    if let Err(rejection) = screen(bytes, &PluginLimits::default()) {
        let told = rejection.to_string();
        assert!(!told.is_empty() && told.len() <= ANSWER_BYTES_MAX, "{told}");
        assert!(!told.chars().any(char::is_control), "{told:?}");
        assert!(!rejection.code().is_empty() && !rejection.action().is_empty());
    }
});
