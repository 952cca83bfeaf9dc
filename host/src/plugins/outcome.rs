//! How a call into a plugin can end other than well, as values, and how each end reads to people. Which end it was is
//! decided in `call`.

use crate::domain::{interrupt::StopReason, problem::Problem};

use super::rejection::Rejection;

/// Why a plugin declined; an answer, not a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The parameters do not make sense together.
    InvalidParams,
    /// The data is outside what the plugin can handle.
    UnsupportedInput,
    /// A checkpoint of something else.
    ForeignCheckpoint,
    /// A model with another posterior layout.
    ForeignModel,
}

impl RefusalKind {
    /// The name used in the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidParams => "invalid-params",
            Self::UnsupportedInput => "unsupported-input",
            Self::ForeignCheckpoint => "foreign-checkpoint",
            Self::ForeignModel => "foreign-model",
        }
    }
}

/// How a call ended, where it did not finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The plugin declined.
    Refused {
        /// What it objects to.
        kind: RefusalKind,
        /// What it says, cut and without control characters.
        message: String,
    },
    /// The code crashed.
    Trapped {
        /// The kind of trap.
        trap: String,
        /// Innermost functions first, where the component carries names.
        backtrace: Vec<String>,
    },
    /// The fuel of the call is used up.
    OutOfFuel {
        /// Fuel that the session had.
        budget: u64,
    },
    /// The guest asked for more memory or table space than it may have.
    OutOfMemory {
        /// What it would have had, in `unit`.
        wanted: u64,
        /// What it may have, in `unit`.
        limit: u64,
        /// What is counted.
        unit: &'static str,
        /// Name of the limit in the configuration.
        name: &'static str,
    },
    /// The task had to stop: cancelled, past its deadline, lease lost, or draining.
    Stopped(StopReason),
    /// What the guest returned breaks the contract.
    BadOutput {
        /// The value's place, for example `finish[3][17]`.
        place: String,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// The upload is not taken.
    Rejected(Rejection),
    /// The host could not do its part: no memory left, the cache or the compiler cannot be reached. Another attempt may
    /// do better.
    HostFailed {
        /// What failed.
        message: String,
    },
}

/// A plugin's call that did not finish: who, where, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("plugin {} failed in {function}: {}", self.label(), self.outcome.detail())]
pub struct PluginFailure {
    /// Name, or `component <hash>` before the plugin has said its name.
    pub plugin: String,
    /// Version, empty before the plugin has said it.
    pub version: String,
    /// Function that was running, as the contract names it.
    pub function: String,
    /// How it ended.
    pub outcome: Outcome,
}

impl PluginFailure {
    /// `name@version`.
    #[must_use]
    pub fn label(&self) -> String {
        if self.version.is_empty() { self.plugin.clone() } else { format!("{}@{}", self.plugin, self.version) }
    }

    /// Whether the task was told to stop, so that nobody is to blame.
    #[must_use]
    pub const fn is_stop(&self) -> bool {
        matches!(self.outcome, Outcome::Stopped(_))
    }

    /// Why the task was told to stop, if it was.
    #[must_use]
    pub const fn stop_reason(&self) -> Option<StopReason> {
        match self.outcome {
            Outcome::Stopped(reason) => Some(reason),
            _ => None,
        }
    }

    /// Whether another attempt can end otherwise. Traps, refusals, fuel and bad output repeat exactly; the host's own
    /// failures may not.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self.outcome, Outcome::HostFailed { .. })
    }

    /// The failure as users read it.
    #[must_use]
    pub fn to_problem(&self) -> Problem {
        let (code, title, action) = self.outcome.public_text();
        let detail = format!("{} in `{}`: {}.", self.label(), self.function, self.outcome.detail());
        let mut problem = Problem::new(code, title, detail, action);
        problem.limit = self.outcome.limit();
        problem.plugin = Some(self.label());
        problem.function = Some(self.function.clone());
        problem
    }
}

impl Outcome {
    /// What happened, with names and numbers.
    fn detail(&self) -> String {
        match self {
            Self::Refused { kind, message } => format!("{}: {message}", kind.as_str()),
            Self::Trapped { trap, backtrace } if backtrace.is_empty() => trap.clone(),
            Self::Trapped { trap, backtrace } => format!("{trap}, in {}", backtrace.join(" < ")),
            Self::OutOfFuel { budget } => format!("all {budget} units of fuel are used up"),
            Self::OutOfMemory { wanted, limit, unit, .. } => {
                format!("it asked for {wanted} {unit} in all, the limit is {limit}")
            }
            Self::Stopped(reason) => stop_text(*reason).1.to_owned(),
            Self::BadOutput { place, found, expected } => format!("it returned {place} = {found}, expected {expected}"),
            Self::Rejected(rejection) => rejection.to_string(),
            Self::HostFailed { message } => message.clone(),
        }
    }

