//! What the text of a query says of itself. The service runs it, and it may say more than our own KQL knows, so it is
//! read word by word.

use std::time::Duration;

use crate::model::time::parse_duration;

/// Tables of alerts: whoever can write rows there writes alerts, and no trigger makes them truer.
///
/// Source: Azure Monitor tables reference, and the schema of advanced hunting.
const ALERTS: [&str; 3] = ["SecurityAlert", "AlertInfo", "AlertEvidence"];

/// A part of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// A name, a number or a span of time.
    Word(&'a str),
    /// A text between quotes.
    Text(&'a str),
    Sign(char),
}

/// How far back the query itself looks: the shortest `ago(...)` in it that is no shorter than the time between two runs;
/// a shorter one leaves out what may still arrive.
pub(super) fn looks_back(query: &str, every: Duration) -> Option<Duration> {
    use Token::{Sign, Word};
    let tokens = tokens(query);
    let named = |name: &str| {
        tokens.windows(4).find_map(|part| match part {
            [Word("let"), Word(known), Sign('='), Word(value)] if *known == name => parse_duration(value).ok(),
            _ => None,
        })
    };
    let agos = tokens.windows(4).filter_map(|part| match part {
        [Word("ago"), Sign('('), Word(time), Sign(')')] => parse_duration(time).ok().or_else(|| named(time)),
        _ => None,
    });
    agos.filter(|ago| *ago >= every).min()
}

/// The table of alerts that the query reads, if it reads one; `union *`, `search` and `find` read all there are.
pub(super) fn table_of_alerts(query: &str) -> Option<&'static str> {
    use Token::{Sign, Text, Word};
    let tokens = tokens(query);
    let named = tokens.iter().find_map(|token| match token {
        Word(name) | Text(name) => ALERTS.into_iter().find(|table| table == name),
        Sign(_) => None,
    });
    let unites = tokens.contains(&Word("union"));
    let begins = |index: usize| index == 0 || matches!(tokens.get(index - 1), Some(Sign('|' | ';' | '(' | '=')) | None);
    let wide = || {
        tokens.iter().enumerate().find_map(|(index, token)| match (token, tokens.get(index + 1)) {
            (Word("union") | Sign(','), Some(Sign('*'))) if unites => Some(ALERTS[0]),
            (Word(start), Some(Sign('*'))) if unites => ALERTS.into_iter().find(|table| table.starts_with(start)),
            (Word("search" | "find"), Some(Word(_) | Text(_) | Sign('*'))) if begins(index) => Some(ALERTS[0]),
            _ => None,
        })
    };
    named.or_else(wide)
}

/// The parts of a query without its comments.
fn tokens(query: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if matches!(first, '"' | '\'') {
            let end = closing(rest, first, !matches!(tokens.last(), Some(Token::Sign('@'))));
            tokens.push(Token::Text(rest.get(1..end).unwrap_or_default()));
            (end + 1).min(rest.len())
        } else if is_of_word(first) {
            let end = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
            tokens.push(Token::Word(&rest[..end]));
            end
        } else {
            if !first.is_whitespace() {
                tokens.push(Token::Sign(first));
            }
            first.len_utf8()
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    tokens
}

/// Where a text ends that begins with this quote.
fn closing(text: &str, quote: char, escapes: bool) -> usize {
    let mut skipped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if skipped => skipped = false,
            '\\' if escapes => skipped = true,
            c if c == quote => return at,
            _ => {}
        }
    }
    text.len()
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '.'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_look_back_counts_that_is_no_shorter_than_the_time_between_runs() {
        let back = |query: &str| looks_back(query, Duration::from_secs(600)).map(|time| time.as_secs());
        assert_eq!(back("T | where TimeGenerated > ago(1h)"), Some(3600));
        assert_eq!(back("T | where TimeGenerated between (ago(14d) .. ago(1d))"), Some(86_400));
        assert_eq!(back("let Slept = 30d; T | where Timestamp > ago( Slept ) // ago(1h)"), Some(30 * 86_400));
        assert_eq!(back("T | where TimeGenerated > ago(1h) and TimeGenerated < ago(5m)"), Some(3600));
        assert_eq!(back("T | where A == \"ago(1h)\""), None);
        assert_eq!(back("T"), None);
    }

    #[test]
    fn whatever_way_alerts_are_read_it_is_seen() {
        for query in [
            "// x\nSecurityAlert | where A == 1",
            "let T = AlertInfo; T | join AlertEvidence on AlertId",
            "table('SecurityAlert')",
            "union withsource=X SigninLogs, Security*",
            "union Alert* | take 1",
            "union *",
            "SigninLogs | union SigninLogs, *",
            "search \"x\"",
            "find where A == 1",
        ] {
            assert!(table_of_alerts(query).is_some(), "{query}");
        }
        for query in [
            "SigninLogs // not SecurityAlert",
            "SigninLogs | summarize count(*) by A | extend S = Security * 2",
            "T | where A == \"of // SecurityAlerts\" | extend SecurityAlerts = 1",
            "T | extend search = 1 | project search, find | where isempty(find)",
            "T | where A == @\"x\\\" and B == \"y\"",
        ] {
            assert_eq!(table_of_alerts(query), None, "{query}");
        }
    }
}
