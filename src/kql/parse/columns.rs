//! Lists of columns: named values, patterns, new names and orders.

use super::Parser;
use crate::diagnostics::Finding;
use crate::kql::ast::{Expr, ExprKind, Name, Named, OrderBy, Reorder};
use crate::kql::lex::Kind;

impl Parser<'_, '_> {
    /// `a = x, y, ...`
    pub(super) fn named_list(&mut self) -> Vec<Named> {
        let mut all = vec![self.named()];
        while self.goes_on(all.len()) {
            all.push(self.named());
        }
        all
    }

    pub(super) fn named(&mut self) -> Named {
        if let Some(names) = self.several_names() {
            let mut names = names.into_iter();
            return Named { name: names.next(), more: names.collect(), value: self.expr() };
        }
        let is_named = match self.kind() {
            Kind::Name(_) => matches!(self.kind_at(1), Kind::Sign("=")),
            Kind::Sign("[") => matches!((self.kind_at(2), self.kind_at(3)), (Kind::Sign("]"), Kind::Sign("="))),
            Kind::Sign(_)
            | Kind::Text(_)
            | Kind::Long(_)
            | Kind::Real(_)
            | Kind::Timespan(_)
            | Kind::Typed(..)
            | Kind::End => false,
        };
        if !is_named {
            return Named { name: None, more: Vec::new(), value: self.expr() };
        }
        let name = self.expect_name("a name");
        self.next();
        Named { name, more: Vec::new(), value: self.expr() }
    }

    /// `(a, b) =`
    fn several_names(&mut self) -> Option<Vec<Name>> {
        if !self.at_sign("(") {
            return None;
        }
        let mut ahead = 1;
        while let (Kind::Name(_), Kind::Sign("," | ")")) = (self.kind_at(ahead), self.kind_at(ahead + 1)) {
            ahead += 2;
        }
        if ahead < 3 || !matches!((self.kind_at(ahead - 1), self.kind_at(ahead)), (Kind::Sign(")"), Kind::Sign("="))) {
            return None;
        }
        self.next();
        let mut names = Vec::new();
        while let Some(name) = self.expect_name("a name") {
            names.push(name);
            let more = self.eat_sign(",");
            if !more {
                break;
            }
        }
        self.at += 2;
        Some(names)
    }

    /// Column names that may hold `*`.
    pub(super) fn patterns(&mut self) -> Vec<Name> {
        let mut all = Vec::new();
        while let Some(name) = self.pattern() {
            all.push(name);
            if !self.goes_on(all.len()) {
                break;
            }
        }
        all
    }

    /// A name that may hold `*`.
    pub(super) fn pattern(&mut self) -> Option<Name> {
        let start = self.span();
        let mut text = String::new();
        let mut end = start.start;
        while let Kind::Name(_) | Kind::Sign("*" | "[") = self.kind() {
            if !text.is_empty() && self.span().start != end {
                break;
            }
            if self.eat_sign("*") {
                text.push('*');
            } else if let Some(name) = self.expect_name("a column name") {
                text.push_str(&name.text);
            } else {
                break;
            }
            end = self.before().end;
        }
        if text.is_empty() {
            self.unexpected("a column name");
            return None;
        }
        Some(Name { text, span: start.to(self.before()) })
    }

    pub(super) fn renames(&mut self) -> Vec<(Name, Name)> {
        let mut all = Vec::new();
        loop {
            let Some(new) = self.expect_name("a new column name") else { return all };
            self.expect_sign("=", "after the new name");
            let Some(old) = self.expect_name("a column name") else { return all };
            all.push((new, old));
            if !self.goes_on(all.len()) {
                return all;
            }
        }
    }

    pub(super) fn reorders(&mut self) -> Vec<(Name, Reorder)> {
        let mut all = Vec::new();
        while let Some(name) = self.pattern() {
            let granny = self.at_word("granny") && matches!(self.kind_at(1), Kind::Sign("-"));
            let order = match self.kind_at(if granny { 2 } else { 0 }) {
                Kind::Name("asc") if granny => Reorder::AscendingByNumber,
                Kind::Name("desc") if granny => Reorder::DescendingByNumber,
                Kind::Name("asc") => Reorder::Ascending,
                Kind::Name("desc") => Reorder::Descending,
                _ => Reorder::AsIs,
            };
            if order != Reorder::AsIs {
                self.at += if granny { 3 } else { 1 };
            }
            all.push((name, order));
            if !self.goes_on(all.len()) {
                break;
            }
        }
        all
    }

    pub(super) fn order_list(&mut self) -> Vec<OrderBy> {
        let mut all = vec![self.order_by()];
        while self.goes_on(all.len()) {
            all.push(self.order_by());
        }
        all
    }

    /// Descending unless said otherwise; nulls come first when ascending, last when descending.
    pub(super) fn order_by(&mut self) -> OrderBy {
        let key = self.named().value;
        let ascending = self.ascending();
        let mut nulls_first = ascending;
        if self.eat_word("nulls") {
            nulls_first = self.eat_word("first");
            if !nulls_first && !self.eat_word("last") {
                self.unexpected("\"first\" or \"last\"");
            }
        }
        OrderBy { key, ascending, nulls_first }
    }

    pub(super) fn ascending(&mut self) -> bool {
        for (long, short) in [("ascending", "asc"), ("descending", "desc")] {
            if self.at_word(long) {
                let finding = Finding::error("kql/syntax", format!("\"{long}\" is no order"));
                self.wrong(self.span(), finding.help(format!("write {short}")));
                self.next();
                return short == "asc";
            }
        }
        let ascending = self.eat_word("asc");
        if !ascending {
            self.eat_word("desc");
        }
        ascending
    }

    pub(super) fn distinct(&mut self) -> Option<Vec<Named>> {
        let all = self.named_list();
        match all.as_slice() {
            [Named { name: None, value: Expr { kind: ExprKind::Star, .. }, .. }] => None,
            _ => Some(all),
        }
    }
}
