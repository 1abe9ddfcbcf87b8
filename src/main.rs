//! The command line: parse, run, exit.

use std::process::ExitCode;

use riposte::cli;

/// Threads for what blocks: questions to the journal and to name servers. Each has memory of its own that is
/// never given back, so there are few.
const BLOCKING: usize = 6;

fn main() -> ExitCode {
    let line = match cli::parse(std::env::args_os()) {
        Ok(line) => line,
        Err(exit) => return exit.into(),
    };
    match tokio::runtime::Builder::new_multi_thread().max_blocking_threads(BLOCKING).enable_all().build() {
        Ok(runtime) => runtime.block_on(cli::main(&line)).into(),
        Err(error) => cli::no_runtime(&error).into(),
    }
}
