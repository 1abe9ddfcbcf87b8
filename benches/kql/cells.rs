//! Loops over the cells of a table: what the query is given, instead of structs of a program's own.

use riposte::kql::{Cells, Val};

use crate::cases::{Answer, counted};
use crate::world::World;

/// Where the columns stand.
const TIME: usize = 1;
const NAME: usize = 3;
const SEVERITY: usize = 4;
const PROVIDER: usize = 6;
const ID: usize = 9;
const SCORE: usize = 14;
const STATUS: usize = 29;
const WHO: usize = 30;

pub fn filter_by_texts(world: &World) -> Answer<'_> {
    let wanted = |row: &Cells<'_, '_>| {
        let text = |at: usize| row[at].as_str();
        text(SEVERITY) == Some("High")
            && text(PROVIDER) != Some("Microsoft 365 Defender")
            && (text(STATUS) == Some("New") || text(STATUS) == Some("InProgress"))
    };
    counted(world.rows("SecurityAlert").iter().filter(wanted).count())
}

pub fn filter_by_numbers(world: &World) -> Answer<'_> {
    let since = 17_672_256_000_000_000 + 600 * 10_000_000;
    let wanted = |row: &Cells<'_, '_>| {
        matches!(row[SCORE], Val::Real(score) if score > 0.25 && score <= 0.75)
            && matches!(row[TIME], Val::DateTime(at) if at >= since)
    };
    counted(world.rows("SecurityAlert").iter().filter(wanted).count())
}

pub fn filter_and_project(world: &World) -> Answer<'_> {
    let mut found = Vec::new();
    for row in world.rows("SecurityAlert") {
        let mut words = row[NAME].as_str().unwrap_or_default().split(|c: char| !c.is_alphanumeric());
        if words.any(|word| word.eq_ignore_ascii_case("dcsync"))
            && row[SEVERITY].as_str() == Some("High")
            && matches!(row[SCORE], Val::Real(score) if score > 0.5)
        {
            found.push(vec![row[TIME].clone(), row[ID].clone(), row[WHO].clone()]);
        }
    }
    Box::new(move || found)
}
