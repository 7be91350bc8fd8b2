//! A process: polled like any other, until it is paused for a while, or dies between two of its steps.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use partyline_domain::Instant;
use partyline_domain::ports::{Clock, Timer};
use partyline_fake_adapter::VirtualClock;

/// What becomes of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    /// It dies instead of being polled for this time.
    pub(super) dies_at_poll: Option<u64>,
    /// It dies at this time.
    pub(super) dies_at: Option<Instant>,
    /// It is not polled from the first time up to the second.
    pub(super) paused: Option<(Instant, Instant)>,
}

/// Runs a future as a process. Resolves with `None` where it died.
pub(super) struct Life<F> {
    future: Option<Pin<Box<F>>>,
    clock: VirtualClock,
    fate: Fate,
    polls: u64,
    alarm: Option<BoxFuture<'static, ()>>,
}

impl<F: Future> Life<F> {
    pub(super) fn new(future: F, clock: VirtualClock, fate: Fate) -> Self {
        Self { future: Some(Box::pin(future)), clock, fate, polls: 0, alarm: None }
    }

    /// Sees to it that this is polled at the next turn of its fate.
    fn wake_at(&mut self, at: Instant, context: &mut Context<'_>) {
        let clock = self.clock.clone();
        let mut alarm = async move { clock.sleep_until(at).await }.boxed();
        // Due already: whoever asks looks at the clock himself.
        let _ = alarm.poll_unpin(context);
        self.alarm = Some(alarm);
    }
}

impl<F: Future> Future for Life<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let now = self.clock.now().monotonic;
        self.polls += 1;
        let dies = self.fate.dies_at_poll.is_some_and(|poll| poll <= self.polls)
            || self.fate.dies_at.is_some_and(|at| at <= now);
        if dies {
            self.future = None;
            return Poll::Ready(None);
        }
        if let Some((from, until)) = self.fate.paused {
            if from <= now && now < until {
                self.wake_at(until, context);
                return Poll::Pending;
            }
            if now < from {
                self.wake_at(from, context);
            }
        }
        if let Some(at) = self.fate.dies_at {
            self.wake_at(at, context);
        }
        let Some(future) = &mut self.future else { return Poll::Ready(None) };
        future.as_mut().poll(context).map(Some)
    }
}
