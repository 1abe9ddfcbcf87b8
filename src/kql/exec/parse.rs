//! `parse`, `parse-where` and `parse-kv`.

use std::collections::HashMap;

use super::{Row, put};
use crate::kql::error::KqlError;
use crate::kql::eval::convert::{convert, text_of};
use crate::kql::eval::{Env, eval};
use crate::kql::plan::{Parse, ParseKv, column_group};
use crate::kql::value::{Type, Val};

/// The row with the parsed columns; `None` when it does not match and only matches are wanted.
pub(super) fn parsed<'q>(parse: &Parse, row: Row<'q>, env: &Env<'_>) -> Result<Option<Row<'q>>, KqlError> {
    let value = eval(&parse.value, row.cells(), env)?;
    let text = text_of(&value);
    env.budget.steps(1 + text.len() as u64 / 64)?;
    let captures = parse.pattern.captures(&text);
    let read: Option<Vec<Val<'q>>> = captures.map(|captures| {
        let groups = parse.columns.iter().enumerate();
        groups.map(|(at, (_, ty))| typed(captures.name(&column_group(at)).map(|found| found.as_str()), *ty)).collect()
    });
    // A text that is not of its column's type is no match, unless the parse is relaxed.
    let matched = read.filter(|values| parse.relaxed || values.iter().all(|value| !value.is_null()));
    if matched.is_none() && parse.only_matches {
        return Ok(None);
    }
    let mut values = matched.unwrap_or_default().into_iter();
    let mut made = 0;
    let cells: Vec<(usize, Val<'q>)> =
        parse.columns.iter().map(|(slot, ty)| (*slot, values.next().unwrap_or(ty.nothing()))).collect();
    drop(value);
    let mut row = row.into_cells(cells.len(), env)?;
    for (slot, cell) in cells {
        made += cell.as_str().map_or(0, str::len);
        put(&mut row, slot, cell);
    }
    env.budget.bytes(made)?;
    Ok(Some(row.into()))
}

fn typed<'q>(text: Option<&str>, ty: Type) -> Val<'q> {
    let Some(text) = text else { return ty.nothing() };
    let value = match ty {
        Type::Dynamic => crate::kql::eval::convert::parse_json(text),
        ty => convert(Val::from(text.to_owned()), ty),
    };
    if value.is_null() { ty.nothing() } else { value }
}

/// The row with a column for each wanted key.
pub(super) fn pairs<'q>(parse: &ParseKv, row: Row<'q>, env: &Env<'_>) -> Result<Row<'q>, KqlError> {
    let value = eval(&parse.value, row.cells(), env)?;
    let text = text_of(&value).into_owned();
    drop(value);
    env.budget.steps(1 + text.len() as u64)?;
    let found = match (&parse.pair_delimiter, &parse.kv_delimiter) {
        (None, None) => named_values(parse, &text),
        (pair, kv) => {
            let (pair, kv) = (pair.as_deref().unwrap_or(" "), kv.as_deref().unwrap_or("="));
            read_pairs(&mut Scan { parse, pair, kv, rest: &text })
        }
    };
    let mut row = row.into_cells(parse.columns.len(), env)?;
    for (name, slot, ty) in &parse.columns {
        let cell = typed(found.get(name.as_str()).map(String::as_str), *ty);
        env.budget.made(&cell)?;
        put(&mut row, *slot, cell);
    }
    Ok(row.into())
}

/// Keys and values of a text; of a key that comes twice, the first value counts.
fn read_pairs(scan: &mut Scan<'_>) -> HashMap<String, String> {
    let mut all = HashMap::new();
    while !scan.rest.is_empty() {
        if scan.eat(scan.pair) {
            continue;
        }
        let before = scan.rest.len();
        let key = scan.key();
        let value = if scan.eat(scan.kv) { scan.value() } else { String::new() };
        if !key.is_empty() {
            all.entry(key).or_insert(value);
        }
        if scan.rest.len() == before {
            scan.skip();
        }
    }
    all
}

/// The value behind each wanted key, whatever delimits them.
fn named_values(parse: &ParseKv, text: &str) -> HashMap<String, String> {
    let mut all = HashMap::new();
    for (name, ..) in &parse.columns {
        for (at, _) in text.match_indices(name.as_str()) {
            let before = text.get(..at).and_then(|text| text.chars().next_back());
            let after = text.get(at + name.len()..).unwrap_or_default();
            if before.is_some_and(char::is_alphanumeric) || after.starts_with(char::is_alphanumeric) {
                continue;
            }
            let opens = |c: char| parse.quotes.iter().any(|(open, _)| *open == c);
            let rest = after.trim_start_matches(|c: char| !c.is_alphanumeric() && !opens(c));
            let mut scan = Scan { parse, pair: "", kv: "", rest };
            let end = |c: char| !c.is_alphanumeric();
            let value = scan.quoted().unwrap_or_else(|| rest.split(end).next().unwrap_or_default().to_owned());
            all.entry(name.clone()).or_insert(value);
            break;
        }
    }
    all
}

struct Scan<'s> {
    parse: &'s ParseKv,
    pair: &'s str,
    kv: &'s str,
    rest: &'s str,
}

impl Scan<'_> {
    fn eat(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text).filter(|_| !text.is_empty()) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn skip(&mut self) {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }

    /// A quoted text, when one begins here.
    fn quoted(&mut self) -> Option<String> {
        let first = self.rest.chars().next()?;
        let (_, close) = self.parse.quotes.iter().find(|(open, _)| *open == first)?;
        let mut text = String::new();
        let mut chars = self.rest.chars();
        chars.next();
        loop {
            match chars.next() {
                Some(c) if Some(c) == self.parse.escape => text.extend(chars.next()),
                Some(c) if c == *close => break,
                Some(c) => text.push(c),
                None => break,
            }
        }
        self.rest = chars.as_str();
        Some(text)
    }

    fn until(&mut self, ends: &[&str]) -> String {
        let end = ends.iter().filter(|end| !end.is_empty()).filter_map(|end| self.rest.find(end)).min();
        let (text, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        text.to_owned()
    }

    fn key(&mut self) -> String {
        let quoted = self.quoted();
        let (pair, kv) = (self.pair, self.kv);
        quoted.unwrap_or_else(|| self.until(&[pair, kv]).trim().to_owned())
    }

    /// A value ends where the next pair begins; a greedy one only where a key and its delimiter follow.
    fn value(&mut self) -> String {
        if let Some(text) = self.quoted() {
            return text;
        }
        let (pair, kv) = (self.pair, self.kv);
        let mut value = self.until(&[pair]);
        while self.parse.greedy && !self.rest.is_empty() {
            let after = self.rest.strip_prefix(pair).unwrap_or_default();
            let next_pair = after.find(pair).unwrap_or(after.len());
            let is_pair = after.get(..next_pair).is_some_and(|part| part.contains(kv));
            if is_pair || after.is_empty() {
                break;
            }
            value.push_str(pair);
            self.rest = after;
            value.push_str(&self.until(&[pair]));
        }
        value
    }
}
