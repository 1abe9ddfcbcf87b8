//! What the text of a query says of itself. The service runs it, and it may say more than our own KQL knows, so it is
//! read word by word.

use std::time::Duration;

use crate::model::time::parse_duration;

/// Tables of alerts: whoever can write rows there writes alerts, and no trigger makes them truer. An incident says again
/// what its alerts say.
///
/// Source: Azure Monitor tables reference, and the schema of advanced hunting.
const ALERTS: [&str; 4] = ["SecurityAlert", "AlertInfo", "AlertEvidence", "SecurityIncident"];
/// What reads another place, where a name may stand for anything.
///
/// Source: Azure Monitor, cross-resource queries; Kusto, entity references and external tables.
const ELSEWHERE: [&str; 9] =
    ["workspace", "app", "resource", "cluster", "database", "adx", "arg", "external_table", "materialized_view"];

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

/// What the query reads that makes what it finds no truer than a row of an alert: a table of alerts (`union *`, `search`
/// and `find` read all there are), or a place where nobody here can look.
pub(super) fn unwitnessed(query: &str) -> Option<String> {
    let tokens = tokens(query);
    table_of_alerts(&tokens).map(str::to_owned).or_else(|| elsewhere(&tokens))
}

/// Whether that is a table of alerts.
pub(super) fn is_of_alerts(table: &str) -> bool {
    ALERTS.contains(&table)
}

fn table_of_alerts(tokens: &[Token<'_>]) -> Option<&'static str> {
    use Token::{Sign, Text, Word};
    let named = tokens.iter().find_map(|token| match token {
        // `workspace("soc").SecurityAlert` is that table too.
        Word(name) => ALERTS.into_iter().find(|table| name.rsplit('.').next() == Some(*table)),
        Text(name) => ALERTS.into_iter().find(|table| table == name),
        Sign(_) => None,
    });
    let begins =
        |index: usize| index == 0 || matches!(tokens.get(index - 1), Some(Sign('|' | ';' | '(' | '{' | '=')) | None);
    // A column may be called like that.
    let is_value = |next: Option<&Token<'_>>| matches!(next, None | Some(Sign('|' | ';' | ')' | ',' | '=')));
    let wide = || {
        tokens.iter().enumerate().find_map(|(index, token)| match token {
            Word("union") => united(tokens.get(index + 1..).unwrap_or_default()),
            Word("search" | "find") if begins(index) && !is_value(tokens.get(index + 1)) => Some(ALERTS[0]),
            Word(_) | Text(_) | Sign(_) => None,
        })
    };
    named.or_else(wide)
}

/// The table of alerts that fits a `*` among the tables behind `union`. A `*` within parentheses is a product or
/// `count(*)`, and not of this union.
fn united(tokens: &[Token<'_>]) -> Option<&'static str> {
    use Token::{Sign, Word};
    let mut depth = 0_u32;
    for (index, token) in tokens.iter().enumerate() {
        let before = |back: usize| index.checked_sub(back).and_then(|at| tokens.get(at));
        match token {
            Sign('(' | '[' | '{') => depth += 1,
            Sign(')' | ']' | '}') if depth > 0 => depth -= 1,
            Sign('|' | ';' | ')' | ']' | '}') if depth == 0 => return None,
            Sign('*') if depth == 0 => match (before(2), before(1)) {
                // What an option says, as in `isfuzzy=true *`, begins no name.
                (Some(Sign('=')), Some(Word(_))) => return Some(ALERTS[0]),
                (_, Some(Word(start))) => {
                    let fits = |table: &&str| {
                        table.get(..start.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(start))
                    };
                    if let Some(table) = ALERTS.into_iter().find(fits) {
                        return Some(table);
                    }
                }
                _ => return Some(ALERTS[0]),
            },
            Word(_) | Token::Text(_) | Sign(_) => {}
        }
    }
    None
}

/// A place that the query reads, and in which nobody here can look.
fn elsewhere(tokens: &[Token<'_>]) -> Option<String> {
    use Token::{Sign, Text, Word};
    tokens.windows(4).find_map(|part| match part {
        [Word(place), Sign('('), ..] if ELSEWHERE.contains(place) => Some(format!("{place}(...)")),
        [Word("table"), Sign('('), Text(_), Sign(')' | ',')] => None,
        [Word("table"), Sign('('), ..] => Some("a table whose name is computed".to_owned()),
        _ => None,
    })
}

/// The parts of a query without its comments.
fn tokens(query: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(fence) = ["```", "~~~"].into_iter().find(|fence| rest.starts_with(fence)) {
            let inner = rest.get(fence.len()..).unwrap_or_default();
            let end = inner.find(fence).unwrap_or(inner.len());
            tokens.push(Token::Text(inner.get(..end).unwrap_or_default()));
            (end + 2 * fence.len()).min(rest.len())
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
            "union withsource=Tbl *",
            "union isfuzzy=true *",
            "union withsource = Tbl kind=outer security*",
            "union SigninLogs, (T | where A == 1), *Alert",
            "let A = () { union * }; A",
            "let A = () { search \"x\" }; A",
            "workspace(\"x\").SecurityAlert",
            "union SigninLogs, workspace('x').SecurityAlert",
            "database(\"x\").AlertInfo | take 1",
            "SecurityIncident | mv-expand AlertIds",
            "search \"x\"",
            "search (\"a\" or \"b\")",
            "search @\"x\"",
            "T | join (search kind=case_sensitive \"x\") on A",
            "find where A == 1",
            "find (\"a\")",
            "T | where A has ```it's``` | join SecurityAlert on A // '",
        ] {
            assert!(table_of_alerts(&tokens(query)).is_some(), "{query}");
        }
        for query in [
            "SigninLogs // not SecurityAlert",
            "SigninLogs | summarize count(*) by A | extend S = Security * 2",
            "T | where A == \"of // SecurityAlerts\" | extend SecurityAlerts = 1",
            "T | extend search = 1 | project search, find | where isempty(find)",
            "T | where A == @\"x\\\" and B == \"y\"",
            "union withsource=T SigninLogs, AAD* | extend S = Security * 2 | summarize count(*) by A, S",
            "union (SigninLogs | extend S = A * 2 | summarize count(*) by S), AuditLogs",
            "T | where find == 1 and (search == 2)",
        ] {
            assert_eq!(unwitnessed(query), None, "{query}");
        }
    }

    #[test]
    fn a_place_where_nobody_here_can_look_is_told_by_its_name() {
        for (query, place) in [
            ("workspace(\"x\").SigninLogs", "workspace(...)"),
            ("union SigninLogs, cluster('a').database('b').T", "cluster(...)"),
            ("let N = strcat('Security', 'Alert'); table(N) | take 1", "a table whose name is computed"),
            ("table('Security' 'Alert')", "a table whose name is computed"),
        ] {
            assert_eq!(unwitnessed(query).as_deref(), Some(place), "{query}");
        }
        for query in ["table('SigninLogs')", "table('SigninLogs', 'hot')", "T | where app == 'x' | project database"] {
            assert_eq!(unwitnessed(query), None, "{query}");
        }
    }
}
