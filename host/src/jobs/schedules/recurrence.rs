//! When a schedule fires: a cron expression, read by the clock on the wall of a time zone. Knows no database.
//!
//! Where clocks are set forward, a time that does not exist fires at the next one that does; where they are set back, a time that
//! exists twice fires the first time only. So a daily job runs every day once, and never twice within one second.

use std::{cmp::Ordering, time::Duration};

use croner::{
    Cron, CronDateTime,
    errors::CronError,
    parser::{CronParser, Seconds, Year},
};
use jiff::{
    SignedDuration, Timestamp,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};

/// The fields of an expression, in order.
const FIELDS: [&str; 5] = ["minute", "hour", "day of month", "month", "day of week"];
/// Longest expression, in characters.
pub const CRON_CHARS_MAX: usize = 200;
/// Longest name of a time zone, in characters; the longest in use has 32.
const ZONE_CHARS_MAX: usize = 64;
/// Fire times in a row that are looked at to find the shortest pause between two. At five minutes or more each they cover more
/// than three days, and where days differ, many more.
const INTERVALS_LOOKED_AT: usize = 1_000;
/// How far ahead a first fire time is looked for, in years: February 29 comes at least every eight.
const YEARS_AHEAD_MAX: i16 = 9;

/// What is wrong with the words that say when.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecurrence {
    /// The expression cannot be read. Correct it where `position` says.
    #[error("At character {position}, {reason}")]
    Cron {
        /// Where the mistake is, in characters from 1.
        position: usize,
        /// What is wrong.
        reason: String,
    },
    /// The expression names days that no calendar has. Correct its day and month.
    #[error("It never fires: no day of the calendar matches")]
    Never,
    /// There is no such time zone. Correct its name.
    #[error("`{0}` is not a time zone of the IANA database")]
    Zone(String),
}

/// When to fire.
#[derive(Debug, Clone)]
pub struct Recurrence {
    cron: Cron,
    zone: TimeZone,
}

impl Recurrence {
    /// Reads an expression of five fields (or `@weekly` and the like) and the name of a time zone.
    ///
    /// # Errors
    /// [`InvalidRecurrence`], which says what is wrong and where.
    pub fn parse(cron: &str, zone: &str) -> Result<Self, InvalidRecurrence> {
        let unknown = || InvalidRecurrence::Zone(zone.chars().take(ZONE_CHARS_MAX).collect());
        if zone.len() > ZONE_CHARS_MAX {
            return Err(unknown());
        }
        let zone = TimeZone::get(zone).map_err(|_| unknown())?;
        let recurrence = Self { cron: parse_cron(cron)?, zone };
        // An impossible date is found by looking for it once.
        recurrence.after(0).ok_or(InvalidRecurrence::Never)?;
        Ok(recurrence)
    }

    /// The expression in English, for example `At 03:00 on Monday`.
    #[must_use]
    pub fn describe(&self) -> String {
        self.cron.describe()
    }

    /// The first fire time after `after_us`; both in microseconds since 1970-01-01 UTC. `None` past the end of the calendar.
    #[must_use]
    pub fn after(&self, after_us: i64) -> Option<i64> {
        let after = Timestamp::from_microsecond(after_us).ok()?;
        let mut wall = self.zone.to_datetime(after);
        let last_year = wall.year().checked_add(YEARS_AHEAD_MAX)?;
        loop {
            wall = self.cron.find_next_occurrence(&Wall(wall), false).ok()?.0;
            if wall.year() > last_year {
                return None;
            }
            let fires = first_instant(&self.zone, wall)?;
            // Not later where the clocks were set back: this time was fired the first time round.
            if fires > after {
                return Some(fires.as_microsecond());
            }
        }
    }

    /// The next `count` fire times after `after_us`, in microseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn upcoming(&self, after_us: i64, count: usize) -> Vec<i64> {
        let first = self.after(after_us);
        std::iter::successors(first, |last| self.after(*last)).take(count).collect()
    }

    /// The shortest pause between two of the next fire times, by the clock on the wall.
    #[must_use]
    pub fn shortest_interval(&self, after_us: i64) -> Option<Duration> {
        let after = Timestamp::from_microsecond(after_us).ok()?;
        let next = |wall: DateTime| self.cron.find_next_occurrence(&Wall(wall), false).ok().map(|next| next.0);
        let first = next(self.zone.to_datetime(after));
        let times: Vec<DateTime> =
            std::iter::successors(first, |last| next(*last)).take(INTERVALS_LOOKED_AT + 1).collect();
        let pauses = times.windows(2).filter_map(|pair| pair[1].duration_since(pair[0]).try_into().ok());
        pauses.min()
    }

    /// A time as the clock on the wall shows it, with its offset and zone: `2026-03-08T03:00:00-05:00[America/New_York]`.
    #[must_use]
    pub fn local(&self, time_us: i64) -> String {
        // Only the edges of the range fail, thousands of years from now.
        let time = Timestamp::from_microsecond(time_us).unwrap_or(Timestamp::MAX);
        time.to_zoned_datetime(self.zone.clone()).to_string()
    }
}

