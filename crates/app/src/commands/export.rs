//! `partyline export`: stored calls as CSV or JSON Lines, a page at a time.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use fs_err::File;
use partyline_store_adapter::CallRow;
use serde::Serialize;

use super::calls::args::{ExportArgs, ExportFormat};
use super::calls::{COLUMNS, Desk, EventFields, Fields, Names, PAGE, chosen, trouble};
use crate::errors::AppError;
use crate::exit::Exit;

/// A line of `export --format jsonl`.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    fields: Fields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<EventFields<'a>>>,
}

/// Writes the calls that are chosen, the oldest first.
///
/// # Errors
/// 2 for arguments that do not go together or a file that cannot be made, 1 where the store does not answer or the
/// output cannot be written.
pub(super) async fn run(args: &ExportArgs, desk: Desk<'_>) -> Result<Exit, AppError> {
    let format = format(args);
    if args.events && format == ExportFormat::Csv {
        return Err(AppError::usage("usage", "`--events`: CSV has no place for them")
            .hint("write JSON Lines: `--format jsonl`"));
    }
    let mut filter = chosen(&args.filter, desk).await?;
    (filter.oldest_first, filter.limit) = (true, Some(PAGE));
    let mut sink = Sink::open(args.out.as_deref())?;
    if format == ExportFormat::Csv {
        sink.write(&record(&COLUMNS))?;
    }
    let mut count = 0_usize;
    loop {
        let page = desk.archive.calls(&filter).await.map_err(trouble)?;
        let bytes = match format {
            ExportFormat::Csv => rows(&page, Names::of(desk.settings)),
            ExportFormat::Jsonl => objects(&page, args.events, desk).await?,
        };
        sink.write(&bytes)?;
        count += page.len();
        filter.after = page.last().map(|row| row.id.clone());
        if page.len() < PAGE || sink.is_closed() {
            break;
        }
    }
    sink.finish()?;
    if let Some(path) = &args.out {
        let plural = if count == 1 { "" } else { "s" };
        desk.printer.note(&format!("{count} call{plural} written to {}", path.display()));
    }
    Ok(Exit::Success)
}

/// What was asked for, else what the file's name says.
fn format(args: &ExportArgs) -> ExportFormat {
    let extension = args.out.as_deref().and_then(Path::extension);
    let is_lines = extension.is_some_and(|extension| extension == "jsonl" || extension == "ndjson");
    args.format.unwrap_or(if is_lines { ExportFormat::Jsonl } else { ExportFormat::Csv })
}

fn rows(page: &[CallRow], names: Names<'_>) -> Vec<u8> {
    page.iter().flat_map(|row| record(&Fields::of(row, names).cells())).collect()
}

async fn objects(page: &[CallRow], with_events: bool, desk: Desk<'_>) -> Result<Vec<u8>, AppError> {
    let mut bytes = Vec::new();
    for row in page {
        // Read together, so that fields and events are of the same moment; a call that was just purged is left out.
        let whole = if with_events { desk.archive.call(&row.id).await.map_err(trouble)? } else { None };
        if with_events && whole.is_none() {
            continue;
        }
        let fields = Fields::of(whole.as_ref().map_or(row, |(row, _)| row), Names::of(desk.settings));
        let events = whole.as_ref().map(|(_, events)| events.iter().map(EventFields::of).collect());
        serde_json::to_writer(&mut bytes, &Line { fields, events }).expect("a vector takes everything");
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// A line of CSV.
fn record(cells: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).expect("a vector takes everything");
    writer.into_inner().expect("a vector takes everything")
}

/// Where an export goes. A file takes its place in one step, when all of it is written.
enum Sink {
    Stdout {
        /// Whether its reader has gone away (`| head`): it has what it wanted.
        closed: bool,
    },
    File {
        file: File,
        /// Where it is put in the end; `None` where it is written in place, as a device is.
        path: Option<PathBuf>,
    },
}

impl Sink {
    fn open(path: Option<&Path>) -> Result<Self, AppError> {
        let Some(path) = path else { return Ok(Self::Stdout { closed: false }) };
        let refused = |why: std::io::Error| AppError::usage("bad_output", format!("`--out`: {why}"));
        let is_special = path.metadata().is_ok_and(|metadata| !metadata.is_file());
        if is_special {
            let file = fs_err::OpenOptions::new().write(true).open(path).map_err(refused)?;
            return Ok(Self::File { file, path: None });
        }
        Ok(Self::File { file: File::create(partial(path)).map_err(refused)?, path: Some(path.to_owned()) })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), AppError> {
        match self {
            Self::Stdout { closed: true } => Ok(()),
            Self::Stdout { closed } => {
                let mut stdout = std::io::stdout().lock();
                match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
                    Err(why) if why.kind() == ErrorKind::BrokenPipe => {
                        *closed = true;
                        Ok(())
                    }
                    outcome => outcome.map_err(unwritten),
                }
            }
            Self::File { file, .. } => file.write_all(bytes).map_err(unwritten),
        }
    }

    fn is_closed(&self) -> bool {
        matches!(self, Self::Stdout { closed: true })
    }

    fn finish(self) -> Result<(), AppError> {
        match self {
            Self::Stdout { .. } | Self::File { path: None, .. } => Ok(()),
            Self::File { file, path: Some(path) } => {
                file.sync_all().and_then(|()| fs_err::rename(partial(&path), &path)).map_err(unwritten)
            }
        }
    }
}

/// Where a file is written before it takes its place.
fn partial(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what a failed write leaves")]
fn unwritten(why: std::io::Error) -> AppError {
    AppError::unexpected(format!("the calls could not all be written: {why}"))
}
