//! I10, I11: who waits for whom, and how often a number changes hands. Both are about runs in which nothing goes wrong
//! with requests, calls stay as they were asked for, and one number serves them all.

use partyline_domain::flow::CallEvent;
use partyline_domain::{AfterCall, AgentId, AssignmentPolicy, AttemptId, Instant};

use super::{Verdict, broken};
use crate::storm::evidence::{Evidence, Place, monotonic};
use crate::storm::faults::FaultId;
use crate::storm::record::Asked;

/// A call as it matters here.
struct Queued<'a> {
    id: &'a str,
    agent: &'a AgentId,
    submitted: Place,
    /// From when on it can be served.
    ready: Place,
    /// Its turn came.
    admitted: Option<Place>,
    sent: Option<Place>,
    gone: Option<Place>,
}

fn is_plain(evidence: &Evidence<'_>) -> bool {
    let options = evidence.options;
    let troubled = [
        FaultId::F1,
        FaultId::F2,
        FaultId::F3,
        FaultId::F4,
        FaultId::F5,
        FaultId::F6,
        FaultId::F7,
        FaultId::F11,
        FaultId::F12,
        FaultId::F16,
        FaultId::F17,
        FaultId::F19,
    ];
    options.numbers == 1
        && !evidence.any_of(&troubled)
        && options.assignment == AssignmentPolicy::IfDifferent
        && options.after_call == AfterCall::Keep
        && options.urgent_percent == 0
        // A call that expires between its turn and its dial has had its turn.
        && options.expiry_percent == 0
        && options.cancel_percent == 0
        && evidence.remains.stuck.is_none()
        && options.line.live_max.is_none()
        && options.line.in_flight_total.is_none()
}

fn queue<'a>(evidence: &Evidence<'a>) -> Option<Vec<Queued<'a>>> {
    let mut queue = Vec::new();
    for (id, call) in &evidence.calls {
        let Some(request) = call.request() else { continue };
        let (Some(submitted), Some(ready)) = (call.submitted, call.verified()) else { continue };
        if call.dials.len() > 1 {
            return None;
        }
        let gone = call.reports.first().map(|(place, _)| *place);
        let sent = call.dialled(evidence);
        let (id, agent, admitted) = (id.as_str(), &request.agent, call.assigned());
        queue.push(Queued { id, agent, submitted, ready, admitted, sent, gone });
    }
    Some(queue)
}

impl Queued<'_> {
    /// Whether it could be served then and was not yet.
    fn waits_at(&self, place: Place) -> bool {
        self.ready.index < place.index && self.leaves().is_none_or(|leaves| leaves.index > place.index)
    }

    fn leaves(&self) -> Option<Place> {
        self.sent.or(self.gone)
    }
}

/// I10, one number: with a hard quantum q, at most `(A - 1) q` calls that came later are dialled before a call that could
/// be served. Without one (gated): when a call of another agent waits, a session dials at most as many as were queued for
/// its agent when it opened or when that call came, and at least P.
pub(super) fn i10_overtaking(evidence: &Evidence<'_>) -> Verdict {
    if !is_plain(evidence) {
        return Ok(());
    }
    let Some(queue) = queue(evidence) else { return Ok(()) };
    match evidence.options.line.quantum {
        Some(quantum) => by_quantum(&queue, quantum),
        None => by_gate(evidence, &queue),
    }
}

fn by_quantum(queue: &[Queued<'_>], quantum: usize) -> Verdict {
    let agents: std::collections::BTreeSet<&AgentId> = queue.iter().map(|call| call.agent).collect();
    let bound = agents.len().saturating_sub(1) * quantum.max(1);
    for call in queue {
        let Some(sent) = call.sent else { continue };
        let overtook = |other: &&Queued<'_>| {
            other.submitted.index > call.submitted.index
                && other.agent != call.agent
                && other.admitted.is_some_and(|at| at.index > call.ready.index)
                && other.sent.is_some_and(|at| at.index < sent.index)
        };
        let overtaking = queue.iter().filter(overtook).count();
        if overtaking > bound {
            let (id, agents) = (call.id, agents.len());
            let what = format!("{overtaking} later calls were dialled before {id}; ({agents} - 1) x {quantum} may be");
            return broken("I10", what);
        }
    }
    Ok(())
}

