//! Functions that a query defines: written out where they are called.

use std::borrow::Cow;

use super::source::{Build, typed_columns};
use super::{Binder, Meaning, fit};
use crate::diagnostics::{Finding, Level, Span, quoted, suggest};
use crate::kql::ast::{Expr, ExprKind, Lambda, LetValue, Name, Param, ParamKind};
use crate::kql::ir::Node;
use crate::kql::schema::{Column, Schema};
use crate::kql::value::Type;

impl<'b> Binder<'b, '_> {
    /// A function of the query in the place of rows; `first` is what `invoke` hands on.
    pub(super) fn call_rows(&mut self, name: &Name, args: &[Expr], first: Option<Build>, span: Span) -> Option<Build> {
        let Some((at, lambda)) = self.lambda(name) else {
            let functions = self.lets.iter().filter(|(_, meaning)| matches!(meaning, Meaning::Function(_)));
            let known = functions.filter(|_| self.report.shows(Level::Error)).map(|(name, _)| &**name);
            let near = suggest::nearest(&name.text, known).map(ToOwned::to_owned);
            let message = format!("there is no function {} in this query", quoted(&name.text));
            self.wrong(name.span, Finding::error("kql/unknown-function", message).help_nearest(near.as_deref()));
            return None;
        };
        let params = self.arguments(name, lambda, args, first, &Schema::default(), span)?;
        self.inside(at, params, lambda, span, |binder, value| match value {
            LetValue::Tabular(pipeline) | LetValue::Alias(_, pipeline) => binder.pipeline(pipeline),
            LetValue::Scalar(expr) => {
                if !expr.is_error() {
                    let message = format!("{} gives a value, not rows", quoted(&name.text));
                    binder.wrong(name.span, Finding::error("kql/type", message));
                }
                None
            }
            LetValue::Function(_) => None,
        })
    }

    /// A function of the query in the place of a value.
    pub(super) fn call_value(&mut self, name: &Name, args: &[Expr], schema: &Schema, span: Span) -> Option<Node> {
        let (at, lambda) = self.lambda(name)?;
        let params = self.arguments(name, lambda, args, None, schema, span)?;
        self.inside(at, params, lambda, span, |binder, value| match value {
            LetValue::Scalar(expr) | LetValue::Alias(expr, _) => binder.expr(expr, &Schema::default()),
            LetValue::Tabular(_) | LetValue::Function(_) => {
                let message = format!("{} gives rows, not a value", quoted(&name.text));
                let finding = Finding::error("kql/type", message);
                binder.wrong(name.span, finding.help("take one value of it with toscalar()"));
                None
            }
        })
    }

    fn lambda(&self, name: &Name) -> Option<(usize, &'b Lambda)> {
        let at = self.lets.iter().rposition(|(known, _)| **known == *name.text)?;
        match self.lets.get(at) {
            Some((_, Meaning::Function(lambda))) => Some((at, lambda)),
            _ => None,
        }
    }

    /// Binds the result of a body. It sees what was known where it was defined, and its parameters.
    fn inside<T>(
        &mut self,
        at: usize,
        params: Vec<(Cow<'b, str>, Meaning<'b>)>,
        lambda: &'b Lambda,
        span: Span,
        bind: impl FnOnce(&mut Self, &'b LetValue) -> Option<T>,
    ) -> Option<T> {
        let later = self.lets.split_off(at);
        self.lets.extend(params);
        let folding = self.folding.take();
        let bound = self.deeper(span, |binder| {
            for statement in &lambda.body.lets {
                let value = binder.meaning(&statement.value);
                binder.lets.push((Cow::Borrowed(&statement.name.text), value));
            }
            bind(binder, lambda.body.result.as_ref()?)
        });
        self.folding = folding;
        self.lets.truncate(at);
        self.lets.extend(later);
        bound
    }

    /// The parameters with the arguments they get: by position, then by name, then their defaults.
    fn arguments(
        &mut self,
        name: &Name,
        lambda: &'b Lambda,
        args: &[Expr],
        first: Option<Build>,
        schema: &Schema,
        span: Span,
    ) -> Option<Vec<(Cow<'b, str>, Meaning<'b>)>> {
        let mut first = first;
        let given = usize::from(first.is_some());
        let positional: Vec<&Expr> = args.iter().take_while(|arg| !matches!(arg.kind, ExprKind::Assign(..))).collect();
        if positional.len() + given > lambda.params.len() {
            let message = format!(
                "{} takes {} arguments, but {} are given",
                quoted(&name.text),
                lambda.params.len(),
                args.len() + given
            );
            self.wrong(span, Finding::error("kql/argument-count", message));
            return None;
        }
        let named = self.named_arguments(name, lambda, args)?;
        let mut all = Vec::new();
        for (at, param) in lambda.params.iter().enumerate() {
            let place = at.checked_sub(given).and_then(|at| positional.get(at).copied());
            let by_name = named.iter().find(|(known, _)| *known == param.name.text).map(|(_, value)| *value);
            let meaning = match first.take() {
                Some(build) if at == 0 => self.rows_argument(build, param, span),
                _ => {
                    let given = place.or(by_name).or(param.default.as_ref());
                    if given.is_none() {
                        let message = format!("{} wants {}", quoted(&name.text), quoted(&param.name.text));
                        self.wrong(span, Finding::error("kql/argument-count", message));
                    }
                    given.and_then(|arg| self.argument_for(param, arg, schema))
                }
            };
            all.push((Cow::Borrowed(param.name.text.as_str()), meaning?));
        }
        Some(all)
    }

    fn named_arguments<'a>(
        &mut self,
        name: &Name,
        lambda: &Lambda,
        args: &'a [Expr],
    ) -> Option<Vec<(&'a str, &'a Expr)>> {
        let mut named = Vec::new();
        for arg in args {
            let ExprKind::Assign(word, value) = &arg.kind else { continue };
            if !lambda.params.iter().any(|param| param.name.text == word.text) {
                let message = format!("{} has no parameter {}", quoted(&name.text), quoted(&word.text));
                let near = suggest::nearest(&word.text, lambda.params.iter().map(|param| &*param.name.text));
                self.wrong(word.span, Finding::error("kql/unknown-parameter", message).help_nearest(near));
                return None;
            }
            named.push((word.text.as_str(), &**value));
        }
        Some(named)
    }

    fn argument_for(&mut self, param: &Param, arg: &Expr, schema: &Schema) -> Option<Meaning<'b>> {
        let ParamKind::Scalar(ty) = &param.kind else {
            let build = self.rows_of(arg)?;
            return self.rows_argument(build, param, arg.span);
        };
        let node = self.expr(arg, schema)?;
        let found = node.ty;
        let Some(node) = fit(node, *ty, true) else {
            let message = format!("{} must be a {ty}, but this is a {found}", quoted(&param.name.text));
            self.wrong(arg.span, Finding::error("kql/type", message).help(super::arguments::conversion_help(*ty)));
            return None;
        };
        let scope = if node.reads_row() { self.scope } else { 0 };
        let node = if scope == 0 { self.prepare(node) } else { node };
        Some(Meaning::Scalar(node, scope))
    }

    /// Rows for a parameter: they must have its columns, and have no others unless it says so.
    fn rows_argument(&mut self, mut build: Build, param: &Param, span: Span) -> Option<Meaning<'b>> {
        let ParamKind::Rows { columns, open } = &param.kind else {
            let message = format!("{} is a value, but rows are given", quoted(&param.name.text));
            self.wrong(span, Finding::error("kql/type", message));
            return None;
        };
        let wanted: Vec<Column> = typed_columns(columns);
        let mut kept = Vec::new();
        for column in &wanted {
            let found = build.schema.columns().iter().position(|known| known.name == column.name);
            let fits = found.is_some_and(|at| {
                build.schema.columns().get(at).is_some_and(|known| known.ty == column.ty || known.ty == Type::Dynamic)
            });
            match found {
                Some(at) if fits => kept.push(at),
                None if build.schema.is_open() => {}
                _ => {
                    let message = format!(
                        "{} wants rows with a column {} of type {}",
                        quoted(&param.name.text),
                        quoted(&column.name),
                        column.ty
                    );
                    self.wrong(span, Finding::error("kql/unknown-column", message));
                    return None;
                }
            }
        }
        if !open && kept.len() == wanted.len() && !wanted.is_empty() {
            build.pick(&kept);
        }
        Some(Meaning::rows(build))
    }
}
