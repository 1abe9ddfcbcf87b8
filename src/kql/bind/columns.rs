//! Operators that make, choose, name and order columns: `extend`, `project` and its kin.

use std::cmp::Reverse;
use std::collections::HashSet;

use super::arguments::part_of;
use super::names::{Made, Names, derived_name, fits, lone_name};
use super::source::Build;
use super::{Binder, Meaning};
use crate::diagnostics::{Finding, quoted};
use crate::kql::ast::{Expr, ExprKind, Name, Named, Reorder};
use crate::kql::functions::function;
use crate::kql::ir::Node;
use crate::kql::plan::Stage;
use crate::kql::schema::{Column, Schema};
use crate::kql::value::Type;

impl Binder<'_, '_> {
    /// New columns see the old ones, not each other. A name that exists is replaced in its place.
    pub(super) fn extend(&mut self, values: &[Named], build: &mut Build) {
        if values.is_empty() {
            return;
        }
        let old = build.schema.columns().len();
        let bound = self.windowed(build, |binder, schema| binder.spread(values, schema));
        let mut columns = build.schema.list();
        let mut slots: Vec<(usize, Node)> = Vec::new();
        let mut made: HashSet<usize> = HashSet::new();
        let mut unnamed = Names::default();
        for (value, node) in bound {
            // After a mistake the name is there all the same, or each use of it would be a finding.
            let ty = node.as_ref().map_or(Type::Dynamic, |node| node.ty);
            let name = match &value.name {
                Some(name) => name.text.clone(),
                None => value.derived.unwrap_or_else(|| {
                    let mut name = unnamed.next_unnamed();
                    while columns.index(&name).is_some() {
                        name = unnamed.next_unnamed();
                    }
                    name
                }),
            };
            let at = columns.place(&name, ty);
            if let Some(name) = &value.name
                && !made.insert(at)
            {
                let message = format!("the column {} is made twice", quoted(&name.text));
                self.wrong(name.span, Finding::error("kql/duplicate-column", message));
            }
            slots.push((at, node.unwrap_or(Node::unknown(ty))));
        }
        let stage = if matches!(build.stages.last(), Some(Stage::Windows(_))) {
            // The values of the window functions lie behind the columns, and go.
            let mut nodes: Vec<Node> =
                build.schema.columns().iter().take(old).enumerate().map(|(at, c)| Node::slot(at, c.ty)).collect();
            for (at, node) in slots {
                match nodes.get_mut(at) {
                    Some(place) => *place = node,
                    None => nodes.push(node),
                }
            }
            Stage::Project(nodes)
        } else {
            Stage::Extend(slots)
        };
        build.schema = build.schema.reshaped(columns, true);
        build.stages.push(stage);
    }

    /// The columns that some values make, each with what it is called; `(a, b) = f(x)` is for functions of several.
    fn spread(&mut self, values: &[Named], schema: &Schema) -> Vec<(Made, Option<Node>)> {
        values.iter().flat_map(|value| self.columns_of(value, schema)).collect()
    }

    /// The columns that one value makes.
    pub(super) fn columns_of(&mut self, value: &Named, schema: &Schema) -> Vec<(Made, Option<Node>)> {
        if let Some(sorted) = self.sorted_arrays(value, schema, schema) {
            return sorted;
        }
        let several = match &value.value.kind {
            ExprKind::Call { name, operator: false, args } if self.let_named(&name.text).is_none() => {
                function(&name.text).filter(|function| !function.parts.is_empty()).map(|it| (it, args))
            }
            _ => None,
        };
        let mut given = value.name.iter().chain(&value.more).cloned();
        let mut all = Vec::new();
        if let Some((function, args)) = several {
            let node = self.bound_call(function, function.name, args, value.value.span, schema);
            let first = args.first().and_then(|arg| derived_name(arg, schema)).unwrap_or_default();
            for (at, (end, ty)) in function.parts.iter().enumerate() {
                let derived = Some(format!("{}_{first}_{end}", function.name));
                all.push((Made { name: given.next(), derived }, node.clone().map(|node| part_of(node, at, *ty))));
            }
        } else {
            let node = self.expr(&value.value, schema);
            let name = given.next().or_else(|| lone_name(&value.value, schema));
            all.push((Made { name, derived: derived_name(&value.value, schema) }, node));
        }
        self.nameless(given, &mut all);
        all
    }

