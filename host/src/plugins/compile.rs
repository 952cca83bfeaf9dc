//! Compiles components in a child process, so that what a hostile one can use up is the child's: address space and CPU time are
//! limited by the kernel, wall time by the parent. The child is this same binary with a hidden subcommand.

use std::{
    io::{Read, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    sync::{Condvar, Mutex, PoisonError, mpsc},
    time::Duration,
};

use rustix::process::{Resource, Rlimit, Signal, setrlimit};

use super::{
    engine::new_engine, limits::PluginLimits, log::clean_text, outcome::Outcome, rejection::Rejection, slices::sliced,
};
use crate::processor::{give_way, stand_back};

/// The hidden subcommand whose main function is [`compile_child_main`].
pub const COMPILE_SUBCOMMAND: &str = "compile-component";

/// First byte of what the child writes.
const COMPILED: u8 = 0;
const REFUSED: u8 = 1;
const NO_MEMORY: u8 = 2;

/// Before the component the child reads two little-endian u64: its address space in bytes and its CPU time in seconds.
const HEADER_BYTES: usize = 16;
/// What is read of the child's standard error, in bytes.
const STDERR_BYTES: u64 = 8 << 10;

/// Lets a few compilations run at a time and makes the others wait.
#[derive(Debug)]
pub struct CompileQueue {
    /// The paddock binary, which understands [`COMPILE_SUBCOMMAND`].
    compiler: PathBuf,
    running: Mutex<usize>,
    finished: Condvar,
}

impl CompileQueue {
    /// A queue in front of `compiler`.
    #[must_use]
    pub const fn new(compiler: PathBuf) -> Self {
        Self { compiler, running: Mutex::new(0), finished: Condvar::new() }
    }

    /// Compiles a screened component to code for [`super::engine::new_engine`].
    ///
    /// # Errors
    /// A rejection that names the limit or carries the compiler's message, or the host's own failure to run the child.
    pub fn compile(&self, wasm: &[u8], limits: &PluginLimits) -> Result<Vec<u8>, Outcome> {
        let _slot = self.wait_for_slot(limits.compiles_at_once.max(1));
        compile_in_child(&self.compiler, wasm, limits)
    }

    fn wait_for_slot(&self, slots: usize) -> Slot<'_> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running =
            self.finished.wait_while(running, |running| *running >= slots).unwrap_or_else(PoisonError::into_inner);
        *running += 1;
        Slot(self)
    }
}

struct Slot<'a>(&'a CompileQueue);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.running.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.finished.notify_one();
    }
}

/// Ends the child when the parent gives up on it.
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        // Both fail only where the child has been waited for already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn compile_in_child(binary: &Path, wasm: &[u8], limits: &PluginLimits) -> Result<Vec<u8>, Outcome> {
    let child = Command::new(binary)
        .arg(COMPILE_SUBCOMMAND)
        .env_clear()
        .env("RAYON_NUM_THREADS", limits.compile_threads.max(1).to_string())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| host_failed(&format!("{} cannot be started: {error}", binary.display())))?;
    talk_to_child(Guarded(child), wasm, limits)
}

/// Writes, reads and waits on threads of their own: a child that stops reading or writing must not hold the parent.
fn talk_to_child(mut child: Guarded, wasm: &[u8], limits: &PluginLimits) -> Result<Vec<u8>, Outcome> {
    let pipes = (child.0.stdin.take(), child.0.stdout.take(), child.0.stderr.take());
    let (Some(mut stdin), Some(mut stdout), Some(stderr)) = pipes else {
        return Err(host_failed("the compiler process has no pipes"));
    };
    let output_bytes_max = limits.compiled_bytes_max as u64 + 1;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A child that ends early closes the pipe; its exit status says why.
            let _ = stdin.write_all(&header(limits)).and_then(|()| stdin.write_all(wasm));
        });
        let errors = scope.spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.take(STDERR_BYTES).read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let (done, output) = mpsc::channel();
        scope.spawn(move || {
            let mut bytes = Vec::new();
            let result = stdout.by_ref().take(output_bytes_max + 1).read_to_end(&mut bytes).map(|_| bytes);
            // The receiver is gone once the wall limit has passed.
            let _ = done.send(result);
        });
        let Ok(output) = output.recv_timeout(Duration::from_secs(limits.compile_wall_s)) else {
            drop(child);
            return Err(past_limit(format!("{} s", limits.compile_wall_s), "compile_wall_s"));
        };
        let output = output.map_err(|error| host_failed(&format!("reading the compiled code failed: {error}")))?;
        if output.len() as u64 > output_bytes_max {
            drop(child);
            return Err(past_limit(format!("{} bytes of code", limits.compiled_bytes_max), "compiled_bytes_max"));
        }
        let status =
            child.0.wait().map_err(|error| host_failed(&format!("waiting for the compiler failed: {error}")))?;
        read_answer(output, status, &errors.join().unwrap_or_default(), limits)
    })
}

