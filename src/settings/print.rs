//! How settings are printed.

use std::fmt::Display;
use std::time::Duration;

use serde::Serializer;

use crate::model::time::print_duration;

pub(super) fn text<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

pub(super) fn duration<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&print_duration(*value))
}

#[expect(clippy::ref_option, reason = "serde gives it so")]
pub(super) fn maybe_duration<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&value.map(print_duration).unwrap_or_default())
}

pub(super) fn durations<S: Serializer>(values: &[Duration], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(values.iter().map(|value| print_duration(*value)))
}
