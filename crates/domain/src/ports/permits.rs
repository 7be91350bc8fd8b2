//! Permits: how many dials and live calls there may be at once, and how fast they may start.
//!
//! Proved by the suite `partyline_tests::contract::permits`, which any adapter can be run against.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::ids::{AttemptId, PhoneNumberId};
use crate::ports::{Clock, Timer};
use crate::time::Instant;

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

    /// Waits until a request other than a dial may be sent. (A dial's permit is for its request too.)
    async fn pace(&self) {}
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

/// How often something may happen: a shortest distance in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(Duration);

/// A rate that is not a positive number.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("a rate must be a positive number per second, at least one in a day, not {0}")]
pub struct InvalidRate(pub f64);

impl Rate {
    /// So many a second.
    ///
    /// # Errors
    /// [`InvalidRate`] where that is not a number above one in a day.
    ///
    /// ```
    /// use partyline_domain::ports::Rate;
    /// use std::time::Duration;
    /// assert_eq!(Rate::per_second(0.5)?.interval(), Duration::from_secs(2));
    /// assert!(Rate::per_second(0.0).is_err());
    /// # Ok::<(), partyline_domain::ports::InvalidRate>(())
    /// ```
    pub fn per_second(count: f64) -> Result<Self, InvalidRate> {
        let interval = Duration::try_from_secs_f64(1.0 / count).map_err(|_| InvalidRate(count))?;
        let fits = count.is_finite() && interval <= Duration::from_secs(86_400);
        fits.then_some(Self(interval)).ok_or(InvalidRate(count))
    }

    /// The shortest time from one to the next.
    pub fn interval(self) -> Duration {
        self.0
    }
}

/// Lets dials and requests of this process start no faster than at a rate, in the order in which they asked.
pub struct Paced {
    clock: Arc<dyn Clock>,
    timer: Arc<dyn Timer>,
    dials: Option<Pace>,
    requests: Option<Pace>,
}

/// One rate and who waits for it.
struct Pace {
    rate: Rate,
    line: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next: Instant,
    tickets: u64,
    queue: VecDeque<u64>,
}

/// A place in the queue, given up when it is dropped.
struct Place<'a> {
    pace: &'a Pace,
    ticket: u64,
}

impl Pace {
    fn new(rate: Rate) -> Self {
        Self { rate, line: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self) -> Place<'_> {
        let mut line = self.lock();
        line.tickets += 1;
        let ticket = line.tickets;
        line.queue.push_back(ticket);
        Place { pace: self, ticket }
    }

    async fn wait(&self, clock: &dyn Clock, timer: &dyn Timer) {
        let place = self.enter();
        while let Some(at) = place.try_now(clock.now().monotonic) {
            timer.sleep_until(at).await;
        }
    }
}

impl Place<'_> {
    /// Takes its turn where that has come; otherwise says when that may be.
    fn try_now(&self, now: Instant) -> Option<Instant> {
        let mut line = self.pace.lock();
        if line.next > now {
            return Some(line.next);
        }
        if line.queue.front() == Some(&self.ticket) {
            line.next = now.after(self.pace.rate.interval());
            return None;
        }
        // Whoever is first takes the turn that is free now. Those behind look again at each turn, so that one who
        // gives up his place costs nobody a turn.
        Some(now.after(self.pace.rate.interval()))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.pace.lock().queue.retain(|ticket| *ticket != self.ticket);
    }
}

impl Paced {
    /// Without rates it grants everything at once.
    pub fn new(clock: Arc<dyn Clock>, timer: Arc<dyn Timer>, dials: Option<Rate>, requests: Option<Rate>) -> Self {
        Self { clock, timer, dials: dials.map(Pace::new), requests: requests.map(Pace::new) }
    }

    async fn wait(&self, pace: Option<&Pace>) {
        if let Some(pace) = pace {
            pace.wait(self.clock.as_ref(), self.timer.as_ref()).await;
        }
    }
}

#[async_trait]
impl Permits for Paced {
    async fn acquire(&self, request: &PermitRequest) -> Permit {
        self.wait(self.dials.as_ref()).await;
        self.wait(self.requests.as_ref()).await;
        Permit { attempt: request.attempt.clone() }
    }

    async fn release(&self, _permit: Permit) {}

    async fn pace(&self) {
        self.wait(self.requests.as_ref()).await;
    }
}
