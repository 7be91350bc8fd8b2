//! Repeats reads and assignments. A dial never comes here.
//!
//! Tests are below and in `tests/socket/`.

use std::future::Future;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use partyline_domain::ports::Clock;
use partyline_domain::{FailureKind, Instant, ProviderError, Remedy, SideEffect};
use tracing::debug;

use crate::config::Repeats;

/// One attempt of a repeated request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Counted from 1.
    pub(crate) ordinal: u32,
    /// What is left of the budget, so that the last attempt does not outlast it.
    pub(crate) remaining: Duration,
}

/// Sends with `send` until it succeeds, until its failure would not go away or may have had an effect, or until
/// the budget, the number of sends or `not_after` is used up.
pub(crate) async fn repeated<T, F, Fut>(
    repeats: &Repeats,
    clock: &dyn Clock,
    not_after: Option<Instant>,
    send: F,
) -> Result<T, ProviderError>
where
    F: Fn(Attempt) -> Fut,
    Fut: Future<Output = Result<T, ProviderError>>,
{
    let end = clock.now().monotonic.after(repeats.budget);
    let mut ordinal = 0;
    let attempt = || {
        ordinal += 1;
        send(Attempt { ordinal, remaining: end.since(clock.now().monotonic) })
    };
    // What may have had an effect is for the core to judge: it pins the number before it sends again.
    let worth_repeating = |error: &ProviderError| error.side_effect() == SideEffect::None && may_go_away(error);
    let within_limits = |error: &ProviderError, delay: Option<Duration>| {
        let delay = delay?.max(asked_wait(error));
        let next = clock.now().monotonic.after(delay);
        (next < end && not_after.is_none_or(|instant| next <= instant)).then_some(delay)
    };
    attempt
        .retry(backoff(repeats))
        .when(worth_repeating)
        .adjust(within_limits)
        .notify(|error, delay| debug!(kind = error.kind().as_str(), ?delay, "repeating a request"))
        .await
}

/// How long the provider asks to be left alone.
fn asked_wait(error: &ProviderError) -> Duration {
    match error.remedy() {
        Remedy::Retry { after } => after.unwrap_or_default(),
        Remedy::GiveUp => Duration::ZERO,
    }
}

fn backoff(repeats: &Repeats) -> ExponentialBuilder {
    let again = repeats.sends_max.saturating_sub(1);
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(repeats.delay)
        .with_max_delay(repeats.delay_max)
        .with_max_times(usize::try_from(again).unwrap_or(usize::MAX))
}

/// Whether the same request may succeed later.
fn may_go_away(error: &ProviderError) -> bool {
    matches!(
        error.kind(),
        FailureKind::Unreachable
            | FailureKind::TimedOut
            | FailureKind::Interrupted
            | FailureKind::RateLimited
            | FailureKind::Unavailable
    )
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use partyline_domain::{Class, Now};

    use super::*;

    /// Moves on by one second with every look.
    #[derive(Default)]
    struct Ticking(AtomicU64);

    impl Clock for Ticking {
        fn now(&self) -> Now {
            let seconds = self.0.fetch_add(1, Ordering::Relaxed);
            Now { monotonic: Instant::from_origin(Duration::from_secs(seconds)), ..Now::default() }
        }
    }

    fn quick() -> Repeats {
        Repeats { sends_max: 3, budget: Duration::from_secs(1000), delay: Duration::ZERO, delay_max: Duration::ZERO }
    }

    async fn run(repeats: &Repeats, not_after: Option<u64>, errors: &[ProviderError]) -> (u32, ProviderError) {
        let sent = AtomicU64::new(0);
        let clock = Ticking::default();
        let not_after = not_after.map(|seconds| Instant::from_origin(Duration::from_secs(seconds)));
        let outcome: Result<(), _> = repeated(repeats, &clock, not_after, |attempt| {
            sent.fetch_add(1, Ordering::Relaxed);
            let error = errors[(attempt.ordinal as usize - 1).min(errors.len() - 1)].clone();
            async move { Err(error) }
        })
        .await;
        let count = u32::try_from(sent.load(Ordering::Relaxed)).expect("few");
        (count, outcome.expect_err("always fails"))
    }

    fn unavailable() -> ProviderError {
        ProviderError::retryable(FailureKind::Unavailable, None, "the provider answered 503")
    }

    #[tokio::test(flavor = "current_thread")]
    async fn stops_after_the_last_send() {
        assert_eq!(run(&quick(), None, &[unavailable()]).await.0, 3);
        let once = Repeats { sends_max: 0, ..quick() };
        assert_eq!(run(&once, None, &[unavailable()]).await.0, 1);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn stops_when_the_budget_or_the_time_to_send_is_used_up() {
        let many = Repeats { sends_max: 100, budget: Duration::from_secs(10), ..quick() };
        let (sent, _) = run(&many, None, &[unavailable()]).await;
        assert!((2..10).contains(&sent), "{sent}");
        let (sent, _) = run(&Repeats { budget: Duration::from_secs(1000), ..many }, Some(10), &[unavailable()]).await;
        assert!((2..10).contains(&sent), "{sent}");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_wait_beyond_the_budget_is_not_begun() {
        let asks = ProviderError::retryable(FailureKind::RateLimited, Some(Duration::from_secs(3600)), "slow down");
        let (sent, error) = run(&quick(), None, &[asks]).await;
        assert_eq!(sent, 1);
        assert_eq!(error.class(), Class::Retryable { after: Some(Duration::from_secs(3600)) });
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_verdict_is_not_asked_for_again() {
        let verdict = ProviderError::permanent(FailureKind::NotFound, "the provider answered 404");
        assert_eq!(run(&quick(), None, std::slice::from_ref(&verdict)).await, (1, verdict));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_may_have_had_an_effect_is_told_at_once() {
        let doubt = ProviderError::in_doubt(FailureKind::Unavailable, "the provider answered 504").with_status(504);
        let doubt = doubt.with_retry_after(Some(Duration::ZERO));
        let (sent, error) = run(&quick(), None, &[doubt, unavailable()]).await;
        assert_eq!((sent, error.class(), error.status()), (1, Class::InDoubt, Some(504)));
    }
}
