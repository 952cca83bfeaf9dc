//! The room's front door: takes uploads, loads plugins, and answers whether guests can run at all.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use wasmtime::component::{Component, Linker};

use crate::{
    domain::{hex::sha256_hex, plugin::PluginDescription},
    processor::stand_back,
};

use super::{
    cache::CodeCache,
    compile::CompileQueue,
    engine::EngineRoom,
    limits::PluginLimits,
    outcome::{Outcome, PluginFailure},
    plugin::{LoadedPlugin, unnamed},
    probe::Probe,
    sampler::StackSampler,
    screen::{Screened, screen},
    store::{GuestState, new_linker},
    wasi::new_wasi_linker,
};

/// Stack of a thread that looks at an upload, in bytes; `describe` runs on it too.
const UPLOAD_STACK_BYTES: usize = 4 << 20;

/// What the room needs from outside.
#[derive(Debug, Clone)]
pub struct PluginsConfig {
    /// Directory of compiled code; made where it is not there.
    pub cache_dir: PathBuf,
    /// Key of the compiled code's MACs. Whoever has it can run native code in this process.
    pub mac_key: [u8; 32],
    /// The paddock binary, which understands [`COMPILE_SUBCOMMAND`](super::COMPILE_SUBCOMMAND).
    pub compiler: PathBuf,
    /// Every limit.
    pub limits: PluginLimits,
}

/// Why the room cannot work, or not any more; for the operator.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The directory of compiled code cannot be used: check that it exists and is writable.
    #[error("the directory of compiled plugins `{directory}` cannot be used: {cause}")]
    Cache {
        /// The directory.
        directory: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The engine does not start or does not run code: the machine lacks something.
    #[error("the plugin engine does not work: {0}")]
    Engine(String),
    /// Nothing would interrupt running guests any more: restart the process.
    #[error("the thread that interrupts plugins has ended")]
    Ticker,
}

/// A plugin that was taken.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// SHA-256 of the component, 64 hexadecimal digits.
    pub hash: String,
    /// What it says of itself, checked.
    pub description: PluginDescription,
    /// Time to compile it, in milliseconds; 0 where the compiled code was there already.
    pub compile_ms: f64,
    /// The plugin, ready to be called.
    pub plugin: LoadedPlugin,
}

/// Runs plugins. Clones share everything.
#[derive(Clone)]
pub struct PluginRuntime {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Arc<EngineRoom>,
    linker: Linker<GuestState>,
    wasi_linker: Linker<GuestState>,
    limits: Arc<PluginLimits>,
    queue: CompileQueue,
    cache: CodeCache,
    cache_dir: PathBuf,
    probe: Probe,
    /// Least recently used first.
    loaded: Mutex<Vec<LoadedPlugin>>,
}

impl std::fmt::Debug for PluginRuntime {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PluginRuntime").field("cache_dir", &self.shared.cache_dir).finish_non_exhaustive()
    }
}

impl PluginRuntime {
    /// Starts the engine and its ticker, and opens the cache.
    ///
    /// # Errors
    /// What does not work; the process had better not start.
    pub fn new(config: PluginsConfig) -> Result<Self, RuntimeError> {
        Self::in_room(EngineRoom::open().map_err(|error| engine_error(&error))?, config)
    }

