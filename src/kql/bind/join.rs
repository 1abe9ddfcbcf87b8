//! `join` and `lookup`.

use std::collections::HashSet;

use super::names::Names;
use super::source::Build;
use super::{Binder, fit};
use crate::diagnostics::{Finding, Level, Span, quoted, suggest};
use crate::kql::ast::{Expr, ExprKind, Pipeline, Setting};
use crate::kql::column_list::ColumnList;
use crate::kql::functions::common_type;
use crate::kql::ir::Node;
use crate::kql::plan::{Join, JoinKind, Stage};
use crate::kql::schema::{Column, Lacking, Schema};
use crate::kql::value::Type;

const KINDS: [(&str, JoinKind); 12] = [
    ("innerunique", JoinKind::InnerUnique),
    ("inner", JoinKind::Inner),
    ("leftouter", JoinKind::LeftOuter),
    ("rightouter", JoinKind::RightOuter),
    ("fullouter", JoinKind::FullOuter),
    ("leftsemi", JoinKind::LeftSemi),
    ("rightsemi", JoinKind::RightSemi),
    ("leftanti", JoinKind::LeftAnti),
    ("leftantisemi", JoinKind::LeftAnti),
    ("anti", JoinKind::LeftAnti),
    ("rightanti", JoinKind::RightAnti),
    ("rightantisemi", JoinKind::RightAnti),
];

/// A pair of columns that must be equal: a slot on the left and one on the right.
type Pair = (usize, usize);

