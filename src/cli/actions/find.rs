//! An action by its id, or by the beginning of it.

use uuid::Uuid;

use super::line::ActionLine;
use super::listing::decided;
use crate::cli::exit::CliError;
use crate::journal::removal::{Removed, removed};
use crate::journal::{Filter, Journal};
use crate::model::text::clip;
use crate::record::action::ActionRecord;
use crate::record::event::{StreamKey, StreamKind};
use crate::respond::write::{self, Stored};

/// Fewer digits are more likely a slip than a wish.
const FEWEST: usize = 4;
/// So many ids that begin alike are named.
const NAMED: usize = 5;

/// What an id names.
#[derive(Debug)]
pub enum Found {
    /// An action.
    Action(Box<Stored<ActionRecord>>),
    /// Something that was withheld before there was an action.
    Decided(Box<ActionLine>),
}

impl Found {
    /// The id of what it is.
    pub fn id(&self) -> Uuid {
        match self {
            Self::Action(stored) => stored.record.action.id.uuid(),
            Self::Decided(line) => line.id,
        }
    }
}

/// Finds the one decision whose id begins like this.
///
/// # Errors
/// No when there is none or more than one; a usage error when the text is no id.
pub async fn find(journal: &dyn Journal, text: &str) -> Result<Found, CliError> {
    let digits = text.trim().replace('-', "").to_ascii_lowercase();
    let shown = clip(text, 40);
    if digits.len() < FEWEST || digits.len() > 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        let why = format!("{shown:?} is no action: give its id, or at least its first {FEWEST} digits");
        return Err(CliError::Usage(why));
    }
    let begins = hyphenated(&digits);
    let one_more = u32::try_from(NAMED + 1).ok();
    let kind = Some(StreamKind::Action);
    let filter = Filter { kind, id_prefix: Some(begins.clone()), limit: one_more, ..Filter::default() };
    let actions = journal.streams(&filter).await?;
    if let [stream] = actions.as_slice() {
        return Ok(Found::Action(Box::new(write::read(stream)?)));
    }
    if !actions.is_empty() {
        let ids: Vec<String> = actions.iter().take(NAMED).map(|stream| stream.key.id.clone()).collect();
        let count = if actions.len() > NAMED { format!("more than {NAMED}") } else { actions.len().to_string() };
        return Err(CliError::No(format!("{count} actions begin with {shown}: {} ...", ids.join(", "))));
    }
    let mut decided = decided(journal, &begins).await?;
    match decided.pop() {
        Some(line) if decided.is_empty() => Ok(Found::Decided(Box::new(line))),
        Some(_) => Err(CliError::No(format!("more than one decision begins with {shown}; give more digits"))),
        None => Err(CliError::No(match gone(journal, &begins).await? {
            Some(gone) => format!("of {shown} there is no more: {}", gone.line()),
            None => format!("no action begins with {shown}: `riposte actions list` shows all"),
        })),
    }
}

/// What is said of a decision that was removed, where the whole of its id is given.
async fn gone(journal: &dyn Journal, id: &str) -> Result<Option<Removed>, CliError> {
    Ok(match id.parse() {
        Ok(id) => removed(journal, &StreamKey::action(id)).await?,
        Err(_) => None,
    })
}

/// The beginning of an id as it is written.
fn hyphenated(digits: &str) -> String {
    let mut text = String::with_capacity(36);
    for (place, digit) in digits.chars().enumerate() {
        if matches!(place, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;
    use crate::cli::testing::{Story, bench};

    #[tokio::test]
    async fn a_beginning_of_four_digits_is_enough_and_less_is_a_slip() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let whole = story.asking.to_string();
        for text in [whole.as_str(), &whole.replace('-', ""), &whole[..11], &whole[..8], &whole[..4].to_uppercase()] {
            let Found::Action(stored) = find(&journal, text).await.unwrap() else { panic!("{text}") };
            assert_eq!(stored.record.action.id, story.asking);
        }
        assert_eq!(find(&journal, &whole[..3]).await.unwrap_err().exit(), Exit::Usage);
        assert_eq!(find(&journal, "'; drop table").await.unwrap_err().exit(), Exit::Usage);
        assert_eq!(find(&journal, "00000000").await.unwrap_err().exit(), Exit::No);
    }

    #[tokio::test]
    async fn ids_that_begin_alike_are_named_but_not_all_of_a_crowd() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let db = rusqlite::Connection::open(bench.path()).unwrap();
        let twin = |n: u32| {
            let sql = "insert into stream select tenant, kind, 'cafecafe-0000-0000-0000-00000000000' || ?1, lane_kind, lane_key,
                n, head, state, open, opened_at, changed_at, label from stream where id = ?2";
            db.execute(sql, rusqlite::params![n, story.done.to_string()]).unwrap();
        };
        (0..2).for_each(twin);
        let few = find(&journal, "cafe").await.unwrap_err().to_string();
        assert!(few.starts_with("2 actions begin with cafe: cafecafe-"), "{few}");
        (2..9).for_each(twin);
        let many = find(&journal, "cafe").await.unwrap_err().to_string();
        assert!(
            many.starts_with("more than 5 actions begin with cafe: ") && many.matches("cafecafe").count() == 5,
            "{many}"
        );
    }

    #[tokio::test]
    async fn what_never_became_an_action_is_found_too() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let found = find(&journal, &story.withheld.short()).await.unwrap();
        assert!(matches!(found, Found::Decided(line) if line.action_id() == story.withheld));
    }
}
