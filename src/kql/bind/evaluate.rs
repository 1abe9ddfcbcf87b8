//! The plugins of `evaluate`. Their columns depend on the data: they are guessed first, and known when the query runs.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::Binder;
use super::names::Names;
use super::source::{Build, typed_columns};
use crate::diagnostics::{Finding, Span, quoted, suggest};
use crate::kql::ast::{Expr, ExprKind, Name, Named};
use crate::kql::dynamic::Dynamic;
use crate::kql::eval::convert::convert;
use crate::kql::exec::key;
use crate::kql::grid::Grid;
use crate::kql::ir::{Node, NodeKind};
use crate::kql::limits::Limits;
use crate::kql::plan::{From, Stage};
use crate::kql::schema::{Column, Schema};
use crate::kql::table::Table;
use crate::kql::value::{Type, Val, Value};

/// Most cells of the columns that a plugin takes from the data.
const CELLS: usize = 20_000_000;

/// Those that exist here.
const PLUGINS: [&str; 3] = ["bag_unpack", "pivot", "narrow"];

/// What becomes of a property whose name a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conflict {
    Error,
    Replace,
    Keep,
}

const CONFLICTS: [(&str, Conflict); 3] =
    [("error", Conflict::Error), ("replace_source", Conflict::Replace), ("keep_source", Conflict::Keep)];

/// Groups of rows of one key, and the named values of each.
type Groups = Vec<(Vec<Value>, Vec<(String, Value)>)>;

impl Binder<'_, '_> {
    pub(super) fn evaluate(
        &mut self,
        name: &Name,
        args: &[Expr],
        declared: Option<&(Vec<(Name, Type)>, bool)>,
        build: &mut Build,
    ) -> Option<()> {
        match &*name.text {
            "bag_unpack" => self.bag_unpack(name, args, build)?,
            "pivot" => self.pivot(name, args, build)?,
            "narrow" => self.narrow(build)?,
            other => {
                let finding =
                    Finding::error("kql/unsupported-plugin", format!("the plugin {} is not supported", quoted(other)));
                self.wrong(name.span, finding.help_nearest(suggest::nearest(other, PLUGINS)));
                return None;
            }
        }
        if let Some((columns, open)) = declared {
            Self::declared(columns, *open, build);
        }
        Some(())
    }

    /// The columns that the text says a plugin gives.
    fn declared(declared: &[(Name, Type)], open: bool, build: &mut Build) {
        let names: HashSet<&str> = declared.iter().map(|(name, _)| name.text.as_str()).collect();
        let mut nodes = Vec::new();
        let mut columns = Vec::new();
        if open {
            for at in build.shown() {
                if let Some(column) = build.schema.columns().get(at)
                    && !names.contains(&*column.name)
                {
                    columns.push(column.clone());
                    nodes.push(Node::slot(at, column.ty));
                }
            }
        }
        for column in typed_columns(declared) {
            let found = build.schema.index(&column.name).and_then(|at| Some((at, build.schema.columns().get(at)?.ty)));
            nodes.push(match found {
                Some((at, ty)) if ty == column.ty => Node::slot(at, ty),
                Some((at, ty)) => Node::new(NodeKind::Convert(Box::new(Node::slot(at, ty))), column.ty),
                None if build.schema.is_open() => Node::unknown(column.ty),
                None => Node::constant(column.ty.nothing(), column.ty),
            });
            columns.push(column);
        }
        build.stages.push(Stage::Project(nodes));
        build.schema = build.schema.reshaped(columns, open);
    }

    fn argument_count(&mut self, name: &Name, args: &[Expr], fewest: usize, most: usize) -> Option<()> {
        if args.len() >= fewest && args.len() <= most {
            return Some(());
        }
        let message =
            format!("{} takes {fewest} to {most} arguments, but {} are given", quoted(&name.text), args.len());
        self.wrong(name.span, Finding::error("kql/argument-count", message));
        None
    }

