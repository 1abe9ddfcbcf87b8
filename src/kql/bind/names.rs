//! What columns are called.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Binder;
use crate::diagnostics::{Finding, quoted};
use crate::kql::aggregates;
use crate::kql::ast::{Expr, ExprKind, Name, Named};
use crate::kql::column_list::ColumnList;
use crate::kql::functions::{Naming, function};
use crate::kql::schema::{Column, Schema};
use crate::kql::value::{Type, Val};

/// The columns of an operator that makes new rows.
#[derive(Default)]
pub(super) struct Names {
    pub(super) columns: ColumnList,
    /// Columns of the rows before that rows are grouped by, so that a star leaves them out.
    pub(super) grouped: Vec<Arc<str>>,
    /// Those whose names were written: no other may be called so.
    written: HashSet<String>,
    /// How many columns got no better name than `Column1`.
    unnamed: usize,
    /// The last numbers behind names that were taken.
    numbers: HashMap<String, usize>,
}

impl Names {
    /// Columns to which others are added.
    pub(super) fn after(columns: ColumnList) -> Self {
        Self { columns, ..Self::default() }
    }

    /// Adds the column for a value; a name given twice is a finding.
    pub(super) fn add(&mut self, binder: &mut Binder<'_, '_>, value: &Named, schema: &Schema, ty: Option<Type>) {
        let derived = derived_name(&value.value, schema);
        let name = value.name.clone().or_else(|| lone_name(&value.value, schema));
        self.named(binder, name.as_ref(), derived, ty.unwrap_or(Type::Dynamic));
    }

    /// Adds the column for a value that is called `derived` unless it has a name of its own.
    pub(super) fn add_as(
        &mut self,
        binder: &mut Binder<'_, '_>,
        value: &Named,
        derived: Option<String>,
        ty: Option<Type>,
    ) {
        self.named(binder, value.name.as_ref(), derived, ty.unwrap_or(Type::Dynamic));
    }

    /// Adds a column with that name, or called `derived` without one.
    pub(super) fn named(
        &mut self,
        binder: &mut Binder<'_, '_>,
        name: Option<&Name>,
        derived: Option<String>,
        ty: Type,
    ) {
        let Some(name) = name else {
            self.derived(derived, ty);
            return;
        };
        if !self.written.insert(name.text.clone()) {
            let message = format!("the column {} is made twice", quoted(&name.text));
            binder.wrong(name.span, Finding::error("kql/duplicate-column", message));
        }
        // A name that only followed from a value is nobody's.
        let free = self.free(&name.text);
        self.columns.push(Column::new(free, ty));
    }

    /// Adds a column without a name of its own.
    pub(super) fn derived(&mut self, derived: Option<String>, ty: Type) {
        let base = derived.unwrap_or_else(|| self.next_unnamed());
        let name = self.free(&base);
        self.columns.push(Column::new(name, ty));
    }

    /// `Column1`, `Column2` ...
    pub(super) fn next_unnamed(&mut self) -> String {
        self.unnamed += 1;
        format!("Column{}", self.unnamed)
    }

    /// The name, or the name with the first number that makes it different from those that are there.
    pub(super) fn free(&mut self, base: &str) -> Arc<str> {
        if !self.has(base) {
            return Arc::from(base);
        }
        let n = self.numbers.entry(base.to_owned()).or_default();
        loop {
            *n += 1;
            let name = format!("{base}{n}");
            if self.columns.index(&name).is_none() {
                return Arc::from(name);
            }
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.columns.index(name).is_some()
    }
}

/// What a column is called: its own name, or one that follows from its value.
pub(super) struct Made {
    pub(super) name: Option<Name>,
    pub(super) derived: Option<String>,
}

/// The name that a lone column is written with.
pub(super) fn lone_name(expr: &Expr, schema: &Schema) -> Option<Name> {
    let ExprKind::Name(text) = &expr.kind else { return None };
    derived_name(expr, schema).map(|_| Name { text: text.clone(), span: expr.span })
}

/// `x` for `x`, `tostring(x)` and `bin(x, 1h)`; `x_y` for `x.y` and `x["y"]`; `max_x` for `max(x)`.
pub(super) fn derived_name(expr: &Expr, schema: &Schema) -> Option<String> {
    match &expr.kind {
        // A let gives no name.
        ExprKind::Name(name) => (schema.index(name).is_some() || schema.unlisted(name).is_some()).then(|| name.clone()),
        ExprKind::Property(base, name) => {
            Some(derived_name(base, schema).map_or_else(|| name.clone(), |base| format!("{base}_{name}")))
        }
        ExprKind::Element(base, index) => {
            let at = match &index.kind {
                ExprKind::Literal(Val::Long(at), _) => at.to_string(),
                _ => String::new(),
            };
            Some(derived_name(base, schema).map_or_else(|| at.clone(), |base| format!("{base}_{at}")))
        }
        ExprKind::Call { name, operator: false, args } => called(&name.text, args, schema),
        ExprKind::Error
        | ExprKind::Literal(..)
        | ExprKind::Call { .. }
        | ExprKind::Star
        | ExprKind::Assign(..)
        | ExprKind::Rows(_) => None,
    }
}

fn called(name: &str, args: &[Expr], schema: &Schema) -> Option<String> {
    let first = || args.first().and_then(|arg| derived_name(arg, schema));
    if matches!(name, "column_ifexists" | "columnifexists") {
        return args.first()?.as_text().filter(|name| schema.index(name).is_some()).map(ToOwned::to_owned);
    }
    if let Some(function) = function(name) {
        return match function.naming {
            Naming::Own => None,
            Naming::First => first(),
            Naming::Only => first().filter(|_| args.len() == 1),
            Naming::FirstAndWord(word) => first().map(|first| format!("{first}_{word}")),
            Naming::NameAndFirst => Some(format!("{name}_{}", first().unwrap_or_default())),
            Naming::WordAndFirst(word) => Some(format!("{word}_{}", first().unwrap_or_default())),
        };
    }
    let aggregate = aggregates::aggregate(name)?;
    match aggregate.prefix {
        "" => first(),
        prefix => Some(format!("{prefix}{}", first().unwrap_or_default())),
    }
}

/// Whether a name fits a pattern in which `*` stands for anything.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    fits_around("*", pattern, name)
}

/// Whether a text fits a pattern in which `gap` stands for anything.
pub(in crate::kql) fn fits_around(gap: &str, pattern: &str, name: &str) -> bool {
    let parts: Vec<&str> = pattern.split(gap).collect();
    let [first, middle @ .., last] = &parts[..] else { return pattern == name };
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    for part in middle {
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
