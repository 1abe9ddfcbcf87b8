//! The rows of `externaldata`, whose columns the query declares. Source: "externaldata operator" and "Data formats supported
//! for ingestion" of the Kusto documentation.

use serde_json::Value as Json;

use super::delimited::records;
use super::rows::room;
use crate::kql::eval::convert::{convert, parse_json};
use crate::kql::grid::Grid;
use crate::kql::schema::Column;
use crate::kql::value::{Type, Val, Value};

/// How the data at an address is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kql) enum DataFormat {
    /// Fields between separators, in the order of the columns; quoted where `true`.
    Fields(char, bool),
    /// Each line is one field.
    Lines,
    /// All of it is one field.
    Whole,
    /// Objects, whose properties have the names of the columns.
    Objects,
}

impl DataFormat {
    /// The format of that name.
    pub(in crate::kql) fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "csv" => Self::Fields(',', true),
            "tsv" => Self::Fields('\t', true),
            "tsve" => Self::Fields('\t', false),
            "psv" => Self::Fields('|', true),
            "scsv" => Self::Fields(';', true),
            "sohsv" => Self::Fields('\u{1}', true),
            "txt" => Self::Lines,
            "raw" => Self::Whole,
            "json" | "singlejson" | "multijson" => Self::Objects,
            _ => return None,
        })
    }

    /// The format that the ending of an address tells; CSV where it tells none.
    pub(in crate::kql) fn of_address(address: &str) -> Self {
        let path = address.split(['?', '#', ';']).next().unwrap_or_default();
        let path = [".gz", ".zip"].iter().find_map(|packed| path.strip_suffix(packed)).unwrap_or(path);
        path.rsplit_once('.').and_then(|(_, ending)| Self::named(ending)).unwrap_or(Self::Fields(',', true))
    }
}

/// The rows of a text, without the first where that one names the columns. What cannot be read as the type of its column is
/// null; fields that a record has too many are left out.
///
/// # Errors
/// A sentence that says what is wrong and where.
pub(in crate::kql) fn external_rows(
    text: &str,
    format: DataFormat,
    ignore_first: bool,
    columns: &[Column],
) -> Result<Grid, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let of_fields = |fields: Vec<String>| {
        let mut fields = fields.into_iter();
        columns.iter().map(|column| field(fields.next(), column.ty)).collect()
    };
    let rows: Vec<Vec<Value>> = match format {
        DataFormat::Fields(separator, quotes) => {
            let records = records(text, separator, quotes)?;
            room(records.len(), columns.len())?;
            records.into_iter().skip(usize::from(ignore_first)).map(of_fields).collect()
        }
        DataFormat::Lines => {
            room(text.lines().count(), columns.len())?;
            text.lines().skip(usize::from(ignore_first)).map(|line| of_fields(vec![line.to_owned()])).collect()
        }
        DataFormat::Whole => vec![of_fields(vec![text.to_owned()])],
        DataFormat::Objects => {
            let objects = objects(text)?;
            room(objects.len(), columns.len())?;
            objects.iter().skip(usize::from(ignore_first)).map(|object| of_object(object, columns)).collect()
        }
    };
    Ok(Grid::of(columns.len(), rows))
}

fn field(text: Option<String>, ty: Type) -> Value {
    match (text, ty) {
        (None, ty) => ty.nothing(),
        (Some(text), Type::String) => Val::from(text),
        (Some(text), Type::Dynamic) => parse_json(&text),
        (Some(text), ty) => convert(Val::from(text), ty).into_owned(),
    }
}

/// Objects one behind the other, or in arrays.
fn objects(text: &str) -> Result<Vec<Json>, String> {
    let mut all = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<Json>() {
        match value.map_err(|error| format!("this is no JSON: {error}"))? {
            Json::Array(items) => all.extend(items),
            other => all.push(other),
        }
    }
    if all.iter().all(Json::is_object) { Ok(all) } else { Err("a row is an object".to_owned()) }
}

fn of_object(object: &Json, columns: &[Column]) -> Vec<Value> {
    let cell = |column: &Column| match object.get(&*column.name) {
        None | Some(Json::Null) => column.ty.nothing(),
        Some(Json::String(text)) => field(Some(text.clone()), column.ty),
        Some(other) => Value::from_json(other, column.ty).unwrap_or_else(|_| column.ty.nothing()),
    };
    columns.iter().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str, format: &str, ignore_first: bool) -> Json {
        let columns =
            [("a", Type::String), ("n", Type::Long), ("d", Type::Dynamic)].map(|(name, ty)| Column::new(name, ty));
        let rows = external_rows(text, DataFormat::named(format).unwrap(), ignore_first, &columns).unwrap();
        rows.iter().map(|row| row.iter().map(Val::to_json).collect::<Json>()).collect()
    }

    #[test]
    fn fields_go_by_their_place_and_what_is_not_of_the_type_is_null() {
        let rows = json!([["Name", null, "More"], ["x,y", 7, {"b": 1}], ["007", null, null]]);
        assert_eq!(read("Name,Age,More\n\"x,y\",7,\"{\"\"b\"\":1}\"\n007,x\n", "csv", false), rows);
        assert_eq!(read("Name|Age|More\nx,y|7|\"{\"\"b\"\":1}\"|too many\n007\n", "psv", false), rows);
        assert_eq!(read("a\tb\n\"x\t7\n", "tsve", true), json!([["\"x", 7, null]]));
        assert_eq!(read("a;1\n", "SCSV", false), json!([["a", 1, null]]));
    }

    #[test]
    fn lines_and_the_whole_are_one_field_and_objects_go_by_name() {
        assert_eq!(
            read("a,1\r\n\nb\n", "txt", false),
            json!([["a,1", null, null], ["", null, null], ["b", null, null]])
        );
        assert_eq!(read("a\nb", "raw", false), json!([["a\nb", null, null]]));
        let objects = "{\"n\": \"7\", \"a\": 8}\n[{\"d\": \"{}\", \"n\": {}}]";
        assert_eq!(read(objects, "multijson", false), json!([["8", 7, null], ["", null, {}]]));
        assert!(external_rows("[1]", DataFormat::Objects, false, &[]).is_err());
    }

    #[test]
    fn the_ending_of_an_address_tells_the_format() {
        for (address, format) in [
            ("https://x.example/a.b/c.TSV?sig=x.txt", "tsv"),
            ("https://x.example/list.txt", "txt"),
            ("https://x.example/list.json.gz", "json"),
            ("https://x.example/list", "csv"),
            ("https://x.example/list.php", "csv"),
        ] {
            assert_eq!(Some(DataFormat::of_address(address)), DataFormat::named(format), "{address}");
        }
    }
}
