//! Webhooks as rows: making, reading, changing, disabling and rotating their secrets.

use sqlx::Row as _;

use super::{
    error::WebhooksError,
    event_type::{self, EventType},
    limits::{WebhooksConfig, seconds_us},
    secret::Secret,
    target::WebhookUrl,
};
use crate::{
    db::{Db, Row, WriteTx},
    domain::ids::{TeamId, WebhookId, random_hex_128},
};

/// A webhook to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWebhook {
    /// Where to.
    pub url: WebhookUrl,
    /// Name for people.
    pub name: Option<String>,
    /// What it is told; `None` = everything, also what a later version brings.
    pub events: Option<Vec<EventType>>,
}

/// What to change of a webhook; the outer `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookChanges {
    /// Where to.
    pub url: Option<WebhookUrl>,
    /// Name for people.
    pub name: Option<Option<String>>,
    /// What it is told.
    pub events: Option<Option<Vec<EventType>>>,
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// The team whose events it is told.
    pub team: TeamId,
    /// Where to.
    pub url: String,
    /// Name for people.
    pub name: Option<String>,
    /// What it is told; `None` = everything.
    pub events: Option<Vec<EventType>>,
    /// When it was made, in microseconds since 1970-01-01 UTC.
    pub created_us: i64,
    /// The first failure since the last success, in microseconds since 1970-01-01 UTC.
    pub failing_since_us: Option<i64>,
    /// Since when it is told nothing, and why.
    pub disabled: Option<(i64, DisabledReason)>,
}

/// Why a webhook is told nothing. It is told again once somebody enables it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisabledReason {
    /// Its receiver answered 410 Gone.
    Gone,
    /// Its receiver failed for as long as is allowed.
    Failing,
}

impl DisabledReason {
    /// The name used in the database and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Gone, Self::Failing].into_iter().find(|reason| reason.as_str() == name)
    }
}

/// A secret that was just made. The moment at which it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Names the secret, so that a repeated request finds it again. No secret itself.
    pub secret_id: String,
    /// The secret.
    pub secret: Secret,
}

const COUNT: &str = "SELECT COUNT(*) FROM webhooks WHERE team_id = $1";
const INSERT: &str = "
    INSERT INTO webhooks (id, team_id, url, name, event_types, created_us)
    SELECT $1, $2, $3, $4, $5, now_us FROM clock
    RETURNING id, team_id, url, name, event_types, created_us, failing_since_us, disabled_us, disabled_reason";

/// Makes a webhook with a first secret, within the caller's transaction.
///
/// # Errors
/// [`WebhooksError::TooManyWebhooks`], [`WebhooksError::Randomness`], [`WebhooksError::Db`]. Roll the transaction back then.
pub async fn create_in(
    tx: &mut WriteTx,
    team: &TeamId,
    new: &NewWebhook,
    config: &WebhooksConfig,
) -> Result<(Webhook, Created), WebhooksError> {
    // Counted and then changed: nobody else of the team may do so in between.
    tx.take_turns(team.as_str()).await?;
    let existing: i64 = sqlx::query_scalar(COUNT).bind(team.as_str()).fetch_one(&mut **tx).await?;
    if existing >= i64::from(config.webhooks_per_team_max) {
        return Err(WebhooksError::TooManyWebhooks { limit: config.webhooks_per_team_max });
    }
    let row = sqlx::query(INSERT)
        .bind(WebhookId::random().as_str())
        .bind(team.as_str())
        .bind(new.url.as_str())
        .bind(new.name.as_deref())
        .bind(new.events.as_deref().map(event_type::to_text))
        .fetch_one(&mut **tx)
        .await?;
    let webhook = read_webhook(&row)?;
    let created = insert_secret(tx, &webhook.id).await?;
    Ok((webhook, created))
}

const INSERT_SECRET: &str = "
    INSERT INTO webhook_secrets (id, webhook_id, secret, created_us) SELECT $1, $2, $3, now_us FROM clock";

async fn insert_secret(tx: &mut WriteTx, webhook: &WebhookId) -> Result<Created, WebhooksError> {
    let created = Created { secret_id: random_hex_128(), secret: Secret::random()? };
    sqlx::query(INSERT_SECRET)
        .bind(&created.secret_id)
        .bind(webhook.as_str())
        .bind(created.secret.expose())
        .execute(&mut **tx)
        .await?;
    Ok(created)
}

const FIND: &str = "
    SELECT id, team_id, url, name, event_types, created_us, failing_since_us, disabled_us, disabled_reason
    FROM webhooks WHERE id = $1";

