//! The judges of a constraint: of the scenarios of one race, and of the lineups of one slate.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wasmtime::component::ResourceAny;

use crate::{
    domain::{
        lineup::Lineup,
        plugin::{Usage, World},
        scenario::{RaceSetup, ScenarioBlock},
    },
    plugins::{
        call::{CallContext, Guest},
        check::check_verdicts,
        outcome::{PluginFailure, RefusalKind},
        plugin::{LoadedPlugin, NO_SEED},
        v0_1::{
            bindings::{exports::paddock::plugin::judgement, paddock::plugin::types},
            convert,
        },
    },
};

use super::generator::{block_bytes, race_bytes};

/// A judge of scenarios in its guest.
pub struct ScenarioJudgeSession {
    guest: Guest,
    exports: judgement::Guest,
    judge: ResourceAny,
    reasons: usize,
    block_max: usize,
}

/// A judge of lineups in its guest.
pub struct LineupJudgeSession {
    guest: Guest,
    exports: judgement::Guest,
    judge: ResourceAny,
    reasons: usize,
    block_max: usize,
}

/// What a lineup judge sees of a slate. Lists have one element per slate entry, in slate order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SlateView {
    /// Driver name.
    pub driver: Vec<String>,
    /// Team name, empty where unknown.
    pub team: Vec<String>,
    /// Manufacturer, empty where unknown.
    pub make: Vec<String>,
    /// Salary in whole contest dollars.
    pub salary_usd: Vec<u32>,
    /// Start position, 0 where unknown.
    pub start: Vec<u16>,
    /// Salary cap in whole contest dollars.
    pub salary_cap_usd: u32,
}

impl LoadedPlugin {
    /// Opens a judge of the scenarios of a race.
    ///
    /// # Errors
    /// How it ended; a constraint that does not judge scenarios is refused before the guest runs.
    pub fn open_scenario_judge(
        &self,
        context: &CallContext,
        race: &RaceSetup,
        params: &Map<String, Value>,
    ) -> Result<ScenarioJudgeSession, PluginFailure> {
        const FUNCTION: &str = "scenario-judge.open";
        self.check_judges(FUNCTION, self.description().judges_scenarios, "scenarios")?;
        let params = self.params_json(FUNCTION, params)?;
        let indices = convert::RaceIndices::of(race);
        let input = convert::race(race, &indices);
        let (mut guest, exports) = self.start(context, NO_SEED, World::Constraint, |exports, store, instance| {
            exports.load_judgement(store, instance)
        })?;
        let judge = guest.ask(FUNCTION, race_bytes(race) + params.len(), |store| {
            let opened = exports.scenario_judge().call_open(store, input, &params)?;
            Ok(convert::answer(opened, |judge| judge))
        })?;
        let reasons = self.description().veto_reasons.len();
        let block_max = self.limits().judge_block_scenarios.clamp(1, u16::MAX.into());
        Ok(ScenarioJudgeSession { guest, exports, judge, reasons, block_max })
    }

    /// Opens a judge of the lineups of a slate.
    ///
    /// # Errors
    /// How it ended; a constraint that does not judge lineups is refused before the guest runs.
    pub fn open_lineup_judge(
        &self,
        context: &CallContext,
        slate: &SlateView,
        params: &Map<String, Value>,
    ) -> Result<LineupJudgeSession, PluginFailure> {
        const FUNCTION: &str = "lineup-judge.open";
        self.check_judges(FUNCTION, self.description().judges_lineups, "lineups")?;
        let params = self.params_json(FUNCTION, params)?;
        let names = [&slate.driver, &slate.team, &slate.make].map(|list| as_strs(list));
        let input = types::Slate {
            driver: &names[0],
            team: &names[1],
            make: &names[2],
            salary_usd: &slate.salary_usd,
            start: &slate.start,
            salary_cap_usd: slate.salary_cap_usd,
        };
        let (mut guest, exports) = self.start(context, NO_SEED, World::Constraint, |exports, store, instance| {
            exports.load_judgement(store, instance)
        })?;
        let judge = guest.ask(FUNCTION, slate_bytes(slate) + params.len(), |store| {
            let opened = exports.lineup_judge().call_open(store, input, &params)?;
            Ok(convert::answer(opened, |judge| judge))
        })?;
        let reasons = self.description().veto_reasons.len();
        let block_max = self.limits().judge_block_lineups.clamp(1, u16::MAX.into());
        Ok(LineupJudgeSession { guest, exports, judge, reasons, block_max })
    }

