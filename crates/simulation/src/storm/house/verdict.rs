//! What must be true when several processes have come to their ends: by the world's ledger and the store alone.

use partyline_domain::flow::{CallState, Dialed};
use partyline_domain::{AfterCall, CallId};
use partyline_fake_adapter::store::CallRow;

use super::{House, Remains};
use crate::storm::faults::FaultId;
use crate::storm::invariants::Violation;

type Verdict = Result<(), Violation>;

fn broken(invariant: &'static str, sentence: String) -> Verdict {
    Err(Violation { invariant, sentence })
}

pub(super) fn judge(house: &House, remains: &Remains) -> Verdict {
    right_agent(remains)?;
    at_most_once(house, remains)?;
    truth(house, remains)?;
    if let Some(stuck) = &remains.stuck {
        let open = house.store.with(|state| {
            state.calls().filter(|(_, row)| !row.closed).map(|(id, _)| id.to_string()).collect::<Vec<_>>()
        });
        let accepted = house.accepted().len();
        return broken("I16", format!("{stuck}; {accepted} calls were taken, open are {open:?}"));
    }
    conservation(house)?;
    leases(house)?;
    given_back(house)
}

/// I1.
fn right_agent(remains: &Remains) -> Verdict {
    match remains.ledger.misroutes().next() {
        Some(dial) => broken(
            "I1",
            format!(
                "{} for {} was answered by {} at {}",
                dial.conversation, dial.requested, dial.answered, dial.at.monotonic
            ),
        ),
        None => Ok(()),
    }
}

fn calls(house: &House) -> Vec<(CallId, CallRow)> {
    house.store.with(|state| state.calls().map(|(id, row)| (id.clone(), row.clone())).collect())
}

/// I5.
fn at_most_once(house: &House, remains: &Remains) -> Verdict {
    for (id, _) in calls(house) {
        let executed = remains.ledger.dials_of_call(&id).count();
        if executed > 1 {
            return broken("I5", format!("{id} was dialled {executed} times"));
        }
    }
    Ok(())
}

/// I8: what the store says of a call agrees with what the provider did.
fn truth(house: &House, remains: &Remains) -> Verdict {
    for (id, row) in calls(house) {
        let state = match CallState::fold(row.history.iter().map(|recorded| &recorded.event)) {
            Ok(state) => state,
            Err(error) => return broken("I7", format!("{id} has an impossible history: {error}")),
        };
        let executed = remains.ledger.dials_of_call(&id).next();
        if let CallState::Initiated(initiated) = &state {
            let world = house.world.lock();
            let found = world.conversations().iter().find(|record| record.id == *initiated.conversation());
            let of_call = found
                .and_then(|record| record.attempt.as_ref())
                .is_some_and(|attempt| attempt.as_str().rsplit_once('.').is_some_and(|(of, _)| of == id.as_str()));
            if !of_call {
                return broken(
                    "I8",
                    format!("{id} is said to be initiated, and the provider has no such conversation"),
                );
            }
        }
        let ended = state.is_terminal() && row.closed;
        if ended && state.dialed() == Dialed::No && executed.is_some() {
            return broken("I8", format!("{id} is said not to be dialled, and was"));
        }
    }
    Ok(())
}

/// I7: what was taken has ended, by one history without gaps.
fn conservation(house: &House) -> Verdict {
    let stored = calls(house);
    for id in house.accepted().iter() {
        let Some((_, row)) = stored.iter().find(|(stored, _)| stored == id) else {
            return broken("I7", format!("{id} was taken and is gone"));
        };
        let numbered = row.history.iter().zip(1..).all(|(recorded, version)| recorded.version == version);
        let state = CallState::fold(row.history.iter().map(|recorded| &recorded.event));
        let ended = state.as_ref().is_ok_and(CallState::is_terminal);
        if !(numbered && ended && row.closed) {
            return broken("I7", format!("{id} is left over as {state:?}, closed: {}", row.closed));
        }
    }
    Ok(())
}

/// I16, I17: nobody holds a number any more. Who died, or could not reach the store in the end, lets his leases run out.
fn leases(house: &House) -> Verdict {
    if [FaultId::F8, FaultId::F13, FaultId::F15].iter().any(|fault| house.options.has(*fault)) {
        return Ok(());
    }
    let now = house.now();
    let held = house.store.with(|state| {
        state.leases().find(|(_, lease)| lease.expires_at > now).map(|(number, lease)| format!("{number} {lease:?}"))
    });
    held.map_or(Ok(()), |held| broken("I17", format!("a number is still held at the end: {held}")))
}

/// U8: what was to be given back is given back, or it is still remembered whose it is.
fn given_back(house: &House) -> Verdict {
    if house.options.after_call != AfterCall::Restore {
        return Ok(());
    }
    let world = house.world.lock();
    let before = &house.agents[house.options.agents];
    for number in &house.numbers {
        let answers = world.number(number).and_then(|number| number.assigned_id().cloned());
        let owed = house.store.with(|state| state.remembered(number));
        if owed.is_none() && answers.as_ref() != Some(before) {
            return broken("U8", format!("{number} is answered by {answers:?} in the end, and nothing is owed"));
        }
    }
    Ok(())
}