/// A webhook of the team.
///
/// # Errors
/// [`WebhooksError::NotFound`], [`WebhooksError::NotYours`], or [`WebhooksError::Db`].
pub async fn find(db: &Db, team: &TeamId, id: &WebhookId) -> Result<Webhook, WebhooksError> {
    let row = sqlx::query(FIND).bind(id.as_str()).fetch_optional(db.read()).await?;
    owned(row.as_ref(), team)
}

fn owned(row: Option<&Row>, team: &TeamId) -> Result<Webhook, WebhooksError> {
    let webhook = read_webhook(row.ok_or(WebhooksError::NotFound("webhook"))?)?;
    if webhook.team == *team { Ok(webhook) } else { Err(WebhooksError::NotYours) }
}

const LIST: &str = "
    SELECT id, team_id, url, name, event_types, created_us, failing_since_us, disabled_us, disabled_reason
    FROM webhooks
    WHERE team_id = $1 AND (CAST($2 AS BIGINT) IS NULL OR (created_us, id) < ($2, $3))
    ORDER BY created_us DESC, id DESC LIMIT $4";

/// A page of the team's webhooks after the one that was made at and is called `after`, newest first, and whether there are more.
///
/// # Errors
/// [`WebhooksError::Db`].
pub async fn list(
    db: &Db,
    team: &TeamId,
    after: Option<(i64, &str)>,
    limit: u32,
) -> Result<(Vec<Webhook>, bool), WebhooksError> {
    let rows = sqlx::query(LIST)
        .bind(team.as_str())
        .bind(after.map(|(created_us, _)| created_us))
        .bind(after.map(|(_, id)| id))
        // One more than asked for tells whether there is a next page.
        .bind(i64::from(limit) + 1)
        .fetch_all(db.read())
        .await?;
    let webhooks = rows.iter().take(limit as usize).map(read_webhook).collect::<Result<_, _>>()?;
    Ok((webhooks, rows.len() > limit as usize))
}

const LOCK: &str = "
    SELECT id, team_id, url, name, event_types, created_us, failing_since_us, disabled_us, disabled_reason
    FROM webhooks WHERE id = $1 /*+ FOR UPDATE +*/";

/// The webhook, which nobody else changes before the transaction ends.
pub(super) async fn lock(tx: &mut WriteTx, team: &TeamId, id: &WebhookId) -> Result<Webhook, WebhooksError> {
    let row = sqlx::query(tx.sql(LOCK)).bind(id.as_str()).fetch_optional(&mut **tx).await?;
    owned(row.as_ref(), team)
}

const UPDATE: &str = "
    UPDATE webhooks SET url = $2, name = $3, event_types = $4, paused_until_us = 0,
        failing_since_us = CASE WHEN url = $2 THEN failing_since_us END
    WHERE id = $1
    RETURNING id, team_id, url, name, event_types, created_us, failing_since_us, disabled_us, disabled_reason";

/// Changes a webhook. What is on its way already goes to the new URL at its next attempt.
///
/// # Errors
/// As [`find`]; nothing is changed then.
pub async fn update(db: &Db, team: &TeamId, id: &WebhookId, changes: WebhookChanges) -> Result<Webhook, WebhooksError> {
    let mut tx = db.write().await?;
    let old = lock(&mut tx, team, id).await?;
    let events = changes.events.unwrap_or(old.events);
    let row = sqlx::query(UPDATE)
        .bind(id.as_str())
        .bind(changes.url.as_ref().map_or(old.url.as_str(), WebhookUrl::as_str))
        .bind(changes.name.unwrap_or(old.name))
        .bind(events.as_deref().map(event_type::to_text))
        .fetch_one(&mut *tx)
        .await?;
    let webhook = read_webhook(&row)?;
    tx.commit().await?;
    Ok(webhook)
}

const ENABLE: &str = "
    UPDATE webhooks SET disabled_us = NULL, disabled_reason = NULL, failing_since_us = NULL, paused_until_us = 0
    WHERE id = $1
    RETURNING id, team_id, url, name, event_types, created_us, failing_since_us, disabled_us, disabled_reason";

/// Tells the webhook again what happens from now on. Enabling twice changes nothing.
///
/// # Errors
/// As [`find`]; nothing is changed then.
pub async fn enable(db: &Db, team: &TeamId, id: &WebhookId) -> Result<Webhook, WebhooksError> {
    let mut tx = db.write().await?;
    let old = lock(&mut tx, team, id).await?;
    if old.disabled.is_none() {
        tx.rollback().await?;
        return Ok(old);
    }
    let row = sqlx::query(ENABLE).bind(id.as_str()).fetch_one(&mut *tx).await?;
    let webhook = read_webhook(&row)?;
    tx.commit().await?;
    Ok(webhook)
}

