//! `partyline calls redial`: a call of unknown outcome is placed once more, as a new call, by somebody's explicit word.

use std::time::Duration;

use partyline_domain::flow::Dialed;
use partyline_domain::ports::NewCall;
use partyline_domain::{CallReport, CallRequest, IdempotencyKey, Timestamp};
use partyline_store_adapter::{CallRow, StateWord};

use super::Desk;
use super::args::RedialArgs;
use super::look_up::OpenDial;
use super::reconcile::{Sight, sight};
use super::show::repeats;
use crate::commands::call::{self, CallOutput, Sums, conversation};
use crate::commands::story::report_of;
use crate::errors::AppError;
use crate::exit::Exit;
use crate::resolve::Resolver;
use crate::settings::Limits;
use crate::signals::Signals;
use crate::when;

const NOT_DIALLED: &str = "nothing was dialled";

/// What is to be done.
#[derive(Debug)]
enum Plan {
    /// It was found, so it is not placed again: how it ended.
    Found(Box<CallReport>),
    /// This is to be placed.
    Place(Box<NewCall>),
}

/// Places a call once more, where that may be done.
///
/// # Errors
/// 2 where it may not, 6 where the provider could not be asked about the first, and what placing it leads to.
pub(super) async fn run(args: &RedialArgs, desk: Desk<'_>, signals: &mut Signals) -> Result<Exit, AppError> {
    match signals.unless_interrupted(NOT_DIALLED, plan(args, desk)).await? {
        Plan::Found(report) => Ok(found(&report, desk)),
        Plan::Place(new) => place(*new, desk, signals).await,
    }
}

async fn plan(args: &RedialArgs, desk: Desk<'_>) -> Result<Plan, AppError> {
    let call = desk.find(&args.id).await?;
    let (row, events) = desk.read(&call).await?;
    let before = repeats(&row, desk).await?;
    let dial = OpenDial::of(&events);
    let ringing = dial.as_ref().map(|dial| dial.request.options.ringing_timeout).unwrap_or_default();
    let lateness = desk.world.shared_policy(ringing, Limits::default()).lateness;
    let dial = allowed(&row, dial, &before, lateness, desk.now())?;
    if !args.may_ring_twice {
        return Err(not_confirmed(&row));
    }
    match sight(&row, &events, desk).await? {
        Sight::NotFound => Ok(Plan::Place(Box::new(repetition(&dial.request, before.len(), desk)?))),
        Sight::Found(_) | Sight::MovedOn => {
            let (row, events) = desk.read(&call).await?;
            let report = report_of(&events).filter(|_| row.state == StateWord::Initiated);
            if let Some(report) = report {
                return Ok(Plan::Found(Box::new(report)));
            }
            let message = format!("another process has moved the call on: it is {} now", row.state.as_str());
            Err(refused("call_moved_on", message))
        }
        Sight::Failed(error) => {
            let exit = if error.exit == Exit::Unauthorized { error.exit } else { Exit::Unknown };
            let rule = "a call is placed once more only when the provider has just shown nothing of the first";
            Err(AppError { exit, ..*error }.effect(NOT_DIALLED).detail(rule))
        }
        Sight::LeftTo(_) | Sight::Nothing => Err(refused("not_unknown", "the outcome of the call is known")),
    }
}

/// The dial that is to be repeated, where that may be done.
fn allowed(
    row: &CallRow,
    dial: Option<OpenDial>,
    before: &[CallRow],
    lateness: Duration,
    now: Timestamp,
) -> Result<OpenDial, AppError> {
    let Some(dial) = dial.filter(|_| row.state == StateWord::Unknown) else {
        return Err(not_unknown(row));
    };
    if row.to.is_erased() || dial.request.to.is_erased() {
        return Err(refused("callee_erased", "the callee of this call was erased: nobody knows whom to call"));
    }
    if let Some(other) = before.iter().find(|other| may_ring(other)) {
        let message = format!("the call is repeated already by {} ({})", other.id, other.state.as_str());
        return Err(refused("repeated_already", message).hint(format!("see `partyline calls show {}`", other.id)));
    }
    let over_at = dial.over_at(lateness);
    if now < over_at {
        let message = format!("the first dial may still take effect until {}", when::told(over_at));
        return Err(refused("too_early", message).hint(format!("try again {}", when::ago(over_at, now))));
    }
    Ok(dial)
}

fn not_confirmed(row: &CallRow) -> AppError {
    let message = "the first dial may have rung: placing the call once more may ring the callee's phone twice";
    refused("not_confirmed", message)
        .hint("look at the newest conversations in the provider's dashboard first")
        .hint(format!("to do it all the same: `partyline calls redial {} --may-ring-twice`", row.id))
}

fn refused(reason: &'static str, message: impl Into<String>) -> AppError {
    AppError::usage(reason, message).effect(NOT_DIALLED)
}

