//! Comma-separated values (RFC 4180): a heading, then a row per call.

use csv::{ByteRecord, ReaderBuilder, Terminator};

use super::Unusable;
use super::column::{Column, Kept, meant, stand_in};
use super::row::{Cell, Reader};
use crate::text::shortened;

/// Stands on a line of its own behind the file, so that a quote that is never closed swallows it and is noticed.
const END: &[u8] = b"\n\x04\n";
/// What other programs put between columns.
const OTHER_SEPARATORS: [char; 3] = [';', '\t', '|'];

/// A column of the heading.
struct Named {
    name: String,
    column: Column,
}

/// Reads all rows.
///
/// # Errors
/// [`Unusable`] where there is no heading that names at least agent and callee, or a quote is never closed.
pub(super) fn read(text: &[u8], reader: &mut Reader) -> Result<(), Unusable> {
    let whole = [text, END].concat();
    let mut table = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .terminator(Terminator::CRLF)
        .from_reader(whole.as_slice());
    let mut lines = Lines { text: &whole, at: 0, line: 1 };
    let mut record = ByteRecord::new();
    let mut columns: Option<Vec<Named>> = None;
    let mut last = 1;
    loop {
        let begins = table.position().byte();
        let more = table.read_byte_record(&mut record);
        if !more.map_err(|why| Unusable::new(last, why.to_string()))? {
            // Only the mark at the end may be last.
            return Err(Unusable::new(last, "a cell begins with a quote that is never closed"));
        }
        last = lines.of_record(usize::try_from(begins).unwrap_or(usize::MAX));
        if lines.at > text.len() && record.len() == 1 && record.get(0) == Some(b"\x04") {
            return match columns {
                Some(_) => Ok(()),
                None => Err(Unusable::new(None, "the file is empty").hint(HEADING)),
            };
        }
        if record.iter().all(|cell| cell.trim_ascii().is_empty()) {
            continue;
        }
        match &columns {
            None => columns = Some(heading(&record, last, reader)?),
            Some(columns) => row(&record, last, columns, reader)?,
        }
    }
}

const HEADING: &str = "the first line names the columns, for example `agent,to,name`";

fn heading(record: &ByteRecord, line: u64, reader: &mut Reader) -> Result<Vec<Named>, Unusable> {
    let mut columns: Vec<Named> = Vec::with_capacity(record.len());
    for (index, cell) in record.iter().enumerate() {
        let wrong = |why: String| Unusable::new(line, format!("column {}: {why}", index + 1));
        let name = str::from_utf8(cell).map_err(|_| wrong(NOT_UTF8.to_owned()).hint("save the file as UTF-8"))?;
        let name = name.trim();
        if columns.iter().any(|known| known.name == name) && !name.is_empty() {
            return Err(Unusable::new(line, format!("two columns are named `{}`", shortened(name))));
        }
        columns.push(Named {
            name: name.to_owned(),
            column: Column::of(name, true).map_err(|why| {
                separated(record, line).unwrap_or_else(|| {
                    let error = wrong(why);
                    if name.contains(' ') { error.hint(format!("name it `{}`", name.replace(' ', "_"))) } else { error }
                })
            })?,
        });
    }
    for kept in [Kept::Agent, Kept::To] {
        if !columns.iter().any(|known| known.column == Column::Kept(kept)) {
            return Err(separated(record, line).unwrap_or_else(|| missing(kept, &columns, line)));
        }
    }
    twice(&columns, line)?;
    for Named { name, column } in &columns {
        if let (Column::Variable(..), Some(known)) = (column, meant(name)) {
            reader.doubt(format!("the column `{name}` is taken as a dynamic variable; did you mean `{known}`?"));
        }
    }
    Ok(columns)
}

/// Refuses two columns for one variable, as `table` and `table:number`.
fn twice(columns: &[Named], line: u64) -> Result<(), Unusable> {
    let variables = || {
        columns.iter().filter_map(|known| match &known.column {
            Column::Variable(variable, _) => Some(variable),
            Column::Kept(_) => None,
        })
    };
    let second =
        variables().enumerate().find(|(index, variable)| variables().take(*index).any(|known| known == *variable));
    match second {
        Some((_, variable)) => Err(Unusable::new(line, format!("two columns are for the variable `{variable}`"))),
        None => Ok(()),
    }
}

fn missing(kept: Kept, columns: &[Named], line: u64) -> Unusable {
    let names = columns.iter().map(|known| known.name.as_str());
    let error = Unusable::new(line, format!("there is no column `{}`", kept.name()));
    match stand_in(kept, names) {
        Some(name) => error.hint(format!("is it `{name}`? name that column `{}`", kept.name())),
        None => error.hint(HEADING),
    }
}

/// The error for a heading whose columns are separated otherwise.
fn separated(record: &ByteRecord, line: u64) -> Option<Unusable> {
    let heading = str::from_utf8(record.as_slice()).ok()?;
    let names_both = |separator: char| {
        let names = || heading.split(separator).map(str::trim);
        record.len() == 1
            && names().any(|name| name == Kept::Agent.name())
            && names().any(|name| name == Kept::To.name())
    };
    let separator = OTHER_SEPARATORS.into_iter().find(|separator| names_both(*separator))?;
    let shown = if separator == '\t' { "tabs".to_owned() } else { format!("`{separator}`") };
    let error = Unusable::new(line, format!("the columns are separated by {shown}, not by commas"));
    Some(error.hint("export the file with commas"))
}

const NOT_UTF8: &str = "is not UTF-8";

fn row(record: &ByteRecord, line: u64, columns: &[Named], reader: &mut Reader) -> Result<(), Unusable> {
    reader.begin(line)?;
    // Empty cells behind the last column come from programs that fill up every line.
    let surplus = record.iter().skip(columns.len()).any(|cell| !cell.trim_ascii().is_empty());
    if record.len() < columns.len() || surplus {
        let (has, should) = (record.len(), columns.len());
        reader.problem(None, format!("has {has} cell{}, not {should} as the heading", if has == 1 { "" } else { "s" }));
    }
    for (cell, Named { name, column }) in record.iter().zip(columns) {
        match str::from_utf8(cell) {
            Ok(text) => reader.cell(name, column, Cell::Plain(text)),
            Err(_) => reader.problem(Some(name), NOT_UTF8),
        }
    }
    reader.end();
    Ok(())
}

/// Counts the physical lines of a text, as one goes through it.
struct Lines<'a> {
    text: &'a [u8],
    /// Where the record begins that was counted to.
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the record that begins at or, where empty lines come first, after this byte.
    fn of_record(&mut self, begins: usize) -> u64 {
        let rest = self.text.get(begins..).unwrap_or_default();
        let empty = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let end = begins.saturating_add(empty).min(self.text.len());
        let passed = &self.text[self.at.min(end)..end];
        let breaks = passed.iter().enumerate().filter(|(index, byte)| match byte {
            b'\n' => true,
            // A line break of its own, as on machines of old.
            b'\r' => self.text.get(self.at + index + 1) != Some(&b'\n'),
            _ => false,
        });
        self.line += u64::try_from(breaks.count()).unwrap_or(u64::MAX);
        self.at = end;
        self.line
    }
}
