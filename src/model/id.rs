//! An id per kind of thing, so that passing the wrong one does not compile.
//!
//! Everything durable has a derived id (UUID version 5 over the parts of its key): the same thing
//! gets the same id after a restart, on every replica, and in every repeat of a call.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The root of all derived ids of riposte.
const NAMESPACE: Uuid = Uuid::from_u128(0x8f1c_2b60_5a1e_4d55_9a30_7269_706f_7374);

/// What an [`Id`] identifies.
pub trait Kind {
    /// The word that keeps ids of two kinds with equal parts apart.
    const WORD: &'static str;
}

/// The id of one thing of kind `K`.
pub struct Id<K>(Uuid, PhantomData<fn() -> K>);

/// Marks ids of alerts.
#[derive(Debug)]
pub struct AlertKind;
/// Marks ids of actions.
#[derive(Debug)]
pub struct ActionKind;
/// Marks ids of notes; also the comment id on Sentinel.
#[derive(Debug)]
pub struct NoteKind;
/// Marks the id of one run of the process.
#[derive(Debug)]
pub struct BootKind;

impl Kind for AlertKind {
    const WORD: &'static str = "alert";
}
impl Kind for ActionKind {
    const WORD: &'static str = "action";
}
impl Kind for NoteKind {
    const WORD: &'static str = "note";
}
impl Kind for BootKind {
    const WORD: &'static str = "boot";
}

/// One alert.
pub type AlertId = Id<AlertKind>;
/// One action.
pub type ActionId = Id<ActionKind>;
/// One note.
pub type NoteId = Id<NoteKind>;
/// One run of the process.
pub type BootId = Id<BootKind>;

impl<K: Kind> Id<K> {
    /// The id of the thing whose key has these parts. Parts are length-prefixed, so `["ab", "c"]`
    /// and `["a", "bc"]` differ.
    #[must_use]
    pub fn derive(parts: &[&str]) -> Self {
        let mut key = String::from(K::WORD);
        for part in parts {
            key.push_str(&format!("\u{1f}{}:{part}", part.len()));
        }
        Self(Uuid::new_v5(&NAMESPACE, key.as_bytes()), PhantomData)
    }
}

impl<K> Id<K> {
    /// An id that was written down before.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// The bare UUID, for the wire.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }

    /// The first eight digits: enough for a person to tell a handful apart.
    #[must_use]
    pub fn short(self) -> String {
        self.0.simple().to_string().chars().take(8).collect()
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl<K> FromStr for Id<K> {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text.trim()).map(Self::from_uuid)
    }
}
impl<K> Serialize for Id<K> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}
impl<'de, K> Deserialize<'de> for Id<K> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Uuid::deserialize(from).map(Self::from_uuid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_give_equal_ids_and_shifted_parts_do_not() {
        assert_eq!(AlertId::derive(&["ab", "c"]), AlertId::derive(&["ab", "c"]));
        assert_ne!(AlertId::derive(&["ab", "c"]), AlertId::derive(&["a", "bc"]));
    }

    #[test]
    fn kinds_with_equal_parts_have_different_ids() {
        assert_ne!(AlertId::derive(&["x"]).uuid(), ActionId::derive(&["x"]).uuid());
    }
}
