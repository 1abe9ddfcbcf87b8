//! Where rows come from.

use super::row::{checked, owned};
use super::{Row, Rows};
use crate::kql::cells::Cells;
use crate::kql::error::KqlError;
use crate::kql::eval::convert::convert;
use crate::kql::eval::{Env, Ready, Source, eval};
use crate::kql::grid::Grid;
use crate::kql::plan::From;
use crate::kql::schema::Column;
use crate::kql::table::{RowStream, Table};
use crate::kql::value::{Type, Val};

pub(super) fn rows<'q>(from: &'q From, input: Option<Rows<'q>>, env: &'q Env<'q>) -> Result<Rows<'q>, KqlError> {
    Ok(match from {
        From::Table { name, columns, .. } => match env.tables.and_then(|tables| tables.get(name)) {
            Some(Source::Held(table)) => scan(from, columns, table, env),
            Some(Source::Streamed(stream)) => read(columns, *stream, env),
            None => return Err(KqlError::MissingTable(name.clone())),
        },
        From::Rows(rows) => borrowed(rows, env),
        From::Print(nodes) => {
            let row: Result<Vec<Val<'q>>, KqlError> =
                nodes.iter().map(|node| Ok(eval(node, Cells::NONE, env)?.into_owned())).collect();
            Box::new(std::iter::once(row.map(Row::Made)))
        }
        From::Range(ends) => range(ends, env)?,
        From::Nested(plan) => super::rows(plan, None, env)?,
        From::Prepared(at) => match env.ready.get(*at) {
            Some(Ready::Rows(table)) => borrowed(&table.rows, env),
            Some(Ready::Value(_) | Ready::Set(_)) | None => Box::new(std::iter::empty()),
        },
        From::Union(legs) => {
            let mut all = Vec::new();
            for leg in legs {
                all.push(super::rows(leg, None, env)?);
            }
            Box::new(all.into_iter().flatten())
        }
        From::Input => input.unwrap_or_else(|| Box::new(std::iter::empty())),
    })
}

fn borrowed<'q>(rows: &'q Grid, env: &'q Env<'q>) -> Rows<'q> {
    Box::new(rows.iter().map(|row| {
        env.budget.new_rows(1, row.len())?;
        Ok(Row::Made(row.iter().map(Val::borrowed).collect()))
    }))
}

/// The rows of a table in memory, and their columns, where these are the ones the query was compiled for.
pub(super) fn as_stored<'q>(from: &'q From, env: &'q Env<'q>) -> Option<(&'q Grid, &'q [Column])> {
    let From::Table { name, columns, .. } = from else { return None };
    let Some(Source::Held(table)) = env.tables.and_then(|tables| tables.get(name)) else { return None };
    let same = columns.iter().map(|column| &column.name).eq(table.columns.iter().map(|column| &column.name));
    (same && table.rows.width() == columns.len()).then_some((&table.rows, columns))
}

/// The rows of a table, in the order of the columns the query was compiled for.
fn scan<'q>(from: &'q From, columns: &'q [Column], table: &'q Table, env: &'q Env<'q>) -> Rows<'q> {
    if let Some((rows, columns)) = as_stored(from, env) {
        return Box::new(rows.iter().map(move |row| {
            env.budget.step()?;
            Ok(Row::Stored(row, columns))
        }));
    }
    let places = places(columns, &table.columns);
    Box::new(table.rows.iter().map(move |row| {
        env.budget.steps(1 + columns.len() as u64 / 4)?;
        let cells = places.iter().zip(columns).enumerate();
        let made = cells.map(|(at, (place, column))| checked(at, column, place.and_then(|place| row.get(place))));
        made.collect::<Result<Vec<_>, _>>().map(Row::Made)
    }))
}

