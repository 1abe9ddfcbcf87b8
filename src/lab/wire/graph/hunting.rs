//! Advanced hunting, over the same tables as the workspace.

use serde_json::{Value, json};

use super::Case;
use crate::diagnostics::Source;
use crate::kql::{Cells, Cx, Table, compile_query, is_syntax_error};
use crate::lab::http::Answer;
use crate::lab::tenant::logs::Picture;
use crate::lab::timespan::Range;
use crate::lab::wire::{graph_error, plain_error};
use crate::lab::world::World;
use crate::model::time::At;

pub(super) fn answer(world: &mut World, case: &Case<'_>) -> Answer {
    let (body, now) = (case.body(), case.req.at);
    // The page writes the fields with a capital, the metadata without.
    let field = |names: [&str; 2]| names.iter().find_map(|k| body.get(k).and_then(Value::as_str));
    let Some(query) = field(["Query", "query"]).filter(|q| !q.trim().is_empty()).map(str::to_owned) else {
        return graph_error(case.req, 400, "BadRequest", "The query is missing.");
    };
    let range = field(["Timespan", "timespan"]).map(|text| Range::parse(text, now));
    if range == Some(None) {
        return graph_error(case.req, 400, "BadRequest", "The time span is not valid.");
    }
    match world.tenant.logs.picture(&query, range.flatten(), now) {
        Some(picture) => Answer::later(move || run(&query, &picture, now)),
        None => Answer::ok(json!({"schema": [], "results": []})),
    }
}

fn run(query: &str, picture: &Picture, now: At) -> Answer {
    let compiled = match compile_query(&Source::new("query", query), picture) {
        Ok(compiled) => compiled,
        Err(findings) => {
            let kind = if findings.iter().any(is_syntax_error) { "syntax" } else { "semantic" };
            let what = findings.first().map_or("", |f| f.message());
            return plain_error(400, "BadRequest", &format!("{what} Fix {kind} errors in your query."));
        }
    };
    match compiled.run(picture, &Cx::at(now.ticks())) {
        Ok(table) => Answer::ok(drawn(&table)),
        Err(problem) => plain_error(400, "BadRequest", &problem.to_string()),
    }
}

fn drawn(table: &Table) -> Value {
    let shown: Vec<usize> = (0..table.columns.len()).filter(|i| !table.columns[*i].is_hidden()).collect();
    let column = |i: &usize| json!({"name": &*table.columns[*i].name, "type": type_name(table.columns[*i].ty.name())});
    let row = |row: Cells<'_, '_>| -> Value {
        shown.iter().map(|i| (table.columns[*i].name.to_string(), row[*i].to_json())).collect()
    };
    json!({
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#microsoft.graph.security.huntingQueryResults",
        "schema": shown.iter().map(column).collect::<Value>(),
        "results": table.rows.iter().map(row).collect::<Value>(),
    })
}

/// Hunting names types as .NET does.
fn type_name(name: &str) -> &str {
    match name {
        "datetime" => "DateTime",
        "string" => "String",
        "bool" => "SByte",
        "int" => "Int32",
        "long" => "Int64",
        "real" => "Double",
        "guid" => "Guid",
        "timespan" => "TimeSpan",
        "dynamic" => "Object",
        other => other,
    }
}
