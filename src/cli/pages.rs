//! Streams, some at a time: a journal does not fit into memory.

use crate::journal::{Fault, Filter, Journal, StoredStream};

/// So many are read at once.
pub(super) const PAGE: u32 = 500;

/// Shows each stream that fits, in the order of ids.
///
/// # Errors
/// When the journal cannot be read.
pub(super) async fn each(
    journal: &dyn Journal,
    filter: Filter,
    mut see: impl FnMut(StoredStream),
) -> Result<(), Fault> {
    let mut part = Filter { after_id: Some(String::new()), limit: Some(PAGE), ..filter };
    loop {
        let page = journal.streams(&part).await?;
        let is_last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        part.after_id = page.last().map(|stream| stream.key.id.clone());
        page.into_iter().for_each(&mut see);
        if is_last {
            return Ok(());
        }
    }
}
