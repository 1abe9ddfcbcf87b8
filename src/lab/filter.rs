//! The filters of `OData` and of Okta's search: `field eq 'x' and (when ge 2026-01-01T00:00:00Z or not a eq b)`,
//! `startswith(field,'x')`, and `list/any(t: t/id eq 'x')`. Both write fields with `/` or `.` between their parts.

use serde_json::Value;

use crate::model::time::At;

/// A filter that has been read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    Compare { field: String, op: Op, with: Value },
    Text { function: TextFunction, field: String, with: String },
    Any { list: String, variable: String, filter: Box<Filter> },
    Present(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextFunction {
    StartsWith,
    EndsWith,
    Contains,
}

/// Deeper nesting than this is refused.
const DEPTH: usize = 20;

impl Filter {
    /// Reads a filter; `None` when it is not one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
        let filter = parser.or()?;
        (parser.at == parser.tokens.len()).then_some(filter)
    }

    /// Every field that is compared, lists of `any` included.
    pub(crate) fn fields(&self) -> Vec<&str> {
        match self {
            Self::And(a, b) | Self::Or(a, b) => [a.fields(), b.fields()].concat(),
            Self::Not(a) => a.fields(),
            Self::Compare { field, .. } | Self::Text { field, .. } | Self::Present(field) => vec![field],
            Self::Any { list, .. } => vec![list],
        }
    }

    /// Texts that some field must equal for an item to pass.
    pub(crate) fn demands(&self) -> Vec<&str> {
        match self {
            Self::And(a, b) => [a.demands(), b.demands()].concat(),
            Self::Compare { op: Op::Eq, with: Value::String(text), .. } => vec![text],
            Self::Or(..)
            | Self::Not(_)
            | Self::Compare { .. }
            | Self::Text { .. }
            | Self::Any { .. }
            | Self::Present(_) => Vec::new(),
        }
    }

    /// Whether an item passes.
    pub(crate) fn holds(&self, item: &Value) -> bool {
        match self {
            Self::And(a, b) => a.holds(item) && b.holds(item),
            Self::Or(a, b) => a.holds(item) || b.holds(item),
            Self::Not(a) => !a.holds(item),
            Self::Compare { field, op, with } => compare(at_path(item, field), *op, with),
            Self::Text { function, field, with } => {
                let text = at_path(item, field).as_str().unwrap_or("").to_lowercase();
                let with = with.to_lowercase();
                match function {
                    TextFunction::StartsWith => text.starts_with(&with),
                    TextFunction::EndsWith => text.ends_with(&with),
                    TextFunction::Contains => text.contains(&with),
                }
            }
            Self::Any { list, variable, filter } => at_path(item, list).as_array().is_some_and(|items| {
                items.iter().any(|one| {
                    let mut scope = serde_json::Map::new();
                    scope.insert(variable.clone(), one.clone());
                    filter.holds(&Value::Object(scope))
                })
            }),
            Self::Present(field) => !at_path(item, field).is_null(),
        }
    }
}

fn at_path<'a>(item: &'a Value, field: &str) -> &'a Value {
    field.split(['/', '.']).fold(item, |v, part| {
        let found = v.as_object().and_then(|o| o.iter().find(|(k, _)| k.eq_ignore_ascii_case(part)));
        found.map_or(&Value::Null, |(_, v)| v)
    })
}

