//! Webhooks as clients see them and as they ask for them.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{error::ApiError, job_labels::is_name, limits::ApiConfig, time::rfc3339};
use crate::{
    domain::{
        ids::{DeliveryId, JobId, WebhookId},
        problem::Problem,
    },
    webhooks::{
        Delivery, DeliveryState, DisabledReason, EventType, NewWebhook, Secret, Webhook, WebhookChanges, WebhookUrl,
        WebhooksConfig,
    },
};

/// A webhook to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "url": "https://hooks.example.com/paddock", "name": "race day", "events": ["job.succeeded", "job.failed"] })))]
pub struct WebhookRequest {
    /// Where to: `https:`, a host that everybody can reach, no user name.
    url: String,
    /// A name for people.
    #[serde(default)]
    name: Option<String>,
    /// What it is told; everything where absent.
    #[serde(default)]
    events: Option<Vec<EventType>>,
}

/// What to change of a webhook; what is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "events": ["job.failed"] })))]
pub struct WebhookChangesRequest {
    /// Where to.
    #[serde(default)]
    url: Option<String>,
    /// A name for people; `null` takes it away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    name: Option<Option<String>>,
    /// What it is told; `null` means everything.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<EventType>>)]
    events: Option<Option<Vec<EventType>>>,
}

/// A field that is there, be it `null`: absent and `null` mean different things.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl WebhookRequest {
    /// The webhook that is asked for.
    ///
    /// # Errors
    /// `invalid-input` with the field that is wrong.
    pub fn checked(self, webhooks: &WebhooksConfig, api: &ApiConfig) -> Result<NewWebhook, ApiError> {
        Ok(NewWebhook {
            url: checked_url(&self.url, webhooks)?,
            name: checked_name(self.name, api)?,
            events: checked_events(self.events)?,
        })
    }
}

impl WebhookChangesRequest {
    /// The changes that are asked for.
    ///
    /// # Errors
    /// `invalid-input` with the field that is wrong.
    pub fn checked(self, webhooks: &WebhooksConfig, api: &ApiConfig) -> Result<WebhookChanges, ApiError> {
        Ok(WebhookChanges {
            url: self.url.map(|url| checked_url(&url, webhooks)).transpose()?,
            name: self.name.map(|name| checked_name(name, api)).transpose()?,
            events: self.events.map(checked_events).transpose()?,
        })
    }
}

fn checked_url(text: &str, config: &WebhooksConfig) -> Result<WebhookUrl, ApiError> {
    WebhookUrl::parse(text, config).map_err(|refused| {
        let action = "Send a URL that this server may send to; the operator decides whether inner addresses are.";
        let limit = format!("{} characters", config.url_chars_max);
        Problem::invalid("/url", format!("Not a webhook's URL: {refused}."), action).with_limit(limit).into()
    })
}

fn checked_name(name: Option<String>, config: &ApiConfig) -> Result<Option<String>, ApiError> {
    let name = name.map(|name| name.trim().to_owned());
    if name.as_deref().is_none_or(|name| is_name(name, config)) {
        return Ok(name);
    }
    let range = format!("1..={} printable characters", config.name_chars_max);
    let problem = Problem::invalid("/name", "The name is not a text that can be shown.", format!("Send {range}."));
    Err(problem.with_limit(range).into())
}

fn checked_events(events: Option<Vec<EventType>>) -> Result<Option<Vec<EventType>>, ApiError> {
    match events {
        Some(events) if events.is_empty() => Err(Problem::invalid(
            "/events",
            "A webhook that is told nothing is none.",
            "Name at least one type of event, or leave `events` out to be told everything.",
        )
        .into()),
        events => Ok(events),
    }
}

/// A webhook.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookView {
    /// Id.
    id: WebhookId,
    /// Where to.
    url: String,
    /// Its name, where it was given one.
    name: Option<String>,
    /// What it is told; `null` means everything, also what a later version brings.
    events: Option<Vec<EventType>>,
    /// Present where it is told nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Option<DisabledView>,
    /// The first failure since the last success; `null` where the last attempt went well.
    #[schema(format = DateTime)]
    failing_since: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
}

/// Why a webhook is told nothing.
#[derive(Debug, Serialize, ToSchema)]
pub struct DisabledView {
    /// `gone`, or `failing`.
    #[schema(examples("gone"))]
    reason: &'static str,
    /// The same for people.
    detail: &'static str,
    /// Since when.
    #[schema(format = DateTime)]
    since: String,
}

impl From<Webhook> for WebhookView {
    fn from(webhook: Webhook) -> Self {
        let disabled = webhook.disabled.map(|(since_us, reason)| DisabledView {
            reason: reason.as_str(),
            detail: match reason {
                DisabledReason::Gone => "The receiver answered 410 Gone.",
                DisabledReason::Failing => "The receiver has failed for days without a success in between.",
            },
            since: rfc3339(since_us),
        });
        Self {
            id: webhook.id,
            url: webhook.url,
            name: webhook.name,
            events: webhook.events,
            disabled,
            failing_since: webhook.failing_since_us.map(rfc3339),
            created_at: rfc3339(webhook.created_us),
        }
    }
}

/// A webhook with the secret that was just made for it.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookWithSecret {
    /// The webhook.
    #[serde(flatten)]
    webhook: WebhookView,
    /// What its messages are signed with, `whsec_` and base64. Shown in this answer only; absent where a repeated request asks
    /// for a secret that has expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))]
    secret: Option<String>,
}

impl WebhookWithSecret {
    /// The webhook with its secret, in the open.
    pub fn new(webhook: Webhook, secret: Option<&Secret>) -> Self {
        Self { webhook: webhook.into(), secret: secret.map(Secret::expose) }
    }

    /// Its id.
    pub const fn id(&self) -> &WebhookId {
        &self.webhook.id
    }
}

/// One event on its way to a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryView {
    /// Id; the header `webhook-id` of every attempt.
    id: DeliveryId,
    /// What it tells.
    #[serde(rename = "type")]
    event: EventType,
    /// Of which job; `null` for a test.
    job: Option<JobId>,
    /// Where it stands.
    state: DeliveryState,
    /// Attempts since it was last asked for.
    attempts: u32,
    /// When the event happened.
    #[schema(format = DateTime)]
    created_at: String,
    /// When the next attempt is due; `null` unless pending.
    #[schema(format = DateTime)]
    next_attempt_at: Option<String>,
    /// What came of the last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_attempt: Option<AttemptedView>,
}

/// What came of an attempt.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttemptedView {
    /// When it ended; `null` where it was given up before there was one.
    #[schema(format = DateTime)]
    at: Option<String>,
    /// HTTP status of the answer; `null` where there was none.
    status: Option<u16>,
    /// Why it failed; `null` where it did not.
    error: Option<String>,
    /// The first characters of the answer.
    response: Option<String>,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        let was_attempted = delivery.attempted_us.is_some() || delivery.error.is_some();
        let last_attempt = was_attempted.then(|| AttemptedView {
            at: delivery.attempted_us.map(rfc3339),
            status: delivery.status,
            error: delivery.error,
            response: delivery.response,
        });
        Self {
            id: delivery.id,
            event: delivery.event,
            job: delivery.job,
            state: delivery.state,
            attempts: delivery.attempts,
            created_at: rfc3339(delivery.created_us),
            next_attempt_at: delivery.due_us.map(rfc3339),
            last_attempt,
        }
    }
}
