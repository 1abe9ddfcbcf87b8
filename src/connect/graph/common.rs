//! What all of Graph has in common: pages, and how calls that change something end.

use serde_json::Value;

use super::json::field;
use crate::connect::http::{Answer, Api, Call};
use crate::connect::port::Answered;
use crate::model::failure::{Failure, FailureKind, Sent};

/// What several pages hold.
#[derive(Debug)]
pub(super) struct Listing {
    /// The items, in the order in which they came.
    pub(super) items: Vec<Value>,
    /// How many there are in all by `@odata.count`, where the call asked for it.
    pub(super) count: Option<u64>,
    /// There are no more pages.
    pub(super) whole: bool,
}

/// Reads at most `most` pages, following `@odata.nextLink` unchanged.
///
/// # Errors
/// When a page cannot be had or is not a list: nothing was read then.
pub(super) async fn pages(api: &Api, call: &Call, most: usize) -> Result<Listing, Failure> {
    let mut listing = Listing { items: Vec::new(), count: None, whole: false };
    let mut answer = api.send(call).await?;
    for left in (0..most).rev() {
        let next = listing.take(answer.json()?).map_err(|why| answer.unreadable(why))?;
        let Some(link) = next else {
            listing.whole = true;
            break;
        };
        if left == 0 || listing.cannot_fit(left) {
            break;
        }
        answer = api.follow(call, &link).await?;
    }
    Ok(listing)
}

/// Reads all pages.
///
/// # Errors
/// As [`pages`], and when there are more than `most`: a list cut short would be a lie.
pub(super) async fn all(api: &Api, call: &Call, most: usize) -> Result<Vec<Value>, Failure> {
    let listing = pages(api, call, most).await?;
    if listing.whole {
        return Ok(listing.items);
    }
    Err(unreadable(api, call, &format!("there are more than {most} pages; the rest was not read")))
}

/// A failure that says why answers to `call` cannot be used. `why` is ours: no text of the answer.
pub(super) fn unreadable(api: &Api, call: &Call, why: &str) -> Failure {
    Failure { kind: FailureKind::Unreadable, sent: Sent::Answered, ..api.not_attempted(call, why) }
}

/// How a call that changes something ended.
pub(super) fn answered(result: Result<Answer, Failure>, correlation: impl Fn(&Answer) -> Option<String>) -> Answered {
    match result {
        Ok(answer) => Answered::Accepted { correlation: correlation(&answer).or_else(|| request_id(&answer)) },
        Err(failure) => Answered::Failed(failure),
    }
}

/// Graph's own name for the call.
pub(super) fn request_id(answer: &Answer) -> Option<String> {
    answer.header("request-id").map(|id| crate::model::text::clip(id, 64))
}

impl Listing {
    /// The count says that `left` more pages like those before will not do.
    fn cannot_fit(&self, left: usize) -> bool {
        self.count.is_some_and(|count| count > (self.items.len() * (left + 1)) as u64)
    }

    /// Adds a page; its link to the next one.
    fn take(&mut self, mut page: Value) -> Result<Option<String>, &'static str> {
        let next = field(&page, "@odata.nextLink").and_then(Value::as_str).map(str::to_owned);
        self.count = self.count.or_else(|| field(&page, "@odata.count").and_then(Value::as_u64));
        let spelling = if page.get("value").is_some() { "value" } else { "Value" };
        let Some(Value::Array(items)) = page.get_mut(spelling) else {
            return Err("the answer has no list `value`");
        };
        self.items.append(items);
        Ok(next)
    }
}