    /// Each property of a bag becomes a column.
    fn bag_unpack(&mut self, name: &Name, args: &[Expr], build: &mut Build) -> Option<()> {
        self.argument_count(name, args, 1, 4)?;
        let (mut prefix, mut ignored, mut conflict) = (String::new(), Vec::new(), Conflict::Error);
        for (at, arg) in args.iter().enumerate().skip(1) {
            let (word, value) = match &arg.kind {
                ExprKind::Assign(name, value) => (name.text.as_str(), &**value),
                _ => (
                    ["", "OutputColumnPrefix", "columnsConflict", "ignoredProperties"].get(at).copied().unwrap_or(""),
                    arg,
                ),
            };
            let node = self.expr(value, &Schema::default())?;
            match (word, node.as_const()) {
                ("OutputColumnPrefix", Some(Val::Str(text))) => prefix = text.to_string(),
                ("columnsConflict", Some(Val::Str(text))) => conflict = self.conflict(text, value.span)?,
                ("ignoredProperties", Some(Val::Dyn(list))) => {
                    let items = list.items().unwrap_or_default().iter();
                    ignored = items
                        .filter_map(|item| if let Dynamic::Str(s) = item { Some(s.to_string()) } else { None })
                        .collect();
                }
                _ => {
                    self.wrong(arg.span, Finding::error("kql/type", "this argument of bag_unpack is not understood"));
                    return None;
                }
            }
        }
        let bag = args.first()?;
        let Some(at) = Self::lone_column(bag).and_then(|column| build.schema.index(column)) else {
            if !build.schema.is_open() {
                let finding = Finding::error("kql/type", "bag_unpack takes the name of a dynamic column");
                self.wrong(bag.span, finding);
                return None;
            }
            self.late = true;
            build.schema = build.schema.clone().guess();
            return Some(());
        };
        if let Some(table) = self.late(build)? {
            let bags = table.rows.iter().filter_map(|row| match row.get(at)?.as_dynamic()? {
                Dynamic::Bag(bag) => Some(bag.iter().map(|(name, _)| name)),
                _ => None,
            });
            let properties: HashSet<&str> = bags.flatten().collect();
            self.few_columns(name, properties.len(), table.rows.len())?;
            match unpacked(table, at, &prefix, &ignored, conflict) {
                Ok(unpacked) => *build = unpacked,
                Err(column) => {
                    let message = format!("bag_unpack would make the column {}, which is there", quoted(&column));
                    let help = "name a prefix, or columnsConflict='replace_source' or 'keep_source'";
                    self.wrong(name.span, Finding::error("kql/duplicate-column", message).help(help));
                    return None;
                }
            }
        } else {
            let kept: Vec<usize> = build.shown().into_iter().filter(|other| *other != at).collect();
            build.pick(&kept);
            build.schema = build.schema.clone().guess();
        }
        Some(())
    }

    fn conflict(&mut self, word: &str, span: Span) -> Option<Conflict> {
        let found = CONFLICTS.iter().find(|(known, _)| *known == word).map(|(_, conflict)| *conflict);
        if found.is_none() {
            let words = CONFLICTS.map(|(word, _)| word);
            let message = format!("{} of \"columnsConflict\" is not known here", quoted(word));
            let finding = Finding::error("kql/unknown-word", message).help(format!("there is {}", words.join(", ")));
            self.wrong(span, finding.help_nearest(suggest::nearest(word, words)));
        }
        found
    }

    /// `pivot(column, aggregate, by...)`: a column for each value.
    fn pivot(&mut self, name: &Name, args: &[Expr], build: &mut Build) -> Option<()> {
        self.argument_count(name, args, 1, 64)?;
        let pivot = args.first()?;
        let by: Vec<Expr> = match args.get(2..) {
            Some([]) | None => {
                let aggregated: HashSet<String> = args.get(1).map(names_in).unwrap_or_default().into_iter().collect();
                let shown = build.shown().into_iter().filter_map(|at| build.schema.columns().get(at));
                let names = shown.map(|column| column.name.to_string());
                let pivoted = Self::lone_column(pivot).unwrap_or_default();
                names
                    .filter(|name| name != pivoted && !aggregated.contains(name))
                    .map(|name| Expr::new(ExprKind::Name(name), pivot.span))
                    .collect()
            }
            Some(by) => by.to_vec(),
        };
        let value = args.get(1).cloned().unwrap_or_else(|| {
            let name = Name { text: "count".to_owned(), span: name.span };
            Expr::new(ExprKind::Call { name, operator: false, args: Vec::new() }, pivot.span)
        });
        let named = |value: Expr| Named { name: None, more: Vec::new(), value };
        let by_names: Vec<Named> = by.into_iter().chain([pivot.clone()]).map(named).collect();
        let ty = Self::value_type(&value, &build.schema);
        let aggregate =
            Named { name: Some(Name { text: "$value".to_owned(), span: pivot.span }), more: Vec::new(), value };
        self.summarize(std::slice::from_ref(&aggregate), &by_names, build)?;
        // The value is under a name that nobody can write; it must be seen here.
        let columns: Vec<Column> = build.schema.columns().iter().map(shown_value).collect();
        build.schema = build.schema.reshaped(columns, false);
        let keys = build.schema.columns().len().saturating_sub(2);
        if let Some(table) = self.late(build)? {
            let values: HashSet<Vec<u8>> = table.rows.iter().map(|row| key::of(row.get(keys))).collect();
            let groups: HashSet<Vec<u8>> = table.rows.iter().map(|row| key::of(row.iter().take(keys))).collect();
            self.few_columns(name, values.len(), groups.len())?;
            *build = pivoted(table, keys, ty.unwrap_or(Type::Long));
        } else {
            let kept: Vec<usize> = (0..keys).collect();
            build.pick(&kept);
            build.schema = build.schema.clone().guess();
        }
        Some(())
    }

