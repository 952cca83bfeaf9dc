//! Every limit on a component and on a running guest, each with its unit and its default. Nothing here acts.

use serde::{Deserialize, Serialize};

use super::conformance::ConformanceLimits;

/// What a component may be and what a guest may use. Past any of them the upload or the call fails and names the limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginLimits {
    /// Size of an uploaded component, in bytes.
    pub component_bytes_max: usize,
    /// Core modules and nested components in a component.
    pub modules_max: usize,
    /// Functions over all core modules of a component.
    pub functions_max: usize,
    /// Size of one function body, in bytes.
    pub function_body_bytes_max: usize,
    /// Locals of one function, parameters not counted.
    pub locals_per_function_max: u64,
    /// Depth to which blocks nest in one function; interpreters with a large `br_table` need some hundreds.
    pub block_depth_max: usize,
    /// Depth to which loops nest in one function.
    pub loop_depth_max: usize,
    /// Product of a function's locals and its loops. Each loop may need a phi for each local, which is what makes a tiny
    /// compile bomb expensive.
    pub locals_times_loops_max: u64,
    /// Sections of a component but those with code, data and what means nothing, in bytes: each type, import, export and alias in
    /// them costs some hundred bytes of memory to check.
    pub structure_bytes_max: usize,
    /// Data segments over all core modules of a component.
    pub data_segments_max: usize,

    /// Whether components that import WASI are taken. They see a virtual one that gives them nothing to reach (`wasi.rs`); it is off
    /// because every language can be built without, and what is not linked cannot have a hole.
    pub wasi: bool,

    /// Time that the compiler process may take, in seconds.
    pub compile_wall_s: u64,
    /// CPU time that the compiler process may take over its threads, in seconds.
    pub compile_cpu_s: u64,
    /// Address space of the compiler process, in bytes. Its threads reserve stacks and arenas, so this is far above what
    /// it touches.
    pub compile_address_space_bytes: u64,
    /// Threads of the compiler process.
    pub compile_threads: usize,
    /// Size of the compiled code, in bytes.
    pub compiled_bytes_max: usize,
    /// Compiler processes at a time; others wait.
    pub compiles_at_once: usize,
    /// Size of the compiled-code cache on disk, in bytes; the least recently used files go first.
    pub cache_bytes_max: u64,
    /// Compiled plugins held in memory; the least recently used goes first.
    pub loaded_max: usize,

    /// Sum over all linear memories of one guest, in bytes. It also bounds how late a guest can be stopped: one instruction may fill
    /// all of it, and is not interrupted meanwhile. Memory that is touched for the first time takes about 0.1 s per 100 MiB.
    pub memory_bytes_max: usize,
    /// Linear memories of one guest.
    pub memories_max: usize,
    /// Tables of one guest.
    pub tables_max: usize,
    /// Sum over all table elements of one guest.
    pub table_elements_max: usize,
    /// Core instances of one guest.
    pub instances_max: usize,
    /// Component-model handles that live at a time in one guest.
    pub handles_max: usize,
    /// Bytes that one call may hand from the guest to the host.
    pub transfer_bytes_max: usize,

    /// Fuel for `describe`, instantiation included.
    pub describe_fuel: u64,
    /// Time for `describe`, in seconds.
    pub describe_s: u64,
    /// Size of a plugin's parameter schema, in bytes.
    pub params_schema_bytes_max: usize,
    /// Size of the parameters of one call as JSON, in bytes.
    pub params_bytes_max: usize,

    /// Columns of a posterior draw.
    pub posterior_columns_max: usize,
    /// Blocks of a posterior layout.
    pub posterior_parameters_max: usize,
    /// Iterations of one chain, warm-up included.
    pub chain_iterations_max: u32,
    /// Draws of one chain in all, in bytes; the host keeps them in memory until the chain is done.
    pub chain_draw_bytes_max: usize,
    /// Size of a chain's checkpoint, in bytes.
    pub checkpoint_bytes_max: usize,
    /// Scenarios that a generator is asked for in one call; more are asked for in several calls.
    pub generate_block_scenarios: u32,
    /// Scenarios that a constraint is shown in one call; more are shown in several calls. Small enough for a block to stay
    /// in the cache of a core.
    pub judge_block_scenarios: usize,
    /// Lineups that a constraint is shown in one call; more are shown in several calls.
    pub judge_block_lineups: usize,

    /// What the conformance suite asks for and may cost.
    pub conformance: ConformanceLimits,

    /// Whether an upload that fails the suite is rejected. Where it is not, its report tells and jobs may name it: for servers whose
    /// teams look into what they know to be broken.
    pub conformance_required: bool,
    /// Jobs of a team in which a version may crash or break the contract within the window; the last of them quarantines it for
    /// the team, at least 1.
    pub quarantine_traps: u32,
    /// The window, in seconds.
    pub quarantine_window_s: u64,

    /// Log lines kept of one session; later ones are counted and dropped.
    pub log_lines_max: u64,
    /// Length of a log line, in bytes; longer ones are cut.
    pub log_line_bytes_max: usize,
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

impl Default for PluginLimits {
    fn default() -> Self {
        Self {
            component_bytes_max: 32 * MIB,
            modules_max: 64,
            functions_max: 50_000,
            function_body_bytes_max: 512 * KIB,
            locals_per_function_max: 10_000,
            block_depth_max: 1_024,
            loop_depth_max: 64,
            locals_times_loops_max: 1_000_000,
            structure_bytes_max: 4 * MIB,
            data_segments_max: 10_000,
            wasi: false,
            compile_wall_s: 60,
            compile_cpu_s: 60,
            compile_address_space_bytes: 4 << 30,
            compile_threads: 4,
            compiled_bytes_max: 256 * MIB,
            compiles_at_once: 2,
            cache_bytes_max: 1 << 30,
            loaded_max: 64,
            memory_bytes_max: 512 * MIB,
            memories_max: 8,
            tables_max: 16,
            table_elements_max: 1_000_000,
            instances_max: 64,
            handles_max: 1_000,
            transfer_bytes_max: 128 * MIB,
            describe_fuel: 50_000_000,
            describe_s: 5,
            params_schema_bytes_max: 64 * KIB,
            params_bytes_max: 64 * KIB,
            posterior_columns_max: 100_000,
            posterior_parameters_max: 1_000,
            chain_iterations_max: 1_000_000,
            chain_draw_bytes_max: 64 * MIB,
            checkpoint_bytes_max: 16 * MIB,
            generate_block_scenarios: 4_096,
            judge_block_scenarios: 1_024,
            judge_block_lineups: 4_096,
            conformance: ConformanceLimits::default(),
            conformance_required: true,
            quarantine_traps: 3,
            quarantine_window_s: 24 * 3_600,
            log_lines_max: 1_000,
            log_line_bytes_max: 4 * KIB,
        }
    }
}
