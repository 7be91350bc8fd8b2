//! A call through the store: it is handed in, this process serves its numbers as long as that takes, and it is followed
//! to its end, whoever drives it.

mod leaving;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use partyline_domain::flow::CallEvent;
use partyline_domain::ports::{Accepted, Clock as _, Followed, NewCall, Number, Recorded, StoreUnavailable};
use partyline_domain::{
    CallId, CallReport, Driver, Handle, IdempotencyKey, Known, LinePolicy, Notice, Observer, PhoneNumberId, Ports,
};
use tokio::sync::Notify;
use tokio::time::{Interval, MissedTickBehavior};

use super::NOT_DIALLED;
use super::steps::Steps;
use super::watcher::{State, Watcher};
use crate::commands::neighbours::{Neighbours, holder, known_before};
use crate::commands::story::Story;
use crate::commands::waiting::{Work, done};
use crate::compose::archive::NumberRow;
use crate::compose::{OpenStore, Trying};
use crate::errors::AppError;
use crate::events::CallLog;
use crate::printer::Printer;
use crate::signals::Signals;
use crate::system::SystemClock;

/// How soon a call that nobody here drives is looked at, and how seldom at most.
const LOOK: (Duration, Duration) = (Duration::from_millis(30), Duration::from_secs(1));
/// How often it is seen to what time brings.
const TICK: Duration = Duration::from_millis(50);
/// A call that was handed in and is not had by then is asked for once more.
const CLAIMED_WITH: Duration = Duration::from_millis(5);
/// After so long people are told what is going on.
const A_MOMENT: Duration = Duration::from_millis(1500);
/// How long it is waited before the store is asked again.
const AGAIN: Duration = Duration::from_millis(300);

/// What a call is placed with.
pub(super) struct Placing<'a> {
    pub(super) open: &'a OpenStore,
    pub(super) ports: Ports,
    pub(super) policy: LinePolicy,
    pub(super) known: Known,
    pub(super) log: CallLog,
    pub(super) printer: &'a Printer,
    pub(super) clock: SystemClock,
}

/// A call on its way.
pub(super) struct Session<'a> {
    open: &'a OpenStore,
    printer: &'a Printer,
    clock: SystemClock,
    watcher: Arc<Watcher>,
    /// Numbers as they were read before.
    seen: Vec<Number>,
    handle: Option<Handle>,
    running: Work<()>,
    submitting: Work<Result<Accepted, StoreUnavailable>>,
    reading: Work<Result<Vec<Followed>, StoreUnavailable>>,
    cancelling: Work<()>,
    asking: Work<Option<Vec<NumberRow>>>,
    new: NewCall,
    taken: Taken,
    nudged: bool,
    interrupted: u32,
    /// Its open dial is no longer waited for.
    dropping: bool,
    notes: Notes,
    since: Duration,
    wait: Duration,
}

/// Whether the store has taken the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    NotYet,
    Yes,
    /// It has one with the same key, and what it had of that before is no news.
    Replayed {
        read: bool,
    },
}

/// What people have been told.
#[derive(Clone, Copy, Debug, Default)]
struct Notes {
    others: bool,
    holder: bool,
}

/// How the waiting for a call ended.
pub(super) struct Over {
    pub(super) report: CallReport,
    /// It is the outcome of an earlier call with the same key.
    pub(super) replayed: bool,
    /// The user, or the system, has asked for an end.
    pub(super) interrupted: bool,
}

impl<'a> Session<'a> {
    /// Starts to serve the call's numbers, and to hand it in.
    pub(super) fn start(placing: Placing<'a>, new: NewCall) -> Self {
        let Placing { open, ports, policy, known, log, printer, clock } = placing;
        let request = &new.request;
        let numbers: BTreeSet<PhoneNumberId> = request.numbers.iter().cloned().collect();
        let watcher = Arc::new(Watcher {
            log,
            steps: Steps::new(printer.clone(), request),
            numbers: numbers.clone(),
            state: Mutex::new(State { story: Story::of(request.id.clone()), neighbours: Neighbours::default() }),
            trouble: Arc::clone(&open.trouble),
            news: Notify::new(),
        });
        let observer: Arc<dyn Observer> = Arc::clone(&watcher) as Arc<dyn Observer>;
        let (driver, handle) = Driver::shared(ports, Arc::clone(&open.store), policy, open.sharing, observer);
        let seen = known.numbers.clone();
        handle.know(known_before(known));
        handle.serve(Some(numbers));
        handle.nudge();
        let mut session = Self {
            open,
            printer,
            clock,
            watcher,
            seen,
            handle: Some(handle),
            running: Some(Box::pin(driver.run())),
            submitting: None,
            reading: None,
            cancelling: None,
            asking: None,
            new,
            taken: Taken::NotYet,
            nudged: false,
            interrupted: 0,
            dropping: false,
            notes: Notes::default(),
            since: clock.now().monotonic.since_origin(),
            wait: LOOK.0,
        };
        session.submit(Duration::ZERO);
        session
    }

