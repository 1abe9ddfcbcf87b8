//! Tabular operators.

use std::collections::BTreeSet;

use super::Parser;
use crate::diagnostics::{Finding, quoted, suggest};
use crate::kql::ast::{Name, Part, Setting, Step, StepKind};
use crate::kql::lex::Kind;
use crate::kql::value::Type;

/// The tabular operators that exist here.
pub(super) const OPERATORS: [&str; 38] = [
    "where",
    "filter",
    "extend",
    "project",
    "project-away",
    "project-keep",
    "project-rename",
    "project-reorder",
    "order",
    "sort",
    "take",
    "limit",
    "sample",
    "sample-distinct",
    "count",
    "distinct",
    "top",
    "top-nested",
    "summarize",
    "join",
    "lookup",
    "union",
    "search",
    "mv-expand",
    "mvexpand",
    "mv-apply",
    "parse",
    "parse-where",
    "parse-kv",
    "evaluate",
    "make-series",
    "getschema",
    "as",
    "serialize",
    "invoke",
    "partition",
    "render",
    "consume",
];

/// What `render` can show.
///
/// Source: Kusto documentation, "render operator", and the public grammar of the language.
const CHARTS: [&str; 21] = [
    "table",
    "list",
    "barchart",
    "piechart",
    "ladderchart",
    "timechart",
    "linechart",
    "anomalychart",
    "pivotchart",
    "areachart",
    "stackedareachart",
    "scatterchart",
    "timepivot",
    "columnchart",
    "timeline",
    "3Dchart",
    "card",
    "treemap",
    "plotly",
    "graph",
    "sankey",
];

/// Kusto's other operators, which the service knows.
///
/// Source: Kusto documentation, "Tabular operators", and the public grammar of the language.
const LACKING: [&str; 18] = [
    "assert-schema",
    "execute-and-cache",
    "facet",
    "find",
    "fork",
    "graph-mark-components",
    "graph-match",
    "graph-merge",
    "graph-shortest-paths",
    "graph-to-table",
    "graph-where-edges",
    "graph-where-nodes",
    "macro-expand",
    "make-graph",
    "project-by-names",
    "reduce",
    "scan",
    "top-hitters",
];

impl Parser<'_, '_> {
    pub(super) fn step(&mut self) -> Step {
        let start = self.span();
        let Some(name) = self.step_name() else {
            self.skip_to(&[]);
            return Step { kind: StepKind::Error, span: start };
        };
        let kind = self.simple_step(&name).or_else(|| self.wide_step(&name)).unwrap_or_else(|| {
            self.wrong(name.span, no_operator(&name.text));
            self.skip_to(&[]);
            StepKind::Error
        });
        Step { kind, span: start.to(self.before()) }
    }

    /// Operators on rows as they come.
    fn simple_step(&mut self, name: &Name) -> Option<StepKind> {
        Some(match &*name.text {
            "where" | "filter" => StepKind::Where(self.expr()),
            "extend" => StepKind::Extend(self.named_list()),
            "project" => {
                let empty = matches!(self.kind(), Kind::Sign("|" | ";" | ")") | Kind::End);
                StepKind::Project(if empty { Vec::new() } else { self.named_list() })
            }
            "project-away" => StepKind::ProjectAway(self.patterns()),
            "project-keep" => StepKind::ProjectKeep(self.patterns()),
            "project-rename" => StepKind::ProjectRename(self.renames()),
            "project-reorder" => StepKind::ProjectReorder(self.reorders()),
            "order" | "sort" => {
                self.settings(&[], false);
                self.by();
                StepKind::Order(self.order_list())
            }
            "take" | "limit" | "sample" => StepKind::Take(self.expr()),
            "sample-distinct" => {
                let rows = self.expr();
                self.expect_word("of");
                StepKind::SampleDistinct(rows, self.named())
            }
            "count" => StepKind::Count(if self.eat_word("as") { Some(self.expect_name("a name")?) } else { None }),
            "distinct" => {
                self.settings(&[], false);
                StepKind::Distinct(self.distinct())
            }
            "top" => {
                let rows = self.rows_of_top();
                self.by();
                StepKind::Top(rows, self.order_by())
            }
            "getschema" => StepKind::GetSchema,
            "serialize" => {
                let bare = matches!(self.kind(), Kind::Sign("|" | ";" | ")") | Kind::End);
                StepKind::Serialize(if bare { Vec::new() } else { self.named_list() })
            }
            "parse" | "parse-where" => self.parse_step(name.text == "parse-where"),
            "parse-kv" => return self.parse_kv(),
            "as" => {
                self.settings(&[], false);
                StepKind::As(self.expect_name("a name")?)
            }
            "render" => {
                self.chart();
                StepKind::Render
            }
            "consume" => {
                self.skip_to(&[]);
                StepKind::Render
            }
            _ => return None,
        })
    }

