//! Handing the rows of a batch in. The batch is held up until all of them are there, so none is dialled before.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use partyline_domain::ports::{Accepted, BatchRow, Clock as _, NewCall, StoreUnavailable};
use partyline_domain::{BatchId, CallId};

use super::{Options, Stored};
use crate::commands::batch::input::is_stdin;
use crate::commands::batch::plan::Planned;
use crate::commands::call::NOT_DIALLED;
use crate::compose::Trying;
use crate::compose::archive::{BatchState, NewBatch};
use crate::errors::AppError;
use crate::signals::Signals;

/// How many rows are handed in at once.
const CHUNK: usize = 500;
/// How many rows are read at once.
const PAGE: usize = 1000;
/// Among so many of the latest batches those are looked for whose rows were handed in again.
const LATEST: usize = 1000;
/// How long it is waited before the store is asked again.
const AGAIN: Duration = Duration::from_millis(300);
/// How long an interrupted batch is given to be taken back.
const TAKING_BACK: Duration = Duration::from_secs(2);

/// What is to be handed in.
pub(in crate::commands::batch) struct HandingIn<'a> {
    pub(in crate::commands::batch) file: &'a Path,
    pub(in crate::commands::batch) options: Options,
    pub(in crate::commands::batch) calls: Vec<Planned>,
}

/// Rows whose keys have been used before: the call that was to be made, and that of before.
#[derive(Debug, Default)]
pub(in crate::commands::batch) struct Keyed {
    /// It asks for the same.
    pub(in crate::commands::batch) replayed: Vec<(CallId, CallId)>,
    /// It asks for something else.
    pub(in crate::commands::batch) taken: Vec<(CallId, CallId)>,
    /// Batches that were held up, and go on because rows of theirs were handed in again.
    pub(in crate::commands::batch) going_on: Vec<BatchId>,
}

/// Hands all rows in, and lets the batch go.
///
/// # Errors
/// Exit code 130 where it was interrupted; nothing was dialled then.
pub(in crate::commands::batch) async fn hand_in(
    stored: &Stored<'_>,
    rows: HandingIn<'_>,
    signals: &mut Signals,
) -> Result<Keyed, AppError> {
    tokio::select! {
        keyed = all(stored, rows) => Ok(keyed),
        () = signals.next() => Err(interrupted(stored).await),
    }
}

async fn all(stored: &Stored<'_>, rows: HandingIn<'_>) -> Keyed {
    let HandingIn { file, options, calls } = rows;
    let (open, clock) = (stored.open, stored.clock);
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
    let batch = NewBatch {
        id: stored.batch.clone(),
        file: if is_stdin(file) { "stdin".to_owned() } else { name },
        rows: u64::try_from(calls.len()).unwrap_or(u64::MAX),
        options: options.written(),
        created_at: clock.now().wall,
    };
    until_done(stored, || open.archive.open_batch(&batch)).await;
    until_done(stored, || open.archive.set_batch(&stored.batch, BatchState::Paused)).await;
    let mut keyed = Keyed::default();
    let mut rest = calls.into_iter();
    loop {
        let chunk: Vec<NewCall> =
            rest.by_ref().take(CHUNK).map(|planned| new(planned, &stored.batch, stored)).collect();
        if chunk.is_empty() {
            break;
        }
        let ids: Vec<CallId> = chunk.iter().map(|new| new.request.id.clone()).collect();
        let answers = until_done(stored, || open.store.submit(chunk.clone())).await;
        for (own, answer) in ids.into_iter().zip(answers) {
            match answer {
                Accepted::New | Accepted::Again => {}
                Accepted::Replayed(earlier) => keyed.replayed.push((own, earlier)),
                Accepted::KeyTaken(earlier) => keyed.taken.push((own, earlier)),
            }
        }
    }
    keyed.going_on = let_go_on(stored, &keyed.replayed).await;
    until_done(stored, || open.archive.set_batch(&stored.batch, BatchState::Running)).await;
    keyed
}

/// Lets those batches go on that are held up, because their process was killed while it handed them in or because somebody
/// interrupted it, and whose rows were handed in again: else nobody would ever place them.
async fn let_go_on(stored: &Stored<'_>, replayed: &[(CallId, CallId)]) -> Vec<BatchId> {
    let earlier: BTreeSet<&CallId> = replayed.iter().map(|(_, earlier)| earlier).collect();
    let mut going_on = Vec::new();
    if earlier.is_empty() {
        return going_on;
    }
    let archive = &stored.open.archive;
    for batch in until_done(stored, || archive.batches(true, LATEST)).await {
        let id = batch.batch.id;
        if batch.state == BatchState::Paused && id != stored.batch && has_any(stored, &id, &earlier).await {
            until_done(stored, || archive.set_batch(&id, BatchState::Running)).await;
            going_on.push(id);
        }
    }
    going_on
}

/// Whether some of these calls are rows of the batch.
async fn has_any(stored: &Stored<'_>, batch: &BatchId, calls: &BTreeSet<&CallId>) -> bool {
    let mut after = 0;
    loop {
        let page = until_done(stored, || stored.open.archive.batch_calls(batch, after, PAGE)).await;
        if page.iter().any(|row| calls.contains(&row.id)) {
            return true;
        }
        let Some(last) = page.last().and_then(|row| row.batch.as_ref()) else { return false };
        after = last.line;
    }
}

fn new(planned: Planned, batch: &BatchId, stored: &Stored<'_>) -> NewCall {
    let row = BatchRow { batch: batch.clone(), line: planned.line, agent: planned.agent.to_string() };
    NewCall { request: planned.request, at: stored.clock.now().wall, key: planned.key, batch: Some(row), repeats: None }
}

/// Asks the store until it answers: whatever is asked may be repeated.
async fn until_done<T, F>(stored: &Stored<'_>, ask: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, StoreUnavailable>>,
{
    loop {
        match ask().await {
            Ok(answer) => {
                stored.open.trouble.ended(Trying::Asking);
                return answer;
            }
            Err(why) => {
                stored.open.trouble.began(Trying::Asking, &why.detail);
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// Takes back what was handed in of a batch that is not to be.
async fn interrupted(stored: &Stored<'_>) -> AppError {
    let at = stored.clock.now().wall;
    let taken = tokio::time::timeout(TAKING_BACK, stored.open.archive.cancel_batch(&stored.batch, at)).await;
    let error = AppError::interrupted(NOT_DIALLED);
    match taken {
        Ok(Ok(_)) => error,
        Ok(Err(_)) | Err(_) => error.hint(format!(
            "a part of the rows may wait in the store: take them back with `partyline batch cancel {}`",
            stored.batch
        )),
    }
}
