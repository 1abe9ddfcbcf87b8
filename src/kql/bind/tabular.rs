//! Sources and tabular operators.

use std::sync::Arc;

use super::{Binder, Bound};
use crate::diagnostics::{Finding, Span, quoted, suggest};
use crate::kql::ast::{self, Expr, ExprKind, Name, Named, OrderBy, Pipeline, Step, StepKind};
use crate::kql::functions::function;
use crate::kql::ir::{Node, NodeKind};
use crate::kql::plan::{From, Key, Plan, Stage};
use crate::kql::schema::{Column, Schema};
use crate::kql::value::{Type, Val, Value};

/// A plan that is being built, and the columns of its rows so far.
pub(super) struct Build {
    pub(super) from: From,
    pub(super) stages: Vec<Stage>,
    pub(super) schema: Schema,
}

impl<'b> Binder<'b, '_> {
    pub(super) fn pipeline(&mut self, pipeline: &'b Pipeline) -> Option<Plan> {
        let mut build = self.steps(pipeline)?;
        // Hidden columns end here.
        let shown: Vec<usize> = (0..build.schema.columns().len()).filter(|at| !is_hidden(&build.schema, *at)).collect();
        if shown.len() < build.schema.columns().len() {
            pick(&mut build, &shown);
        }
        let Build { from, stages, schema } = build;
        Some(Plan { lets: Vec::new(), from, stages, columns: schema.columns().to_vec() })
    }

    fn steps(&mut self, pipeline: &'b Pipeline) -> Option<Build> {
        let (from, schema) = self.source(&pipeline.from)?;
        let (from, stages, schema) = match from {
            Source::Plain(from) => (from, Vec::new(), schema),
            Source::Built(build) => (build.from, build.stages, build.schema),
        };
        let mut build = Build { from, stages, schema };
        for step in &pipeline.steps {
            // Without a schema everything after a wrong step would be wrong too.
            self.step(step, &mut build)?;
        }
        Some(build)
    }

    fn source(&mut self, from: &'b ast::From) -> Option<(Source, Schema)> {
        match from {
            ast::From::Error => None,
            ast::From::Nested(inner) => self.steps(inner).map(|build| (Source::Built(build), Schema::default())),
            ast::From::Table(name) => self.table(name),
            ast::From::Print(values) => {
                let mut names = Names::default();
                let mut nodes = Vec::new();
                for (at, value) in values.iter().enumerate() {
                    let node = self.expr(&value.value, &Schema::default());
                    names.add(
                        self,
                        value,
                        &Schema::default(),
                        node.as_ref().map(|node| node.ty),
                        &format!("print_{at}"),
                    );
                    nodes.push(node);
                }
                let nodes: Vec<Node> = nodes.into_iter().collect::<Option<_>>()?;
                Some((Source::Plain(From::Print(nodes)), names.columns.into()))
            }
            ast::From::Datatable { columns, cells, span } => self.datatable(columns, cells, *span),
            ast::From::Range(name, ends) => {
                let nodes = ends.each_ref().map(|end| self.expr(end, &Schema::default()));
                let [Some(low), Some(high), Some(step)] = nodes else { return None };
                let sum = if low.ty == Type::DateTime { Type::Timespan } else { low.ty };
                if high.ty != low.ty
                    || step.ty != sum
                    || !matches!(low.ty, Type::Long | Type::DateTime | Type::Timespan)
                {
                    let finding = Finding::error("kql/type", "a range runs over long, datetime or timespan values");
                    self.wrong(name.span, finding.help("give both ends the same type, and a step that can be added"));
                    return None;
                }
                let schema = vec![Column::new(name.text.as_str(), low.ty)].into();
                Some((Source::Plain(From::Range(Box::new([low, high, step]))), schema))
            }
        }
    }

    fn table(&mut self, name: &Name) -> Option<(Source, Schema)> {
        match self.let_named(&name.text) {
            Some(Bound::Table(pipeline)) => {
                // A table stands for what was known above it, so it cannot name itself.
                let at = self.lets.iter().rposition(|(known, _)| *known == name.text)?;
                let later = self.lets.split_off(at);
                let build = self.steps(pipeline);
                self.lets.extend(later);
                return build.map(|build| (Source::Built(build), Schema::default()));
            }
            Some(Bound::Broken) => return None,
            Some(Bound::Scalar(_)) => {
                let message = format!("{} is a value, not a table", quoted(&name.text));
                self.wrong(name.span, Finding::error("kql/type", message));
                return None;
            }
            None => {}
        }
        let catalog = self.catalog?;
        if let Some(schema) = catalog.schema(&name.text) {
            let columns = schema.columns().to_vec();
            return Some((
                Source::Plain(From::Table { name: name.text.clone(), columns, open: schema.is_open() }),
                schema,
            ));
        }
        let names = catalog.names();
        let tables = self.lets.iter().filter(|(_, bound)| matches!(bound, Bound::Table(_))).map(|(name, _)| *name);
        let near = suggest::nearest(&name.text, names.iter().map(String::as_str).chain(tables)).map(ToOwned::to_owned);
        let finding = Finding::error("kql/unknown-table", format!("there is no table {}", quoted(&name.text)));
        self.wrong(name.span, finding.help_nearest(near.as_deref()));
        None
    }

    fn datatable(&mut self, columns: &[(Name, Type)], cells: &[Expr], span: Span) -> Option<(Source, Schema)> {
        if columns.is_empty() || !cells.len().is_multiple_of(columns.len()) {
            let message = format!("{} cells do not make whole rows of {} columns", cells.len(), columns.len());
            self.wrong(span, Finding::error("kql/datatable", message));
            return None;
        }
        let mut rows = Vec::new();
        for row in cells.chunks(columns.len()) {
            let values: Vec<Option<Value>> =
                row.iter().zip(columns).map(|(cell, (_, ty))| self.cell(cell, *ty)).collect();
            rows.push(values.into_iter().collect::<Option<Vec<Value>>>());
        }
        let rows = rows.into_iter().collect::<Option<Vec<_>>>()?;
        let columns: Vec<Column> = columns.iter().map(|(name, ty)| Column::new(name.text.as_str(), *ty)).collect();
        Some((Source::Plain(From::Rows(rows)), columns.into()))
    }

    /// A cell must be a constant; it is converted to the type of its column.
    fn cell(&mut self, cell: &Expr, ty: Type) -> Option<Value> {
        let node = self.expr(cell, &Schema::default())?;
        let Some(value) = node.as_const() else {
            self.wrong(cell.span, Finding::error("kql/datatable", "a cell must be a literal"));
            return None;
        };
        let value = crate::kql::eval::convert::convert(value.clone(), ty);
        Some(if value.is_null() { ty.nothing() } else { value })
    }

    fn step(&mut self, step: &Step, build: &mut Build) -> Option<()> {
        match &step.kind {
            StepKind::Error => return None,
            StepKind::Where(condition) => {
                // A wrong condition changes no column: what follows can still be checked.
                if let Some(node) = self.expect(condition, &build.schema, Type::Bool, "a condition") {
                    build.stages.push(Stage::Where(node));
                }
            }
            StepKind::Extend(values) => self.extend(values, build),
            StepKind::Project(values) => self.project(values, build),
            StepKind::ProjectAway(patterns) => self.project_away(patterns, build),
            StepKind::Order(keys) => {
                let keys = self.keys(keys, &build.schema);
                build.stages.push(Stage::Order(keys));
            }
            StepKind::Take(rows) => self.take(rows, build),
            StepKind::Count => {
                build.stages.push(Stage::Count);
                build.schema = vec![Column::new("Count", Type::Long)].into();
            }
            StepKind::Distinct(values) => self.distinct(values.as_deref(), build)?,
            StepKind::Top(rows, key) => {
                let keys = self.keys(std::slice::from_ref(key), &build.schema);
                build.stages.push(Stage::Order(keys));
                self.take(rows, build);
            }
            StepKind::Summarize { aggregates, by } => self.summarize(aggregates, by, build)?,
        }
        Some(())
    }

    fn take(&mut self, rows: &Expr, build: &mut Build) {
        if let Some(node) = self.expect(rows, &Schema::default(), Type::Long, "the number of rows") {
            build.stages.push(Stage::Take(node));
        }
    }

    /// New columns see the old ones, not each other. A name that exists is replaced in its place.
    fn extend(&mut self, values: &[Named], build: &mut Build) {
        let mut columns = build.schema.columns().to_vec();
        let mut slots = Vec::new();
        for value in values {
            let node = self.expr(&value.value, &build.schema);
            // After a mistake the name is there all the same, or each use of it would be a finding.
            let ty = node.as_ref().map_or(Type::Dynamic, |node| node.ty);
            let taken: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
            let name = column_name(value, &build.schema, &format!("Column{}", slots.len() + 1), &taken);
            let at = columns.iter().position(|column| *column.name == *name).unwrap_or(columns.len());
            match columns.get_mut(at) {
                Some(column) => column.ty = ty,
                None => columns.push(Column::new(name, ty)),
            }
            slots.push((at, node.unwrap_or(Node::new(NodeKind::Unknown, ty))));
        }
        build.schema = build.schema.reshaped(columns, true);
        build.stages.push(Stage::Extend(slots));
    }

    fn project(&mut self, values: &[Named], build: &mut Build) {
        let mut names = Names::default();
        let mut nodes = Vec::new();
        for (at, value) in values.iter().enumerate() {
            let node = self.expr(&value.value, &build.schema);
            names.add(self, value, &build.schema, node.as_ref().map(|node| node.ty), &format!("Column{}", at + 1));
            nodes.push(node.unwrap_or(Node::new(NodeKind::Unknown, Type::Dynamic)));
        }
        for (at, column) in build.schema.columns().iter().enumerate().filter(|(_, column)| column.is_hidden()) {
            names.columns.push(column.clone());
            nodes.push(Node::new(NodeKind::Slot(at), column.ty));
        }
        build.schema = build.schema.reshaped(names.columns, false);
        build.stages.push(Stage::Project(nodes));
    }

    fn project_away(&mut self, patterns: &[Name], build: &mut Build) {
        let mut kept: Vec<usize> = (0..build.schema.columns().len()).collect();
        for pattern in patterns {
            let gone =
                |at: &usize| build.schema.columns().get(*at).is_some_and(|column| fits(&pattern.text, &column.name));
            let before = kept.len();
            kept.retain(|at| is_hidden(&build.schema, *at) || !gone(at));
            if kept.len() == before && !pattern.text.contains('*') && !build.schema.is_open() {
                let known = build.schema.columns().iter().map(|column| &*column.name);
                let near = suggest::nearest(&pattern.text, known);
                let finding =
                    Finding::error("kql/unknown-column", format!("there is no column {}", quoted(&pattern.text)));
                self.report.add(pattern.span, finding.help_nearest(near));
            }
        }
        pick(build, &kept);
    }

    fn keys(&mut self, keys: &[OrderBy], schema: &Schema) -> Vec<Key> {
        let mut bound = Vec::new();
        for key in keys {
            let Some(node) = self.expr(&key.key, schema) else { continue };
            if self.sortable(&node, schema, key.key.span) {
                bound.push(Key { node, ascending: key.ascending, nulls_first: key.nulls_first });
            }
        }
        bound
    }

    /// Kusto neither sorts nor groups by a dynamic.
    pub(super) fn sortable(&mut self, node: &Node, schema: &Schema, span: Span) -> bool {
        let fine = node.ty != Type::Dynamic || schema.is_guessed();
        if !fine {
            let finding = Finding::error("kql/type", "rows cannot be ordered or grouped by a dynamic value");
            self.wrong(span, finding.help("use tostring() or another conversion"));
        }
        fine
    }

    fn distinct(&mut self, values: Option<&[Named]>, build: &mut Build) -> Option<()> {
        match values {
            None => {
                let shown: Vec<usize> =
                    (0..build.schema.columns().len()).filter(|at| !is_hidden(&build.schema, *at)).collect();
                pick(build, &shown);
            }
            Some(values) => {
                let mut names = Names::default();
                let mut nodes = Vec::new();
                for (at, value) in values.iter().enumerate() {
                    let node = self.expr(&value.value, &build.schema);
                    names.add(
                        self,
                        value,
                        &build.schema,
                        node.as_ref().map(|node| node.ty),
                        &format!("Column{}", at + 1),
                    );
                    nodes.push(node.filter(|node| self.sortable(node, &build.schema, value.value.span)));
                }
                build.stages.push(Stage::Project(nodes.into_iter().collect::<Option<_>>()?));
                build.schema = build.schema.reshaped(names.columns, false);
            }
        }
        build.stages.push(Stage::Distinct);
        Some(())
    }
}

