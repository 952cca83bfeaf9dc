//! Webhooks by the Standard Webhooks specification 1.0: telling a team's own servers what happens to its jobs.
//!
//! Whoever appends a state event hands it to the team's webhooks in the same transaction (`jobs/events.rs`), so what is committed
//! is told, whatever dies afterwards. Senders claim deliveries with a lease by the database's clock; any number of processes may
//! send. A sender that dies after its request and before its note makes another one send again: a delivery can arrive twice,
//! under the same id, and is never lost.

mod address;
mod claim;
mod courier;
pub mod deliveries;
pub mod endpoints;
mod error;
mod event_type;
mod limits;
mod message;
mod record;
mod schedule;
mod secret;
mod sender;
mod target;
mod upkeep;

pub use deliveries::{Delivery, DeliveryCursor, DeliveryState};
pub use endpoints::{Created, DisabledReason, NewWebhook, Webhook, WebhookChanges};
pub use error::WebhooksError;
pub use event_type::EventType;
pub use limits::WebhooksConfig;
pub use message::Message;
pub use secret::{MalformedSecret, Secret};
pub use sender::{Sender, SenderHandle};
pub use target::{TargetRefused, WebhookUrl};

#[cfg(test)]
mod tests;
