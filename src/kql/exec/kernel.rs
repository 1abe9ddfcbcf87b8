//! Comparisons of a column with constants, made for many rows in one short loop.
//!
//! What one means is what the evaluator says of it ([`Tested::holds`]). A kernel says the same of plain cells, those of the
//! type of their column and not null, and looks at each only as long as it must.

use std::collections::HashSet;

use crate::kql::error::KqlError;
use crate::kql::eval::lookup::{FEW, List, Lists, Lookup, Values};
use crate::kql::eval::{Env, stored};
use crate::kql::functions::{Evaluate, Test};
use crate::kql::grid::Grid;
use crate::kql::ir::{Call, Node, NodeKind};
use crate::kql::time::as_real;
use crate::kql::value::{Type, Val, Value};

/// A column compared with constants.
pub(super) struct Comparison<'q> {
    slot: usize,
    ty: Type,
    /// All must hold.
    tests: Vec<Tested<'q>>,
    kernel: Kernel<'q>,
    /// What the kernel must say: false under `not`.
    wanted: bool,
}

/// A test of a value beside constants.
#[derive(Clone)]
struct Tested<'q> {
    test: Test,
    constants: Vec<&'q Value>,
    /// Whether one of the constants is enough, as in `in`; null is then no match instead of unknown.
    any: bool,
    /// What the test must give: false under `not`.
    wanted: bool,
    /// The constants to look a value up in, where they are many.
    values: Option<&'q Values>,
}

/// A question about a plain cell that the tests come down to.
enum Kernel<'q> {
    /// Whether it is one of these texts, which are gone through.
    Texts(Vec<&'q str>),
    /// Whether it is one of these texts, which is looked up.
    AnyText(HashSet<&'q str>),
    /// Whether its number or its ticks lie between these, both included.
    Whole(i64, i64),
    /// Whether it lies between these, both included.
    Reals(f64, f64),
    /// What the tests say.
    Tests,
}

impl<'q> Comparison<'q> {
    /// The comparison that a condition is, if it is one.
    pub(super) fn of(node: &'q Node, wanted: bool) -> Option<Self> {
        let NodeKind::Call(Call { function, args, lists, .. }) = &node.kind else { return None };
        let (first, others) = args.split_first()?;
        if function.name == "not" {
            return Self::of(first, !wanted);
        }
        let (test, any) = match function.eval {
            Evaluate::Test(test) => (test, false),
            Evaluate::AnyOf(test) => (test, true),
            _ => return None,
        };
        let (NodeKind::Slot(slot), ty) = (&first.kind, first.ty) else { return None };
        let constant = |node: &'q Node| node.as_const().filter(|_| node.ty != Type::Dynamic);
        let constants: Vec<&Value> = others.iter().map(constant).collect::<Option<_>>()?;
        let kernel = kernel(function.name, ty, &constants).unwrap_or(Kernel::Tests);
        let values = lists.as_deref().and_then(only_values).filter(|_| any);
        let tests = vec![Tested { test, constants, any, wanted, values }];
        (ty != Type::Dynamic).then_some(Self { slot: *slot, ty, tests, kernel, wanted })
    }

    /// Takes the other comparison in, where both are of one column and make one range; whether it did.
    pub(super) fn narrow(&mut self, other: &Self) -> bool {
        if self.slot != other.slot || !self.wanted || !other.wanted {
            return false;
        }
        match (&mut self.kernel, &other.kernel) {
            (Kernel::Whole(low, high), Kernel::Whole(least, most)) => {
                (*low, *high) = ((*low).max(*least), (*high).min(*most));
            }
            (Kernel::Reals(low, high), Kernel::Reals(least, most)) => {
                (*low, *high) = (low.max(*least), high.min(*most));
            }
            _ => return false,
        }
        self.tests.extend(other.tests.iter().cloned());
        true
    }

    /// Leaves those rows of the table that pass, of these numbers. A row whose cell is not of the type of the column goes to
    /// `rotten` instead.
    #[expect(clippy::needless_bitwise_bool, reason = "a lazy operator is a branch")]
    pub(super) fn keep(
        &self,
        table: &Grid,
        rows: &mut Vec<usize>,
        rotten: &mut Vec<usize>,
        env: &Env<'_>,
    ) -> Result<(), KqlError> {
        let by_tests = if matches!(self.kernel, Kernel::Tests) { self.constants() } else { 1 };
        env.budget.steps((rows.len() as u64).saturating_mul(by_tests))?;
        let column = table.column(self.slot).unwrap_or_default();
        let wanted = self.wanted;
        let plain = match &self.kernel {
            Kernel::Texts(texts) => match texts.as_slice() {
                [one] if wanted => {
                    // Most texts differ in length, which is seen without going where they lie.
                    let plain = compact(column, rows, |cell| Some(cell.as_str()?.len() == one.len()));
                    plain & compact(column, rows, |cell| Some(cell.as_str()? == *one))
                }
                texts => compact(column, rows, |cell| Some(texts.contains(&cell.as_str()?) == wanted)),
            },
            Kernel::AnyText(texts) => compact(column, rows, |cell| Some(texts.contains(cell.as_str()?) == wanted)),
            Kernel::Whole(low, high) => compact(column, rows, |cell| {
                let number = ticks(cell).filter(|_| self.plain(cell))?;
                Some(((*low <= number) & (number <= *high)) == wanted)
            }),
            Kernel::Reals(low, high) => compact(column, rows, |cell| match cell {
                Val::Real(number) if !number.is_nan() => Some(((low <= number) & (number <= high)) == wanted),
                _ => None,
            }),
            Kernel::Tests => compact(column, rows, |cell| self.plain(cell).then(|| self.holds(cell))),
        };
        if plain { Ok(()) } else { self.keep_tested(column, rows, rotten, env) }
    }

    /// Leaves those of the rows whose cells a kernel cannot tell that pass by the tests.
    fn keep_tested(
        &self,
        column: &[Value],
        rows: &mut Vec<usize>,
        rotten: &mut Vec<usize>,
        env: &Env<'_>,
    ) -> Result<(), KqlError> {
        let mut kept = Vec::with_capacity(rows.len());
        for row in rows.iter().copied() {
            let cell = column.get(row);
            if cell.is_some_and(|cell| self.plain(cell)) {
                kept.push(row);
                continue;
            }
            env.budget.steps(self.constants())?;
            match stored(cell, self.slot, self.ty) {
                Ok(value) if self.holds(&value) => kept.push(row),
                Ok(_) => {}
                Err(_) => rotten.push(row),
            }
        }
        *rows = kept;
        Ok(())
    }

    /// How many steps the tests take.
    fn constants(&self) -> u64 {
        let looked_at = |test: &Tested<'_>| test.values.map_or(test.constants.len() as u64, Values::steps);
        self.tests.iter().map(looked_at).sum()
    }

    /// Whether a cell can be compared as it is: of the type of the column, not null, no moment out of range, no NaN.
    #[inline]
    fn plain(&self, cell: &Value) -> bool {
        match cell {
            Val::DateTime(ticks) => self.ty == Type::DateTime && !Val::datetime(*ticks).is_null(),
            Val::Real(number) => self.ty == Type::Real && !number.is_nan(),
            cell => cell.type_of() == Some(self.ty),
        }
    }

    fn holds(&self, value: &Val<'_>) -> bool {
        self.tests.iter().all(|test| test.holds(value))
    }
}

/// As `retain`, but without a branch that depends on the cell: a wrong guess of the processor costs more than a copy.
/// Rows for which `passes` cannot tell stay as well; whether there was none of those.
fn compact(column: &[Value], rows: &mut Vec<usize>, passes: impl Fn(&Value) -> Option<bool>) -> bool {
    let (mut kept, mut told) = (0, true);
    for at in 0..rows.len() {
        if let Some(row) = rows.get(at).copied()
            && let Some(place) = rows.get_mut(kept)
        {
            *place = row;
            let passes = column.get(row).and_then(&passes);
            told &= passes.is_some();
            kept += usize::from(passes != Some(false));
        }
    }
    rows.truncate(kept);
    told
}

impl Tested<'_> {
    fn holds(&self, value: &Val<'_>) -> bool {
        if let Some(values) = self.values {
            return values.contains(value) == self.wanted;
        }
        let mut constants = self.constants.iter();
        if self.any {
            constants.any(|constant| (self.test)(value, constant) == Some(true)) == self.wanted
        } else {
            constants.next().and_then(|constant| (self.test)(value, constant)) == Some(self.wanted)
        }
    }
}

