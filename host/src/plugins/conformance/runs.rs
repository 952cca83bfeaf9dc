//! Runs a plugin once over the inputs, in one of the ways that must make no difference.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{
    domain::{
        interrupt::Interrupt,
        lineup::Lineup,
        plugin::{Usage, World},
        scenario::ScenarioBlock,
    },
    plugins::{
        call::CallContext,
        log::NoLog,
        outcome::PluginFailure,
        plugin::LoadedPlugin,
        session::chain::{ChainSession, Progress},
    },
};

use super::{
    evidence::{ChainEvidence, Evidence},
    inputs::Inputs,
    limits::ConformanceLimits,
};

/// Iterations of a step in a whole run; draws are taken after each.
const STEP_ITERATIONS: u32 = 25;
/// Iterations of the steps of a split run, one after the other and again; draws are taken at the end only.
const SPLIT_ITERATIONS: [u32; 3] = [1, 7, 64];
/// Parts of a split run of a generator or judge.
const PARTS: usize = 10;
/// Scenarios and lineups of a glance.
const GLANCE: usize = 2;

/// How a run divides its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// In one call, or in steps of one size.
    Whole,
    /// In an empty call and ten parts, the last first; a chain in steps of several sizes with checkpoints between them.
    Split,
    /// A chain that is checkpointed half-way, with draws not yet taken, and restored in a fresh guest. As whole otherwise.
    Restored,
    /// Opened, and asked for next to nothing.
    Glance,
}

/// What runs have cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// All of them together.
    pub usage: Usage,
    /// Most fuel of one session.
    pub fuel_most: u64,
}

impl Cost {
    fn add(&mut self, usage: &Usage) {
        self.usage.add(usage);
        self.fuel_most = self.fuel_most.max(usage.fuel);
    }
}

/// A plugin with all that a run needs.
pub struct Runner<'a> {
    plugin: &'a LoadedPlugin,
    inputs: &'a Inputs,
    limits: &'a ConformanceLimits,
    interrupt: Arc<Interrupt>,
    seed: u64,
    scenarios: ScenarioBlock,
    lineups: Vec<Lineup>,
}

