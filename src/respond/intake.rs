//! Source lanes: read a page, unify it with what is known, record page and cursor together.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::connect::port::{SourcePage, Urgency, Window};
use crate::journal::CommitError;
use crate::journal::batch::{Batch, CursorWrite};
use crate::journal::lane::Claim;
use crate::model::failure::FailureKind;
use crate::model::time::At;
use crate::record::retry::RETRY_AFTER_CEILING;

use super::listener::News;
use super::poll_failure::PollFailure;
use super::polls::Ended;
use super::unify::Unified;
use super::{Context, Pages, Reading, Source, StepError, runs};

/// The widest window one question may span; narrowed when the source gives partial answers.
const WIDEST: Duration = Duration::from_secs(24 * 3600);
/// The narrowest.
const NARROWEST: Duration = Duration::from_secs(60);

/// Where a source stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Everything that was visible before this has been read.
    pub through: At,
    /// Within the window that begins at `through`, what was read last.
    pub after: Option<(At, String)>,
    /// Where the running window ends, while it takes several pages.
    pub to: Option<At>,
    /// How wide a window may be, in seconds.
    pub widest: u64,
}

/// How a pass over a source ended.
pub(super) struct Pass {
    /// When to come back.
    pub(super) again: At,
    /// How the source answered.
    pub(super) ended: Ended,
}

/// One pass over a source: one page, or one run.
pub(super) async fn step(context: &Context, claim: &Claim, source: &Source) -> Result<Pass, StepError> {
    match &source.reading {
        Reading::Pages(pages) => page(context, claim, source, pages).await,
        Reading::Runs(runs) => runs::step(context, claim, source, runs).await,
    }
}

async fn page(context: &Context, claim: &Claim, source: &Source, pages: &Pages) -> Result<Pass, StepError> {
    let now = context.clock.now();
    let name = source.key.to_string();
    let stored = context.journal.cursor(&name).await?.and_then(|position| Cursor::deserialize(&position).ok());
    let cursor = stored.unwrap_or_else(|| Cursor {
        through: now.minus(pages.first_lookback),
        after: None,
        to: None,
        widest: WIDEST.as_secs(),
    });
    let cursor = sane(cursor, pages.first_lookback.max(pages.overlap), now);
    let window = window(&cursor, pages, now);
    let page = match Urgency::Poll.of(source.port.page(&window)).await {
        Ok(page) => page,
        Err(failure) => {
            context.listener.hear(&News::PollFailed { source: &source.key, failure: &failure });
            let failed = PollFailure::new(&failure, false, None, now).write(&name);
            let told = Batch { cursor: Some(failed), ..Batch::default() };
            context.journal.commit(claim, told).await?;
            let wish = failure.retry_after().map(|wish| wish.min(RETRY_AFTER_CEILING));
            let again = now.plus(wish.unwrap_or(pages.every.min(RETRY_AFTER_CEILING)));
            // A question too large for the source is asked in smaller pieces.
            if matches!(failure.kind, FailureKind::NoAnswer | FailureKind::Unavailable) {
                let narrowed = narrowed(&cursor);
                commit_cursor(context, claim, &name, &narrowed).await?;
            }
            return Ok(Pass { again, ended: Ended::Failed { wish, lasting: false } });
        }
    };
    let next = after(&cursor, &window, &page);
    let behind = now.since(next.through);
    let unreadable = record(context, claim, &page, &position(&name, &next)).await?;
    context.listener.hear(&News::Polled { source: &source.key, rows: page.items.len(), unreadable, behind });
    let caught_up = next.to.is_none() && reaches_the_present(&cursor, &window);
    let again = if caught_up || page.partial { now.plus(pages.every) } else { now };
    let ended = if page.partial { Ended::Failed { wish: None, lasting: false } } else { Ended::Answered };
    Ok(Pass { again, ended })
}

/// A cursor in the future was written by a clock that has been set back: what became visible meanwhile
/// is read again.
fn sane(cursor: Cursor, reach: Duration, now: At) -> Cursor {
    if cursor.through <= now {
        return cursor;
    }
    Cursor { through: now.minus(reach), after: None, to: None, ..cursor }
}

/// The next question: from the cursor, reaching back by the overlap when a window begins.
fn window(cursor: &Cursor, pages: &Pages, now: At) -> Window {
    let from = cursor.through.min(now).minus(pages.overlap);
    let to = cursor.to.unwrap_or_else(|| now.min(cursor.through.min(now).plus(Duration::from_secs(cursor.widest))));
    Window { from, to, after: cursor.after.clone(), cap: pages.cap }
}

