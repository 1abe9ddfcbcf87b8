//! Lists of constants in which values are looked up instead of searched for.
//!
//! What one says is what a search through the list says, value by value: of two types that meet, a list has what it needs
//! to compare by, and what cannot be hashed is still gone through.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::budget::Budget;
use super::compare::equals;
use super::convert::{convert, scalar, text_of};
use crate::kql::dynamic::Dynamic;
use crate::kql::error::KqlError;
use crate::kql::functions::{fold, has_whole, same_any_case};
use crate::kql::time::as_real;
use crate::kql::value::{Type, Val, Value};

/// So few values are searched through: to hash one takes as long.
pub(in crate::kql) const FEW: usize = 8;

/// What is asked of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::kql) enum Asks {
    /// `in`, `set_has_element`: whether a value is equal to one of the list.
    Equal,
    /// `in~`: as that, upper and lower case of texts alike.
    AnyCase,
    /// `has_any`.
    AnyWord,
    /// `has_all`.
    AllWords,
}

/// The lists of a call, and which of its arguments is looked up in them.
#[derive(Debug, Clone)]
pub(in crate::kql) struct Lists {
    pub(in crate::kql) asks: Asks,
    /// The place of the argument.
    pub(in crate::kql) value: usize,
    pub(in crate::kql) all: Vec<List>,
}

/// A list that is the same for all rows.
#[derive(Debug, Clone)]
pub(in crate::kql) enum List {
    Constant(Arc<Lookup>),
    /// What is prepared once per run.
    Let(usize),
}

/// A list, hashed.
#[derive(Debug)]
pub(in crate::kql) enum Lookup {
    Values(Box<Values>),
    Words(Words),
}

/// A value that was worked out once a run, with what it takes to look others up in it once somebody does.
pub(in crate::kql) struct Held {
    pub(in crate::kql) value: Value,
    equal: OnceCell<Box<Lookup>>,
    any_case: OnceCell<Box<Lookup>>,
    words: OnceCell<Box<Lookup>>,
}

impl Asks {
    /// What an operator or function asks, and where its value is among the arguments.
    pub(in crate::kql) fn of(function: &str) -> Option<(Self, usize)> {
        Some(match function {
            "in" => (Self::Equal, 0),
            "set_has_element" => (Self::Equal, 1),
            "in~" => (Self::AnyCase, 0),
            "has_any" => (Self::AnyWord, 0),
            "has_all" => (Self::AllWords, 0),
            _ => return None,
        })
    }
}

impl Held {
    pub(in crate::kql) const fn new(value: Value) -> Self {
        Self { value, equal: OnceCell::new(), any_case: OnceCell::new(), words: OnceCell::new() }
    }

    /// Its values to look others up in, made when they are first asked for.
    pub(in crate::kql) fn lookup(&self, asks: Asks, budget: &Budget) -> Result<&Lookup, KqlError> {
        let cell = match asks {
            Asks::Equal => &self.equal,
            Asks::AnyCase => &self.any_case,
            Asks::AnyWord | Asks::AllWords => &self.words,
        };
        if cell.get().is_none() {
            let items = self.value.as_dynamic().and_then(Dynamic::items).map_or(1, <[_]>::len);
            // A value is hashed under up to three keys, and its text copied.
            budget.steps(16 * items as u64)?;
            budget.bytes(items * 3 * size_of::<Value>() + self.value.as_dynamic().map_or(0, Dynamic::size))?;
        }
        Ok(cell.get_or_init(|| Box::new(Lookup::of(asks, [&self.value]))))
    }
}

impl Lookup {
    /// Of the values; an array among them stands for its elements.
    pub(in crate::kql) fn of<'v>(asks: Asks, values: impl IntoIterator<Item = &'v Value>) -> Self {
        let mut lookup = match asks {
            Asks::Equal => Self::Values(Box::default()),
            Asks::AnyCase => Self::Values(Box::new(Values { folded: Some(HashSet::new()), ..Values::default() })),
            Asks::AnyWord | Asks::AllWords => Self::Words(Words::default()),
        };
        for value in values {
            match value.as_dynamic().and_then(Dynamic::items) {
                Some(items) => items.iter().for_each(|item| lookup.add(&scalar(item))),
                None => lookup.add(value),
            }
        }
        lookup
    }

    fn add(&mut self, value: &Val<'_>) {
        match self {
            Self::Values(values) => values.add(value),
            Self::Words(words) => words.add(&text_of(value)),
        }
    }

    /// Whether the list is what is asked for the value.
    pub(in crate::kql) fn holds(&self, asks: Asks, value: &Val<'_>, budget: &Budget) -> Result<bool, KqlError> {
        match self {
            Self::Values(values) => {
                budget.steps(values.steps())?;
                Ok(values.contains(value))
            }
            Self::Words(words) => words.stand_in(&text_of(value), asks == Asks::AnyWord, budget),
        }
    }
}

/// Values by what another is compared with.
#[derive(Debug, Default)]
pub(in crate::kql) struct Values {
    /// An `int` and a `long` of one value are equal.
    whole: HashSet<i64>,
    /// Those as reals, as which they are compared with reals.
    whole_as_real: HashSet<u64>,
    reals: HashSet<u64>,
    /// All but numbers and texts.
    plain: HashSet<Plain>,
    texts: HashSet<Box<str>>,
    /// The texts in lower case, where the cases are alike.
    folded: Option<HashSet<Box<str>>>,
    /// Arrays, bags, and dynamics that are no list: another is compared with each by its own type.
    others: Vec<Value>,
}

/// A value that is equal to those of its own type only.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Plain {
    Bool(bool),
    DateTime(i64),
    Timespan(i64),
    Guid(uuid::Uuid),
}

