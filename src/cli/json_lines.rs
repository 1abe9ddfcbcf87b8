//! A file of JSON lines as a table whose rows are read one by one.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::exit::CliError;
use super::given::shown;
use crate::kql::{Column, Known, KqlError, LineColumns, RowStream, StreamedRows, read_line};

/// Longer lines are not read.
const LONGEST: u64 = 1 << 26;

/// The file, and the columns that a first look at all of its lines has found.
pub(super) struct JsonLines {
    path: PathBuf,
    columns: Vec<Column>,
}

impl JsonLines {
    /// Looks at every line once.
    ///
    /// # Errors
    /// When the file cannot be read, or a line is no JSON object.
    pub(super) fn open(path: &Path, known: Known<'_>) -> Result<Self, CliError> {
        let mut columns = LineColumns::new(known);
        for line in lines(path) {
            let seen = line.and_then(|(at, line)| columns.see(&line).map_err(|why| placed(path, at, &why)));
            seen.map_err(CliError::Usage)?;
        }
        Ok(Self { path: path.to_owned(), columns: columns.into_columns() })
    }
}

impl RowStream for JsonLines {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn rows(&self) -> StreamedRows<'_> {
        Box::new(lines(&self.path).map(|line| {
            let row =
                line.and_then(|(at, line)| read_line(&line, &self.columns).map_err(|why| placed(&self.path, at, &why)));
            row.map_err(KqlError::Unreadable)
        }))
    }
}

/// The lines that are not empty, with their numbers. It ends behind the first that cannot be read.
fn lines(path: &Path) -> impl Iterator<Item = Result<(usize, String), String>> {
    let mut file = Some(File::open(path).map(BufReader::new));
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let mut reader = match file.take()? {
                Ok(reader) => reader,
                Err(error) => return Some(Err(format!("{} cannot be read: {error}", shown(path)))),
            };
            at += 1;
            let mut line = String::new();
            match reader.by_ref().take(LONGEST).read_line(&mut line) {
                Ok(0) => return None,
                Ok(read) if read as u64 >= LONGEST => {
                    return Some(Err(placed(path, at, &format!("longer than {} MiB", LONGEST >> 20))));
                }
                Ok(_) => {}
                Err(error) => return Some(Err(placed(path, at, &format!("it cannot be read: {error}")))),
            }
            file = Some(Ok(reader));
            let text = if at == 1 { line.trim_start_matches('\u{feff}') } else { &line };
            if !text.trim().is_empty() {
                return Some(Ok((at, text.to_owned())));
            }
        }
    })
}

fn placed(path: &Path, line: usize, why: &str) -> String {
    format!("{}: line {line}: {why}", shown(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_often_as_they_are_asked_for_and_what_is_wrong_has_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, "\u{feff}{\"a\": 1}\n\n{\"a\": 2.5, \"b\": \"x\"}\n").unwrap();
        let table = JsonLines::open(&path, Known::Nothing).unwrap();
        let rows = || table.rows().collect::<Result<Vec<_>, _>>();
        assert_eq!(rows().unwrap().len(), 2);
        assert_eq!(rows(), rows());
        std::fs::write(&path, "{\"a\": 1}\n{\"a\": {\"b\": 1}}\n").unwrap();
        let error = rows().unwrap_err().to_string();
        assert!(error.contains("a.jsonl: line 2: column a"), "{error}");
        std::fs::write(&path, "{\"a\": 1}\n\n[1]\n").unwrap();
        let Err(CliError::Usage(error)) = JsonLines::open(&path, Known::Nothing) else { panic!("it must be refused") };
        assert!(error.contains("a.jsonl: line 3: a row is an object"), "{error}");
    }
}
