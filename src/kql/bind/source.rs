//! Where rows come from.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::evaluate::names_in;
use super::names::{Names, fits};
use super::{Binder, Meaning, STAGES};
use crate::diagnostics::{Finding, Level, Span, quoted, suggest};
use crate::kql::ast::{self, Expr, ExprKind, Leg, Name, Named, Pipeline, Search, StepKind};
use crate::kql::grid::Grid;
use crate::kql::ir::Node;
use crate::kql::plan::{From, Plan, Prepared, Stage};
use crate::kql::schema::{Catalog, Column, Lacking, Schema, TABLE_NAME};
use crate::kql::table::Table;
use crate::kql::value::{Type, Val, Value};

/// Functions that give rows.
pub(super) const FUNCTIONS: [&str; 4] = ["materialize", "table", "_GetWatchlist", "view"];

/// A plan that is being built, and the columns of its rows so far.
#[derive(Debug, Clone)]
pub(super) struct Build {
    pub(super) from: From,
    pub(super) stages: Vec<Stage>,
    pub(super) schema: Schema,
    /// Whether the order of the rows means something.
    pub(super) serialized: bool,
    /// The table these rows are, as long as nothing was done with them.
    pub(super) name: Option<String>,
}

impl Build {
    pub(super) const fn new(from: From, schema: Schema) -> Self {
        Self { from, stages: Vec::new(), schema, serialized: false, name: None }
    }

    /// Rows after a mistake: what they are nobody knows, so only what is wrong whatever they are is found in what follows.
    fn broken() -> Self {
        let from = From::Input;
        Self { serialized: true, ..Self::new(from, Schema::default().guess()) }
    }

    /// The rows as they are, hidden columns and all.
    pub(super) fn plan(self) -> Plan {
        Plan { from: self.from, stages: self.stages, columns: self.schema.columns().to_vec() }
    }

    /// How deeply rows are handed on.
    fn depth(&self) -> usize {
        crate::kql::plan::depth(&self.from, &self.stages)
    }

    /// The slots that are not hidden.
    pub(super) fn shown(&self) -> Vec<usize> {
        let columns = self.schema.columns().iter().enumerate();
        columns.filter(|(_, column)| !column.is_hidden()).map(|(at, _)| at).collect()
    }

    /// Keeps those columns, in that order.
    pub(super) fn pick(&mut self, kept: &[usize]) {
        let columns: Vec<Column> = kept.iter().filter_map(|at| self.schema.columns().get(*at)).cloned().collect();
        let nodes = kept.iter().zip(&columns).map(|(at, column)| Node::slot(*at, column.ty)).collect();
        self.schema = self.schema.reshaped(columns, true);
        self.stages.push(Stage::Project(nodes));
    }

    /// Adds those of the columns that it lacks, with nothing in them; how many they are.
    fn fill<'c>(&mut self, columns: impl Iterator<Item = &'c Column>) -> usize {
        let old = self.schema.columns().len();
        let lacking: Vec<Column> =
            columns.filter(|column| self.schema.index(&column.name).is_none()).cloned().collect();
        let added = lacking.len();
        if added > 0 {
            let nothing = |(at, column): (usize, &Column)| (at, Node::constant(column.ty.nothing(), column.ty));
            self.stages.push(Stage::Extend((old..).zip(&lacking).map(nothing).collect()));
            let all: Vec<Column> = self.schema.columns().iter().cloned().chain(lacking).collect();
            self.schema = self.schema.reshaped(all, true);
        }
        added
    }
}

impl Binder<'_, '_> {
    /// Rows and the steps on them.
    pub(super) fn pipeline(&mut self, pipeline: &Pipeline) -> Option<Build> {
        let span = pipeline.steps.first().map_or_else(Span::default, |step| step.span);
        self.deeper(span, |binder| {
            binder.apart(|binder| {
                let before = binder.mistakes();
                let mut build = binder.source(&pipeline.from);
                if let Some(rows) = &build {
                    binder.fits(&rows.schema, span)?;
                }
                if let Some(rows) = build.as_mut().filter(|_| binder.mistakes() > before) {
                    rows.schema = rows.schema.clone().unsure();
                }
                let mut whole = build.is_some();
                for step in &pipeline.steps {
                    if binder.limited {
                        return None;
                    }
                    let rows = build.get_or_insert_with(Build::broken);
                    let before = binder.mistakes();
                    if binder.step(step, rows).and_then(|()| binder.fits(&rows.schema, step.span)).is_none() {
                        (whole, build) = (false, None);
                    } else if binder.mistakes() > before && !makes_no_columns(&step.kind) {
                        rows.schema = rows.schema.clone().unsure();
                    }
                }
                if build.as_ref().is_some_and(|build| build.depth() > STAGES) {
                    binder.too_deep(span);
                    return None;
                }
                build.filter(|_| whole)
            })
        })
    }

