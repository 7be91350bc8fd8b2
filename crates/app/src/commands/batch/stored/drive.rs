//! Serves the numbers of a stored batch and follows its rows to their ends.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use partyline_domain::ports::{Clock as _, Followed, StoreUnavailable};
use partyline_domain::{BatchId, CallId, Driver, Handle, Notice, Observer};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::MissedTickBehavior;

use super::Stored;
use super::watcher::Watcher;
use crate::commands::batch::desk::Desk;
use crate::commands::batch::drive::{Interrupted, Run, Told, finish, patience, take};
use crate::commands::batch::progress::Progress;
use crate::commands::batch::tally::{Place, Tally};
use crate::commands::neighbours::{give_back, holder, known_before};
use crate::commands::story::report_of;
use crate::commands::waiting::{Work, done};
use crate::compose::Trying;
use crate::compose::archive::{BatchCursor, BatchState, CallRow, NumberRow, StateWord};
use crate::errors::AppError;
use crate::printer::Printer;
use crate::signals::Signals;

/// How often what others do is looked at without a reason, and at most.
const LOOK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_millis(100));
/// How many rows are read at once.
const PAGE: usize = 1000;
/// How many calls' events are read at once.
const STORIES: usize = 200;
/// After so long people are told who has the numbers.
const A_MOMENT: Duration = Duration::from_millis(1500);
/// How long the store is given to hold the batch up.
const LAST_LOOK: Duration = Duration::from_secs(5);

/// What a stored batch is served with.
pub(in crate::commands::batch) struct Serving<'a> {
    pub(in crate::commands::batch) run: Run,
    pub(in crate::commands::batch) stored: &'a Stored<'a>,
    /// All its calls.
    pub(in crate::commands::batch) own: BTreeSet<CallId>,
    /// Those of them that are not of this batch: their keys were used before.
    pub(in crate::commands::batch) earlier: BTreeSet<CallId>,
    /// The batches of those that were held up before, and are again where this one is.
    pub(in crate::commands::batch) going_on: Vec<BatchId>,
    pub(in crate::commands::batch) printer: &'a Printer,
}

/// What was read of the calls that others drive.
struct Changes {
    rows: Vec<CallRow>,
    cursor: BatchCursor,
    state: Option<BatchState>,
}

/// A batch on its way.
struct Session<'a> {
    stored: &'a Stored<'a>,
    printer: &'a Printer,
    watcher: Arc<Watcher>,
    handle: Option<Handle>,
    earlier: BTreeSet<CallId>,
    going_on: Vec<BatchId>,
    cursor: BatchCursor,
    changes: Work<Result<Changes, StoreUnavailable>>,
    stories: Work<Result<Vec<Followed>, StoreUnavailable>>,
    /// Calls that ended elsewhere, whose events are to be read.
    wanted: BTreeSet<CallId>,
    asking: Work<Option<Vec<NumberRow>>>,
    told_of_holder: bool,
    pausing: Work<()>,
    interrupted: Interrupted,
}

/// Runs until every call has ended with all that belongs to it. A first signal holds the batch up and waits for what is
/// open, a second one leaves that to the next process.
///
/// # Errors
/// None yet; what goes wrong with the store is told and waited for.
pub(in crate::commands::batch) async fn serve(
    serving: Serving<'_>,
    desk: &mut Desk<'_>,
    progress: &Progress,
    signals: &mut Signals,
) -> Result<Interrupted, AppError> {
    let Serving { run, stored, own, earlier, going_on, printer } = serving;
    let tally = Arc::new(Mutex::new(Tally::of(desk.open())));
    let (sender, mut told) = unbounded_channel();
    let watcher = Arc::new(Watcher {
        log: run.log,
        tally,
        told: sender,
        own,
        trouble: Arc::clone(&stored.open.trouble),
        state: Mutex::default(),
    });
    let observer: Arc<dyn Observer> = Arc::clone(&watcher) as Arc<dyn Observer>;
    let store = Arc::clone(&stored.open.store);
    let (driver, handle) = Driver::shared(run.ports, store, run.policy, stored.open.sharing, observer);
    handle.know(known_before(run.known));
    handle.serve(Some(stored.numbers.clone()));
    handle.nudge();
    let mut session = Session {
        stored,
        printer,
        watcher,
        handle: Some(handle),
        wanted: earlier.clone(),
        earlier,
        going_on,
        cursor: BatchCursor::START,
        changes: None,
        stories: None,
        asking: None,
        told_of_holder: false,
        pausing: None,
        interrupted: Interrupted::No,
    };
    let running: Work<()> = Some(Box::pin(driver.run()));
    session.run(running, &mut told, desk, progress, signals).await;
    progress.end();
    finish(&mut told, desk);
    Ok(session.interrupted)
}

