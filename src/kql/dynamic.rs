//! The `dynamic` type: JSON that may also hold Kusto's own scalars. Cheap to clone.

use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::sync::Arc;

use uuid::Uuid;

use super::value::Val;

/// A `dynamic` value.
#[derive(Debug, Clone, PartialEq)]
pub enum Dynamic {
    /// JSON null.
    Null,
    /// A bool.
    Bool(bool),
    /// An integer.
    Long(i64),
    /// A number that is not an integer.
    Real(f64),
    /// Ticks of 100 ns since 1970-01-01 UTC.
    DateTime(i64),
    /// Ticks of 100 ns.
    Timespan(i64),
    /// A guid.
    Guid(Uuid),
    /// Text.
    Str(Arc<str>),
    /// An array.
    Array(Arc<[Dynamic]>),
    /// A property bag.
    Bag(Arc<Bag>),
}

/// A `dynamic` of somebody else, or one that is shared: as a `Cow`, in two words, so that cells of rows are small.
#[derive(Debug, Clone)]
pub enum DynCow<'a> {
    /// Somebody else's.
    Borrowed(&'a Dynamic),
    /// One of its own.
    Shared(Arc<Dynamic>),
}

/// A property bag: names and values in the order they were written, each name once.
#[derive(Debug, Clone, Default)]
pub struct Bag(Vec<(Arc<str>, Dynamic)>);

impl Dynamic {
    /// A property of a bag.
    pub fn property(&self, name: &str) -> Option<&Self> {
        if let Self::Bag(bag) = self { bag.get(name) } else { None }
    }

    /// An element of an array; a negative index counts from the end.
    pub fn element(&self, index: i64) -> Option<&Self> {
        let Self::Array(items) = self else { return None };
        let index = if index < 0 { index.checked_add(i64::try_from(items.len()).ok()?)? } else { index };
        items.get(usize::try_from(index).ok()?)
    }

    /// Whether it has more than so many levels of arrays and bags.
    pub(super) fn is_deeper_than(&self, levels: usize) -> bool {
        let deeper = |inner: &Self| levels == 0 || inner.is_deeper_than(levels - 1);
        match self {
            Self::Array(items) => items.iter().any(deeper),
            Self::Bag(bag) => bag.iter().any(|(_, value)| deeper(value)),
            Self::Null
            | Self::Bool(_)
            | Self::Long(_)
            | Self::Real(_)
            | Self::DateTime(_)
            | Self::Timespan(_)
            | Self::Guid(_)
            | Self::Str(_) => false,
        }
    }

    /// The elements of an array.
    pub fn items(&self) -> Option<&[Self]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }
}

impl Dynamic {
    /// How many bytes it takes. Of what several hold each has its part.
    pub(super) fn size(&self) -> usize {
        let below = match self {
            Self::Str(text) => part(text, text.len()),
            Self::Array(items) => part(items, items.iter().map(Self::size).sum()),
            Self::Bag(bag) => {
                let pair = |(name, value): (&str, &Self)| name.len() + size_of::<Arc<str>>() + value.size();
                part(bag, bag.iter().map(pair).sum())
            }
            Self::Null
            | Self::Bool(_)
            | Self::Long(_)
            | Self::Real(_)
            | Self::DateTime(_)
            | Self::Timespan(_)
            | Self::Guid(_) => 0,
        };
        size_of::<Self>() + below
    }
}

/// The part of so many bytes that one of several owners has.
fn part<T: ?Sized>(shared: &Arc<T>, bytes: usize) -> usize {
    bytes / Arc::strong_count(shared).max(1)
}

impl DynCow<'_> {
    /// How many bytes it takes, as [`Dynamic::size`]; none where it is somebody else's.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Shared(value) => part(value, value.size()),
            Self::Borrowed(_) => 0,
        }
    }

    /// The value itself.
    pub fn into_owned(self) -> Dynamic {
        match self {
            Self::Borrowed(value) => value.clone(),
            Self::Shared(value) => Arc::unwrap_or_clone(value),
        }
    }

    /// The same, of nobody else.
    pub fn into_shared(self) -> DynCow<'static> {
        DynCow::Shared(match self {
            Self::Borrowed(value) => Arc::new(value.clone()),
            Self::Shared(value) => value,
        })
    }
}

impl Deref for DynCow<'_> {
    type Target = Dynamic;

    fn deref(&self) -> &Dynamic {
        match self {
            Self::Borrowed(value) => value,
            Self::Shared(value) => value,
        }
    }
}

impl PartialEq for DynCow<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl From<Dynamic> for DynCow<'_> {
    fn from(value: Dynamic) -> Self {
        Self::Shared(Arc::new(value))
    }
}

impl Bag {
    /// From pairs; a later pair of the same name replaces the earlier.
    pub fn new(pairs: impl IntoIterator<Item = (Arc<str>, Dynamic)>) -> Self {
        let pairs: Vec<(Arc<str>, Dynamic)> = pairs.into_iter().collect();
        if all_differ(&pairs) {
            return Self(pairs);
        }
        let mut places = HashMap::new();
        let mut all: Vec<(Arc<str>, Dynamic)> = Vec::new();
        for (name, value) in pairs {
            let at = *places.entry(Arc::clone(&name)).or_insert(all.len());
            match all.get_mut(at) {
                Some(pair) => pair.1 = value,
                None => all.push((name, value)),
            }
        }
        Self(all)
    }

    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<&Dynamic> {
        self.0.iter().find(|(key, _)| &**key == name).map(|(_, value)| value)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Dynamic)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// How many properties it has.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Two bags are equal when they hold the same names and values, in whatever order.
impl PartialEq for Bag {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(name, value)| other.get(name) == Some(value))
    }
}

/// Whether no name comes twice. Most bags are small, and have none that does.
fn all_differ(pairs: &[(Arc<str>, Dynamic)]) -> bool {
    if pairs.len() > 16 {
        let names: HashSet<&str> = pairs.iter().map(|(name, _)| &**name).collect();
        return names.len() == pairs.len();
    }
    pairs.iter().enumerate().all(|(at, (name, _))| pairs.iter().take(at).all(|(other, _)| other != name))
}

impl Dynamic {
    /// A scalar as an element of an array or a bag.
    pub(super) fn from_val(val: &Val<'_>) -> Self {
        match val {
            Val::Null => Self::Null,
            Val::Bool(v) => Self::Bool(*v),
            Val::Int(v) => Self::Long(i64::from(*v)),
            Val::Long(v) => Self::Long(*v),
            Val::Real(v) => Self::Real(*v),
            Val::DateTime(v) => Self::DateTime(*v),
            Val::Timespan(v) => Self::Timespan(*v),
            Val::Guid(v) => Self::Guid(*v),
            Val::Str(v) => Self::Str(Arc::from(&**v)),
            Val::Dyn(v) => (**v).clone(),
        }
    }
}
