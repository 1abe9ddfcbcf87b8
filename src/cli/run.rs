//! `riposte run`.

use super::args::{Global, RunArgs};
use super::exit::{CliError, Exit};

/// Not built.
#[expect(clippy::unused_async, reason = "a stub")]
pub(super) async fn run(_: &RunArgs, _: &Global) -> Result<Exit, CliError> {
    Err(CliError::Fault("not built".to_owned()))
}
