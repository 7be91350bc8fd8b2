//! `partyline calls`: what the store knows of calls, and what people do about them.

pub(crate) mod args;
mod cancel;
mod fields;
mod filter;
mod list;
mod look_up;
mod reconcile;
mod redial;
mod show;
mod watch;
mod words;

use std::time::Duration;

use partyline_domain::ports::{Clock as _, Recorded, Store, StoreUnavailable, Timer as _};
use partyline_domain::{CallId, RunId, Timestamp};
use partyline_store_adapter::{Archive, CallRow, Holder};

use crate::compose::{OpenStore, World};
use crate::errors::AppError;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::system::TokioTimer;
use crate::text::shortened;
use crate::when;
use args::{CallsArgs, CallsCommand};

pub(super) use fields::{COLUMNS, EventFields, Fields, Names};
pub(super) use filter::{PAGE, chosen};

/// How often the store is asked whether something has happened, where it does not tell by itself.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a command on stored calls works with.
#[derive(Clone, Copy)]
pub(super) struct Desk<'a> {
    pub(super) archive: &'a dyn Archive,
    pub(super) store: &'a dyn Store,
    pub(super) open: &'a OpenStore,
    pub(super) settings: &'a Settings,
    pub(super) world: &'a World,
    pub(super) printer: &'a Printer,
}

/// Does what is asked of stored calls.
///
/// # Errors
/// 2 for calls that are not there, 1 for a store that does not answer, and whatever a request leads to.
pub(super) async fn run(args: &CallsArgs, desk: Desk<'_>, signals: &mut Signals) -> Result<Exit, AppError> {
    match &args.command {
        None => signals.unless_interrupted(UNCHANGED, list::run(&args.list, desk)).await,
        Some(CallsCommand::Show { id, .. }) => signals.unless_interrupted(UNCHANGED, show::run(id, desk)).await,
        Some(CallsCommand::Watch { ids, .. }) => watch::run(ids, desk, signals).await,
        Some(CallsCommand::Cancel { ids, .. }) => signals.unless_interrupted(ASKED, cancel::run(ids, desk)).await,
        Some(CallsCommand::Reconcile { ids, .. }) => {
            signals.unless_interrupted(FOUND_IS_KEPT, reconcile::run(ids, desk)).await
        }
        Some(CallsCommand::Redial(args)) => redial::run(args, desk, signals).await,
    }
}

/// What is left behind where nothing was to be changed.
pub(super) const UNCHANGED: &str = "nothing was changed";
const ASKED: &str = "what was asked to be cancelled by then stays so";
const FOUND_IS_KEPT: &str = "nothing was dialled; what was found by then is kept";

impl<'a> Desk<'a> {
    fn names(&self) -> Names<'a> {
        Names::of(self.settings)
    }

    fn now(&self) -> Timestamp {
        self.world.clock().now().wall
    }

    /// Waits for news of the store, and not for long.
    async fn pause(&self) {
        let clock = self.world.clock();
        let timer = TokioTimer::new(clock);
        let until = clock.now().monotonic.after(LOOK_EVERY);
        tokio::select! {
            () = timer.sleep_until(until) => {}
            () = self.store.changed() => timer.sleep_until(clock.now().monotonic.after(LOOK_EVERY / 10)).await,
        }
    }

    /// The call of this id, or the only one whose id begins so.
    ///
    /// # Errors
    /// 2 where there is none, or several.
    async fn find(&self, text: &str) -> Result<CallId, AppError> {
        let found = if text.is_empty() { Vec::new() } else { self.archive.find(text).await.map_err(trouble)? };
        if let Some(whole) = found.iter().find(|id| id.as_str() == text) {
            return Ok(whole.clone());
        }
        match found.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(AppError::usage("call_not_found", format!("no call {} in this store", shortened(text)))
                .effect(UNCHANGED)
                .hint("see the calls with `partyline calls`, all of them with `partyline calls --limit 0`")),
            several => {
                let message = format!("several calls have an id that begins with {}", shortened(text));
                let mut error = AppError::usage("call_ambiguous", message).effect(UNCHANGED);
                for id in several {
                    error = error.detail(self.candidate(id).await);
                }
                Err(error.hint("write more of the id"))
            }
        }
    }

    /// One of several calls that may be meant, for people.
    async fn candidate(&self, id: &CallId) -> String {
        match self.archive.call(id).await {
            Ok(Some((row, _))) => {
                let (agent, asked) = (self.names().agent(&row.agent).to_owned(), when::told(row.submitted_at));
                format!("  {id}  {asked}  {agent} -> {}  {}", row.to, row.state.as_str())
            }
            Ok(None) | Err(_) => format!("  {id}"),
        }
    }

    /// The calls of these ids, each once, in their order.
    async fn find_all(&self, texts: &[String]) -> Result<Vec<CallId>, AppError> {
        let mut calls: Vec<CallId> = Vec::with_capacity(texts.len());
        for text in texts {
            let call = self.find(text).await?;
            if !calls.contains(&call) {
                calls.push(call);
            }
        }
        Ok(calls)
    }

    /// A call with its history.
    async fn read(&self, call: &CallId) -> Result<(CallRow, Vec<Recorded>), AppError> {
        let gone = || AppError::usage("call_not_found", format!("the call {call} is not in the store any more"));
        self.archive.call(call).await.map_err(trouble)?.ok_or_else(gone)
    }

    /// Who has a call, where that is a living process: one that holds a number with a lease that has not run out.
    async fn living(&self, owner: Option<&RunId>) -> Result<Option<Holder>, AppError> {
        let Some(owner) = owner else { return Ok(None) };
        let numbers = self.archive.numbers().await.map_err(trouble)?;
        let mut holders = numbers.into_iter().filter_map(|number| number.holder);
        Ok(holders.find(|holder| holder.owner == *owner && !holder.expires_in.is_zero()))
    }
}

