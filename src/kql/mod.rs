//! KQL: conditions over one row and queries over tables in memory, with Kusto's semantics.
//!
//! Text is lexed (`lex`), parsed with recovery (`parse`, `ast`), bound to a [`Schema`] or a [`Catalog`] with every
//! finding at once (`bind`, `ir`, `plan`), and evaluated (`eval`, `exec`); `functions` and `aggregates` are the tables of
//! what there is. What is not known here is a finding that names it, never an approximation. There is no I/O and no
//! clock in this room: the caller gives the rows and [`Cx::now`].
//!
//! ```
//! use riposte::diagnostics::Source;
//! use riposte::kql::{Cx, Schema, Type, Value, compile_expression};
//!
//! let schema = Schema::new([("Severity", Type::String), ("Count", Type::Int)]);
//! let source = Source::new("rule.yaml", r#"Severity in ("High", "Medium") and Count > 2"#);
//! let rule = compile_expression(source.text(), &source.whole(), &schema, Type::Bool).unwrap();
//! let row = [Value::from("High"), Value::Int(3)];
//! assert!(rule.is_true(&row, &Cx::at(0)).unwrap());
//! ```

#[expect(clippy::wildcard_enum_match_arm, reason = "trees have many forms; those that are not looked for are one case")]
mod aggregates;
mod ast;
#[expect(clippy::wildcard_enum_match_arm, reason = "trees have many forms; those that are not looked for are one case")]
mod bind;
mod cells;
mod column_list;
mod compared;
mod compile;
mod dynamic;
mod error;
#[expect(clippy::wildcard_enum_match_arm, reason = "values meet in pairs; all the pairs that do not meet are one case")]
mod eval;
#[expect(clippy::wildcard_enum_match_arm, reason = "values meet in pairs; all the pairs that do not meet are one case")]
mod exec;
#[expect(clippy::wildcard_enum_match_arm, reason = "values meet in pairs; all the pairs that do not meet are one case")]
mod functions;
mod grid;
#[expect(clippy::wildcard_enum_match_arm, reason = "trees have many forms; those that are not looked for are one case")]
mod io;
mod ir;
mod known;
mod lex;
mod limits;
mod listed;
pub mod literal;
#[expect(clippy::wildcard_enum_match_arm, reason = "trees have many forms; those that are not looked for are one case")]
mod parse;
#[expect(clippy::wildcard_enum_match_arm, reason = "trees have many forms; those that are not looked for are one case")]
mod plan;
mod report;
mod schema;
mod str_cow;
mod table;
#[cfg(test)]
mod tests;
mod time;
mod value;

pub use cells::{Cells, CellsIter};
pub use compared::compared_as_written;
pub use compile::{Compared, Expression, Query, compile_expression, compile_query, compile_query_at, is_syntax_error};
pub use dynamic::{Bag, DynCow, Dynamic};
pub use error::KqlError;
pub use grid::{Grid, GridRows};
pub use io::la_tables::{DynamicCells, log_analytics_tables};
pub use io::lines::{LineColumns, read_line};
pub use io::rows::{Known, RowFormat, read_rows};
pub use known::{KnownTables, known_tables};
pub use limits::{Cx, Limits};
pub use schema::{Catalog, Column, INGESTION_TIME, Lacking, Schema};
pub use str_cow::StrCow;
pub use table::{RowStream, StreamedRows, Table, Tables};
pub use time::{parse_datetime, parse_timespan, print_datetime, print_timespan};
pub use value::{Type, Val, Value};
