//! Joins the chains of a fit into a posterior, says how well they agree, and stores the model where the job was asked for one.

use super::{
    chain_state::doubles_from_bytes,
    columns::{decode_posterior, encode_posterior, scalar_names},
    digest::Made,
    limits::PipelineConfig,
    native,
    outputs::{ChainDone, Done, PosteriorDone},
    pinned::{FitPlan, ModelSource, PinnedPlugin},
    task::{FitStage, Task},
};
use crate::{
    catalog::{self, NewModel, build_history},
    domain::{model::Posterior, problem::Problem},
    jobs::TaskFailure,
    results::{FitSummary, ParameterSummary},
    score::convergence::{Convergence, diagnose},
};

/// The fits, as a component of the result.
pub const CALIBRATION: &str = "calibration";

/// Joins the chains of fit `fit`, on all cores.
///
/// # Errors
/// Where the chains do not belong together, or the storage fails.
pub fn assemble(task: &Task<'_>, fit: usize) -> Result<Done<PosteriorDone>, TaskFailure> {
    let (done, _cpu) = native::on_all_cores(task.context, || assemble_here(task, fit))?;
    Ok(done)
}

fn assemble_here(task: &Task<'_>, fit: usize) -> Result<Done<PosteriorDone>, TaskFailure> {
    let plugin = task.spec.calibrator()?;
    let plan = task.spec.fit(fit)?;
    let chains = chains_of(task, fit, plan)?;
    let posterior = join(task, plugin, plan, &chains)?;
    let artifact = task.context.put_artifact(encode_posterior(&posterior)?)?.to_string();
    let work = PosteriorDone {
        artifact,
        layout: posterior.layout.clone(),
        draws: posterior.draws,
        fit: summarize(&posterior, plugin, plan, &chains, &task.pipeline.config)?,
    };
    if fit == 0 {
        store_model(task, plugin, &work)?;
    }
    let made = vec![Made::new(CALIBRATION, work.artifact.clone())];
    Ok(Done::new(work, task.wall_ms(), Vec::new()).made(made))
}

/// The posterior that the job simulates from: its own first fit, or a model of the catalog.
///
/// # Errors
/// Where the model is gone or the storage fails.
pub fn posterior(task: &Task<'_>) -> Result<Posterior, TaskFailure> {
    match &task.spec.model {
        Some(ModelSource::Stored(id)) => {
            let model = task.stored_model(id)?;
            Ok(decode_posterior(&task.artifact(&model.artifact)?)?)
        }
        Some(ModelSource::Fitted(_)) => fitted_posterior(task, 0),
        None => Err(Problem::internal("The job has no model to simulate from.").into()),
    }
}

/// The posterior of one of the job's fits.
///
/// # Errors
/// Where the storage fails.
pub fn fitted_posterior(task: &Task<'_>, fit: usize) -> Result<Posterior, TaskFailure> {
    let mut fits = task.fitted::<PosteriorDone>(FitStage::Posteriors)?;
    if fit >= fits.len() {
        return Err(Problem::internal("A fit is missing.").into());
    }
    Ok(decode_posterior(&task.artifact(&fits.swap_remove(fit).work.artifact)?)?)
}

/// The finished chains of a fit, in order. The stage holds them fit by fit.
fn chains_of(task: &Task<'_>, fit: usize, plan: &FitPlan) -> Result<Vec<ChainDone>, TaskFailure> {
    let first: u32 = task.spec.fits[..fit].iter().map(|earlier| earlier.chains).sum();
    let done = task.fitted::<ChainDone>(FitStage::Chains)?;
    let chains: Vec<ChainDone> =
        done.into_iter().skip(first as usize).take(plan.chains as usize).map(|done| done.work).collect();
    if chains.len() == plan.chains as usize {
        Ok(chains)
    } else {
        Err(Problem::internal("A chain of the fit is missing.").into())
    }
}

fn join(
    task: &Task<'_>,
    plugin: &PinnedPlugin,
    plan: &FitPlan,
    chains: &[ChainDone],
) -> Result<Posterior, TaskFailure> {
    let pinned = task.spec.history.get(plan.races.clone()).unwrap_or_default();
    let history = build_history(&task.races(pinned)?, plan.half_life_races);
    let first = chains.first().ok_or_else(|| Problem::internal("A fit has no chains."))?;
    let mut values = Vec::new();
    let mut cells = None;
    for chain in chains {
        let draws = doubles_from_bytes(&task.artifact(&chain.draws)?);
        if chain.layout != first.layout || *cells.get_or_insert(draws.len()) != draws.len() {
            return Err(TaskFailure::fatal(unequal_chains(plugin)));
        }
        values.extend(draws);
    }
    let columns: usize = first.layout.iter().map(crate::domain::model::Parameter::columns).sum();
    if values.is_empty() || columns == 0 {
        return Err(TaskFailure::fatal(no_draws(plugin)));
    }
    Ok(Posterior {
        layout: plugin.layout.clone().unwrap_or_default(),
        parameters: first.layout.clone(),
        drivers: history.drivers,
        teams: history.teams,
        chains: chains.len(),
        draws: values.len() / columns,
        values,
    })
}

fn unequal_chains(plugin: &PinnedPlugin) -> Problem {
    let detail = format!("The chains of {} have different layouts or numbers of draws.", plugin.label);
    let action = "Report it to the plugin's author: chains of a fit may differ in nothing but their draws.";
    let mut problem = Problem::new("plugin-bad-output", "A calibrator's chains do not belong together", detail, action);
    problem.plugin = Some(plugin.label.clone());
    problem
}

