//! A plugin runtime of a command's own, without a server: what `paddock plugin` takes files apart with.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Map, Value};

use super::{race_inputs::inputs_of, scratch::Scratch, settings::SettingsArgs};
use crate::{
    catalog::CatalogLimits,
    config::Overrides,
    domain::{ids::random_hex_128, interrupt::Interrupt, model::Posterior, problem::Problem},
    plugins::{
        Admitted, CallContext, GuestLog, GuestLogLevel, Inputs, PluginFailure, PluginRuntime, PluginsConfig,
        StackSampler,
    },
};

/// A component and where its limits come from.
#[derive(Debug, Args)]
pub struct ComponentArgs {
    /// The component, a `.wasm` file.
    pub file: PathBuf,
    #[command(flatten)]
    settings: SettingsArgs,
}

/// What a plugin is run on.
#[derive(Debug, Args)]
pub struct InputArgs {
    /// Inputs in place of the bundled season: a JSON file as `paddock plugin inputs` prints it.
    #[arg(long, value_name = "FILE")]
    inputs: Option<PathBuf>,
    /// Inputs in place of the bundled season: a CSV file of races as `paddock import races` takes it. The last race is asked
    /// about; generators need a model of the others.
    #[arg(long, value_name = "FILE", conflicts_with = "inputs")]
    races: Option<PathBuf>,
    /// A model for generators, as `paddock plugin run CALIBRATOR --model-out` writes it.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
}

/// A runtime with the server's limits. Compiled code stays with it: the cache of a server is not for plugins that it has not
/// admitted.
pub struct Workbench {
    /// The runtime.
    pub runtime: PluginRuntime,
    _scratch: Scratch,
}

impl ComponentArgs {
    /// Reads the component.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn read(&self) -> Result<Vec<u8>> {
        read(&self.file)
    }

    /// A workbench with the configured limits.
    ///
    /// # Errors
    /// Where the configuration is not valid or the engine does not start.
    pub fn workbench(&self) -> Result<Workbench> {
        Workbench::open(&self.settings, None)
    }

    /// A workbench whose guests are looked at by a sampler.
    ///
    /// # Errors
    /// As [`Self::workbench`].
    pub fn sampled_workbench(&self, sampler: &Arc<StackSampler>) -> Result<Workbench> {
        Workbench::open(&self.settings, Some(Arc::clone(sampler)))
    }
}

impl Workbench {
    fn open(settings: &SettingsArgs, sampler: Option<Arc<StackSampler>>) -> Result<Self> {
        let scratch = Scratch::create()?;
        let config = PluginsConfig {
            cache_dir: scratch.path().to_owned(),
            mac_key: one_time_key(),
            compiler: std::env::current_exe().context("cannot find this program's own file")?,
            limits: settings.load(Overrides::default())?.plugins,
        };
        let runtime = match sampler {
            None => PluginRuntime::new(config)?,
            Some(sampler) => PluginRuntime::sampling(config, sampler)?,
        };
        Ok(Self { runtime, _scratch: scratch })
    }

    /// Takes a component as a server would.
    ///
    /// # Errors
    /// Why it is not taken, and what to do.
    pub fn admit(&self, wasm: &[u8]) -> Result<Admitted> {
        self.runtime.admit(wasm).map_err(told)
    }
}

impl InputArgs {
    /// The inputs.
    ///
    /// # Errors
    /// Where a file cannot be read, or is not what it should be.
    pub fn load(&self) -> Result<Inputs> {
        let mut inputs = match (&self.inputs, &self.races) {
            (Some(path), _) => read_json(path)?,
            (None, Some(path)) => inputs_of(&read(path)?, &CatalogLimits::default())?,
            (None, None) => Inputs::bundled()?,
        };
        if let Some(path) = &self.model {
            let model: Posterior = read_json(path)?;
            inputs.models.retain(|other| other.layout != model.layout);
            inputs.models.push(model);
        }
        Ok(inputs)
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    serde_json::from_slice(&read(path)?).with_context(|| format!("{} is not valid", path.display()))
}

/// Reads a JSON object from the command line.
///
/// # Errors
/// Where the text is something else.
pub fn params_object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(params)) => Ok(params),
        Ok(_) => Err("expected a JSON object such as '{\"worst_start\": 5}'".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// A context of a session outside of any job: what the guest logs goes to standard error.
#[must_use]
pub fn context(fuel: u64) -> CallContext {
    CallContext { interrupt: Arc::new(Interrupt::new()), fuel, log: Arc::new(StderrLog) }
}

/// A failure as an error that says what to do.
#[must_use]
pub fn told(failure: PluginFailure) -> anyhow::Error {
    anyhow::anyhow!("{}", refusal(&failure.to_problem()))
}

/// A problem as lines.
#[must_use]
pub fn refusal(problem: &Problem) -> String {
    let limit = problem.limit.as_ref().map(|limit| format!("\n  limit: {limit}")).unwrap_or_default();
    format!("{}\n  {}{limit}\n  what to do: {}", problem.title, problem.detail, problem.action)
}

/// The model of a generator.
///
/// # Errors
/// Where there is none of its layout.
pub fn model_of<'a>(inputs: &'a Inputs, layout: Option<&str>) -> Result<&'a Posterior> {
    let layout = layout.unwrap_or_default();
    match inputs.model(layout) {
        Some(model) => Ok(model),
        None => bail!(
            "there is no model of the posterior layout `{layout}`\n  what to do: fit one with \
             `paddock plugin run CALIBRATOR --model-out model.json` and give it with --model"
        ),
    }
}

struct StderrLog;

impl GuestLog for StderrLog {
    fn line(&self, level: GuestLogLevel, message: &str) {
        eprintln!("{:<5} {message}", level.as_str());
    }

    fn dropped(&self, lines: u64) {
        eprintln!("      {lines} more lines");
    }
}

/// A key that nobody else has; the cache that it protects is removed with the command.
fn one_time_key() -> [u8; 32] {
    let mut key = [0; 32];
    for (place, digit) in key.iter_mut().zip(random_hex_128().bytes()) {
        *place = digit;
    }
    key
}