    /// That the columns which the data names are not too many, nor their cells.
    fn few_columns(&mut self, plugin: &Name, columns: usize, rows: usize) -> Option<()> {
        if columns <= Limits::COLUMNS && columns.saturating_mul(rows) <= CELLS {
            return self.room(columns, rows);
        }
        let message = format!(
            "{} would make {columns} columns of {rows} rows; the limit is {} columns and {CELLS} cells",
            plugin.text,
            Limits::COLUMNS
        );
        self.wrong(plugin.span, Finding::error("kql/limit-size", message).help("narrow the rows before it"));
        None
    }

    /// That so many cells may be made.
    fn room(&mut self, columns: usize, rows: usize) -> Option<()> {
        let Some(oracle) = self.oracle else { return Some(()) };
        let cells = columns.saturating_mul(rows);
        let made = oracle.budget.steps(cells as u64);
        if let Err(error) = made.and_then(|()| oracle.budget.bytes(cells.saturating_mul(size_of::<Value>()))) {
            self.failed.get_or_insert(error);
            return None;
        }
        Some(())
    }

    /// The type of an aggregate, without saying what is wrong with it.
    fn value_type(value: &Expr, schema: &Schema) -> Option<Type> {
        let ExprKind::Call { name, args, .. } = &value.kind else { return None };
        let aggregate = crate::kql::aggregates::aggregate(&name.text)?;
        let types: Vec<Type> = args
            .iter()
            .map(|arg| {
                Self::lone_column(arg)
                    .and_then(|c| schema.index(c))
                    .and_then(|at| schema.columns().get(at))
                    .map(|c| c.ty)
            })
            .collect::<Option<_>>()
            .unwrap_or_default();
        (aggregate.gives)(&types)
    }

    /// One row for each cell.
    fn narrow(&mut self, build: &mut Build) -> Option<()> {
        let Some(table) = self.late(build)? else {
            let columns = [("Row", Type::Long), ("Column", Type::String), ("Value", Type::String)];
            *build = Build::new(From::Rows(Arc::default()), Schema::new(columns));
            return Some(());
        };
        // A row of three cells for each.
        self.room(table.columns.len().saturating_mul(3), table.rows.len())?;
        let mut rows = Vec::new();
        for (at, row) in table.rows.into_rows().enumerate() {
            for (cell, column) in row.into_iter().zip(&table.columns) {
                let number = i64::try_from(at).unwrap_or(i64::MAX);
                rows.push(vec![Val::Long(number), Val::from(column.name.to_string()), convert(cell, Type::String)]);
            }
        }
        let columns = [("Row", Type::Long), ("Column", Type::String), ("Value", Type::String)];
        *build = Build::new(From::Rows(Arc::new(Grid::of(columns.len(), rows))), Schema::new(columns));
        Some(())
    }
}

/// The names that stand in an expression.
pub(super) fn names_in(expr: &Expr) -> Vec<String> {
    match &expr.kind {
        ExprKind::Name(name) => vec![name.clone()],
        ExprKind::Call { args, .. } => args.iter().flat_map(names_in).collect(),
        ExprKind::Property(base, _) => names_in(base),
        ExprKind::Element(base, at) => [names_in(base), names_in(at)].concat(),
        _ => Vec::new(),
    }
}

fn shown_value(column: &Column) -> Column {
    if &*column.name == "$value" { Column::new("\u{0}value", column.ty) } else { column.clone() }
}

