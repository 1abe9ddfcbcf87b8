//! Tables from text: JSON, JSON lines and CSV.

use serde_json::{Map, Value as Json};

use super::lines::{LineColumns, MOST_COLUMNS, cells, no_json, too_many_columns};
use crate::diagnostics::quoted;
use crate::kql::limits::Limits;
use crate::kql::schema::{Column, Schema};
use crate::kql::table::Table;
use crate::kql::time::parse_datetime;
use crate::kql::value::{Type, Value};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// An array of objects, one object, or an answer of Log Analytics.
    Json,
    /// An object on each line.
    JsonLines,
    /// A line with names, then a line for each row.
    Csv,
}

/// Reads rows. Columns that `known` lists have their types from there; those of the others are taken from the values.
///
/// # Errors
/// A sentence that says what is wrong and where.
pub fn read_rows(text: &str, format: RowFormat, known: Option<&Schema>) -> Result<Table, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match format {
        RowFormat::Json => {
            if text.trim().is_empty() {
                return Err("it is empty; no rows are written []".to_owned());
            }
            let json: Json = serde_json::from_str(text)
                .map_err(|error| format!("this is no JSON: {error} (lines of JSON end in .jsonl, commas in .csv)"))?;
            match answer(&json) {
                Some(table) => table,
                None => objects(list(json)?, known),
            }
        }
        RowFormat::JsonLines => {
            let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
            let rows: Result<Vec<Json>, String> = lines
                .map(|(at, line)| {
                    serde_json::from_str(line).map_err(|error| format!("line {}: {}", at + 1, no_json(&error)))
                })
                .collect();
            objects(rows?, known)
        }
        RowFormat::Csv => csv(text, known),
    }
}

fn list(json: Json) -> Result<Vec<Json>, String> {
    match json {
        Json::Array(rows) => Ok(rows),
        Json::Object(_) => Ok(vec![json]),
        _ => Err("rows are an array of objects".to_owned()),
    }
}

/// The first table of an answer of Log Analytics, with the types it says.
fn answer(json: &Json) -> Option<Result<Table, String>> {
    let table = json.get("tables")?.as_array()?.first()?;
    let columns: Option<Vec<Column>> = table
        .get("columns")?
        .as_array()?
        .iter()
        .map(|column| Some(Column::new(column.get("name")?.as_str()?, Type::from_name(column.get("type")?.as_str()?)?)))
        .collect();
    let (columns, rows) = (columns?, table.get("rows")?.as_array()?);
    if let Err(why) = room(rows.len(), columns.len()) {
        return Some(Err(why));
    }
    let rows = rows.iter().enumerate().map(|(at, row)| {
        let cells = row.as_array().map(Vec::as_slice).unwrap_or_default();
        let read = |(at_column, column): (usize, &Column)| {
            value(cells.get(at_column).unwrap_or(&Json::Null), column)
                .map_err(|error| format!("row {}: {error}", at + 1))
        };
        columns.iter().enumerate().map(read).collect::<Result<Vec<Value>, String>>()
    });
    let rows = rows.collect::<Result<Vec<_>, _>>();
    Some(rows.map(|rows| Table::new(columns.clone(), rows)))
}

fn objects(rows: Vec<Json>, known: Option<&Schema>) -> Result<Table, String> {
    let mut objects: Vec<Map<String, Json>> = Vec::new();
    for (at, row) in rows.into_iter().enumerate() {
        match row {
            Json::Object(object) => objects.push(object),
            _ => return Err(format!("row {}: a row is an object", at + 1)),
        }
    }
    let mut columns = LineColumns::new(known);
    for (at, object) in objects.iter().enumerate() {
        columns.see_object(object).map_err(|error| format!("row {}: {error}", at + 1))?;
    }
    let columns = columns.into_columns();
    room(objects.len(), columns.len())?;
    let rows = objects.iter().enumerate();
    let rows = rows.map(|(at, object)| cells(object, &columns).map_err(|error| format!("row {}: {error}", at + 1)));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    Ok(Table::new(columns, rows))
}

/// That so many rows may be held: each has a cell for every column, whether it names it or not.
fn room(rows: usize, columns: usize) -> Result<(), String> {
    let most = Limits::default().bytes;
    let bytes = (rows as u64).saturating_mul(columns as u64).saturating_mul(size_of::<Value>() as u64);
    if bytes <= most {
        return Ok(());
    }
    Err(format!(
        "{rows} rows of {columns} columns are more than the {} MiB that a table may take; leave out what the query does not \
         read, or write the rows as JSON lines in a .jsonl file, which is read row by row",
        most >> 20
    ))
}

