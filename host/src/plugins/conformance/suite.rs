//! The checks themselves: which runs are made, and what their outcomes mean.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Map, Value};

use crate::{
    domain::{
        interrupt::Interrupt,
        plugin::{Usage, World},
    },
    plugins::{
        outcome::{Outcome, PluginFailure, RefusalKind},
        plugin::{LoadedPlugin, unnamed},
    },
};

use super::{
    ConformanceOptions,
    evidence::Evidence,
    inputs::Inputs,
    limits::ConformanceLimits,
    probes::{at_bounds, let_through, usual_params},
    report::{CheckName, CheckReport, CheckVerdict, ConformanceReport},
    runs::{Cost, Runner, Way},
};

/// Version of the suite.
const SUITE: u32 = 1;
/// How often one guest is asked what it is.
const DESCRIBE_TIMES: usize = 2;
/// What is no checkpoint of anything.
const FOREIGN_CHECKPOINTS: [&[u8]; 3] = [b"", b"not a checkpoint", &[0xff; 4_096]];

/// Makes the checks that `options` ask for.
pub fn run(plugin: &LoadedPlugin, options: &ConformanceOptions) -> Result<ConformanceReport, PluginFailure> {
    let started = Instant::now();
    let limits = &plugin.limits().conformance;
    let interrupt = Arc::new(Interrupt::with_deadline(started + Duration::from_secs(limits.wall_s)));
    let bundled = options.inputs.clone().map_or_else(Inputs::bundled, Ok).map_err(|error| {
        unnamed(plugin.hash()).failure("check", Outcome::HostFailed { message: format!("bundled race: {error}") })
    })?;
    let runner = Runner::new(plugin, &bundled, limits, &interrupt, options.seed);
    let mut suite = Suite { plugin, inputs: &bundled, limits, runner, is_out_of_time: false };
    let first = suite.first_run()?;
    let mut checks = Vec::new();
    let mut usage = first.cost.usage;
    for name in CheckName::ALL {
        if options.only.is_empty() || options.only.contains(&name) {
            let (finding, cost) = suite.check(name, &first)?;
            usage.add(&cost.usage);
            checks.push(report(name, finding, cost.usage, options.seed));
        }
    }
    Ok(ConformanceReport {
        plugin: plugin.label(),
        hash: plugin.hash().to_owned(),
        world: plugin.description().world,
        suite: SUITE,
        seed: options.seed,
        passed: checks.iter().all(|check| check.verdict != CheckVerdict::Failed),
        checks,
        usage,
        wall_ms: started.elapsed().as_secs_f64() * 1e3,
    })
}

fn report(name: CheckName, finding: Finding, usage: Usage, seed: u64) -> CheckReport {
    let (verdict, found) = match finding {
        Finding::Passed(found) => (CheckVerdict::Passed, found),
        Finding::Failed(found) => (CheckVerdict::Failed, found),
        Finding::NotApplicable(why) => (CheckVerdict::NotApplicable, why),
    };
    CheckReport {
        name,
        verdict,
        found,
        action: (verdict == CheckVerdict::Failed).then(|| name.action().to_owned()),
        usage,
        reproduce: format!("paddock plugin check FILE --only {name} --seed {seed}"),
    }
}

enum Finding {
    Passed(String),
    Failed(String),
    NotApplicable(String),
}

/// The run that the others are compared with.
struct FirstRun {
    outcome: FirstOutcome,
    params: Map<String, Value>,
    cost: Cost,
}

enum FirstOutcome {
    /// It ran to its end.
    Evidence(Evidence),
    /// It ended badly; the check that this breaks, and how.
    Broke(CheckName, String, Option<PluginFailure>),
    /// There is nothing to run it on.
    NoInput(String),
}

struct Suite<'a> {
    plugin: &'a LoadedPlugin,
    inputs: &'a Inputs,
    limits: &'a ConformanceLimits,
    runner: Runner<'a>,
    is_out_of_time: bool,
}

