//! What riposte watches: workspaces.

use std::collections::HashSet;

use serde::Serialize;
use uuid::Uuid;

use super::origin::{Origin, Reading};
use super::read::Table;
use crate::diagnostics::quoted;
use crate::model::scope::WorkspaceKey;

/// `[[workspaces]]`: a Log Analytics workspace with Microsoft Sentinel on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Workspace {
    /// What people call it; unique.
    pub name: String,
    /// Its GUID.
    pub id: WorkspaceKey,
    /// Its Azure subscription.
    pub subscription: Uuid,
    /// Its resource group.
    pub resource_group: String,
    /// Its resource name.
    pub workspace: String,
}

pub(super) fn workspaces(tables: Vec<Table<'_>>) -> Vec<Workspace> {
    let (mut names, mut ids) = (HashSet::new(), HashSet::new());
    let each = tables.into_iter().filter_map(|mut table| {
        let name = name(&mut table, &mut names);
        let at = table.take("id");
        let origin = at.as_ref().map_or_else(|| table.origin().clone(), |item| item.origin().clone());
        if at.is_none() {
            table.missing("id", "the workspace's GUID");
        }
        let id = at.and_then(super::read::Item::uuid);
        if let Some(id) = id.filter(|id| !ids.insert(*id)) {
            duplicate(table.reading(), &origin, &id.to_string());
        }
        let subscription = table.uuid("subscription", "the GUID of its Azure subscription");
        let resource_group = table.need("resource_group", "its resource group").and_then(|item| item.parse(group_name));
        let workspace = table.need("workspace", "its resource name").and_then(|item| item.parse(resource_name));
        table.end();
        Some(Workspace {
            name: name?,
            id: WorkspaceKey(id?),
            subscription: subscription?,
            resource_group: resource_group?,
            workspace: workspace?,
        })
    });
    each.collect()
}

/// A name of the list, as people call it.
pub(super) fn name(table: &mut Table<'_>, names: &mut HashSet<String>) -> Option<String> {
    let item = table.need("name", "a short word of your own")?;
    let (reading, origin) = (item.reading(), item.origin().clone());
    let name = item.parse(|text| {
        let fits = text.len() <= 40 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if fits { Ok(text.to_owned()) } else { Err("is not a word of at most 40 letters, digits, - and _") }
    })?;
    if !names.insert(name.to_lowercase()) {
        duplicate(reading, &origin, &name);
    }
    Some(name)
}

fn duplicate(reading: &Reading, origin: &Origin, word: &str) {
    let message = format!("{} stands here twice", quoted(word));
    reading.error("settings/duplicate", origin, message, Some("names and ids are unique in their list"));
}

/// Resource groups: letters, digits, `_ - . ( )`, at most 90, no dot at the end (Azure naming rules).
fn group_name(text: &str) -> Result<String, &'static str> {
    let fits = text.chars().count() <= 90
        && text.chars().all(|c| c.is_alphanumeric() || "_-.()".contains(c))
        && !text.ends_with('.');
    if fits { Ok(text.to_owned()) } else { Err("is not the name of a resource group") }
}

/// Workspaces: letters, digits and `-`, at most 63 (Azure naming rules).
fn resource_name(text: &str) -> Result<String, &'static str> {
    let fits = text.len() <= 63 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if fits { Ok(text.to_owned()) } else { Err("is not the name of a workspace: letters, digits and - only") }
}
