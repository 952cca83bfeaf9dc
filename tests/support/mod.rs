//! Servers that tests start for themselves and that end with them.

pub mod disk;
pub mod oci;
pub mod postgres;
pub mod s3;

/// Says that a test did nothing because its server is not installed; in CI that is a failure.
fn left_out(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "{reason}");
    eprintln!("left out: {reason}");
}