impl Binder<'_, '_> {
    pub(super) fn join(
        &mut self,
        lookup: bool,
        options: &[Setting],
        right: &Pipeline,
        on: &[Expr],
        build: &mut Build,
    ) -> Option<()> {
        let kind = if lookup {
            match self.word_option(options, &["kind"], &["leftouter", "inner"])? {
                "inner" => JoinKind::Inner,
                _ => JoinKind::LeftOuter,
            }
        } else {
            let words = KINDS.map(|(word, _)| word);
            let word = self.word_option(options, &["kind"], &words)?;
            KINDS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind)?
        };
        let right = self.pipeline(right)?;
        let mut pairs = Vec::new();
        for condition in on {
            self.conditions(condition, &build.schema, &right.schema, &mut pairs);
        }
        // Without a pair something was reported, here or by the parser.
        let keys = if pairs.is_empty() { None } else { self.join_keys(&pairs, &build.schema, &right.schema) };
        let hidden = |at: &usize| right.schema.columns().get(*at).is_some_and(Column::is_hidden);
        let matched: HashSet<usize> = pairs.iter().map(|(_, (_, key))| *key).collect();
        let is_key = |at: &usize| lookup && matched.contains(at);
        let shown: Vec<usize> = (0..right.schema.columns().len()).filter(|at| !hidden(at) && !is_key(at)).collect();
        let columns = result_columns(kind, &build.schema, &right.schema, &shown);
        let left = build.schema.columns().iter().map(|column| column.ty).collect();
        build.schema = match kind {
            JoinKind::LeftSemi | JoinKind::LeftAnti => build.schema.reshaped(columns, true),
            JoinKind::RightSemi | JoinKind::RightAnti => right.schema.reshaped(columns, true),
            JoinKind::Inner
            | JoinKind::InnerUnique
            | JoinKind::LeftOuter
            | JoinKind::RightOuter
            | JoinKind::FullOuter => build.schema.with(&right.schema, columns),
        };
        let keys = keys?;
        build.stages.push(Stage::Join(Box::new(Join { kind, keys, right: right.plan(), left, shown })));
        Some(())
    }

    /// `Name`, `$left.a == $right.b`, and several of them with `and`.
    fn conditions(&mut self, on: &Expr, left: &Schema, right: &Schema, pairs: &mut Vec<(Span, Pair)>) {
        match &on.kind {
            ExprKind::Name(name) => {
                let at = self.sides((name, name), on.span, left, right);
                pairs.extend(at.map(|at| (on.span, at)));
            }
            ExprKind::Call { name, operator: true, args } if name.text == "and" => {
                for arg in args {
                    self.conditions(arg, left, right, pairs);
                }
            }
            ExprKind::Call { name, operator: true, args } if name.text == "==" => {
                let sides: Vec<Option<(&str, &str)>> = args.iter().map(sided).collect();
                if let [Some(("$left", a)), Some(("$right", b))] = sides.as_slice() {
                    let at = self.sides((a, b), on.span, left, right);
                    pairs.extend(at.map(|at| (on.span, at)));
                } else {
                    self.bad_condition(on.span);
                }
            }
            ExprKind::Error => {}
            _ => self.bad_condition(on.span),
        }
    }

    fn bad_condition(&mut self, span: Span) {
        let finding = Finding::error("kql/join", "a join is on equal columns");
        self.wrong(span, finding.help("write a column that both sides have, or $left.a == $right.b, with $left first"));
    }

    /// The slots of a pair of columns. What is wrong is told of both.
    fn sides(&mut self, (a, b): (&str, &str), span: Span, left: &Schema, right: &Schema) -> Option<Pair> {
        let lacks = |name: &str, schema: &Schema| schema.index(name).is_none() && schema.unlisted(name).is_none();
        if a == b && lacks(a, left) && lacks(b, right) {
            self.unknown_side(a, span, &[left, right], "either");
            return None;
        }
        let (a, b) = (self.side(a, span, left, "the left"), self.side(b, span, right, "the right"));
        a.zip(b)
    }

    /// The slot of a column of one side. With an open schema any will do: such a query is not run.
    fn side(&mut self, name: &str, span: Span, schema: &Schema, side: &str) -> Option<usize> {
        if let Some(at) = schema.index(name) {
            return Some(at);
        }
        if self.unlisted(name, span, schema).is_some() {
            return Some(usize::MAX);
        }
        self.unknown_side(name, span, &[schema], side);
        None
    }

    fn unknown_side(&mut self, name: &str, span: Span, schemas: &[&Schema], side: &str) {
        let shown = schemas.iter().flat_map(|schema| schema.columns()).filter(|column| !column.is_hidden());
        let shown = shown.filter(|_| self.report.shows(Level::Error));
        let near = suggest::nearest(name, shown.map(|column| &*column.name)).map(ToOwned::to_owned);
        let message = format!("there is no column {} on {side} side of the join", quoted(name));
        let finding = Finding::error("kql/unknown-column", message).help_nearest(near.as_deref());
        let stored = schemas.iter().any(|schema| schema.is_stored());
        self.wrong(span, self.with_remedy(finding, stored.then_some(Lacking::Column(name))));
    }

    fn join_keys(&mut self, pairs: &[(Span, Pair)], left: &Schema, right: &Schema) -> Option<Vec<(Node, Node)>> {
        let node = |schema: &Schema, at: usize| {
            schema.columns().get(at).map_or(Node::unknown(Type::Dynamic), |column| Node::slot(at, column.ty))
        };
        let mut keys = Vec::new();
        for (span, (a, b)) in pairs {
            let (a, b) = (node(left, *a), node(right, *b));
            let unknown = (left.is_guessed() && a.ty == Type::Dynamic) || (right.is_guessed() && b.ty == Type::Dynamic);
            if unknown {
                keys.push((a, b));
                continue;
            }
            let types = (a.ty, b.ty);
            let meet = common_type(a.ty, b.ty).filter(|ty| *ty != Type::Dynamic && (*ty != Type::Real || a.ty == b.ty));
            let Some(pair) = meet.and_then(|ty| fit(a, ty, false).zip(fit(b, ty, false))) else {
                let message = format!("a {} and a {} cannot be joined on", types.0, types.1);
                let help = "make both sides one type before the join, with extend and tostring()";
                self.wrong(*span, Finding::error("kql/type", message).help(help));
                return None;
            };
            keys.push(pair);
        }
        Some(keys)
    }
}

/// `$left.name` or `$right.name`.
fn sided(expr: &Expr) -> Option<(&str, &str)> {
    let ExprKind::Property(base, name) = &expr.kind else { return None };
    let ExprKind::Name(side) = &base.kind else { return None };
    Some((side, name))
}

/// Left columns, then right columns; a name that is taken gets a number.
fn result_columns(kind: JoinKind, left: &Schema, right: &Schema, shown: &[usize]) -> ColumnList {
    let shown: Vec<Column> = shown.iter().filter_map(|at| right.columns().get(*at)).cloned().collect();
    match kind {
        JoinKind::LeftSemi | JoinKind::LeftAnti => left.list(),
        JoinKind::RightSemi | JoinKind::RightAnti => shown.into(),
        JoinKind::Inner | JoinKind::InnerUnique | JoinKind::LeftOuter | JoinKind::RightOuter | JoinKind::FullOuter => {
            let mut columns = left.list();
            // A new name is none that a column of either side has.
            let mut names = Names::after(columns.iter().chain(&shown).cloned().collect::<Vec<_>>().into());
            for column in shown {
                let taken = columns.index(&column.name).is_some();
                let name = if taken { names.free(&column.name) } else { column.name };
                names.columns.push(Column::new(name.clone(), column.ty));
                columns.push(Column::new(name, column.ty));
            }
            columns
        }
    }
}
