//! `partyline calls reconcile`: calls of unknown outcome are looked up at the provider. Nothing is dialled.

use std::collections::BTreeSet;
use std::time::Duration;

use partyline_domain::flow::{Proof, Stage};
use partyline_domain::ports::Recorded;
use partyline_domain::{CallId, ConversationId};
use partyline_store_adapter::{CallFilter, CallRow, ProofWord, StateWord};
use serde::Serialize;

use super::filter::all;
use super::look_up::{Kept, OpenDial};
use super::{Desk, process};
use crate::errors::AppError;
use crate::exit::Exit;
use crate::when;

/// How far back calls of unknown outcome are looked for where none is named.
const RECENT: Duration = Duration::from_secs(24 * 3600);

/// What came of looking a call up.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// It was dialled, and is initiated now.
    Found(Proof),
    /// The provider shows nothing of it.
    NotFound,
    /// The provider could not be asked.
    Failed(Box<AppError>),
    /// A living process looks it up itself: who.
    LeftTo(String),
    /// Somebody else moved it on meanwhile.
    MovedOn,
    /// Its outcome is known.
    Nothing,
}

impl Sight {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Found(_) => "found",
            Self::NotFound => "not_found",
            Self::Failed(_) => "failed",
            Self::LeftTo(_) => "left_to_its_process",
            Self::MovedOn => "moved_on",
            Self::Nothing => "nothing_to_look_up",
        }
    }
}

/// An element of the array of `calls reconcile --json`.
#[derive(Serialize)]
struct Reconciled<'a> {
    call_id: &'a str,
    outcome: &'static str,
    state: &'static str,
    dialed: &'static str,
    conversation_id: Option<&'a str>,
    proof: Option<&'static str>,
    error: Option<String>,
}

/// Looks calls up and keeps what is found.
///
/// # Errors
/// 2 where a call is not there, 1 where the store does not answer.
pub(super) async fn run(ids: &[String], desk: Desk<'_>) -> Result<Exit, AppError> {
    let calls = if ids.is_empty() { recent(desk).await? } else { desk.find_all(ids).await? };
    if calls.is_empty() && !desk.printer.is_json() {
        desk.printer.note("no call of the last 24 hours has an unknown outcome");
    }
    let mut told = Vec::with_capacity(calls.len());
    let mut exits = Vec::with_capacity(calls.len());
    let mut is_missed = false;
    for call in &calls {
        let (row, events) = desk.read(call).await?;
        let sight = sight(&row, &events, desk).await?;
        let (row, _) = desk.read(call).await?;
        exits.push(exit(&row, &sight));
        is_missed |= sight == Sight::NotFound;
        if desk.printer.is_json() {
            told.push((row, sight));
        } else {
            desk.printer.data(&format!("{call}  {}", line(&row, &sight)));
        }
    }
    if desk.printer.is_json() {
        let objects: Vec<Reconciled<'_>> = told.iter().map(|(row, sight)| object(row, sight)).collect();
        desk.printer.object(&objects);
    }
    if is_missed && !desk.printer.is_json() {
        desk.printer
            .note("not found does not mean not dialled: see the newest conversations in the provider's dashboard");
    }
    Ok(worst(&exits))
}

/// A key that is not accepted comes first, then what is still unknown, then what went wrong.
fn worst(exits: &[Exit]) -> Exit {
    let order = [Exit::Unauthorized, Exit::Unknown, Exit::Misrouted];
    order.into_iter().find(|exit| exits.contains(exit)).unwrap_or(Exit::Success)
}

/// The calls of unknown outcome that are not old, the oldest first.
async fn recent(desk: Desk<'_>) -> Result<Vec<CallId>, AppError> {
    let filter = CallFilter {
        states: BTreeSet::from([StateWord::Unknown]),
        since: Some(desk.now().before(RECENT)),
        oldest_first: true,
        ..CallFilter::default()
    };
    Ok(all(filter, desk).await?.into_iter().map(|row| row.id).collect())
}

/// Looks one call up.
///
/// # Errors
/// 1 where the store does not answer.
pub(super) async fn sight(row: &CallRow, events: &[Recorded], desk: Desk<'_>) -> Result<Sight, AppError> {
    let Some(dial) = OpenDial::of(events) else { return Ok(Sight::Nothing) };
    // Whoever has a dial in doubt is looking it up, and tells of it.
    if row.state != StateWord::Unknown
        && let Some(holder) = desk.living(row.owner.as_ref()).await?
    {
        return Ok(Sight::LeftTo(process(&holder)));
    }
    let age = when::ago(dial.intended(), desk.now());
    desk.printer.step(&format!("looking {} up: dialled {age}, user id {}", row.id, dial.user_id()));
    match dial.look_up(desk).await {
        Ok(Some(found)) => Ok(match dial.keep(&found, row, desk).await? {
            Kept::Written(proof) => Sight::Found(proof),
            Kept::MovedOn => Sight::MovedOn,
        }),
        Ok(None) => Ok(Sight::NotFound),
        Err(error) => {
            let doing = "the call could not be looked up";
            Ok(Sight::Failed(Box::new(AppError::provider(Stage::Initiate, doing, &error, desk.world.host()))))
        }
    }
}

fn exit(row: &CallRow, sight: &Sight) -> Exit {
    match sight {
        Sight::Failed(error) if error.exit == Exit::Unauthorized => Exit::Unauthorized,
        Sight::Found(Proof::Mismatch { .. }) => Exit::Misrouted,
        Sight::NotFound | Sight::Failed(_) | Sight::LeftTo(_) => Exit::Unknown,
        Sight::MovedOn if row.state == StateWord::Unknown || !row.state.has_ended() => Exit::Unknown,
        Sight::Found(Proof::Matches { .. } | Proof::Absent) | Sight::MovedOn | Sight::Nothing => Exit::Success,
    }
}

fn object<'a>(row: &'a CallRow, sight: &Sight) -> Reconciled<'a> {
    Reconciled {
        call_id: row.id.as_str(),
        outcome: sight.as_str(),
        state: row.state.as_str(),
        dialed: row.dialed.as_str(),
        conversation_id: row.conversation.as_ref().map(ConversationId::as_str),
        proof: row.proof.map(ProofWord::as_str),
        error: if let Sight::Failed(error) = sight { Some(error.message.clone()) } else { None },
    }
}

/// What came of it, for people.
fn line(row: &CallRow, sight: &Sight) -> String {
    let conversation = row.conversation.as_ref().map_or("", ConversationId::as_str);
    match sight {
        Sight::Found(Proof::Mismatch { .. }) => {
            format!("found: it was dialled, but MISROUTED (see `partyline calls show`): {conversation}")
        }
        Sight::Found(Proof::Matches { .. } | Proof::Absent) => format!("found: it was dialled: {conversation}"),
        Sight::NotFound => "not found: still unknown, the phone may have rung".to_owned(),
        Sight::Failed(error) => format!("still unknown: {}", error.message),
        Sight::LeftTo(who) => format!("{}: left to {who}, which looks it up", row.state.as_str()),
        Sight::MovedOn => format!("another process has moved it on: {} {conversation}", row.state.as_str()),
        Sight::Nothing => format!("nothing to look up: {} {conversation}", row.state.as_str()),
    }
}
