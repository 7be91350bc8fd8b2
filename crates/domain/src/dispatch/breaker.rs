//! Circuit breakers: an agent or a number that keeps failing is left alone for a while, then tried with one call.

use std::time::Duration;

use crate::dispatch::effect::Slot;
use crate::policy::BreakerPolicy;
use crate::time::Instant;

/// One breaker. One that has seen no failure need not be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Breaker {
    failures: u32,
    open: Option<Open>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Open {
    /// When it opened first.
    since: Instant,
    /// When a call may be tried.
    until: Instant,
    pause: Duration,
    /// The call that is being tried.
    probe: Option<Slot>,
}

/// What a failure led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) pause: Duration,
    pub(super) until: Instant,
    /// It has been open for so long that waiting is of no use.
    pub(super) hopeless: bool,
}

impl Breaker {
    /// Whether a call may be tried now.
    pub(super) fn admits(&self, now: Instant) -> bool {
        self.open.as_ref().is_none_or(|open| open.probe.is_none() && open.until <= now)
    }

    /// Whether it is closed.
    pub(super) fn is_closed(&self) -> bool {
        self.open.is_none()
    }

    /// Notes that a call is being tried.
    pub(super) fn started(&mut self, call: Slot) {
        if let Some(open) = &mut self.open {
            open.probe.get_or_insert(call);
        }
    }

    /// Notes that a call came to nothing that says anything. Whether that was the one that was being tried.
    pub(super) fn gone(&mut self, call: Slot) -> bool {
        self.open.as_mut().is_some_and(|open| open.probe.take_if(|probe| *probe == call).is_some())
    }

    /// Notes a failure; what it led to where it opened the breaker, or kept it open.
    pub(super) fn failed(&mut self, call: Slot, policy: &BreakerPolicy, now: Instant) -> Option<Opened> {
        self.failures = self.failures.saturating_add(1);
        let (since, pause) = match &self.open {
            // Calls that were under way when it opened say nothing new.
            Some(open) if open.probe != Some(call) => return None,
            Some(open) => (open.since, open.pause.saturating_mul(2).min(policy.pause_max)),
            None if policy.failures == 0 || self.failures < policy.failures => return None,
            None => (now, policy.pause),
        };
        let until = now.after(pause);
        self.open = Some(Open { since, until, pause, probe: None });
        Some(Opened { pause, until, hopeless: now.since(since) >= policy.patience })
    }

    /// Whether it has been open for so long that waiting is of no use.
    pub(super) fn is_hopeless(&self, policy: &BreakerPolicy, now: Instant) -> bool {
        self.open.as_ref().is_some_and(|open| now.since(open.since) >= policy.patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(seconds))
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_call_through_at_a_time() {
        let policy = BreakerPolicy { failures: 2, ..BreakerPolicy::default() };
        let mut breaker = Breaker::default();
        assert_eq!(breaker.failed(Slot(1), &policy, at(0)), None);
        assert!(breaker.admits(at(0)));
        let opened = breaker.failed(Slot(2), &policy, at(0)).expect("the second opens it");
        assert_eq!((opened.pause, opened.until, opened.hopeless), (policy.pause, at(2), false));
        assert!(!breaker.admits(at(1)));
        assert!(breaker.admits(at(2)));
        breaker.started(Slot(3));
        assert!(!breaker.admits(at(3)), "one call at a time");
        assert_eq!(breaker.failed(Slot(9), &policy, at(3)), None, "an old call says nothing new");
        let longer = breaker.failed(Slot(3), &policy, at(3)).expect("it stays open");
        assert_eq!(longer.pause, policy.pause * 2);
        breaker.started(Slot(4));
        assert!(breaker.gone(Slot(4)), "a call that says nothing frees the place");
        assert!(breaker.admits(at(7)));
        breaker.started(Slot(5));
        assert!(breaker.failed(Slot(5), &policy, at(500)).expect("still open").hopeless);
    }

    #[test]
    fn without_a_limit_it_never_opens() {
        let policy = BreakerPolicy { failures: 0, ..BreakerPolicy::default() };
        let mut breaker = Breaker::default();
        for call in 0..100 {
            assert_eq!(breaker.failed(Slot(call), &policy, at(0)), None);
        }
        assert!(breaker.is_closed());
    }
}
