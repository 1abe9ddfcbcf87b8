//! Operators that bring rows together: `union`, `search`, `partition`, `as`, and the plugins of `evaluate`.

use std::borrow::Cow;
use std::sync::Arc;

use super::source::{Build, nested, table_column};
use super::{Binder, Meaning};
use crate::diagnostics::Finding;
use crate::kql::ast::{self, Expr, ExprKind, Name, Pipeline, Search, Union};
use crate::kql::ir::{Node, NodeKind};
use crate::kql::plan::{From, Stage};
use crate::kql::schema::{Column, Schema};
use crate::kql::value::{Type, Val, Value};

impl Binder<'_, '_> {
    pub(super) fn union(&mut self, first: Option<Build>, union: &Union) -> Option<Build> {
        let inner = self.word_option(&union.options, &["kind"], &["outer", "inner"])? == "inner";
        let fuzzy = self.word_option(&union.options, &["isfuzzy"], &["false", "true"])? == "true";
        let source = union.options.iter().find(|option| matches!(&*option.name.text, "withsource" | "with_source"));
        let named = |build: Build| (build.name.clone().unwrap_or_else(|| "union_arg0".to_owned()), build);
        let mut legs: Vec<(String, Build)> = first.into_iter().map(named).collect();
        legs.extend(self.legs(&union.legs, fuzzy, legs.len())?);
        if legs.is_empty() && !fuzzy && union.legs.is_empty() {
            self.wrong(union.span, Finding::error("kql/syntax", "union wants tables"));
            return None;
        }
        Some(joined(legs, source.map(ast::Setting::word).as_deref(), inner))
    }

    /// `search`: the condition, with each bare text meaning "somewhere in the row". A table name comes first.
    pub(super) fn search(&mut self, search: &Search, table: &str, build: &mut Build) -> Option<()> {
        let exact = match &search.case {
            Some(case) => {
                let words = ["default", "case_insensitive", "case_sensitive"];
                self.word_option(std::slice::from_ref(case), &["kind"], &words)? == "case_sensitive"
            }
            None => false,
        };
        let condition = spelled_out(&search.what, exact);
        let node = self.expect(&condition, &build.schema, Type::Bool, "a search")?;
        build.stages.push(Stage::Where(node));
        let shown = build.shown();
        let mut nodes = vec![Node::constant(Value::from(table.to_owned()), Type::String)];
        let mut columns = vec![table_column()];
        for at in shown {
            if let Some(column) = build.schema.columns().get(at).filter(|column| **column != table_column()) {
                nodes.push(Node::slot(at, column.ty));
                columns.push(column.clone());
            }
        }
        build.schema = build.schema.reshaped(columns, true);
        build.stages.push(Stage::Project(nodes));
        Some(())
    }

    /// `as`: the rows get a name for what follows.
    pub(super) fn named_as(&mut self, name: &Name, build: &mut Build) {
        let rows = std::mem::replace(build, Build::new(From::Input, Schema::default()));
        let shared = self.shared(rows);
        self.lets.push((Cow::Owned(name.text.clone()), Meaning::Rows(Arc::new(shared.clone()))));
        *build = Build { name: Some(name.text.clone()), ..nested(&Arc::new(shared)) };
    }

    pub(super) fn partition(&mut self, by: &Expr, body: &Pipeline, build: &mut Build) -> Option<()> {
        let node = self.expr(by, &build.schema)?;
        if !self.sortable(&node, &build.schema, by.span) {
            return None;
        }
        self.input.push((build.schema.clone(), false));
        let inner = self.pipeline(body);
        self.input.pop();
        let inner = inner?;
        let schema = inner.schema.clone();
        build.stages.push(Stage::Partition { by: node, body: inner.plan() });
        build.schema = schema;
        Some(())
    }
}

/// The rows of all legs under the columns of all, or those common to all.
pub(super) fn joined(legs: Vec<(String, Build)>, source: Option<&str>, inner: bool) -> Build {
    let schemas = legs.iter().map(|(_, build)| &build.schema);
    let of_all = schemas.fold(Schema::default(), |all, one| all.with(one, Vec::new()));
    let guessed = of_all.is_guessed();
    let common = if inner { common_columns(&legs) } else { all_columns(&legs, guessed) };
    let mut columns: Vec<Column> = Vec::new();
    if let Some(source) = source {
        columns.push(Column::new(source, Type::String));
    }
    columns.extend(common.iter().map(|(shown, _, ty)| Column::new(shown.as_str(), *ty)));
    let mut plans = Vec::new();
    for (name, mut build) in legs {
        let mut nodes = Vec::new();
        if source.is_some() {
            nodes.push(Node::constant(Value::from(name), Type::String));
        }
        for (_, column, ty) in &common {
            let fits = |c: &Column| *c.name == **column && alike(c.ty, *ty, guessed);
            let found = build.schema.columns().iter().position(fits);
            nodes.push(match found.and_then(|at| build.schema.columns().get(at).map(|c| (at, c.ty))) {
                Some((at, found)) if found == *ty => Node::slot(at, *ty),
                Some((at, found)) => Node::new(NodeKind::Convert(Box::new(Node::slot(at, found))), *ty),
                None if build.schema.is_open() => Node::unknown(*ty),
                None => Node::constant(ty.nothing(), *ty),
            });
        }
        build.stages.push(Stage::Project(nodes));
        build.schema = columns.clone().into();
        plans.push(build.plan());
    }
    Build::new(From::Union(plans), of_all.reshaped(columns, true))
}

