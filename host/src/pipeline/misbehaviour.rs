//! Tells the registry of plugins that crash or break the contract, and what it made of that the log and the audit trail.

use super::{pinned::PinnedPlugin, task::Task};
use crate::{
    auth::{self, Action},
    catalog::plugins::{self, Failure, Quarantined},
    db::Db,
    domain::{
        ids::{JobId, TeamId},
        problem::Problem,
    },
};

/// Codes of what is a plugin's own fault whatever it was asked for. Running out of fuel or memory is not: a smaller job may pass.
const COUNTED: [&str; 2] = ["plugin-trapped", "plugin-bad-output"];

/// Looks for the plugin that a failed task blames.
pub fn note_blamed(task: &Task<'_>, problem: &Problem) {
    if let Some(plugin) = task.spec.plugins().find(|plugin| blames(problem, plugin)) {
        note(task, plugin, problem);
    }
}

/// Whether the problem names this plugin. A failing guest is named without its owner.
pub fn blames(problem: &Problem, plugin: &PinnedPlugin) -> bool {
    let is_named = |label: &String| plugin.label == *label || plugin.label.ends_with(&format!("/{label}"));
    problem.plugin.as_ref().is_some_and(is_named)
}

/// Notes that a plugin version failed in a job, and counts the job against it where that is the plugin's own fault. That this could
/// not be written down must not change how the job ends.
pub fn note(task: &Task<'_>, plugin: &PinnedPlugin, problem: &Problem) {
    let Some(id) = &plugin.id else { return };
    let limits = task.pipeline.plugins.limits();
    let (failures_max, window_s) = (limits.quarantine_traps.max(1), limits.quarantine_window_s);
    let (id, team, job) = (id.clone(), task.claimed.team.clone(), task.claimed.job.clone());
    let code = problem.code.clone();
    let noted = task.errand(|db| async move {
        plugins::note_stop(&db, &id, &team, &job, &code).await?;
        if !COUNTED.contains(&code.as_str()) {
            return Ok(());
        }
        let failure = Failure { plugin: &id, team: &team, job: &job, code: &code };
        let quarantined = plugins::note_failure(&db, failure, failures_max, window_s).await?;
        if let Some(quarantined) = quarantined {
            tell(&db, &team, &job, &quarantined).await;
        }
        Ok(())
    });
    if let Err(error) = noted {
        let job = &task.claimed.job;
        tracing::warn!(job.id = %job, plugin.name = %plugin.label, error = %error, "a plugin's failure was not counted");
    }
}

async fn tell(db: &Db, team: &TeamId, job: &JobId, quarantined: &Quarantined) {
    let Quarantined { label, reason, moved } = quarantined;
    tracing::warn!(job.id = %job, team.id = %team, plugin.name = %label, reason, "a plugin was quarantined");
    auth::record_of_server(db, team, Action::PluginQuarantined, label, job.as_str()).await;
    let name = label.split('@').next().unwrap_or_default();
    for moved in moved {
        let subject = format!("{name}@{} -> {}", moved.alias.as_str(), moved.version);
        auth::record_of_server(db, team, Action::PluginRolledBack, &subject, job.as_str()).await;
    }
}
