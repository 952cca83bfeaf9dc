//! What webhooks can be told, by the names that stand in messages and filters.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The type of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum EventType {
    /// A job was submitted.
    #[serde(rename = "job.queued")]
    JobQueued,
    /// A worker has begun with it.
    #[serde(rename = "job.running")]
    JobRunning,
    /// It ended, and every part of its result is fine.
    #[serde(rename = "job.succeeded")]
    JobSucceeded,
    /// It ended with a result of which a part is not fine.
    #[serde(rename = "job.partial")]
    JobPartial,
    /// It ended without a result; the problem says why.
    #[serde(rename = "job.failed")]
    JobFailed,
    /// Somebody cancelled it.
    #[serde(rename = "job.cancelled")]
    JobCancelled,
    /// A test, sent on demand whatever the filter says.
    #[serde(rename = "webhook.ping")]
    WebhookPing,
}

/// Text that is no type of a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a type of event")]
pub struct UnknownEventType(String);

impl EventType {
    /// Every type.
    pub const ALL: [Self; 7] = [
        Self::JobQueued,
        Self::JobRunning,
        Self::JobSucceeded,
        Self::JobPartial,
        Self::JobFailed,
        Self::JobCancelled,
        Self::WebhookPing,
    ];

    /// The name used in the database, in messages and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JobQueued => "job.queued",
            Self::JobRunning => "job.running",
            Self::JobSucceeded => "job.succeeded",
            Self::JobPartial => "job.partial",
            Self::JobFailed => "job.failed",
            Self::JobCancelled => "job.cancelled",
            Self::WebhookPing => "webhook.ping",
        }
    }
}

impl FromStr for EventType {
    type Err = UnknownEventType;

    fn from_str(text: &str) -> Result<Self, UnknownEventType> {
        let found = Self::ALL.into_iter().find(|event| event.as_str() == text);
        found.ok_or_else(|| UnknownEventType(text.to_owned()))
    }
}

/// The types as the database keeps them: in the order of [`EventType::ALL`], separated by spaces.
pub(super) fn to_text(types: &[EventType]) -> String {
    let names: Vec<&str> =
        EventType::ALL.iter().filter(|event| types.contains(event)).map(|event| event.as_str()).collect();
    names.join(" ")
}

/// The types named in `text`; a name that this version does not know is left out.
pub(super) fn from_text(text: &str) -> Vec<EventType> {
    text.split(' ').filter_map(|name| name.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::job::JobState;

    #[test]
    fn there_is_a_type_for_every_state_of_a_job() {
        for state in ["queued", "running", "succeeded", "partial", "failed", "cancelled"] {
            assert!(JobState::from_name(state).is_some());
            assert!(format!("job.{state}").parse::<EventType>().is_ok(), "{state}");
        }
    }

    #[test]
    fn types_survive_storage_once_each_and_have_one_name_everywhere() {
        let given = [EventType::JobFailed, EventType::JobQueued, EventType::JobFailed];
        assert_eq!(from_text(&to_text(&given)), [EventType::JobQueued, EventType::JobFailed]);
        for event in EventType::ALL {
            assert_eq!(serde_json::to_value(event).unwrap(), event.as_str());
        }
    }
}