/// The columns that all legs have under one name and type: shown name, name, type.
fn common_columns(legs: &[(String, Build)]) -> Vec<(String, String, Type)> {
    let Some(((_, first), others)) = legs.split_first() else { return Vec::new() };
    let shown = first.shown().into_iter().filter_map(|at| first.schema.columns().get(at));
    let everywhere = shown.filter(|column| others.iter().all(|(_, other)| other.schema.columns().contains(column)));
    everywhere.map(|column| (column.name.to_string(), column.name.to_string(), column.ty)).collect()
}

/// All columns of all legs. One name with several types is as many columns side by side, each with its type behind the name.
fn all_columns(legs: &[(String, Build)], guessed: bool) -> Vec<(String, String, Type)> {
    let mut all: Vec<&Column> = Vec::new();
    for (_, build) in legs {
        for column in build.shown().into_iter().filter_map(|at| build.schema.columns().get(at)) {
            let known = all.iter().any(|other| other.name == column.name && alike(other.ty, column.ty, guessed));
            if !known {
                all.push(column);
            }
        }
    }
    let first: Vec<&str> = all.iter().map(|column| &*column.name).collect();
    all.sort_by_key(|column| first.iter().position(|name| **name == *column.name));
    let clashes = |column: &Column| all.iter().filter(|other| other.name == column.name).count() > 1;
    all.iter()
        .map(|column| {
            let shown =
                if clashes(column) { format!("{}_{}", column.name, column.ty) } else { column.name.to_string() };
            (shown, column.name.to_string(), column.ty)
        })
        .collect()
}

/// Whether columns of one name are one; a guessed dynamic may be anything.
fn alike(a: Type, b: Type, guessed: bool) -> bool {
    a == b || (guessed && (a == Type::Dynamic || b == Type::Dynamic))
}

/// Texts in the place of conditions mean that some column has them.
fn spelled_out(expr: &Expr, exact: bool) -> Expr {
    match &expr.kind {
        ExprKind::Literal(value, Type::String) => {
            let text = value.as_str().unwrap_or_default();
            let (operator, word) = term(text, exact);
            let name = Name { text: operator.to_owned(), span: expr.span };
            let star = Expr::new(ExprKind::Star, expr.span);
            let word = Expr::new(ExprKind::Literal(Val::from(word), Type::String), expr.span);
            Expr::new(ExprKind::Call { name, operator: true, args: vec![star, word] }, expr.span)
        }
        ExprKind::Star => Expr::new(ExprKind::Literal(Val::Bool(true), Type::Bool), expr.span),
        // `column:"text*"`
        ExprKind::Call { name, operator: true, args } if name.text == ":" => {
            let mut args = args.clone();
            let mut name = name.clone();
            if let Some(Expr { kind: ExprKind::Literal(value, Type::String), .. }) = args.get_mut(1) {
                let (operator, word) = term(value.as_str().unwrap_or_default(), exact);
                operator.clone_into(&mut name.text);
                *value = Val::from(word);
            }
            Expr::new(ExprKind::Call { name, operator: true, args }, expr.span)
        }
        ExprKind::Call { name, operator, args } if matches!(&*name.text, "and" | "or" | "not") => {
            let args = args.iter().map(|arg| spelled_out(arg, exact)).collect();
            Expr::new(ExprKind::Call { name: name.clone(), operator: *operator, args }, expr.span)
        }
        _ => expr.clone(),
    }
}

/// The operator that a text with stars at its ends stands for.
fn term(text: &str, exact: bool) -> (&'static str, String) {
    let inner = text.trim_matches('*');
    let first = text.starts_with('*');
    let last = text.ends_with('*') && text.len() > 1;
    if inner.contains('*') {
        let parts: Vec<String> = text.split('*').map(regex::escape).collect();
        return ("matches regex", format!("(?i){}", parts.join(".*")));
    }
    let operator = match (first, last, exact) {
        (true, true, false) => "contains",
        (true, true, true) => "contains_cs",
        (true, false, false) => "hassuffix",
        (true, false, true) => "hassuffix_cs",
        (false, true, false) => "hasprefix",
        (false, true, true) => "hasprefix_cs",
        (false, false, false) => "has",
        (false, false, true) => "has_cs",
    };
    (operator, inner.to_owned())
}