/// A store that did not answer.
#[expect(clippy::needless_pass_by_value, reason = "it is what a question to the store fails with")]
pub(super) fn trouble(why: StoreUnavailable) -> AppError {
    AppError::new(Exit::Unexpected, "store_unavailable", why.to_string())
}

/// A process, for people.
fn process(holder: &Holder) -> String {
    match &holder.process {
        Some(info) => format!("{}:{} ({})", info.host, info.pid, info.command),
        None => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use partyline_domain::flow::{AssignmentOutcome, CallEvent, Dialed, DoubtCause, Evidence};
    use partyline_domain::{
        AgentId, AttemptId, CallRequest, FailureKind, NumberChoice, PhoneNumber, PhoneNumberId, Priority,
    };
    use partyline_store_adapter::StateWord;

    use super::*;
    use crate::settings::{CallChoices, NumberSettings};

    /// A call that waits.
    pub(super) fn row() -> CallRow {
        let request = request();
        CallRow {
            id: request.id,
            agent: request.agent,
            to: request.to,
            numbers: request.numbers,
            number: None,
            state: StateWord::Waiting,
            stage: None,
            reason: None,
            dialed: Dialed::No,
            detail: None,
            conversation: None,
            provider_call_id: None,
            proof: None,
            submitted_at: at(0),
            updated_at: at(0),
            version: 1,
            batch: None,
            key: None,
            repeats: None,
            closed: false,
            cancel: false,
            owner: None,
        }
    }

    pub(super) fn at(milliseconds: u64) -> Timestamp {
        Timestamp::from_unix(Duration::from_millis(1_790_000_000_000 + milliseconds))
    }

    pub(super) fn number() -> PhoneNumberId {
        PhoneNumberId::parse("phnum_1").expect("valid")
    }

    pub(super) fn attempt() -> AttemptId {
        AttemptId::of_call(&request().id, 1)
    }

    pub(super) fn request() -> CallRequest {
        CallRequest {
            id: CallId::parse("call_1").expect("valid"),
            agent: AgentId::parse("agent_h").expect("valid"),
            numbers: NumberChoice::one(number()),
            to: PhoneNumber::parse("+12025550123").expect("valid"),
            priority: Priority::Normal,
            expires_at: None,
            options: Arc::default(),
            policies: Arc::default(),
        }
    }

    /// A history, an event each 250 ms.
    pub(super) fn history(events: impl IntoIterator<Item = CallEvent>) -> Vec<Recorded> {
        (1..).zip(events).map(|(version, event)| Recorded { version, at: at((version - 1) * 250), event }).collect()
    }

    /// The events of a call whose dial is in doubt.
    pub(super) fn doubted() -> Vec<CallEvent> {
        vec![
            CallEvent::CallRequested { request: request() },
            CallEvent::AgentVerified { agent_name: "Hotel".into(), evidence: Evidence::Cached },
            CallEvent::NumberAssigned {
                number: number(),
                outcome: AssignmentOutcome::Already,
                evidence: Evidence::Fresh,
            },
            CallEvent::DialIntended { attempt: attempt() },
            CallEvent::DialDoubted {
                attempt: attempt(),
                cause: DoubtCause::Provider(FailureKind::TimedOut),
                detail: "no whole answer".into(),
            },
        ]
    }

    /// The same when its look-ups have ended.
    pub(super) fn unknown() -> Vec<CallEvent> {
        let ended = CallEvent::LookUpsEnded { attempt: attempt(), detail: "5 look-ups found nothing".into() };
        doubted().into_iter().chain([ended]).collect()
    }

    /// Aliases of agents and of numbers.
    pub(super) type Aliases = (BTreeMap<String, AgentId>, BTreeMap<String, NumberSettings>);

    /// An alias for the agent and one for the number.
    pub(super) fn aliases() -> Aliases {
        let number = NumberSettings { id: number(), call: CallChoices::default() };
        (BTreeMap::from([("hotel".to_owned(), request().agent)]), BTreeMap::from([("main".to_owned(), number)]))
    }

    pub(super) fn names((agents, numbers): &Aliases) -> Names<'_> {
        Names { agents, numbers }
    }
}
