//! The syntax tree. Every node has its place; what could not be parsed is an error node, already reported.

use super::value::{Type, Value};
use crate::diagnostics::Span;

/// A word and where it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) span: Span,
}

/// A scalar expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expr {
    pub(super) kind: ExprKind,
    pub(super) span: Span,
    /// Levels of nodes from here down; bounded by the parser so that a walk may recurse.
    pub(super) height: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum ExprKind {
    /// Something wrong that has been reported.
    Error,
    /// A literal; a null has its type beside it.
    Literal(Value, Type),
    /// A column or a `let` name.
    Name(String),
    /// `base.name` and `base["name"]`.
    Property(Box<Expr>, String),
    /// `base[index]`.
    Element(Box<Expr>, Box<Expr>),
    /// A function, or an operator with its operands (`and` and `or` with all of theirs).
    Call { name: Name, operator: bool, args: Vec<Expr> },
    /// `*`, as in `arg_max(t, *)`.
    Star,
    /// `name = value`, as an argument.
    Assign(Name, Box<Expr>),
    /// Rows where a value may stand: `toscalar(T | count)`, `x in (T | project y)`.
    Rows(Box<Pipeline>),
}

impl Expr {
    pub(super) fn new(kind: ExprKind, span: Span) -> Self {
        let below = match &kind {
            ExprKind::Error | ExprKind::Literal(..) | ExprKind::Name(_) | ExprKind::Star | ExprKind::Rows(_) => 0,
            ExprKind::Property(base, _) | ExprKind::Assign(_, base) => base.height,
            ExprKind::Element(base, index) => base.height.max(index.height),
            ExprKind::Call { args, .. } => args.iter().map(|arg| arg.height).max().unwrap_or(0),
        };
        Self { kind, span, height: below + 1 }
    }

    pub(super) fn error(span: Span) -> Self {
        Self::new(ExprKind::Error, span)
    }

    pub(super) fn is_error(&self) -> bool {
        matches!(self.kind, ExprKind::Error)
    }

    /// Where the first rows of another query stand in it, with the name of the list that is read where it is one.
    pub(super) fn rows(&self) -> Option<(Span, Option<&str>)> {
        match &self.kind {
            ExprKind::Rows(pipeline) => Some((self.span, pipeline.list())),
            ExprKind::Call { name, operator: false, .. } if name.text == WATCHLIST => {
                Some((self.span, Some(WATCHLIST)))
            }
            ExprKind::Call { args, .. } => args.iter().find_map(Self::rows),
            ExprKind::Property(base, _) | ExprKind::Assign(_, base) => base.rows(),
            ExprKind::Element(base, index) => base.rows().or_else(|| index.rows()),
            ExprKind::Error | ExprKind::Literal(..) | ExprKind::Name(_) | ExprKind::Star => None,
        }
    }

    /// The text of a string literal.
    pub(super) fn as_text(&self) -> Option<&str> {
        if let ExprKind::Literal(value, Type::String) = &self.kind { value.as_str() } else { None }
    }
}

/// The function that gives the rows of a watchlist.
const WATCHLIST: &str = "_GetWatchlist";

impl Pipeline {
    /// The list that its rows come from.
    fn list(&self) -> Option<&str> {
        match &self.from {
            From::External { .. } => Some("externaldata"),
            From::Call { name, .. } if name.text == WATCHLIST => Some(WATCHLIST),
            From::Nested(inner) => inner.list(),
            From::Table(_)
            | From::Print(_)
            | From::Datatable { .. }
            | From::Range(..)
            | From::Union(_)
            | From::Search(_)
            | From::Call { .. }
            | From::Input
            | From::Error => None,
        }
    }
}

/// `name = value`, a value alone, or `(a, b) = value` for a value of several columns.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Named {
    pub(super) name: Option<Name>,
    /// The names after the first of `(a, b) = value`.
    pub(super) more: Vec<Name>,
    pub(super) value: Expr,
}

/// Statements and a result: a query, or the body of a function.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Text {
    pub(super) lets: Vec<Let>,
    pub(super) result: Option<LetValue>,
}

/// `let name = value;`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Let {
    pub(super) name: Name,
    pub(super) value: LetValue,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum LetValue {
    Scalar(Expr),
    Tabular(Box<Pipeline>),
    /// A lone name or call, which may be either.
    Alias(Expr, Box<Pipeline>),
    Function(Box<Lambda>),
}

/// `(x: long, T: (a: string, *)) { ... }`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lambda {
    /// Whether it stands among the tables: `let x = view () { ... }`.
    pub(super) view: bool,
    pub(super) params: Vec<Param>,
    pub(super) body: Text,
}

/// A parameter of a function.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Param {
    pub(super) name: Name,
    pub(super) kind: ParamKind,
    pub(super) default: Option<Expr>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum ParamKind {
    Scalar(Type),
    /// Rows with at least these columns; `open` when `*` allows others.
    Rows {
        columns: Vec<(Name, Type)>,
        open: bool,
    },
}

