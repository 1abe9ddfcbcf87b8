//! A checked query: a source and stages over rows of slots.

use std::sync::Arc;

use regex::Regex;

use super::aggregates::Aggregate;
use super::functions::windows::Window;
use super::grid::Grid;
use super::ir::Node;
use super::schema::Column;
use super::value::Type;

/// What a query does: what is prepared once, and the rows it gives.
#[derive(Debug, Clone)]
pub(super) struct Program {
    /// In this order; each may use those before it.
    pub(super) prepared: Vec<Prepared>,
    pub(super) plan: Plan,
}

/// Something that is worked out once a run.
#[derive(Debug, Clone)]
pub(super) enum Prepared {
    /// A `let` that is no constant.
    Scalar(Node),
    /// `toscalar`: the first column of the first row.
    First(Plan, Type),
    /// The first column as an array.
    List(Plan),
    /// The first column, to look values up in.
    Set { plan: Plan, any_case: bool },
    /// `materialize` and `as`.
    Rows(Plan),
}

/// Rows and what is done with them.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) from: From,
    pub(super) stages: Vec<Stage>,
    /// The columns after the last stage.
    pub(super) columns: Vec<Column>,
}

#[derive(Debug, Clone)]
pub(super) enum From {
    Table {
        name: String,
        columns: Vec<Column>,
        /// Whether there are columns beside them that nobody knew of: such a plan is for checking only.
        open: bool,
    },
    Rows(Arc<Grid>),
    /// One row of computed values.
    Print(Vec<Node>),
    Range(Box<[Node; 3]>),
    Nested(Arc<Plan>),
    /// What [`Prepared::Rows`] holds.
    Prepared(usize),
    /// One after the other; all have the same columns.
    Union(Vec<Plan>),
    /// What the surrounding operator gives.
    Input,
}

/// One operator.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    Where(Node),
    /// Values for slots; a slot past the end is added.
    Extend(Vec<(usize, Node)>),
    Project(Vec<Node>),
    Order(Vec<Key>),
    Take(Node),
    Count,
    Distinct,
    Summarize {
        by: Vec<Node>,
        folds: Vec<Fold>,
    },
    Join(Box<Join>),
    /// One row for each element.
    Expand(Box<Expand>),
    /// The steps on the rows each row expands to.
    Apply {
        expand: Box<Expand>,
        body: Plan,
    },
    Parse(Box<Parse>),
    ParseKv(Box<ParseKv>),
    /// Values that depend on other rows, added behind the columns.
    Windows(Vec<WindowCall>),
    MakeSeries(Box<Series>),
    TopNested(Vec<Level>),
    Partition {
        by: Node,
        body: Plan,
    },
}

/// One key of an order.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) node: Node,
    pub(super) ascending: bool,
    pub(super) nulls_first: bool,
}

/// What summarize computes over a group.
#[derive(Debug, Clone)]
pub(super) enum Fold {
    /// The values of one aggregate.
    One { aggregate: &'static Aggregate, args: Vec<Node>, types: Vec<Type> },
    /// The key and further values of the row with the largest or smallest key.
    Best { largest: bool, key: Node, values: Vec<Node> },
}

impl Fold {
    /// How many columns it gives.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::One { types, .. } => types.len(),
            Self::Best { values, .. } => 1 + values.len(),
        }
    }
}

/// Which rows of the two sides meet, and which rows without a match stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JoinKind {
    Inner,
    /// As inner, of the left rows with one key only the first.
    InnerUnique,
    LeftOuter,
    RightOuter,
    FullOuter,
    LeftSemi,
    RightSemi,
    LeftAnti,
    RightAnti,
}

#[derive(Debug, Clone)]
pub(super) struct Join {
    pub(super) kind: JoinKind,
    /// Of the left row, of the right row; in pairs of one type.
    pub(super) keys: Vec<(Node, Node)>,
    pub(super) right: Plan,
    /// The types of the left columns, to fill a row that has no left side.
    pub(super) left: Vec<Type>,
    /// The right columns that the result has, for kinds that show both sides.
    pub(super) shown: Vec<usize>,
}

/// `mv-expand`.
#[derive(Debug, Clone)]
pub(super) struct Expand {
    /// The array or bag, the slot for its elements, and their type.
    pub(super) columns: Vec<(Node, usize, Type)>,
    /// The slot of the index.
    pub(super) index: Option<usize>,
    pub(super) limit: Option<Node>,
    /// Whether a property becomes an array of name and value instead of a bag.
    pub(super) pairs: bool,
    /// Whether a row without elements stays, with null.
    pub(super) keeps_empty: bool,
}

/// `parse` and `parse-where`.
#[derive(Debug, Clone)]
pub(super) struct Parse {
    pub(super) value: Node,
    pub(super) pattern: Regex,
    /// For each [`column_group`]: its slot and type.
    pub(super) columns: Vec<(usize, Type)>,
    pub(super) only_matches: bool,
    /// Whether a column that does not convert is null, instead of making the row no match.
    pub(super) relaxed: bool,
}

