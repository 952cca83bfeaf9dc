//! Claiming what is due: which webhooks get the free places, and a lease on a delivery for each place.

use std::collections::{HashMap, HashSet};

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

/// Deliveries of a webhook that are looked at for each one that may be under way. A job has three events at most, so the earlier
/// ones of those that have to wait are among these.
const LOOKED_AT: usize = 4;

/// A webhook to which something can be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ready {
    id: String,
    url: String,
    in_flight: usize,
}

/// Something due.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Due {
    id: String,
    /// `None` for a ping.
    job: Option<String>,
}

/// Those with the fewest requests under way first, then those that have waited longest.
const READY: &str = "
    SELECT id, url, in_flight FROM (
        SELECT webhooks.id, webhooks.url,
            (SELECT COUNT(*) FROM webhook_deliveries
                WHERE webhook_id = webhooks.id AND lease_until_us IS NOT NULL) AS in_flight,
            (SELECT MIN(due_us) FROM webhook_deliveries
                WHERE webhook_id = webhooks.id AND state = 'pending' AND lease_until_us IS NULL) AS first_due_us
        FROM webhooks WHERE disabled_us IS NULL AND paused_until_us <= (SELECT now_us FROM clock)
    ) AS waiting
    WHERE in_flight < $2 AND first_due_us <= (SELECT now_us FROM clock)
    ORDER BY in_flight, first_due_us, id LIMIT $1";

/// Claims as many due deliveries as there are places, and not more of one webhook than it may have under way.
pub(super) async fn claim(db: &Db, terms: Terms) -> Result<Vec<Claim>, WebhooksError> {
    // Looked at without a transaction first: most of the time there is nothing to do, and writers take turns.
    let look = sqlx::query(READY).bind(1_i64).bind(counted(terms.per_webhook_max));
    if terms.places == 0 || look.fetch_optional(db.read()).await?.is_none() {
        return Ok(Vec::new());
    }
    let mut tx = db.write().await?;
    tx.take_turns(TURNS).await?;
    let chosen = choose(&mut tx, terms).await?;
    let claims = lease(&mut tx, &chosen, terms.lease_us).await?;
    if claims.is_empty() {
        tx.rollback().await?
    } else {
        tx.commit().await?
    }
    Ok(claims)
}

