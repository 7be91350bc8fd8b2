//! I5, I7, I8, I9, I14 to I17: what becomes of the calls, and what is said of them.

use std::collections::BTreeSet;

use partyline_domain::flow::{CallEvent, CallState, Dialed, FoundBy, Proof};
use partyline_domain::ports::IntentKind;
use partyline_domain::{AttemptId, CallId, Instant, ProofPolicy};
use partyline_fake_adapter::Fault;
use partyline_fake_adapter::faults::{FailStatus, When};

use super::{Verdict, broken};
use crate::storm::evidence::{Call, Evidence};
use crate::storm::faults::FaultId;
use crate::storm::record::{Answer, Asked};

/// Whether a 429 that came after the effect lied about a dial of this call (F5, hostile): nobody can see through that.
fn was_lied_to(evidence: &Evidence<'_>, call: &Call<'_>) -> bool {
    let lie = Some(Fault::Status(FailStatus::TooManyRequests, When::After));
    evidence.options.requests.hostile_429
        && call.dials.iter().any(|index| evidence.requests[*index].entry.is_some_and(|entry| entry.fault == lie))
}

/// I5: clean of duplication, at most one dial of a call is executed. A second execution of one request (F4) counts
/// as surplus in the storm's report; after a 429 that lies, nothing can be promised.
pub(super) fn i5_at_most_once(evidence: &Evidence<'_>) -> Verdict {
    for (id, call) in &evidence.calls {
        let executed = evidence.executions(id).len();
        if executed > 1 && !was_lied_to(evidence, call) {
            return broken("I5", format!("{id} was dialled {executed} times"));
        }
    }
    Ok(())
}

/// I15: a second attempt of a call is made only where the first is proved not executed.
pub(super) fn i15_safe_retry(evidence: &Evidence<'_>) -> Verdict {
    for (id, call) in &evidence.calls {
        for pair in call.dials.windows(2) {
            let (first, second) = (&evidence.requests[pair[0]], &evidence.requests[pair[1]]);
            let proof = first.answer.filter(|(place, _)| place.index < second.at.index);
            if !matches!(proof, Some((_, Answer::NoEffect(_) | Answer::Unsent(_)))) {
                let at = second.at.at;
                return broken("I15", format!("{id} was dialled again at {at} although the dial before may have rung"));
            }
        }
    }
    Ok(())
}

/// I7: every call that was taken is reported, once, in the state that its events lead to; and its events are one legal
/// history.
pub(super) fn i7_conservation(evidence: &Evidence<'_>) -> Verdict {
    for (id, call) in &evidence.calls {
        for (index, told) in call.events.iter().enumerate() {
            if told.recorded.version != index as u64 + 1 {
                return broken("I7", format!("{id} has event {} in place {}", told.recorded.version, index + 1));
            }
        }
        let state = match call.state() {
            Ok(state) => state,
            Err(error) => return broken("I7", format!("{id} has an impossible history: {error}")),
        };
        match call.reports.as_slice() {
            [] if evidence.remains.stuck.is_some() => {}
            [] => return broken("I7", format!("{id} was never reported and is {}", state.name())),
            [(_, report)] => agrees(id, &report.state, &state)?,
            [_, _, ..] => return broken("I7", format!("{id} was reported {} times", call.reports.len())),
        }
    }
    Ok(())
}

/// After the report only late evidence may come: a conversation that is found, a proof.
fn agrees(id: &CallId, reported: &CallState, now: &CallState) -> Verdict {
    let same = match (reported, now) {
        (CallState::Initiated(before), CallState::Initiated(after)) => before.conversation() == after.conversation(),
        (CallState::Failed(before), CallState::Initiated(_)) => before.open_attempt().is_some(),
        (CallState::Failed(_), CallState::Failed(_)) => reported == now,
        _ => false,
    };
    if same { Ok(()) } else { broken("I7", format!("{id} was reported as {} and is {}", reported.name(), now.name())) }
}

