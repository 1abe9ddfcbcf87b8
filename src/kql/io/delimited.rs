//! Text whose records are lines and whose fields stand between separators.

use super::lines::{MOST_COLUMNS, too_many_columns};

/// The records of a text, each with its fields. With `quotes` (RFC 4180) a field may stand in quotes, and hold separators,
/// line ends and doubled quotes.
///
/// # Errors
/// A sentence that says where a quote has no end, or which record has too many fields.
pub(super) fn records(text: &str, separator: char, quotes: bool) -> Result<Vec<Vec<String>>, String> {
    let mut all = Vec::new();
    let mut record = vec![String::new()];
    let mut inside = false;
    let mut opened = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let fields = record.len();
        let Some(field) = record.last_mut() else { break };
        match c {
            '"' if inside && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quotes => {
                inside = !inside;
                opened = all.len() + 1;
            }
            c if c == separator && !inside && fields > MOST_COLUMNS => {
                return Err(format!("record {}: {}", all.len() + 1, too_many_columns()));
            }
            c if c == separator && !inside => record.push(String::new()),
            '\r' if !inside => {}
            '\n' if !inside => all.push(std::mem::replace(&mut record, vec![String::new()])),
            c => field.push(c),
        }
    }
    if inside {
        return Err(format!("record {opened}: a quote has no end"));
    }
    all.push(record);
    all.retain(|record| record.len() > 1 || record.iter().any(|field| !field.is_empty()));
    Ok(all)
}
