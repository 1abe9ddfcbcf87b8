//! Operators that bring rows together: `union`, `search`, `partition`, `as`, and the plugins of `evaluate`.

use std::borrow::Cow;
use std::collections::HashMap;

use super::source::{Build, nested, table_column};
use super::{Binder, Meaning};
use crate::diagnostics::{Finding, Span};
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
        self.joined(legs, source.map(ast::Setting::word).as_deref(), inner, union.span)
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
        self.lets.push((Cow::Owned(name.text.clone()), Meaning::rows(shared.clone())));
        *build = Build { name: Some(name.text.clone()), ..nested(shared) };
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

    /// The rows of all legs under the columns of all, or those common to all.
    pub(super) fn joined(
        &mut self,
        legs: Vec<(String, Build)>,
        source: Option<&str>,
        inner: bool,
        span: Span,
    ) -> Option<Build> {
        let schemas = legs.iter().map(|(_, build)| &build.schema);
        let of_all = schemas.fold(Schema::default(), |all, one| all.with(one, Vec::new()));
        let guessed = of_all.is_guessed();
        let common = if inner { common_columns(&legs) } else { all_columns(&legs, guessed) };
        // Each leg gets them all.
        self.more_columns(legs.len().saturating_mul(common.len()), span)?;
        Some(under(legs, &common, source, &of_all))
    }
}

/// The rows of all legs under those columns.
fn under(legs: Vec<(String, Build)>, common: &[Shown], source: Option<&str>, of_all: &Schema) -> Build {
    let guessed = of_all.is_guessed();
    let mut columns: Vec<Column> = Vec::new();
    if let Some(source) = source {
        columns.push(Column::new(source, Type::String));
    }
    columns.extend(common.iter().map(|(shown, _, ty)| Column::new(shown.as_str(), *ty)));
    let schema: Schema = columns.clone().into();
    let mut plans = Vec::new();
    for (name, mut build) in legs {
        let mut nodes = Vec::new();
        if source.is_some() {
            nodes.push(Node::constant(Value::from(name), Type::String));
        }
        for (_, column, ty) in common {
            let found = build.schema.index(column).and_then(|at| Some((at, build.schema.columns().get(at)?.ty)));
            nodes.push(match found.filter(|(_, found)| alike(*found, *ty, guessed)) {
                Some((at, found)) if found == *ty => Node::slot(at, *ty),
                Some((at, found)) => Node::new(NodeKind::Convert(Box::new(Node::slot(at, found))), *ty),
                None if build.schema.is_open() => Node::unknown(*ty),
                None => Node::constant(ty.nothing(), *ty),
            });
        }
        build.stages.push(Stage::Project(nodes));
        build.schema = schema.clone();
        plans.push(build.plan());
    }
    Build::new(From::Union(plans), of_all.reshaped(columns, true))
}

/// A column of a union: the name that it shows, the name that it has in the legs, and its type.
type Shown = (String, String, Type);

/// The columns that all legs have under one name and type.
fn common_columns(legs: &[(String, Build)]) -> Vec<Shown> {
    let Some(((_, first), others)) = legs.split_first() else { return Vec::new() };
    let shown = first.shown().into_iter().filter_map(|at| first.schema.columns().get(at));
    let has = |schema: &Schema, column: &Column| {
        schema.index(&column.name).and_then(|at| schema.columns().get(at)).is_some_and(|found| found == column)
    };
    let everywhere = shown.filter(|column| others.iter().all(|(_, other)| has(&other.schema, column)));
    everywhere.map(|column| (column.name.to_string(), column.name.to_string(), column.ty)).collect()
}

/// All columns of all legs. One name with several types is as many columns side by side, each with its type behind the name.
fn all_columns(legs: &[(String, Build)], guessed: bool) -> Vec<Shown> {
    let mut order: Vec<&str> = Vec::new();
    let mut types: HashMap<&str, Vec<Type>> = HashMap::new();
    for (_, build) in legs {
        for column in build.schema.columns().iter().filter(|column| !column.is_hidden()) {
            let known = types.entry(&column.name).or_insert_with(|| {
                order.push(&column.name);
                Vec::new()
            });
            if !known.iter().any(|ty| alike(*ty, column.ty, guessed)) {
                known.push(column.ty);
            }
        }
    }
    let mut all = Vec::new();
    for name in order {
        let of_name = types.get(name).map(Vec::as_slice).unwrap_or_default();
        for ty in of_name {
            let shown = if of_name.len() > 1 { format!("{name}_{ty}") } else { name.to_owned() };
            all.push((shown, name.to_owned(), *ty));
        }
    }
    all
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