    /// `array_sort_asc(a, b)`: the first array in order, and each other with its elements where those of the first went.
    /// `named` has the columns after which they are called.
    pub(super) fn sorted_arrays(
        &mut self,
        value: &Named,
        schema: &Schema,
        named: &Schema,
    ) -> Option<Vec<(Made, Option<Node>)>> {
        let ExprKind::Call { name, operator: false, args } = &value.value.kind else { return None };
        let beside = match &*name.text {
            "array_sort_asc" => function("__array_sort_asc_beside")?,
            "array_sort_desc" => function("__array_sort_desc_beside")?,
            _ => return None,
        };
        let alone = function(&name.text).filter(|_| self.let_named(&name.text).is_none())?;
        let (arrays, nulls) = match args.split_last()? {
            (last, arrays) if self.is_bool(last) => (arrays, Some(last)),
            _ => (args.as_slice(), None),
        };
        let [first, _, ..] = arrays else { return None };
        let mut given = value.name.iter().chain(&value.more).cloned();
        let mut all = Vec::new();
        for (at, array) in arrays.iter().enumerate() {
            let by = (at > 0).then_some(first);
            let args: Vec<Expr> = [Some(array), by, nulls].into_iter().flatten().cloned().collect();
            let called = if at == 0 { alone } else { beside };
            let node = self.bound_call(called, &name.text, &args, value.value.span, schema);
            let of = derived_name(array, named).unwrap_or_else(|| format!("array{at}"));
            all.push((Made { name: given.next(), derived: Some(format!("{of}_sorted")) }, node));
        }
        self.nameless(given, &mut all);
        Some(all)
    }

