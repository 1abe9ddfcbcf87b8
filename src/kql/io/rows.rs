//! Tables from text: JSON, JSON lines and CSV.

use serde_json::{Map, Value as Json};

use super::delimited::records;
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

/// What is known of columns before their rows are read.
#[derive(Debug, Clone, Copy)]
pub enum Known<'s> {
    /// Nothing: types are taken from the values.
    Nothing,
    /// These columns are there, with these types, whether or not the rows have them; types of others are taken from the values.
    Columns(&'s Schema),
    /// All are text, as those of a watchlist are.
    Texts,
}

impl<'s> Known<'s> {
    /// What is known where there is a schema, or none.
    pub fn of(schema: Option<&'s Schema>) -> Self {
        schema.map_or(Self::Nothing, Self::Columns)
    }

    /// All the columns, those that were known first.
    pub(super) fn with(self, found: Vec<Column>) -> Vec<Column> {
        match self {
            Self::Nothing => found,
            Self::Columns(schema) => {
                let others = found.into_iter().filter(|column| schema.index(&column.name).is_none());
                schema.columns().iter().cloned().chain(others).collect()
            }
            Self::Texts => found.into_iter().map(|column| Column { ty: Type::String, ..column }).collect(),
        }
    }
}

/// Reads rows.
///
/// # Errors
/// A sentence that says what is wrong and where.
pub fn read_rows(text: &str, format: RowFormat, known: Known<'_>) -> Result<Table, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match format {
        RowFormat::Json => {
            if text.trim().is_empty() {
                return Err("it is empty; no rows are written []".to_owned());
            }
            let json: Json = serde_json::from_str(text)
                .map_err(|error| format!("this is no JSON: {error} (lines of JSON end in .jsonl, commas in .csv)"))?;
            match answer(&json, known) {
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

/// The first table of an answer of Log Analytics, with the types it says where nothing else is known.
fn answer(json: &Json, known: Known<'_>) -> Option<Result<Table, String>> {
    let table = json.get("tables")?.as_array()?.first()?;
    let found: Option<Vec<Column>> = table
        .get("columns")?
        .as_array()?
        .iter()
        .map(|column| Some(Column::new(column.get("name")?.as_str()?, Type::from_name(column.get("type")?.as_str()?)?)))
        .collect();
    let found = found?;
    let columns = known.with(found.clone());
    let places: Vec<_> =
        columns.iter().map(|column| found.iter().position(|other| other.name == column.name)).collect();
    let rows = table.get("rows")?.as_array()?;
    if let Err(why) = room(rows.len(), columns.len()) {
        return Some(Err(why));
    }
    let rows = rows.iter().enumerate().map(|(at, row)| {
        let cells = row.as_array().map(Vec::as_slice).unwrap_or_default();
        let read = |(place, column): (&Option<usize>, &Column)| {
            value(place.and_then(|place| cells.get(place)).unwrap_or(&Json::Null), column)
                .map_err(|error| format!("row {}: {error}", at + 1))
        };
        places.iter().zip(&columns).map(read).collect::<Result<Vec<Value>, String>>()
    });
    let rows = rows.collect::<Result<Vec<_>, _>>();
    Some(rows.map(|rows| Table::new(columns.clone(), rows)))
}

fn objects(rows: Vec<Json>, known: Known<'_>) -> Result<Table, String> {
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
pub(super) fn room(rows: usize, columns: usize) -> Result<(), String> {
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

fn csv(text: &str, known: Known<'_>) -> Result<Table, String> {
    let mut records = records(text, ',', true)?.into_iter();
    let heads = records.next().ok_or("the first line must name the columns")?;
    let heads = heads.iter().map(|head| Head::of(head)).collect::<Result<Vec<_>, _>>()?;
    column_names(&heads)?;
    let records: Vec<Vec<String>> = records.collect();
    for (at, record) in records.iter().enumerate() {
        if record.len() != heads.len() {
            return Err(format!("record {}: {} fields where there are {} columns", at + 2, record.len(), heads.len()));
        }
    }
    let found = heads.iter().enumerate().map(|(at, head)| {
        let cells = records.iter().filter_map(|record| record.get(at)).filter(|cell| !cell.is_empty());
        let ty = cells.map(|cell| head.field_type(cell)).reduce(met);
        Column::new(head.name, ty.unwrap_or(Type::String))
    });
    let columns = known.with(found.collect());
    room(records.len(), columns.len())?;
    let places: Vec<_> =
        columns.iter().map(|column| heads.iter().position(|head| *head.name == *column.name)).collect();
    let rows = records.into_iter().enumerate().map(|(at, mut record)| {
        let cells = places.iter().zip(&columns);
        let read = |(place, column): (&Option<usize>, &Column)| match place.and_then(|place| record.get_mut(place)) {
            None => Ok(column.ty.nothing()),
            Some(cell) => match portal_datetime(cell).filter(|_| column.ty == Type::DateTime) {
                Some(ticks) => Ok(Value::DateTime(ticks)),
                None => value(&Json::from(std::mem::take(cell)), column)
                    .map_err(|error| format!("record {}: {error}", at + 2)),
            },
        };
        cells.map(read).collect::<Result<Vec<Value>, String>>()
    });
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    Ok(Table::new(columns, rows))
}

/// What stands over a column.
struct Head<'a> {
    name: &'a str,
    /// Its times are as the portal of Azure exports them.
    portal: bool,
}

impl<'a> Head<'a> {
    /// The portal writes the zone behind the name of a column of times.
    fn of(text: &'a str) -> Result<Self, String> {
        if text.ends_with(" [Local Time]") {
            return Err(format!("the times of {} are in a zone nobody here knows; export them in UTC", quoted(text)));
        }
        Ok(text.strip_suffix(" [UTC]").map_or(Self { name: text, portal: false }, |name| Self { name, portal: true }))
    }

    /// A whole number that would not print as it is written is text: `007` is a name.
    fn field_type(&self, text: &str) -> Type {
        if text.parse::<i64>().is_ok_and(|number| number.to_string() == text) {
            Type::Long
        } else if is_real(text) {
            Type::Real
        } else if matches!(text, "true" | "false" | "True" | "False") {
            Type::Bool
        } else if self.portal && portal_datetime(text).is_some() {
            Type::DateTime
        } else {
            text_type(text)
        }
    }
}

/// Whether it is a number with a point, and no zeros before it.
fn is_real(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = digits.split_once('.').map(|(whole, _)| whole).unwrap_or_default();
    let starts_well = whole == "0" || whole.starts_with(|c: char| ('1'..='9').contains(&c));
    starts_well && digits.ends_with(|c: char| c.is_ascii_digit()) && text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// A time as the portal of Azure exports it: `3/1/2026, 12:00:00.000 AM`.
fn portal_datetime(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(", ")?;
    let (time, half) = time.split_once(' ')?;
    let (hour, rest) = time.split_once(':')?;
    let hour = hour.parse::<u8>().ok().filter(|hour| (1..=12).contains(hour))? % 12;
    let hour = match half {
        "AM" => hour,
        "PM" => hour + 12,
        _ => return None,
    };
    parse_datetime(&format!("{date} {hour:02}:{rest}"))
}

/// Whether each column can be told by its name.
fn column_names(heads: &[Head<'_>]) -> Result<(), String> {
    if heads.len() > MOST_COLUMNS {
        return Err(format!("the first line: {}", too_many_columns()));
    }
    let names: Vec<&str> = heads.iter().map(|head| head.name).collect();
    for (at, name) in names.iter().enumerate() {
        if name.trim().is_empty() {
            return Err(format!("column {} has no name; the first line must name the columns", at + 1));
        }
        if names.iter().take(at).any(|other| other == name) {
            return Err(format!("two columns are called {}", quoted(name)));
        }
    }
    match &names[..] {
        [one] if one.contains([';', '\t']) => Err("fields are separated by commas".to_owned()),
        _ => Ok(()),
    }
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
        let first = read_rows(lines, RowFormat::JsonLines, Known::Nothing).unwrap();
        assert_eq!(shape(&first), [("a".into(), Type::Real), ("b".into(), Type::String), ("t".into(), Type::DateTime)]);
        assert_eq!(first.rows[(0, 1)], Value::from("x,\"y\""));
        assert_eq!(read_rows(json, RowFormat::Json, Known::Nothing).unwrap(), first);
        assert_eq!(read_rows(csv, RowFormat::Csv, Known::Nothing).unwrap(), first);
    }

    #[test]
    fn known_columns_keep_their_types_and_an_answer_says_its_own() {
        let known = Schema::new([("Entities", Type::String), ("N", Type::Int)]);
        let table =
            read_rows(r#"[{"N": 3, "Entities": "[]", "More": {"a": 1}}]"#, RowFormat::Json, Known::Columns(&known))
                .unwrap();
        assert_eq!(
            shape(&table),
            [("Entities".into(), Type::String), ("N".into(), Type::Int), ("More".into(), Type::Dynamic)]
        );
        let answer =
            r#"{"tables": [{"name": "PrimaryResult", "columns": [{"name": "a", "type": "long"}], "rows": [[1]]}]}"#;
        let table = read_rows(answer, RowFormat::Json, Known::Nothing).unwrap();
        assert_eq!(table, Table::new(vec![Column::new("a", Type::Long)], [vec![Value::Long(1)]]));
    }

    #[test]
    fn rows_that_would_make_more_cells_than_fit_into_memory_are_refused() {
        let other_names: Vec<String> = (0..9_000).map(|at| format!("{{\"n{at}\": 1}}")).collect();
        let error =
            |text: &str, format| read_rows(text, format, Known::Nothing).map(|table| table.rows.len()).unwrap_err();
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
        let wide: Vec<_> = (0..9_000).map(|at| Column::new(format!("c{at}").as_str(), Type::Long)).collect();
        let one_column = format!("c0\n{}", "1\n".repeat(9_000));
        let refused = read_rows(&one_column, RowFormat::Csv, Known::Columns(&Schema::from(wide.clone()))).unwrap_err();
        assert!(refused.contains("9000 rows of 9000 columns"), "{refused}");
        let refused = super::super::external::external_rows(
            &one_column,
            super::super::external::DataFormat::of_address("x.csv"),
            true,
            &wide,
        );
        assert!(refused.unwrap_err().contains("rows of 9000 columns"));
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
    fn fields_between_commas_keep_known_columns_their_zeros_and_the_times_of_the_portal() {
        let known = Schema::new([("TimeGenerated", Type::DateTime), ("User", Type::String), ("N", Type::Int)]);
        let csv = "\u{feff}TimeGenerated [UTC],N,More,Id,Version\n\"3/1/2026, 12:00:00.500 AM\",3,1,007,1.5\n\"12/31/2026, 1:02:03.000 PM\",,2,12,nan\n";
        let table = read_rows(csv, RowFormat::Csv, Known::Columns(&known)).unwrap();
        let more = [("More", Type::Long), ("Id", Type::String), ("Version", Type::String)];
        let listed = [("TimeGenerated", Type::DateTime), ("User", Type::String), ("N", Type::Int)];
        let all = listed.into_iter().chain(more).map(|(name, ty)| (name.to_owned(), ty)).collect::<Vec<_>>();
        assert_eq!(shape(&table), all);
        let at = |text: &str| Value::DateTime(parse_datetime(text).unwrap());
        assert_eq!(
            (&table.rows[(0, 0)], &table.rows[(1, 0)]),
            (&at("2026-03-01T00:00:00.5Z"), &at("2026-12-31T13:02:03Z"))
        );
        assert_eq!(
            (&table.rows[(0, 1)], &table.rows[(0, 4)], &table.rows[(1, 2)]),
            (&"".into(), &"007".into(), &Value::Null)
        );
        let unknown = read_rows(csv, RowFormat::Csv, Known::Nothing).unwrap();
        assert_eq!(shape(&unknown)[0], ("TimeGenerated".to_owned(), Type::DateTime));
        let local = csv.replace("[UTC]", "[Local Time]");
        assert!(read_rows(&local, RowFormat::Csv, Known::Nothing).unwrap_err().contains("UTC"));
    }

    #[test]
    fn what_is_all_text_is_kept_as_it_is_written() {
        for (text, format) in [("k,n\n1,2.50\n", RowFormat::Csv), (r#"[{"k": 1, "n": "2.50"}]"#, RowFormat::Json)] {
            let table = read_rows(text, format, Known::Texts).unwrap();
            assert_eq!(shape(&table), [("k".into(), Type::String), ("n".into(), Type::String)]);
            assert_eq!((&table.rows[(0, 0)], &table.rows[(0, 1)]), (&"1".into(), &"2.50".into()));
        }
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
            let error = read_rows(text, format, Known::Nothing).unwrap_err();
            assert!(error.contains(place), "{error}");
        }
    }
}
