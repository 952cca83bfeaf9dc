//! Finds the plugins that a specification names and pins them: exact version, content hash, complete parameters.

use super::{
    Pipeline,
    pinned::PinnedPlugin,
    plan::{below, referred},
};
use crate::{
    catalog,
    domain::{
        ids::TeamId,
        plugin::{PluginDescription, World},
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
}

impl<'a> Pinning<'a> {
    /// For one team.
    pub const fn new(pipeline: &'a Pipeline, team: &'a TeamId) -> Self {
        Self { pipeline, team }
    }

    /// Pins a calibrator that `pointer` of the request names.
    ///
    /// # Errors
    /// `invalid-input` where there is no such plugin, it is something else, or its parameters are not valid; so for the others.
    pub async fn calibrator(&self, chosen: &PluginUse, pointer: &str) -> Result<PinnedPlugin, Problem> {
        let found = self.find(chosen, pointer).await?;
        found.must_be(World::Calibrator, pointer)?;
        Ok(found.pinned)
    }

    /// Pins a generator.
    ///
    /// # Errors
    /// As [`Self::calibrator`].
    pub async fn generator(&self, chosen: &PluginUse, pointer: &str) -> Result<PinnedPlugin, Problem> {
        let found = self.find(chosen, pointer).await?;
        found.must_be(World::Generator, pointer)?;
        Ok(found.pinned)
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
        does_judge: fn(&PluginDescription) -> bool,
    ) -> Result<Vec<PinnedPlugin>, Problem> {
        let mut pinned: Vec<PinnedPlugin> = Vec::with_capacity(chosen.len());
        for (index, constraint) in chosen.iter().enumerate() {
            let pointer = format!("{pointer}/{index}");
            let ConstraintUse { plugin, version, params, on_failure } = constraint;
            let chosen = PluginUse { plugin: plugin.clone(), version: version.clone(), params: params.clone() };
            let mut found = self.find(&chosen, &pointer).await?;
            found.must_be(World::Constraint, &pointer)?;
            if !does_judge(&found.description) {
                let detail = format!("{} does not judge {what}.", found.pinned.label);
                return Err(Problem::invalid(
                    format!("{pointer}/plugin"),
                    detail,
                    format!("Name a constraint that judges {what}."),
                ));
            }
            found.pinned.on_failure = *on_failure;
            pinned.push(found.pinned);
        }
        Ok(pinned)
    }

    async fn find(&self, chosen: &PluginUse, pointer: &str) -> Result<Found, Problem> {
        let row = catalog::find_plugin(&self.pipeline.db, self.team, &chosen.plugin, chosen.version.as_deref()).await;
        let row = row.map_err(|error| referred(&error, &format!("{pointer}/plugin")))?;
        if row.is_disabled {
            let detail = format!("{} is disabled.", row.label());
            let action = "Choose another version, or ask whoever disabled it to enable it again.";
            return Err(Problem::invalid(format!("{pointer}/plugin"), detail, action));
        }
        let loaded = self.pipeline.load(&row.hash).await?;
        let params = loaded.validate_params(&chosen.params).map_err(|problem| below(problem, pointer))?;
        let description = loaded.description().clone();
        let pinned = PinnedPlugin {
            label: loaded.label(),
            hash: row.hash.clone(),
            world: description.world,
            params,
            layout: description.posterior_layout.clone(),
            veto_reasons: description.veto_reasons.clone(),
            on_failure: OnFailure::FailClosed,
        };
        Ok(Found { pinned, description })
    }
}

struct Found {
    pinned: PinnedPlugin,
    description: PluginDescription,
}

impl Found {
    fn must_be(&self, world: World, pointer: &str) -> Result<(), Problem> {
        if self.description.world == world {
            return Ok(());
        }
        let (label, own) = (&self.pinned.label, self.description.world.as_str());
        let detail = format!("{label} is a {own}, not a {}.", world.as_str());
        Err(Problem::invalid(format!("{pointer}/plugin"), detail, format!("Name a {}.", world.as_str())))
    }
}
