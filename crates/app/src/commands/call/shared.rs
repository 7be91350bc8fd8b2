//! A call through the store: it is handed in, this process serves its numbers as long as that takes, and it is followed
//! to its end, whoever drives it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use partyline_domain::flow::CallEvent;
use partyline_domain::ports::{Accepted, Clock as _, Followed, NewCall, Number, Recorded, Release, StoreUnavailable};
use partyline_domain::{
    AfterCall, CallId, CallReport, Driver, Handle, IdempotencyKey, Known, LinePolicy, Notice, Observer, PhoneNumberId,
    Ports, RestoreOutcome,
};
use tokio::sync::Notify;
use tokio::time::{Interval, MissedTickBehavior};

use super::steps::{Progress, Steps};
use super::{NOT_DIALLED, interruption};
use crate::commands::neighbours::{Neighbours, give_back, holder, known_before};
use crate::commands::story::{Story, call_of};
use crate::commands::waiting::{Work, done};
use crate::compose::archive::NumberRow;
use crate::compose::{OpenStore, Trouble, Trying};
use crate::errors::AppError;
use crate::events::CallLog;
use crate::exit::Exit;
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

/// Hears the dispatcher: what concerns the call goes to the log and to people.
struct Watcher {
    log: CallLog,
    steps: Steps,
    numbers: BTreeSet<PhoneNumberId>,
    state: Mutex<State>,
    trouble: Arc<Trouble>,
    /// Something has happened that the command should see to.
    news: Notify,
}

struct State {
    story: Story,
    neighbours: Neighbours,
}

impl Watcher {
    fn state(&self) -> MutexGuard<'_, State> {
        // It is whole after each change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, notice: &Notice) {
        self.log.notice(notice);
        self.steps.notice(notice);
    }

    fn of_number(&self, number: &PhoneNumberId) -> bool {
        self.numbers.contains(number) && self.state().story.report().is_none()
    }
}

