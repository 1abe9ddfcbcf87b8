//! `mv-expand` and `mv-apply`.

use std::collections::HashSet;

use super::Binder;
use super::names::derived_name;
use super::source::Build;
use crate::diagnostics::{Finding, Span};
use crate::kql::ast::{Expanded, Expr, Pipeline, Setting};
use crate::kql::column_list::ColumnList;
use crate::kql::ir::Node;
use crate::kql::plan::{Expand, Stage};
use crate::kql::schema::Column;
use crate::kql::value::Type;

impl Binder<'_, '_> {
    pub(super) fn mv_expand(
        &mut self,
        options: &[Setting],
        columns: &[Expanded],
        limit: Option<&Expr>,
        build: &mut Build,
    ) -> Option<()> {
        let pairs = self.word_option(options, &["kind", "bagexpansion"], &["bag", "array"])? == "array";
        let (expand, columns, _) = self.expand(options, columns, limit, pairs, build)?;
        build.schema = build.schema.reshaped(columns, true);
        build.stages.push(Stage::Expand(Box::new(expand)));
        Some(())
    }

    /// What is expanded, the columns of the rows after it, and the slots that hold something new.
    fn expand(
        &mut self,
        options: &[Setting],
        expanded: &[Expanded],
        limit: Option<&Expr>,
        pairs: bool,
        build: &Build,
    ) -> Option<(Expand, ColumnList, Vec<usize>)> {
        let mut columns = build.schema.list();
        let mut parts = Vec::new();
        for part in expanded {
            self.one_name(&part.column);
            let value = &part.column.value;
            let node = self.expr(value, &build.schema);
            if let Some(node) = &node
                && node.ty != Type::Dynamic
            {
                let message = format!("only a dynamic can be expanded, but this is a {}", node.ty);
                let help = if node.ty == Type::String {
                    "read it as JSON first: parse_json(...)"
                } else {
                    "name a dynamic column"
                };
                self.wrong(value.span, Finding::error("kql/type", message).help(help));
                return None;
            }
            let derived = || derived_name(value, &build.schema).unwrap_or_else(|| "Column1".to_owned());
            let name = part.column.name.as_ref().map_or_else(derived, |name| name.text.clone());
            let ty = part.to.unwrap_or(Type::Dynamic);
            let at = columns.place(&name, ty);
            parts.push((node?, at, ty));
        }
        let index = options.iter().find(|option| option.name.text == "with_itemindex");
        let index = index.map(|option| columns.place(&option.word(), Type::Long));
        let limit = match limit {
            Some(limit) => Some(self.constant(limit, Type::Long, "the number of rows")?),
            None => None,
        };
        let new = parts.iter().map(|(_, at, _)| *at).chain(index).collect();
        Some((Expand { columns: parts, index, limit, pairs, keeps_empty: false }, columns, new))
    }

    /// The result has the columns of the outer row, but for those that were expanded in their place, and then what the
    /// steps inside give that the outer row has not.
    pub(super) fn mv_apply(
        &mut self,
        options: &[Setting],
        columns: &[Expanded],
        limit: Option<&Expr>,
        body: &Pipeline,
        span: Span,
        build: &mut Build,
    ) -> Option<()> {
        let (mut expand, inner, new) = self.expand(options, columns, limit, false, build)?;
        expand.keeps_empty = false;
        let width = build.schema.columns().len();
        let expanded = build.schema.reshaped(inner, true);
        self.input.push((expanded, true));
        let result = self.pipeline(body);
        self.input.pop();
        let result = result?;
        let new: HashSet<usize> = new.into_iter().collect();
        let outer: Vec<usize> = (0..width).filter(|at| !new.contains(at)).collect();
        let columns: Vec<Column> = outer.iter().filter_map(|at| build.schema.columns().get(*at)).cloned().collect();
        let mut nodes: Vec<Node> = outer.iter().zip(&columns).map(|(at, column)| Node::slot(*at, column.ty)).collect();
        let mut columns = ColumnList::from(columns);
        for (at, column) in result.schema.columns().iter().enumerate().filter(|(_, column)| !column.is_hidden()) {
            if columns.index(&column.name).is_none() {
                nodes.push(Node::slot(width + at, column.ty));
                columns.push(column.clone());
            }
        }
        let _ = span;
        build.schema = build.schema.with(&result.schema, columns);
        build.stages.push(Stage::Apply { expand: Box::new(expand), body: result.plan() });
        build.stages.push(Stage::Project(nodes));
        Some(())
    }
}
