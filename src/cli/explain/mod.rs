//! stub
use super::args::{ExplainArgs, Global};
use super::exit::CliError;
use super::report::{Report, Terminal};
use crate::model::time::At;
#[expect(clippy::unused_async, reason = "a stub")]
pub(super) async fn explain(_: &ExplainArgs, _: &Global, _: Terminal, _: At) -> Result<Report, CliError> {
    Err(CliError::Fault("not built".to_owned()))
}
