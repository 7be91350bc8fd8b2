//! `partyline batch status` and `partyline batch cancel`.

use partyline_domain::ports::{Clock as _, StoreUnavailable};
use serde::Serialize;

use super::resume::batch_id;
use crate::compose::OpenStore;
use crate::compose::archive::{Batch, BatchState, CallFilter, StateWord};
use crate::errors::AppError;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::system::SystemClock;
use crate::text::shortened;

/// Among so many of the latest batches one is looked for.
const LATEST: usize = 1000;

/// The object of `batch status --json`. Its keys are promises.
#[derive(Serialize)]
struct StatusOutput<'a> {
    batch_id: &'a str,
    file: &'a str,
    /// `running`, `paused`, `cancelled` or `finished`.
    state: &'static str,
    rows: u64,
    handed_in: u64,
    waiting: u64,
    /// In doubt included.
    dialling: u64,
    initiated: u64,
    failed: u64,
    unknown: u64,
}

/// The object of `batch cancel --json`.
#[derive(Serialize)]
struct CancelOutput<'a> {
    batch_id: &'a str,
    withdrawn: u64,
    asked: u64,
}

/// The error for a store that does not answer a question.
pub(super) fn unavailable(why: &StoreUnavailable) -> AppError {
    AppError::unexpected(format!("the store could not be asked: {}", why.detail)).hint("try again")
}

/// Whether nothing is left to be done for a batch.
fn is_finished(batch: &Batch) -> bool {
    let open = batch.counts.waiting + batch.counts.running;
    // Rows are handed in before the batch is let go; while it is held up, some may be missing.
    let is_whole = batch.counts.total >= batch.batch.rows || batch.state == BatchState::Running;
    open == 0 && (is_whole || batch.state == BatchState::Cancelled)
}

/// The batch of this id, or whose id begins so; without one the latest that is not finished, and else, unless it has to be
/// `unfinished`, the latest.
///
/// # Errors
/// Exit code 2 where there is none, or several are meant.
pub(super) async fn find(open: &OpenStore, id: Option<&str>, unfinished: bool) -> Result<Batch, AppError> {
    let unavailable = |why: StoreUnavailable| unavailable(&why);
    if let Some(text) = id {
        if let Some(batch) = open.archive.batch(&batch_id(text)?).await.map_err(unavailable)? {
            return Ok(batch);
        }
        let all = open.archive.batches(false, LATEST).await.map_err(unavailable)?;
        let mut meant: Vec<Batch> = all.into_iter().filter(|batch| batch.batch.id.as_str().starts_with(text)).collect();
        return match (meant.pop(), meant.is_empty()) {
            (Some(batch), true) => Ok(batch),
            (Some(_), false) => Err(AppError::usage("batch_ambiguous", "several batches have ids that begin so")),
            (None, _) => Err(AppError::usage("no_such_batch", format!("there is no batch {}", shortened(text)))
                .hint("see them with `partyline batch status`")),
        };
    }
    let open_ones = open.archive.batches(true, LATEST).await.map_err(unavailable)?;
    if let Some(batch) = open_ones.into_iter().find(|batch| !is_finished(batch)) {
        return Ok(batch);
    }
    let latest = if unfinished { None } else { open.archive.batches(false, 1).await.map_err(unavailable)?.pop() };
    latest.ok_or_else(|| {
        let what = if unfinished { "there is no batch that is not finished" } else { "there is no batch" };
        AppError::usage("no_such_batch", what).hint("begin one with `partyline batch <FILE>`")
    })
}

/// How many calls of a batch may be on their way.
async fn dialled(open: &OpenStore, batch: &Batch) -> Result<u64, AppError> {
    let filter = CallFilter {
        states: [StateWord::Dialling, StateWord::InDoubt].into(),
        batch: Some(batch.batch.id.clone()),
        ..CallFilter::default()
    };
    let calls = open.archive.calls(&filter).await.map_err(|why| unavailable(&why))?;
    Ok(u64::try_from(calls.len()).unwrap_or(u64::MAX))
}

/// Says how far a batch is.
///
/// # Errors
/// Exit code 2 where there is no such batch.
pub(super) async fn run(
    id: Option<&str>,
    settings: &Settings,
    printer: &Printer,
    clock: SystemClock,
) -> Result<Exit, AppError> {
    let open = OpenStore::open_needed(settings, clock, "batch status", printer).await?;
    let mut signals = Signals::listen()?;
    let work = async {
        let batch = find(&open, id, false).await?;
        let dialled = dialled(&open, &batch).await?;
        Ok((batch, dialled))
    };
    let (batch, dialled) = signals.unless_interrupted("nothing was changed", work).await?;
    let counts = batch.counts;
    let waiting = (counts.waiting + counts.running).saturating_sub(dialled);
    let id = batch.batch.id.as_str();
    let state =
        if is_finished(&batch) && batch.state != BatchState::Cancelled { "finished" } else { batch.state.as_str() };
    if printer.is_json() {
        printer.object(&StatusOutput {
            batch_id: id,
            file: &batch.batch.file,
            state,
            rows: batch.batch.rows,
            handed_in: counts.total,
            waiting,
            dialling: dialled,
            initiated: counts.initiated,
            failed: counts.failed,
            unknown: counts.unknown,
        });
    } else {
        printer.data(&format!("batch {id}: {state}"));
        printer.data(&format!("  file       {}", batch.batch.file));
        printer.data(&format!("  rows       {}, {} of them handed in", batch.batch.rows, counts.total));
        printer.data(&format!("  waiting    {waiting}"));
        printer.data(&format!("  dialling   {dialled}"));
        printer.data(&format!("  initiated  {}", counts.initiated));
        printer.data(&format!("  failed     {}", counts.failed));
        printer.data(&format!("  unknown    {}", counts.unknown));
    }
    if counts.unknown > 0 {
        printer.note(&format!(
            "see the calls whose outcome is unknown with `partyline calls --batch {id} --state unknown`"
        ));
    }
    if state != "finished" && batch.state == BatchState::Paused {
        printer.note(&format!("go on with `partyline batch resume {id}`"));
    }
    open.close().await;
    Ok(Exit::Success)
}

/// Takes back what is not dialled of a batch.
///
/// # Errors
/// Exit code 2 where there is no such batch.
pub(super) async fn cancel(
    id: Option<&str>,
    settings: &Settings,
    printer: &Printer,
    clock: SystemClock,
) -> Result<Exit, AppError> {
    let open = OpenStore::open_needed(settings, clock, "batch cancel", printer).await?;
    let mut signals = Signals::listen()?;
    let batch = signals.unless_interrupted("nothing was changed", find(&open, id, true)).await?;
    let id = &batch.batch.id;
    let work = async { open.archive.cancel_batch(id, clock.now().wall).await.map_err(|why| unavailable(&why)) };
    let effect = "the batch may have been cancelled all the same";
    let (withdrawn, asked) = signals.unless_interrupted(effect, work).await?;
    if printer.is_json() {
        printer.object(&CancelOutput { batch_id: id.as_str(), withdrawn, asked });
    } else {
        printer.data(&format!("batch {id} cancelled: {withdrawn} calls withdrawn"));
    }
    if asked > 0 {
        printer.note(&format!("{asked} calls are in the hands of a process: what it has dialled goes on to its end"));
    }
    open.close().await;
    Ok(Exit::Success)
}
