//! Conversions between scalar types: the `to...()` functions, and the implicit ones from `dynamic` and between numbers.

use std::borrow::Cow;
use std::sync::Arc;

use crate::kql::dynamic::{DynCow, Dynamic};
use crate::kql::time::{MIN_DATETIME, as_real, parse_datetime, parse_timespan, print_datetime, print_timespan};
use crate::kql::value::{Type, Val};

/// The value as that type; null (or the empty string) when it cannot be.
pub(in crate::kql) fn convert(value: Val<'_>, to: Type) -> Val<'_> {
    if value.type_of() == Some(to) {
        return value;
    }
    let value = match value {
        Val::Dyn(DynCow::Borrowed(inner)) => scalar(inner),
        Val::Dyn(DynCow::Shared(inner)) => scalar(&inner).into_owned(),
        other => other,
    };
    let converted = match to {
        Type::String => return text(value),
        Type::Dynamic => return Val::dynamic(Dynamic::from_val(&value)),
        Type::Bool => to_bool(&value).map(Val::Bool),
        Type::Int => to_long(&value).and_then(|n| i32::try_from(n).ok()).map(Val::Int),
        Type::Long => to_long(&value).map(Val::Long),
        Type::Real => to_real(&value).map(Val::Real),
        Type::DateTime => to_datetime(&value).map(Val::DateTime),
        Type::Timespan => to_timespan(&value).map(Val::Timespan),
        Type::Guid => match &value {
            Val::Guid(id) => Some(Val::Guid(*id)),
            other => other.as_str().and_then(|text| text.trim().parse().ok()).map(Val::Guid),
        },
    };
    converted.unwrap_or(Val::Null)
}

/// The value as `tostring()` prints it; empty for null.
pub(in crate::kql) fn text_of<'a>(value: &'a Val<'_>) -> Cow<'a, str> {
    match text(value.borrowed()) {
        Val::Str(text) => text.into_cow(),
        _ => Cow::Borrowed(""),
    }
}

/// A dynamic as the scalar it holds; arrays and bags stay what they are.
pub(in crate::kql) fn scalar(value: &Dynamic) -> Val<'_> {
    match value {
        Dynamic::Null => Val::Null,
        Dynamic::Bool(v) => Val::Bool(*v),
        Dynamic::Long(v) => Val::Long(*v),
        Dynamic::Real(v) => Val::Real(*v),
        Dynamic::DateTime(v) => Val::datetime(*v),
        Dynamic::Timespan(v) => Val::Timespan(*v),
        Dynamic::Guid(v) => Val::Guid(*v),
        Dynamic::Str(v) => Val::from(&**v),
        Dynamic::Array(_) | Dynamic::Bag(_) => Val::Dyn(DynCow::Borrowed(value)),
    }
}

/// Text as JSON; what is no JSON is a dynamic that holds the text.
pub(in crate::kql) fn parse_json(text: &str) -> Val<'static> {
    if text.trim().is_empty() {
        return Val::Null;
    }
    Val::dynamic(serde_json::from_str(text).unwrap_or_else(|_| Dynamic::Str(Arc::from(text))))
}

