//! `make-series` and `top-nested`.

use super::names::{Names, derived_name};
use super::source::Build;
use super::{Binder, Folding};
use crate::diagnostics::{Finding, Span};
use crate::kql::aggregates::aggregate;
use crate::kql::ast::{MakeSeries, TopLevel};
use crate::kql::eval::convert::convert;
use crate::kql::ir::{Node, NodeKind};
use crate::kql::plan::{Fold, Level, Series, Stage};
use crate::kql::value::{Type, Val};

impl Binder<'_, '_> {
    pub(super) fn make_series(&mut self, series: &MakeSeries, span: Span, build: &mut Build) -> Option<()> {
        let nonempty = self.word_option(&series.options, &["kind"], &["empty", "nonempty"])? == "nonempty";
        let mut names = Names::default();
        let mut by = Vec::new();
        for key in &series.by {
            let node = self.expr(&key.value, &build.schema);
            names.add(self, key, &build.schema, node.as_ref().map(|node| node.ty));
            by.push(node.filter(|node| self.sortable(node, &build.schema, key.value.span))?);
        }
        let on = self.expr(&series.on.value, &build.schema)?;
        if !matches!(on.ty, Type::DateTime | Type::Timespan | Type::Int | Type::Long | Type::Real)
            && !build.schema.is_guessed()
        {
            let message = format!("a series runs over datetimes, timespans or numbers, but this is a {}", on.ty);
            self.wrong(series.on.value.span, Finding::error("kql/type", message));
            return None;
        }
        let axis = if on.ty == Type::Dynamic { Type::DateTime } else { on.ty };
        let step_type = if axis == Type::DateTime { Type::Timespan } else { axis };
        let end = |binder: &mut Self, expr: Option<&crate::kql::ast::Expr>| match expr {
            Some(expr) => binder.constant(expr, axis, "the end of a series").map(Some),
            None => Some(None),
        };
        let (from, to) = (end(self, series.from.as_ref()), end(self, series.to.as_ref()));
        let step = self.constant(&series.step, step_type, "the step of a series");
        let mut folds = Vec::new();
        for (value, default) in &series.aggregates {
            let fold = self.series_fold(value, &mut names, build)?;
            let ty = match &fold {
                Fold::One { types, .. } => types.first().copied().unwrap_or(Type::Dynamic),
                Fold::Best { key, .. } => key.ty,
            };
            let default = match default {
                Some(default) => self.expr(default, &crate::kql::schema::Schema::default())?,
                None if ty.is_number() => Node::constant(convert(Val::Long(0), ty), ty),
                None => Node::constant(ty.nothing(), ty),
            };
            folds.push((fold, default));
        }
        names.add(self, &series.on, &build.schema, Some(Type::Dynamic));
        let _ = span;
        let (from, to, step) = (from?, to?, step?);
        let series = Series { by, on, folds, from, to, step, closed: series.closed, nonempty };
        build.stages.push(Stage::MakeSeries(Box::new(series)));
        build.schema = build.schema.reshaped(names.columns, false);
        Some(())
    }

    /// One aggregate with its name.
    fn series_fold(&mut self, value: &crate::kql::ast::Named, names: &mut Names, build: &Build) -> Option<Fold> {
        let folding = Folding { input: build.schema.clone(), folds: Vec::new(), width: 0 };
        let before = self.folding.replace(folding);
        let node = self.expr(&value.value, &crate::kql::schema::Schema::default());
        let folding = std::mem::replace(&mut self.folding, before)?;
        let node = node?;
        names.add_as(self, value, derived_name(&value.value, &build.schema), Some(Type::Dynamic));
        let mut folds = folding.folds;
        match (folds.pop(), folds.is_empty(), &node.kind) {
            (Some(fold), true, NodeKind::Slot(0)) => Some(fold),
            // A constant stands where there are rows, the default where there are none.
            (None, _, NodeKind::Const(_)) => {
                let types = vec![node.ty];
                Some(Fold::One { aggregate: aggregate("take_any")?, args: vec![node], types })
            }
            _ => {
                let finding = Finding::error("kql/aggregate", "an aggregate is wanted here, such as count()");
                self.wrong(value.value.span, finding.help("compute with its result in an extend that follows"));
                None
            }
        }
    }

    pub(super) fn top_nested(&mut self, levels: &[TopLevel], build: &mut Build) -> Option<()> {
        let mut names = Names::default();
        let mut bound = Vec::new();
        for level in levels {
            let rows = match &level.rows {
                Some(rows) => Some(self.constant(rows, Type::Long, "the number of rows")?),
                None => None,
            };
            let of = self.expr(&level.of.value, &build.schema)?;
            if !self.sortable(&of, &build.schema, level.of.value.span) {
                return None;
            }
            names.add(self, &level.of, &build.schema, Some(of.ty));
            let others = match &level.others {
                Some(others) => Some(self.constant(others, of.ty, "the name of the others")?),
                None => None,
            };
            let name = names.columns.last().map(|column| column.name.to_string()).unwrap_or_default();
            let mut unnamed = Names::default();
            let by = self.series_fold(&level.by, &mut unnamed, build)?;
            let ty = match &by {
                Fold::One { types, .. } => types.first().copied().unwrap_or(Type::Dynamic),
                Fold::Best { key, .. } => key.ty,
            };
            names.add_as(self, &level.by, Some(format!("aggregated_{name}")), Some(ty));
            bound.push(Level { rows, of, others, by, ascending: level.ascending });
        }
        build.stages.push(Stage::TopNested(bound));
        build.schema = build.schema.reshaped(names.columns, false);
        build.serialized = true;
        Some(())
    }
}
