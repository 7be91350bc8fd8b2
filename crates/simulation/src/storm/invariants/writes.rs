//! I2, I3, I6: what is sent, and when it may be.

use std::time::Duration;

use partyline_domain::flow::CallEvent;
use partyline_domain::{AgentId, Instant, PhoneNumberId};

use super::{Verdict, broken};
use crate::storm::evidence::{Evidence, Sent, monotonic};
use crate::storm::record::{Answer, Asked};

/// The time in which a request is unresolved.
struct Window<'a> {
    number: &'a PhoneNumberId,
    agent: Option<&'a AgentId>,
    asked: &'a Asked,
    from: (usize, Instant),
    until: Instant,
    /// The same with the time in which the provider may still bind the agent.
    settled: Instant,
    /// Where in the record it was answered; 0 where it ends by time.
    resolved: usize,
}

/// I6: each request that changes something was sent after the journal had its intent, for the same number and agent,
/// and not after its `send_by`; no dial was sent when its call had expired.
pub(super) fn i6_write_ahead(evidence: &Evidence<'_>) -> Verdict {
    for request in &evidence.requests {
        let (Asked::Dial { attempt, .. } | Asked::Assign { attempt, .. }) = request.asked else { continue };
        if !request.left() {
            continue;
        }
        let sent = request.at;
        let Some((place, intent)) = evidence.intents.get(attempt) else {
            return broken("I6", format!("{attempt} was sent at {} without an intent in the journal", sent.at));
        };
        if place.index > sent.index {
            return broken("I6", format!("{attempt} was sent at {} before the journal had its intent", sent.at));
        }
        let wall = evidence.remains.lines[sent.index].at.wall;
        if wall > intent.send_by {
            return broken("I6", format!("{attempt} was sent at {}, after it could be sent", sent.at));
        }
        if request.write() != Some((&intent.number, intent.agent.as_ref())) {
            return broken("I6", format!("{attempt} is not what its intent says"));
        }
        if let Some(expiry) = expiry_of(evidence, request)
            && wall > expiry
        {
            return broken("I6", format!("{attempt} was sent at {} after its call had expired", sent.at));
        }
    }
    Ok(())
}

fn expiry_of(evidence: &Evidence<'_>, request: &Sent<'_>) -> Option<partyline_domain::Timestamp> {
    let Asked::Dial { attempt, .. } = request.asked else { return None };
    evidence.call_of(attempt)?.request()?.expires_at
}

/// I2: at no time are requests of two agents unresolved on one number (window: from sending to the definitive answer or
/// the evidence, at most L). No exceptions: this is about what we send.
pub(super) fn i2_exclusion(evidence: &Evidence<'_>) -> Verdict {
    overlap(evidence, "I2", |window| window.until, |_| true)
}

/// I3: a change to an agent is sent only while nothing of another agent is unresolved, the time in which the provider
/// may still bind the agent of an accepted dial included.
pub(super) fn i3_pin(evidence: &Evidence<'_>) -> Verdict {
    overlap(evidence, "I3", |window| window.settled, |later| matches!(later.asked, Asked::Assign { .. }))
}

fn overlap(
    evidence: &Evidence<'_>,
    invariant: &'static str,
    until: impl Fn(&Window<'_>) -> Instant,
    counts: impl Fn(&Window<'_>) -> bool,
) -> Verdict {
    let mut open: Vec<Window<'_>> = Vec::new();
    for request in &evidence.requests {
        let Some(later) = window(evidence, request) else { continue };
        let (index, at) = later.from;
        open.retain(|earlier| until(earlier) > at || (until(earlier) == at && earlier.resolved > index));
        let conflict = open.iter().find(|earlier| earlier.number == later.number && earlier.agent != later.agent);
        if let Some(earlier) = conflict.filter(|_| counts(&later)) {
            let (earlier, later) = (describe(earlier), describe(&later));
            return broken(invariant, format!("{later} was sent at {at} while {earlier} was unresolved"));
        }
        open.push(later);
    }
    Ok(())
}

fn describe(window: &Window<'_>) -> String {
    let agent = window.agent.map_or("nobody", AgentId::as_str);
    match window.asked {
        Asked::Dial { attempt, .. } => format!("the dial {attempt} for {agent}"),
        Asked::Assign { attempt, .. } => format!("the assignment {attempt} to {agent}"),
        Asked::Number(_)
        | Asked::Numbers
        | Asked::Agent(_)
        | Asked::Agents(_)
        | Asked::Conversation(_)
        | Asked::Conversations => String::from("a read"),
    }
}

fn window<'a>(evidence: &Evidence<'a>, request: &'a Sent<'a>) -> Option<Window<'a>> {
    let (number, agent) = request.write()?;
    if !request.left() {
        return None;
    }
    let sent = request.at.at;
    let latest = sent.after(evidence.options.line.lateness).min(bound(evidence, request));
    let (until, resolved) = match request.answer {
        Some((place, answer)) if is_definitive(answer) => (place.at, place.index),
        Some(_) | None => (found(evidence, request).unwrap_or(latest), 0),
    };
    let (until, resolved) = if until > latest { (latest, 0) } else { (until, resolved) };
    let accepted = matches!(request.answer, Some((_, Answer::Accepted(_))));
    let settle = if accepted { evidence.options.settle } else { Duration::ZERO };
    let settled = until.after(settle);
    Some(Window { number, agent, asked: request.asked, from: (request.at.index, sent), until, settled, resolved })
}

/// When a dial no longer keeps its number from other agents, because the agent is bound by then at the latest.
fn bound(evidence: &Evidence<'_>, request: &Sent<'_>) -> Instant {
    let binding = evidence.options.line.binding.filter(|_| matches!(request.asked, Asked::Dial { .. }));
    binding.map_or(Instant::from_origin(Duration::MAX), |binding| request.at.at.after(binding))
}

fn is_definitive(answer: &Answer) -> bool {
    match answer {
        Answer::InDoubt(_) | Answer::Dropped => false,
        Answer::Numbers(_)
        | Answer::Accepted(_)
        | Answer::Refused(_)
        | Answer::Good
        | Answer::Unsent(_)
        | Answer::NoEffect(_) => true,
    }
}

/// When the conversation of a dial in doubt was found.
fn found(evidence: &Evidence<'_>, request: &Sent<'_>) -> Option<Instant> {
    let Asked::Dial { attempt, .. } = request.asked else { return None };
    let mut events = evidence.call_of(attempt)?.events_of(attempt);
    let told = events.find(|told| matches!(told.recorded.event, CallEvent::CallInitiated { .. }))?;
    Some(monotonic(evidence.remains.lines[told.place.index].at, told.recorded.at))
}