    /// What was told that the report does not say.
    pub(super) fn steps(&self) -> &Steps {
        &self.watcher.steps
    }

    fn submit(&mut self, after: Duration) {
        let (store, new) = (Arc::clone(&self.open.store), self.new.clone());
        self.submitting = Some(Box::pin(async move {
            if !after.is_zero() {
                tokio::time::sleep(after).await;
            }
            let answers = store.submit(vec![new]).await?;
            let lost = || StoreUnavailable { detail: "it gave no answer for the call".to_owned() };
            answers.into_iter().next().ok_or_else(lost)
        }));
    }

    /// Waits until the call is over, or is waited for no longer.
    ///
    /// # Errors
    /// 2 where its key belongs to another call, 130 where it was given up before anything is known of it.
    pub(super) async fn until_over(&mut self, signals: &mut Signals) -> Result<Over, AppError> {
        let open = self.open;
        let watcher = Arc::clone(&self.watcher);
        let mut changed: Work<()> = None;
        let mut ticks = ticks();
        let mut look = Box::pin(tokio::time::sleep(self.wait));
        loop {
            if let Some(over) = self.over() {
                return Ok(over);
            }
            // Whose changes are of no interest is not listened to.
            let follows = self.is_accepted() && (!self.is_here() || watcher.state().story.is_behind());
            if follows && changed.is_none() {
                let store = Arc::clone(&open.store);
                changed = Some(Box::pin(async move { store.changed().await }));
            }
            tokio::select! {
                biased;
                () = signals.next() => {
                    if let Some(end) = self.signalled().await {
                        return end;
                    }
                }
                answer = done(&mut self.submitting) => {
                    self.submitted(answer)?;
                    look.set(tokio::time::sleep(CLAIMED_WITH));
                }
                () = done(&mut self.running) => {
                    return Err(AppError::unexpected("the dispatcher ended without a report"));
                }
                () = watcher.news.notified() => {
                    // What was missed is read at once; a call that was handed back, soon.
                    if watcher.state().story.is_behind() {
                        self.look();
                    }
                    self.wait = LOOK.0;
                    look.set(tokio::time::sleep(self.wait));
                }
                answer = done(&mut self.reading) => self.read(answer),
                () = done(&mut self.cancelling) => {}
                rows = done(&mut self.asking) => self.holder(rows),
                () = done(&mut changed), if follows => self.look(),
                () = &mut look => {
                    // Where the claim was not taken in together with the call, it is made once more.
                    if self.is_accepted() && !self.nudged && !self.is_here() {
                        self.nudge();
                        look.set(tokio::time::sleep(LOOK.0));
                    } else {
                        if follows {
                            self.look();
                        }
                        self.wait = (self.wait * 2).min(LOOK.1);
                        look.set(tokio::time::sleep(self.wait));
                    }
                }
                _ = ticks.tick() => self.see_to_it(),
            }
        }
    }

    fn over(&self) -> Option<Over> {
        if !self.is_accepted() {
            return None;
        }
        let mut report = self.watcher.state().story.report()?.clone();
        // Of a number that another process has used it is not known what it looks like, unless it was read here.
        if let (None, Some(from)) = (&report.number, &report.from) {
            report.number = self.seen.iter().find(|number| number.id == *from).cloned();
        }
        Some(Over { report, replayed: self.is_replayed(), interrupted: self.interrupted > 0 })
    }

    fn is_accepted(&self) -> bool {
        self.taken != Taken::NotYet
    }

    fn is_replayed(&self) -> bool {
        matches!(self.taken, Taken::Replayed { .. })
    }

    fn is_here(&self) -> bool {
        self.watcher.state().story.is_here()
    }

    fn nudge(&mut self) {
        self.nudged = true;
        if let Some(handle) = &self.handle {
            handle.nudge();
        }
    }

