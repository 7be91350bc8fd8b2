//! What a review of the scheduler found, one test each, most of them in a whole [`World`]; and the seeds that look for
//! more.

mod breakers;
mod caps;
mod numbers;
mod seeds;
mod stopping;
mod turns;

use super::several::call;
use super::world::{Latency, World, millis, minutes};
use super::*;

fn off() -> Policies {
    Policies { proof: ProofPolicy::Off, ..Policies::default() }
}

/// A call that leaves its number as it is.
fn indifferent(id: &str, of: &str, from: &[u8]) -> CallRequest {
    let policies = Arc::new(Policies { assignment: AssignmentPolicy::Never, ..off() });
    CallRequest { policies, ..call(id, of, from) }
}

fn refused(kind: FailureKind) -> ProviderError {
    ProviderError::permanent(kind, "no")
}

fn unreachable() -> ProviderError {
    ProviderError::retryable(FailureKind::Unreachable, None, "connection refused")
}

fn rate_limited() -> ProviderError {
    ProviderError::retryable(FailureKind::RateLimited, None, "429")
}

fn is_dial_of(effect: &Effect, name: &str) -> bool {
    matches!(effect, Effect::PlaceCall(_, dial) if dial.agent.as_str() == name)
}

fn is_initiated(world: &World, call: &str) -> bool {
    world.ending(call).is_some_and(|ending| matches!(ending.report.state, CallState::Initiated(_)))
}
