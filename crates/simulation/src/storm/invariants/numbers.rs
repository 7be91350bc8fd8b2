//! I1, I12, I13: who answers, and how well that is known when a dial is sent.

use std::time::Duration;

use partyline_domain::{AgentId, Instant, PhoneNumberId};
use partyline_fake_adapter::world::{DialEntry, Writer};

use super::{Verdict, broken};
use crate::storm::evidence::{Evidence, Sent};
use crate::storm::record::{Answer, Asked};

/// I1: every executed dial finds its agent assigned. Exceptions need an injected violation in their causal past: a change
/// by somebody else, a second execution or an effect later than L on the same number, not longer ago than
/// `F + 2 RTT_max` when the dial was sent (so there are at most `lambda (F + 2 RTT_max) + P` of them for each); the dial
/// itself executed a second time or later than L; or an agent bound later than the product was told.
pub(super) fn i1_right_agent(evidence: &Evidence<'_>) -> Verdict {
    if evidence.options.binds_unexpectedly_late() {
        return Ok(());
    }
    for dial in &evidence.ledger().dials {
        if !dial.is_misrouted() || evidence.is_second(dial) {
            continue;
        }
        let Some(sent) = evidence.sent_at(dial) else {
            return broken("I1", format!("{} was dialled by nobody we know", dial.conversation));
        };
        let at = dial.at.monotonic;
        let late = at.since(sent) > evidence.options.line.lateness.saturating_add(evidence.options.bind_delay);
        if !late && !is_excused(evidence, &dial.number, sent, at) {
            return broken("I1", misroute(dial, sent));
        }
    }
    Ok(())
}

fn misroute(dial: &DialEntry, sent: Instant) -> String {
    let attempt = dial.attempt.as_ref().map_or("?", |attempt| attempt.as_str());
    let (answered, requested, at) = (&dial.answered, &dial.requested, dial.at.monotonic);
    format!("{attempt}, sent at {sent} and executed at {at}, was answered by {answered} instead of {requested}")
}

/// Whether a violation lies in the causal past of a dial.
fn is_excused(evidence: &Evidence<'_>, number: &PhoneNumberId, sent: Instant, executed: Instant) -> bool {
    let window = evidence.stale_window();
    let concerns = |at: Instant| at <= executed && sent.since(at) <= window;
    evidence.breaches.iter().any(|breach| breach.number == number && concerns(breach.at))
}

/// I12: each dial is sent with a confirmation (the answer to a read or to a change, as old as its sending) that names
/// its agent and is not older than F. A confirmation that itself took longer than F is good for what is decided with it.
pub(super) fn i12_freshness(evidence: &Evidence<'_>) -> Verdict {
    let freshness = evidence.options.line.freshness;
    for (index, request) in evidence.requests.iter().enumerate() {
        let Asked::Dial { attempt, number, agent, .. } = request.asked else { continue };
        if !request.left() {
            continue;
        }
        let sent = request.at;
        let fresh = |confirmation: &Sent<'_>| {
            let Some((place, Answer::Numbers(shown))) = confirmation.answer else { return false };
            let names_agent = || shown.iter().any(|(id, assigned)| id == number && assigned.as_ref() == Some(agent));
            let known = place.index < sent.index;
            let age = sent.at.since(confirmation.at.at);
            let slow = place.at.since(confirmation.at.at) > freshness;
            known && names_agent() && (age <= freshness || (slow && sent.at.since(place.at) <= allowance(evidence)))
        };
        if !evidence.requests[..index].iter().rev().any(fresh) {
            let at = sent.at;
            return broken(
                "I12",
                format!("{attempt} was sent at {at} without a confirmation of {agent} within {freshness:?}"),
            );
        }
    }
    Ok(())
}

/// How long a confirmation is good that itself took longer than the freshness bound, so that a slow provider gets any
/// dial at all: the core says a moment, and the journal writes the intent in it.
fn allowance(evidence: &Evidence<'_>) -> Duration {
    let moment = (evidence.options.line.freshness / 2).min(Duration::from_secs(1));
    moment + evidence.options.journal_delay * 8
}

/// I13: longer than `F + 2 RTT_max` after somebody else's change no dial is sent on the belief of before.
pub(super) fn i13_convergence(evidence: &Evidence<'_>) -> Verdict {
    let window = evidence.stale_window();
    for request in &evidence.requests {
        let Asked::Dial { attempt, number, agent, .. } = request.asked else { continue };
        if !request.left() {
            continue;
        }
        let Some((assigned, since, writer)) = assigned_at(evidence, number, request.at.at) else { continue };
        let stale = assigned != Some(agent) && *writer == Writer::Outsider && request.at.at.since(since) > window;
        if stale {
            let at = request.at.at;
            return broken(
                "I13",
                format!("{attempt} was sent at {at} although somebody else changed the number at {since}"),
            );
        }
    }
    Ok(())
}

fn assigned_at<'a>(
    evidence: &Evidence<'a>,
    number: &PhoneNumberId,
    at: Instant,
) -> Option<(Option<&'a AgentId>, Instant, &'a Writer)> {
    let entries = evidence.ledger().assignments.iter().rev();
    let entry = entries.filter(|entry| entry.number == *number).find(|entry| entry.at.monotonic <= at)?;
    Some((entry.after.as_ref(), entry.at.monotonic, &entry.writer))
}