enum Source {
    Plain(From),
    Built(Build),
}

/// The columns of an operator that makes new rows.
#[derive(Default)]
pub(super) struct Names {
    pub(super) columns: Vec<Column>,
}

impl Names {
    /// Adds the column for a value; a name given twice is a finding.
    pub(super) fn add(
        &mut self,
        binder: &mut Binder<'_, '_>,
        value: &Named,
        schema: &Schema,
        ty: Option<Type>,
        otherwise: &str,
    ) {
        let taken: Vec<&str> = self.columns.iter().map(|column| &*column.name).collect();
        if let Some(name) = value.name.as_ref().filter(|name| taken.contains(&name.text.as_str())) {
            let message = format!("the column {} is made twice", quoted(&name.text));
            binder.wrong(name.span, Finding::error("kql/duplicate-column", message));
        }
        let name = column_name(value, schema, otherwise, &taken);
        self.columns.push(Column::new(name, ty.unwrap_or(Type::Dynamic)));
    }
}

/// The name of a column: the one given, or the one Kusto derives, made different from those taken.
fn column_name(value: &Named, schema: &Schema, otherwise: &str, taken: &[&str]) -> Arc<str> {
    if let Some(name) = &value.name {
        return Arc::from(name.text.as_str());
    }
    let base = derived_name(&value.value, schema).unwrap_or_else(|| otherwise.to_owned());
    let mut name = base.clone();
    let mut n = 0;
    while taken.contains(&name.as_str()) {
        n += 1;
        name = format!("{base}{n}");
    }
    Arc::from(name)
}

