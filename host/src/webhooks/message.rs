//! What a webhook is sent: thin on purpose. Who wants the result fetches it, with a key and a line in the audit trail.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::event_type::EventType;
use crate::domain::{
    ids::{JobId, WebhookId},
    job::{JobKind, JobState},
    problem::Problem,
};

/// The body of a webhook's request. The same event has the same bytes at every attempt.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = WebhookMessage, examples(json!({
    "type": "job.succeeded",
    "timestamp": "2026-04-12T18:00:00.25Z",
    "data": {
        "job": "job_0123456789abcdef0123456789abcdef",
        "kind": "optimize",
        "name": "Sunday, main slate",
        "state": "succeeded",
        "sequence": 4711
    }
})))]
pub struct Message {
    /// What happened.
    #[serde(rename = "type")]
    pub event: EventType,
    /// When it happened; the header `webhook-timestamp` says when it was sent.
    #[schema(format = DateTime)]
    pub timestamp: String,
    /// To what.
    pub data: MessageData,
}

/// What a message is about.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum MessageData {
    /// A job has another state.
    Job(JobMessage),
    /// Somebody wants to see a message arrive.
    Ping {
        /// The webhook that this is sent to.
        webhook: WebhookId,
    },
}

/// A job's new state.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct JobMessage {
    /// The job.
    pub job: JobId,
    /// What it does.
    #[schema(value_type = JobKind)]
    pub kind: String,
    /// Its name, where it was given one.
    pub name: Option<String>,
    /// The state it has come to.
    #[schema(value_type = JobState)]
    pub state: Value,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Problem>)]
    pub problem: Option<Value>,
    /// Orders the messages about a job; the number of the event in the job's list.
    pub sequence: i64,
}

impl Message {
    /// A message about something that happened at `created_us`, in microseconds since 1970-01-01 UTC.
    pub(super) fn new(event: EventType, created_us: i64, data: MessageData) -> Self {
        // Only the edges of the range fail, thousands of years from now.
        let timestamp = Timestamp::from_microsecond(created_us).unwrap_or(Timestamp::MAX).to_string();
        Self { event, timestamp, data }
    }

    /// The bytes that are signed and sent.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_has_the_recommended_shape_and_nothing_of_the_result() {
        let data = JobMessage {
            job: "job_0123456789abcdef0123456789abcdef".parse().unwrap(),
            kind: "simulate".to_owned(),
            name: None,
            state: json!("failed"),
            problem: Some(json!({ "code": "deadline-exceeded" })),
            sequence: 12,
        };
        let message = Message::new(EventType::JobFailed, 1_000_250_000, MessageData::Job(data));
        let sent: Value = serde_json::from_slice(&message.to_bytes().unwrap()).unwrap();
        let wanted = json!({
            "type": "job.failed",
            "timestamp": "1970-01-01T00:16:40.25Z",
            "data": {
                "job": "job_0123456789abcdef0123456789abcdef",
                "kind": "simulate",
                "name": null,
                "state": "failed",
                "problem": { "code": "deadline-exceeded" },
                "sequence": 12
            }
        });
        assert_eq!(sent, wanted);
    }
}
