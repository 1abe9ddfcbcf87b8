//! Scalar types and values.

use std::fmt;

use uuid::Uuid;

use super::dynamic::{DynCow, Dynamic};
use super::str_cow::StrCow;
use super::time::{MAX_DATETIME, MIN_DATETIME};

/// A scalar type of Kusto. `decimal` is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// 32-bit signed integer.
    Int,
    /// 64-bit signed integer.
    Long,
    /// 64-bit floating point.
    Real,
    /// A UTC time in ticks of 100 ns.
    DateTime,
    /// A length of time in ticks of 100 ns.
    Timespan,
    /// A 128-bit identifier.
    Guid,
    /// Unicode text; never null.
    String,
    /// JSON: any scalar, an array or a property bag.
    Dynamic,
}

/// A value that may borrow its text from a row. Every type but `string` has a null.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Val<'a> {
    /// The null of any type but `string`.
    #[default]
    Null,
    /// A `bool`.
    Bool(bool),
    /// An `int`.
    Int(i32),
    /// A `long`.
    Long(i64),
    /// A `real`.
    Real(f64),
    /// A `datetime`: ticks of 100 ns since 1970-01-01 UTC.
    DateTime(i64),
    /// A `timespan`: ticks of 100 ns.
    Timespan(i64),
    /// A `guid`.
    Guid(Uuid),
    /// A `string`.
    Str(StrCow<'a>),
    /// A `dynamic` that is not null.
    Dyn(DynCow<'a>),
}

/// A value that owns its text: what rows are made of.
pub type Value = Val<'static>;

impl Type {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Bool,
        Self::Int,
        Self::Long,
        Self::Real,
        Self::DateTime,
        Self::Timespan,
        Self::Guid,
        Self::String,
        Self::Dynamic,
    ];

    /// The name, as in a column's `type` on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Long => "long",
            Self::Real => "real",
            Self::DateTime => "datetime",
            Self::Timespan => "timespan",
            Self::Guid => "guid",
            Self::String => "string",
            Self::Dynamic => "dynamic",
        }
    }

    /// The name of the .NET type, as `getschema` shows it.
    pub(super) const fn dotnet_name(self) -> &'static str {
        match self {
            Self::Bool => "System.SByte",
            Self::Int => "System.Int32",
            Self::Long => "System.Int64",
            Self::Real => "System.Double",
            Self::DateTime => "System.DateTime",
            Self::Timespan => "System.TimeSpan",
            Self::Guid => "System.Guid",
            Self::String => "System.String",
            Self::Dynamic => "System.Object",
        }
    }

    /// The type of that name or alias (`date`, `double`, `time`, `boolean`, `uuid`, `uniqueid`).
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "bool" | "boolean" => Self::Bool,
            "int" => Self::Int,
            "long" => Self::Long,
            "real" | "double" => Self::Real,
            "datetime" | "date" => Self::DateTime,
            "timespan" | "time" => Self::Timespan,
            "guid" | "uuid" | "uniqueid" => Self::Guid,
            "string" => Self::String,
            "dynamic" => Self::Dynamic,
            _ => return None,
        })
    }

    /// Whether it is `int`, `long` or `real`.
    pub const fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Long | Self::Real)
    }

    /// The value that stands for "nothing": the empty string for `string`, else null.
    pub const fn nothing(self) -> Value {
        match self {
            Self::String => Val::Str(StrCow::Borrowed("")),
            Self::Bool
            | Self::Int
            | Self::Long
            | Self::Real
            | Self::DateTime
            | Self::Timespan
            | Self::Guid
            | Self::Dynamic => Val::Null,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Val<'_> {
    /// The same value, borrowing from this one.
    pub fn borrowed(&self) -> Val<'_> {
        match self {
            Val::Null => Val::Null,
            Val::Bool(v) => Val::Bool(*v),
            Val::Int(v) => Val::Int(*v),
            Val::Long(v) => Val::Long(*v),
            Val::Real(v) => Val::Real(*v),
            Val::DateTime(v) => Val::DateTime(*v),
            Val::Timespan(v) => Val::Timespan(*v),
            Val::Guid(v) => Val::Guid(*v),
            Val::Str(v) => Val::Str(v.borrowed()),
            Val::Dyn(v) => Val::Dyn(DynCow::Borrowed(v)),
        }
    }

    /// The same value, owning its text.
    pub fn into_owned(self) -> Value {
        match self {
            Val::Null => Val::Null,
            Val::Bool(v) => Val::Bool(v),
            Val::Int(v) => Val::Int(v),
            Val::Long(v) => Val::Long(v),
            Val::Real(v) => Val::Real(v),
            Val::DateTime(v) => Val::DateTime(v),
            Val::Timespan(v) => Val::Timespan(v),
            Val::Guid(v) => Val::Guid(v),
            Val::Str(v) => Val::Str(v.into_owned()),
            Val::Dyn(v) => Val::Dyn(v.into_shared()),
        }
    }

    /// Its type; `None` for null, whose type the context knows.
    pub const fn type_of(&self) -> Option<Type> {
        Some(match self {
            Val::Null => return None,
            Val::Bool(_) => Type::Bool,
            Val::Int(_) => Type::Int,
            Val::Long(_) => Type::Long,
            Val::Real(_) => Type::Real,
            Val::DateTime(_) => Type::DateTime,
            Val::Timespan(_) => Type::Timespan,
            Val::Guid(_) => Type::Guid,
            Val::Str(_) => Type::String,
            Val::Dyn(_) => Type::Dynamic,
        })
    }

    /// Whether it is null.
    pub const fn is_null(&self) -> bool {
        matches!(self, Val::Null)
    }

    /// The text of a `string`.
    pub fn as_str(&self) -> Option<&str> {
        if let Val::Str(text) = self { Some(text) } else { None }
    }

    /// The value of a `bool`.
    pub const fn as_bool(&self) -> Option<bool> {
        if let Val::Bool(value) = self { Some(*value) } else { None }
    }

    /// The value of an `int` or a `long`.
    pub fn as_long(&self) -> Option<i64> {
        match self {
            Val::Int(value) => Some(i64::from(*value)),
            Val::Long(value) => Some(*value),
            Val::Null
            | Val::Bool(_)
            | Val::Real(_)
            | Val::DateTime(_)
            | Val::Timespan(_)
            | Val::Guid(_)
            | Val::Str(_)
            | Val::Dyn(_) => None,
        }
    }

    /// The JSON inside a `dynamic`.
    pub fn as_dynamic(&self) -> Option<&Dynamic> {
        if let Val::Dyn(value) = self { Some(value) } else { None }
    }

    /// How many bytes a copy of it takes beside its cell; of what several hold each has its part.
    pub(super) fn size(&self) -> usize {
        match self {
            Val::Str(text) => text.len(),
            Val::Dyn(value) => value.size(),
            Val::Null
            | Val::Bool(_)
            | Val::Int(_)
            | Val::Long(_)
            | Val::Real(_)
            | Val::DateTime(_)
            | Val::Timespan(_)
            | Val::Guid(_) => 0,
        }
    }

    /// A `datetime`; ticks outside of the years 1 to 9999 are null.
    pub const fn datetime(ticks: i64) -> Self {
        if ticks < MIN_DATETIME || ticks > MAX_DATETIME { Val::Null } else { Val::DateTime(ticks) }
    }

    /// A `dynamic`; JSON null is the null value.
    pub fn dynamic(value: Dynamic) -> Self {
        if matches!(value, Dynamic::Null) { Val::Null } else { Val::Dyn(value.into()) }
    }
}

impl<'a> From<&'a str> for Val<'a> {
    fn from(text: &'a str) -> Self {
        Val::Str(text.into())
    }
}

impl From<String> for Val<'_> {
    fn from(text: String) -> Self {
        Val::Str(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_three_words() {
        // What a filter costs is mostly how much memory the columns it looks at take.
        assert_eq!(size_of::<Value>(), 24);
    }
}