    /// As [`Self::new`], with a sampler that looks at every guest once per millisecond.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn sampling(config: PluginsConfig, sampler: Arc<StackSampler>) -> Result<Self, RuntimeError> {
        Self::in_room(EngineRoom::sampling(sampler).map_err(|error| engine_error(&error))?, config)
    }

    fn in_room(engine: EngineRoom, config: PluginsConfig) -> Result<Self, RuntimeError> {
        let engine = Arc::new(engine);
        let linker = new_linker(&engine.engine).map_err(|error| engine_error(&error))?;
        let wasi_linker = new_wasi_linker(&engine.engine).map_err(|error| engine_error(&error))?;
        let PluginsConfig { cache_dir, mac_key, compiler, limits } = config;
        let cache = CodeCache::open(cache_dir.clone(), mac_key, &engine.engine, limits.cache_bytes_max)
            .map_err(|cause| RuntimeError::Cache { directory: cache_dir.clone(), cause })?;
        let probe = Probe::compile(&engine.engine).map_err(|error| engine_error(&error))?;
        let shared = Shared {
            engine,
            linker,
            wasi_linker,
            limits: Arc::new(limits),
            queue: CompileQueue::new(compiler),
            cache,
            cache_dir,
            probe,
            loaded: Mutex::new(Vec::new()),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Takes an upload: screens it, compiles it in the child process, links it, and checks what it says of itself. Blocks for
    /// as long as the compiler may take, and stands back behind requests and tasks meanwhile.
    ///
    /// # Errors
    /// Why it is not taken; nothing of it stays but compiled code in the cache.
    pub fn admit(&self, wasm: &[u8]) -> Result<Admitted, PluginFailure> {
        let hash = hash_of(wasm);
        let (plugin, compile_ms) = standing_back(|| self.bring_up(&hash, wasm))
            .unwrap_or_else(|message| Err(unnamed(&hash).failure("upload", Outcome::HostFailed { message })))?;
        self.remember(&plugin);
        Ok(Admitted { hash, description: plugin.description().clone(), compile_ms, plugin })
    }

    /// The plugin with this hash; `wasm` is asked for its bytes only where it is neither in memory nor in the cache.
    ///
    /// # Errors
    /// [`Outcome::HostFailed`] where `wasm` fails or gives other bytes; else as [`Self::admit`].
    pub fn load<W, E>(&self, hash: &str, wasm: impl FnOnce() -> Result<W, E>) -> Result<LoadedPlugin, PluginFailure>
    where
        W: AsRef<[u8]>,
        E: std::fmt::Display,
    {
        if let Some(plugin) = self.remembered(hash) {
            return Ok(plugin);
        }
        if let Some((component, screened)) = self.kept(hash) {
            let plugin = self.described(&component, screened, hash)?;
            self.remember(&plugin);
            return Ok(plugin);
        }
        let host_failed = |message| unnamed(hash).failure("load", Outcome::HostFailed { message });
        let wasm = wasm().map_err(|error| host_failed(format!("its bytes cannot be had: {error}")))?;
        let found = hash_of(wasm.as_ref());
        if found != hash {
            return Err(host_failed(format!("the stored component has hash {found} instead of {hash}")));
        }
        let (plugin, _) = self.bring_up(hash, wasm.as_ref())?;
        self.remember(&plugin);
        Ok(plugin)
    }

    /// Whether a guest can run now: instantiates a tiny component in a fresh store and calls it, and writes to the cache.
    ///
    /// # Errors
    /// What does not work.
    pub fn check(&self) -> Result<(), RuntimeError> {
        let shared = &self.shared;
        if !shared.engine.ticker.is_running() {
            return Err(RuntimeError::Ticker);
        }
        shared
            .probe
            .run(&shared.engine.engine, &shared.linker, &shared.limits)
            .map_err(|error| engine_error(&error))?;
        let cache_error = |cause| RuntimeError::Cache { directory: shared.cache_dir.clone(), cause };
        shared.cache.check().map_err(cache_error)
    }

    /// What the code of plugins was compiled for: differs with the engine's version and settings, and the CPU's features.
    #[must_use]
    pub fn engine_key(&self) -> &str {
        self.shared.cache.engine_key()
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &PluginLimits {
        &self.shared.limits
    }

    fn bring_up(&self, hash: &str, wasm: &[u8]) -> Result<(LoadedPlugin, f64), PluginFailure> {
        let shared = &self.shared;
        let rejected = |rejection| unnamed(hash).failure("upload", Outcome::Rejected(rejection));
        let screened = screen(wasm, &shared.limits).map_err(rejected)?;
        let (component, compile_ms) = self.compiled(hash, wasm, screened)?;
        let plugin = self.described(&component, screened, hash)?;
        Ok((plugin, compile_ms))
    }

    fn described(&self, component: &Component, screened: Screened, hash: &str) -> Result<LoadedPlugin, PluginFailure> {
        let Shared { engine, linker, wasi_linker, limits, .. } = &*self.shared;
        let linker = if screened.uses_wasi { wasi_linker } else { linker };
        LoadedPlugin::describe(Arc::clone(engine), linker, Arc::clone(limits), component, screened, hash)
    }

    /// The compiled component, where it was screened before it was kept and its tier is still allowed.
    fn kept(&self, hash: &str) -> Option<(Component, Screened)> {
        let Shared { engine, cache, limits, .. } = &*self.shared;
        cache.load(&engine.engine, hash).filter(|(_, screened)| limits.wasi || !screened.uses_wasi)
    }

    /// The compiled component and the milliseconds that compiling took.
    fn compiled(&self, hash: &str, wasm: &[u8], screened: Screened) -> Result<(Component, f64), PluginFailure> {
        let Shared { engine, cache, queue, limits, .. } = &*self.shared;
        if let Some((component, _)) = cache.load(&engine.engine, hash) {
            return Ok((component, 0.0));
        }
        let failure = |outcome| unnamed(hash).failure("compile", outcome);
        let started = Instant::now();
        let code = queue.compile(wasm, limits).map_err(failure)?;
        let compile_ms = started.elapsed().as_secs_f64() * 1e3;
        let component = cache.adopt(&engine.engine, hash, &code, screened).map_err(|error| {
            failure(Outcome::HostFailed { message: format!("the compiler's code does not fit this engine: {error}") })
        })?;
        Ok((component, compile_ms))
    }

    fn remembered(&self, hash: &str) -> Option<LoadedPlugin> {
        let mut loaded = self.shared.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let index = loaded.iter().position(|plugin| plugin.hash() == hash)?;
        let plugin = loaded.remove(index);
        loaded.push(plugin.clone());
        Some(plugin)
    }

    fn remember(&self, plugin: &LoadedPlugin) {
        let mut loaded = self.shared.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.retain(|other| other.hash() != plugin.hash());
        loaded.push(plugin.clone());
        let surplus = loaded.len().saturating_sub(self.shared.limits.loaded_max);
        loaded.drain(..surplus);
    }
}

/// Runs something on a thread of its own that stands back as the compiler does: looking at a large upload takes a core for a moment,
/// and whoever uploads many of them would otherwise come before everybody's tasks.
fn standing_back<R: Send>(run: impl FnOnce() -> R + Send) -> Result<R, String> {
    let lowered = || {
        stand_back().map_err(|error| format!("the thread cannot stand back: {error}"))?;
        Ok(run())
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("upload".to_owned()).stack_size(UPLOAD_STACK_BYTES);
        let started =
            thread.spawn_scoped(scope, lowered).map_err(|error| format!("no thread can be started: {error}"))?;
        started.join().unwrap_or_else(|_| Err("looking at the upload failed; the log says why".to_owned()))
    })
}

/// SHA-256 of a component, 64 hexadecimal digits: the name of a plugin version's bytes everywhere.
#[must_use]
pub fn hash_of(wasm: &[u8]) -> String {
    sha256_hex(wasm)
}

fn engine_error(error: &wasmtime::Error) -> RuntimeError {
    RuntimeError::Engine(format!("{error:#}"))
}
