//! The `paddock` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    paddock::cli::main()
}