/// I8: a call that is said to be initiated has that conversation at the provider, for this call; one that is said not to
/// have been dialled was not.
pub(super) fn i8_truth(evidence: &Evidence<'_>) -> Verdict {
    for (id, call) in &evidence.calls {
        let Some((_, report)) = call.reports.first() else { continue };
        let executed = evidence.executions(id);
        if let CallState::Initiated(initiated) = &report.state {
            let record = evidence.conversation(initiated.conversation());
            let of_call = record.and_then(|record| record.attempt.as_ref()).is_some_and(|attempt| is_of(attempt, id));
            if !of_call {
                return broken(
                    "I8",
                    format!("{id} is said to be initiated, and the provider has no such conversation"),
                );
            }
            // A dial that was refused while nobody listened leaves a record too, and is found by it.
            let known = executed.iter().any(|dial| dial.conversation == *initiated.conversation());
            if !known && initiated.found_by() == FoundBy::Answer && !evidence.options.binds_late() {
                return broken("I8", format!("{id} is said to be initiated and was not dialled"));
            }
        }
        if report.state.dialed() == Dialed::No && !executed.is_empty() && !was_lied_to(evidence, call) {
            return broken("I8", format!("{id} is said not to be dialled ({}) and was", reason(&report.state)));
        }
    }
    Ok(())
}

fn reason(state: &CallState) -> &'static str {
    match state {
        CallState::Failed(failed) => failed.failure().reason.as_str(),
        CallState::Requested(_) | CallState::Verified(_) | CallState::Assigned(_) | CallState::Initiated(_) => {
            state.name()
        }
    }
}

fn is_of(attempt: &AttemptId, call: &CallId) -> bool {
    attempt.as_str().rsplit_once('.').is_some_and(|(of, _)| of == call.as_str())
}

/// I9: our calls that are active at the provider never exceed C, those in doubt included; in runs without calls of
/// others. Second executions and dials that are executed when the look-ups have ended are not ours to count.
pub(super) fn i9_cap(evidence: &Evidence<'_>) -> Verdict {
    let Some(max) = evidence.options.line.live_max else { return Ok(()) };
    if evidence.any_of(&[FaultId::F4, FaultId::F16]) || evidence.options.requests.hostile_429 {
        return Ok(());
    }
    let model = evidence.options.model;
    let counted: Vec<_> = evidence
        .remains
        .conversations
        .iter()
        .filter(|record| {
            record.to.is_some() && !came_too_late(evidence, record.attempt.as_ref(), record.started.monotonic, false)
        })
        .collect();
    for record in &counted {
        let at = record.started.monotonic;
        let is_active = |other: &&&partyline_fake_adapter::world::ConversationRecord| {
            let given_up = came_too_late(evidence, other.attempt.as_ref(), at, true);
            other.started.monotonic <= at && !other.status(model, at).is_over() && !given_up
        };
        let active = counted.iter().filter(is_active).count();
        if active > max {
            return broken("I9", format!("{active} calls were active at {at}, and {max} may be"));
        }
    }
    Ok(())
}

/// Whether the call had been reported by then; where that is asked, whether its look-ups had ended, so that nothing is
/// known of it: its place is given back, because nobody can tell when it would end.
fn came_too_late(evidence: &Evidence<'_>, attempt: Option<&AttemptId>, at: Instant, unknown: bool) -> bool {
    let Some(call) = attempt.and_then(|attempt| evidence.call_of(attempt)) else { return false };
    let ended = if unknown { call.given_up() } else { call.reports.first().map(|(place, _)| *place) };
    ended.is_some_and(|place| place.at < at)
}

/// I14: what the audit says is true: a mismatch of the agent only where the wrong one answered, a match only where the
/// right one did. Nothing is said where the agent is bound later than it is read.
pub(super) fn i14_audit(evidence: &Evidence<'_>) -> Verdict {
    if evidence.options.binds_late() {
        return Ok(());
    }
    for (id, call) in &evidence.calls {
        let proofs = call.events.iter().filter_map(|told| {
            if let CallEvent::ProofRead { proof } = &told.recorded.event { Some(proof) } else { None }
        });
        for proof in proofs {
            let misrouted = misrouted(evidence, id, call);
            match (proof, misrouted) {
                (Proof::Mismatch { agent: Some(_), .. }, Some(false)) => {
                    return broken("I14", format!("{id} is flagged, and the right agent answered"));
                }
                (Proof::Matches { .. }, Some(true)) => {
                    return broken("I14", format!("{id} was misrouted, and its proof says nothing of that"));
                }
                _ => {}
            }
        }
    }
    is_audited(evidence)
}

