//! Plugins that attack their host: one tiny component per attack, made from WebAssembly text when it is asked for.
//!
//! [`ATTACKS`] lists them with how each must end. Whoever tests them calls [`for_each_attack`] with a macro that names a test for
//! every attack, and so does not compile while one is missing; an attack that is not listed is dead code, which does not compile
//! either.

#![deny(dead_code)]

pub mod fixture;

mod bombs;
mod imports;
mod loops;
mod memory;
mod outputs;
mod state;
mod traps;
mod uploads;

/// A plugin that attacks its host.
#[derive(Debug, Clone, Copy)]
pub struct Attack {
    /// Name of the attack; the plugin's is `hostile-` and this with dashes.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
    /// How it must end.
    pub end: End,
    build: fn(&str) -> Vec<u8>,
}

/// How an attack must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The upload is refused with this code.
    Refused(&'static str),
    /// It is taken; this function of it fails with this code.
    Fails(&'static str, &'static str),
    /// It is taken, and does no harm.
    Harmless,
    /// It is refused for its import, or what it imports shows it nothing of the machine.
    SeesNothing,
}

impl Attack {
    /// The attack called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ATTACKS.iter().find(|attack| attack.name == name)
    }

    /// The component's bytes.
    #[must_use]
    pub fn component(&self) -> Vec<u8> {
        (self.build)(&self.plugin_name())
    }

    /// The plugin's name.
    #[must_use]
    pub fn plugin_name(&self) -> String {
        format!("hostile-{}", self.name.replace('_', "-"))
    }
}

