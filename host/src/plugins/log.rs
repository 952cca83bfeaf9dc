//! Where a guest's log lines go, and the limits they meet on the way.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex},
};

use super::limits::PluginLimits;

/// How important the guest says a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestLogLevel {
    /// For the plugin's author.
    Debug,
    /// What happens.
    Info,
    /// Something odd that does not stop the guest.
    Warn,
    /// Something that does.
    Error,
}

impl GuestLogLevel {
    /// The name used in the contract and in the job's log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Takes the lines that a guest logs. Called on the guest's thread, so it should be quick.
pub trait GuestLog: Send + Sync {
    /// One line, already cut and free of control characters.
    fn line(&self, level: GuestLogLevel, message: &str);

    /// How many lines past the limit were dropped; called once when the session ends, where there were any.
    fn dropped(&self, lines: u64);
}

/// Drops everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLog;

impl GuestLog for NoLog {
    fn line(&self, _: GuestLogLevel, _: &str) {}
    fn dropped(&self, _: u64) {}
}

/// The gate of a session, for all that its guest can log with.
pub type SharedLog = Arc<Mutex<LogGate>>;

/// Counts and cuts the lines of one session.
pub struct LogGate {
    sink: Arc<dyn GuestLog>,
    lines_left: u64,
    line_bytes_max: usize,
    dropped: u64,
}

impl LogGate {
    /// A gate that lets through what `limits` allows.
    #[must_use]
    pub fn new(sink: Arc<dyn GuestLog>, limits: &PluginLimits) -> Self {
        Self { sink, lines_left: limits.log_lines_max, line_bytes_max: limits.log_line_bytes_max, dropped: 0 }
    }

    /// Passes a line on, or counts it.
    pub fn line(&mut self, level: GuestLogLevel, message: &str) {
        if self.lines_left == 0 {
            self.dropped += 1;
            return;
        }
        self.lines_left -= 1;
        self.sink.line(level, &clean_text(message, self.line_bytes_max));
    }

    /// Whether the next line is passed on.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.lines_left > 0
    }

    /// Length at which lines are cut, in bytes.
    #[must_use]
    pub const fn line_bytes_max(&self) -> usize {
        self.line_bytes_max
    }
}

impl Drop for LogGate {
    fn drop(&mut self) {
        if self.dropped > 0 {
            self.sink.dropped(self.dropped);
        }
    }
}

/// `text` with control characters replaced, at most `bytes_max` bytes of it: what a guest says ends up in terminals and logs.
#[must_use]
pub fn clean_text(text: &str, bytes_max: usize) -> Cow<'_, str> {
    let cut = &text[..text.floor_char_boundary(bytes_max)];
    if !cut.chars().any(is_unprintable) {
        return Cow::Borrowed(cut);
    }
    let letters = cut.chars().map(|letter| if is_unprintable(letter) { char::REPLACEMENT_CHARACTER } else { letter });
    let mut clean: String = letters.collect();
    // A replacement is longer than what it replaces.
    clean.truncate(clean.floor_char_boundary(bytes_max));
    Cow::Owned(clean)
}

/// Control characters, and the marks that reorder text around them (Unicode TR 36, "bidirectional text spoofing").
fn is_unprintable(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Seen {
        lines: Mutex<Vec<String>>,
        dropped: Mutex<u64>,
    }

    impl GuestLog for Seen {
        fn line(&self, _: GuestLogLevel, message: &str) {
            self.lines.lock().unwrap().push(message.to_owned());
        }
        fn dropped(&self, lines: u64) {
            *self.dropped.lock().unwrap() = lines;
        }
    }

    #[test]
    fn lines_past_the_limit_are_counted_and_dropped() {
        let seen = Arc::new(Seen::default());
        let limits = PluginLimits { log_lines_max: 2, log_line_bytes_max: 4, ..PluginLimits::default() };
        let mut gate = LogGate::new(seen.clone(), &limits);
        for line in ["fits", "too long", "third", "fourth"] {
            gate.line(GuestLogLevel::Info, line);
        }
        drop(gate);
        assert_eq!(*seen.lines.lock().unwrap(), ["fits", "too "]);
        assert_eq!(*seen.dropped.lock().unwrap(), 2);
    }

    #[test]
    fn text_is_cut_between_characters_and_cannot_move_a_terminal_cursor() {
        assert_eq!(clean_text("aé", 2), "a");
        assert_eq!(clean_text("a\u{1b}[2J\nb", 80), "a\u{fffd}[2J\u{fffd}b");
        assert_eq!(clean_text("x\u{202e}y", 80), "x\u{fffd}y");
        assert!(matches!(clean_text("plain", 80), Cow::Borrowed("plain")));
        assert_eq!(clean_text("\u{1}\u{1}\u{1}\u{1}", 4), "\u{fffd}");
    }
}