fn text(value: Val<'_>) -> Val<'_> {
    match value {
        Val::Str(text) => Val::Str(text),
        Val::Null => "".into(),
        Val::Bool(true) => "true".into(),
        Val::Bool(false) => "false".into(),
        Val::Int(v) => v.to_string().into(),
        Val::Long(v) => v.to_string().into(),
        Val::Real(v) => print_real(v).into(),
        Val::DateTime(v) => print_datetime(v).into(),
        Val::Timespan(v) => print_timespan(v).into(),
        Val::Guid(v) => v.to_string().into(),
        Val::Dyn(DynCow::Borrowed(Dynamic::Str(text))) => Val::from(&**text),
        Val::Dyn(v) => match scalar(&v) {
            Val::Dyn(v) => v.to_json().to_string().into(),
            simple => text(simple).into_owned(),
        },
    }
}

fn print_real(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let text = format!("{value:?}");
    match text.split_once('e') {
        Some((digits, power)) if power.starts_with('-') => format!("{digits}E{power}"),
        Some((digits, power)) => format!("{digits}E+{power}"),
        None => text,
    }
}

fn to_bool(value: &Val<'_>) -> Option<bool> {
    match value {
        Val::Bool(v) => Some(*v),
        Val::Int(v) => Some(*v != 0),
        Val::Long(v) => Some(*v != 0),
        Val::Real(v) => Some(*v != 0.0),
        Val::Str(text) => match text.trim() {
            text if text.eq_ignore_ascii_case("true") || text == "1" => Some(true),
            text if text.eq_ignore_ascii_case("false") || text == "0" => Some(false),
            _ => None,
        },
        Val::Null | Val::DateTime(_) | Val::Timespan(_) | Val::Guid(_) | Val::Dyn(_) => None,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked first; the fraction is dropped as Kusto does"
)]
fn to_long(value: &Val<'_>) -> Option<i64> {
    match value {
        Val::Bool(v) => Some(i64::from(*v)),
        Val::Int(v) => Some(i64::from(*v)),
        Val::Long(v) | Val::Timespan(v) => Some(*v),
        // Kusto counts the ticks of a datetime from the year 1.
        Val::DateTime(v) => Some(*v - MIN_DATETIME),
        Val::Real(v) => (v.abs() < 9.2e18).then_some(*v as i64),
        Val::Str(text) => match text.trim() {
            text if text.starts_with("0x") => i64::from_str_radix(text.get(2..)?, 16).ok(),
            text => text.parse().ok(),
        },
        Val::Null | Val::Guid(_) | Val::Dyn(_) => None,
    }
}

fn to_real(value: &Val<'_>) -> Option<f64> {
    match value {
        Val::Real(v) => Some(*v),
        Val::Str(text) => text.trim().parse().ok(),
        Val::Bool(_) | Val::Int(_) | Val::Long(_) => to_long(value).map(as_real),
        Val::Null | Val::DateTime(_) | Val::Timespan(_) | Val::Guid(_) | Val::Dyn(_) => None,
    }
}

fn to_datetime(value: &Val<'_>) -> Option<i64> {
    match value {
        Val::DateTime(v) => Some(*v),
        Val::Str(text) => parse_datetime(text),
        Val::Null
        | Val::Bool(_)
        | Val::Int(_)
        | Val::Long(_)
        | Val::Real(_)
        | Val::Timespan(_)
        | Val::Guid(_)
        | Val::Dyn(_) => None,
    }
}

fn to_timespan(value: &Val<'_>) -> Option<i64> {
    match value {
        Val::Timespan(v) | Val::Long(v) => Some(*v),
        Val::Int(v) => Some(i64::from(*v)),
        Val::Str(text) => parse_timespan(text),
        Val::Null | Val::Bool(_) | Val::Real(_) | Val::DateTime(_) | Val::Guid(_) | Val::Dyn(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reals_print_with_their_point_or_exponent() {
        assert_eq!(print_real(1.0), "1.0");
        assert_eq!(print_real(0.1), "0.1");
        assert_eq!(print_real(1e100), "1E+100");
    }

    #[test]
    fn json_in_strings_stays_text_until_it_is_json() {
        assert_eq!(text_of(&parse_json(r#"{"a": [1, 2]}"#)), r#"{"a":[1,2]}"#);
        assert_eq!(text_of(&parse_json("not json")), "not json");
        assert_eq!(parse_json(""), Val::Null);
        assert_eq!(parse_json("null"), Val::Null);
    }

    #[test]
    fn deep_json_does_not_overflow_the_stack() {
        let text = "[".repeat(100_000);
        assert!(matches!(parse_json(&text), Val::Dyn(_)));
    }
}