impl Values {
    fn add(&mut self, value: &Val<'_>) {
        match value {
            // Nothing is equal to null, nor to what is no number.
            Val::Null => {}
            Val::Int(_) | Val::Long(_) => {
                if let Some(number) = value.as_long() {
                    self.whole.insert(number);
                    self.whole_as_real.insert(bits(as_real(number)));
                }
            }
            Val::Real(number) if number.is_nan() => {}
            Val::Real(number) => {
                self.reals.insert(bits(*number));
            }
            Val::Str(text) => {
                if let Some(folded) = &mut self.folded {
                    folded.insert(Box::from(&*fold(text)));
                }
                self.texts.insert(Box::from(&**text));
            }
            Val::Dyn(_) => self.others.push(value.clone().into_owned()),
            Val::Bool(_) | Val::DateTime(_) | Val::Timespan(_) | Val::Guid(_) => self.plain.extend(plain(value)),
        }
    }

    /// How many steps it takes to look a value up.
    pub(in crate::kql) const fn steps(&self) -> u64 {
        1 + self.others.len() as u64
    }

    /// Whether one of the list is equal to the value.
    pub(in crate::kql) fn contains(&self, value: &Val<'_>) -> bool {
        let hashed = match value {
            Val::Dyn(inner) => {
                let folded = self.folded.as_ref().filter(|_| matches!(**inner, Dynamic::Str(_)));
                folded.is_some_and(|folded| folded.contains(&*fold(&text_of(value)))) || self.contains_dynamic(value)
            }
            Val::Str(text) => match &self.folded {
                Some(folded) => folded.contains(&*fold(text)),
                None => self.texts.contains(&**text),
            },
            plain => self.contains_scalar(plain),
        };
        hashed || self.others.iter().any(|other| self.is(value, other))
    }

    fn is(&self, a: &Val<'_>, b: &Val<'_>) -> bool {
        if self.folded.is_some() { same_any_case(a, b) } else { equals(a, b) == Some(true) }
    }

    /// A dynamic is compared with each type as that type.
    fn contains_dynamic(&self, value: &Val<'_>) -> bool {
        let has = |ty: Type, any: bool| any && self.contains_as(&convert(value.borrowed(), ty));
        let plain = !self.plain.is_empty();
        has(Type::Long, !self.whole.is_empty())
            || has(Type::Real, !self.reals.is_empty())
            || has(Type::String, !self.texts.is_empty())
            || [Type::Bool, Type::DateTime, Type::Timespan, Type::Guid].iter().any(|ty| has(*ty, plain))
    }

    /// Whether it holds the value as one of the same type.
    fn contains_as(&self, value: &Val<'_>) -> bool {
        match value {
            Val::Int(_) | Val::Long(_) => value.as_long().is_some_and(|number| self.whole.contains(&number)),
            Val::Real(number) => self.reals.contains(&bits(*number)),
            Val::Str(text) => self.texts.contains(&**text),
            other => plain(other).is_some_and(|value| self.plain.contains(&value)),
        }
    }

    fn contains_scalar(&self, value: &Val<'_>) -> bool {
        let across = match value {
            Val::Int(_) | Val::Long(_) => {
                value.as_long().is_some_and(|number| self.reals.contains(&bits(as_real(number))))
            }
            Val::Real(number) => self.whole_as_real.contains(&bits(*number)),
            _ => false,
        };
        across || self.contains_as(value)
    }
}

fn plain(value: &Val<'_>) -> Option<Plain> {
    match value {
        Val::Bool(v) => Some(Plain::Bool(*v)),
        Val::DateTime(v) => Some(Plain::DateTime(*v)),
        Val::Timespan(v) => Some(Plain::Timespan(*v)),
        Val::Guid(v) => Some(Plain::Guid(*v)),
        _ => None,
    }
}

/// The bits of a number; the two zeros are equal.
fn bits(number: f64) -> u64 {
    (if number == 0.0 { 0.0 } else { number }).to_bits()
}

/// Words that are looked for in texts.
#[derive(Debug, Default)]
pub(in crate::kql) struct Words {
    /// Those that are one term, in lower case, and their numbers.
    terms: HashMap<Box<str>, usize>,
    /// Those that are none, or several: a text is searched for them.
    others: HashSet<Box<str>>,
}

impl Words {
    fn add(&mut self, word: &str) {
        let word = Box::from(&*fold(word));
        let next = self.terms.len();
        if word_is_term(&word) {
            self.terms.entry(word).or_insert(next);
        } else {
            self.others.insert(word);
        }
    }

    /// Whether one of the words, or all of them, stand in the text.
    fn stand_in(&self, text: &str, any: bool, budget: &Budget) -> Result<bool, KqlError> {
        let text = fold(text);
        if !self.terms.is_empty() {
            // Each term of it is hashed.
            budget.steps(1 + text.len() as u64 / 8)?;
            // One is enough, or one too few.
            if self.terms_stand_in(&text, any) == any {
                return Ok(any);
            }
        }
        for word in &self.others {
            budget.steps(3 + text.len() as u64 / 256)?;
            if has_whole(budget, &text, word)? == any {
                return Ok(any);
            }
        }
        Ok(!any)
    }

    fn terms_stand_in(&self, text: &str, any: bool) -> bool {
        let mut found = text.split(|c: char| !c.is_alphanumeric()).filter_map(|term| self.terms.get(term));
        if any {
            return found.next().is_some();
        }
        let mut seen: HashSet<usize> = HashSet::new();
        found.any(|number| seen.insert(*number) && seen.len() == self.terms.len())
    }
}

fn word_is_term(word: &str) -> bool {
    !word.is_empty() && word.chars().all(char::is_alphanumeric)
}