pub(super) fn value(cell: &Json, column: &Column) -> Result<Value, String> {
    let cell = match (cell, column.ty) {
        // A dynamic is often written as text that holds JSON.
        (Json::String(text), Type::Dynamic) => serde_json::from_str(text).unwrap_or_else(|_| cell.clone()),
        (Json::String(text), ty) if text.is_empty() && ty != Type::String => Json::Null,
        _ => cell.clone(),
    };
    Value::from_json(&cell, column.ty).map_err(|error| format!("column {}: {error}", column.name))
}

pub(super) fn type_of(cell: &Json) -> Option<Type> {
    Some(match cell {
        Json::Null => return None,
        Json::Bool(_) => Type::Bool,
        Json::Number(number) if number.is_i64() => Type::Long,
        Json::Number(_) => Type::Real,
        Json::String(text) => text_type(text),
        Json::Array(_) | Json::Object(_) => Type::Dynamic,
    })
}

/// Text that is a moment in ISO form is one.
fn text_type(text: &str) -> Type {
    let iso = text.len() >= 19 && text.as_bytes().get(10) == Some(&b'T') && parse_datetime(text).is_some();
    if iso { Type::DateTime } else { Type::String }
}

/// The type for values of both.
pub(super) fn met(a: Type, b: Type) -> Type {
    match (a, b) {
        (a, b) if a == b => a,
        (Type::Long, Type::Real) | (Type::Real, Type::Long) => Type::Real,
        (Type::Dynamic, _) | (_, Type::Dynamic) => Type::Dynamic,
        _ => Type::String,
    }
}

fn csv(text: &str, known: Option<&Schema>) -> Result<Table, String> {
    let mut records = records(text)?.into_iter();
    let names = records.next().ok_or("the first line must name the columns")?;
    column_names(&names)?;
    let records: Vec<Vec<String>> = records.collect();
    room(records.len(), names.len())?;
    for (at, record) in records.iter().enumerate() {
        if record.len() != names.len() {
            return Err(format!("record {}: {} fields where there are {} columns", at + 2, record.len(), names.len()));
        }
    }
    let columns: Vec<Column> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let listed = known.and_then(|known| known.columns().iter().find(|column| *column.name == **name));
            let cells = || records.iter().filter_map(|record| record.get(at)).filter(|cell| !cell.is_empty());
            let ty = listed.map(|column| column.ty).or_else(|| cells().map(|cell| field_type(cell)).reduce(met));
            Column::new(name.as_str(), ty.unwrap_or(Type::String))
        })
        .collect();
    let rows = records.into_iter().enumerate().map(|(at, record)| {
        let cells = record.into_iter().zip(&columns);
        let read = |(cell, column): (String, &Column)| {
            value(&Json::from(cell), column).map_err(|error| format!("record {}: {error}", at + 2))
        };
        cells.map(read).collect::<Result<Vec<Value>, String>>()
    });
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    Ok(Table::new(columns, rows))
}

/// Whether each column can be told by its name.
fn column_names(names: &[String]) -> Result<(), String> {
    if names.len() > MOST_COLUMNS {
        return Err(format!("the first line: {}", too_many_columns()));
    }
    for (at, name) in names.iter().enumerate() {
        if name.trim().is_empty() {
            return Err(format!("column {} has no name; the first line must name the columns", at + 1));
        }
        if names.iter().take(at).any(|other| other == name) {
            return Err(format!("two columns are called {}", quoted(name)));
        }
    }
    match names {
        [one] if one.contains([';', '\t']) => Err("fields are separated by commas".to_owned()),
        _ => Ok(()),
    }
}

fn field_type(text: &str) -> Type {
    if text.parse::<i64>().is_ok() {
        Type::Long
    } else if text.parse::<f64>().is_ok() {
        Type::Real
    } else if matches!(text, "true" | "false" | "True" | "False") {
        Type::Bool
    } else {
        text_type(text)
    }
}

