//! Files that are named on the command line.

use std::io::Read as _;
use std::path::Path;

use super::exit::CliError;
use crate::diagnostics::clipped;

/// What is in a file of at most so many bytes, without the byte-order mark that Windows tools write; `-` is stdin.
///
/// # Errors
/// When it cannot be read, or is longer.
pub(super) fn bytes(path: &Path, largest: u64) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(largest + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(largest + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| CliError::Usage(format!("{} cannot be read: {error}", shown(path))))?;
    if bytes.len() as u64 > largest {
        return Err(CliError::Usage(format!("{} is longer than {} MiB", shown(path), largest >> 20)));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    Ok(bytes)
}

/// The path as people see it: it may hold anything, and `-` is no file.
pub(super) fn shown(path: &Path) -> String {
    if path.as_os_str() == "-" {
        return "standard input".to_owned();
    }
    clipped(&path.display().to_string(), 300)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_from_no_file_is_called_by_what_it_is() {
        assert_eq!(shown(Path::new("-")), "standard input");
        assert_eq!(shown(Path::new("rows\u{1b}.json")), clipped("rows\u{1b}.json", 300));
    }
}
