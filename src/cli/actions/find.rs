//! An action by its id, or by the beginning of it.

use super::line::ActionLine;
use super::listing::{Wanted, list};
use crate::cli::exit::CliError;
use crate::journal::{Filter, Journal};
use crate::model::id::ActionId;
use crate::model::text::clip;
use crate::record::action::ActionRecord;
use crate::record::event::{StreamKey, StreamKind};
use crate::respond::write::{self, Stored};

/// Fewer digits are more likely a slip than a wish.
const FEWEST: usize = 4;

/// What an id names.
#[derive(Debug)]
pub enum Found {
    /// An action.
    Action(Box<Stored<ActionRecord>>),
    /// Something that was withheld before there was an action.
    Decided(Box<ActionLine>),
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
    let fits = |id: uuid::Uuid| id.simple().to_string().starts_with(&digits);
    if let Ok(id) = digits.parse::<ActionId>()
        && let Some(stream) = journal.stream(&StreamKey::action(id)).await?
    {
        return Ok(Found::Action(Box::new(write::read(&stream)?)));
    }
    let filter = Filter { kind: Some(StreamKind::Action), ..Filter::default() };
    let mut actions = journal.streams(&filter).await?;
    actions.retain(|stream| stream.key.id.parse::<ActionId>().is_ok_and(|id| fits(id.uuid())));
    if let [stream] = actions.as_slice() {
        return Ok(Found::Action(Box::new(write::read(stream)?)));
    }
    if !actions.is_empty() {
        let ids: Vec<String> = actions.iter().take(5).map(|stream| stream.key.id.clone()).collect();
        return Err(CliError::No(format!("{} actions begin with {shown}: {} ...", actions.len(), ids.join(", "))));
    }
    let mut decided = list(journal, &Wanted::default()).await?.lines;
    decided.retain(|line| fits(line.id));
    match decided.pop() {
        Some(line) if decided.is_empty() => Ok(Found::Decided(Box::new(line))),
        Some(_) => Err(CliError::No(format!("more than one decision begins with {shown}; give more digits"))),
        None => Err(CliError::No(format!("no action begins with {shown}: `riposte actions list` shows all"))),
    }
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
        for text in [whole.as_str(), &whole[..8], &whole[..4].to_uppercase()] {
            let Found::Action(stored) = find(&journal, text).await.unwrap() else { panic!("{text}") };
            assert_eq!(stored.record.action.id, story.asking);
        }
        assert_eq!(find(&journal, &whole[..3]).await.unwrap_err().exit(), Exit::Usage);
        assert_eq!(find(&journal, "'; drop table").await.unwrap_err().exit(), Exit::Usage);
        assert_eq!(find(&journal, "00000000").await.unwrap_err().exit(), Exit::No);
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
