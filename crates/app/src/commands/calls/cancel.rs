//! `partyline calls cancel`: calls are taken back that have not been dialled.

use std::time::Duration;

use partyline_domain::flow::{Dialed, FailureReason};
use partyline_domain::ports::{CancelAnswer, Clock as _};
use partyline_domain::{CallId, ConversationId};
use partyline_store_adapter::{CallRow, Holder, StateWord};
use serde::Serialize;

use super::{Desk, process, trouble};
use crate::errors::AppError;
use crate::exit::Exit;

/// How long the process that has a call is waited for. It hears of the wish when it renews its leases, every few seconds.
const WAIT: Duration = Duration::from_secs(15);

/// What came of a wish to cancel, as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It is withdrawn, now or before.
    Withdrawn,
    /// It had ended otherwise, and nothing was dialled.
    NotDialled,
    /// It was dialled.
    Dialled,
    /// It may have been dialled.
    Unknown,
    /// Its process has been asked and has not said anything yet.
    Asked,
}

impl Outcome {
    fn of(row: &CallRow) -> Self {
        let cancelled = row.reason.as_deref() == Some(FailureReason::Cancelled.as_str());
        match (row.state.has_ended(), row.dialed) {
            (true, Dialed::Yes) => Self::Dialled,
            (true, Dialed::No) if cancelled => Self::Withdrawn,
            (true, Dialed::No) => Self::NotDialled,
            (true, Dialed::Unknown) => Self::Unknown,
            (false, _) => Self::Asked,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Withdrawn => "withdrawn",
            Self::NotDialled => "not_dialled",
            Self::Dialled => "dialled",
            Self::Unknown => "unknown",
            Self::Asked => "asked",
        }
    }

    /// Whether a phone rings.
    fn exit(self) -> Exit {
        match self {
            Self::Withdrawn | Self::NotDialled => Exit::Success,
            Self::Dialled => Exit::Refused,
            Self::Unknown | Self::Asked => Exit::Unknown,
        }
    }
}

/// An element of the array of `calls cancel --json`.
#[derive(Serialize)]
struct Cancelled<'a> {
    call_id: &'a str,
    outcome: &'static str,
    state: &'static str,
    dialed: &'static str,
    conversation_id: Option<&'a str>,
}

/// Cancels calls and says what came of it; all of them are known before the first is touched.
///
/// # Errors
/// 2 where a call is not there, 1 where the store does not answer.
pub(super) async fn run(ids: &[String], desk: Desk<'_>) -> Result<Exit, AppError> {
    let calls = desk.find_all(ids).await?;
    let mut waiting = false;
    for call in &calls {
        let answer = desk.store.cancel(call, desk.now()).await.map_err(trouble)?;
        waiting |= match answer {
            CancelAnswer::Asked => is_heard(call, desk).await?,
            CancelAnswer::Withdrawn | CancelAnswer::Ended | CancelAnswer::Unknown => false,
        };
    }
    let clock = desk.world.clock();
    let until = clock.now().monotonic.after(WAIT);
    let rows = loop {
        let rows = read_all(&calls, desk).await?;
        let done = rows.iter().all(|row| row.state.has_ended());
        if done || !waiting || clock.now().monotonic >= until {
            break rows;
        }
        desk.pause().await;
    };
    tell(&rows, desk).await
}

/// Whether the process that has the call is there to hear of the wish.
async fn is_heard(call: &CallId, desk: Desk<'_>) -> Result<bool, AppError> {
    let (row, _) = desk.read(call).await?;
    let living = desk.living(row.owner.as_ref()).await?;
    if let Some(holder) = &living {
        desk.printer.step(&format!("asked {} to cancel {call}", process(holder)));
    }
    Ok(living.is_some())
}

async fn read_all(calls: &[CallId], desk: Desk<'_>) -> Result<Vec<CallRow>, AppError> {
    let mut rows = Vec::with_capacity(calls.len());
    for call in calls {
        rows.push(desk.read(call).await?.0);
    }
    Ok(rows)
}

async fn tell(rows: &[CallRow], desk: Desk<'_>) -> Result<Exit, AppError> {
    if desk.printer.is_json() {
        let all: Vec<Cancelled<'_>> = rows.iter().map(object).collect();
        desk.printer.object(&all);
    } else {
        for row in rows {
            let living = desk.living(row.owner.as_ref()).await?;
            desk.printer.data(&format!("{}  {}", row.id, told(row, living.as_ref())));
        }
    }
    let exits = rows.iter().map(|row| Outcome::of(row).exit());
    Ok(exits.max_by_key(|exit| exit.code()).unwrap_or(Exit::Success))
}

fn object(row: &CallRow) -> Cancelled<'_> {
    Cancelled {
        call_id: row.id.as_str(),
        outcome: Outcome::of(row).as_str(),
        state: row.state.as_str(),
        dialed: row.dialed.as_str(),
        conversation_id: row.conversation.as_ref().map(ConversationId::as_str),
    }
}

/// What came of it, for people.
fn told(row: &CallRow, living: Option<&Holder>) -> String {
    let conversation = row.conversation.as_ref().map(|id| format!(": {id}")).unwrap_or_default();
    match Outcome::of(row) {
        Outcome::Withdrawn => "withdrawn: nothing was dialled".to_owned(),
        Outcome::NotDialled => {
            format!("had ended already ({}): nothing was dialled", row.reason.as_deref().unwrap_or("failed"))
        }
        Outcome::Dialled => format!("could not be taken back, it was dialled{conversation}"),
        Outcome::Unknown => "could not be taken back: it may have been dialled, and nobody knows".to_owned(),
        Outcome::Asked => match (row.state, living) {
            (StateWord::Dialling | StateWord::InDoubt, _) => {
                "could not be taken back: its dial is open, and nobody knows yet whether the phone rings".to_owned()
            }
            (_, Some(holder)) => format!("asked {}, which has not answered yet", process(holder)),
            (_, None) => "asked: whoever goes on with it withdraws it before it is dialled".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::row;
    use super::*;

    #[test]
    fn the_exit_code_says_whether_a_phone_rings() {
        for (state, dialed, reason, outcome, code) in [
            (StateWord::Failed, Dialed::No, Some("cancelled"), "withdrawn", 0),
            (StateWord::Failed, Dialed::No, Some("expired"), "not_dialled", 0),
            (StateWord::Failed, Dialed::Unknown, Some("refused"), "unknown", 6),
            (StateWord::Initiated, Dialed::Yes, None, "dialled", 5),
            (StateWord::Unknown, Dialed::Unknown, Some("outcome_unknown"), "unknown", 6),
            (StateWord::InDoubt, Dialed::Unknown, None, "asked", 6),
            (StateWord::Verified, Dialed::No, None, "asked", 6),
        ] {
            let row = CallRow { state, dialed, reason: reason.map(str::to_owned), ..row() };
            let found = Outcome::of(&row);
            assert_eq!((found.as_str(), found.exit().code()), (outcome, code), "{state:?} {reason:?}");
        }
    }
}
