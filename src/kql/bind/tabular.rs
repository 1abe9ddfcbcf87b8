//! Tabular operators on rows as they come.

use super::names::Names;
use super::source::Build;
use super::{Binder, Windows};
use crate::diagnostics::{Finding, Span, quoted, suggest};
use crate::kql::ast::{Expr, ExprKind, Named, OrderBy, Step, StepKind};
use crate::kql::grid::Grid;
use crate::kql::ir::Node;
use crate::kql::plan::{From, Key, Stage};
use crate::kql::schema::{Column, Schema};
use crate::kql::value::{Type, Val};

impl Binder<'_, '_> {
    pub(super) fn step(&mut self, step: &Step, build: &mut Build) -> Option<()> {
        if !matches!(step.kind, StepKind::Union(_)) {
            build.name = None;
        }
        match &step.kind {
            StepKind::Error => return None,
            StepKind::Where(condition) => self.filter(condition, build),
            StepKind::Extend(values) => self.extend(values, build),
            StepKind::Serialize(values) => {
                build.serialized = true;
                self.extend(values, build);
            }
            StepKind::Project(values) => self.project(values, build),
            StepKind::ProjectAway(patterns) => self.project_away(patterns, build),
            StepKind::ProjectKeep(patterns) => self.project_keep(patterns, build),
            StepKind::ProjectRename(renames) => self.rename(renames, build),
            StepKind::ProjectReorder(orders) => self.reorder(orders, build),
            StepKind::Order(keys) => self.order(keys, build),
            StepKind::Take(rows) => self.take(rows, build),
            StepKind::SampleDistinct(rows, value) => {
                self.distinct(Some(std::slice::from_ref(value)), step.span, build)?;
                self.take(rows, build);
            }
            StepKind::Count(name) => {
                build.stages.push(Stage::Count);
                let name = name.as_ref().map_or("Count", |name| &name.text);
                build.schema = vec![Column::new(name, Type::Long)].into();
                build.serialized = false;
            }
            StepKind::Distinct(values) => self.distinct(values.as_deref(), step.span, build)?,
            StepKind::Top(rows, key) => {
                self.order(std::slice::from_ref(key), build);
                self.take(rows, build);
            }
            StepKind::Render => {}
            wide => return self.wide(wide, step.span, build),
        }
        Some(())
    }

    /// Operators that gather rows, or bring others.
    fn wide(&mut self, kind: &StepKind, span: Span, build: &mut Build) -> Option<()> {
        let serialized = std::mem::take(&mut build.serialized);
        match kind {
            StepKind::Summarize { aggregates, by } => self.summarize(aggregates, by, build),
            StepKind::Join { lookup, options, right, on } => self.join(*lookup, options, right, on, build),
            StepKind::Union(union) => {
                let first = std::mem::replace(build, Build::new(From::Input, Schema::default()));
                *build = self.union(Some(first), union)?;
                Some(())
            }
            StepKind::Search(search) => self.search(search, "", build),
            StepKind::MvExpand { options, columns, limit } => {
                build.serialized = serialized;
                self.mv_expand(options, columns, limit.as_ref(), build)
            }
            StepKind::MvApply { options, columns, limit, body } => {
                self.mv_apply(options, columns, limit.as_ref(), body, span, build)
            }
            StepKind::Parse { only_matches, options, value, parts } => {
                build.serialized = serialized;
                self.parse(*only_matches, options, value, parts, build)
            }
            StepKind::ParseKv { value, columns, options } => {
                build.serialized = serialized;
                self.parse_kv(value, columns, options, build)
            }
            StepKind::Evaluate { name, args, columns } => self.evaluate(name, args, columns.as_ref(), build),
            StepKind::MakeSeries(series) => self.make_series(series, span, build),
            StepKind::GetSchema => {
                Self::get_schema(build);
                Some(())
            }
            StepKind::As(name) => {
                build.serialized = serialized;
                self.named_as(name, build);
                Some(())
            }
            StepKind::Invoke(name, args) => {
                let rows = std::mem::replace(build, Build::new(From::Input, Schema::default()));
                *build = self.call_rows(name, args, Some(rows), span)?;
                Some(())
            }
            StepKind::Partition { by, body } => self.partition(by, body, build),
            StepKind::TopNested(levels) => self.top_nested(levels, build),
            _ => None,
        }
    }

    fn filter(&mut self, condition: &Expr, build: &mut Build) {
        let columns = build.schema.columns().len();
        // A wrong condition changes no column: what follows can still be checked.
        let bound = self.windowed(build, |binder, schema| binder.expect(condition, schema, Type::Bool, "a condition"));
        if let Some(node) = bound {
            let windows = matches!(build.stages.last(), Some(Stage::Windows(_)));
            build.stages.push(Stage::Where(node));
            if windows {
                let kept: Vec<usize> = (0..columns).collect();
                build.pick(&kept);
            }
        }
    }