fn no_draws(plugin: &PinnedPlugin) -> Problem {
    let detail = format!("{} finished its chains without a single draw.", plugin.label);
    let action = "Ask for more iterations in its parameters, or report it to the plugin's author.";
    let mut problem = Problem::new("plugin-bad-output", "A calibrator gave no draws", detail, action);
    problem.plugin = Some(plugin.label.clone());
    problem
}

fn summarize(
    posterior: &Posterior,
    plugin: &PinnedPlugin,
    plan: &FitPlan,
    chains: &[ChainDone],
    config: &PipelineConfig,
) -> Result<FitSummary, TaskFailure> {
    let columns = posterior.columns();
    let diagnosed = diagnose(&posterior.values, posterior.chains, posterior.draws, columns).map_err(|error| {
        Problem::new(
            "too-few-draws",
            "The chains are too short to judge",
            format!("{error}."),
            "Ask for more iterations in the calibrator's parameters.",
        )
    })?;
    let is_main: Vec<bool> = posterior
        .parameters
        .iter()
        .flat_map(|parameter| std::iter::repeat_n(parameter.is_main, parameter.columns()))
        .collect();
    let mains = || diagnosed.iter().zip(&is_main).filter(|(_, is_main)| **is_main).map(|(found, _)| found);
    let mut summary = FitSummary {
        plugin: plugin.label.clone(),
        races: plan.races.len(),
        chains: chains.len(),
        draws: posterior.draws,
        divergences: chains.iter().map(|chain| chain.divergences).sum(),
        gradients: chains.iter().map(|chain| chain.gradients).sum(),
        max_rhat: diagnosed.iter().map(|found| found.r_hat).fold(f64::NEG_INFINITY, f64::max),
        min_ess_bulk: mains().map(|found| found.ess_bulk).fold(posterior.draws as f64, f64::min),
        min_ess_tail: mains().map(|found| found.ess_tail).fold(posterior.draws as f64, f64::min),
        warnings: Vec::new(),
        parameters: shown_parameters(posterior, &diagnosed),
    };
    summary.warnings = warnings(&summary, config);
    Ok(summary)
}

/// What keeps a fit from being trusted as it stands.
fn warnings(fit: &FitSummary, config: &PipelineConfig) -> Vec<String> {
    let mut warnings = Vec::new();
    let PipelineConfig { r_hat_max, ess_bulk_min, divergent_share_max, .. } = config;
    if fit.max_rhat > *r_hat_max {
        warnings.push(format!("the largest R-hat is {:.3}, above {r_hat_max}: the chains disagree", fit.max_rhat));
    }
    if fit.min_ess_bulk < *ess_bulk_min {
        let ess = fit.min_ess_bulk;
        warnings.push(format!("a main parameter has {ess:.0} effective draws, below {ess_bulk_min}"));
    }
    let divergent_share = f64::from(fit.divergences) / fit.draws.max(1) as f64;
    if divergent_share > *divergent_share_max {
        let percent = divergent_share * 100.0;
        warnings.push(format!("{percent:.1} % of the transitions diverged: the posterior may be cut short"));
    }
    warnings
}

/// The main scalars, and whichever scalar has the largest R-hat.
fn shown_parameters(posterior: &Posterior, diagnosed: &[Convergence]) -> Vec<ParameterSummary> {
    let names = scalar_names(&posterior.parameters);
    let mut shown = Vec::new();
    let mut column = 0;
    for parameter in &posterior.parameters {
        if parameter.is_main && parameter.columns() == 1 {
            shown.push(column);
        }
        column += parameter.columns();
    }
    let worst = (0..diagnosed.len()).max_by(|&a, &b| diagnosed[a].r_hat.total_cmp(&diagnosed[b].r_hat));
    shown.extend(worst.filter(|worst| !shown.contains(worst)));
    shown.iter().map(|&column| summary_of(posterior, column, &names[column], &diagnosed[column])).collect()
}

fn summary_of(posterior: &Posterior, column: usize, name: &str, found: &Convergence) -> ParameterSummary {
    let values = || posterior.values.iter().skip(column).step_by(posterior.columns());
    let count = posterior.draws as f64;
    let mean = values().sum::<f64>() / count;
    let squares: f64 = values().map(|value| (value - mean).powi(2)).sum();
    let finite = |value: f64| value.is_finite().then_some(value);
    ParameterSummary {
        name: name.to_owned(),
        mean,
        sd: (squares / (count - 1.0).max(1.0)).sqrt(),
        r_hat: finite(found.r_hat),
        ess_bulk: finite(found.ess_bulk),
        ess_tail: finite(found.ess_tail),
    }
}

/// Enters the job's model in the catalog under the id that the plan gave it; a second time changes nothing.
fn store_model(task: &Task<'_>, plugin: &PinnedPlugin, done: &PosteriorDone) -> Result<(), TaskFailure> {
    let Some(ModelSource::Fitted(id)) = &task.spec.model else { return Ok(()) };
    let plan = task.spec.fit(0)?;
    let races = task.spec.history.get(plan.races.clone()).unwrap_or_default();
    let model = NewModel {
        id: id.clone(),
        team: task.claimed.team.clone(),
        job: task.claimed.job.clone(),
        calibrator: plugin.label.clone(),
        calibrator_hash: plugin.hash.clone(),
        layout: done.layout.clone(),
        draws: done.draws,
        artifact: done.artifact.clone(),
        first_race: races.first().map(|race| race.key.clone()).unwrap_or_default(),
        last_race: races.last().map(|race| race.key.clone()).unwrap_or_default(),
        races: races.len(),
        fit: serde_json::to_value(&done.fit).unwrap_or_default(),
    };
    Ok(task.errand(|db| async move { catalog::insert_model(&db, &model).await })?)
}