/// Whether a window ends at the moment it was opened, and not where it would have become too wide.
/// Its pages take time, so that moment has passed; to hurry after it would never end.
fn reaches_the_present(cursor: &Cursor, window: &Window) -> bool {
    window.to < cursor.through.plus(Duration::from_secs(cursor.widest))
}

/// Where the source stands after a page. A partial answer moves nothing.
fn after(cursor: &Cursor, window: &Window, page: &SourcePage) -> Cursor {
    if page.partial {
        return narrowed(cursor);
    }
    if page.full {
        let last = page.last.clone().or_else(|| cursor.after.clone());
        return Cursor { after: last, to: Some(window.to), ..cursor.clone() };
    }
    let wider = cursor.widest.saturating_mul(2).min(WIDEST.as_secs());
    Cursor { through: window.to, after: None, to: None, widest: wider }
}

fn narrowed(cursor: &Cursor) -> Cursor {
    let half = (cursor.widest / 2).max(NARROWEST.as_secs());
    Cursor { widest: half, to: None, after: None, ..cursor.clone() }
}

async fn commit_cursor(context: &Context, claim: &Claim, source: &str, cursor: &Cursor) -> Result<(), StepError> {
    let batch = Batch { cursor: Some(position(source, cursor)), ..Batch::default() };
    Ok(context.journal.commit(claim, batch).await?)
}

fn position(source: &str, cursor: &Cursor) -> CursorWrite {
    CursorWrite { source: source.to_owned(), position: json!(cursor) }
}

/// Records a page and the cursor in one transaction. Another source may learn of the same alerts at
/// the same time; then the page is unified again with what that one wrote. Gives how many items are unreadable.
pub(super) async fn record(
    context: &Context,
    claim: &Claim,
    page: &SourcePage,
    cursor: &CursorWrite,
) -> Result<usize, StepError> {
    let mut tries = 0;
    loop {
        let mut unified = Unified::new(context, page).await?;
        unified.batch.cursor = Some(cursor.clone());
        let news = std::mem::take(&mut unified.news);
        match context.journal.commit(claim, unified.batch).await {
            Ok(()) => {
                context.repeats.note(unified.idle);
                for (alert, source, new) in &news {
                    context.listener.hear(&News::AlertSeen { alert, source, new: *new });
                }
                return Ok(unified.unreadable);
            }
            Err(CommitError::Moved(_) | CommitError::AliasTaken { .. }) if tries < 5 => tries += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::port::Omitted;

    #[test]
    fn a_cursor_of_a_clock_that_has_been_set_back_is_read_from_again_and_any_other_stands() {
        let now = At::from_unix_seconds(1_800_000_000);
        let hour = Duration::from_secs(3600);
        let cursor = |through| Cursor { through, after: Some((now, "id".into())), to: Some(now), widest: 60 };
        for through in [now.minus(hour), now] {
            assert_eq!(sane(cursor(through), hour, now), cursor(through));
        }
        let again = Cursor { through: now.minus(hour), after: None, to: None, widest: 60 };
        assert_eq!(sane(cursor(now.plus(Duration::from_nanos(100))), hour, now), again);
    }

    #[test]
    fn each_window_reaches_back_by_the_overlap_for_rows_that_become_visible_out_of_order() {
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        let now = At::from_unix_seconds(1_800_000_000);
        let pages = Pages { every: second, overlap: hour, first_lookback: hour, cap: 10 };
        let cursor = Cursor { through: now.minus(second), after: None, to: None, widest: WIDEST.as_secs() };
        let asked = window(&cursor, &pages, now);
        assert_eq!((asked.from, asked.to), (now.minus(second).minus(hour), now));
    }

    #[test]
    fn only_a_whole_answer_moves_the_cursor_to_the_end_of_its_window() {
        let now = At::from_unix_seconds(1_800_000_000);
        let to = now.plus(Duration::from_secs(600));
        let cursor = Cursor { through: now, after: None, to: None, widest: 600 };
        let window = Window { from: now, to, after: None, cap: 10 };
        let last = Some((now, "last".to_owned()));
        let then = |full, partial| {
            let page = SourcePage { items: Vec::new(), last: last.clone(), full, partial, omitted: Omitted::default() };
            after(&cursor, &window, &page)
        };
        let whole = then(false, false);
        assert_eq!((whole.through, whole.after, whole.to), (to, None, None));
        let full = then(true, false);
        assert_eq!((full.through, full.after, full.to), (now, last.clone(), Some(to)), "the rest of it comes next");
        for full in [false, true] {
            let partial = then(full, true);
            assert_eq!((partial.through, partial.after, partial.to, partial.widest), (now, None, None, 300));
        }
    }
}
