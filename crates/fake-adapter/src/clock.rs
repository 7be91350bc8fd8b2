//! Virtual time, and an executor that needs no runtime: it polls one future, and where that waits for nothing but
//! time, it moves time on. Single-threaded and deterministic; see `tests/virtual_time.rs`.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ports::{Clock, Timer};
use partyline_domain::{Instant, Now, Timestamp};

/// Where the wall half begins unless told otherwise: 2026-09-21T14:13:20Z.
pub const WALL_ORIGIN_SECONDS: u64 = 1_790_000_000;

/// A clock that moves only when it is told to. Clones are the same clock.
///
/// ```
/// use partyline_domain::ports::{Clock, Timer};
/// use partyline_fake_adapter::{VirtualClock, clock};
/// use std::time::Duration;
/// let time = VirtualClock::new();
/// let hour = Duration::from_secs(3600);
/// let woken = clock::run(&time, async {
///     time.sleep_until(time.now().monotonic.after(hour)).await;
///     time.now().monotonic.since_origin()
/// });
/// assert_eq!(woken, hour);
/// ```
#[derive(Clone, Debug, Default)]
pub struct VirtualClock(Arc<Mutex<Hands>>);

#[derive(Debug, Default)]
struct Hands {
    now: Now,
    // In the order in which they are due, and among equals in the order in which they were set.
    waiters: BTreeMap<(Instant, u64), Waker>,
    set: u64,
}

impl VirtualClock {
    /// A clock at its origin, with the wall half at [`WALL_ORIGIN_SECONDS`].
    pub fn new() -> Self {
        Self::starting_at(Timestamp::from_unix(Duration::from_secs(WALL_ORIGIN_SECONDS)))
    }

    /// A clock at its origin, with the wall half at `wall`.
    pub fn starting_at(wall: Timestamp) -> Self {
        let now = Now { monotonic: Instant::default(), wall };
        Self(Arc::new(Mutex::new(Hands { now, ..Hands::default() })))
    }

    /// Moves both halves on by `step` and wakes everyone who is due by then, in order.
    pub fn advance(&self, step: Duration) {
        let now = self.hands().now;
        self.move_to(now.monotonic.after(step));
    }

    /// Sets the wall half alone, as an operator or a time service may do.
    pub fn set_wall(&self, wall: Timestamp) {
        self.hands().now.wall = wall;
    }

    /// When the next waiter is due; `None` where nobody waits.
    pub fn next_due(&self) -> Option<Instant> {
        self.hands().waiters.keys().next().map(|(at, _)| *at)
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.hands().waiters.len()
    }

    fn move_to(&self, at: Instant) {
        let due = {
            let mut hands = self.hands();
            let step = at.since(hands.now.monotonic);
            hands.now = Now { monotonic: hands.now.monotonic.max(at), wall: hands.now.wall.after(step) };
            let later = hands.waiters.split_off(&(at, u64::MAX));
            std::mem::replace(&mut hands.waiters, later)
        };
        due.into_values().for_each(Waker::wake);
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Now {
        self.hands().now
    }
}

#[async_trait]
impl Timer for VirtualClock {
    async fn sleep_until(&self, at: Instant) {
        Sleep { clock: self, at, key: None }.await;
    }
}

struct Sleep<'a> {
    clock: &'a VirtualClock,
    at: Instant,
    key: Option<(Instant, u64)>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock;
        let mut hands = clock.hands();
        if hands.now.monotonic >= self.at {
            return Poll::Ready(());
        }
        let key = self.key.unwrap_or_else(|| {
            hands.set += 1;
            (self.at, hands.set)
        });
        self.key = Some(key);
        hands.waiters.insert(key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.clock.hands().waiters.remove(&key);
        }
    }
}

/// Real time, for the emulator and for tests over sockets. Must be used within a tokio runtime.
#[derive(Clone, Debug)]
pub struct RealClock {
    origin: tokio::time::Instant,
    wall_origin: Timestamp,
}

impl Default for RealClock {
    #[expect(clippy::disallowed_methods, reason = "this is the place where real time comes in")]
    fn default() -> Self {
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self { origin: tokio::time::Instant::now(), wall_origin: Timestamp::from_unix(wall) }
    }
}

impl Clock for RealClock {
    fn now(&self) -> Now {
        let elapsed = self.origin.elapsed();
        Now { monotonic: Instant::from_origin(elapsed), wall: self.wall_origin.after(elapsed) }
    }
}

/// The runtime's timer wakes up to this much too late (it rounds up to whole milliseconds twice: measured 1.6 ms),
/// so the last stretch is spent yielding.
const TIMER_GRAIN: Duration = Duration::from_millis(2);

#[async_trait]
impl Timer for RealClock {
    async fn sleep_until(&self, at: Instant) {
        let at = self.origin + at.since_origin();
        if tokio::time::Instant::now() + TIMER_GRAIN < at {
            tokio::time::sleep_until(at - TIMER_GRAIN).await;
        }
        while tokio::time::Instant::now() < at {
            tokio::task::yield_now().await;
        }
    }
}

/// Why a future did not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Stuck {
    /// It waits, but neither for time nor for anything it could still do itself.
    #[error("nothing can make progress at {at}")]
    Idle {
        /// The clock then.
        at: Instant,
    },
    /// The next thing would happen after the limit.
    #[error("the limit of virtual time is passed: the next waiter is due at {due}")]
    LimitPassed {
        /// When it would have gone on.
        due: Instant,
    },
}

/// Runs a future to its end, moving `clock` on whenever nothing else can be done.
///
/// # Panics
/// Where the future can make no progress any more.
pub fn run<F: Future>(clock: &VirtualClock, future: F) -> F::Output {
    run_within(clock, Duration::MAX, future).unwrap_or_else(|stuck| panic!("{stuck}"))
}

/// Runs a future to its end or until `limit` of virtual time has gone by since the start.
///
/// The future must wake itself on this thread: nothing else is waited for.
///
/// # Errors
/// [`Stuck`] where the future can make no progress any more, or only after the limit.
pub fn run_within<F: Future>(clock: &VirtualClock, limit: Duration, future: F) -> Result<F::Output, Stuck> {
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&flag));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    let end = clock.now().monotonic.after(limit);
    loop {
        while flag.0.swap(false, Ordering::AcqRel) {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return Ok(output);
            }
        }
        match clock.next_due() {
            None => return Err(Stuck::Idle { at: clock.now().monotonic }),
            Some(due) if due > end => return Err(Stuck::LimitPassed { due }),
            Some(due) => clock.move_to(due),
        }
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}
