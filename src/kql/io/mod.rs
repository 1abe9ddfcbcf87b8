//! Values and tables as JSON.

mod delimited;
pub(super) mod external;
pub(super) mod json;
pub(super) mod la_tables;
pub(super) mod lines;
pub(super) mod rows;
