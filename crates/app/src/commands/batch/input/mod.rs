//! What is to be dialled, from a file or from stdin: CSV or JSON Lines, row by row, each with the line it stands on.
//!
//! A row that cannot be dialled is no reason to stop reading: every [`Problem`] of the file is found.

mod column;
mod csv_table;
mod json_lines;
mod row;

use std::ffi::OsStr;
use std::io::Read as _;
use std::path::Path;

use partyline_domain::Timestamp;

pub(in crate::commands) use row::expiry;
pub(super) use row::{Draft, Row};

use crate::cli::FormatArg;
use crate::errors::AppError;
use row::Reader;

/// How many rows a batch may have; the same as the dispatcher takes by default.
const ROWS_MAX: usize = 1_000_000;
/// What stands for stdin.
const STDIN: &str = "-";

/// Something that is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// The line of the file on which the row begins, from 1.
    pub(super) line: u64,
    /// The column, where it is about one.
    pub(super) column: Option<String>,
    /// What is wrong, as a lowercase fragment that repeats no phone number.
    pub(super) reason: String,
}

/// A file that is no batch at all: what is wrong, on which line, and what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unusable {
    pub(super) line: Option<u64>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// Everything that a file says.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// In the order of the file.
    pub(super) all: Vec<Row>,
    /// In the order of the file.
    pub(super) problems: Vec<Problem>,
    /// What is probably not meant as it is taken, a line each.
    pub(super) doubts: Vec<String>,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Csv,
    JsonLines,
}

impl Unusable {
    fn new(line: impl Into<Option<u64>>, message: impl Into<String>) -> Self {
        Self { line: line.into(), message: message.into(), hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl Problem {
    /// Where it is known which row is meant: `to: the phone number is empty`.
    fn of_row(&self) -> String {
        match &self.column {
            Some(column) => format!("{column}: {}", self.reason),
            None => self.reason.clone(),
        }
    }

    /// For people: `line 3, to: the phone number is empty`.
    pub(super) fn told(&self) -> String {
        match &self.column {
            Some(column) => format!("line {}, {column}: {}", self.line, self.reason),
            None => format!("line {}: {}", self.line, self.reason),
        }
    }
}

/// Reads the whole file, or stdin; durations in it count from `now`.
///
/// # Errors
/// Exit code 2 where it cannot be read, or is no batch at all. What is wrong with single rows is part of the result.
pub(super) fn read(path: &Path, format: Option<FormatArg>, now: Timestamp) -> Result<Rows, AppError> {
    let name = if is_stdin(path) { "stdin".to_owned() } else { format!("`{}`", path.display()) };
    let bytes = bytes(path).map_err(|why| {
        // The path is in our own words already.
        let why = why.to_string();
        let why = why.rsplit_once("`: ").map_or(why.as_str(), |(_, why)| why);
        refused(format!("{name} cannot be read: {why}")).hint("name a CSV or JSON Lines file, or `-` for stdin")
    })?;
    let rows = parse(&bytes, format_of(path, format, &bytes), now).map_err(|unusable| {
        let line = unusable.line.map(|line| format!(", line {line}")).unwrap_or_default();
        let error = refused(format!("{name}{line}: {}", unusable.message));
        error.hint_maybe(unusable.hint.as_deref())
    })?;
    if rows.all.is_empty() && rows.problems.is_empty() {
        return Err(refused(format!("{name} has no rows")).hint("each call is a line with at least `agent` and `to`"));
    }
    Ok(rows)
}

/// The lines of bad rows, each with everything that is wrong with it.
pub(super) fn by_row(problems: &[Problem]) -> impl Iterator<Item = (u64, String)> {
    problems.chunk_by(|a, b| a.line == b.line).filter_map(|of_row| {
        let told = of_row.iter().map(Problem::of_row).collect::<Vec<_>>().join("; ");
        Some((of_row.first()?.line, told))
    })
}

/// Whether this stands for stdin.
pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == STDIN
}

fn refused(message: String) -> AppError {
    AppError::usage("bad_input", message).effect("nothing was dialled")
}

fn bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    if !is_stdin(path) {
        return fs_err::read(path);
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What was asked for, else what the file's name says, else what its first byte says.
fn format_of(path: &Path, asked: Option<FormatArg>, bytes: &[u8]) -> Format {
    let extension = path.extension().map(OsStr::to_ascii_lowercase);
    match (asked, extension.as_ref().and_then(|extension| extension.to_str())) {
        (Some(FormatArg::Csv), _) | (None, Some("csv")) => Format::Csv,
        (Some(FormatArg::Jsonl), _) | (None, Some("jsonl" | "ndjson")) => Format::JsonLines,
        (None, _) => {
            let text = bytes.strip_prefix(BOM).unwrap_or(bytes);
            match text.iter().find(|byte| !byte.is_ascii_whitespace()) {
                // A list is no JSON Lines either, and is told so.
                Some(b'{' | b'[') => Format::JsonLines,
                Some(_) | None => Format::Csv,
            }
        }
    }
}

/// The mark that some programs put before UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

fn parse(bytes: &[u8], format: Format, now: Timestamp) -> Result<Rows, Unusable> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(Unusable::new(1, "the file is UTF-16").hint("save it as UTF-8"));
    }
    let text = bytes.strip_prefix(BOM).unwrap_or(bytes);
    let mut reader = Reader::new(now, ROWS_MAX);
    match format {
        Format::Csv => csv_table::read(text, &mut reader)?,
        Format::JsonLines => json_lines::read(text, &mut reader)?,
    }
    Ok(reader.into_rows())
}

#[cfg(test)]
mod tests;
