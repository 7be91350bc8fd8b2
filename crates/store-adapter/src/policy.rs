//! The figures that both databases go by.

use std::time::Duration;

use partyline_domain::AttemptId;

/// What is known of agents is handed out for this long after they were asked about: `LinePolicy::verified_for`.
pub(crate) const AGENTS_KNOWN_FOR_MS: i64 = 300_000;
/// So long after a dial could last be sent a dead process's permit for it is kept: the longest that the dial may take, for
/// a call that rings for a few minutes; and as long as its call may be live, of which nobody tells any more.
pub(crate) const LATENESS_MS: i64 = 300_000;
/// Intents that were resolved are kept for so long, so that a commit that is repeated is known as one.
pub(crate) const RESOLVED_KEPT_MS: i64 = 86_400_000;
/// Who a process was is kept for so long after it was last heard of.
pub(crate) const PROCESSES_KEPT_MS: i64 = 7 * 86_400_000;
/// How many ids are told to whoever asks with the beginning of one.
pub(crate) const FOUND_MAX: i64 = 10;

/// What stands in the history of a call that was cancelled before any process had it.
pub(crate) const WITHDRAWN: &str = "somebody cancelled it before a process had it";

/// The call that a dial is for: its id is the attempt's without the ordinal.
pub(crate) fn call_of(attempt: &AttemptId) -> &str {
    let text = attempt.as_str();
    text.rsplit_once('.').map_or(text, |(call, _)| call)
}

/// How many turns of a rate may be taken, of those that come within a horizon, and after how long the first of them
/// comes. All in microseconds of the store's clock; `next` is the first turn that is not taken.
pub(crate) fn turns(now: i64, next: Option<i64>, interval: Duration, horizon: Duration, most: u32) -> (u32, i64) {
    let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX).max(1);
    let (interval, horizon) = (micros(interval), micros(horizon));
    let end = now.saturating_add(horizon);
    // A turn further ahead than anybody may take one means that the clock was set back.
    let first = next.filter(|next| *next <= end.saturating_add(interval)).unwrap_or(now).max(now);
    if first > end {
        return (0, first);
    }
    let count = 1 + end.saturating_sub(first) / interval;
    (u32::try_from(count).unwrap_or(u32::MAX).min(most), first)
}

/// Microseconds after `first` at which the turn after `taken` turns comes.
pub(crate) fn after(first: i64, taken: u32, interval: Duration) -> i64 {
    let step = i64::try_from(interval.as_micros()).unwrap_or(i64::MAX).max(1);
    first.saturating_add(step.saturating_mul(i64::from(taken)))
}

#[cfg(test)]
mod tests {
    use partyline_domain::CallId;

    use super::*;

    #[test]
    fn a_dial_names_its_call() {
        let call = CallId::parse("call.1").expect("an id");
        assert_eq!(call_of(&AttemptId::of_call(&call, 7)), call.as_str());
        assert_eq!(call_of(&AttemptId::parse("plain").expect("an id")), "plain");
    }

    #[test]
    fn turns_come_no_faster_than_the_rate() {
        let (second, tenth) = (Duration::from_secs(1), Duration::from_millis(100));
        let now = 5_000_000;
        assert_eq!(turns(now, None, second, tenth, 9), (1, now));
        assert_eq!(turns(now, Some(now + 50_000), second, tenth, 9), (1, now + 50_000));
        assert_eq!(turns(now, Some(now + 900_000), second, tenth, 9), (0, now + 900_000));
        assert_eq!(turns(now, Some(now - 1), second, tenth, 9), (1, now));
        let fast = Duration::from_millis(10);
        assert_eq!(turns(now, None, fast, tenth, 99), (11, now));
        assert_eq!(turns(now, None, fast, tenth, 3), (3, now));
        assert_eq!(after(now, 3, fast), now + 30_000);
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nobody_up() {
        let now = 5_000_000;
        let far = Some(now + 3_600_000_000);
        assert_eq!(turns(now, far, Duration::from_secs(1), Duration::from_millis(100), 1), (1, now));
    }
}
