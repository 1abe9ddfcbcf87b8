//! Literals of every type.

use std::sync::Arc;

use super::Parser;
use crate::diagnostics::{Finding, Span, quoted};
use crate::kql::ast::{Expr, ExprKind};
use crate::kql::dynamic::{Bag, Dynamic};
use crate::kql::lex::Kind;
use crate::kql::time::{parse_datetime, parse_timespan};
use crate::kql::value::{Type, Val, Value};

impl Parser<'_, '_> {
    /// A literal, when one begins here.
    pub(super) fn literal(&mut self) -> Option<Expr> {
        let start = self.span();
        let (value, ty) = match self.kind() {
            Kind::Text(_) => return Some(self.strings()),
            Kind::Long(value) => (Val::Long(*value), Type::Long),
            Kind::Real(value) => (Val::Real(*value), Type::Real),
            Kind::Timespan(value) => (Val::Timespan(*value), Type::Timespan),
            Kind::Name("true") => (Val::Bool(true), Type::Bool),
            Kind::Name("false") => (Val::Bool(false), Type::Bool),
            Kind::Name("dynamic") if matches!(self.kind_at(1), Kind::Sign("(")) => return Some(self.dynamic_literal()),
            Kind::Typed(ty, inside) => (self.typed(*ty, inside, start), *ty),
            Kind::Name(_) | Kind::Sign(_) | Kind::End => return None,
        };
        self.next();
        Some(Expr::new(ExprKind::Literal(value, ty), start))
    }

    /// String literals side by side are one string.
    fn strings(&mut self) -> Expr {
        let start = self.span();
        let mut text = String::new();
        while let Kind::Text(part) = self.kind() {
            text.push_str(part);
            self.next();
        }
        Expr::new(ExprKind::Literal(text.into(), Type::String), start.to(self.before()))
    }

    fn typed(&mut self, ty: Type, inside: &str, span: Span) -> Value {
        read_typed(ty, inside).unwrap_or_else(|| {
            let message = format!("{} is no {ty}", quoted(inside));
            let help = match ty {
                Type::DateTime => "a datetime is written datetime(2026-03-01 12:30:00); use todatetime() for a value",
                Type::Timespan => "a timespan is written 1d, 2h, 30m or time(1.02:03:04); use totimespan() for a value",
                Type::Bool => "a bool is true, false or bool(null); use tobool() for a value",
                Type::Guid => "a guid is 32 hexadecimal digits with hyphens; use toguid() for a value",
                Type::Int | Type::Long | Type::Real | Type::String | Type::Dynamic => {
                    "only a number or null can stand here; use toint(), tolong() or toreal() for a value"
                }
            };
            self.wrong(span, Finding::error("kql/syntax-literal", message).help(help));
            Val::Null
        })
    }

    fn dynamic_literal(&mut self) -> Expr {
        let start = self.span();
        self.next();
        self.next();
        let value = self.json();
        if !self.expect_sign(")", "at the end of dynamic(...)") {
            self.skip_to(&[")"]);
            self.eat_sign(")");
        }
        let span = start.to(self.before());
        Expr::new(ExprKind::Literal(Val::dynamic(value), Type::Dynamic), span)
    }

    /// JSON, in which Kusto's own literals may stand too.
    fn json(&mut self) -> Dynamic {
        let negative = self.eat_sign("-");
        let value = match self.kind() {
            Kind::Text(text) => Dynamic::Str(Arc::from(text.as_str())),
            Kind::Long(value) => Dynamic::Long(if negative { -*value } else { *value }),
            Kind::Real(value) => Dynamic::Real(if negative { -*value } else { *value }),
            Kind::Timespan(value) => Dynamic::Timespan(if negative { -*value } else { *value }),
            Kind::Typed(ty, inside) => Dynamic::from_val(&self.typed(*ty, inside, self.span())),
            Kind::Name("true") => Dynamic::Bool(true),
            Kind::Name("false") => Dynamic::Bool(false),
            Kind::Name("null") => Dynamic::Null,
            Kind::Name("dynamic") if matches!(self.kind_at(1), Kind::Sign("(")) => {
                let inner = self.deeper(Self::dynamic_literal);
                return match inner.map(|inner| inner.kind) {
                    Some(ExprKind::Literal(Val::Dyn(value), _)) => value.into_owned(),
                    _ => Dynamic::Null,
                };
            }
            Kind::Sign("[") => return self.deeper(Self::json_array).unwrap_or(Dynamic::Null),
            Kind::Sign("{") => return self.deeper(Self::json_bag).unwrap_or(Dynamic::Null),
            Kind::Name(_) | Kind::Sign(_) | Kind::End => {
                self.unexpected("JSON");
                return Dynamic::Null;
            }
        };
        self.next();
        value
    }

    fn json_array(&mut self) -> Dynamic {
        self.next();
        let mut items = Vec::new();
        while !self.eat_sign("]") {
            items.push(self.json());
            if !self.json_goes_on("]") {
                break;
            }
        }
        Dynamic::Array(items.into())
    }

    fn json_bag(&mut self) -> Dynamic {
        self.next();
        let mut pairs = Vec::new();
        while !self.eat_sign("}") {
            let Kind::Text(name) = self.kind() else {
                self.unexpected("a property name in quotes");
                self.skip_to(&["}"]);
                self.eat_sign("}");
                break;
            };
            self.next();
            self.expect_sign(":", "after a property name");
            pairs.push((Arc::from(name.as_str()), self.json()));
            if !self.json_goes_on("}") {
                break;
            }
        }
        Dynamic::Bag(Arc::new(Bag::new(pairs)))
    }

    /// After an item: whether the list can be read on.
    fn json_goes_on(&mut self, close: &'static str) -> bool {
        if self.eat_sign(",") {
            if self.at_sign(close) {
                let finding = Finding::error("kql/syntax-literal", format!("a \",\" stands before \"{close}\""));
                self.wrong(self.before(), finding.help("remove it"));
            }
            return true;
        }
        if self.at_sign(close) {
            return true;
        }
        self.unexpected(&format!("\",\" or \"{close}\""));
        self.skip_to(&[close]);
        self.eat_sign(close);
        false
    }
}

/// The inside of `type(...)` as a value of that type.
fn read_typed(ty: Type, inside: &str) -> Option<Value> {
    if inside == "null" {
        return Some(ty.nothing());
    }
    let unquoted = ['"', '\''].iter().find_map(|quote| inside.strip_prefix(*quote)?.strip_suffix(*quote));
    let text = unquoted.unwrap_or(inside);
    Some(match ty {
        Type::Bool => Val::Bool(match text {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => return None,
        }),
        Type::Int => Val::Int(i32::try_from(whole(text)?).ok()?),
        Type::Long => Val::Long(whole(text)?),
        Type::Real => Val::Real(match text {
            "nan" => f64::NAN,
            "+inf" | "inf" => f64::INFINITY,
            "-inf" => f64::NEG_INFINITY,
            number if number.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) => {
                number.parse().ok()?
            }
            _ => return None,
        }),
        Type::DateTime => Val::DateTime(parse_datetime(text)?),
        Type::Timespan => Val::Timespan(parse_timespan(text)?),
        Type::Guid => Val::Guid(text.parse().ok()?),
        Type::String | Type::Dynamic => return None,
    })
}

fn whole(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}
