//! Runs a batch: hands its calls to the core, tells what becomes of them, and ends when each has ended.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use partyline_domain::flow::Proof;
use partyline_domain::{
    CallId, CallReport, ConversationId, Driver, Handle, Known, LinePolicy, Notice, Observer, Ports,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::MissedTickBehavior;

use super::desk::Desk;
use super::plan::Planned;
use super::progress::Progress;
use super::tally::Tally;
use crate::errors::AppError;
use crate::events::CallLog;
use crate::signals::Signals;

/// How long a batch that is given up waits for the reader of stdout.
const LAST_LINES: Duration = Duration::from_millis(500);

/// What the core tells and people should know.
pub(super) enum Told {
    Ended(Box<CallReport>),
    Audited { call: CallId, conversation: ConversationId, proof: Proof },
    Other(Box<Notice>),
}

impl Told {
    /// What people should know of a notice.
    pub(super) fn of(notice: &Notice) -> Option<Self> {
        Some(match notice {
            Notice::Completed(report) => Self::Ended(report.clone()),
            Notice::Audited { call, conversation, proof } => {
                Self::Audited { call: call.clone(), conversation: conversation.clone(), proof: proof.clone() }
            }
            Notice::OutsideChange { .. }
            | Notice::NumberStopped { .. }
            | Notice::DiallingStopped { .. }
            | Notice::BreakerOpened { .. }
            | Notice::BreakerClosed { .. }
            | Notice::SurveyFailed { .. }
            | Notice::NumberQuarantined { .. }
            | Notice::NumberTaken { .. }
            | Notice::NumberLost { .. }
            | Notice::InboundRestored { .. } => Self::Other(Box::new(notice.clone())),
            Notice::Recorded { .. }
            | Notice::VerificationStarted { .. }
            | Notice::AssignmentStarted { .. }
            | Notice::DialAnswered { .. }
            | Notice::AssignRetryScheduled { .. }
            | Notice::RetryScheduled { .. }
            | Notice::LookedUp { .. }
            | Notice::RecordUnread { .. }
            | Notice::NumberTrusted { .. }
            | Notice::RestoreDelayed { .. }
            | _ => return None,
        })
    }

    /// Whether nothing is printed of it at once.
    pub(super) fn is_quiet(&self) -> bool {
        match self {
            Self::Ended(_) => true,
            Self::Audited { proof, .. } => !matches!(proof, Proof::Mismatch { .. }),
            Self::Other(_) => false,
        }
    }
}

/// How often the user, or the system, has asked the batch to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Interrupted {
    No,
    Once,
    Twice,
}

/// Hands the core's notices to the log, to the display, and to the desk.
struct Watcher {
    log: CallLog,
    tally: Arc<Mutex<Tally>>,
    told: UnboundedSender<Told>,
}

impl Observer for Watcher {
    fn notice(&self, notice: &Notice) {
        self.log.notice(notice);
        lock(&self.tally).notice(notice);
        let Some(told) = Told::of(notice) else { return };
        // The desk outlives the driver.
        let _ = self.told.send(told);
    }
}

/// What a batch is run with.
pub(super) struct Run {
    pub(super) ports: Ports,
    pub(super) known: Known,
    pub(super) policy: LinePolicy,
    pub(super) log: CallLog,
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    // Counts are whole after each change.
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs until every call has ended with all that belongs to it; a first signal stops dialling, a second one gives up.
///
/// # Errors
/// Exit code 1 where the core does not take a call.
pub(super) async fn run(
    run: Run,
    calls: Vec<Planned>,
    desk: &mut Desk<'_>,
    progress: &Progress,
    signals: &mut Signals,
) -> Result<Interrupted, AppError> {
    let tally = Arc::new(Mutex::new(Tally::of(calls.iter().map(|planned| &planned.request.id))));
    let (sender, mut told) = unbounded_channel();
    let watcher = Watcher { log: run.log, tally: Arc::clone(&tally), told: sender };
    let (driver, handle) = Driver::new(run.ports, run.policy, Arc::new(watcher));
    handle.know(run.known);
    for planned in calls {
        handle.submit(planned.request).map_err(|why| AppError::unexpected(why.to_string()))?;
    }
    let mut handle = Some(handle);
    let mut running = Box::pin(driver.run());
    let mut ticks = tokio::time::interval(progress.interval());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first one comes at once, when nothing has happened yet.
    ticks.tick().await;
    let mut interrupted = Interrupted::No;
    loop {
        tokio::select! {
            () = &mut running => break,
            Some(news) = told.recv() => {
                if progress.gathers() && news.is_quiet() {
                    desk.take(news);
                } else {
                    progress.aside(|| take(news, desk));
                }
                // Without handles the driver ends as soon as nothing is left to be done.
                if desk.is_over() {
                    drop(handle.take());
                }
            }
            () = signals.next() => {
                interrupted = progress.aside(|| interrupt(interrupted, handle.as_ref(), desk, &tally));
                if interrupted == Interrupted::Twice && handle.is_none() {
                    break;
                }
            }
            _ = ticks.tick() => {
                progress.aside(|| desk.print());
                progress.show(&lock(&tally));
            }
        }
    }
    drop(running);
    progress.end();
    finish(&mut told, desk);
    tokio::select! {
        () = desk.printed() => {}
        // The calls have ended; whoever is tired of waiting for the reader of stdout may leave.
        () = patience(interrupted, signals) => {}
    }
    Ok(interrupted)
}

/// Ends with the next signal, and soon where there have been enough.
pub(super) async fn patience(interrupted: Interrupted, signals: &mut Signals) {
    if interrupted == Interrupted::Twice {
        tokio::time::sleep(LAST_LINES).await;
    } else {
        signals.next().await;
    }
}

/// What was told and not taken yet.
pub(super) fn finish(told: &mut UnboundedReceiver<Told>, desk: &mut Desk<'_>) {
    desk.print();
    while let Ok(news) = told.try_recv() {
        take(news, desk);
    }
}

pub(super) fn take(news: Told, desk: &mut Desk<'_>) {
    desk.take(news);
    desk.print();
}

fn interrupt(before: Interrupted, handle: Option<&Handle>, desk: &Desk<'_>, tally: &Mutex<Tally>) -> Interrupted {
    match (before, handle) {
        (Interrupted::No, Some(handle)) => {
            handle.shut_down();
            let counts = lock(tally).counts();
            desk.warn(&format!(
                "interrupted: nothing more is dialled; {} open dials and {} in doubt are waited for (interrupt again \
                 to leave now)",
                counts.dialling, counts.in_doubt
            ));
            Interrupted::Once
        }
        (Interrupted::No, None) => {
            desk.warn("interrupted: every call has ended already; finishing (interrupt again to leave now)");
            Interrupted::Once
        }
        (Interrupted::Once | Interrupted::Twice, handle) => {
            if let Some(handle) = handle {
                handle.abandon();
            }
            Interrupted::Twice
        }
    }
}

/// The rows of a batch by their calls.
pub(super) type RowsByCall = BTreeMap<CallId, Row>;

/// A row and what is known of its call.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Its line in the file.
    pub(super) line: u64,
    /// The agent as the row names it.
    pub(super) agent: Arc<str>,
    /// Its call is one of before, by its key.
    pub(super) replayed: bool,
    /// Its call has ended.
    pub(super) ended: bool,
    /// It is known what the provider's record says.
    pub(super) proved: bool,
}

impl Row {
    /// A row whose call has not ended.
    pub(super) fn new(line: u64, agent: Arc<str>) -> Self {
        Self { line, agent, replayed: false, ended: false, proved: false }
    }
}