    fn check_judges(&self, function: &str, does_judge: bool, what: &str) -> Result<(), PluginFailure> {
        if does_judge {
            return Ok(());
        }
        let message = format!("this plugin does not judge {what}");
        Err(self.refused(function, RefusalKind::UnsupportedInput, &message))
    }
}

impl ScenarioJudgeSession {
    /// One verdict per scenario of a block of the judge's race: 0 = keep, k = veto for the k-th reason.
    ///
    /// # Errors
    /// How it ended; another number of verdicts, or one without a reason, is bad output.
    pub fn judge(&mut self, block: &ScenarioBlock) -> Result<Vec<u8>, PluginFailure> {
        const FUNCTION: &str = "scenario-judge.judge";
        let mut verdicts = Vec::with_capacity(block.scenarios);
        let bytes_per_scenario = block_bytes(block).checked_div(block.scenarios).unwrap_or(0);
        let Self { guest, exports, judge, .. } = self;
        for first in (0..block.scenarios).step_by(self.block_max) {
            let rows = self.block_max.min(block.scenarios - first);
            #[expect(clippy::cast_possible_truncation, reason = "block_max is at most 65535")]
            let input = convert::scenario_rows(block, first, rows as u32);
            let found = guest.ask(FUNCTION, rows * bytes_per_scenario, |store| {
                let judged = exports.scenario_judge().call_judge(store, *judge, input)?;
                Ok(convert::answer(judged, |verdicts| verdicts))
            })?;
            guest.received(found.len());
            guest.checked(FUNCTION, check_verdicts(&found, rows, self.reasons))?;
            verdicts.extend_from_slice(&found);
        }
        Ok(verdicts)
    }

    /// What the guest has cost so far.
    #[must_use]
    pub const fn usage(&self) -> Usage {
        self.guest.usage()
    }
}

impl LineupJudgeSession {
    /// One verdict per lineup: 0 = keep, k = veto for the k-th reason. All lineups must have as many entries as the first.
    ///
    /// # Errors
    /// How it ended; another number of verdicts, or one without a reason, is bad output.
    pub fn judge(&mut self, lineups: &[Lineup]) -> Result<Vec<u8>, PluginFailure> {
        const FUNCTION: &str = "lineup-judge.judge";
        let mut verdicts = Vec::with_capacity(lineups.len());
        let Self { guest, exports, judge, .. } = self;
        for rows in lineups.chunks(self.block_max) {
            let roster = rows.first().map_or(0, |lineup| lineup.entries().len());
            let mut entry = Vec::with_capacity(rows.len() * roster);
            rows.iter().for_each(|lineup| entry.extend_from_slice(lineup.entries()));
            #[expect(
                clippy::cast_possible_truncation,
                reason = "block_max is at most 65535, and so is a roster's size"
            )]
            let (count, roster_size) = (rows.len() as u32, (entry.len() / rows.len()) as u32);
            let input = types::LineupBlock { lineups: count, roster_size, entry: &entry };
            let found = guest.ask(FUNCTION, size_of_val(entry.as_slice()), |store| {
                let judged = exports.lineup_judge().call_judge(store, *judge, input)?;
                Ok(convert::answer(judged, |verdicts| verdicts))
            })?;
            guest.received(found.len());
            guest.checked(FUNCTION, check_verdicts(&found, rows.len(), self.reasons))?;
            verdicts.extend_from_slice(&found);
        }
        Ok(verdicts)
    }

    /// What the guest has cost so far.
    #[must_use]
    pub const fn usage(&self) -> Usage {
        self.guest.usage()
    }
}

fn as_strs(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

/// Size of a slate in the guest, in bytes, but for the pointers of its strings.
fn slate_bytes(slate: &SlateView) -> usize {
    let text: usize = [&slate.driver, &slate.team, &slate.make].into_iter().flatten().map(String::len).sum();
    text + size_of_val(slate.salary_usd.as_slice()) + size_of_val(slate.start.as_slice())
}