/// The name of the group of a column in the pattern of a [`Parse`].
pub(super) fn column_group(column: usize) -> String {
    format!("__column_{column}")
}

/// `parse-kv`.
#[derive(Debug, Clone)]
pub(super) struct ParseKv {
    pub(super) value: Node,
    /// Name, slot and type.
    pub(super) columns: Vec<(String, usize, Type)>,
    /// Without both, anything but letters and digits delimits.
    pub(super) pair_delimiter: Option<String>,
    pub(super) kv_delimiter: Option<String>,
    /// Opening and closing quotes.
    pub(super) quotes: Vec<(char, char)>,
    pub(super) escape: Option<char>,
    pub(super) greedy: bool,
}

/// A call of `row_number`, `prev` and their kin.
#[derive(Debug, Clone)]
pub(super) struct WindowCall {
    pub(super) window: &'static Window,
    pub(super) args: Vec<Node>,
    pub(super) ty: Type,
}

/// `make-series`.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) by: Vec<Node>,
    pub(super) on: Node,
    /// Each with its value where there are no rows.
    pub(super) folds: Vec<(Fold, Node)>,
    pub(super) from: Option<Node>,
    pub(super) to: Option<Node>,
    pub(super) step: Node,
    pub(super) closed: bool,
    /// `kind=nonempty`: one series of defaults when there are no rows.
    pub(super) nonempty: bool,
}

/// A level of `top-nested`.
#[derive(Debug, Clone)]
pub(super) struct Level {
    pub(super) rows: Option<Node>,
    pub(super) of: Node,
    pub(super) others: Option<Node>,
    pub(super) by: Fold,
    pub(super) ascending: bool,
}

impl Plan {
    /// Calls `visit` with the name of each table that is read.
    pub(super) fn tables<'p>(&'p self, visit: &mut dyn FnMut(&'p str, bool)) {
        match &self.from {
            From::Table { name, open, .. } => visit(name, *open),
            From::Nested(inner) => inner.tables(visit),
            From::Union(legs) => legs.iter().for_each(|leg| leg.tables(visit)),
            From::Rows(_) | From::Print(_) | From::Range(_) | From::Prepared(_) | From::Input => {}
        }
        for stage in &self.stages {
            match stage {
                Stage::Join(join) => join.right.tables(visit),
                Stage::Apply { body, .. } | Stage::Partition { body, .. } => body.tables(visit),
                Stage::Where(_)
                | Stage::Extend(_)
                | Stage::Project(_)
                | Stage::Order(_)
                | Stage::Take(_)
                | Stage::Count
                | Stage::Distinct
                | Stage::Summarize { .. }
                | Stage::Expand(_)
                | Stage::Parse(_)
                | Stage::ParseKv(_)
                | Stage::Windows(_)
                | Stage::MakeSeries(_)
                | Stage::TopNested(_) => {}
            }
        }
    }

    /// How deeply rows are handed on: stages, and rows inside of rows.
    pub(super) fn depth(&self) -> usize {
        depth(&self.from, &self.stages)
    }
}

/// How many sources and stages there are, each as often as it is run.
pub(super) fn weight(from: &From, stages: &[Stage]) -> usize {
    let whole = |plan: &Plan| weight(&plan.from, &plan.stages);
    let from = match from {
        From::Nested(inner) => whole(inner),
        From::Union(legs) => legs.iter().map(whole).sum(),
        From::Table { .. } | From::Rows(_) | From::Print(_) | From::Range(_) | From::Prepared(_) | From::Input => 0,
    };
    let inside = stages.iter().map(|stage| match stage {
        Stage::Join(join) => whole(&join.right),
        Stage::Apply { body, .. } | Stage::Partition { body, .. } => whole(body),
        _ => 0,
    });
    1 + from + stages.len() + inside.sum::<usize>()
}

/// As [`Plan::depth`], of a plan that is not complete.
pub(super) fn depth(from: &From, stages: &[Stage]) -> usize {
    let from = match from {
        From::Nested(inner) => inner.depth() + 1,
        From::Union(legs) => legs.iter().map(Plan::depth).max().unwrap_or(0) + 1,
        From::Table { .. } | From::Rows(_) | From::Print(_) | From::Range(_) | From::Prepared(_) | From::Input => 0,
    };
    let inside = stages.iter().map(|stage| match stage {
        Stage::Join(join) => join.right.depth(),
        Stage::Apply { body, .. } | Stage::Partition { body, .. } => body.depth(),
        _ => 0,
    });
    from + stages.len() + inside.max().unwrap_or(0)
}

impl Program {
    /// Calls `visit` with the name of each table that is read, and whether its columns are only guessed.
    pub(super) fn tables<'p>(&'p self, visit: &mut dyn FnMut(&'p str, bool)) {
        self.plan.tables(visit);
        for prepared in &self.prepared {
            match prepared {
                Prepared::First(plan, _) | Prepared::List(plan) | Prepared::Set { plan, .. } | Prepared::Rows(plan) => {
                    plan.tables(visit);
                }
                Prepared::Scalar(_) => {}
            }
        }
    }
}