    /// A plan whose result has no hidden columns.
    pub(super) fn finished(mut build: Build) -> Plan {
        let shown = build.shown();
        if shown.len() < build.schema.columns().len() {
            build.pick(&shown);
        }
        build.plan()
    }

    fn source(&mut self, from: &ast::From) -> Option<Build> {
        match from {
            ast::From::Error => None,
            ast::From::Nested(inner) => self.pipeline(inner),
            ast::From::Table(name) => self.table(name),
            ast::From::Print(values) => self.print(values),
            ast::From::Datatable { columns, cells, span } => self.datatable(columns, cells, *span),
            ast::From::Range(name, ends) => self.range(name, ends),
            ast::From::Union(union) => self.union(None, union),
            ast::From::Search(search) => self.search_tables(search),
            ast::From::Call { name, args, span } => self.rows_call(name, args, *span),
            ast::From::External { columns, from, with, span } => self.external(columns, from, with, *span),
            ast::From::Input => {
                let (schema, serialized) = self.input.last().cloned()?;
                Some(Build { serialized, ..Build::new(From::Input, schema) })
            }
        }
    }

    fn print(&mut self, values: &[Named]) -> Option<Build> {
        let mut names = Names::default();
        let mut nodes = Vec::new();
        for (at, value) in values.iter().enumerate() {
            // Of several columns as many as have names, or all when none has.
            let most = if value.name.is_some() { 1 + value.more.len() } else { usize::MAX };
            let several = self.columns_of(value, &Schema::default()).into_iter().take(most).collect::<Vec<_>>();
            let alone = several.len() == 1;
            for (made, node) in several {
                let derived = if alone { Some(format!("print_{at}")) } else { made.derived };
                names.named(self, made.name.as_ref(), derived, node.as_ref().map_or(Type::Dynamic, |node| node.ty));
                nodes.push(node);
            }
        }
        let nodes: Vec<Node> = nodes.into_iter().collect::<Option<_>>()?;
        Some(Build::new(From::Print(nodes), names.columns.into()))
    }

    fn range(&mut self, name: &Name, ends: &[Expr; 3]) -> Option<Build> {
        let nodes = ends.each_ref().map(|end| self.expr(end, &Schema::default()));
        let [Some(low), Some(high), Some(step)] = nodes else { return None };
        let number = [low.ty, high.ty, step.ty].iter().all(|ty| ty.is_number());
        let ty = match low.ty {
            _ if number && [low.ty, high.ty, step.ty].contains(&Type::Real) => Some(Type::Real),
            _ if number && [low.ty, high.ty, step.ty] == [Type::Int; 3] => Some(Type::Int),
            _ if number => Some(Type::Long),
            Type::DateTime if high.ty == Type::DateTime && step.ty == Type::Timespan => Some(Type::DateTime),
            Type::Timespan if high.ty == Type::Timespan && step.ty == Type::Timespan => Some(Type::Timespan),
            _ => None,
        };
        let Some(ty) = ty else {
            let finding = Finding::error("kql/type", "a range runs over numbers, datetimes or timespans");
            self.wrong(name.span, finding.help("give both ends the same type, and a step that can be added"));
            return None;
        };
        if step.as_const().is_some_and(is_zero) {
            let finding = Finding::error("kql/range", "the step is zero: such a range never ends");
            self.wrong(ends.last().map_or(name.span, |step| step.span), finding.help("write another step"));
            return None;
        }
        let schema = vec![Column::new(name.text.as_str(), ty)].into();
        Some(Build { serialized: true, ..Build::new(From::Range(Box::new([low, high, step])), schema) })
    }

