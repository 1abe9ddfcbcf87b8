//! `riposte lab`.

use super::args::{Global, LabArgs};
use super::exit::{CliError, Exit};

/// Not built.
#[expect(clippy::unused_async, reason = "a stub")]
pub(super) async fn lab(_: &LabArgs, _: &Global) -> Result<Exit, CliError> {
    Err(CliError::Fault("not built".to_owned()))
}
