//! A plugin that is compiled, linked and described: what sessions are opened on.

use std::sync::Arc;

use serde_json::{Map, Value};
use wasmtime::{
    Store,
    component::{Component, Instance, InstancePre, Linker},
};

use crate::domain::{
    interrupt::Interrupt,
    plugin::{PluginDescription, Usage, World},
    problem::Problem,
};

use super::{
    call::{CallContext, Guest, GuestName},
    describe::{RawDescription, check_description},
    engine::EngineRoom,
    limits::PluginLimits,
    log::NoLog,
    outcome::{Outcome, PluginFailure, RefusalKind},
    params::ParamsSchema,
    rejection::Rejection,
    screen::Screened,
    store::GuestState,
    v0_1::{self, Exports},
};

/// What the WASI of guests draws from that are given no seed: those that describe and judge.
pub(super) const NO_SEED: u64 = 0;

/// A plugin ready to be called. Clones share everything; sessions share nothing.
#[derive(Clone)]
pub struct LoadedPlugin {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Arc<EngineRoom>,
    limits: Arc<PluginLimits>,
    pre: InstancePre<GuestState>,
    uses_wasi: bool,
    exports: Exports,
    description: PluginDescription,
    schema: ParamsSchema,
    hash: String,
}

impl std::fmt::Debug for LoadedPlugin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LoadedPlugin").field("label", &self.label()).field("hash", &self.hash()).finish()
    }
}

impl LoadedPlugin {
    /// Links a compiled component, asks it who it is and checks the answer.
    ///
    /// # Errors
    /// A rejection where it does not fit the contract; any other outcome of running `describe`.
    pub(super) fn describe(
        engine: Arc<EngineRoom>,
        linker: &Linker<GuestState>,
        limits: Arc<PluginLimits>,
        component: &Component,
        Screened { world, uses_wasi }: Screened,
        hash: &str,
    ) -> Result<Self, PluginFailure> {
        let name = unnamed(hash);
        let other_types = |error: wasmtime::Error| {
            let outcome = Outcome::Rejected(Rejection::OtherTypes { message: format!("{error:#}") });
            name.failure("link", outcome)
        };
        let pre = linker.instantiate_pre(component).map_err(other_types)?;
        let exports = Exports::find(&pre, world).map_err(other_types)?;
        let seed = uses_wasi.then_some(NO_SEED);
        let mut guest = Guest::new(&engine, &limits, name.clone(), &describe_context(&limits), seed)?;
        let plugin = guest
            .start(|store| {
                let instance = pre.instantiate(&mut *store)?;
                exports.load_plugin(store, &instance)
            })
            .map_err(|failure| outside_of_a_job(failure, &limits))?;
        let raw = guest
            .call("describe", 0, |store| v0_1::describe(&plugin, store, world))
            .map_err(|failure| outside_of_a_job(failure, &limits))?;
        let (description, schema) = check_description(raw, &limits)
            .map_err(|rejection| name.failure("describe", Outcome::Rejected(rejection)))?;
        let shared = Shared { engine, limits, pre, uses_wasi, exports, description, schema, hash: hash.to_owned() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What the plugin says of itself.
    #[must_use]
    pub fn description(&self) -> &PluginDescription {
        &self.shared.description
    }

    /// SHA-256 of the component, 64 hexadecimal digits.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.shared.hash
    }

    /// `name@version`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}@{}", self.shared.description.name, self.shared.description.version)
    }

    /// Fills in the schema's top-level defaults and validates.
    ///
    /// # Errors
    /// What is wrong, with its place below `/params`.
    pub fn validate_params(&self, params: &Map<String, Value>) -> Result<Map<String, Value>, Problem> {
        self.shared.schema.complete(params, &self.shared.limits).map_err(|mut problem| {
            problem.plugin = Some(self.label());
            problem
        })
    }