    pub(super) fn table(&mut self, name: &Name) -> Option<Build> {
        match self.let_named(&name.text) {
            Some(Meaning::Rows(build)) => {
                self.more(crate::kql::plan::weight(&build.from, &build.stages), name.span)?;
                self.more_columns(build.schema.columns().len(), name.span)?;
                return Some(Build { name: Some(name.text.clone()), ..Build::clone(&build) });
            }
            Some(Meaning::Broken) => return None,
            Some(Meaning::Scalar(..)) => {
                let message = format!("{} is a value, not a table", quoted(&name.text));
                self.wrong(name.span, Finding::error("kql/type", message));
                return None;
            }
            Some(Meaning::Function(_)) => return self.rows_call(name, &[], name.span),
            None => {}
        }
        let found = self.known_table(&name.text);
        if let Some(rows) = &found {
            self.more_columns(rows.schema.columns().len(), name.span)?;
        }
        match &found {
            None => self.unknown_table(name),
            Some(_) if self.catalog.is_some_and(|catalog| !catalog.knows(&name.text)) => {
                let message =
                    format!("the table {} is not known here; its columns are not checked", quoted(&name.text));
                let names = self.table_names(Level::Warning);
                let near = suggest::nearest(&name.text, names.iter().map(String::as_str)).map(ToOwned::to_owned);
                let finding = Finding::warning("kql/unknown-table", message).help_nearest(near.as_deref());
                self.wrong(name.span, self.with_remedy(finding, Some(Lacking::Table)));
            }
            Some(_) => {}
        }
        found
    }

    fn known_table(&self, name: &str) -> Option<Build> {
        let schema = self.catalog?.schema(name)?;
        let columns = schema.columns().to_vec();
        let from = From::Table { name: name.to_owned(), columns, open: schema.is_open() };
        Some(Build { name: Some(name.to_owned()), ..Build::new(from, schema) })
    }

    /// The names of all tables, where a finding of that level is shown.
    fn table_names(&self, level: Level) -> Vec<String> {
        self.catalog.filter(|_| self.report.shows(level)).map(Catalog::names).unwrap_or_default()
    }

    fn unknown_table(&mut self, name: &Name) {
        let names = self.table_names(Level::Error);
        let tables =
            self.lets.iter().filter(|(_, meaning)| matches!(meaning, Meaning::Rows(_))).map(|(name, _)| &**name);
        let near = suggest::nearest(&name.text, names.iter().map(String::as_str).chain(tables)).map(ToOwned::to_owned);
        let finding = Finding::error("kql/unknown-table", format!("there is no table {}", quoted(&name.text)));
        let finding = finding.help_nearest(near.as_deref());
        self.wrong(name.span, self.with_remedy(finding, Some(Lacking::Table)));
    }

    /// A function that gives rows, in the place of a table.
    pub(super) fn rows_call(&mut self, name: &Name, args: &[Expr], span: Span) -> Option<Build> {
        if matches!(self.let_named(&name.text), Some(Meaning::Function(_))) {
            return self.call_rows(name, args, None, span);
        }
        match (&*name.text, args) {
            ("materialize" | "view", [rows]) => {
                let build = self.rows_of(rows)?;
                Some(self.shared(build))
            }
            ("table", [table, ..]) => {
                let node = self.constant(table, Type::String, "the name of a table")?;
                let Some(text) = node.as_const().and_then(Val::as_str) else {
                    self.unsupported(table.span, "a table whose name is computed", "name the table");
                    return None;
                };
                self.table(&Name { text: text.to_owned(), span: table.span })
            }
            ("_GetWatchlist", [alias]) => {
                let node = self.constant(alias, Type::String, "the alias of a watchlist")?;
                let alias_text = node.as_const().and_then(Val::as_str).unwrap_or_default().to_owned();
                match self.catalog?.watchlist(&alias_text) {
                    Ok(None) => Some(unseen_watchlist()),
                    Ok(Some(table)) => self.given(Ok(table), alias.span, "the watchlist", &alias_text),
                    Err(why) => self.given(Err(why), alias.span, "the watchlist", &alias_text),
                }
            }
            _ => {
                let message = format!("there is no function {} that gives rows here", quoted(&name.text));
                let functions = self.lets.iter().filter(|(_, meaning)| matches!(meaning, Meaning::Function(_)));
                let known = functions.map(|(name, _)| &**name).chain(FUNCTIONS);
                let known = known.filter(|_| self.report.shows(Level::Error));
                let near = suggest::nearest(&name.text, known).map(ToOwned::to_owned);
                let finding = Finding::error("kql/unknown-function", message);
                self.wrong(name.span, finding.help_nearest(near.as_deref()));
                None
            }
        }
    }

