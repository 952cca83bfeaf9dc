//! Writing what came of an attempt. Fenced by the lease epoch: a sender that was presumed dead changes nothing.

use std::time::Duration;

use sqlx::Row as _;

use super::{
    claim::Claim,
    endpoints::DisabledReason,
    error::WebhooksError,
    event_type::EventType,
    limits::{WebhooksConfig, microseconds, seconds_us},
    schedule,
};
use crate::{
    db::{Db, WriteTx},
    domain::ids::WebhookId,
};

/// What an answer, or its absence, means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// 2xx: it has arrived.
    Delivered,
    /// 410: nothing more is wanted here.
    Gone,
    /// Everything else; try again, after the pause that the receiver asks for where it does.
    Failed {
        /// From `Retry-After`.
        asked: Option<Duration>,
    },
}

/// One attempt at a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) verdict: Verdict,
    /// HTTP status, where there was an answer.
    pub(super) status: Option<u16>,
    /// Why it failed, for people.
    pub(super) error: Option<String>,
    /// The first characters of the answer.
    pub(super) response: Option<String>,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recorded {
    /// It has arrived.
    Delivered,
    /// It will be tried again.
    Retried,
    /// It is given up.
    Dead,
    /// Its webhook is disabled; what else is pending for it has nowhere to go.
    Disabled(DisabledReason),
    /// Nothing: somebody else has claimed it since, or it is gone.
    Lost,
}

/// Writes what came of an attempt under `claim`. `roll` is uniform in 0..1 and spreads retries.
pub(super) async fn record(
    db: &Db,
    config: &WebhooksConfig,
    claim: &Claim,
    attempt: &Attempt,
    roll: f64,
) -> Result<Recorded, WebhooksError> {
    let pause = pause(config, claim, attempt.verdict, roll);
    let mut tx = db.write().await?;
    if !write_attempt(&mut tx, claim, attempt, pause).await? {
        tx.rollback().await?;
        return Ok(Recorded::Lost);
    }
    let disabled = note_health(&mut tx, config, &claim.webhook, attempt.verdict).await?;
    tx.commit().await?;
    Ok(match (attempt.verdict, disabled, pause) {
        (Verdict::Delivered, ..) => Recorded::Delivered,
        (_, Some(reason), _) => Recorded::Disabled(reason),
        (_, None, Some(_)) => Recorded::Retried,
        (_, None, None) => Recorded::Dead,
    })
}

/// The pause before the next attempt; `None` where there is none. A ping is for somebody who waits for it: it is tried once.
fn pause(config: &WebhooksConfig, claim: &Claim, verdict: Verdict, roll: f64) -> Option<Duration> {
    match verdict {
        Verdict::Delivered | Verdict::Gone => None,
        Verdict::Failed { .. } if claim.message.event == EventType::WebhookPing => None,
        Verdict::Failed { asked } => {
            let planned = schedule::pause_after(config, claim.attempts.saturating_add(1), roll)?;
            Some(asked.map_or(planned, |asked| planned.max(schedule::granted(config, asked))))
        }
    }
}

const WRITE_ATTEMPT: &str = "
    UPDATE webhook_deliveries
    SET state = $3, attempts = attempts + 1, lease_until_us = NULL, due_us = (SELECT now_us FROM clock) + $4,
        finished_us = CASE WHEN $3 = 'pending' THEN NULL ELSE (SELECT now_us FROM clock) END,
        attempted_us = (SELECT now_us FROM clock), status = $5, error = $6, response = $7
    WHERE id = $1 AND lease_epoch = $2 AND state = 'pending'";

async fn write_attempt(
    tx: &mut WriteTx,
    claim: &Claim,
    attempt: &Attempt,
    pause: Option<Duration>,
) -> Result<bool, WebhooksError> {
    let state = match (attempt.verdict, pause) {
        (Verdict::Delivered, _) => "delivered",
        (_, Some(_)) => "pending",
        (_, None) => "dead",
    };
    let written = sqlx::query(WRITE_ATTEMPT)
        .bind(claim.delivery.as_str())
        .bind(claim.epoch)
        .bind(state)
        .bind(pause.map_or(0, microseconds))
        .bind(attempt.status.map(i64::from))
        .bind(attempt.error.as_deref())
        .bind(attempt.response.as_deref())
        .execute(&mut **tx)
        .await?;
    Ok(written.rows_affected() == 1)
}

const NOTE_SUCCESS: &str = "UPDATE webhooks SET failing_since_us = NULL WHERE id = $1 AND failing_since_us IS NOT NULL";
const NOTE_FAILURE: &str = "
    UPDATE webhooks
    SET failing_since_us = COALESCE(failing_since_us, (SELECT now_us FROM clock)),
        paused_until_us = CASE
            WHEN paused_until_us < (SELECT now_us FROM clock) + $2 THEN (SELECT now_us FROM clock) + $2
            ELSE paused_until_us END
    WHERE id = $1
    RETURNING (SELECT now_us FROM clock) - failing_since_us AS failing_us";

/// Notes on the webhook how its receiver does. A receiver that asks for a pause is sent nothing at all so long. Returns why the
/// webhook is disabled from now on, where it is.
async fn note_health(
    tx: &mut WriteTx,
    config: &WebhooksConfig,
    webhook: &WebhookId,
    verdict: Verdict,
) -> Result<Option<DisabledReason>, WebhooksError> {
    let asked = match verdict {
        Verdict::Delivered => {
            sqlx::query(NOTE_SUCCESS).bind(webhook.as_str()).execute(&mut **tx).await?;
            return Ok(None);
        }
        Verdict::Gone => return disable(tx, webhook, DisabledReason::Gone).await.map(Some),
        Verdict::Failed { asked } => asked,
    };
    let granted_us = asked.map_or(0, |asked| microseconds(schedule::granted(config, asked)));
    let row = sqlx::query(NOTE_FAILURE).bind(webhook.as_str()).bind(granted_us).fetch_optional(&mut **tx).await?;
    // None: the webhook was deleted meanwhile.
    let Some(row) = row else { return Ok(None) };
    let failing_us: i64 = row.try_get("failing_us")?;
    if failing_us < seconds_us(config.disable_after_s) {
        return Ok(None);
    }
    disable(tx, webhook, DisabledReason::Failing).await.map(Some)
}

const DISABLE: &str = "
    UPDATE webhooks SET disabled_us = (SELECT now_us FROM clock), disabled_reason = $2
    WHERE id = $1 AND disabled_us IS NULL";

async fn disable(
    tx: &mut WriteTx,
    webhook: &WebhookId,
    reason: DisabledReason,
) -> Result<DisabledReason, WebhooksError> {
    sqlx::query(DISABLE).bind(webhook.as_str()).bind(reason.as_str()).execute(&mut **tx).await?;
    Ok(reason)
}
