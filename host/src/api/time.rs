//! Times in answers: RFC 3339 in UTC. Inside, they are microseconds since 1970.

use jiff::Timestamp;

/// The time as text, `2026-04-12T18:00:00.25Z`.
#[must_use]
pub fn rfc3339(us: i64) -> String {
    // Only the edges of the range fail, thousands of years from now.
    Timestamp::from_microsecond(us).unwrap_or(Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_a_z() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_000_250_000), "1970-01-01T00:16:40.25Z");
    }
}
