//! One value to and from JSON.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

use crate::diagnostics::clipped;
use crate::kql::dynamic::{Bag, Dynamic};
use crate::kql::error::KqlError;
use crate::kql::time::{parse_datetime, parse_timespan, print_datetime, print_timespan};
use crate::kql::value::{Type, Val, Value};

impl Value {
    /// Reads a JSON cell as a value of that type. JSON null is the type's null (the empty string for `string`). Numbers,
    /// times and guids are also read from text; a `string` takes any scalar and a nested structure as its JSON text.
    ///
    /// # Errors
    /// [`KqlError::NotA`] when the cell cannot be read as that type.
    pub fn from_json(json: &Json, ty: Type) -> Result<Self, KqlError> {
        if json.is_null() {
            return Ok(ty.nothing());
        }
        let text = json.as_str();
        let read = match ty {
            Type::Bool => json.as_bool().or_else(|| text?.to_lowercase().parse().ok()).map(Val::Bool),
            Type::Int => whole(json).and_then(|n| i32::try_from(n).ok()).map(Val::Int),
            Type::Long => whole(json).map(Val::Long),
            Type::Real => json.as_f64().or_else(|| text?.trim().parse().ok()).map(Val::Real),
            Type::DateTime => text.and_then(parse_datetime).map(Val::DateTime),
            Type::Timespan => text.and_then(parse_timespan).map(Val::Timespan),
            Type::Guid => text.and_then(|text| text.trim().parse().ok()).map(Val::Guid),
            Type::String => Some(text.map_or_else(|| json.to_string(), ToOwned::to_owned).into()),
            Type::Dynamic => Some(Val::dynamic(Dynamic::from_json(json))),
        };
        read.ok_or_else(|| KqlError::NotA { shown: clipped(&json.to_string(), 60), expected: ty })
    }
}

impl Val<'_> {
    /// The value as a JSON cell. Times are text; a real that JSON cannot hold is `"NaN"`, `"Infinity"` or `"-Infinity"`.
    pub fn to_json(&self) -> Json {
        match self {
            Val::Null => Json::Null,
            Val::Bool(v) => Json::Bool(*v),
            Val::Int(v) => Json::from(*v),
            Val::Long(v) => Json::from(*v),
            Val::Real(v) => real_json(*v),
            Val::DateTime(v) => Json::from(datetime_json(*v)),
            Val::Timespan(v) => Json::from(print_timespan(*v)),
            Val::Guid(v) => Json::from(v.to_string()),
            Val::Str(v) => Json::from(&**v),
            Val::Dyn(v) => v.to_json(),
        }
    }
}

impl Dynamic {
    /// From JSON; a number that is no 64-bit integer becomes a real.
    pub fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(v) => Self::Bool(*v),
            Json::Number(v) => v.as_i64().map_or_else(|| Self::Real(v.as_f64().unwrap_or(f64::NAN)), Self::Long),
            Json::String(v) => Self::Str(Arc::from(v.as_str())),
            Json::Array(v) => Self::Array(v.iter().map(Self::from_json).collect()),
            Json::Object(v) => {
                let pairs = v.iter().map(|(name, value)| (Arc::from(name.as_str()), Self::from_json(value)));
                Self::Bag(Arc::new(Bag::new(pairs)))
            }
        }
    }

    /// As JSON; times and guids become text.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(v) => Json::Bool(*v),
            Self::Long(v) => Json::from(*v),
            Self::Real(v) => real_json(*v),
            Self::DateTime(v) => Json::from(print_datetime(*v)),
            Self::Timespan(v) => Json::from(print_timespan(*v)),
            Self::Guid(v) => Json::from(v.to_string()),
            Self::Str(v) => Json::from(&**v),
            Self::Array(v) => Json::Array(v.iter().map(Self::to_json).collect()),
            Self::Bag(v) => Json::Object(v.iter().map(|(name, value)| (name.to_owned(), value.to_json())).collect()),
        }
    }
}

/// Straight from the text, as [`Dynamic::from_json`] would make it.
impl<'de> Deserialize<'de> for Dynamic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Dynamic;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Dynamic, E> {
        Ok(Dynamic::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Dynamic, E> {
        Ok(Dynamic::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Dynamic, E> {
        Ok(Dynamic::Long(v))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Dynamic, E> {
        Ok(Dynamic::from_json(&Json::from(v)))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Dynamic, E> {
        Ok(Dynamic::Real(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Dynamic, E> {
        Ok(Dynamic::Str(Arc::from(v)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Dynamic, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Dynamic::Array(all.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Dynamic, A::Error> {
        let mut all = Vec::new();
        while let Some((Name(name), value)) = pairs.next_entry()? {
            all.push((name, value));
        }
        Ok(Dynamic::Bag(Arc::new(Bag::new(all))))
    }
}

/// The name of a property, without a text on the way.
struct Name(Arc<str>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(Reading)? {
            Dynamic::Str(name) => Ok(Self(name)),
            _ => Err(serde::de::Error::custom("a name is text")),
        }
    }
}

fn whole(json: &Json) -> Option<i64> {
    json.as_i64().or_else(|| json.as_str()?.trim().parse().ok())
}

fn real_json(value: f64) -> Json {
    let word = if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    serde_json::Number::from_f64(value).map_or_else(|| Json::from(word), Json::Number)
}

/// Log Analytics drops zeros at the end of the fraction.
fn datetime_json(ticks: i64) -> String {
    let text = print_datetime(ticks);
    format!("{}Z", text.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cells_survive_the_way_there_and_back() {
        for (ty, cell) in [
            (Type::Bool, json!(true)),
            (Type::Int, json!(-3)),
            (Type::Long, json!(1_i64 << 60)),
            (Type::Real, json!(1.5)),
            (Type::DateTime, json!("2026-03-01T02:03:04.12Z")),
            (Type::DateTime, json!("2026-03-10T00:00:00Z")),
            (Type::Timespan, json!("1.02:03:04")),
            (Type::Guid, json!("12345678-1234-1234-1234-123456789abc")),
            (Type::String, json!("a\"b")),
            (Type::Dynamic, json!({"b": [1, null, {"a": "x"}], "a": 2.5})),
            (Type::Dynamic, json!(null)),
        ] {
            assert_eq!(Value::from_json(&cell, ty).unwrap().to_json(), cell);
        }
    }

    #[test]
    fn strings_are_never_null_and_wrong_cells_are_refused() {
        assert_eq!(Value::from_json(&Json::Null, Type::String).unwrap(), Value::from(""));
        assert!(Value::from_json(&json!("x"), Type::Int).is_err());
        assert!(Value::from_json(&json!(3_000_000_000_i64), Type::Int).is_err());
        assert!(Value::from_json(&json!({}), Type::DateTime).is_err());
    }
}