impl Suite<'_> {
    fn first_run(&mut self) -> Result<FirstRun, PluginFailure> {
        let mut cost = Cost::default();
        let params = match usual_params(self.plugin) {
            Ok(params) => params,
            Err(found) => {
                let outcome = FirstOutcome::Broke(CheckName::ParamsDefaults, found, None);
                return Ok(FirstRun { outcome, params: Map::new(), cost });
            }
        };
        let outcome = match self.missing_model() {
            Some(why) => FirstOutcome::NoInput(why),
            None => match self.runner.run(Way::Whole, &params, &mut cost) {
                Ok(evidence) => FirstOutcome::Evidence(evidence),
                Err(failure) => self.broken(failure)?,
            },
        };
        Ok(FirstRun { outcome, params, cost })
    }

    fn broken(&mut self, failure: PluginFailure) -> Result<FirstOutcome, PluginFailure> {
        let name = broken_check(&failure).ok_or_else(|| failure.clone())?;
        self.is_out_of_time |= name == CheckName::Time;
        Ok(FirstOutcome::Broke(name, failure.to_string(), Some(failure)))
    }

    fn missing_model(&self) -> Option<String> {
        let description = self.plugin.description();
        let layout = description.posterior_layout.as_deref().filter(|_| description.world == World::Generator)?;
        if self.inputs.model(layout).is_some() {
            return None;
        }
        Some(format!(
            "there is no model of the posterior layout `{layout}` here: fit one with its own calibrator \
             (`paddock plugin run CALIBRATOR --model-out model.json`) and check with `--model model.json`"
        ))
    }

    fn check(&mut self, name: CheckName, first: &FirstRun) -> Result<(Finding, Cost), PluginFailure> {
        let mut cost = Cost::default();
        let finding = match name {
            CheckName::Describe => self.describe(&mut cost),
            CheckName::ParamsSchema => self.params_schema(first, &mut cost),
            CheckName::Deterministic => self.compared(first, Way::Whole, &mut cost),
            CheckName::BlockSplit => self.compared(first, Way::Split, &mut cost),
            CheckName::Checkpoint if self.plugin.description().world == World::Calibrator => {
                self.compared(first, Way::Restored, &mut cost)
            }
            CheckName::ForeignCheckpoint => self.foreign_checkpoint(first, &mut cost),
            CheckName::Time => Ok(self.time(first)),
            _ => Ok(self.of_first_run(name, first)),
        };
        match finding {
            Ok(finding) => Ok((finding, cost)),
            Err(failure) => self.failed(failure).map(|finding| (finding, cost)),
        }
    }

    /// What a run that ended badly means for the check that made it.
    fn failed(&mut self, failure: PluginFailure) -> Result<Finding, PluginFailure> {
        match broken_check(&failure) {
            None => Err(failure),
            Some(CheckName::Time) => {
                self.is_out_of_time = true;
                Ok(not_after(CheckName::Time))
            }
            Some(_) => Ok(Finding::Failed(failure.to_string())),
        }
    }

    fn describe(&self, cost: &mut Cost) -> Result<Finding, PluginFailure> {
        let (said, usage) = self.plugin.describe_repeatedly(DESCRIBE_TIMES)?;
        cost.usage.add(&usage);
        if said.windows(2).any(|pair| pair[0] != pair[1]) {
            return Ok(Finding::Failed("asked twice in one guest, it says two different things".to_owned()));
        }
        let limit = self.plugin.limits().describe_fuel;
        let label = self.plugin.label();
        Ok(Finding::Passed(format!("{label} every time, for {} of {limit} units of fuel", usage.fuel)))
    }

    /// What the first run says of checks that need no other.
    fn of_first_run(&self, name: CheckName, first: &FirstRun) -> Finding {
        match &first.outcome {
            FirstOutcome::NoInput(why) => Finding::NotApplicable(why.clone()),
            FirstOutcome::Broke(broken, found, _) if *broken == name => Finding::Failed(found.clone()),
            FirstOutcome::Broke(_, _, Some(failure)) if name == CheckName::ParamsDefaults && has_opened(failure) => {
                Finding::Passed(opened_with(&first.params))
            }
            FirstOutcome::Broke(broken, ..) => not_after(*broken),
            FirstOutcome::Evidence(evidence) => self.kept(name, evidence, first),
        }
    }

    fn kept(&self, name: CheckName, evidence: &Evidence, first: &FirstRun) -> Finding {
        let is_calibrator = self.plugin.description().world == World::Calibrator;
        match name {
            CheckName::ParamsDefaults => Finding::Passed(opened_with(&first.params)),
            CheckName::Finite | CheckName::Checkpoint if !is_calibrator => {
                Finding::NotApplicable("only calibrators have any".to_owned())
            }
            CheckName::Fuel => {
                let limit = self.limits.fuel_per_session;
                Finding::Passed(format!("at most {} of {limit} units in one session", first.cost.fuel_most))
            }
            CheckName::Memory => {
                let (peak, limit) = (first.cost.usage.memory_peak_bytes, self.plugin.limits().memory_bytes_max);
                Finding::Passed(format!("at most {peak} of {limit} bytes"))
            }
            _ => Finding::Passed(evidence.amount()),
        }
    }

    fn params_schema(&mut self, first: &FirstRun, cost: &mut Cost) -> Result<Finding, PluginFailure> {
        if let FirstOutcome::Broke(name, ..) = first.outcome {
            return Ok(not_after(name));
        }
        if let Some(what) = let_through(self.plugin, &first.params) {
            return Ok(Finding::Failed(format!("the schema takes {what}")));
        }
        let probes = at_bounds(self.plugin, &first.params, self.limits.bounds);
        for probe in &probes {
            match self.runner.run(Way::Glance, &probe.params, cost) {
                Ok(_) => {}
                Err(PluginFailure { outcome: Outcome::Refused { kind: RefusalKind::InvalidParams, .. }, .. }) => {}
                Err(failure) => match self.failed(failure)? {
                    Finding::Failed(found) => return Ok(Finding::Failed(format!("with {}: {found}", probe.label))),
                    other => return Ok(other),
                },
            }
        }
        Ok(Finding::Passed(format!("refuses what is outside of it; {} values at its bounds tried", probes.len())))
    }

    /// Whether another run gives the same bits.
    fn compared(&self, first: &FirstRun, way: Way, cost: &mut Cost) -> Result<Finding, PluginFailure> {
        let evidence = match &first.outcome {
            FirstOutcome::NoInput(why) => return Ok(Finding::NotApplicable(why.clone())),
            FirstOutcome::Broke(name, ..) => return Ok(not_after(*name)),
            FirstOutcome::Evidence(evidence) => evidence,
        };
        let other = self.runner.run(way, &first.params, cost)?;
        Ok(match evidence.first_difference(&other) {
            None => Finding::Passed(format!("the same bits both times: {}", evidence.amount())),
            Some(difference) => Finding::Failed(difference),
        })
    }

    fn foreign_checkpoint(&mut self, first: &FirstRun, cost: &mut Cost) -> Result<Finding, PluginFailure> {
        if let FirstOutcome::Broke(name, ..) = first.outcome {
            return Ok(not_after(name));
        }
        for bytes in FOREIGN_CHECKPOINTS {
            let what = format!("{} bytes that are no checkpoint", bytes.len());
            match self.runner.restore(bytes, &first.params, cost) {
                None => return Ok(Finding::NotApplicable("only calibrators have any".to_owned())),
                Some(Ok(())) => return Ok(Finding::Failed(format!("it goes on from {what}"))),
                Some(Err(PluginFailure { outcome: Outcome::Refused { .. }, .. })) => {}
                Some(Err(failure)) => match self.failed(failure)? {
                    Finding::Failed(found) => return Ok(Finding::Failed(format!("given {what}: {found}"))),
                    other => return Ok(other),
                },
            }
        }
        Ok(Finding::Passed(format!("{} checkpoints of nothing are refused", FOREIGN_CHECKPOINTS.len())))
    }

    /// Comes last, because any run before may have run out of time.
    fn time(&self, first: &FirstRun) -> Finding {
        let limit = self.limits.wall_s;
        match &first.outcome {
            FirstOutcome::Broke(CheckName::Time, found, _) => Finding::Failed(found.clone()),
            _ if self.is_out_of_time => Finding::Failed(format!("the suite took more than wall_s = {limit} s")),
            FirstOutcome::NoInput(why) => Finding::NotApplicable(why.clone()),
            _ => Finding::Passed(format!("within {limit} s")),
        }
    }
}