/// A source and what is done with its rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pipeline {
    pub(super) from: From,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum From {
    Table(Name),
    Print(Vec<Named>),
    Datatable {
        columns: Vec<(Name, Type)>,
        cells: Vec<Expr>,
        span: Span,
    },
    /// `range name from low to high step step`
    Range(Name, Box<[Expr; 3]>),
    /// `union ...` and `search ...` without rows before them.
    Union(Union),
    Search(Search),
    /// A function that gives rows.
    Call {
        name: Name,
        args: Vec<Expr>,
        span: Span,
    },
    External {
        columns: Vec<(Name, Type)>,
        from: Vec<Expr>,
        with: Vec<Setting>,
        span: Span,
    },
    Nested(Box<Pipeline>),
    /// The rows that the surrounding operator gives, in `mv-apply` and `partition`.
    Input,
    Error,
}

/// `name=value` behind an operator: `kind=inner`, `hint.shufflekey=x`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Setting {
    pub(super) name: Name,
    pub(super) value: Expr,
}

impl Setting {
    /// The value as a word: `inner`, `true`, or the text of a string.
    pub(super) fn word(&self) -> String {
        match &self.value.kind {
            ExprKind::Name(word) => word.clone(),
            ExprKind::Literal(value, _) => super::eval::convert::text_of(value).into_owned(),
            ExprKind::Error
            | ExprKind::Property(..)
            | ExprKind::Element(..)
            | ExprKind::Call { .. }
            | ExprKind::Star
            | ExprKind::Assign(..)
            | ExprKind::Rows(_) => String::new(),
        }
    }
}

/// `union kind=inner withsource=T isfuzzy=true A, (B | ...), C*`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Union {
    pub(super) options: Vec<Setting>,
    pub(super) legs: Vec<Leg>,
    pub(super) span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Leg {
    /// Tables whose names fit a pattern with `*`.
    Wild(Name),
    One(Box<Pipeline>),
}

/// `search in (A, B) "word"`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Search {
    pub(super) tables: Vec<Leg>,
    pub(super) case: Option<Setting>,
    pub(super) what: Expr,
    pub(super) span: Span,
}

/// One tabular operator.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub(super) kind: StepKind,
    pub(super) span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum StepKind {
    Where(Expr),
    Extend(Vec<Named>),
    Project(Vec<Named>),
    /// Names, which may hold `*`.
    ProjectAway(Vec<Name>),
    ProjectKeep(Vec<Name>),
    /// New name, old name.
    ProjectRename(Vec<(Name, Name)>),
    ProjectReorder(Vec<(Name, Reorder)>),
    Order(Vec<OrderBy>),
    Take(Expr),
    SampleDistinct(Expr, Named),
    /// With the name of its column, where it has one.
    Count(Option<Name>),
    /// `None` is `distinct *`.
    Distinct(Option<Vec<Named>>),
    Top(Expr, OrderBy),
    TopNested(Vec<TopLevel>),
    Summarize {
        aggregates: Vec<Named>,
        by: Vec<Named>,
    },
    Join {
        lookup: bool,
        options: Vec<Setting>,
        right: Box<Pipeline>,
        on: Vec<Expr>,
    },
    Union(Union),
    Search(Search),
    MvExpand {
        options: Vec<Setting>,
        columns: Vec<Expanded>,
        limit: Option<Expr>,
    },
    MvApply {
        options: Vec<Setting>,
        columns: Vec<Expanded>,
        limit: Option<Expr>,
        body: Box<Pipeline>,
    },
    Parse {
        only_matches: bool,
        options: Vec<Setting>,
        value: Expr,
        parts: Vec<Part>,
    },
    ParseKv {
        value: Expr,
        columns: Vec<(Name, Type)>,
        options: Vec<Setting>,
    },
    Evaluate {
        name: Name,
        args: Vec<Expr>,
        columns: Option<(Vec<(Name, Type)>, bool)>,
    },
    MakeSeries(Box<MakeSeries>),
    GetSchema,
    As(Name),
    Serialize(Vec<Named>),
    Invoke(Name, Vec<Expr>),
    Partition {
        by: Expr,
        body: Box<Pipeline>,
    },
    Render,
    Error,
}

/// How `project-reorder` orders the columns of one pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reorder {
    AsIs,
    Ascending,
    Descending,
    /// Digits in names count as numbers: `a2` comes before `a10`.
    AscendingByNumber,
    DescendingByNumber,
}

/// `name = value to typeof(type)`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expanded {
    pub(super) column: Named,
    pub(super) to: Option<Type>,
}

/// A part of the pattern of `parse`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    /// `*`
    Skip,
    Text(String),
    Column(Name, Type),
}

/// One level of `top-nested`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TopLevel {
    pub(super) rows: Option<Expr>,
    pub(super) of: Named,
    pub(super) others: Option<Expr>,
    pub(super) by: Named,
    pub(super) ascending: bool,
}

/// `make-series`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MakeSeries {
    pub(super) options: Vec<Setting>,
    /// Each with its value where there are no rows.
    pub(super) aggregates: Vec<(Named, Option<Expr>)>,
    pub(super) on: Named,
    pub(super) from: Option<Expr>,
    pub(super) to: Option<Expr>,
    pub(super) step: Expr,
    pub(super) by: Vec<Named>,
    /// `in range(from, to, step)`, whose end is part of it.
    pub(super) closed: bool,
}

/// One key of an order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OrderBy {
    pub(super) key: Expr,
    pub(super) ascending: bool,
    pub(super) nulls_first: bool,
}
