//! Finds the plugins that a specification names and pins them: exact version, content hash, complete parameters.

use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};

use super::{
    Pipeline,
    pinned::PinnedPlugin,
    plan::{below, referred},
};
use crate::{
    catalog::{self, CatalogError, StoredPlugin, plugins},
    domain::{
        ids::TeamId,
        plugin::{PluginDescription, World},
        plugin_ref::{Alias, InvalidPluginRef, PluginRef, Which},
        problem::Problem,
        spec::{ConstraintUse, OnFailure, PluginUse},
    },
};

/// Veto reasons that the lineup constraints of a job have at most together: a verdict is one byte.
const LINEUP_REASONS_MAX: usize = 255;

/// Pins the plugins of one team's specification.
pub struct Pinning<'a> {
    pipeline: &'a Pipeline,
    team: &'a TeamId,
    warnings: Mutex<Vec<String>>,
}

impl<'a> Pinning<'a> {
    /// For one team.
    pub const fn new(pipeline: &'a Pipeline, team: &'a TeamId) -> Self {
        Self { pipeline, team, warnings: Mutex::new(Vec::new()) }
    }

    /// What the client had better know of what was pinned.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn warn(&self, warning: String) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(warning);
    }

    /// Pins a calibrator that `pointer` of the request names.
    ///
    /// # Errors
    /// `invalid-input` where there is no such plugin, it is something else, or its parameters are not valid; so for the others.
    pub async fn calibrator(&self, chosen: &PluginUse, pointer: &str) -> Result<PinnedPlugin, Problem> {
        self.find(chosen, pointer, &Needs::world(World::Calibrator)).await
    }

    /// Pins a generator.
    ///
    /// # Errors
    /// As [`Self::calibrator`].
    pub async fn generator(&self, chosen: &PluginUse, pointer: &str) -> Result<PinnedPlugin, Problem> {
        self.find(chosen, pointer, &Needs::world(World::Generator)).await
    }

    /// Pins constraints that judge scenarios.
    ///
    /// # Errors
    /// As [`Self::calibrator`].
    pub async fn scenario_constraints(
        &self,
        chosen: &[ConstraintUse],
        pointer: &str,
    ) -> Result<Vec<PinnedPlugin>, Problem> {
        self.constraints(chosen, pointer, "scenarios", |description| description.judges_scenarios).await
    }

    /// Pins constraints that judge lineups.
    ///
    /// # Errors
    /// As [`Self::calibrator`], and where they have more reasons together than a verdict can tell apart.
    pub async fn lineup_constraints(
        &self,
        chosen: &[ConstraintUse],
        pointer: &str,
    ) -> Result<Vec<PinnedPlugin>, Problem> {
        let pinned = self.constraints(chosen, pointer, "lineups", |description| description.judges_lineups).await?;
        let reasons: usize = pinned.iter().map(|plugin| plugin.veto_reasons.len()).sum();
        if reasons > LINEUP_REASONS_MAX {
            let detail = format!("The lineup constraints have {reasons} veto reasons together.");
            return Err(Problem::invalid(pointer, detail, "Use fewer lineup constraints in one job.")
                .with_limit(format!("{LINEUP_REASONS_MAX} reasons")));
        }
        Ok(pinned)
    }

    async fn constraints(
        &self,
        chosen: &[ConstraintUse],
        pointer: &str,
        what: &str,
        does_judge: DoesJudge,
    ) -> Result<Vec<PinnedPlugin>, Problem> {
        let mut pinned: Vec<PinnedPlugin> = Vec::with_capacity(chosen.len());
        for (index, constraint) in chosen.iter().enumerate() {
            let pointer = format!("{pointer}/{index}");
            let ConstraintUse { plugin, version, params, shadow, on_failure } = constraint.clone();
            let chosen = PluginUse { plugin, version, params, shadow };
            let needs = Needs { world: World::Constraint, judges: Some((what, does_judge)) };
            pinned.push(PinnedPlugin { on_failure, ..self.find(&chosen, &pointer, &needs).await? });
        }
        Ok(pinned)
    }

    /// Finds what a specification names, and the candidate to run beside it.
    async fn find(&self, chosen: &PluginUse, pointer: &str, needs: &Needs<'_>) -> Result<PinnedPlugin, Problem> {
        let wanted = wanted(chosen, pointer)?;
        let (mut pinned, row) = self.pin(&wanted, &chosen.params, pointer, needs).await?;
        let shadow = match &chosen.shadow {
            Some(text) => {
                let pointer = format!("{pointer}/shadow");
                let candidate = candidate(text, &wanted).map_err(|error| said(&pointer, error))?;
                let found = self.pin(&candidate, &chosen.params, &pointer, needs).await;
                Some(found.map_err(|problem| problem.at(pointer))?.0)
            }
            None => self.shadow_of_alias(&wanted, &row, chosen, needs).await?.filter(|found| found.hash != pinned.hash),
        };
        pinned.shadow = shadow.map(Box::new);
        Ok(pinned)
    }

    /// The candidate that the team's own alias asks for. That it cannot be run is no reason to refuse a job.
    async fn shadow_of_alias(
        &self,
        wanted: &PluginRef,
        row: &StoredPlugin,
        chosen: &PluginUse,
        needs: &Needs<'_>,
    ) -> Result<Option<PinnedPlugin>, Problem> {
        let stable = Alias::stable();
        let alias = match &wanted.which {
            Which::Alias(alias) => alias,
            Which::Promoted => &stable,
            Which::Version(_) => return Ok(None),
        };
        let Some(owner) = row.owner.as_ref().filter(|_| row.is_own) else { return Ok(None) };
        let alias = match plugins::alias(&self.pipeline.db, owner, &wanted.name, alias).await {
            Ok(alias) => alias,
            Err(CatalogError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.to_problem()),
        };
        let Some(which) = alias.shadow else { return Ok(None) };
        match self.pin(&wanted.at(which), &chosen.params, "", needs).await {
            Ok((candidate, _)) => Ok(Some(candidate)),
            Err(problem) => {
                let alias = alias.alias.as_str();
                self.warn(format!("nothing runs beside {}@{alias}: {}", wanted.full_name(), problem.detail));
                Ok(None)
            }
        }
    }

    async fn pin(
        &self,
        wanted: &PluginRef,
        params: &Map<String, Value>,
        pointer: &str,
        needs: &Needs<'_>,
    ) -> Result<(PinnedPlugin, StoredPlugin), Problem> {
        let row = catalog::find_plugin(&self.pipeline.db, self.team, wanted).await;
        let row = row.map_err(|error| referred(&error, &format!("{pointer}/plugin")))?;
        if let Some(refusal) = row.refusal() {
            return Err(refusal.at(format!("{pointer}/plugin")));
        }
        needs.check(&row, pointer)?;
        let loaded = self.pipeline.load(&row.hash).await?;
        let params = loaded.validate_params(params).map_err(|problem| below(problem, pointer))?;
        let PluginDescription { world, posterior_layout, veto_reasons, .. } = row.description.clone();
        let pinned = PinnedPlugin {
            label: row.label(),
            id: Some(row.id.clone()),
            deprecation: row.deprecation.clone(),
            hash: row.hash.clone(),
            is_shipped: row.is_shipped(),
            world,
            params,
            layout: posterior_layout,
            veto_reasons,
            on_failure: OnFailure::FailClosed,
            shadow: None,
        };
        Ok((pinned, row))
    }
}