fn header(limits: &PluginLimits) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&limits.compile_address_space_bytes.to_le_bytes());
    header[8..].copy_from_slice(&limits.compile_cpu_s.to_le_bytes());
    header
}

fn read_answer(
    mut output: Vec<u8>,
    status: ExitStatus,
    errors: &str,
    limits: &PluginLimits,
) -> Result<Vec<u8>, Outcome> {
    let no_memory = || {
        let limit = format!("{} bytes of address space", limits.compile_address_space_bytes);
        Err(past_limit(limit, "compile_address_space_bytes"))
    };
    match output.first() {
        Some(&COMPILED) if status.success() => {
            output.remove(0);
            Ok(output)
        }
        Some(&REFUSED) if status.success() => Err(not_compilable(&String::from_utf8_lossy(&output[1..]))),
        Some(&NO_MEMORY) if status.success() => no_memory(),
        _ if is_signal(status, Signal::XCPU) => {
            Err(past_limit(format!("{} s of CPU time", limits.compile_cpu_s), "compile_cpu_s"))
        }
        // Nothing here kills a child that is still being waited for, and XCPU comes a second before the kernel's own kill.
        _ if is_signal(status, Signal::KILL) => Err(host_failed(
            "the compiler process was killed from outside, most likely because the machine ran out of memory",
        )),
        _ if says_no_memory(errors) => no_memory(),
        _ => Err(not_compilable(&format!("the compiler ended with {status}: {}", errors.trim()))),
    }
}

fn is_signal(status: ExitStatus, signal: Signal) -> bool {
    status.signal() == Some(signal.as_raw())
}

/// What Rust's allocator, the thread library and the kernel say when the address space is used up.
fn says_no_memory(text: &str) -> bool {
    [
        "out of memory",
        "memory allocation of",
        "Cannot allocate memory",
        "os error 12",
        "Resource temporarily unavailable",
    ]
    .iter()
    .any(|sign| text.contains(sign))
}

fn past_limit(limit: String, name: &'static str) -> Outcome {
    Outcome::Rejected(Rejection::CompileLimit { limit, name })
}

fn not_compilable(message: &str) -> Outcome {
    Outcome::Rejected(Rejection::NotCompilable { message: clean_text(message, 500).into_owned() })
}

fn host_failed(message: &str) -> Outcome {
    Outcome::HostFailed { message: message.to_owned() }
}

/// The child's side: limits itself, reads a component from standard input and writes the compiled code to standard output.
#[must_use]
pub fn compile_child_main() -> ExitCode {
    match answer_parent() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{COMPILE_SUBCOMMAND}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answer_parent() -> std::io::Result<()> {
    let mut stdin = std::io::stdin().lock();
    let mut header = [0; HEADER_BYTES];
    stdin.read_exact(&mut header)?;
    let (address_space, cpu) = header.split_at(8);
    limit_self(as_u64(address_space), as_u64(cpu))?;
    let threads = rayon::ThreadPoolBuilder::new().start_handler(|_| {
        // Such a thread would only be in the way for longer.
        let _ = give_way();
    });
    threads.build_global().map_err(std::io::Error::other)?;
    let mut wasm = Vec::new();
    stdin.read_to_end(&mut wasm)?;
    let (tag, body) = match compile_here(&wasm) {
        Ok(code) => (COMPILED, code),
        Err(error) => {
            let message = format!("{error:#}");
            (if says_no_memory(&message) { NO_MEMORY } else { REFUSED }, message.into_bytes())
        }
    };
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&[tag])?;
    stdout.write_all(&body)?;
    stdout.flush()
}

fn as_u64(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// Limits that the kernel enforces from here on; no files are written, no core is dumped, and requests come first.
fn limit_self(address_space_bytes: u64, cpu_s: u64) -> std::io::Result<()> {
    let both = |value| Rlimit { current: Some(value), maximum: Some(value) };
    setrlimit(Resource::As, both(address_space_bytes))?;
    // The soft limit sends XCPU, which names the cause; the hard one kills.
    setrlimit(Resource::Cpu, Rlimit { current: Some(cpu_s), maximum: Some(cpu_s + 1) })?;
    setrlimit(Resource::Core, both(0))?;
    setrlimit(Resource::Fsize, both(0))?;
    // A compilation takes seconds and a request a moment, and whoever uploads much gets no more of the machine than whoever runs tasks.
    stand_back()?;
    give_way()
}

fn compile_here(wasm: &[u8]) -> wasmtime::Result<Vec<u8>> {
    let cut = sliced(wasm).map_err(|error| wasmtime::Error::msg(error.to_string()))?;
    new_engine()?.precompile_component(&cut)
}