fn not_unknown(row: &CallRow) -> AppError {
    let state = row.state.as_str();
    let message = format!("only a call that ended with an unknown outcome is repeated; this one is {state}");
    let error = refused("not_unknown", message);
    match (row.state.has_ended(), row.dialed) {
        (true, Dialed::No) => error.hint("it was not dialled: place it anew with `partyline call`"),
        (true, Dialed::Yes) => error.hint("it was dialled: to call again, place a new call with `partyline call`"),
        (true, Dialed::Unknown) => {
            error.hint("the phone may have rung: place a new call with `partyline call` when you know")
        }
        (false, _) => error.hint(format!("follow it with `partyline calls watch {}`", row.id)),
    }
}

/// Whether a repetition has rung, or may ring.
fn may_ring(other: &CallRow) -> bool {
    !(other.state.has_ended() && other.dialed == Dialed::No)
}

/// The same call under a new id. Its key keeps two people from repeating the same call at the same time. It waits for
/// as long as a new call does, whatever time the first was wanted by.
fn repetition(old: &CallRequest, earlier: usize, desk: Desk<'_>) -> Result<NewCall, AppError> {
    let key = IdempotencyKey::parse(&format!("redial:{}:{}", old.id, earlier + 1));
    let key = key.map_err(|why| AppError::unexpected(why.to_string()).effect(NOT_DIALLED))?;
    let request = CallRequest { id: desk.world.ids().call_id(), expires_at: None, ..old.clone() };
    Ok(NewCall { request, at: desk.now(), key: Some(key), batch: None, repeats: Some(old.id.clone()) })
}

/// Tells that there is nothing to repeat.
fn found(report: &CallReport, desk: Desk<'_>) -> Exit {
    let printer = desk.printer;
    if printer.is_json() {
        let (requests, elapsed_ms) = (Some(desk.world.requests()), printer.elapsed_ms());
        printer.object(&CallOutput::of_report(report, Sums { requests, elapsed_ms, replayed: false }, None));
    } else {
        let conversation = conversation(report).map(ToString::to_string).unwrap_or_default();
        printer.data(&format!("not placed again: the first dial is found, the call is initiated: {conversation}"));
    }
    if report.is_misrouted() {
        printer.warn("the provider's record names another agent, number or callee: see `partyline calls show`");
    }
    Exit::of_report(report)
}

async fn place(new: NewCall, desk: Desk<'_>, signals: &mut Signals) -> Result<Exit, AppError> {
    let Desk { open, settings, world, printer, .. } = desk;
    let resolver = Resolver { provider: world.provider(), settings, host: world.host(), clock: world.clock() };
    Box::pin(call::again(new, open, &resolver, world, printer, signals)).await
}

#[cfg(test)]
mod tests {
    use partyline_domain::PhoneNumber;

    use super::super::tests::{at, history, row, unknown};
    use super::*;

    const LATENESS: Duration = Duration::from_secs(60);

    fn old() -> CallRow {
        CallRow { state: StateWord::Unknown, dialed: Dialed::Unknown, closed: true, ..row() }
    }

    fn asked(row: &CallRow, before: &[CallRow], milliseconds: u64) -> Result<OpenDial, &'static str> {
        let dial = OpenDial::of(&history(unknown()));
        allowed(row, dial, before, LATENESS, at(milliseconds)).map_err(|error| {
            assert_eq!((error.exit, error.effect), (Exit::Usage, Some(NOT_DIALLED)));
            error.reason
        })
    }

    #[test]
    fn a_call_of_unknown_outcome_may_be_repeated_when_its_dial_is_over() {
        let dial = OpenDial::of(&history(unknown())).expect("a dial is open");
        let over = dial.over_at(LATENESS).since_unix().saturating_sub(at(0).since_unix());
        let over = u64::try_from(over.as_millis()).expect("not long");
        assert_eq!(asked(&old(), &[], over - 1), Err("too_early"));
        assert_eq!(asked(&old(), &[], over), Ok(dial));
    }

    #[test]
    fn a_call_whose_outcome_is_known_is_not_repeated() {
        for state in StateWord::ALL.into_iter().filter(|state| *state != StateWord::Unknown) {
            assert_eq!(asked(&CallRow { state, ..old() }, &[], u64::MAX / 2), Err("not_unknown"), "{state:?}");
        }
    }

    #[test]
    fn a_call_is_repeated_by_one_call_that_may_ring() {
        let other = |state, dialed| CallRow { state, dialed, ..row() };
        for (state, dialed, outcome) in [
            (StateWord::Failed, Dialed::No, None),
            (StateWord::Failed, Dialed::Unknown, Some("repeated_already")),
            (StateWord::Waiting, Dialed::No, Some("repeated_already")),
            (StateWord::Initiated, Dialed::Yes, Some("repeated_already")),
            (StateWord::Unknown, Dialed::Unknown, Some("repeated_already")),
        ] {
            assert_eq!(asked(&old(), &[other(state, dialed)], 600_000).err(), outcome, "{state:?} {dialed:?}");
        }
    }

    #[test]
    fn nobody_is_called_who_was_erased() {
        let erased = CallRow { to: PhoneNumber::ERASED, ..old() };
        assert_eq!(asked(&erased, &[], 600_000), Err("callee_erased"));
    }
}