    /// What the plugin says of itself when it is asked several times in one guest, unchecked but for the account.
    pub(super) fn describe_repeatedly(&self, times: usize) -> Result<(Vec<RawDescription>, Usage), PluginFailure> {
        let world = self.shared.description.world;
        let (mut guest, plugin) =
            self.start(&describe_context(self.limits()), NO_SEED, world, |exports, store, instance| {
                Some(exports.load_plugin(store, instance))
            })?;
        let mut said = Vec::with_capacity(times);
        for _ in 0..times {
            said.push(guest.call("describe", 0, |store| v0_1::describe(&plugin, store, world))?);
        }
        Ok((said, guest.usage()))
    }

    /// The JSON Schema of the parameters, checked and compiled.
    pub(super) fn schema(&self) -> &ParamsSchema {
        &self.shared.schema
    }

    pub(super) fn limits(&self) -> &Arc<PluginLimits> {
        &self.shared.limits
    }

    /// Whether it is of the second tier and sees a virtual WASI.
    #[must_use]
    pub fn uses_wasi(&self) -> bool {
        self.shared.uses_wasi
    }

    /// A fresh guest with the functions that `load` finds in it; `seed` is what its WASI draws from, where it has one.
    pub(super) fn start<E>(
        &self,
        context: &CallContext,
        seed: u64,
        world: World,
        load: impl FnOnce(&Exports, &mut Store<GuestState>, &Instance) -> Option<wasmtime::Result<E>>,
    ) -> Result<(Guest, E), PluginFailure> {
        let seed = self.shared.uses_wasi.then_some(seed);
        let mut guest = Guest::new(&self.shared.engine, self.limits(), self.name(), context, seed)?;
        let found = guest.start(|store| {
            let instance = self.shared.pre.instantiate(&mut *store)?;
            load(&self.shared.exports, store, &instance).transpose()
        })?;
        match found {
            Some(exports) => Ok((guest, exports)),
            None => {
                let own = self.shared.description.world.as_str();
                let message = format!("this plugin is a {own}, not a {}", world.as_str());
                Err(self.refused("open", RefusalKind::UnsupportedInput, &message))
            }
        }
    }

    /// The parameters as the guest gets them: completed, validated and as JSON.
    pub(super) fn params_json(&self, function: &str, params: &Map<String, Value>) -> Result<String, PluginFailure> {
        let completed = self
            .validate_params(params)
            .map_err(|problem| self.refused(function, RefusalKind::InvalidParams, &problem.detail))?;
        Ok(Value::Object(completed).to_string())
    }

    /// A refusal that the host gives in the plugin's stead.
    pub(super) fn refused(&self, function: &str, kind: RefusalKind, message: &str) -> PluginFailure {
        self.name().refused(function, kind, message)
    }

    fn name(&self) -> GuestName {
        let PluginDescription { name, version, .. } = &self.shared.description;
        GuestName { plugin: name.clone(), version: version.clone() }
    }
}

/// What stands for a plugin that has not said its name.
pub(super) fn unnamed(hash: &str) -> GuestName {
    let short = hash.get(..12).unwrap_or(hash);
    GuestName { plugin: format!("component {short}"), version: String::new() }
}

/// What the end of a job's guest means where there is no job: fuel is fixed, so running out of it is the component's fault;
/// that little fuel taking long is the machine's.
fn outside_of_a_job(mut failure: PluginFailure, limits: &PluginLimits) -> PluginFailure {
    failure.outcome = match failure.outcome {
        Outcome::OutOfFuel { budget } => Outcome::Rejected(Rejection::DescribeLimit {
            limit: format!("{budget} units of fuel"),
            name: "describe_fuel",
        }),
        Outcome::Stopped(_) => Outcome::HostFailed {
            message: format!("saying what it is took more than describe_s = {} s", limits.describe_s),
        },
        other => other,
    };
    failure
}

/// `describe` runs at upload, outside of any job: little fuel, little time, no log.
fn describe_context(limits: &PluginLimits) -> CallContext {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(limits.describe_s);
    CallContext {
        interrupt: Arc::new(Interrupt::with_deadline(deadline)),
        fuel: limits.describe_fuel,
        log: Arc::new(NoLog),
    }
}
