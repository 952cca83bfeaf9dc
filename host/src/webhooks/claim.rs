//! Claiming what is due: which webhooks get the free places, and a lease on a delivery for each place.

use std::collections::HashMap;

use serde_json::{Value, json};
use sqlx::Row as _;

use super::{
    endpoints::{parsed, read_secret},
    error::WebhooksError,
    event_type::EventType,
    message::{JobMessage, Message, MessageData},
    secret::Secret,
};
use crate::{
    db::{Db, Row, WriteTx},
    domain::ids::{DeliveryId, WebhookId},
};

/// Whoever claims or cleans up takes turns under this name: what is under way is counted and then changed.
pub(super) const TURNS: &str = "webhook deliveries";

/// What a claim is made under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    /// How long the lease lasts, in microseconds.
    pub(super) lease_us: i64,
    /// Deliveries of one webhook that may be under way at the same time.
    pub(super) per_webhook_max: usize,
    /// Places that are free here.
    pub(super) places: usize,
}

/// The right to send a delivery and to write what came of it, until the lease ends and somebody else claims it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Claim {
    pub(super) delivery: DeliveryId,
    pub(super) epoch: i64,
    pub(super) webhook: WebhookId,
    pub(super) url: String,
    /// The valid ones, newest first.
    pub(super) secrets: Vec<Secret>,
    pub(super) message: Message,
    /// Attempts before this one.
    pub(super) attempts: u32,
}

/// A webhook to which something can be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ready {
    id: String,
    url: String,
    in_flight: usize,
}

/// Due, not under way, and not overtaking an earlier event of its job: one waits for the first attempt at the one before. What has
/// failed once holds up nobody.
macro_rules! claimable {
    () => {
        "due.state = 'pending' AND due.lease_until_us IS NULL AND due.due_us <= (SELECT now_us FROM clock)
        AND NOT EXISTS (
            SELECT 1 FROM webhook_deliveries AS earlier
            WHERE earlier.job_id = due.job_id AND earlier.webhook_id = due.webhook_id AND earlier.sequence < due.sequence
                AND earlier.state = 'pending' AND (earlier.attempts = 0 OR earlier.lease_until_us IS NOT NULL))"
    };
}

