//! The audit trail: which key did what, when. Append-only; names things by id and never holds a payload.

use super::{AuthError, Principal};
use crate::{
    db::{Db, DbError},
    domain::ids::{KeyId, TeamId},
};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A job was submitted.
    JobSubmitted,
    /// A job was cancelled.
    JobCancelled,
    /// A job was deleted.
    JobDeleted,
    /// A job was renamed, filed under other tags, pinned or released.
    JobChanged,
    /// A schedule was made.
    ScheduleCreated,
    /// A schedule was changed.
    ScheduleChanged,
    /// A schedule was deleted.
    ScheduleDeleted,
    /// A schedule fired, by itself or because somebody asked: it made a job.
    ScheduleFired,
    /// A schedule was due but could not make a job.
    ScheduleFailed,
    /// The server took a schedule out of use.
    ScheduleDisabled,
    /// The result of a job was read.
    ResultRead,
    /// The draws of a model were read.
    DrawsRead,
    /// Races were imported.
    RacesImported,
    /// A slate was imported.
    SlateImported,
    /// A plugin was uploaded.
    PluginUploaded,
    /// A plugin was uploaded and failed its tests.
    PluginRejected,
    /// A plugin was taken out of use.
    PluginDisabled,
    /// An alias was moved to another version, by somebody or by the server.
    PluginPromoted,
    /// An alias was moved back to an earlier version.
    PluginRolledBack,
    /// How an alias behaves was changed, or it was deleted.
    PluginAliasChanged,
    /// Somebody advises against a version, or does so no more.
    PluginDeprecated,
    /// A version was held back, by somebody or by the server.
    PluginQuarantined,
    /// A version was released from quarantine.
    PluginReleased,
    /// Who may use a plugin was changed.
    PluginShared,
    /// A webhook was made.
    WebhookCreated,
    /// A webhook was changed.
    WebhookChanged,
    /// A webhook was removed.
    WebhookDeleted,
    /// A webhook was given a new secret.
    WebhookRotated,
    /// A webhook was enabled again.
    WebhookEnabled,
    /// A webhook was sent a test.
    WebhookTested,
    /// A delivery was asked for again.
    WebhookRedelivered,
    /// The server was told to drain.
    DrainRequested,
}

impl Action {
    /// The name used in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JobSubmitted => "job.submitted",
            Self::JobCancelled => "job.cancelled",
            Self::JobDeleted => "job.deleted",
            Self::JobChanged => "job.changed",
            Self::ScheduleCreated => "schedule.created",
            Self::ScheduleChanged => "schedule.changed",
            Self::ScheduleDeleted => "schedule.deleted",
            Self::ScheduleFired => "schedule.fired",
            Self::ScheduleFailed => "schedule.failed",
            Self::ScheduleDisabled => "schedule.disabled",
            Self::ResultRead => "job.result_read",
            Self::DrawsRead => "model.draws_read",
            Self::RacesImported => "races.imported",
            Self::SlateImported => "slate.imported",
            Self::PluginUploaded => "plugin.uploaded",
            Self::PluginRejected => "plugin.rejected",
            Self::PluginDisabled => "plugin.disabled",
            Self::PluginPromoted => "plugin.promoted",
            Self::PluginRolledBack => "plugin.rolled_back",
            Self::PluginAliasChanged => "plugin.alias_changed",
            Self::PluginDeprecated => "plugin.deprecated",
            Self::PluginQuarantined => "plugin.quarantined",
            Self::PluginReleased => "plugin.released",
            Self::PluginShared => "plugin.shared",
            Self::WebhookCreated => "webhook.created",
            Self::WebhookChanged => "webhook.changed",
            Self::WebhookDeleted => "webhook.deleted",
            Self::WebhookRotated => "webhook.rotated",
            Self::WebhookEnabled => "webhook.enabled",
            Self::WebhookTested => "webhook.tested",
            Self::WebhookRedelivered => "webhook.redelivered",
            Self::DrainRequested => "server.drain_requested",
        }
    }
}

/// One line of the trail.
#[derive(Debug, Clone, Copy)]
pub struct AuditEntry<'a> {
    /// Who did it.
    pub principal: &'a Principal,
    /// What was done.
    pub action: Action,
    /// To what: an id, or a count where there are many.
    pub subject: &'a str,
    /// The request, as the log names it.
    pub request_id: &'a str,
}

const INSERT: &str = "INSERT INTO audit (at_us, team_id, key_id, action, subject, request_id)
    VALUES ((SELECT now_us FROM clock), $1, $2, $3, $4, $5)";

/// Writes one line.
///
/// # Errors
/// [`AuthError::Db`]: the line is not written.
pub async fn record(db: &Db, entry: AuditEntry<'_>) -> Result<(), AuthError> {
    let AuditEntry { principal, action, subject, request_id } = entry;
    write(db, &principal.team, Some(&principal.key), action, subject, request_id).await
}

/// Writes down what the server did by itself to what a team uses; `cause` says on whose behalf, for example a job. Where that fails,
/// the log has it instead.
pub async fn record_of_server(db: &Db, team: &TeamId, action: Action, subject: &str, cause: &str) {
    if let Err(error) = write(db, team, None, action, subject, cause).await {
        let action = action.as_str();
        tracing::error!(team.id = %team, audit.action = action, audit.subject = subject, cause = %error,
            "a line of the audit trail was not written");
    }
}

async fn write(
    db: &Db,
    team: &TeamId,
    key: Option<&KeyId>,
    action: Action,
    subject: &str,
    request_id: &str,
) -> Result<(), AuthError> {
    let mut tx = db.write().await?;
    sqlx::query(INSERT)
        .bind(team.as_str())
        .bind(key.map(KeyId::as_str))
        .bind(action.as_str())
        .bind(subject)
        .bind(request_id)
        .execute(&mut *tx)
        .await
        .map_err(DbError::from)?;
    tx.commit().await?;
    Ok(())
}

/// Writes one line; where that fails, the log has it instead. What was done is done and must not be answered as if it were not.
pub async fn record_or_log(db: &Db, entry: AuditEntry<'_>) {
    if let Err(error) = record(db, entry).await {
        tracing::error!(
            team.id = %entry.principal.team,
            key.id = %entry.principal.key,
            audit.action = entry.action.as_str(),
            audit.subject = entry.subject,
            cause = %error,
            "a line of the audit trail was not written"
        );
    }
}