/// `x` for `x`, `tostring(x)` and `bin(x, 1h)`; `x_y` for `x.y` and `x["y"]`.
pub(super) fn derived_name(expr: &Expr, schema: &Schema) -> Option<String> {
    match &expr.kind {
        // A let gives no name.
        ExprKind::Name(name) => (schema.index(name).is_some() || schema.is_open()).then(|| name.clone()),
        ExprKind::Property(base, name) => Some(format!("{}_{name}", derived_name(base, schema)?)),
        ExprKind::Element(base, index) => {
            let ExprKind::Literal(Val::Long(at), _) = &index.kind else { return None };
            Some(format!("{}_{at}", derived_name(base, schema)?))
        }
        ExprKind::Call { name, operator: false, args } if function(&name.text).is_some_and(|f| f.keeps_name) => {
            derived_name(args.first()?, schema)
        }
        ExprKind::Error | ExprKind::Literal(..) | ExprKind::Call { .. } | ExprKind::Star => None,
    }
}

fn is_hidden(schema: &Schema, at: usize) -> bool {
    schema.columns().get(at).is_some_and(Column::is_hidden)
}

/// Keeps those columns.
fn pick(build: &mut Build, kept: &[usize]) {
    let columns: Vec<Column> = kept.iter().filter_map(|at| build.schema.columns().get(*at)).cloned().collect();
    let nodes = kept.iter().zip(&columns).map(|(at, column)| Node::new(NodeKind::Slot(*at), column.ty)).collect();
    build.schema = build.schema.reshaped(columns, true);
    build.stages.push(Stage::Project(nodes));
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_stand_for_any_characters() {
        for (pattern, name, yes) in [
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*b*c", "axbyc", true),
            ("a*b", "ab", true),
            ("ab*b", "ab", false),
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("*", "x", true),
        ] {
            assert_eq!(fits(pattern, name), yes, "{pattern} {name}");
        }
    }
}