/// Records of fields (RFC 4180): quotes may hold commas, line ends and doubled quotes.
fn records(text: &str) -> Result<Vec<Vec<String>>, String> {
    let mut all = Vec::new();
    let mut record = vec![String::new()];
    let mut quoted = false;
    let mut opened = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let fields = record.len();
        let Some(field) = record.last_mut() else { break };
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => {
                quoted = !quoted;
                opened = all.len() + 1;
            }
            ',' if !quoted && fields > MOST_COLUMNS => {
                return Err(format!("record {}: {}", all.len() + 1, too_many_columns()));
            }
            ',' if !quoted => record.push(String::new()),
            '\r' if !quoted => {}
            '\n' if !quoted => all.push(std::mem::replace(&mut record, vec![String::new()])),
            c => field.push(c),
        }
    }
    if quoted {
        return Err(format!("record {opened}: a quote has no end"));
    }
    all.push(record);
    all.retain(|record| record.len() > 1 || record.iter().any(|field| !field.is_empty()));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(table: &Table) -> Vec<(String, Type)> {
        table.columns.iter().map(|column| (column.name.to_string(), column.ty)).collect()
    }

    #[test]
    fn the_same_rows_are_read_from_every_form() {
        let lines =
            "{\"a\": 1, \"b\": \"x,\\\"y\\\"\", \"t\": \"2026-03-01T00:00:00Z\"}\n\n{\"a\": 2.5, \"b\": null}\n";
        let json = r#"[{"a": 1, "b": "x,\"y\"", "t": "2026-03-01T00:00:00Z"}, {"a": 2.5, "b": null}]"#;
        let csv = "\u{feff}a,b,t\r\n1,\"x,\"\"y\"\"\",2026-03-01T00:00:00Z\r\n2.5,,\r\n";
        let first = read_rows(lines, RowFormat::JsonLines, None).unwrap();
        assert_eq!(shape(&first), [("a".into(), Type::Real), ("b".into(), Type::String), ("t".into(), Type::DateTime)]);
        assert_eq!(first.rows[(0, 1)], Value::from("x,\"y\""));
        assert_eq!(read_rows(json, RowFormat::Json, None).unwrap(), first);
        assert_eq!(read_rows(csv, RowFormat::Csv, None).unwrap(), first);
    }

    #[test]
    fn known_columns_keep_their_types_and_an_answer_says_its_own() {
        let known = Schema::new([("Entities", Type::String), ("N", Type::Int)]);
        let table =
            read_rows(r#"[{"N": 3, "Entities": "[]", "More": {"a": 1}}]"#, RowFormat::Json, Some(&known)).unwrap();
        assert_eq!(
            shape(&table),
            [("Entities".into(), Type::String), ("N".into(), Type::Int), ("More".into(), Type::Dynamic)]
        );
        let answer =
            r#"{"tables": [{"name": "PrimaryResult", "columns": [{"name": "a", "type": "long"}], "rows": [[1]]}]}"#;
        let table = read_rows(answer, RowFormat::Json, None).unwrap();
        assert_eq!(table, Table::new(vec![Column::new("a", Type::Long)], [vec![Value::Long(1)]]));
    }

    #[test]
    fn rows_that_would_make_more_cells_than_fit_into_memory_are_refused() {
        let other_names: Vec<String> = (0..9_000).map(|at| format!("{{\"n{at}\": 1}}")).collect();
        let error = |text: &str, format| read_rows(text, format, None).map(|table| table.rows.len()).unwrap_err();
        for (text, format, told) in [
            (format!("[{}]", other_names.join(",")), RowFormat::Json, "9000 rows of 9000 columns"),
            (other_names.join("\n"), RowFormat::JsonLines, "9000 rows of 9000 columns"),
            (
                format!("{{{}}}", (0..20_000).map(|at| format!("\"n{at}\": 1")).collect::<Vec<_>>().join(",")),
                RowFormat::Json,
                "more than 10000 columns",
            ),
            (",".repeat(20_000), RowFormat::Csv, "more than 10000 columns"),
        ] {
            let error = error(&text, format);
            assert!(error.contains(told), "{error}");
        }
        let columns: Vec<String> =
            (0..9_000).map(|at| format!("{{\"name\": \"n{at}\", \"type\": \"long\"}}")).collect();
        let answer = format!(
            "{{\"tables\": [{{\"columns\": [{}], \"rows\": [{}]}}]}}",
            columns.join(","),
            vec!["[]"; 9_000].join(",")
        );
        let error = error(&answer, RowFormat::Json);
        assert!(error.contains("9000 rows of 9000 columns"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, format, place) in [
            ("{\"a\": 1}\n{", RowFormat::JsonLines, "line 2"),
            ("[1]", RowFormat::Json, "row 1"),
            ("a,b\n1\n", RowFormat::Csv, "record 2"),
            ("", RowFormat::Csv, "first line"),
            ("a,b\n1,2\n3,\"x\n4,5\n", RowFormat::Csv, "record 3: a quote"),
            ("a,b,a\n1,2,3\n", RowFormat::Csv, "\"a\""),
            ("a,,b\n1,2,3\n", RowFormat::Csv, "column 2 has no name"),
            ("a;b\n1;2\n", RowFormat::Csv, "commas"),
            ("{\"a\": 1}\n{\"a\" 2}\n", RowFormat::JsonLines, "line 2: no JSON: column 6: expected"),
            (" ", RowFormat::Json, "empty"),
        ] {
            let error = read_rows(text, format, None).unwrap_err();
            assert!(error.contains(place), "{error}");
        }
    }
}