    fn given(&mut self, answer: Result<Table, String>, span: Span, what: &str, name: &str) -> Option<Build> {
        match answer {
            Ok(table) => {
                let schema = table.schema();
                Some(Build::new(From::Rows(Arc::new(table.rows)), schema))
            }
            Err(why) => {
                let message = format!("{what} {} cannot be read: {why}", quoted(name));
                self.wrong(span, Finding::error("kql/unsupported", message));
                None
            }
        }
    }

    /// Rows that are made once, however often they are named.
    pub(super) fn shared(&mut self, build: Build) -> Build {
        let (schema, serialized) = (build.schema.clone(), build.serialized);
        self.prepared.push(Prepared::Rows(build.plan()));
        Build { serialized, ..Build::new(From::Prepared(self.prepared.len() - 1), schema) }
    }

    /// The rows that an argument stands for.
    pub(super) fn rows_of(&mut self, expr: &Expr) -> Option<Build> {
        match &expr.kind {
            ExprKind::Rows(pipeline) => self.pipeline(pipeline),
            ExprKind::Name(name) => self.table(&Name { text: name.clone(), span: expr.span }),
            ExprKind::Call { name, operator: false, args } => self.rows_call(name, args, expr.span),
            ExprKind::Error => None,
            ExprKind::Literal(..)
            | ExprKind::Property(..)
            | ExprKind::Element(..)
            | ExprKind::Call { .. }
            | ExprKind::Star
            | ExprKind::Assign(..) => {
                self.wrong(expr.span, Finding::error("kql/type", "rows are wanted here, but this is a value"));
                None
            }
        }
    }

    fn datatable(&mut self, columns: &[(Name, Type)], cells: &[Expr], span: Span) -> Option<Build> {
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
        let rows = Grid::of(columns.len(), rows);
        Some(Build::new(From::Rows(Arc::new(rows)), typed_columns(columns).into()))
    }

    /// A cell must be a literal; it is converted to the type of its column.
    fn cell(&mut self, cell: &Expr, ty: Type) -> Option<Value> {
        let node = self.expr(cell, &Schema::default())?;
        let Some(value) = node.as_const().filter(|_| is_literal(cell)) else {
            let finding = Finding::error("kql/datatable", "a cell must be a literal");
            self.wrong(cell.span, finding.help("compute with it in an extend that follows"));
            return None;
        };
        let value = crate::kql::eval::convert::convert(value.clone(), ty);
        Some(if value.is_null() { ty.nothing() } else { value })
    }

    /// The legs of a union or a search: each with the name it goes by.
    pub(super) fn legs(&mut self, legs: &[Leg], fuzzy: bool, first: usize) -> Option<Vec<(String, Build)>> {
        let mut all = Vec::new();
        let mut broken = false;
        for (at, leg) in legs.iter().enumerate() {
            match leg {
                Leg::Wild(pattern) => {
                    let before = all.len();
                    for name in self.catalog.map(Catalog::names).unwrap_or_default() {
                        let fitting = Some(&name).filter(|name| fits(&pattern.text, name));
                        if let Some(build) = fitting.and_then(|name| self.known_table(name)) {
                            self.more_columns(build.schema.columns().len(), pattern.span)?;
                            all.push((name, build));
                        }
                    }
                    for name in self.views(&pattern.text) {
                        let build = self.call_rows(&name, &[], None, name.span);
                        all.extend(build.map(|build| (name.text, build)));
                    }
                    if all.len() == before && !fuzzy {
                        let message = format!("no table fits {}", quoted(&pattern.text));
                        self.wrong(pattern.span, Finding::error("kql/unknown-table", message));
                        broken = true;
                    }
                }
                Leg::One(pipeline) => {
                    if fuzzy && self.is_missing(pipeline) {
                        continue;
                    }
                    match self.pipeline(pipeline) {
                        Some(build) => {
                            let name = build.name.clone().unwrap_or_else(|| format!("union_arg{}", at + first));
                            all.push((name, build));
                        }
                        None => broken = true,
                    }
                }
            }
        }
        (!broken).then_some(all)
    }

    /// The functions that stand among the tables.
    fn views(&self, pattern: &str) -> Vec<Name> {
        let views = self.lets.iter().filter(|(name, meaning)| {
            matches!(meaning, Meaning::Function(lambda) if lambda.view && lambda.params.is_empty())
                && fits(pattern, name)
        });
        views.map(|(name, _)| Name { text: name.to_string(), span: Span::default() }).collect()
    }