/// The check that a run's bad end breaks; `None` where it is the host's own failure. All that can be wrong with a single draw is
/// that it is not finite.
fn broken_check(failure: &PluginFailure) -> Option<CheckName> {
    Some(match &failure.outcome {
        Outcome::Refused { .. } if !has_opened(failure) => CheckName::ParamsDefaults,
        Outcome::Refused { .. } | Outcome::Trapped { .. } => CheckName::Runs,
        Outcome::OutOfFuel { .. } => CheckName::Fuel,
        Outcome::OutOfMemory { .. } => CheckName::Memory,
        Outcome::BadOutput { place, .. } if place.starts_with("values[") => CheckName::Finite,
        Outcome::BadOutput { .. } | Outcome::Rejected(_) => CheckName::Output,
        Outcome::Stopped(_) => CheckName::Time,
        Outcome::HostFailed { .. } => return None,
    })
}

/// Whether the failing function is past the one that opens.
fn has_opened(failure: &PluginFailure) -> bool {
    !failure.function.ends_with(".open") && failure.function != "instantiate"
}

fn not_after(name: CheckName) -> Finding {
    Finding::NotApplicable(format!("not looked at, because `{name}` failed"))
}

fn opened_with(params: &Map<String, Value>) -> String {
    let listed: Vec<&str> = params.keys().map(String::as_str).collect();
    if listed.is_empty() { "opens without parameters".to_owned() } else { format!("opens with {}", listed.join(", ")) }
}