    /// Binds expressions that may hold window functions, and computes those before.
    pub(super) fn windowed<T>(&mut self, build: &mut Build, bind: impl FnOnce(&mut Self, &Schema) -> T) -> T {
        let windows = Windows { calls: Vec::new(), width: build.schema.columns().len(), serialized: build.serialized };
        let before = self.windows.replace(windows);
        let schema = build.schema.clone();
        let bound = bind(self, &schema);
        if let Some(windows) = std::mem::replace(&mut self.windows, before)
            && !windows.calls.is_empty()
        {
            build.stages.push(Stage::Windows(windows.calls));
        }
        bound
    }

    pub(super) fn take(&mut self, rows: &Expr, build: &mut Build) {
        if let Some(node) = self.constant(rows, Type::Long, "the number of rows") {
            build.stages.push(Stage::Take(node));
        }
    }

    fn order(&mut self, keys: &[OrderBy], build: &mut Build) {
        let keys = self.keys(keys, &build.schema);
        build.stages.push(Stage::Order(keys));
        build.serialized = true;
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

    fn distinct(&mut self, values: Option<&[Named]>, span: Span, build: &mut Build) -> Option<()> {
        build.serialized = false;
        match values {
            None => {
                let shown = build.shown();
                let columns = shown.iter().filter_map(|at| build.schema.columns().get(*at));
                let dynamic = columns.clone().find(|column| column.ty == Type::Dynamic);
                if let Some(column) = dynamic.filter(|_| !build.schema.is_guessed()) {
                    let message =
                        format!("rows cannot be grouped by {}, which is a dynamic value", quoted(&column.name));
                    let finding = Finding::error("kql/type", message);
                    self.wrong(span, finding.help("name the columns, with tostring() around those that are dynamic"));
                }
                build.pick(&shown);
            }
            Some(values) => {
                let mut names = Names::default();
                let mut nodes = Vec::new();
                for value in values {
                    let node = self.expr(&value.value, &build.schema);
                    names.add(self, value, &build.schema, node.as_ref().map(|node| node.ty));
                    nodes.push(node.filter(|node| self.sortable(node, &build.schema, value.value.span)));
                }
                build.stages.push(Stage::Project(nodes.into_iter().collect::<Option<_>>()?));
                build.schema = build.schema.reshaped(names.columns, false);
            }
        }
        build.stages.push(Stage::Distinct);
        Some(())
    }

    fn get_schema(build: &mut Build) {
        let rows = build.shown().into_iter().filter_map(|at| build.schema.columns().get(at)).enumerate();
        let rows = rows.map(|(at, column)| {
            let ordinal = i64::try_from(at).unwrap_or(i64::MAX);
            let data_type = column.ty.dotnet_name();
            vec![
                Val::from(column.name.to_string()),
                Val::Long(ordinal),
                Val::from(data_type),
                Val::from(column.ty.name()),
            ]
        });
        let columns = [
            ("ColumnName", Type::String),
            ("ColumnOrdinal", Type::Long),
            ("DataType", Type::String),
            ("ColumnType", Type::String),
        ];
        let rows = std::sync::Arc::new(Grid::of(columns.len(), rows));
        *build = Build { serialized: true, ..Build::new(From::Rows(rows), Schema::new(columns)) };
    }

    /// The value of an option such as `kind=inner`, one of these words; the first when it is not given.
    pub(super) fn word_option<'w>(
        &mut self,
        options: &[crate::kql::ast::Setting],
        names: &[&str],
        words: &[&'w str],
    ) -> Option<&'w str> {
        let Some(option) = options.iter().rev().find(|option| names.contains(&&*option.name.text)) else {
            return words.first().copied();
        };
        let given = option.word();
        let found = words.iter().find(|word| **word == given).copied();
        if found.is_none() {
            let near = suggest::nearest(&given, words.iter().copied());
            let message = format!("{} of {} is not known here", quoted(&given), quoted(&option.name.text));
            let finding = Finding::error("kql/unknown-word", message).help(format!("there is {}", words.join(", ")));
            self.wrong(option.value.span, finding.help_nearest(near));
        }
        found
    }

    /// The name of a column that a lone name gives.
    pub(super) fn lone_column(expr: &Expr) -> Option<&str> {
        if let ExprKind::Name(name) = &expr.kind { Some(name) } else { None }
    }
}