fn compare(have: &Value, op: Op, with: &Value) -> bool {
    use std::cmp::Ordering;
    let order = match (have, with) {
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
        (Value::String(a), Value::String(b)) => match (a.parse::<At>(), b.parse::<At>()) {
            (Ok(a), Ok(b)) => Some(a.cmp(&b)),
            _ => Some(a.to_lowercase().cmp(&b.to_lowercase())),
        },
        _ => None,
    };
    match op {
        Op::Eq => order == Some(Ordering::Equal),
        Op::Ne => order != Some(Ordering::Equal),
        Op::Gt => order == Some(Ordering::Greater),
        Op::Ge => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        Op::Lt => order == Some(Ordering::Less),
        Op::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut out = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' | '\n' => {}
            '(' | ')' | ',' => out.push(Token::Sign(c)),
            '\'' | '"' => {
                let mut word = String::new();
                loop {
                    match rest.next()? {
                        '\\' if c == '"' => word.push(rest.next()?),
                        // A doubled quote stands for one (OData).
                        q if q == c && c == '\'' && rest.peek() == Some(&c) => {
                            rest.next();
                            word.push(c);
                        }
                        q if q == c => break,
                        other => word.push(other),
                    }
                }
                out.push(Token::Text(word));
            }
            first => {
                let mut word = String::from(first);
                while let Some(c) = rest.next_if(|c| !" \t\n(),'\"".contains(*c)) {
                    word.push(c);
                }
                out.push(Token::Word(word));
            }
        }
    }
    Some(out)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn next(&mut self) -> Option<Token> {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned()
    }

    fn word(&mut self, word: &str) -> bool {
        let hit = matches!(self.tokens.get(self.at), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word));
        self.at += usize::from(hit);
        hit
    }

    fn sign(&mut self, sign: char) -> bool {
        let hit = self.tokens.get(self.at) == Some(&Token::Sign(sign));
        self.at += usize::from(hit);
        hit
    }

    fn or(&mut self) -> Option<Filter> {
        self.depth += 1;
        if self.depth > DEPTH {
            return None;
        }
        let mut left = self.and()?;
        while self.word("or") {
            left = Filter::Or(Box::new(left), Box::new(self.and()?));
        }
        self.depth -= 1;
        Some(left)
    }

    fn and(&mut self) -> Option<Filter> {
        let mut left = self.one()?;
        while self.word("and") {
            left = Filter::And(Box::new(left), Box::new(self.one()?));
        }
        Some(left)
    }

    fn one(&mut self) -> Option<Filter> {
        if self.word("not") {
            self.depth += 1;
            return (self.depth <= DEPTH).then(|| self.one()).flatten().map(|f| Filter::Not(Box::new(f)));
        }
        if self.sign('(') {
            let inner = self.or()?;
            return self.sign(')').then_some(inner);
        }
        let Some(Token::Word(field)) = self.next() else { return None };
        if self.sign('(') {
            return self.call(&field);
        }
        if self.word("pr") {
            return Some(Filter::Present(field));
        }
        let Some(Token::Word(op)) = self.next() else { return None };
        let text = |function, with: Value| {
            with.as_str().map(|w| Filter::Text { function, field: field.clone(), with: w.to_owned() })
        };
        let with = self.literal()?;
        let op = match op.to_ascii_lowercase().as_str() {
            "eq" => Op::Eq,
            "ne" => Op::Ne,
            "gt" => Op::Gt,
            "ge" => Op::Ge,
            "lt" => Op::Lt,
            "le" => Op::Le,
            "sw" => return text(TextFunction::StartsWith, with),
            "ew" => return text(TextFunction::EndsWith, with),
            "co" => return text(TextFunction::Contains, with),
            _ => return None,
        };
        Some(Filter::Compare { field, op, with })
    }

    fn call(&mut self, name: &str) -> Option<Filter> {
        if let Some(list) = name.strip_suffix("/any") {
            let Some(Token::Word(head)) = self.next() else { return None };
            let variable = head.trim_end_matches(':').to_owned();
            // `any(t:t/id eq 'x')` without a space is one word: put the field back.
            let (variable, field) = match variable.split_once(':') {
                Some((v, f)) => (v.to_owned(), Some(f.to_owned())),
                None => (variable, None),
            };
            if let Some(field) = field {
                self.at -= 1;
                self.tokens[self.at] = Token::Word(field);
            }
            let filter = Box::new(self.or()?);
            return self.sign(')').then(|| Filter::Any { list: list.to_owned(), variable, filter });
        }
        let function = match name.to_ascii_lowercase().as_str() {
            "startswith" => TextFunction::StartsWith,
            "endswith" => TextFunction::EndsWith,
            "contains" => TextFunction::Contains,
            _ => return None,
        };
        let Some(Token::Word(field)) = self.next() else { return None };
        let with = self.sign(',').then(|| self.literal()).flatten()?.as_str()?.to_owned();
        self.sign(')').then_some(Filter::Text { function, field, with })
    }

    fn literal(&mut self) -> Option<Value> {
        match self.next()? {
            Token::Text(text) => Some(Value::String(text)),
            Token::Word(word) => Some(match word.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                other => other.parse::<i64>().map_or_else(|_| Value::String(other.to_owned()), Value::from),
            }),
            Token::Sign(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filters_of_both_vendors_select_what_they_say() {
        let item = json!({"serviceSource": "microsoftDefenderForIdentity", "createdDateTime": "2026-01-02T00:00:00Z",
            "on": true, "n": 5, "none": null, "profile": {"login": "o'neil@lab.test"},
            "targetResources": [{"id": "a"}, {"id": "b"}]});
        for (text, holds) in [
            ("serviceSource eq 'microsoftDefenderForIdentity'", true),
            ("createdDateTime ge 2026-01-01T00:00:00Z and createdDateTime lt 2026-01-02T00:00:01Z", true),
            ("createdDateTime gt 2026-01-02T00:00:00.0000000Z", false),
            ("serviceSource eq 'x' or (on eq true and n le 5)", true),
            ("not (n eq 5)", false),
            ("profile.login eq \"o'neil@lab.test\"", true),
            ("profile/login eq 'o''neil@lab.test'", true),
            ("startswith(serviceSource,'microsoft')", true),
            ("profile.login sw \"o'\"", true),
            ("targetResources/any(t:t/id eq 'b')", true),
            ("targetResources/any(t: t/id eq 'c')", false),
            ("none eq null", true),
            ("none ne 'x'", true),
            ("missing pr", false),
        ] {
            assert_eq!(Filter::parse(text).unwrap().holds(&item), holds, "{text}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for text in
            ["", "a", "a eq", "a eq 'x", "(a eq 1", "a like 'x'", "a eq 1 and", "delete(a,'x')", &"(".repeat(99)]
        {
            assert_eq!(Filter::parse(text), None, "{text}");
        }
    }
}
