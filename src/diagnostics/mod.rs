//! Findings on files that people write: what is wrong, where, and what to do about it.
//!
//! A reader of such a file (settings, playbooks, rules, queries) makes a [`Source`], collects everything it
//! finds in [`Findings`] and hands them back all at once:
//!
//! ```
//! use riposte::diagnostics::{Finding, Findings, Source, Span, suggest};
//!
//! let source = Source::new("rule.yaml", "mode: enforec\n");
//! let mut findings = Findings::default();
//! findings.add(
//!     Finding::error("rule/unknown-mode", "\"enforec\" is no mode")
//!         .at(&source, Span::new(6, 13))
//!         .help_nearest(suggest::nearest("enforec", ["simulate", "approve", "enforce"])),
//! );
//! let text = findings.render(false);
//! assert!(text.starts_with("rule.yaml:1:7: error[rule/unknown-mode]: \"enforec\" is no mode\n"));
//! ```

mod escape;
mod finding;
mod render;
mod source;
pub mod suggest;

pub use escape::{clipped, quoted};
pub use finding::{Finding, Findings, Label, Level};
pub use source::{LineColumn, Place, Source, Span};