/// The plugin and version that a specification names: `version` can stand beside the name, or behind it.
fn wanted(chosen: &PluginUse, pointer: &str) -> Result<PluginRef, Problem> {
    let named: PluginRef = chosen.plugin.parse().map_err(|error| said(&format!("{pointer}/plugin"), error))?;
    let Some(version) = &chosen.version else { return Ok(named) };
    if named.which != Which::Promoted {
        let detail = format!("The plugin's name says `{}`, and `version` says `{version}`.", named.which);
        return Err(Problem::invalid(format!("{pointer}/version"), detail, "Say the version once."));
    }
    Ok(named.at(version.parse().map_err(|error| said(&format!("{pointer}/version"), error))?))
}

/// The candidate that a specification names: `@version` and `@alias` are of the plugin itself.
fn candidate(text: &str, promoted: &PluginRef) -> Result<PluginRef, InvalidPluginRef> {
    match text.strip_prefix('@') {
        Some(which) => Ok(promoted.at(which.parse()?)),
        None => text.parse(),
    }
}

fn said(field: &str, error: InvalidPluginRef) -> Problem {
    let action = "Name it `name`, `name@1.2.0`, `name@stable`, or `team/name` where another team shares it.";
    Problem::invalid(field, format!("{error}."), action)
}

type DoesJudge = fn(&PluginDescription) -> bool;

/// What a plugin has to be for its place in a job.
struct Needs<'a> {
    world: World,
    /// What it has to judge, and whether it does.
    judges: Option<(&'a str, DoesJudge)>,
}

impl Needs<'_> {
    const fn world(world: World) -> Self {
        Self { world, judges: None }
    }

    fn check(&self, row: &StoredPlugin, pointer: &str) -> Result<(), Problem> {
        let (label, own, wanted) = (row.label(), row.description.world.as_str(), self.world.as_str());
        if row.description.world != self.world {
            let detail = format!("{label} is a {own}, not a {wanted}.");
            return Err(Problem::invalid(format!("{pointer}/plugin"), detail, format!("Name a {wanted}.")));
        }
        match self.judges {
            Some((what, does_judge)) if !does_judge(&row.description) => {
                let detail = format!("{label} does not judge {what}.");
                let action = format!("Name a constraint that judges {what}.");
                Err(Problem::invalid(format!("{pointer}/plugin"), detail, action))
            }
            _ => Ok(()),
        }
    }
}