impl Observer for Watcher {
    fn notice(&self, notice: &Notice) {
        let own = self.state().story.id().clone();
        self.state().neighbours.told(notice, |call| *call == own);
        let is_news = match notice {
            Notice::StoreTrouble { detail } => {
                self.trouble.began(Trying::Sharing, detail);
                false
            }
            Notice::StoreBack => {
                self.trouble.ended(Trying::Sharing);
                false
            }
            Notice::RestoreDelayed { number, .. } | Notice::InboundRestored { number, .. } => self.of_number(number),
            about if call_of(about) == Some(&own) => {
                let is_news = self.state().story.told(about);
                self.news.notify_one();
                is_news
            }
            about => call_of(about).is_none(),
        };
        if is_news {
            self.tell(notice);
        }
    }
}

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
    accepted: bool,
    nudged: bool,
    replayed: bool,
    /// What the store had of a call of before is no news.
    quiet: bool,
    interrupted: u32,
    dropping: bool,
    told_of_others: bool,
    told_of_holder: bool,
    since: Duration,
    wait: Duration,
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
            accepted: false,
            nudged: false,
            replayed: false,
            quiet: false,
            interrupted: 0,
            dropping: false,
            told_of_others: false,
            told_of_holder: false,
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
            let follows = self.accepted && (!self.is_here() || watcher.state().story.is_behind());
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
                () = watcher.news.notified() => self.wait = LOOK.0,
                answer = done(&mut self.reading) => self.read(answer),
                () = done(&mut self.cancelling) => {}
                rows = done(&mut self.asking) => self.holder(rows),
                () = done(&mut changed), if follows => self.look(),
                () = &mut look => {
                    if self.accepted && !self.nudged && !self.is_here() {
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
        if !self.accepted {
            return None;
        }
        let mut report = self.watcher.state().story.report()?.clone();
        // Of a number that another process has used it is not known what it looks like, unless it was read here.
        if let (None, Some(from)) = (&report.number, &report.from) {
            report.number = self.seen.iter().find(|number| number.id == *from).cloned();
        }
        Some(Over { report, replayed: self.replayed, interrupted: self.interrupted > 0 })
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
                self.accepted = true;
                let at = self.new.at;
                let event = CallEvent::CallRequested { request: self.new.request.clone() };
                let recorded = Recorded { version: 1, at, event };
                let call = self.new.request.id.clone();
                self.take(Followed { call, events: vec![recorded], closed: false });
            }
            Ok(Accepted::Again) => {
                self.accepted = true;
                self.look();
            }
            Ok(Accepted::Replayed(call)) => {
                self.accepted = true;
                self.replay(call);
            }
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
        self.replayed = true;
        self.quiet = true;
        self.nudged = true;
        let mut state = self.watcher.state();
        // What is driven here is known again from the store.
        state.story = Story::of(call);
        drop(state);
        self.look();
    }

    /// Reads what has happened to the call since it was looked at last.
    fn look(&mut self) {
        if self.reading.is_some() || !self.accepted {
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
                self.quiet = false;
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
        for notice in news.iter().filter(|_| !self.quiet) {
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
        if others > 0 && !self.told_of_others && age >= A_MOMENT {
            self.told_of_others = true;
            let calls = if others == 1 { "1 call".to_owned() } else { format!("{others} calls") };
            self.printer.note(&format!("also placing {calls} that others have asked for"));
        }
        if self.accepted && !self.is_here() && !self.told_of_holder && self.asking.is_none() && age >= A_MOMENT {
            let archive = Arc::clone(&self.open.archive);
            self.asking = Some(Box::pin(async move { archive.numbers().await.ok() }));
        }
        if self.interrupted > 0 {
            self.press();
        }
    }

    /// Tells who has the call's number, where that is somebody else.
    fn holder(&mut self, rows: Option<Vec<NumberRow>>) {
        self.told_of_holder = true;
        if !self.is_here()
            && let Some(note) = holder(&rows.unwrap_or_default(), &self.watcher.numbers, self.open.store.owner())
        {
            self.printer.note(&format!("{note}: it places the call"));
        }
    }

    /// A first signal takes the call back, a second one gives up.
    async fn signalled(&mut self) -> Option<Result<Over, AppError>> {
        self.interrupted += 1;
        if self.replayed {
            // It is the call of whoever asked first.
            let error =
                AppError::interrupted("the call that has this key was not taken back: it goes on without this command");
            return Some(Err(error));
        }
        if self.interrupted > 1 {
            return Some(self.give_up().await);
        }
        let text = if !self.accepted {
            "interrupted: the store has not taken the call yet; if it does, the call is taken back (interrupt again to give up)"
        } else if self.is_here() {
            interruption(self.watcher.steps.progress())
        } else {
            match self.watcher.steps.progress() {
                Progress::NotDialled => {
                    "interrupted: the call is being taken back, unless another process has dialled it (interrupt again to give up)"
                }
                Progress::Dialling | Progress::Answered | Progress::Over => {
                    "interrupted: another process has dialled already, and the call cannot be taken back; it is followed \
                     to its end (interrupt again to give up)"
                }
            }
        };
        self.printer.warn(text);
        self.press();
        None
    }

    /// Sees to it that an interrupted call is taken back where that can be, and that nothing else keeps the process.
    fn press(&mut self) {
        let (id, here, others) = {
            let state = self.watcher.state();
            (state.story.id().clone(), state.story.is_here(), state.neighbours.calls())
        };
        if here {
            if let Some(handle) = &self.handle
                && !self.dropping
            {
                handle.cancel(&id);
                handle.leave();
                // The dials of others are not dropped with this one's.
                if others == 0 {
                    self.dropping = true;
                    handle.interrupt();
                }
            }
            return;
        }
        if self.accepted && self.cancelling.is_none() {
            let (store, at) = (Arc::clone(&self.open.store), self.clock.now().wall);
            self.cancelling = Some(Box::pin(async move {
                // What became of it is seen in its events; if nothing, it is asked again.
                let _ = store.cancel(&id, at).await;
                tokio::time::sleep(AGAIN).await;
            }));
            self.look();
        }
    }

    /// Ends everything that this process does for the call. What is open stays in the store for the next process.
    async fn give_up(&mut self) -> Result<Over, AppError> {
        self.drop_all().await;
        let id = self.new.request.id.clone();
        if !self.accepted {
            let message = format!("interrupted before the store answered for the call {id}");
            let error = AppError {
                message,
                ..AppError::interrupted("the store may have taken it, and then it waits to be dialled")
            };
            return Err(error.hint(format!(
                "see it with `partyline calls show {id}`, and take it back with `partyline calls cancel {id}`"
            )));
        }
        let store = Arc::clone(&self.open.store);
        let (at, version) = (self.clock.now().wall, self.watcher.state().story.version());
        let last = async {
            // A call that nobody has dialled is not to be dialled behind the user's back.
            let _ = store.cancel(&id, at).await;
            store.follow(&[(id.clone(), version)]).await
        };
        if let Ok(Ok(followed)) = tokio::time::timeout(AGAIN * 2, last).await {
            for followed in followed {
                self.take(followed);
            }
        }
        if let Some(over) = self.over() {
            return Ok(over);
        }
        let why = "it was given up while it was being looked up; whoever has the number next goes on looking";
        let report = self.watcher.state().story.left(why);
        let report = report.ok_or_else(|| AppError::unexpected("the call's events make no sense"))?;
        if !report.state.is_terminal() {
            let error = AppError::new(Exit::Unknown, "outcome_unknown", "another process has the call")
                .effect("it is asked to take the call back; if it has dialled by then, the phone rings")
                .hint(format!("see what became of it with `partyline calls show {id}`"));
            return Err(error);
        }
        let restore = self.owed(&report).await;
        Ok(Over { report: CallReport { restore, ..report }, replayed: self.replayed, interrupted: true })
    }

    /// What is still owed to who answered the number before.
    async fn owed(&self, report: &CallReport) -> Option<RestoreOutcome> {
        let restores = report.request.policies.after_call == AfterCall::Restore;
        let number = report.from.as_ref().filter(|_| restores)?;
        let remembered = tokio::time::timeout(AGAIN, self.open.store.remembered(number)).await;
        let to = remembered.ok()?.ok()??;
        Some(RestoreOutcome::Failed { to, detail: "interrupted before the number was given back".to_owned() })
    }

    async fn drop_all(&mut self) {
        self.handle = None;
        self.running = None;
        self.submitting = None;
        self.reading = None;
        self.cancelling = None;
        let belongings: Release = self.watcher.state().neighbours.belongings();
        give_back(self.open.store.as_ref(), belongings).await;
    }

    /// Lets the process go: calls of others that are not dialled are handed back, those that are go on to their ends, and
    /// the numbers are given back. Ends at the next signal.
    pub(super) async fn leave(&mut self, signals: &mut Signals) {
        self.handle = None;
        if self.running.is_none() {
            return;
        }
        let mut told = false;
        loop {
            tokio::select! {
                () = done(&mut self.running) => return,
                () = signals.next() => {
                    self.drop_all().await;
                    return;
                }
                // What is still open of an interrupted call is written down, and whoever has the number next sees to it.
                () = tokio::time::sleep(AGAIN), if self.interrupted > 0 && self.watcher.state().neighbours.calls() == 0 => {
                    self.drop_all().await;
                    return;
                }
                () = tokio::time::sleep(A_MOMENT), if !told => {
                    told = true;
                    let others = self.watcher.state().neighbours.calls();
                    if others > 0 {
                        self.printer.note(&format!(
                            "calls of others that are being dialled are waited for: {others} (interrupt to leave now)"
                        ));
                    }
                }
            }
        }
    }

    /// Goes on with what the process has to do for others and for its numbers, while something else is done.
    pub(super) async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        self.handle = None;
        let mut work = std::pin::pin!(work);
        tokio::select! {
            biased;
            answer = &mut work => return answer,
            () = done(&mut self.running) => {}
        }
        work.await
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