    /// Whether the table a leg begins with does not exist.
    fn is_missing(&self, pipeline: &Pipeline) -> bool {
        match &pipeline.from {
            ast::From::Table(name) => {
                self.let_named(&name.text).is_none()
                    && self.catalog.is_none_or(|catalog| catalog.schema(&name.text).is_none())
            }
            ast::From::Nested(inner) => self.is_missing(inner),
            _ => false,
        }
    }

    fn search_tables(&mut self, search: &Search) -> Option<Build> {
        let all = [Leg::Wild(Name { text: "*".to_owned(), span: search.span })];
        let legs = if search.tables.is_empty() { &all[..] } else { &search.tables };
        let mut found = self.legs(legs, false, 0)?;
        let wanted: HashSet<String> = names_in(&search.what).into_iter().collect();
        let mut named: BTreeMap<Arc<str>, Column> = BTreeMap::new();
        for column in found.iter().flat_map(|(_, build)| build.schema.columns()) {
            if wanted.contains(&*column.name) {
                named.entry(column.name.clone()).or_insert_with(|| column.clone());
            }
        }
        self.more_columns(found.len().saturating_mul(named.len()), search.span)?;
        for (name, build) in &mut found {
            // A column that only other tables have is empty here.
            let added = build.fill(named.values());
            self.search(search, name, build)?;
            let kept: Vec<usize> = (0..build.schema.columns().len().saturating_sub(added)).collect();
            if added > 0 {
                build.pick(&kept);
            }
        }
        self.joined(found, None, false, search.span)
    }

    /// Columns of rows that only the data knows: known when it runs, guessed before.
    #[expect(clippy::option_option, reason = "the outer says whether it went well, the inner whether it is known yet")]
    pub(super) fn late(&mut self, build: &Build) -> Option<Option<Table>> {
        self.late = true;
        let Some(oracle) = self.oracle else { return Some(None) };
        let plan = Self::finished(build.clone());
        let program = crate::kql::plan::Program { prepared: self.prepared.clone(), plan };
        match (oracle.run)(&program) {
            Ok(table) => Some(Some(table)),
            Err(error) => {
                self.failed.get_or_insert(error);
                None
            }
        }
    }
}

/// Whether a mistake in the step leaves no column in doubt.
const fn makes_no_columns(step: &StepKind) -> bool {
    matches!(step, StepKind::Where(_) | StepKind::Order(_) | StepKind::Take(_) | StepKind::Count(_))
}

/// A watchlist whose columns nobody here knows, but for the one that each has. They are texts at the service, which may also
/// hold numbers and dates.
///
/// Source: Microsoft Sentinel, "Use watchlists in queries"; `_GetWatchlist` reads the table `Watchlist`.
fn unseen_watchlist() -> Build {
    let schema = Schema::new([("SearchKey", Type::String)]).open();
    let from = From::Table { name: "Watchlist".to_owned(), columns: schema.columns().to_vec(), open: true };
    Build::new(from, schema)
}

/// Whether it is a literal, perhaps with its sign.
fn is_literal(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(..) => true,
        ExprKind::Call { name, operator: true, args } if name.text == "neg" => args.iter().all(is_literal),
        _ => false,
    }
}

/// The rows of a `let`.
pub(super) fn nested(build: Build) -> Build {
    let (schema, serialized) = (build.schema.clone(), build.serialized);
    let from = match (build.from, build.stages.is_empty()) {
        (from @ (From::Table { .. } | From::Prepared(_) | From::Nested(_)), true) => from,
        (from, _) => From::Nested(Arc::new(Build { from, ..build }.plan())),
    };
    Build { serialized, ..Build::new(from, schema) }
}

pub(super) fn typed_columns(columns: &[(Name, Type)]) -> Vec<Column> {
    columns.iter().map(|(name, ty)| Column::new(name.text.as_str(), *ty)).collect()
}

/// Whether it is no number and no length of time to go on by.
fn is_zero(step: &Value) -> bool {
    match step {
        Val::Real(step) => *step == 0.0,
        Val::Timespan(ticks) => *ticks == 0,
        step => step.as_long() == Some(0),
    }
}

/// The column in which `search` says where a row is from.
pub(super) fn table_column() -> Column {
    Column::new(TABLE_NAME, Type::String)
}
