//! `partyline batch resume`: goes on with a batch of which rows are left. Where another process drives it, it is only
//! followed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use partyline_domain::ports::StoreUnavailable;
use partyline_domain::{BatchId, CallReport, Known, PhoneNumberId, RingingTimeout};

use super::desk::Desk;
use super::drive::{Interrupted, Row, RowsByCall};
use super::progress::{Names, Progress};
use super::results::Results;
use super::stored::{self, Options, Serving, Stored};
use super::{NOT_DIALLED, shared_run, status};
use crate::cli::ResumeArgs;
use crate::commands::story::{report_of, request_of};
use crate::compose::archive::{Batch, BatchState, CallRow};
use crate::compose::{OpenStore, World};
use crate::errors::AppError;
use crate::events::CallLog;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::system::SystemClock;

/// A batch that is being handed in is longer after this.
const GROWS_WITHIN: Duration = Duration::from_secs(1);
/// How many rows are read at once.
const PAGE: usize = 1000;
/// Why a row was not dialled that its process never handed in.
const NOT_HANDED_IN: &str = "the process that handed the rows in ended before this one; it was not dialled";

/// Goes on with a batch.
///
/// # Errors
/// 2 where there is no such batch, or it was cancelled.
pub(super) async fn run(
    args: &ResumeArgs,
    settings: &Settings,
    printer: &Printer,
    clock: SystemClock,
) -> Result<Exit, AppError> {
    let world = World::connect(settings, clock)?;
    let open = OpenStore::open_needed(settings, clock, "batch resume", printer).await?;
    let mut signals = Signals::listen()?;
    let exit = Box::pin(go_on(args, settings, &world, &open, printer, &mut signals)).await;
    open.close().await;
    exit
}

/// The rows of a batch as the store has them.
struct Read {
    rows: RowsByCall,
    ended: Vec<CallReport>,
    numbers: BTreeSet<PhoneNumberId>,
    names: Names,
    missing: Vec<u64>,
    ringing: RingingTimeout,
}

async fn go_on(
    args: &ResumeArgs,
    settings: &Settings,
    world: &World,
    open: &OpenStore,
    printer: &Printer,
    signals: &mut Signals,
) -> Result<Exit, AppError> {
    let finding = status::find(open, args.id.as_deref(), true);
    let batch = signals.unless_interrupted(NOT_DIALLED, finding).await?;
    let id = batch.batch.id.clone();
    if batch.state == BatchState::Cancelled {
        return Err(AppError::usage("batch_cancelled", format!("the batch {id} was cancelled, and stays so"))
            .effect(NOT_DIALLED)
            .hint("hand the rows in again with `partyline batch <FILE>`"));
    }
    let checking = still_handed_in(open, &batch);
    if signals.unless_interrupted(NOT_DIALLED, checking).await? {
        return Err(AppError::usage(
            "batch_begins",
            format!("the batch {id} is just being handed in by another process"),
        )
        .effect("nothing was changed")
        .hint("it is dialled by that process: see how far it is with `partyline batch status`"));
    }
    let options = Options::read(&batch.batch.options);
    let reading = async { read(open, settings, &batch, &options).await.map_err(|why| status::unavailable(&why)) };
    let read = signals.unless_interrupted(NOT_DIALLED, reading).await?;
    let results = args.out.as_deref().map(|out| Results::create(out, None)).transpose()?;
    let pace = options.pace(&args.pace);
    let progress = Progress::new(printer, read.rows.len(), read.names);
    let elapsed = printer.clone();
    let log = CallLog::new(world.request_counter(), Box::new(move || elapsed.elapsed_ms()), false);
    let mut desk = Desk::new(printer, &progress, world.host(), read.rows, results);
    let (before, total) = (read.ended.len(), batch.batch.rows);
    for report in &read.ended {
        desk.before(report);
    }
    printer.note(&format!("batch {id} ({}): {before} of {total} calls had ended before", batch.batch.file));
    tell_missing(&read.missing, &mut desk, printer);
    if !desk.is_over() {
        let going =
            async { open.archive.set_batch(&id, BatchState::Running).await.map_err(|why| status::unavailable(&why)) };
        signals.unless_interrupted(NOT_DIALLED, going).await?;
    }
    let stored = Stored { open, clock: world.clock(), batch: id, numbers: read.numbers };
    let run = shared_run(world, open, &pace, read.ringing, Known::default(), log);
    let own = desk.all().cloned().collect();
    let serving = Serving { run, stored: &stored, own, earlier: BTreeSet::new(), going_on: Vec::new(), printer };
    let interrupted = stored::serve(serving, &mut desk, &progress, signals).await?;
    if interrupted > Interrupted::No {
        stored.tell_left(&mut desk, printer).await;
    }
    stored::leave_off(&mut desk, interrupted, signals).await;
    Ok(desk.conclude(interrupted, world.requests()))
}

