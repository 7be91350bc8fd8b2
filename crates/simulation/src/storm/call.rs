//! What the storm says to the core: the bounds of the lines, and each call.

use std::sync::Arc;
use std::time::Duration;

use partyline_domain::{
    AgentId, CallId, CallRequest, LinePolicy, NumberChoice, PhoneNumber, PhoneNumberId, Priority, ProofPolicy,
    Timestamp,
};

use super::options::Options;
use super::random::{Dice, Stream};

const CALLEE: &str = "+12025550123";
const PROOFS: [ProofPolicy; 4] = [ProofPolicy::Off, ProofPolicy::Once, ProofPolicy::Required, ProofPolicy::Pages];

/// The bounds of a seed's lines. Whatever may be off is off in most seeds.
pub(super) fn line_policy(dice: Dice) -> LinePolicy {
    let pick = |count, list: &[u64]| dice.pick(Stream::Line, count, list);
    let size = |count, list: &[usize]| dice.pick(Stream::Line, count, list);
    let switch = |count, on| dice.percent(Stream::Line, count, on);
    LinePolicy {
        lateness: Duration::from_secs(pick(0, &[20, 30, 60])),
        freshness: Duration::from_secs(pick(1, &[2, 5, 5])),
        in_flight_max: size(2, &[1, 2, 4, 16]),
        quantum: switch(3, 35).then(|| size(4, &[1, 3, 8])),
        in_flight_total: switch(5, 20).then(|| size(6, &[1, 3, 8])),
        live_max: switch(7, 30).then(|| size(8, &[2, 5, 20])),
        look_ahead: if switch(9, 30) { size(10, &[1, 4, 64]) } else { 0 },
        replicate: switch(11, 80),
        verify_window: Duration::from_millis(if switch(12, 40) { pick(13, &[5, 50]) } else { 0 }),
        verified_for: Duration::from_secs(pick(14, &[5, 300])),
        ..LinePolicy::default()
    }
}

/// How the calls of a seed are proved; `None`: each has its own way.
pub(super) fn proof(dice: Dice) -> Option<ProofPolicy> {
    dice.pick(Stream::Policy, 1, &[Some(PROOFS[0]), Some(PROOFS[1]), Some(PROOFS[2]), Some(PROOFS[3]), None])
}

pub(super) fn proof_of_call(dice: Dice, call: u64) -> ProofPolicy {
    dice.pick(Stream::Policy, 100 + call, &PROOFS)
}

/// A call, asked for at `now`.
pub(super) fn request(
    options: &Options,
    call: u64,
    agent: AgentId,
    numbers: &[PhoneNumberId],
    now: Timestamp,
) -> CallRequest {
    let dice = options.dice;
    let urgent = dice.percent(Stream::Urgent, call, options.urgent_percent);
    let expires = dice.percent(Stream::Expiry, 2 * call, options.expiry_percent);
    let after = Duration::from_millis(dice.between(Stream::Expiry, 2 * call + 1, 0, 30_000));
    CallRequest {
        id: call_id(call),
        agent,
        numbers: NumberChoice::any_of(numbers.iter().cloned()).expect("each call has a number it may use"),
        to: PhoneNumber::parse(CALLEE).expect("a fictional number"),
        priority: if urgent { Priority::Urgent } else { Priority::Normal },
        expires_at: expires.then(|| now.after(after)),
        options: Arc::default(),
        policies: Arc::new(options.policies(call)),
    }
}

pub(super) fn call_id(call: u64) -> CallId {
    CallId::parse(&format!("call_{call:04}")).expect("letters and digits")
}
