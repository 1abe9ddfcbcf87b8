//! Functions of a row and the rows around it. They need rows in order, and are computed by a stage of their own.

use crate::kql::value::Type;

/// One of them.
#[derive(Debug)]
pub(in crate::kql) struct Window {
    pub(in crate::kql) name: &'static str,
    pub(in crate::kql) kind: Kind,
    /// Fewest and most arguments.
    pub(in crate::kql) args: (usize, usize),
    /// The result by the types of the arguments; `None` when they do not fit.
    pub(in crate::kql) gives: fn(&[Type]) -> Option<Type>,
    /// One sentence for the reference.
    pub(in crate::kql) doc: &'static str,
}

/// What it computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kql) enum Kind {
    RowNumber,
    Prev,
    Next,
    Sum,
    RankDense,
    RankMin,
    Session,
}

pub(in crate::kql) const WINDOWS: &[Window] = &[
    Window {
        name: "row_number",
        kind: Kind::RowNumber,
        args: (0, 2),
        gives: |_| Some(Type::Long),
        doc: "The number of the row: first number, whether to begin again here.",
    },
    Window {
        name: "prev",
        kind: Kind::Prev,
        args: (1, 3),
        gives: |types| types.first().copied(),
        doc: "The value of a row before this one: value, how many rows, otherwise.",
    },
    Window {
        name: "next",
        kind: Kind::Next,
        args: (1, 3),
        gives: |types| types.first().copied(),
        doc: "The value of a row after this one: value, how many rows, otherwise.",
    },
    Window {
        name: "row_cumsum",
        kind: Kind::Sum,
        args: (1, 2),
        gives: |types| match types.first()? {
            ty @ (Type::Int | Type::Long | Type::Real | Type::Timespan) => Some(*ty),
            _ => None,
        },
        doc: "The sum so far: value, whether to begin again here.",
    },
    Window {
        name: "row_rank_dense",
        kind: Kind::RankDense,
        args: (1, 2),
        gives: |_| Some(Type::Long),
        doc: "The rank of the row, without gaps: value, whether to begin again here.",
    },
    Window {
        name: "row_rank_min",
        kind: Kind::RankMin,
        args: (1, 2),
        gives: |_| Some(Type::Long),
        doc: "The rank of the row, equal rows having the least: value, whether to begin again here.",
    },
    Window {
        name: "row_window_session",
        kind: Kind::Session,
        args: (3, 4),
        gives: |types| {
            let fits = matches!(types, [Type::DateTime, Type::Timespan, Type::Timespan, ..]);
            fits.then_some(Type::DateTime)
        },
        doc: "The first moment of the session a row belongs to: moment, longest session, longest gap, whether to begin again.",
    },
];

/// The window function of that name.
pub(in crate::kql) fn window(name: &str) -> Option<&'static Window> {
    WINDOWS.iter().find(|window| window.name == name)
}