/// Whether another process is handing the batch in: while it does, it is held up and becomes longer.
async fn still_handed_in(open: &OpenStore, batch: &Batch) -> Result<bool, AppError> {
    if batch.state != BatchState::Paused || batch.counts.total >= batch.batch.rows {
        return Ok(false);
    }
    tokio::time::sleep(GROWS_WITHIN).await;
    let again = open.archive.batch(&batch.batch.id).await.map_err(|why| status::unavailable(&why))?;
    Ok(again.is_some_and(|again| again.counts.total > batch.counts.total || again.state == BatchState::Running))
}

fn tell_missing(missing: &[u64], desk: &mut Desk<'_>, printer: &Printer) {
    if missing.is_empty() {
        return;
    }
    printer.warn(&format!(
        "{} rows of the file were never handed in, because the process that read it ended too early: they are not \
         dialled, hand them in again",
        missing.len()
    ));
    for line in missing {
        desk.refuse(*line, "not_handed_in", NOT_HANDED_IN);
    }
}

async fn read(
    open: &OpenStore,
    settings: &Settings,
    batch: &Batch,
    options: &Options,
) -> Result<Read, StoreUnavailable> {
    let (mut rows, mut ended) = (RowsByCall::new(), Vec::new());
    let mut missing: BTreeSet<u64> = options.lines().collect();
    let mut numbers = BTreeSet::new();
    let mut ringing = None;
    let mut names = Names::default();
    names.numbers.extend(settings.numbers.iter().map(|(alias, number)| (number.id.clone(), alias.clone())));
    let mut after = 0;
    loop {
        let page = open.archive.batch_calls(&batch.batch.id, after, PAGE).await?;
        let Some(last) = page.last().and_then(|row| row.batch.as_ref()) else { break };
        after = last.line;
        for row in &page {
            let Some(place) = &row.batch else { continue };
            missing.remove(&place.line);
            let agent: Arc<str> = Arc::from(place.agent.as_str());
            names.agents.entry(row.agent.clone()).or_insert_with(|| place.agent.clone());
            rows.insert(row.id.clone(), Row::new(place.line, agent));
            if !row.state.has_ended() || !row.closed {
                numbers.extend(row.numbers.iter().cloned());
            }
        }
        let (reports, longest) = stories(open, &page).await?;
        ringing = ringing.max(longest);
        ended.extend(reports);
    }
    // All rows were handed in before the batch was let go: what is missing then are rows whose keys belong to others.
    let was_complete = batch.state == BatchState::Running;
    let missing =
        if was_complete || batch.counts.total >= batch.batch.rows { Vec::new() } else { missing.into_iter().collect() };
    Ok(Read { rows, ended, numbers, names, missing, ringing: ringing.unwrap_or_default() })
}

/// How the calls of a page ended that have, and how long the others ring at most, where there are any.
async fn stories(
    open: &OpenStore,
    page: &[CallRow],
) -> Result<(Vec<CallReport>, Option<RingingTimeout>), StoreUnavailable> {
    let mut reports = Vec::new();
    let mut ringing = None;
    let states: BTreeMap<_, _> = page.iter().map(|row| (row.id.clone(), row.state)).collect();
    for part in page.chunks(200) {
        let asked: Vec<_> = part.iter().map(|row| (row.id.clone(), 0)).collect();
        for followed in open.store.follow(&asked).await? {
            if states.get(&followed.call).is_some_and(|state| state.has_ended()) {
                reports.extend(report_of(&followed.events).filter(|report| report.state.is_terminal()));
            } else if let Some(request) = request_of(&followed.events) {
                ringing = ringing.max(Some(request.options.ringing_timeout));
            }
        }
    }
    Ok((reports, ringing))
}

/// The id of a batch from a text.
pub(super) fn batch_id(text: &str) -> Result<BatchId, AppError> {
    BatchId::parse(text).map_err(|why| AppError::usage("bad_batch_id", why.to_string()))
}
