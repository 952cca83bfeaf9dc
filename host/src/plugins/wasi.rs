//! The second tier: a virtual WASI for languages whose runtime wants one. The clock stands still, randomness comes from the task's
//! seed, standard output and error are lines of the job's log, and there are no files, sockets, arguments or environment.
//!
//! It comes from `wasmtime-wasi` but for the monotonic clock: what that one offers can put the host's thread to sleep, where no
//! interrupt reaches it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use tokio::io::AsyncWrite;
use wasmtime::{
    Engine,
    component::{HasData, Linker, Resource, ResourceTable},
};
use wasmtime_wasi::{
    HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView, async_trait,
    cli::{IsTerminal, StdoutStream},
    p2::{self, DynPollable, OutputStream, Pollable, StreamResult, bindings::clocks::monotonic_clock, subscribe},
};

use super::{
    limits::PluginLimits,
    log::{GuestLogLevel, SharedLog},
    store::{GuestState, new_linker},
};

/// What the wall clock shows: the first second of 2020, UTC.
const WALL_CLOCK: Duration = Duration::from_secs(1_577_836_800);
/// What the clocks say of their precision.
const RESOLUTION: Duration = Duration::from_secs(1);
/// Most random bytes of one call; a larger request is a crash.
const RANDOM_BYTES_MAX: u64 = 4 << 10;
/// What a stream takes in one call, in bytes.
const WRITE_BYTES_MAX: usize = 4 << 10;
/// Keeps the two sources of randomness of a seed apart.
const INSECURE_MARK: u64 = 0x9e37_79b9_7f4a_7c15;

/// The interfaces that are offered, without their 0.2 version.
const OFFERED: [&str; 27] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// Whether the virtual WASI has this interface.
pub fn is_offered(import: &str) -> bool {
    let Some((name, version)) = import.split_once('@') else { return false };
    version.starts_with("0.2.") && OFFERED.contains(&name)
}

/// The linker of the second tier: paddock's log, and the virtual WASI.
///
/// # Errors
/// Where an import cannot be defined.
pub fn new_wasi_linker(engine: &Engine) -> wasmtime::Result<Linker<GuestState>> {
    let mut linker = new_linker(engine)?;
    p2::add_to_linker_sync(&mut linker)?;
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<GuestState, StandingClock>(&mut linker, |state| ClockView(state.ctx().table))?;
    linker.allow_shadowing(false);
    Ok(linker)
}

/// One guest's WASI.
pub struct VirtualWasi {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl VirtualWasi {
    /// A WASI whose randomness comes from `seed`, and which writes to `log`.
    pub fn new(seed: u64, log: &SharedLog, limits: &PluginLimits) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles_max);
        let stream = |level| LogStream::new(level, log, limits.log_line_bytes_max);
        let ctx = WasiCtxBuilder::new()
            .stdout(stream(GuestLogLevel::Info))
            .stderr(stream(GuestLogLevel::Warn))
            .secure_random(Xoshiro256PlusPlus::seed_from_u64(seed))
            .insecure_random(Xoshiro256PlusPlus::seed_from_u64(seed ^ INSECURE_MARK))
            .insecure_random_seed(u128::from(seed))
            .max_random_size(RANDOM_BYTES_MAX)
            .wall_clock(StandingClock)
            .monotonic_clock(StandingClock)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        Self { ctx, table }
    }

    /// What `wasmtime-wasi` works on.
    pub fn view(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

/// Clocks that stand still.
struct StandingClock;

impl HostWallClock for StandingClock {
    fn resolution(&self) -> Duration {
        RESOLUTION
    }

    fn now(&self) -> Duration {
        WALL_CLOCK
    }
}

impl HostMonotonicClock for StandingClock {
    fn resolution(&self) -> u64 {
        RESOLUTION.as_secs() * 1_000_000_000
    }

    fn now(&self) -> u64 {
        0
    }
}

impl HasData for StandingClock {
    type Data<'a> = ClockView<'a>;
}

/// What the monotonic clock's functions work on.
pub struct ClockView<'a>(&'a mut ResourceTable);

impl ClockView<'_> {
    fn passed(&mut self) -> wasmtime::Result<Resource<DynPollable>> {
        let moment = self.0.push(Passed)?;
        subscribe(self.0, moment)
    }
}

impl monotonic_clock::Host for ClockView<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(HostMonotonicClock::now(&StandingClock))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(HostMonotonicClock::resolution(&StandingClock))
    }

    fn subscribe_instant(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.passed()
    }

    fn subscribe_duration(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.passed()
    }
}

/// A moment that has passed whenever somebody waits for it: sleeping takes no time.
struct Passed;

#[async_trait]
impl Pollable for Passed {
    async fn ready(&mut self) {}
}

/// Standard output or error: whole lines go to the log. It takes everything and is never closed, because a guest that cannot print
/// may crash; what the log has no room for is counted and dropped there.
#[derive(Clone)]
struct LogStream {
    level: GuestLogLevel,
    log: SharedLog,
    line: Arc<Mutex<Vec<u8>>>,
    line_bytes_max: usize,
}

impl LogStream {
    fn new(level: GuestLogLevel, log: &SharedLog, line_bytes_max: usize) -> Self {
        Self { level, log: Arc::clone(log), line: Arc::default(), line_bytes_max }
    }

    fn take(&self, bytes: &[u8]) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, part) in bytes.split(|&byte| byte == b'\n').enumerate() {
            if index > 0 {
                self.end_line(&mut line);
            }
            let room = self.line_bytes_max.saturating_sub(line.len());
            line.extend_from_slice(&part[..part.len().min(room)]);
        }
    }

    fn end_line(&self, line: &mut Vec<u8>) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.line(self.level, &String::from_utf8_lossy(line));
        line.clear();
    }
}

impl Drop for LogStream {
    /// A last line may lack its end.
    fn drop(&mut self) {
        if Arc::strong_count(&self.line) == 1 {
            let mut line = std::mem::take(&mut *self.line.lock().unwrap_or_else(PoisonError::into_inner));
            if !line.is_empty() {
                self.end_line(&mut line);
            }
        }
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    /// Only for interfaces of later versions, which are not offered.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_linker_has_is_offered() {
        assert!(is_offered("wasi:clocks/wall-clock@0.2.0") && is_offered("wasi:sockets/tcp-create-socket@0.2.3"));
        for name in ["wasi:http/outgoing-handler@0.2.0", "wasi:clocks/wall-clock@0.3.0", "wasi:clocks/wall-clock", "x"]
        {
            assert!(!is_offered(name), "{name}");
        }
    }
}
