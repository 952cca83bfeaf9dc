//! The lineup constraints of a job as one judge of lineups.

use std::collections::BTreeMap;

use super::{
    pinned::PinnedPlugin,
    roster::Roster,
    shadow,
    task::{GuestLines, Task},
};
use crate::{
    domain::{lineup::Lineup, plugin::VetoReason},
    jobs::TaskFailure,
    optimize::{JudgeFailure, LineupJudge},
    plugins::{LineupJudgeSession, PluginFailure, SlateView},
    results::LineupVeto,
};

/// Opens the judges; the inner error names the constraint that failed.
///
/// # Errors
/// Where a plugin cannot be loaded.
pub fn open_judges<'a>(
    task: &'a Task<'a>,
    roster: &'a Roster,
    view: &SlateView,
    constraints: &[&PinnedPlugin],
) -> Result<Result<LineupJudges<'a>, (usize, PluginFailure)>, TaskFailure> {
    let mut judges = Vec::with_capacity(constraints.len());
    for (index, constraint) in constraints.iter().enumerate() {
        let loaded = task.load(constraint)?;
        let (call, lines) = task.call(constraint, 0);
        match loaded.open_lineup_judge(&call, view, &constraint.params) {
            Ok(session) => judges.push(Judge {
                session,
                label: constraint.label.clone(),
                is_monotone: loaded.description().judges_partial_lineups(),
                reasons: loaded.description().veto_reasons.clone(),
                lines,
            }),
            Err(failure) => return Ok(Err((index, failure))),
        }
    }
    let shown_max = shadow::lineups_wanted(task);
    Ok(Ok(LineupJudges { task, roster, judges, shown: Vec::new(), shown_max, failed: None }))
}

/// A lineup constraint at work.
pub struct Judge {
    /// Its guest.
    pub session: LineupJudgeSession,
    /// `name@version`.
    pub label: String,
    is_monotone: bool,
    reasons: Vec<VetoReason>,
    lines: GuestLines,
}

/// All lineup constraints as one: reasons are numbered through, in the order of the constraints.
pub struct LineupJudges<'a> {
    task: &'a Task<'a>,
    roster: &'a Roster,
    /// One per constraint.
    pub judges: Vec<Judge>,
    /// The first lineups that were judged, at most `shown_max`.
    pub shown: Vec<Lineup>,
    shown_max: usize,
    /// The constraint that failed itself.
    pub failed: Option<(usize, PluginFailure)>,
}

impl LineupJudges<'_> {
    /// The first veto of each lineup among these judges.
    fn merged(&mut self, lineups: &[Lineup], asks: impl Fn(&Judge) -> bool) -> Result<Vec<u8>, JudgeFailure> {
        let lineups: Vec<Lineup> = lineups.iter().map(|lineup| self.roster.entries_of(lineup)).collect();
        let mut merged = vec![0_u8; lineups.len()];
        let mut offset = 0_usize;
        for (index, judge) in self.judges.iter_mut().enumerate() {
            let before = offset;
            offset += judge.reasons.len();
            if !asks(judge) {
                continue;
            }
            let verdicts = judge.session.judge(&lineups);
            judge.lines.flush(self.task.context);
            let verdicts = verdicts.map_err(|failure| {
                let told = JudgeFailure(Box::new(failure.clone()));
                self.failed = Some((index, failure));
                told
            })?;
            for (slot, verdict) in merged.iter_mut().zip(verdicts) {
                if *slot == 0 && verdict != 0 {
                    // The plan refuses constraints with more than 255 reasons together.
                    *slot = u8::try_from(before + usize::from(verdict)).unwrap_or(u8::MAX);
                }
            }
        }
        Ok(merged)
    }

    /// Every reason that could have vetoed, with its counts.
    pub fn lineup_vetoes(&self, by_reason: &BTreeMap<u8, u64>, partial: &BTreeMap<u8, u64>) -> Vec<LineupVeto> {
        let reasons = self.judges.iter().flat_map(|judge| judge.reasons.iter().map(|reason| (&judge.label, reason)));
        let numbered = reasons.zip(1_u8..);
        numbered
            .map(|((plugin, reason), number)| LineupVeto {
                plugin: plugin.clone(),
                reason: reason.code.clone(),
                count: by_reason.get(&number).copied().unwrap_or(0),
                partial: partial.get(&number).copied().unwrap_or(0),
            })
            .collect()
    }
}

impl LineupJudge for LineupJudges<'_> {
    fn judge(&mut self, lineups: &[Lineup]) -> Result<Vec<u8>, JudgeFailure> {
        let room = self.shown_max - self.shown.len();
        self.shown.extend(lineups.iter().take(room).map(|lineup| self.roster.entries_of(lineup)));
        self.merged(lineups, |_| true)
    }

    fn judge_partial(&mut self, lineups: &[Lineup]) -> Result<Option<Vec<u8>>, JudgeFailure> {
        if !self.judges.iter().any(|judge| judge.is_monotone) {
            return Ok(None);
        }
        self.merged(lineups, |judge| judge.is_monotone).map(Some)
    }
}