/// Those with the fewest requests under way first, then those that have waited longest.
const READY: &str = concat!(
    "SELECT webhooks.id, webhooks.url,
        (SELECT COUNT(*) FROM webhook_deliveries
            WHERE webhook_id = webhooks.id AND lease_until_us IS NOT NULL) AS in_flight,
        (SELECT MIN(due_us) FROM webhook_deliveries
            WHERE webhook_id = webhooks.id AND state = 'pending' AND lease_until_us IS NULL) AS first_due_us
    FROM webhooks
    WHERE disabled_us IS NULL AND paused_until_us <= (SELECT now_us FROM clock)
        AND EXISTS (SELECT 1 FROM webhook_deliveries AS due WHERE due.webhook_id = webhooks.id AND ",
    claimable!(),
    ") ORDER BY in_flight, first_due_us, webhooks.id LIMIT $1"
);

/// Claims as many due deliveries as there are places, and not more of one webhook than it may have under way.
pub(super) async fn claim(db: &Db, terms: Terms) -> Result<Vec<Claim>, WebhooksError> {
    // Looked at without a transaction first: most of the time there is nothing to do, and writers take turns.
    if terms.places == 0 || sqlx::query(READY).bind(1_i64).fetch_optional(db.read()).await?.is_none() {
        return Ok(Vec::new());
    }
    let mut tx = db.write().await?;
    tx.take_turns(TURNS).await?;
    let asked = i64::try_from(terms.places).unwrap_or(i64::MAX);
    let rows = sqlx::query(READY).bind(asked).fetch_all(&mut *tx).await?;
    let ready = rows.iter().map(read_ready).collect::<Result<Vec<_>, _>>()?;
    let mut claims = Vec::new();
    for (webhook, places) in ready.iter().zip(shares(&ready, terms)).filter(|(_, places)| *places > 0) {
        claims.extend(claim_of(&mut tx, webhook, places, terms.lease_us).await?);
    }
    attach_secrets(&mut tx, &mut claims).await?;
    if claims.is_empty() {
        tx.rollback().await?
    } else {
        tx.commit().await?
    }
    Ok(claims)
}

/// How many places each webhook gets: one each, then a second one each, and so on.
fn shares(ready: &[Ready], terms: Terms) -> Vec<usize> {
    let mut shares = vec![0; ready.len()];
    let mut left = terms.places;
    loop {
        let before = left;
        for (share, webhook) in shares.iter_mut().zip(ready) {
            if left > 0 && *share + webhook.in_flight < terms.per_webhook_max {
                *share += 1;
                left -= 1;
            }
        }
        if left == before {
            return shares;
        }
    }
}

const CLAIM: &str = concat!(
    "UPDATE webhook_deliveries
    SET lease_epoch = lease_epoch + 1, lease_until_us = (SELECT now_us FROM clock) + $3
    WHERE state = 'pending' AND lease_until_us IS NULL AND id IN (
        SELECT due.id FROM webhook_deliveries AS due WHERE due.webhook_id = $1 AND ",
    claimable!(),
    " ORDER BY due.due_us, due.sequence LIMIT $2)
    RETURNING id, lease_epoch, event_type, sequence, job_id, job_kind, job_name, data, created_us, attempts"
);

async fn claim_of(
    tx: &mut WriteTx,
    webhook: &Ready,
    places: usize,
    lease_us: i64,
) -> Result<Vec<Claim>, WebhooksError> {
    let rows = sqlx::query(CLAIM)
        .bind(&webhook.id)
        .bind(i64::try_from(places).unwrap_or(i64::MAX))
        .bind(lease_us)
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(|row| read_claim(row, webhook)).collect()
}

const SECRETS: &str = "
    SELECT webhook_id, secret FROM webhook_secrets
    WHERE webhook_id IN (SELECT value ->> 'id' FROM json_each($1))
        AND (expires_us IS NULL OR expires_us > (SELECT now_us FROM clock))
    ORDER BY created_us DESC, id";

async fn attach_secrets(tx: &mut WriteTx, claims: &mut [Claim]) -> Result<(), WebhooksError> {
    let ids: Vec<_> = claims.iter().map(|claim| json!({ "id": claim.webhook })).collect();
    let rows = sqlx::query(SECRETS).bind(json!(ids).to_string()).fetch_all(&mut **tx).await?;
    let mut secrets: HashMap<String, Vec<Secret>> = HashMap::new();
    for row in &rows {
        let secret: String = row.try_get("secret")?;
        secrets.entry(row.try_get("webhook_id")?).or_default().push(read_secret(&secret)?);
    }
    for claim in claims {
        claim.secrets = secrets.get(claim.webhook.as_str()).cloned().unwrap_or_default();
    }
    Ok(())
}

fn read_ready(row: &Row) -> Result<Ready, WebhooksError> {
    let in_flight: i64 = row.try_get("in_flight")?;
    Ok(Ready {
        id: row.try_get("id")?,
        url: row.try_get("url")?,
        in_flight: usize::try_from(in_flight).unwrap_or(usize::MAX),
    })
}

fn read_claim(row: &Row, webhook: &Ready) -> Result<Claim, WebhooksError> {
    let attempts: i64 = row.try_get("attempts")?;
    let webhook_id: WebhookId = webhook.id.parse().map_err(|error| WebhooksError::unreadable("webhooks.id", error))?;
    let event: EventType = parsed(row, "event_type", "webhook_deliveries.event_type")?;
    let data = match event {
        EventType::WebhookPing => MessageData::Ping { webhook: webhook_id.clone() },
        _ => MessageData::Job(read_job(row)?),
    };
    Ok(Claim {
        delivery: parsed(row, "id", "webhook_deliveries.id")?,
        epoch: row.try_get("lease_epoch")?,
        webhook: webhook_id,
        url: webhook.url.clone(),
        secrets: Vec::new(),
        message: Message::new(event, row.try_get("created_us")?, data),
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
    })
}

fn read_job(row: &Row) -> Result<JobMessage, WebhooksError> {
    let data: String = row.try_get("data")?;
    let mut data: Value =
        serde_json::from_str(&data).map_err(|error| WebhooksError::unreadable("webhook_deliveries.data", error))?;
    Ok(JobMessage {
        job: parsed(row, "job_id", "webhook_deliveries.job_id")?,
        kind: row.try_get("job_kind")?,
        name: row.try_get("job_name")?,
        state: data["state"].take(),
        problem: data.get_mut("problem").map(Value::take),
        sequence: row.try_get("sequence")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(in_flight: &[usize], places: usize, per_webhook_max: usize) -> Vec<usize> {
        let ready: Vec<_> = in_flight
            .iter()
            .map(|in_flight| Ready { id: String::new(), url: String::new(), in_flight: *in_flight })
            .collect();
        shares(&ready, Terms { lease_us: 1, per_webhook_max, places })
    }

    #[test]
    fn places_go_round_and_a_webhook_at_its_bound_gets_none() {
        assert_eq!(shared(&[0, 0, 0], 5, 4), [2, 2, 1]);
        assert_eq!(shared(&[0, 3, 4], 20, 4), [4, 1, 0]);
        assert_eq!(shared(&[0, 0], 1, 4), [1, 0]);
        assert_eq!(shared(&[], 5, 4), Vec::<usize>::new());
    }
}