/// The rows of a table that is not held, each as it is read.
fn read<'q>(columns: &'q [Column], stream: &'q dyn RowStream, env: &'q Env<'q>) -> Rows<'q> {
    let places = places(columns, stream.columns());
    Box::new(stream.rows().map(move |row| {
        let mut row = row?;
        env.budget.steps(1 + columns.len() as u64 / 4)?;
        let mut made = Vec::with_capacity(columns.len());
        for (at, (place, column)) in places.iter().zip(columns).enumerate() {
            let cell = place.and_then(|place| row.get_mut(place)).map_or(Val::Null, std::mem::take);
            made.push(owned(at, column, cell)?);
        }
        Ok(Row::Made(made))
    }))
}

/// Where the columns are among those of a table.
fn places(columns: &[Column], of: &[Column]) -> Vec<Option<usize>> {
    columns.iter().map(|column| of.iter().position(|other| other.name == column.name)).collect()
}

/// From low to high, both included, step by step.
fn range<'q>(ends: &'q [crate::kql::ir::Node; 3], env: &'q Env<'q>) -> Result<Rows<'q>, KqlError> {
    let values = ends.each_ref().map(|node| eval(node, Cells::NONE, env));
    let [low, high, step] = values;
    let (low, high, step) = (low?, high?, step?);
    if [&low, &high, &step].iter().any(|value| matches!(value, Val::Real(_))) {
        return real_range(&low, &high, &step, env);
    }
    let ticks = |value: &Val<'_>| match value {
        Val::DateTime(v) | Val::Timespan(v) => Some(*v),
        other => other.as_long(),
    };
    let (Some(first), Some(last), Some(by)) = (ticks(&low), ticks(&high), ticks(&step)) else {
        return Ok(Box::new(std::iter::empty()));
    };
    let limit = env.cx.limits.rows;
    let steps = if by == 0 { i128::from(limit) } else { (i128::from(last) - i128::from(first)) / i128::from(by) };
    if steps >= i128::from(limit) {
        return Err(KqlError::Limit { what: "rows", limit });
    }
    let ints = [&low, &high, &step].iter().all(|value| matches!(value, Val::Int(_)));
    let made = low.into_owned();
    let values = std::iter::successors(Some(first), move |at| at.checked_add(by));
    Ok(Box::new(values.take_while(move |at| if by > 0 { *at <= last } else { *at >= last }).map(move |at| {
        env.budget.new_rows(1, 1)?;
        Ok(vec![match made {
            Val::DateTime(_) => Val::datetime(at),
            Val::Timespan(_) => Val::Timespan(at),
            _ if ints => convert(Val::Long(at), Type::Int),
            _ => Val::Long(at),
        }]
        .into())
    })))
}

