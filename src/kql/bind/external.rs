//! `externaldata`.

use std::sync::Arc;

use super::Binder;
use super::source::{Build, typed_columns};
use crate::diagnostics::{Finding, Span, quoted, suggest};
use crate::kql::ast::{Expr, Name, Setting};
use crate::kql::grid::Grid;
use crate::kql::io::external::{DataFormat, external_rows};
use crate::kql::plan::From;
use crate::kql::value::{Type, Val};

/// The properties that say how the data is written.
const PROPERTIES: [&str; 3] = ["format", "ignoreFirstRecord", "ingestionMapping"];

impl Binder<'_, '_> {
    /// The rows at all the addresses, one behind the other.
    pub(super) fn external(
        &mut self,
        columns: &[(Name, Type)],
        from: &[Expr],
        with: &[Setting],
        span: Span,
    ) -> Option<Build> {
        if from.is_empty() {
            self.wrong(span, Finding::error("kql/syntax", "the address of the data is wanted in the brackets"));
            return None;
        }
        let (format, ignore_first) = self.how_written(with)?;
        let columns = typed_columns(columns);
        let mut rows = Grid::new(columns.len());
        for address in from {
            let node = self.constant(address, Type::String, "the address of the data")?;
            let text = node.as_const().and_then(Val::as_str).unwrap_or_default().to_owned();
            let format = format.unwrap_or_else(|| DataFormat::of_address(&text));
            let data = self.catalog?.external(&text);
            match data.and_then(|data| external_rows(&data, format, ignore_first, &columns)) {
                Ok(more) => more.into_rows().for_each(|row| rows.push(row)),
                Err(why) => {
                    let message = format!("the data at {} cannot be read: {why}", quoted(&text));
                    self.wrong(address.span, Finding::error("kql/unsupported", message));
                    return None;
                }
            }
        }
        Some(Build::new(From::Rows(Arc::new(rows)), columns.into()))
    }

    /// The format, where one is named, and whether the first record is left out.
    fn how_written(&mut self, with: &[Setting]) -> Option<(Option<DataFormat>, bool)> {
        let (mut format, mut ignore_first) = (None, false);
        for setting in with {
            let word = setting.word();
            match PROPERTIES.iter().position(|property| property.eq_ignore_ascii_case(&setting.name.text)) {
                Some(0) => {
                    format = DataFormat::named(&word);
                    if format.is_none() {
                        self.unsupported(
                            setting.value.span,
                            &format!("the format {}", quoted(&word)),
                            "there is csv, tsv, tsve, psv, scsv, sohsv, txt, raw, json and multijson",
                        );
                        return None;
                    }
                }
                Some(1) => ignore_first = matches!(&*word.to_ascii_lowercase(), "true" | "1"),
                Some(_) => {
                    self.unsupported(setting.name.span, "ingestionMapping", "declare the columns as the data has them");
                    return None;
                }
                None => {
                    let message = format!("the property {} has no effect here", quoted(&setting.name.text));
                    let near = suggest::nearest(&setting.name.text, PROPERTIES);
                    let finding = Finding::warning("kql/no-effect", message).help_nearest(near);
                    self.wrong(setting.name.span, finding);
                }
            }
        }
        Some((format, ignore_first))
    }
}
