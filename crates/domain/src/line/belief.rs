//! Who is believed to answer a number, and since when that is known.

use std::time::Duration;

use crate::flow::Evidence;
use crate::ids::AgentId;
use crate::time::Instant;

/// Who answers the number, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Belief {
    /// Nothing is known, or a change may or may not have happened.
    Unknown,
    /// The provider said so.
    Known {
        /// Who answers; `None` = nobody.
        agent: Option<AgentId>,
        /// When the request was sent whose answer says so.
        confirmed_at: Instant,
        /// Whether this dispatcher asked; otherwise it was told.
        asked: bool,
    },
}

impl Belief {
    pub(super) fn told(agent: Option<AgentId>, now: Instant) -> Self {
        Self::Known { agent, confirmed_at: now, asked: false }
    }

    /// From an answer to a request sent at `sent`.
    pub(super) fn asked(agent: Option<AgentId>, sent: Instant) -> Self {
        Self::Known { agent, confirmed_at: sent, asked: true }
    }

    /// From an answer that came `now` and took longer than `freshness`, as the one before did: it is still good for
    /// what is decided in the next moment, or a slow provider would be asked for ever.
    pub(super) fn asked_of_the_slow(agent: Option<AgentId>, now: Instant, freshness: Duration) -> Self {
        let moment = (freshness / 2).min(Duration::from_secs(1));
        let oldest = Instant::from_origin(now.since_origin().saturating_sub(freshness.saturating_sub(moment)));
        Self::Known { agent, confirmed_at: oldest, asked: true }
    }

    /// Who answers; the outer `None` = unknown.
    pub fn agent(&self) -> Option<Option<&AgentId>> {
        match self {
            Self::Unknown => None,
            Self::Known { agent, .. } => Some(agent.as_ref()),
        }
    }

    /// When the request was sent whose answer says so.
    pub(super) fn confirmed_at(&self) -> Option<Instant> {
        match self {
            Self::Unknown => None,
            Self::Known { confirmed_at, .. } => Some(*confirmed_at),
        }
    }

    pub(super) fn is_fresh(&self, now: Instant, freshness: Duration) -> bool {
        match self {
            Self::Unknown => false,
            Self::Known { confirmed_at, .. } => now.since(*confirmed_at) <= freshness,
        }
    }

    pub(super) fn evidence(&self, since: Instant) -> Evidence {
        match self {
            Self::Known { confirmed_at, asked: true, .. } if *confirmed_at >= since => Evidence::Fresh,
            Self::Known { .. } | Self::Unknown => Evidence::Cached,
        }
    }
}