fn real_range<'q>(low: &Val<'_>, high: &Val<'_>, step: &Val<'_>, env: &'q Env<'q>) -> Result<Rows<'q>, KqlError> {
    let real = |value: &Val<'_>| convert(value.clone().into_owned(), Type::Real);
    let (Val::Real(first), Val::Real(last), Val::Real(by)) = (real(low), real(high), real(step)) else {
        return Ok(Box::new(std::iter::empty()));
    };
    let count = ((last - first) / by).floor();
    if !count.is_finite() || count < 0.0 {
        return Ok(Box::new(std::iter::empty()));
    }
    let limit = env.cx.limits.rows;
    let Some(count) = crate::kql::time::real_ticks(count).filter(|count| count.unsigned_abs() < limit) else {
        return Err(KqlError::Limit { what: "rows", limit });
    };
    Ok(Box::new((0..=count).map(move |at| {
        env.budget.new_rows(1, 1)?;
        Ok(vec![Val::Real(first + by * crate::kql::time::as_real(at))].into())
    })))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::sync::Arc;

    use super::*;
    use crate::diagnostics::Source;
    use crate::kql::dynamic::Dynamic;
    use crate::kql::schema::{Catalog, Schema};
    use crate::kql::table::{StreamedRows, Tables};
    use crate::kql::{Cx, Limits, compile_query};

    /// Rows that are made when they are asked for. Each holds `witness`, whose owners are counted as the next is made.
    struct Made {
        columns: Vec<Column>,
        rows: usize,
        witness: Arc<str>,
        most_held: std::cell::Cell<usize>,
    }

    impl Made {
        fn new(rows: usize) -> Self {
            let columns = vec![Column::new("N", Type::Long), Column::new("D", Type::Dynamic)];
            Self { columns, rows, witness: Arc::from("x"), most_held: std::cell::Cell::default() }
        }

        fn run(&self, text: &str) -> Result<Table, KqlError> {
            compile_query(&Source::new("q", text), self).unwrap().run(self, &Cx::at(0))
        }
    }

    impl RowStream for Made {
        fn columns(&self) -> &[Column] {
            &self.columns
        }

        fn rows(&self) -> StreamedRows<'_> {
            Box::new((0..self.rows).map(|at| {
                self.most_held.set(self.most_held.get().max(Arc::strong_count(&self.witness)));
                let witness = Val::dynamic(Dynamic::Str(Arc::clone(&self.witness)));
                Ok(vec![Val::Long(i64::try_from(at).unwrap()), witness])
            }))
        }
    }

    impl Tables for Made {
        fn table(&self, _: &str) -> Option<Cow<'_, Table>> {
            None
        }

        fn stream(&self, name: &str) -> Option<&dyn RowStream> {
            (name == "T").then_some(self)
        }
    }

    impl Catalog for Made {
        fn schema(&self, _: &str) -> Option<Schema> {
            Some(self.columns.clone().into())
        }

        fn names(&self) -> Vec<String> {
            vec!["T".to_owned()]
        }
    }

    #[test]
    fn of_rows_that_are_read_one_by_one_only_those_of_the_result_are_held() {
        for (query, rows, held) in [
            ("T | count", 1, 1),
            ("T | where N >= 10 and tostring(D) == 'x' | take 3", 3, 5),
            ("T | extend M = N * 2 | summarize max(M), count() by N % 7", 7, 2),
            ("T | summarize arg_max(N, *) by N % 5", 5, 7),
            ("T | distinct tostring(D)", 1, 2),
        ] {
            let made = Made::new(1_000);
            assert_eq!(made.run(query).unwrap().rows.len(), rows, "{query}");
            assert!(made.most_held.get() <= held + 1, "{query}: {} rows at once", made.most_held.get());
        }
        let all = Made::new(1_000);
        all.run("T | order by N desc").unwrap();
        assert!(all.most_held.get() >= 1_000, "order must hold all, or this test sees nothing");
    }

    #[test]
    fn rows_without_end_are_stopped_by_the_steps_and_not_read_further_than_needed() {
        let endless = Made::new(usize::MAX);
        assert_eq!(endless.run("T | where N > 5 | take 2").unwrap().rows[(1, 0)], Val::Long(7));
        let limits = Limits { steps: 100_000, ..Limits::default() };
        let counted = compile_query(&Source::new("q", "T | count"), &endless).unwrap();
        assert!(counted.run(&endless, &Cx { now: 0, limits }).unwrap_err().to_string().contains("steps"));
    }

    #[test]
    fn more_rows_pass_than_may_be_held() {
        let limits = Limits { rows: 10, ..Limits::default() };
        for (query, wanted) in [
            ("T | count", Ok(1)),
            ("T | where N > 990", Ok(9)),
            ("T | summarize count() by N % 7", Ok(7)),
            ("T | take 10", Ok(10)),
            ("T | where N > 980", Err(())),
            ("T | summarize count() by N", Err(())),
            ("T | order by N | take 1", Ok(1)),
            ("T | order by N", Err(())),
        ] {
            let made = Made::new(1_000);
            let held = Table::new(made.columns.clone(), made.rows().map(Result::unwrap));
            let compiled = compile_query(&Source::new("q", query), &made).unwrap();
            for tables in [&made as &dyn Tables, &Held(held)] {
                let rows = compiled.run(tables, &Cx { now: 0, limits }).map(|table| table.rows.len()).map_err(|_| ());
                assert_eq!(rows, wanted, "{query}");
            }
        }
    }

    /// A table in memory.
    struct Held(Table);

    impl Tables for Held {
        fn table(&self, name: &str) -> Option<Cow<'_, Table>> {
            (name == "T").then_some(Cow::Borrowed(&self.0))
        }
    }
}
