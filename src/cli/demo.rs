//! `riposte demo`.

use super::args::{DemoArgs, Global};
use super::exit::{CliError, Exit};

/// Not built.
#[expect(clippy::unused_async, reason = "a stub")]
pub(super) async fn demo(_: &DemoArgs, _: &Global) -> Result<Exit, CliError> {
    Err(CliError::Fault("not built".to_owned()))
}