/// `attacks!($ { ... })` makes [`ATTACKS`] and [`for_each_attack`] of a list; the dollar sign is what the inner macro writes.
macro_rules! attacks {
    ($d:tt { $($(#[doc = $what:literal])+ $room:ident::$name:ident => $end:expr;)+ }) => {
        /// Every attack.
        pub const ATTACKS: &[Attack] = &[
            $(Attack { name: stringify!($name), what: concat!($($what),+), end: $end, build: $room::$name }),+
        ];

        /// Calls a macro with the name of every attack.
        #[macro_export]
        macro_rules! for_each_attack {
            ($d then:ident) => { $($d then!($name);)+ };
        }
    };
}

use End::{Fails, Harmless, Refused, SeesNothing};

const JUDGE: &str = "scenario-judge.judge";
const GENERATE: &str = "generator.generate";
const NO_FUEL: &str = "plugin-out-of-fuel";
const NO_MEMORY: &str = "plugin-out-of-memory";
const TRAPPED: &str = "plugin-trapped";
const BAD_OUTPUT: &str = "plugin-bad-output";
const PAST_LIMIT: &str = "component-past-limit";
const INVALID: &str = "component-invalid";

attacks!($ {
    /// Loops without end.
    loops::endless_loop => Fails(JUDGE, NO_FUEL);
    /// Fills 100 kB of memory again and again.
    loops::endless_fill => Fails(JUDGE, NO_FUEL);
    /// Fills 400 MiB of memory in one instruction, again and again.
    loops::endless_large_fill => Fails(JUDGE, NO_FUEL);
    /// Copies 200 MiB of memory in one instruction, again and again.
    loops::endless_large_copy => Fails(JUDGE, NO_FUEL);
    /// Fills a table of 999,000 elements in one instruction, again and again.
    loops::endless_table_fill => Fails(JUDGE, NO_FUEL);
    /// Logs without end.
    loops::log_flood => Fails(JUDGE, NO_FUEL);
    /// Logs a line of 15 MiB again and again.
    loops::log_of_megabytes => Fails(JUDGE, NO_FUEL);
    /// Calls itself without end.
    loops::endless_recursion => Fails(JUDGE, TRAPPED);
    /// Loops without end when it starts.
    loops::start_loop => Refused("component-describe-limit");
    /// Loops without end when it is asked what it is.
    loops::describe_loop => Refused("component-describe-limit");

    /// Grows its memory until there is no more.
    memory::memory_bomb => Fails(JUDGE, NO_MEMORY);
    /// Wants all of its 4 GiB of memory when it starts.
    memory::memory_at_start => Refused(NO_MEMORY);
    /// Has a small memory in each of 20 modules.
    memory::many_small_memories => Refused(NO_MEMORY);
    /// Grows a table until there is no more.
    memory::table_bomb => Fails(JUDGE, NO_MEMORY);
    /// Makes resource handles without end.
    memory::handle_flood => Fails("scenario-judge.open", NO_MEMORY);
    /// Returns a list of 400 MiB.
    memory::huge_list_result => Fails(JUDGE, BAD_OUTPUT);
    /// Hands over draws without end, as many at a time as one call may.
    memory::draw_hoard => Fails("chain.take-draws", BAD_OUTPUT);
    /// Describes itself with six million veto reasons.
    memory::reason_flood => Refused(BAD_OUTPUT);

    /// Returns a list that is longer than its memory.
    outputs::lying_length => Fails(JUDGE, BAD_OUTPUT);
    /// Returns fewer verdicts than there are scenarios.
    outputs::short_result => Fails(JUDGE, BAD_OUTPUT);
    /// Returns more verdicts than there are scenarios.
    outputs::long_result => Fails(JUDGE, BAD_OUTPUT);
    /// Vetoes for a reason that it has not declared.
    outputs::reason_out_of_range => Fails(JUDGE, BAD_OUTPUT);
    /// Refuses with a text that is no text.
    outputs::refusal_without_text => Fails(JUDGE, BAD_OUTPUT);
    /// Draws values that are no numbers.
    outputs::nan_draws => Fails("chain.take-draws", BAD_OUTPUT);
    /// Draws values without end.
    outputs::infinite_draws => Fails("chain.take-draws", BAD_OUTPUT);
    /// Lets two drivers finish second.
    outputs::non_permutation => Fails(GENERATE, BAD_OUTPUT);
    /// Lets a driver lead more laps than there are.
    outputs::impossible_laps => Fails(GENERATE, BAD_OUTPUT);
    /// Generates one scenario less than it was asked for.
    outputs::short_block => Fails(GENERATE, BAD_OUTPUT);

    /// Judges each call by how many there were before.
    state::state_across_calls => Harmless;
    /// Restores a checkpoint of anything, and begins again.
    state::restore_that_begins_again => Fails("chain.step", BAD_OUTPUT);
    /// Crashes on every checkpoint, its own too.
    state::garbage_checkpoint => Fails("chain.restore", TRAPPED);

    /// Crashes when it starts.
    traps::trap_at_start => Refused(TRAPPED);
    /// Crashes when it is asked what it is.
    traps::trap_in_describe => Refused(TRAPPED);
    /// Crashes when it is opened.
    traps::trap_in_open => Fails("scenario-judge.open", TRAPPED);
    /// Crashes when it judges.
    traps::trap_in_judge => Fails(JUDGE, TRAPPED);
    /// Crashes when it steps.
    traps::trap_in_step => Fails("chain.step", TRAPPED);
    /// Crashes when it is dropped.
    traps::trap_in_drop => Harmless;

    /// Has ten thousand locals and a hundred loops around them.
    bombs::locals_times_loops => Refused(PAST_LIMIT);
    /// Has a hundred thousand functions.
    bombs::many_functions => Refused(PAST_LIMIT);
    /// Has 31 MiB of data.
    bombs::huge_data => Harmless;
    /// Has two bytes of data at either end of 500 MiB.
    bombs::far_apart_data => Harmless;
    /// Nests lists 10,000 deep.
    bombs::deep_types => Refused(INVALID);
    /// Doubles a tuple 40 times.
    bombs::doubled_types => Refused(INVALID);
    /// Doubles an instance 30 times.
    bombs::doubled_instances => Refused("component-compile-limit");
    /// Nests a hundred components.
    bombs::deep_components => Refused(PAST_LIMIT);
    /// Declares ten components of half a million types each.
    bombs::many_types => Refused(PAST_LIMIT);
    /// Branches to 100,000 places, again and again.
    bombs::branch_tables => Harmless;
    /// Has a schema of two hundred patterns that take a megabyte each.
    bombs::pattern_bomb => Refused("component-bad-description");
    /// Has a schema of thousands of alternatives for each of thousands of values.
    bombs::alternatives_bomb => Harmless;
    /// Has 30 MiB of sections that mean nothing.
    bombs::custom_section_bloat => Harmless;

    /// Is machine code of another engine.
    uploads::foreign_engine => Refused("component-is-precompiled");
    /// Is machine code in an envelope of WebAssembly.
    uploads::machine_code_inside => Refused(INVALID);

    /// Asks for the environment.
    imports::environment => SeesNothing;
    /// Asks for the arguments of the process.
    imports::arguments => SeesNothing;
    /// Asks for the time of day.
    imports::wall_clock => SeesNothing;
    /// Asks for real randomness.
    imports::randomness => SeesNothing;
    /// Asks for the directories that are open.
    imports::files => SeesNothing;
    /// Connects to a port of this machine, which the race's first driver names.
    imports::sockets => SeesNothing;
});
