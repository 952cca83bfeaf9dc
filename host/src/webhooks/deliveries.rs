//! Deliveries as their team sees them: what was sent, what is still to be sent, and what is given up until somebody asks again.

use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use utoipa::ToSchema;

use super::{
    endpoints::{self, parsed},
    error::WebhooksError,
    event_type::EventType,
};
use crate::{
    db::{Db, Hint, Row, WriteTx},
    domain::ids::{DeliveryId, JobId, TeamId, WebhookId},
};

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It waits for its next attempt, or is under way. Leaves when the receiver takes it (delivered), and when the schedule ends or
    /// the webhook is disabled (dead). A crash of the sender does not leave it: the lease runs out and it is sent again.
    Pending,
    /// The receiver answered 2xx. Leaves when somebody asks for it again (pending).
    Delivered,
    /// Given up. Leaves when somebody asks for it again (pending).
    Dead,
}

impl DeliveryState {
    /// The name used in the database and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Dead].into_iter().find(|state| state.as_str() == name)
    }
}

/// One event on its way to one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The `webhook-id` of every attempt.
    pub id: DeliveryId,
    /// What it tells.
    pub event: EventType,
    /// Of which job; `None` for a ping.
    pub job: Option<JobId>,
    /// When the event happened, in microseconds since 1970-01-01 UTC.
    pub created_us: i64,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts that have failed or succeeded since it was last asked for.
    pub attempts: u32,
    /// When the next attempt is due, in microseconds since 1970-01-01 UTC; `None` unless pending.
    pub due_us: Option<i64>,
    /// When the last attempt ended, in microseconds since 1970-01-01 UTC.
    pub attempted_us: Option<i64>,
    /// HTTP status of the last attempt's answer, where there was one.
    pub status: Option<u16>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// The first characters of the last answer's body.
    pub response: Option<String>,
}

/// The last delivery of a page; the next page starts after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryCursor {
    /// When its event happened, in microseconds since 1970-01-01 UTC.
    pub created_us: i64,
    /// Its id.
    pub id: String,
}

const LIST: &str = "
    SELECT id, event_type, job_id, created_us, state, attempts, due_us, attempted_us, status, error, response
    FROM webhook_deliveries
    WHERE webhook_id = $1
        AND (CAST($2 AS TEXT) IS NULL OR state = $2)
        AND (CAST($3 AS BIGINT) IS NULL OR (created_us, id) < ($3, $4))
    ORDER BY created_us DESC, id DESC LIMIT $5";

/// A page of a webhook's deliveries, newest event first, and where the next page starts.
///
/// # Errors
/// As [`endpoints::find`].
pub async fn list(
    db: &Db,
    (team, webhook): (&TeamId, &WebhookId),
    state: Option<DeliveryState>,
    after: Option<&DeliveryCursor>,
    limit: u32,
) -> Result<(Vec<Delivery>, Option<DeliveryCursor>), WebhooksError> {
    endpoints::find(db, team, webhook).await?;
    let rows = sqlx::query(LIST)
        .bind(webhook.as_str())
        .bind(state.map(DeliveryState::as_str))
        .bind(after.map(|cursor| cursor.created_us))
        .bind(after.map(|cursor| cursor.id.as_str()))
        // One more than asked for tells whether there is a next page.
        .bind(i64::from(limit) + 1)
        .fetch_all(db.read())
        .await?;
    let has_more = rows.len() > limit as usize;
    let deliveries = rows.iter().take(limit as usize).map(read_delivery).collect::<Result<Vec<_>, _>>()?;
    let last = deliveries.last().filter(|_| has_more);
    let next = last.map(|last| DeliveryCursor { created_us: last.created_us, id: last.id.to_string() });
    Ok((deliveries, next))
}

/// One that is under way stays as it is: its outcome decides.
const REDELIVER: &str = "
    UPDATE webhook_deliveries
    SET state = 'pending', attempts = CASE WHEN state = 'pending' THEN attempts ELSE 0 END, finished_us = NULL,
        due_us = (SELECT now_us FROM clock)
    WHERE webhook_id = $1 AND id = $2 AND lease_until_us IS NULL";