/// Which deliveries get the places, each with its webhook.
async fn choose(tx: &mut WriteTx, terms: Terms) -> Result<Vec<(Due, Ready)>, WebhooksError> {
    let asked = sqlx::query(READY).bind(counted(terms.places)).bind(counted(terms.per_webhook_max));
    let rows = asked.fetch_all(&mut **tx).await?;
    let ready = rows.iter().map(read_ready).collect::<Result<Vec<_>, _>>()?;
    let mut chosen = Vec::new();
    for (webhook, places) in ready.iter().zip(shares(&ready, terms)).filter(|(_, places)| *places > 0) {
        let under_way = jobs_under_way(tx, webhook).await?;
        let due = due(tx, webhook, LOOKED_AT * terms.per_webhook_max).await?;
        chosen.extend(pick(due, under_way, places).into_iter().map(|due| (due, webhook.clone())));
    }
    Ok(chosen)
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

const UNDER_WAY: &str = "
    SELECT job_id FROM webhook_deliveries WHERE webhook_id = $1 AND lease_until_us IS NOT NULL AND job_id IS NOT NULL";

async fn jobs_under_way(tx: &mut WriteTx, webhook: &Ready) -> Result<HashSet<String>, WebhooksError> {
    let jobs: Vec<String> = sqlx::query_scalar(UNDER_WAY).bind(&webhook.id).fetch_all(&mut **tx).await?;
    Ok(jobs.into_iter().collect())
}

const DUE: &str = "
    SELECT id, job_id FROM webhook_deliveries
    WHERE webhook_id = $1 AND state = 'pending' AND lease_until_us IS NULL AND due_us <= (SELECT now_us FROM clock)
    ORDER BY due_us, sequence LIMIT $2";

async fn due(tx: &mut WriteTx, webhook: &Ready, most: usize) -> Result<Vec<Due>, WebhooksError> {
    let rows: Vec<(String, Option<String>)> =
        sqlx::query_as(DUE).bind(&webhook.id).bind(counted(most)).fetch_all(&mut **tx).await?;
    Ok(rows.into_iter().map(|(id, job)| Due { id, job }).collect())
}

/// The first deliveries of which no other of the same job is under way: so a job's events are told in their order. One that has
/// failed waits for its next attempt without holding up those behind it.
fn pick(due: Vec<Due>, mut under_way: HashSet<String>, places: usize) -> Vec<Due> {
    let is_free = |due: &Due| due.job.as_ref().is_none_or(|job| under_way.insert(job.clone()));
    due.into_iter().filter(is_free).take(places).collect()
}

const LEASE: &str = "
    UPDATE webhook_deliveries
    SET lease_epoch = lease_epoch + 1, lease_until_us = (SELECT now_us FROM clock) + $2
    WHERE id IN (SELECT value ->> 'id' FROM json_each($1)) AND state = 'pending' AND lease_until_us IS NULL
    RETURNING id, webhook_id, lease_epoch, event_type, sequence, job_id, job_kind, job_name, data, created_us, attempts";

async fn lease(tx: &mut WriteTx, chosen: &[(Due, Ready)], lease_us: i64) -> Result<Vec<Claim>, WebhooksError> {
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = chosen.iter().map(|(due, _)| json!({ "id": due.id })).collect();
    let rows = sqlx::query(LEASE).bind(json!(ids).to_string()).bind(lease_us).fetch_all(&mut **tx).await?;
    let urls: HashMap<&str, &str> = chosen.iter().map(|(_, webhook)| (&*webhook.id, &*webhook.url)).collect();
    let mut claims = rows.iter().map(|row| read_claim(row, &urls)).collect::<Result<Vec<_>, _>>()?;
    attach_secrets(tx, &mut claims).await?;
    Ok(claims)
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

fn counted(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn read_ready(row: &Row) -> Result<Ready, WebhooksError> {
    let in_flight: i64 = row.try_get("in_flight")?;
    Ok(Ready {
        id: row.try_get("id")?,
        url: row.try_get("url")?,
        in_flight: usize::try_from(in_flight).unwrap_or(usize::MAX),
    })
}

fn read_claim(row: &Row, urls: &HashMap<&str, &str>) -> Result<Claim, WebhooksError> {
    let attempts: i64 = row.try_get("attempts")?;
    let webhook: WebhookId = parsed(row, "webhook_id", "webhook_deliveries.webhook_id")?;
    let event: EventType = parsed(row, "event_type", "webhook_deliveries.event_type")?;
    let data = match event {
        EventType::WebhookPing => MessageData::Ping { webhook: webhook.clone() },
        _ => MessageData::Job(read_job(row)?),
    };
    Ok(Claim {
        delivery: parsed(row, "id", "webhook_deliveries.id")?,
        epoch: row.try_get("lease_epoch")?,
        url: urls.get(webhook.as_str()).copied().unwrap_or_default().to_owned(),
        webhook,
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

    #[test]
    fn of_each_job_one_delivery_is_under_way_and_pings_do_not_wait() {
        let due = [("1", Some("a")), ("2", Some("b")), ("3", Some("a")), ("4", None), ("5", Some("c")), ("6", None)]
            .map(|(id, job)| Due { id: id.to_owned(), job: job.map(str::to_owned) });
        let picked = |under_way: &[&str], places| {
            let under_way = under_way.iter().map(|job| (*job).to_owned()).collect();
            pick(due.to_vec(), under_way, places).into_iter().map(|due| due.id).collect::<Vec<_>>()
        };
        assert_eq!(picked(&[], 9), ["1", "2", "4", "5", "6"]);
        assert_eq!(picked(&["a"], 9), ["2", "4", "5", "6"]);
        assert_eq!(picked(&["a", "c"], 2), ["2", "4"]);
        assert_eq!(picked(&[], 0), Vec::<String>::new());
    }
}