/// Prints what is to be printed; whoever is tired of waiting for the reader of stdout may leave.
pub(in crate::commands::batch) async fn leave_off(
    desk: &mut Desk<'_>,
    interrupted: Interrupted,
    signals: &mut Signals,
) {
    tokio::select! {
        () = desk.printed() => {}
        () = patience(interrupted, signals) => {}
    }
}

impl Session<'_> {
    async fn run(
        &mut self,
        mut running: Work<()>,
        told: &mut UnboundedReceiver<Told>,
        desk: &mut Desk<'_>,
        progress: &Progress,
        signals: &mut Signals,
    ) {
        let mut ticks = tokio::time::interval(progress.interval());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first one comes at once, when nothing has happened yet.
        ticks.tick().await;
        let started = self.stored.clock.now().monotonic;
        let mut changed: Work<()> = None;
        let mut look = Box::pin(tokio::time::sleep(LOOK.0));
        // A batch that others have finished needs no driver.
        if desk.is_over() {
            self.handle = None;
        }
        loop {
            if changed.is_none() {
                let store = Arc::clone(&self.stored.open.store);
                changed = Some(Box::pin(async move {
                    // Many changes in a row are looked at together.
                    tokio::time::sleep(LOOK.1).await;
                    store.changed().await;
                }));
            }
            self.read_stories(desk);
            let follows = self.handle.is_some();
            tokio::select! {
                () = done(&mut running) => break,
                Some(news) = told.recv() => {
                    if progress.gathers() && news.is_quiet() {
                        desk.take(news);
                    } else {
                        progress.aside(|| take(news, desk));
                    }
                    self.let_go(desk);
                }
                () = signals.next() => {
                    progress.aside(|| self.signalled());
                    self.hold_up().await;
                    if self.interrupted == Interrupted::Twice {
                        drop(running.take());
                        let belongings = self.watcher.state().neighbours.belongings();
                        give_back(self.stored.open.store.as_ref(), belongings).await;
                        break;
                    }
                }
                answer = done(&mut self.changes) => {
                    // What ended here is known from here.
                    progress.aside(|| finish(told, desk));
                    progress.aside(|| self.changed(answer, desk));
                    self.let_go(desk);
                }
                answer = done(&mut self.stories) => {
                    progress.aside(|| finish(told, desk));
                    progress.aside(|| self.told(answer, desk));
                    self.let_go(desk);
                }
                rows = done(&mut self.asking) => progress.aside(|| self.holder(rows)),
                () = done(&mut self.pausing) => {}
                () = done(&mut changed), if follows => self.look(),
                () = &mut look => {
                    look.set(tokio::time::sleep(LOOK.0));
                    self.look();
                    self.wanted.extend(self.earlier.iter().filter(|call| !desk.has_ended(call)).cloned());
                }
                _ = ticks.tick() => {
                    progress.aside(|| desk.print());
                    progress.show(&self.watcher.tally());
                    if self.stored.clock.now().monotonic.since(started) > A_MOMENT {
                        self.ask_for_holder();
                    }
                }
            }
        }
        if let Some(pausing) = self.pausing.take() {
            pausing.await;
        }
    }

    /// Without handles the driver ends as soon as nothing is left to be done.
    fn let_go(&mut self, desk: &Desk<'_>) {
        if desk.is_over() {
            self.handle = None;
        }
    }

    /// Looks what others have done.
    fn look(&mut self) {
        if self.changes.is_some() || self.handle.is_none() {
            return;
        }
        let (archive, batch, since) = (Arc::clone(&self.stored.open.archive), self.stored.batch.clone(), self.cursor);
        self.changes = Some(Box::pin(async move {
            let (rows, cursor) = archive.batch_changed(&batch, since, PAGE).await?;
            let state = archive.batch(&batch).await?.map(|batch| batch.state);
            Ok(Changes { rows, cursor, state })
        }));
    }

    fn changed(&mut self, answer: Result<Changes, StoreUnavailable>, desk: &Desk<'_>) {
        let Changes { rows, cursor, state } = match answer {
            Ok(changes) => changes,
            Err(why) => {
                self.stored.open.trouble.began(Trying::Asking, &why.detail);
                return;
            }
        };
        self.stored.open.trouble.ended(Trying::Asking);
        let is_full = rows.len() >= PAGE;
        self.cursor = cursor;
        for row in rows {
            if self.watcher.state().here.contains(&row.id) {
                continue;
            }
            let news = !desk.has_ended(&row.id) || (row.proof.is_some() && !desk.is_proved(&row.id));
            if row.state.has_ended() && news {
                self.wanted.insert(row.id);
            } else if let Some(place) = place_of(row.state) {
                self.watcher.tally().put(&row.id, place);
            }
        }
        if is_full {
            self.look();
        }
        let held = state.is_some_and(|state| state != BatchState::Running);
        if held && self.interrupted == Interrupted::No && self.watcher.state().here.is_empty() {
            self.printer.note("the batch was held up by somebody else: nothing more of it is dialled");
            self.interrupted = Interrupted::Once;
            self.handle = None;
        }
    }

    /// Reads how calls ended that others drove.
    fn read_stories(&mut self, desk: &Desk<'_>) {
        // While they were driven here, changes by others were passed over: another process may have ended them by then.
        self.wanted.append(&mut self.watcher.state().left);
        if self.stories.is_some() || self.wanted.is_empty() {
            return;
        }
        let mut asked = Vec::new();
        while asked.len() < STORIES
            && let Some(call) = self.wanted.pop_first()
        {
            if !(desk.has_ended(&call) && desk.is_proved(&call)) {
                asked.push((call, 0));
            }
        }
        let store = Arc::clone(&self.stored.open.store);
        self.stories = Some(Box::pin(async move { store.follow(&asked).await }));
    }

    fn told(&mut self, answer: Result<Vec<Followed>, StoreUnavailable>, desk: &mut Desk<'_>) {
        let followed = match answer {
            Ok(followed) => followed,
            Err(why) => {
                self.stored.open.trouble.began(Trying::Asking, &why.detail);
                // All of them are told again.
                self.cursor = BatchCursor::START;
                return;
            }
        };
        for Followed { events, .. } in followed {
            let Some(report) = report_of(&events).filter(|report| report.state.is_terminal()) else { continue };
            let is_first = !desk.has_ended(&report.request.id);
            let told = Notice::Completed(Box::new(report));
            if is_first {
                self.watcher.log.notice(&told);
                self.watcher.tally().notice(&told);
            }
            if let Some(told) = Told::of(&told) {
                take(told, desk);
            }
        }
    }

    /// Tells who has the numbers, once, where that is somebody else and nothing is driven here.
    fn ask_for_holder(&mut self) {
        if self.told_of_holder || self.asking.is_some() || !self.watcher.state().here.is_empty() {
            return;
        }
        let archive = Arc::clone(&self.stored.open.archive);
        self.asking = Some(Box::pin(async move { archive.numbers().await.ok() }));
    }

    fn holder(&mut self, rows: Option<Vec<NumberRow>>) {
        self.told_of_holder = true;
        let owner = self.stored.open.store.owner();
        if let Some(note) = holder(&rows.unwrap_or_default(), &self.stored.numbers, owner) {
            self.printer.note(&format!("{note}: it places the calls"));
        }
    }

    fn signalled(&mut self) {
        if self.interrupted > Interrupted::No {
            self.interrupted = Interrupted::Twice;
            return;
        }
        self.interrupted = Interrupted::Once;
        if self.handle.is_none() {
            self.printer.warn("interrupted: every call has ended already; finishing (interrupt again to leave now)");
            return;
        }
        let counts = self.watcher.tally().counts();
        self.printer.warn(&format!(
            "interrupted: nothing more is dialled; {} open dials and {} in doubt are waited for, the rest stays in the \
             store (interrupt again to leave now)",
            counts.dialling, counts.in_doubt
        ));
    }

    /// Holds the batch up and begins to leave.
    async fn hold_up(&mut self) {
        let Some(handle) = self.handle.take() else { return };
        let archive = Arc::clone(&self.stored.open.archive);
        let batches: Vec<BatchId> = self.going_on.drain(..).chain([self.stored.batch.clone()]).collect();
        self.pausing = Some(Box::pin(async move {
            let all = async {
                for batch in &batches {
                    let _ = archive.set_batch(batch, BatchState::Paused).await;
                }
            };
            // Where the store does not answer, nothing is dialled either.
            let _ = tokio::time::timeout(LAST_LOOK, all).await;
        }));
        // It is asked for before anything is given back, so that nobody else takes what is left.
        tokio::select! {
            biased;
            () = done(&mut self.pausing) => {}
            () = std::future::ready(()) => {}
        }
        handle.leave();
    }
}

/// Where a call is that others drive, as the display knows it; `None` where it has ended.
fn place_of(state: StateWord) -> Option<Place> {
    match state {
        StateWord::Waiting => Some(Place::Waiting),
        StateWord::Verified | StateWord::Assigned => Some(Place::Verified),
        StateWord::Dialling => Some(Place::Dialling),
        StateWord::InDoubt => Some(Place::InDoubt),
        StateWord::Initiated | StateWord::Failed | StateWord::Unknown => None,
    }
}