    fn limit(&self) -> Option<String> {
        match self {
            Self::OutOfFuel { budget } => Some(format!("{budget} units of fuel")),
            Self::OutOfMemory { limit, name, .. } => Some(format!("{name} = {limit}")),
            Self::Rejected(rejection) => rejection.limit(),
            _ => None,
        }
    }

    /// Code, title and next step.
    const fn public_text(&self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Refused { kind, .. } => ("plugin-refused", "The plugin declined", refusal_action(*kind)),
            Self::Trapped { .. } => (
                "plugin-trapped",
                "The plugin crashed",
                "Report it to the plugin's author with these inputs; the same inputs crash it again. Use another version meanwhile.",
            ),
            Self::OutOfFuel { .. } => (
                "plugin-out-of-fuel",
                "The plugin used up its fuel",
                "Ask for less (fewer iterations, scenarios or drivers), or for a larger fuel budget.",
            ),
            Self::OutOfMemory { .. } => (
                "plugin-out-of-memory",
                "The plugin asked for too much memory",
                "Ask for less at a time, or ask the operator to raise the named limit.",
            ),
            Self::Stopped(reason) => {
                let text = stop_text(*reason);
                (text.0, "The plugin was stopped", text.2)
            }
            Self::BadOutput { .. } => (
                "plugin-bad-output",
                "The plugin returned something that breaks the contract",
                "Report it to the plugin's author; the result was discarded.",
            ),
            Self::Rejected(rejection) => (rejection.code(), "The upload is not a plugin", rejection.action()),
            Self::HostFailed { .. } => (
                "plugin-host-failed",
                "The server could not run the plugin",
                "Retry later; if it stays, tell the operator.",
            ),
        }
    }
}

const fn refusal_action(kind: RefusalKind) -> &'static str {
    match kind {
        RefusalKind::InvalidParams => "Change the parameter that it names.",
        RefusalKind::UnsupportedInput => "Change the input as it says, or use another plugin.",
        RefusalKind::ForeignCheckpoint => "Start again without the checkpoint.",
        RefusalKind::ForeignModel => {
            "Use the generator that reads this model, or fit a model that this generator reads."
        }
    }
}

/// Code, detail and next step of a stop.
const fn stop_text(reason: StopReason) -> (&'static str, &'static str, &'static str) {
    match reason {
        StopReason::Cancelled => {
            ("cancelled", "the job was cancelled while it ran", "Submit the job again if you need it.")
        }
        StopReason::Deadline => (
            "deadline-exceeded",
            "the job's deadline passed while it ran",
            "Ask for less, or submit with a later deadline.",
        ),
        StopReason::LeaseLost => {
            ("lease-lost", "this worker lost its lease on the task", "Nothing: another worker goes on with it.")
        }
        StopReason::Draining => {
            ("draining", "the server is shutting down", "Nothing: the task goes on from its last checkpoint.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_names_the_plugin_the_function_what_happened_and_what_to_do() {
        let text = || "something".to_owned();
        let stops = [StopReason::Cancelled, StopReason::Deadline, StopReason::LeaseLost, StopReason::Draining];
        let refusals = [
            RefusalKind::InvalidParams,
            RefusalKind::UnsupportedInput,
            RefusalKind::ForeignCheckpoint,
            RefusalKind::ForeignModel,
        ];
        let outcomes = [
            Outcome::Trapped { trap: text(), backtrace: vec![text()] },
            Outcome::OutOfFuel { budget: 7 },
            Outcome::OutOfMemory { wanted: 9, limit: 7, unit: "bytes of memory", name: "memory_bytes_max" },
            Outcome::BadOutput { place: text(), found: text(), expected: text() },
            Outcome::Rejected(Rejection::Text),
            Outcome::HostFailed { message: text() },
        ];
        let refused = refusals.map(|kind| Outcome::Refused { kind, message: text() });
        let mut codes = std::collections::HashSet::new();
        for outcome in outcomes.into_iter().chain(refused).chain(stops.map(Outcome::Stopped)) {
            let failure = PluginFailure {
                plugin: "fixture".to_owned(),
                version: "1.2.3".to_owned(),
                function: "chain.step".to_owned(),
                outcome,
            };
            let problem = failure.to_problem();
            assert!(problem.detail.starts_with("fixture@1.2.3 in `chain.step`: "), "{}", problem.detail);
            assert!(problem.detail.ends_with('.') && problem.action.ends_with('.'), "{problem:?}");
            assert_eq!(problem.function.as_deref(), Some("chain.step"));
            codes.insert(problem.code.clone());
        }
        // The four refusals share a code, everything else has its own.
        assert_eq!(codes.len(), 11);
    }
}