/// Each call that is proved by pages is, within T_a of being visible where nothing goes wrong with the requests, and by
/// the end in any case; lists that hide it (F14) and an operator who does not wait (F19) aside.
fn is_audited(evidence: &Evidence<'_>) -> Verdict {
    let options = evidence.options;
    if evidence.remains.stuck.is_some() || evidence.any_of(&[FaultId::F14, FaultId::F19]) {
        return Ok(());
    }
    let troubled = evidence.any_of(&[FaultId::F1, FaultId::F2, FaultId::F3, FaultId::F4, FaultId::F5, FaultId::F6])
        || evidence.any_of(&[FaultId::F7, FaultId::F17]);
    let within = options.line.survey_every * 2 + evidence.round_trip_max * 3 + options.list_lag;
    for (id, call) in &evidence.calls {
        let by_pages = call.request().is_some_and(|request| request.policies.proof == ProofPolicy::Pages);
        let initiated = call.first(|event| matches!(event, CallEvent::CallInitiated { .. }));
        let Some(initiated) = initiated.filter(|_| by_pages) else { continue };
        let Some(proof) = call.first(|event| matches!(event, CallEvent::ProofRead { .. })) else {
            return broken("I14", format!("{id} was initiated at {} and never audited", initiated.place.at));
        };
        let took = proof.place.at.since(initiated.place.at);
        if !troubled && took > within {
            return broken("I14", format!("{id} was audited {took:?} after it was initiated, and {within:?} may pass"));
        }
    }
    Ok(())
}

/// Whether another agent answered in the conversation that the call is said to have; `None` where there is none.
fn misrouted(evidence: &Evidence<'_>, id: &CallId, call: &Call<'_>) -> Option<bool> {
    let CallState::Initiated(initiated) = call.state().ok()? else { return None };
    let executed = evidence.ledger().dials_of_call(id).find(|dial| dial.conversation == *initiated.conversation())?;
    Some(executed.is_misrouted())
}

/// I16: when the faults have stopped, everything ends within the bound.
pub(super) fn i16_liveness(evidence: &Evidence<'_>) -> Verdict {
    let Some(stuck) = &evidence.remains.stuck else { return Ok(()) };
    let open: Vec<&str> =
        evidence.calls.iter().filter(|(_, call)| call.reports.is_empty()).map(|(id, _)| id.as_str()).collect();
    let bound = evidence.options.liveness_bound();
    broken(
        "I16",
        format!(
            "{stuck}; {} calls are open {bound:?} after the faults stopped, the first {:?}",
            open.len(),
            open.first()
        ),
    )
}

/// I17: after a stop signal no dial is sent and no number is assigned except to give it back; at the end every request
/// is resolved, or its intent is open and its call says that the outcome is unknown.
pub(super) fn i17_shutdown(evidence: &Evidence<'_>) -> Verdict {
    if let Some((place, how)) = evidence.stopped {
        for request in evidence.requests.iter().filter(|request| request.at.at > place.at && request.left()) {
            let (attempt, restores) = match request.asked {
                Asked::Dial { attempt, .. } => (attempt, false),
                Asked::Assign { attempt, .. } => (attempt, is_restore(evidence, attempt)),
                Asked::Number(_)
                | Asked::Numbers
                | Asked::Agent(_)
                | Asked::Agents(_)
                | Asked::Conversation(_)
                | Asked::Conversations => continue,
            };
            if !restores {
                return broken(
                    "I17",
                    format!("{attempt} was sent at {}, after the {how} at {}", request.at.at, place.at),
                );
            }
        }
    }
    if evidence.remains.stuck.is_some() {
        return Ok(());
    }
    let unknown: BTreeSet<&AttemptId> = evidence
        .calls
        .values()
        .filter_map(|call| call.reports.first())
        .filter_map(
            |(_, report)| if let CallState::Failed(failed) = &report.state { failed.open_attempt() } else { None },
        )
        .collect();
    for intent in &evidence.remains.open_intents {
        let dial = matches!(intent.kind, IntentKind::Dial(_));
        // Where the agent is bound late, the number is kept that long; so is the intent.
        let settles = !evidence.options.settle.is_zero();
        if dial && !settles && !unknown.contains(&intent.attempt) {
            return broken(
                "I17",
                format!("the intent of {} is open at the end, and its call is not in doubt", intent.attempt),
            );
        }
    }
    Ok(())
}

fn is_restore(evidence: &Evidence<'_>, attempt: &AttemptId) -> bool {
    evidence.intents.get(attempt).is_some_and(|(_, intent)| intent.kind == IntentKind::Restore)
}