    fn submitted(&mut self, answer: Result<Accepted, StoreUnavailable>) -> Result<(), AppError> {
        match answer {
            Ok(Accepted::New) => {
                self.taken = Taken::Yes;
                let at = self.new.at;
                let event = CallEvent::CallRequested { request: self.new.request.clone() };
                let recorded = Recorded { version: 1, at, event };
                let call = self.new.request.id.clone();
                self.take(Followed { call, events: vec![recorded], closed: false });
            }
            Ok(Accepted::Again) => {
                self.taken = Taken::Yes;
                self.look();
            }
            Ok(Accepted::Replayed(call)) => self.replay(call),
            Ok(Accepted::KeyTaken(call)) => return Err(key_taken(self.new.key.as_ref(), &call)),
            Err(why) => {
                self.open.trouble.began(Trying::Asking, &why.detail);
                self.submit(AGAIN);
                return Ok(());
            }
        }
        self.open.trouble.ended(Trying::Asking);
        Ok(())
    }

    fn replay(&mut self, call: CallId) {
        self.printer.note(&format!(
            "this key has been used before, by the call {call}: nothing new is dialled, this is what becomes of that one"
        ));
        self.taken = Taken::Replayed { read: false };
        self.nudged = true;
        let mut state = self.watcher.state();
        // What is driven here is known again from the store.
        state.story = Story::of(call);
        drop(state);
        self.look();
    }

    /// Reads what has happened to the call since it was looked at last.
    fn look(&mut self) {
        if self.reading.is_some() || !self.is_accepted() {
            return;
        }
        let (store, asked) = {
            let state = self.watcher.state();
            (Arc::clone(&self.open.store), (state.story.id().clone(), state.story.version()))
        };
        self.reading = Some(Box::pin(async move { store.follow(&[asked]).await }));
    }

    fn read(&mut self, answer: Result<Vec<Followed>, StoreUnavailable>) {
        match answer {
            Ok(followed) => {
                self.open.trouble.ended(Trying::Asking);
                for followed in followed {
                    self.take(followed);
                }
                if self.is_replayed() {
                    self.taken = Taken::Replayed { read: true };
                }
            }
            Err(why) => self.open.trouble.began(Trying::Asking, &why.detail),
        }
    }

    fn take(&mut self, followed: Followed) {
        let (news, report) = {
            let mut state = self.watcher.state();
            let before = state.story.report().is_some();
            let news = state.story.stored(followed);
            let report = state.story.report().filter(|_| !before).cloned();
            (news, report)
        };
        if !news.is_empty() {
            self.wait = LOOK.0;
        }
        let is_quiet = self.taken == Taken::Replayed { read: false };
        for notice in news.iter().filter(|_| !is_quiet) {
            self.watcher.tell(notice);
        }
        if let Some(report) = report {
            self.watcher.log.notice(&Notice::Completed(Box::new(report)));
        }
    }

    /// What time brings: notes for people, and what has to be asked again.
    fn see_to_it(&mut self) {
        let age = self.clock.now().monotonic.since_origin().saturating_sub(self.since);
        let others = self.watcher.state().neighbours.calls();
        if others > 0 && !self.notes.others && age >= A_MOMENT {
            self.notes.others = true;
            let calls = if others == 1 { "1 call".to_owned() } else { format!("{others} calls") };
            self.printer.note(&format!("also placing {calls} that others have asked for"));
        }
        if self.is_accepted() && !self.is_here() && !self.notes.holder && self.asking.is_none() && age >= A_MOMENT {
            let archive = Arc::clone(&self.open.archive);
            self.asking = Some(Box::pin(async move { archive.numbers().await.ok() }));
        }
        if self.interrupted > 0 {
            self.press();
        }
    }

    /// Tells who has the call's number, where that is somebody else.
    fn holder(&mut self, rows: Option<Vec<NumberRow>>) {
        self.notes.holder = true;
        if !self.is_here()
            && let Some(note) = holder(&rows.unwrap_or_default(), &self.watcher.numbers, self.open.store.owner())
        {
            self.printer.note(&format!("{note}: it places the call"));
        }
    }
}

fn ticks() -> Interval {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn key_taken(key: Option<&IdempotencyKey>, call: &CallId) -> AppError {
    let key = key.map_or("", IdempotencyKey::as_str);
    AppError::usage(
        "key_taken",
        format!("the idempotency key \"{key}\" belongs to the call {call}, which asks for something else"),
    )
    .effect(NOT_DIALLED)
    .hint(format!("use another key for another call; see that one with `partyline calls show {call}`"))
}
