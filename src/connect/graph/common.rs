//! What all of Graph has in common: pages, and how calls that change something end.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::connect::http::{Answer, Api, Call};
use crate::connect::port::Answered;
use crate::model::failure::{Failure, FailureKind, Sent};

/// What several pages hold.
#[derive(Debug)]
pub(super) struct Listing<T> {
    /// The items, in the order in which they came.
    pub(super) items: Vec<T>,
    /// How many there are in all by `@odata.count`, where the call asked for it.
    pub(super) count: Option<u64>,
    /// There are no more pages.
    pub(super) whole: bool,
}

/// One page. Its items are taken apart one at a time: as values, a page of them is many times as large as its text.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow, alias = "Value")]
    value: Option<Vec<&'a RawValue>>,
    #[serde(rename = "@odata.nextLink", alias = "@odata.nextlink")]
    next: Option<Value>,
    #[serde(rename = "@odata.count")]
    count: Option<Value>,
}

/// Reads at most `most` pages, following `@odata.nextLink` unchanged. `read` makes of an item's JSON what is kept of it.
///
/// # Errors
/// When a page cannot be had or is not a list: nothing was read then. What `read` says of an item ends the reading.
pub(super) async fn pages<T>(
    api: &Api,
    call: &Call,
    most: usize,
    read: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<Listing<T>, Failure> {
    let mut listing = Listing { items: Vec::new(), count: None, whole: false };
    let mut answer = api.send(call).await?;
    for left in (0..most).rev() {
        let next = listing.take(answer.json()?, &read).map_err(|why| answer.unreadable(why))?;
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
    let item = |raw: &str| serde_json::from_str(raw).map_err(|_| "an item of the answer cannot be read");
    let listing = pages(api, call, most, item).await?;
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

impl<T> Listing<T> {
    /// The count says that `left` more pages like those before will not do.
    fn cannot_fit(&self, left: usize) -> bool {
        self.count.is_some_and(|count| count > (self.items.len() * (left + 1)) as u64)
    }

    /// Adds a page; its link to the next one.
    fn take(
        &mut self,
        page: Page<'_>,
        read: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Result<Option<String>, &'static str> {
        self.count = self.count.or_else(|| page.count.as_ref().and_then(Value::as_u64));
        for item in page.value.ok_or("the answer has no list `value`")? {
            self.items.push(read(item.get())?);
        }
        Ok(page.next.and_then(|link| link.as_str().map(str::to_owned)))
    }
}