/// The first moment at which the clock on the wall shows `wall` or, where it skips that, something later.
fn first_instant(zone: &TimeZone, wall: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(wall);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
        AmbiguousOffset::Gap { after, .. } => {
            // By the offset that holds after the gap, this is before it, and the next transition is the end of the gap.
            let before_the_gap = after.to_timestamp(wall).ok()?;
            zone.following(before_the_gap).next().map(|transition| transition.timestamp())
        }
    }
}

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build()
}

fn parse_cron(text: &str) -> Result<Cron, InvalidRecurrence> {
    let at = |position, reason: String| InvalidRecurrence::Cron { position, reason };
    if text.chars().count() > CRON_CHARS_MAX {
        return Err(at(CRON_CHARS_MAX + 1, format!("it is longer than {CRON_CHARS_MAX} characters")));
    }
    parser().parse(text).map_err(|error| {
        let (position, reason) = first_mistake(text, &error);
        at(position, reason)
    })
}

/// Where an expression goes wrong: its first field that cannot be read among valid ones, counted in characters from 1.
fn first_mistake(text: &str, error: &CronError) -> (usize, String) {
    let fields: Vec<(usize, &str)> = fields_of(text);
    if fields.len() != FIELDS.len() {
        let position = fields.get(FIELDS.len()).map_or(text.chars().count() + 1, |field| field.0);
        let reason = format!("there are {} fields instead of five ({})", fields.len(), FIELDS.join(", "));
        return (position, reason);
    }
    for (index, (position, field)) in fields.iter().enumerate() {
        let mut alone = ["*"; FIELDS.len()];
        alone[index] = field;
        if let Err(error) = parser().parse(&alone.join(" ")) {
            return (*position, format!("the {} `{field}` cannot be read: {error}", FIELDS[index]));
        }
    }
    (1, error.to_string())
}

/// The words of a text, each with its place in characters from 1.
fn fields_of(text: &str) -> Vec<(usize, &str)> {
    let place = |word: &str| text[..word.as_ptr() as usize - text.as_ptr() as usize].chars().count() + 1;
    text.split_whitespace().map(|word| (place(word), word)).collect()
}

/// What the clock on the wall shows. Expressions are read by it alone; when that is, is decided by [`first_instant`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wall(DateTime);

impl CronDateTime for Wall {
    fn to_civil(&self) -> croner::CivilDateTime {
        let Self(wall) = self;
        croner::CivilDateTime::new(
            croner::CivilDate::from_parts_unchecked(wall.year().into(), unsigned(wall.month()), unsigned(wall.day())),
            croner::CivilTime::from_parts_unchecked(
                unsigned(wall.hour()),
                unsigned(wall.minute()),
                unsigned(wall.second()),
            ),
        )
    }

    fn civil_weekday(&self) -> croner::Weekday {
        croner::Weekday::from_days_from_sunday(unsigned(self.0.weekday().to_sunday_zero_offset()))
    }

