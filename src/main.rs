//! The command line: parse, run, exit.

use std::process::ExitCode;

use riposte::cli;

fn main() -> ExitCode {
    let line = match cli::parse(std::env::args_os()) {
        Ok(line) => line,
        Err(exit) => return exit.into(),
    };
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(cli::main(&line)).into(),
        Err(error) => cli::no_runtime(&error).into(),
    }
}