    /// Operators that gather rows, or bring others.
    fn wide_step(&mut self, name: &Name) -> Option<StepKind> {
        Some(match &*name.text {
            "summarize" => self.summarize(),
            "top-nested" => StepKind::TopNested(self.top_nested()),
            "join" => self.join(false),
            "lookup" => self.join(true),
            "union" => StepKind::Union(self.union()),
            "search" => StepKind::Search(self.search()),
            "mv-expand" | "mvexpand" => {
                let options = self.settings(&["bagexpansion", "kind", "with_itemindex"], false);
                let columns = self.expanded();
                let limit = self.eat_word("limit").then(|| self.expr());
                StepKind::MvExpand { options, columns, limit }
            }
            "mv-apply" | "mvapply" => self.mv_apply(),
            "evaluate" => self.evaluate()?,
            "make-series" => StepKind::MakeSeries(Box::new(self.make_series())),
            "invoke" => {
                let name = self.expect_name("the name of a function")?;
                self.expect_sign("(", "after the name of the function");
                StepKind::Invoke(name, self.list(")"))
            }
            "partition" => self.partition(),
            _ => return None,
        })
    }

    /// A name that may have hyphens, such as `project-away`.
    pub(super) fn step_name(&mut self) -> Option<Name> {
        let mut name = self.expect_name("an operator after \"|\"")?;
        while let (true, Kind::Name(next)) = (self.at_sign("-") && self.span().start == name.span.end, self.kind_at(1))
        {
            name.text = format!("{}-{next}", name.text);
            self.at += 2;
            name.span = name.span.to(self.before());
        }
        Some(name)
    }

    pub(super) fn by(&mut self) {
        self.expect_word("by");
    }

    pub(super) fn expect_word(&mut self, word: &str) -> bool {
        let found = self.eat_word(word);
        if !found {
            self.unexpected(&quoted(word));
        }
        found
    }

    fn parse_step(&mut self, only_matches: bool) -> StepKind {
        let options = self.settings(&["kind", "flags"], true);
        let value = self.expr();
        self.expect_word("with");
        let mut parts = Vec::new();
        let mut names = BTreeSet::new();
        loop {
            self.fits_behind(parts.last());
            match self.kind() {
                Kind::Sign("*") => {
                    self.next();
                    parts.push(Part::Skip);
                }
                Kind::Text(_) => {
                    let text = self.literal().and_then(|literal| literal.as_text().map(ToOwned::to_owned));
                    parts.push(Part::Text(text.unwrap_or_default()));
                }
                Kind::Name(_) | Kind::Sign("[") => {
                    let Some(name) = self.expect_name("a column name") else { break };
                    self.declared(&name, &mut names);
                    let ty = if self.eat_sign(":") { self.type_name() } else { Some(Type::String) };
                    parts.push(Part::Column(name, ty.unwrap_or(Type::String)));
                }
                _ => break,
            }
        }
        if parts.is_empty() {
            self.unexpected("a pattern of texts, columns and \"*\"");
        }
        StepKind::Parse { only_matches, options, value, parts }
    }

    /// That the next part of a pattern can be told from the one before it: a column or a star ends where a text begins.
    fn fits_behind(&mut self, before: Option<&Part>) {
        let is_column = matches!(self.kind(), Kind::Name(_) | Kind::Sign("["));
        let message = match before {
            Some(Part::Column(..)) if is_column => "a column ends where a text begins, and here is none",
            Some(Part::Skip) if is_column || self.at_sign("*") => "\"*\" ends where a text begins, and here is none",
            Some(Part::Column(_, Type::String)) if self.at_sign("*") => {
                "a column of text takes all that \"*\" could pass over"
            }
            _ => return,
        };
        let help = "put a text between them: parse Text with User \" from \" Address";
        self.wrong(self.span(), Finding::error("kql/parse-pattern", message).help(help));
    }

    /// How `render` shows the rows. Nothing is shown here, but a chart that does not exist is a mistake.
    fn chart(&mut self) {
        match self.kind() {
            Kind::Name(name) if !CHARTS.contains(name) => {
                let finding = Finding::error("kql/unknown-word", format!("there is no chart {}", quoted(name)));
                self.wrong(self.span(), finding.help_nearest(suggest::nearest(name, CHARTS)));
            }
            Kind::Sign(_) | Kind::End => self.unexpected("a chart such as timechart"),
            Kind::Name(_) | Kind::Text(_) | Kind::Long(_) | Kind::Real(_) | Kind::Timespan(_) | Kind::Typed(..) => {}
        }
        self.skip_to(&[]);
    }

    fn parse_kv(&mut self) -> Option<StepKind> {
        let value = self.expr();
        self.expect_word("as");
        if !self.expect_sign("(", "before the columns") {
            return None;
        }
        let (columns, _) = self.row_schema()?;
        let options: Vec<Setting> = if self.eat_word("with") { self.parenthesised_settings() } else { Vec::new() };
        Some(StepKind::ParseKv { value, columns, options })
    }
}

/// What is said of an operator that is not here: the service may know it, or it is none.
fn no_operator(name: &str) -> Finding {
    if LACKING.contains(&name) || OPERATORS.contains(&name) {
        return Finding::error("kql/unsupported-operator", format!("the operator {} is not supported", quoted(name)));
    }
    let finding = Finding::error("kql/unknown-operator", format!("there is no operator {}", quoted(name)));
    finding.help_nearest(suggest::nearest(name, OPERATORS.into_iter().chain(LACKING)))
}