const DELETE_SECRETS: &str = "DELETE FROM webhook_secrets WHERE webhook_id = $1";
const DELETE: &str = "DELETE FROM webhooks WHERE id = $1";

/// Removes a webhook. Nothing is sent to it from now on; the upkeep removes its deliveries, of which there may be many.
///
/// # Errors
/// As [`find`]; nothing is changed then.
pub async fn delete(db: &Db, team: &TeamId, id: &WebhookId) -> Result<(), WebhooksError> {
    let mut tx = db.write().await?;
    lock(&mut tx, team, id).await?;
    for statement in [DELETE_SECRETS, DELETE] {
        sqlx::query(statement).bind(id.as_str()).execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}

/// An earlier overlap that ends sooner keeps its end.
const EXPIRE: &str = "
    UPDATE webhook_secrets SET expires_us = (SELECT now_us FROM clock) + $2
    WHERE webhook_id = $1 AND (expires_us IS NULL OR expires_us > (SELECT now_us FROM clock) + $2)";
const COUNT_VALID: &str = "
    SELECT COUNT(*) FROM webhook_secrets
    WHERE webhook_id = $1 AND (expires_us IS NULL OR expires_us > (SELECT now_us FROM clock))";

/// Gives the webhook a new secret, within the caller's transaction. The ones before stay valid for `overlap_s` seconds at most:
/// so long, messages carry a signature of each.
///
/// # Errors
/// [`WebhooksError::TooManySecrets`], and as [`find`]. Roll the transaction back then.
pub async fn rotate_in(
    tx: &mut WriteTx,
    team: &TeamId,
    id: &WebhookId,
    overlap_s: u64,
    config: &WebhooksConfig,
) -> Result<Created, WebhooksError> {
    lock(tx, team, id).await?;
    sqlx::query(EXPIRE).bind(id.as_str()).bind(seconds_us(overlap_s)).execute(&mut **tx).await?;
    let valid: i64 = sqlx::query_scalar(COUNT_VALID).bind(id.as_str()).fetch_one(&mut **tx).await?;
    if valid >= i64::from(config.secrets_per_webhook_max) {
        return Err(WebhooksError::TooManySecrets { limit: config.secrets_per_webhook_max });
    }
    insert_secret(tx, id).await
}

const SECRET: &str = "
    SELECT secret FROM webhook_secrets
    WHERE webhook_id = $1 AND id = $2 AND (expires_us IS NULL OR expires_us > (SELECT now_us FROM clock))";

/// A secret that an earlier copy of a request has made, where it is still valid. Check first whose the webhook is.
///
/// # Errors
/// [`WebhooksError::Db`].
pub async fn secret(db: &Db, webhook: &WebhookId, secret_id: &str) -> Result<Option<Secret>, WebhooksError> {
    let text: Option<String> =
        sqlx::query_scalar(SECRET).bind(webhook.as_str()).bind(secret_id).fetch_optional(db.read()).await?;
    text.map(|text| read_secret(&text)).transpose()
}

pub(super) fn read_secret(text: &str) -> Result<Secret, WebhooksError> {
    text.parse().map_err(|error| WebhooksError::unreadable("webhook_secrets.secret", error))
}

fn read_webhook(row: &Row) -> Result<Webhook, WebhooksError> {
    let disabled_us: Option<i64> = row.try_get("disabled_us")?;
    let reason: Option<String> = row.try_get("disabled_reason")?;
    let reason = reason
        .map(|name| DisabledReason::from_name(&name).ok_or_else(|| unreadable("webhooks.disabled_reason", name)))
        .transpose()?;
    let events: Option<String> = row.try_get("event_types")?;
    Ok(Webhook {
        id: parsed(row, "id", "webhooks.id")?,
        team: parsed(row, "team_id", "webhooks.team_id")?,
        url: row.try_get("url")?,
        name: row.try_get("name")?,
        events: events.map(|text| event_type::from_text(&text)),
        created_us: row.try_get("created_us")?,
        failing_since_us: row.try_get("failing_since_us")?,
        disabled: disabled_us.zip(reason),
    })
}

/// A column's text as something that is parsed.
pub(super) fn parsed<T>(row: &Row, column: &str, what: &'static str) -> Result<T, WebhooksError>
where
    T: std::str::FromStr<Err: ToString>,
{
    let text: String = row.try_get(column)?;
    text.parse().map_err(|error: T::Err| unreadable(what, error))
}

fn unreadable(what: &'static str, detail: impl ToString) -> WebhooksError {
    WebhooksError::unreadable(what, detail)
}
