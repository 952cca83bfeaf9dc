//! What nobody else does: free what dead senders hold, give up what has nowhere to go, remove what is too old. Safe to run in
//! several processes at once.

use serde_json::json;

use super::{
    claim::TURNS,
    error::WebhooksError,
    limits::{PRUNED_AT_ONCE_MAX, WebhooksConfig, seconds_us},
};
use crate::db::Db;

const FREE: &str = "
    UPDATE webhook_deliveries SET lease_until_us = NULL
    WHERE lease_until_us IS NOT NULL AND lease_until_us < (SELECT now_us FROM clock)";

/// Frees the deliveries whose senders did not come back in time. Returns how many.
pub(super) async fn free_expired(db: &Db) -> Result<u64, WebhooksError> {
    execute(db, FREE).await
}

const FREE_ALL: &str = "UPDATE webhook_deliveries SET lease_until_us = NULL WHERE lease_until_us IS NOT NULL";

/// Frees at once what earlier processes held, before anything is claimed. Only right for who holds the data directory: nobody else
/// can be alive. Returns how many.
pub(super) async fn recover(db: &Db) -> Result<u64, WebhooksError> {
    if db.is_exclusive() { execute(db, FREE_ALL).await } else { Ok(0) }
}

const BURY: &str = "
    UPDATE webhook_deliveries
    SET state = 'dead', finished_us = (SELECT now_us FROM clock), error = 'The webhook was disabled before this was delivered.'
    WHERE state = 'pending' AND lease_until_us IS NULL
        AND webhook_id IN (SELECT id FROM webhooks WHERE disabled_us IS NOT NULL)";

/// Makes dead letters of what is pending for disabled webhooks; what is under way is left to its sender. Returns how many.
pub(super) async fn bury(db: &Db) -> Result<u64, WebhooksError> {
    execute(db, BURY).await
}

async fn execute(db: &Db, statement: &'static str) -> Result<u64, WebhooksError> {
    let mut tx = db.write().await?;
    tx.take_turns(TURNS).await?;
    let changed = sqlx::query(statement).execute(&mut *tx).await?.rows_affected();
    if changed == 0 {
        tx.rollback().await?
    } else {
        tx.commit().await?
    }
    Ok(changed)
}

const PRUNE: &str = "
    DELETE FROM webhook_deliveries WHERE id IN (
        SELECT id FROM webhook_deliveries
        WHERE finished_us IS NOT NULL AND state = $1 AND finished_us < (SELECT now_us FROM clock) - $2
        LIMIT $3)";
const PRUNE_SECRETS: &str = "DELETE FROM webhook_secrets WHERE expires_us < (SELECT now_us FROM clock)";

/// Removes what is older than it has to be kept, and what belongs to deleted webhooks. Returns how many deliveries.
pub(super) async fn prune(db: &Db, config: &WebhooksConfig) -> Result<u64, WebhooksError> {
    let mut pruned = prune_orphans(db).await?;
    for (state, kept_s) in [("delivered", config.delivered_kept_s), ("dead", config.dead_kept_s)] {
        loop {
            let mut tx = db.write().await?;
            let query = sqlx::query(PRUNE).bind(state).bind(seconds_us(kept_s)).bind(PRUNED_AT_ONCE_MAX);
            let removed = query.execute(&mut *tx).await?.rows_affected();
            tx.commit().await?;
            pruned += removed;
            if removed == 0 {
                break;
            }
        }
    }
    execute(db, PRUNE_SECRETS).await?;
    Ok(pruned)
}

const ORPHANED: &str = "
    SELECT DISTINCT webhook_id FROM webhook_deliveries
    WHERE NOT EXISTS (SELECT 1 FROM webhooks WHERE webhooks.id = webhook_deliveries.webhook_id)";
const PRUNE_ORPHANS: &str = "
    DELETE FROM webhook_deliveries WHERE id IN (
        SELECT id FROM webhook_deliveries WHERE webhook_id IN (SELECT value ->> 'id' FROM json_each($1)) LIMIT $2)";

/// Looked for with the readers: it takes a look at every delivery, and writers take turns.
async fn prune_orphans(db: &Db) -> Result<u64, WebhooksError> {
    let orphaned: Vec<String> = sqlx::query_scalar(ORPHANED).fetch_all(db.read()).await?;
    let listed: Vec<_> = orphaned.iter().map(|id| json!({ "id": id })).collect();
    let mut pruned = 0;
    while !listed.is_empty() {
        let mut tx = db.write().await?;
        let query = sqlx::query(PRUNE_ORPHANS).bind(json!(listed).to_string()).bind(PRUNED_AT_ONCE_MAX);
        let removed = query.execute(&mut *tx).await?.rows_affected();
        tx.commit().await?;
        pruned += removed;
        if removed == 0 {
            break;
        }
    }
    Ok(pruned)
}