    fn is_bool(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Literal(_, ty) => *ty == Type::Bool,
            ExprKind::Name(name) => {
                matches!(self.let_named(name), Some(Meaning::Scalar(node, _)) if node.ty == Type::Bool)
            }
            _ => false,
        }
    }

    /// Names that no value is left for.
    fn nameless(&mut self, given: impl Iterator<Item = Name>, all: &mut Vec<(Made, Option<Node>)>) {
        let whole = all.iter().all(|(_, node)| node.is_some());
        for name in given {
            if whole {
                let message = format!("there is no value for {}", quoted(&name.text));
                let finding = Finding::error("kql/column-names", message);
                self.wrong(
                    name.span,
                    finding.help("only some functions have several values: arg_max, series_stats ..."),
                );
            }
            // The name is there all the same, or each use of it would be a finding.
            all.push((Made { name: Some(name), derived: None }, None));
        }
    }

    /// `(a, b) = value` is for values of several columns.
    pub(super) fn one_name(&mut self, value: &Named) {
        if let Some(second) = value.more.first() {
            self.unsupported(second.span, "several names for one value", "only some values have several columns");
        }
    }

    pub(super) fn project(&mut self, values: &[Named], build: &mut Build) {
        let mut names = Names::default();
        let spread = self.windowed(build, |binder, schema| binder.spread(values, schema));
        let mut bound = Vec::new();
        for (value, node) in spread {
            let ty = node.as_ref().map_or(Type::Dynamic, |node| node.ty);
            names.named(self, value.name.as_ref(), value.derived, ty);
            bound.push(node.unwrap_or(Node::unknown(Type::Dynamic)));
        }
        for (at, column) in build.schema.columns().iter().enumerate().filter(|(_, column)| column.is_hidden()) {
            names.columns.push(column.clone());
            bound.push(Node::slot(at, column.ty));
        }
        build.schema = build.schema.reshaped(names.columns, false);
        build.stages.push(Stage::Project(bound));
    }

    pub(super) fn project_away(&mut self, patterns: &[Name], build: &mut Build) {
        let gone: HashSet<usize> = self.matching(patterns, build).into_iter().collect();
        let kept: Vec<usize> = (0..build.schema.columns().len()).filter(|at| !gone.contains(at)).collect();
        build.pick(&kept);
    }

    pub(super) fn project_keep(&mut self, patterns: &[Name], build: &mut Build) {
        let wanted: HashSet<usize> = self.matching(patterns, build).into_iter().collect();
        let hidden = |at: &usize| build.schema.columns().get(*at).is_some_and(Column::is_hidden);
        let kept: Vec<usize> =
            (0..build.schema.columns().len()).filter(|at| wanted.contains(at) || hidden(at)).collect();
        build.pick(&kept);
        build.schema = build.schema.reshaped(build.schema.list(), patterns.iter().any(|p| p.text.contains('*')));
    }

    /// The columns that fit one of the patterns.
    fn matching(&mut self, patterns: &[Name], build: &Build) -> Vec<usize> {
        let mut all = Vec::new();
        for pattern in patterns {
            let columns = build.schema.columns();
            let shown = |at: &usize| columns.get(*at).is_some_and(|column| !column.is_hidden());
            let found: Vec<usize> = if pattern.text.contains('*') {
                if self.more(1 + columns.len() / 8, pattern.span).is_none() {
                    return all;
                }
                let fitting = |at: &usize| columns.get(*at).is_some_and(|column| fits(&pattern.text, &column.name));
                (0..columns.len()).filter(|at| shown(at) && fitting(at)).collect()
            } else {
                build.schema.index(&pattern.text).filter(shown).into_iter().collect()
            };
            let star = pattern.text.contains('*');
            if found.is_empty() && star && !build.schema.is_open() && !build.schema.is_guessed() {
                let message = format!("no column is called as {} says", quoted(&pattern.text));
                self.wrong(pattern.span, Finding::error("kql/unknown-column", message));
            }
            let missing = found.is_empty() && !star;
            if missing && self.unlisted(&pattern.text, pattern.span, &build.schema).is_none() {
                self.unknown_column(&pattern.text, pattern.span, &build.schema);
            }
            all.extend(found);
        }
        all
    }

    pub(super) fn rename(&mut self, renames: &[(Name, Name)], build: &mut Build) {
        let mut columns = build.schema.list();
        for (new, old) in renames {
            match build.schema.index(&old.text) {
                Some(at) => {
                    if columns.index(&new.text).is_some_and(|other| other != at) {
                        let message = format!("there is a column {} already", quoted(&new.text));
                        self.wrong(new.span, Finding::error("kql/duplicate-column", message));
                    }
                    columns.rename(at, &new.text);
                }
                None => match self.unlisted(&old.text, old.span, &build.schema) {
                    Some(ty) => columns.push(Column::new(new.text.as_str(), ty)),
                    None => self.unknown_column(&old.text, old.span, &build.schema),
                },
            }
        }
        if columns.len() > build.schema.columns().len() {
            let made = columns.iter().enumerate().skip(build.schema.columns().len());
            let slots = made.map(|(at, column)| (at, Node::unknown(column.ty)));
            build.stages.push(Stage::Extend(slots.collect()));
        }
        build.schema = build.schema.reshaped(columns, true);
    }

    pub(super) fn reorder(&mut self, orders: &[(Name, Reorder)], build: &mut Build) {
        let mut front: Vec<usize> = Vec::new();
        let mut moved: HashSet<usize> = HashSet::new();
        for (pattern, order) in orders {
            let mut found = self.matching(std::slice::from_ref(pattern), build);
            let name = |at: &usize| build.schema.columns().get(*at).map(|column| column.name.to_lowercase());
            let by_number = |at: &usize| name(at).map(|name| numbered(&name));
            match order {
                Reorder::AsIs => {}
                Reorder::Ascending => found.sort_by_key(name),
                Reorder::Descending => found.sort_by_key(|at| Reverse(name(at))),
                Reorder::AscendingByNumber => found.sort_by_key(by_number),
                Reorder::DescendingByNumber => found.sort_by_key(|at| Reverse(by_number(at))),
            }
            front.extend(found.into_iter().filter(|at| moved.insert(*at)));
        }
        let rest: Vec<usize> = (0..build.schema.columns().len()).filter(|at| !moved.contains(at)).collect();
        // A pattern with a star takes what no other pattern names.
        front.extend(rest);
        build.pick(&front);
    }
}

/// A name as texts and the numbers between them; a number as how many digits it has, and these.
fn numbered(name: &str) -> Vec<(String, usize, String)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let (text, behind) = rest.split_at(rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len()));
        let (digits, behind) = behind.split_at(behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len()));
        let number = digits.trim_start_matches('0');
        parts.push((text.to_owned(), number.len(), number.to_owned()));
        rest = behind;
    }
    parts
}
