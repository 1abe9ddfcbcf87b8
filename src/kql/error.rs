//! What can go wrong while a compiled query runs.

use super::value::Type;

/// Why an evaluation stopped. What is wrong with the *text* of a query is a finding instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KqlError {
    /// A limit was reached; nothing of the result may be used.
    #[error("it was stopped at a limit, more than {limit} {what}; narrow it")]
    Limit {
        /// What there was too much of: `steps`, `rows`, `bytes of values`, `bytes of regular expression`, `bytes of a compiled
        /// regular expression`.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
    },
    /// The rows do not fit the schema the query was compiled against.
    #[error(
        "column {column} holds a {found} where the query was compiled for a {expected}; compile it against this table"
    )]
    RowShape {
        /// Index of the column.
        column: usize,
        /// The type of the schema.
        expected: Type,
        /// What is there.
        found: &'static str,
    },
    /// It was compiled for a table whose columns were not known.
    #[error(
        "the query was only checked, against an open schema; compile it against the columns of the table to run it"
    )]
    OpenSchema,
    /// A table the query names is not there.
    #[error("there is no table {0:?}; the query was compiled against a catalogue that had it")]
    MissingTable(String),
    /// A regular expression that only exists at run time cannot be compiled.
    #[error("{0}; write a regular expression of the RE2 syntax")]
    Regex(String),
    /// Columns that only the data knows are not what the rest of the query wants.
    #[error("with the columns this data has, the query is wrong: {0}")]
    Late(String),
    /// Rows that are read one by one cannot be read on.
    #[error("{0}")]
    Unreadable(String),
    /// A value from outside is not of the type it should have.
    #[error("{shown} is not a {expected}; give a value of that type, or null")]
    NotA {
        /// The value, escaped and clipped.
        shown: String,
        /// The type that was wanted.
        expected: Type,
    },
}
