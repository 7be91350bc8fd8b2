//! Permits: how many dials and live calls there may be at once, and how fast they may start.
//!
//! Proved by the suite `partyline_tests::contract::permits`, which any adapter can be run against.

use async_trait::async_trait;

use crate::ids::{AttemptId, PhoneNumberId};

/// What a permit is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PermitRequest {
    /// The dial it is for.
    pub attempt: AttemptId,
    /// The number it is to leave from.
    pub number: PhoneNumberId,
}

/// A granted permit. It is counted until it is given back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Permit {
    /// The dial it was granted for.
    pub attempt: AttemptId,
}

/// Grants permits, one per dial.
#[async_trait]
pub trait Permits: Send + Sync {
    /// Waits until the dial may be sent. Dropping the future takes the request back.
    async fn acquire(&self, request: &PermitRequest) -> Permit;

    /// Gives a permit back. A permit of a dial in doubt is kept until the doubt ends.
    async fn release(&self, permit: Permit);
}

/// Grants everything at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlimited;

#[async_trait]
impl Permits for Unlimited {
    async fn acquire(&self, request: &PermitRequest) -> Permit {
        Permit { attempt: request.attempt.clone() }
    }

    async fn release(&self, _permit: Permit) {}
}