/// The rows with a column for each property; the name of one that must not be there in the case of a conflict.
fn unpacked(table: Table, at: usize, prefix: &str, ignored: &[String], conflict: Conflict) -> Result<Build, String> {
    let mut names: Vec<String> = Vec::new();
    let mut types: Vec<Option<Type>> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for row in &table.rows {
        let Some(Dynamic::Bag(bag)) = row.get(at).and_then(Val::as_dynamic) else { continue };
        for (name, value) in bag.iter().filter(|(name, _)| !ignored.iter().any(|other| other == name)) {
            let ty = crate::kql::eval::convert::scalar(value).type_of();
            let Some(place) = places.get(name).copied() else {
                places.insert(name, names.len());
                names.push(name.to_owned());
                types.push(ty);
                continue;
            };
            if let (Some(slot), Some(ty)) = (types.get_mut(place), ty) {
                *slot = Some(slot.map_or(ty, |known| met(known, ty)));
            }
        }
    }
    // Columns of a bag come in the order of their names.
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|at| names.get(*at));
    let kept: Vec<usize> = (0..table.columns.len()).filter(|other| *other != at).collect();
    let mut columns: Vec<Column> = kept.iter().filter_map(|at| table.columns.get(*at)).cloned().collect();
    let mut sources: Vec<(usize, String, Type)> = Vec::new();
    for place in order {
        let (Some(name), Some(ty)) = (names.get(place), types.get(place)) else { continue };
        let shown = format!("{prefix}{name}");
        let ty = ty.unwrap_or(Type::Dynamic);
        let existing = columns.iter().position(|column| *column.name == *shown);
        match (existing, conflict) {
            (Some(_), Conflict::Error) => return Err(shown),
            (Some(slot), Conflict::Replace) => {
                if let Some(column) = columns.get_mut(slot) {
                    column.ty = ty;
                }
                sources.push((slot, name.clone(), ty));
            }
            (Some(_), Conflict::Keep) => {}
            (None, _) => {
                sources.push((columns.len(), name.clone(), ty));
                columns.push(Column::new(shown, ty));
            }
        }
    }
    let rows = table.rows.into_rows().map(|row| {
        let bag = row.get(at).cloned().unwrap_or(Val::Null);
        let mut cells: Vec<Value> = kept.iter().map(|at| row.get(*at).cloned().unwrap_or(Val::Null)).collect();
        for (slot, name, ty) in &sources {
            let found = bag.as_dynamic().and_then(|bag| bag.property(name));
            let value = found.map_or(Val::Null, |value| convert(Val::dynamic(value.clone()), *ty));
            let value = if value.is_null() { ty.nothing() } else { value };
            match cells.get_mut(*slot) {
                Some(cell) => *cell = value,
                None => cells.push(value),
            }
        }
        cells
    });
    Ok(Build::new(From::Rows(Arc::new(Grid::of(columns.len(), rows))), columns.into()))
}

/// The type of a column whose values have both.
fn met(a: Type, b: Type) -> Type {
    crate::kql::functions::common_type(a, b).unwrap_or(Type::Dynamic)
}

/// Rows of keys, the pivoted value and the result, as one row for each combination of keys.
fn pivoted(table: Table, keys: usize, ty: Type) -> Build {
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut groups: Groups = Vec::new();
    let empty = if ty == Type::Long { Val::Long(0) } else { ty.nothing() };
    for row in table.rows.into_rows() {
        let mut cells = row.into_iter();
        let key: Vec<Value> = cells.by_ref().take(keys).collect();
        let (name, value) = (cells.next().unwrap_or(Val::Null), cells.next().unwrap_or(Val::Null));
        let name = crate::kql::eval::convert::text_of(&name).into_owned();
        if !names.contains(&name) {
            names.insert(name.clone());
        }
        let at = *places.entry(key::of(&key)).or_insert(groups.len());
        match groups.get_mut(at) {
            Some((_, values)) => values.push((name, value)),
            None => groups.push((key, vec![(name, value)])),
        }
    }
    let mut made = Names::after(table.columns.into_iter().take(keys).collect::<Vec<_>>().into());
    for name in &names {
        made.derived(Some(name.clone()), ty);
    }
    let rows = groups.into_iter().map(|(key, values)| {
        let mut values: HashMap<String, Value> = values.into_iter().collect();
        let cells = names.iter().map(|name| values.remove(name).unwrap_or_else(|| empty.clone()));
        key.into_iter().chain(cells).collect::<Vec<_>>()
    });
    Build::new(From::Rows(Arc::new(Grid::of(made.columns.len(), rows))), made.columns.into())
}