const FIND: &str = "
    SELECT id, event_type, job_id, created_us, state, attempts, due_us, attempted_us, status, error, response
    FROM webhook_deliveries WHERE webhook_id = $1 AND id = $2";

/// Makes a delivery due now, whatever came of it before; the receiver sees the same id. One that had ended has its whole schedule
/// before it again.
///
/// # Errors
/// [`WebhooksError::Disabled`], and as [`endpoints::find`]; nothing is changed then.
pub async fn redeliver(
    db: &Db,
    team: &TeamId,
    webhook: &WebhookId,
    delivery: &DeliveryId,
) -> Result<Delivery, WebhooksError> {
    let mut tx = db.write().await?;
    lock_enabled(&mut tx, team, webhook).await?;
    sqlx::query(REDELIVER).bind(webhook.as_str()).bind(delivery.as_str()).execute(&mut *tx).await?;
    let row = sqlx::query(FIND).bind(webhook.as_str()).bind(delivery.as_str()).fetch_optional(&mut *tx).await?;
    let found = read_delivery(&row.ok_or(WebhooksError::NotFound("delivery"))?)?;
    tx.hint(Hint::DeliveryDue);
    tx.commit().await?;
    Ok(found)
}

const PING: &str = "
    INSERT INTO webhook_deliveries (id, webhook_id, event_type, created_us, due_us)
    SELECT $1, $2, 'webhook.ping', now_us, now_us FROM clock
    RETURNING id, event_type, job_id, created_us, state, attempts, due_us, attempted_us, status, error, response";

/// Sends the webhook a test, within the caller's transaction. It is tried once.
///
/// # Errors
/// [`WebhooksError::Disabled`], and as [`endpoints::find`]. Roll the transaction back then.
pub async fn ping_in(tx: &mut WriteTx, team: &TeamId, webhook: &WebhookId) -> Result<Delivery, WebhooksError> {
    lock_enabled(tx, team, webhook).await?;
    let row = sqlx::query(PING).bind(DeliveryId::random().as_str()).bind(webhook.as_str()).fetch_one(&mut **tx).await?;
    tx.hint(Hint::DeliveryDue);
    read_delivery(&row)
}

/// A delivery of the webhook. Check first whose the webhook is.
///
/// # Errors
/// [`WebhooksError::NotFound`] or [`WebhooksError::Db`].
pub async fn find(db: &Db, webhook: &WebhookId, delivery: &DeliveryId) -> Result<Delivery, WebhooksError> {
    let row = sqlx::query(FIND).bind(webhook.as_str()).bind(delivery.as_str()).fetch_optional(db.read()).await?;
    read_delivery(&row.ok_or(WebhooksError::NotFound("delivery"))?)
}

async fn lock_enabled(tx: &mut WriteTx, team: &TeamId, webhook: &WebhookId) -> Result<(), WebhooksError> {
    match endpoints::lock(tx, team, webhook).await?.disabled {
        Some(_) => Err(WebhooksError::Disabled),
        None => Ok(()),
    }
}

fn read_delivery(row: &Row) -> Result<Delivery, WebhooksError> {
    let state: String = row.try_get("state")?;
    let state =
        DeliveryState::from_name(&state).ok_or_else(|| WebhooksError::unreadable("webhook_deliveries.state", state))?;
    let job: Option<String> = row.try_get("job_id")?;
    let job = job
        .map(|id| id.parse().map_err(|error| WebhooksError::unreadable("webhook_deliveries.job_id", error)))
        .transpose()?;
    let due_us: i64 = row.try_get("due_us")?;
    let attempts: i64 = row.try_get("attempts")?;
    let status: Option<i64> = row.try_get("status")?;
    Ok(Delivery {
        id: parsed(row, "id", "webhook_deliveries.id")?,
        event: parsed(row, "event_type", "webhook_deliveries.event_type")?,
        job,
        created_us: row.try_get("created_us")?,
        state,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        due_us: (state == DeliveryState::Pending).then_some(due_us),
        attempted_us: row.try_get("attempted_us")?,
        status: status.and_then(|status| u16::try_from(status).ok()),
        error: row.try_get("error")?,
        response: row.try_get("response")?,
    })
}