/// The sessions: from the confirmation of one agent to that of the next, with the calls that were dialled.
struct Session<'a> {
    agent: &'a AgentId,
    /// The assignment was sent.
    begun: Place,
    /// It was answered.
    opened: Place,
    dials: Vec<Place>,
    /// When the last of them was decided.
    last_decided: Option<Instant>,
    closed: Option<Place>,
}

fn sessions<'a>(evidence: &Evidence<'a>) -> Vec<Session<'a>> {
    let mut sessions: Vec<Session<'a>> = Vec::new();
    for request in &evidence.requests {
        match request.asked {
            Asked::Assign { agent: Some(agent), .. } => {
                if let Some(last) = sessions.last_mut() {
                    last.closed = Some(request.at);
                }
                let opened = request.answer.map_or(request.at, |(place, _)| place);
                let (begun, dials) = (request.at, Vec::new());
                sessions.push(Session { agent, begun, opened, dials, last_decided: None, closed: None });
            }
            Asked::Dial { attempt, .. } => {
                if let Some(last) = sessions.last_mut() {
                    last.dials.push(request.at);
                    last.last_decided = decided(evidence, attempt);
                }
            }
            Asked::Assign { agent: None, .. }
            | Asked::Number(_)
            | Asked::Numbers
            | Asked::Agent(_)
            | Asked::Agents(_)
            | Asked::Conversation(_)
            | Asked::Conversations => {}
        }
    }
    sessions
}

fn decided(evidence: &Evidence<'_>, attempt: &AttemptId) -> Option<Instant> {
    let mut events = evidence.call_of(attempt)?.events_of(attempt);
    let told = events.find(|told| matches!(told.recorded.event, CallEvent::DialIntended { .. }))?;
    Some(monotonic(evidence.remains.lines[told.place.index].at, told.recorded.at))
}

fn by_gate(evidence: &Evidence<'_>, queue: &[Queued<'_>]) -> Verdict {
    let at_once = evidence.options.line.in_flight_max.max(1);
    for session in sessions(evidence) {
        for waiting in queue.iter().filter(|call| call.agent != session.agent) {
            let Some(end) = waiting.leaves() else { continue };
            let since = waiting.ready.max(session.opened);
            let queued = |place: Place| {
                let is_queued = |call: &&Queued<'_>| {
                    call.agent == session.agent
                        && call.submitted.index < place.index
                        && call.leaves().is_none_or(|leaves| leaves.index > place.index)
                };
                queue.iter().filter(is_queued).count()
            };
            let meanwhile = || session.dials.iter().filter(|at| at.index > since.index && at.index < end.index);
            let served = meanwhile().count();
            // The session in progress and one full session more: where its own calls are older, the agent has two
            // in a row with no assignment between them, and the second serves what is queued when it begins.
            let first = at_once.max(queued(session.opened)).max(queued(since));
            if served <= first + at_once {
                continue;
            }
            let second = meanwhile().map(|place| queued(*place)).max().unwrap_or(0);
            let bound = first + second.max(at_once) + at_once;
            if served > bound {
                let (id, agent) = (waiting.id, session.agent);
                let what =
                    format!("{agent} was served {served} times in a row while {id} waited; {bound} times may be");
                return broken("I10", what);
            }
        }
    }
    Ok(())
}

/// I11, one number: a session that ends although its agent has calls to be dialled has dialled at least P, or q.
pub(super) fn i11_no_thrash(evidence: &Evidence<'_>) -> Verdict {
    if !is_plain(evidence) {
        return Ok(());
    }
    let Some(queue) = queue(evidence) else { return Ok(()) };
    let at_once = evidence.options.line.in_flight_max.max(1);
    let least = evidence.options.line.quantum.map_or(at_once, |quantum| quantum.max(1).min(at_once));
    for session in sessions(evidence) {
        let Some(closed) = session.closed else { continue };
        // A session whose calls are all dialled may drain; what comes from then on is served in the next one.
        let waited = |call: &Queued<'_>| match session.last_decided {
            Some(decided) => call.ready.at < decided,
            None => call.ready.index < session.begun.index,
        };
        let left = queue.iter().any(|call| call.agent == session.agent && call.waits_at(closed) && waited(call));
        if left && session.dials.len() < least {
            let (agent, at, served) = (session.agent, closed.at, session.dials.len());
            let what =
                format!("{agent} lost the number at {at} after {served} dials with calls waiting; {least} are its due");
            return broken("I11", what);
        }
    }
    Ok(())
}