impl<'a> Runner<'a> {
    /// Draws what the plugin's world is shown.
    pub fn new(
        plugin: &'a LoadedPlugin,
        inputs: &'a Inputs,
        limits: &'a ConformanceLimits,
        interrupt: &Arc<Interrupt>,
        seed: u64,
    ) -> Self {
        let does = |judges: bool, count: u32| if judges { count as usize } else { 0 };
        let description = plugin.description();
        Self {
            plugin,
            inputs,
            limits,
            interrupt: Arc::clone(interrupt),
            seed,
            scenarios: inputs.scenarios(does(description.judges_scenarios, limits.scenarios), seed),
            lineups: inputs.lineups(does(description.judges_lineups, limits.lineups), seed),
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// How a call ended that did not return.
    pub fn run(&self, way: Way, params: &Map<String, Value>, cost: &mut Cost) -> Result<Evidence, PluginFailure> {
        match self.plugin.description().world {
            World::Calibrator => self.chain(way, params, cost).map(Evidence::Chain),
            World::Generator => self.generated(way, params, cost).map(Evidence::Scenarios),
            World::Constraint => Ok(Evidence::Verdicts {
                scenarios: self.judged_scenarios(way, params, cost)?,
                lineups: self.judged_lineups(way, params, cost)?,
            }),
        }
    }

    /// How the restoring of bytes that are no checkpoint ends; `None` for other plugins than calibrators.
    pub fn restore(
        &self,
        checkpoint: &[u8],
        params: &Map<String, Value>,
        cost: &mut Cost,
    ) -> Option<Result<(), PluginFailure>> {
        if self.plugin.description().world != World::Calibrator {
            return None;
        }
        let restored = self.restored(params, checkpoint);
        Some(restored.map(|session| cost.add(&session.usage())))
    }

    fn context(&self) -> CallContext {
        let fuel = self.limits.fuel_per_session;
        CallContext { interrupt: Arc::clone(&self.interrupt), fuel, log: Arc::new(NoLog) }
    }

    fn chain(&self, way: Way, params: &Map<String, Value>, cost: &mut Cost) -> Result<ChainEvidence, PluginFailure> {
        let mut session = self.plugin.open_chain(&self.context(), &self.inputs.history, params, self.seed, 0)?;
        let mut chain = ChainEvidence { layout: session.layout().to_vec(), ..ChainEvidence::default() };
        let driven = match way {
            Way::Whole => self.drive_whole(&mut session, &mut chain),
            Way::Split => self.drive_split(&mut session, &mut chain),
            Way::Restored => self.drive_restored(&mut session, &mut chain, params, cost),
            Way::Glance => Ok(()),
        };
        cost.add(&session.usage());
        driven.map(|()| chain)
    }

    fn drive_whole(&self, session: &mut ChainSession, chain: &mut ChainEvidence) -> Result<(), PluginFailure> {
        while self.step(session, chain, STEP_ITERATIONS)? {
            chain.values.extend(session.take_draws()?);
        }
        chain.values.extend(session.take_draws()?);
        chain.checkpoint = Some(session.checkpoint()?);
        Ok(())
    }

    fn drive_split(&self, session: &mut ChainSession, chain: &mut ChainEvidence) -> Result<(), PluginFailure> {
        for iterations in SPLIT_ITERATIONS.into_iter().cycle() {
            session.checkpoint()?;
            if !self.step(session, chain, iterations)? {
                break;
            }
        }
        chain.values = session.take_draws()?;
        Ok(())
    }

    fn drive_restored(
        &self,
        session: &mut ChainSession,
        chain: &mut ChainEvidence,
        params: &Map<String, Value>,
        cost: &mut Cost,
    ) -> Result<(), PluginFailure> {
        let mut goes_on = self.step(session, chain, STEP_ITERATIONS)?;
        chain.values.extend(session.take_draws()?);
        while goes_on && chain.iterations < self.half_way(chain) {
            goes_on = self.step(session, chain, STEP_ITERATIONS)?;
        }
        let mut restored = self.restored(params, &session.checkpoint()?)?;
        let driven = self.drive_to_end(&mut restored, chain, goes_on);
        cost.add(&restored.usage());
        driven
    }

    fn drive_to_end(
        &self,
        session: &mut ChainSession,
        chain: &mut ChainEvidence,
        mut goes_on: bool,
    ) -> Result<(), PluginFailure> {
        while goes_on {
            goes_on = self.step(session, chain, STEP_ITERATIONS)?;
        }
        chain.values.extend(session.take_draws()?);
        Ok(())
    }

    fn half_way(&self, chain: &ChainEvidence) -> u32 {
        chain.iterations_total.min(self.limits.iterations) / 2
    }

    /// Advances the chain, and says whether there is more to do.
    fn step(
        &self,
        session: &mut ChainSession,
        chain: &mut ChainEvidence,
        iterations: u32,
    ) -> Result<bool, PluginFailure> {
        let left = self.limits.iterations.saturating_sub(chain.iterations).max(1);
        let progress: Progress = session.step(iterations.min(left))?;
        chain.iterations = progress.iterations_done;
        chain.iterations_total = progress.iterations_total;
        chain.counts = (progress.divergences, progress.gradients);
        Ok(!progress.is_done() && chain.iterations < self.limits.iterations)
    }

    fn restored(&self, params: &Map<String, Value>, checkpoint: &[u8]) -> Result<ChainSession, PluginFailure> {
        self.plugin.restore_chain(&self.context(), &self.inputs.history, params, self.seed, 0, checkpoint)
    }

    fn generated(
        &self,
        way: Way,
        params: &Map<String, Value>,
        cost: &mut Cost,
    ) -> Result<ScenarioBlock, PluginFailure> {
        let layout = self.plugin.description().posterior_layout.as_deref().unwrap_or_default();
        let Some(model) = self.inputs.model(layout) else { return Ok(ScenarioBlock::default()) };
        let mut session = self.plugin.open_generator(&self.context(), model, &self.inputs.race, params, self.seed)?;
        let mut block = ScenarioBlock::empty(self.inputs.race.start.len());
        let drawn = parts(way, self.limits.scenarios as usize).into_iter().try_for_each(|(first, count)| {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            let mut part = session.generate(first as u64, count)?;
            part.append(&block);
            block = part;
            Ok(())
        });
        cost.add(&session.usage());
        drawn.map(|()| block)
    }

    fn judged_scenarios(
        &self,
        way: Way,
        params: &Map<String, Value>,
        cost: &mut Cost,
    ) -> Result<Vec<u8>, PluginFailure> {
        if self.scenarios.scenarios == 0 {
            return Ok(Vec::new());
        }
        let mut session = self.plugin.open_scenario_judge(&self.context(), &self.inputs.race, params)?;
        let judged = judged_parts(way, self.scenarios.scenarios, |first, count| {
            session.judge(&rows_of(&self.scenarios, first, count))
        });
        cost.add(&session.usage());
        judged
    }

    fn judged_lineups(&self, way: Way, params: &Map<String, Value>, cost: &mut Cost) -> Result<Vec<u8>, PluginFailure> {
        if self.lineups.is_empty() {
            return Ok(Vec::new());
        }
        let mut session = self.plugin.open_lineup_judge(&self.context(), &self.inputs.slate, params)?;
        let judged =
            judged_parts(way, self.lineups.len(), |first, count| session.judge(&self.lineups[first..first + count]));
        cost.add(&session.usage());
        judged
    }
}

/// Verdicts in order, whatever the order in which the parts were judged.
fn judged_parts(
    way: Way,
    count: usize,
    mut judge: impl FnMut(usize, usize) -> Result<Vec<u8>, PluginFailure>,
) -> Result<Vec<u8>, PluginFailure> {
    let mut verdicts = Vec::new();
    for (first, count) in parts(way, count) {
        let mut part = judge(first, count)?;
        part.append(&mut verdicts);
        verdicts = part;
    }
    Ok(verdicts)
}

/// First element and length of each part, in the order in which they are asked for: the last comes first.
fn parts(way: Way, count: usize) -> Vec<(usize, usize)> {
    match way {
        Way::Whole | Way::Restored => vec![(0, count)],
        Way::Glance => vec![(0, GLANCE.min(count))],
        Way::Split => {
            let size = count.div_ceil(PARTS).max(1);
            let firsts = (0..count).step_by(size);
            let parts = firsts.map(|first| (first, size.min(count - first))).rev();
            std::iter::once((count, 0)).chain(parts).collect()
        }
    }
}

fn rows_of(block: &ScenarioBlock, first: usize, count: usize) -> ScenarioBlock {
    let mut rows = ScenarioBlock::empty(block.entries);
    (first..first + count).for_each(|row| rows.push_row_of(block, row));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_split_run_are_all_of_it_from_the_end() {
        assert_eq!(
            parts(Way::Split, 25),
            [(25, 0), (24, 1), (21, 3), (18, 3), (15, 3), (12, 3), (9, 3), (6, 3), (3, 3), (0, 3)]
        );
        assert_eq!(parts(Way::Split, 1_000).len(), PARTS + 1);
        assert_eq!(parts(Way::Split, 1), [(1, 0), (0, 1)]);
        assert_eq!(parts(Way::Whole, 25), [(0, 25)]);
        assert_eq!(parts(Way::Glance, 1), [(0, 1)]);
    }
}
