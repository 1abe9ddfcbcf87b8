//! The tenant's overlay: how far each rule may go by itself.

use std::collections::BTreeMap;

use super::fields::{Placed, Reader};
use super::names::Names;
use super::yaml::Node;
use crate::model::action::Mode;

/// Modes by rule name. A rule that is missing is in simulate.
pub(super) type Modes = BTreeMap<String, Placed<Mode>>;

const WORDS: &[(&str, Mode)] = &[("simulate", Mode::Simulate), ("approve", Mode::Approve), ("enforce", Mode::Enforce)];

/// Reads the overlay; `names` are the rules there are.
pub(super) fn read(node: &Node, names: &Names, reader: &mut Reader<'_>) -> Modes {
    let mut modes = Modes::new();
    for (key, value) in reader.entries(node, "the file of modes").unwrap_or_default() {
        let known: Vec<&str> = names.known().collect();
        // Without any rule that could be read, that is the mistake.
        if !known.is_empty() && names.lack(&key.text) {
            reader.unknown("rule/unknown-rule", "rule", &key.text, key.span, &known);
        }
        if let Some(mode) = reader.word(value, "mode", WORDS) {
            modes.insert(key.text.clone(), Placed { value: mode, place: reader.place(key.span.to(value.span)) });
        }
    }
    modes
}