    fn resolve_civil(&self, civil: croner::CivilDateTime) -> Result<croner::Resolution<Self>, CronError> {
        let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
        let part = |value: u32| i8::try_from(value).map_err(|_| CronError::InvalidDate);
        let wall = DateTime::new(
            year,
            part(civil.month())?,
            part(civil.day())?,
            part(civil.hour())?,
            part(civil.minute())?,
            part(civil.second())?,
            0,
        );
        wall.map(|wall| croner::Resolution::Single(Self(wall))).map_err(|_| CronError::InvalidDate)
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(SignedDuration::from_secs(seconds)).ok().map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

/// A part of a date or time, which is never negative.
fn unsigned(part: i8) -> u32 {
    part.unsigned_abs().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    fn fires(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let recurrence = Recurrence::parse(cron, zone).unwrap();
        let times = recurrence.upcoming(us(after), count);
        times.into_iter().map(|time| Timestamp::from_microsecond(time).unwrap().to_string()).collect()
    }

    #[test]
    fn a_weekly_time_follows_the_clock_on_the_wall() {
        let found = fires("0 3 * * MON", "America/New_York", "2026-02-28T00:00:00Z", 3);
        // 03:00 is 08:00 UTC in winter and 07:00 UTC in summer.
        assert_eq!(found, ["2026-03-02T08:00:00Z", "2026-03-09T07:00:00Z", "2026-03-16T07:00:00Z"]);
    }

    #[test]
    fn a_time_that_does_not_exist_fires_at_the_next_one_that_does() {
        // New York, 2026-03-08: from 02:00 straight to 03:00.
        let found = fires("30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", 2);
        assert_eq!(found, ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"]);
        // Several that do not exist are one firing, also where the next one is the end of the gap itself.
        let found = fires("*/30 1-3 * * *", "America/New_York", "2026-03-08T06:15:00Z", 4);
        assert_eq!(
            found,
            ["2026-03-08T06:30:00Z", "2026-03-08T07:00:00Z", "2026-03-08T07:30:00Z", "2026-03-09T05:00:00Z"]
        );
    }

    #[test]
    fn a_time_that_exists_twice_fires_once() {
        // New York, 2026-11-01: from 02:00 back to 01:00.
        let found = fires("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", 2);
        assert_eq!(found, ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]);
        // Asked in the hour that repeats, it has fired already.
        let found = fires("*/30 * * * *", "America/New_York", "2026-11-01T06:10:00Z", 2);
        assert_eq!(found, ["2026-11-01T07:00:00Z", "2026-11-01T07:30:00Z"]);
    }

    #[test]
    fn a_day_that_a_zone_skips_fires_when_the_next_one_begins() {
        // Samoa went over the date line: there was no 2011-12-30.
        let found = fires("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", 1);
        assert_eq!(found, ["2011-12-30T10:00:00Z"]);
        assert_eq!(
            Recurrence::parse("0 12 * * *", "Pacific/Apia").unwrap().local(us("2011-12-30T10:00:00Z"))[..16],
            *"2011-12-31T00:00"
        );
    }

    #[test]
    fn a_mistake_is_found_by_its_place() {
        let cases = [
            ("61 3 * * 1", 1, "minute"),
            ("0 25 * * 1", 3, "hour"),
            ("0  3 * 13 1", 8, "month"),
            ("0 3 * * funday", 9, "day of week"),
            ("0 3 * *", 8, "4 fields"),
            ("0 0 3 * * 1", 11, "6 fields"),
            ("", 1, "0 fields"),
        ];
        for (text, expected, word) in cases {
            let Err(InvalidRecurrence::Cron { position, reason }) = Recurrence::parse(text, "UTC") else {
                panic!("{text} was taken");
            };
            assert_eq!(position, expected, "{text}: {reason}");
            assert!(reason.contains(word), "{text}: {reason}");
        }
        let longest = format!("0 3 * * 1{}", " ".repeat(CRON_CHARS_MAX - 9));
        Recurrence::parse(&longest, "UTC").unwrap();
        assert!(Recurrence::parse(&format!("{longest} "), "UTC").is_err());
    }

    #[test]
    fn a_zone_is_known_by_its_iana_name_and_a_day_must_exist() {
        for zone in ["Mars/Olympus", "", "EST5EDT4", &"x".repeat(2_000)] {
            assert!(matches!(Recurrence::parse("0 3 * * 1", zone), Err(InvalidRecurrence::Zone(_))), "{zone}");
        }
        assert_eq!(Recurrence::parse("0 3 30 2 *", "UTC").unwrap_err(), InvalidRecurrence::Never);
        assert_eq!(fires("0 3 29 2 *", "UTC", "2097-01-01T00:00:00Z", 1), ["2104-02-29T03:00:00Z"]);
    }

    #[test]
    fn the_shortest_pause_is_found_wherever_it_is() {
        let shortest = |cron: &str| {
            let recurrence = Recurrence::parse(cron, "Europe/Berlin").unwrap();
            recurrence.shortest_interval(us("2026-01-01T00:00:00Z")).unwrap().as_secs()
        };
        assert_eq!(shortest("* * * * *"), 60);
        assert_eq!(shortest("*/10 * * * *"), 600);
        assert_eq!(shortest("0,1 3 * * 1"), 60);
        // Only around midnight between two days that both fire.
        assert_eq!(shortest("0,59 0,23 1,2 * *"), 60);
        assert_eq!(shortest("0 3 * * 1"), 7 * 24 * 3600);
    }

    #[test]
    fn it_reads_as_a_sentence() {
        assert!(Recurrence::parse("0 3 * * 1", "UTC").unwrap().describe().contains("Monday"));
    }
}