/// The values of lists that are one list of values.
fn only_values(lists: &Lists) -> Option<&Values> {
    let [List::Constant(lookup)] = lists.all.as_slice() else { return None };
    if let Lookup::Values(values) = &**lookup { Some(values) } else { None }
}

/// The kernel for an operator between a column of that type and constants, where there is one.
fn kernel<'q>(operator: &str, ty: Type, constants: &[&'q Value]) -> Option<Kernel<'q>> {
    if ty == Type::String && matches!(operator, "==" | "in") {
        let texts: Vec<&str> = constants.iter().map(|constant| constant.as_str()).collect::<Option<_>>()?;
        let few = texts.len() <= FEW;
        return Some(if few { Kernel::Texts(texts) } else { Kernel::AnyText(texts.into_iter().collect()) });
    }
    let [constant] = constants else { return None };
    match ty {
        Type::Int | Type::Long => whole(operator, constant.as_long()?),
        Type::DateTime | Type::Timespan if constant.type_of() == Some(ty) => whole(operator, ticks(constant)?),
        Type::Real => reals(operator, constant),
        _ => None,
    }
}

fn whole<'q>(operator: &str, constant: i64) -> Option<Kernel<'q>> {
    let (low, high) = match operator {
        "==" => (constant, constant),
        ">=" => (constant, i64::MAX),
        "<=" => (i64::MIN, constant),
        ">" => (constant.checked_add(1)?, i64::MAX),
        "<" => (i64::MIN, constant.checked_sub(1)?),
        _ => return None,
    };
    Some(Kernel::Whole(low, high))
}

fn reals<'q>(operator: &str, constant: &Value) -> Option<Kernel<'q>> {
    let number = match constant {
        Val::Real(number) => *number,
        other => as_real(other.as_long()?),
    };
    let (low, high) = match operator {
        "==" => (number, number),
        ">=" => (number, f64::INFINITY),
        "<=" => (f64::NEG_INFINITY, number),
        ">" => (number.next_up(), f64::INFINITY),
        "<" => (f64::NEG_INFINITY, number.next_down()),
        _ => return None,
    };
    number.is_finite().then_some(Kernel::Reals(low, high))
}

/// A whole number, or how many ticks a moment or a length of time has.
fn ticks(cell: &Val<'_>) -> Option<i64> {
    match cell {
        Val::Int(number) => Some(i64::from(*number)),
        Val::Long(number) | Val::DateTime(number) | Val::Timespan(number) => Some(*number),
        _ => None,
    }
}
