//! A store in memory: what several processes share, with virtual time and faults.
//!
//! [`StoreState`] is the whole store as a value, synchronous and without faults: the reference model. A [`Member`] is one
//! process's view of it ([`FakeStore::member`]), asynchronous, with latency and with the faults of [`StoreFault`].
//! It knows nothing of SQL. Tests: `tests/store_state.rs`, `tests/store_faults.rs`, and the suites
//! `partyline_tests::contract::store` and `partyline_tests::contract::journal`.

mod faults;
mod lease;
mod member;
mod news;
mod queue;
mod record;
mod state;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use partyline_domain::ports::Clock;
use partyline_domain::{Instant, PhoneNumberId, RunId};

use faults::StoreFaults;
pub use faults::{StoreFault, StoreFaultMix, StoreFaultRule, StoreOperation};
pub use member::Member;
use news::News;
pub use state::{AGENTS_KNOWN_FOR, CallRow, Holder, LeaseRow, StoreState};

use crate::clock::VirtualClock;

/// How the way to the store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// From question to answer. The effect is in the middle.
    pub latency: Duration,
    /// How long an answer is waited for where none comes.
    pub patience: Duration,
    /// How long after a failed commit the next try begins.
    pub retry_after: Duration,
    /// After this time [`partyline_domain::ports::Store::changed`] returns without reason.
    pub polling: Duration,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            patience: Duration::from_secs(2),
            retry_after: Duration::from_millis(200),
            polling: Duration::from_secs(1),
        }
    }
}

/// A store in memory. Clones are the same store.
///
/// ```
/// use partyline_domain::ports::{Claim, Store};
/// use partyline_domain::{PhoneNumberId, RunId};
/// use partyline_fake_adapter::{FakeStore, VirtualClock, clock};
/// use std::time::Duration;
/// let time = VirtualClock::new();
/// let store = FakeStore::new(&time);
/// let (ada, bob) = (store.member(RunId::parse("run_ada")?), store.member(RunId::parse("run_bob")?));
/// let (number, ttl) = (PhoneNumberId::parse("phnum_1")?, Duration::from_secs(10));
/// let taken = clock::run(&time, ada.want(&number, ttl))?;
/// assert_eq!(taken.map(|taken| taken.epoch), Some(1));
/// assert_eq!(clock::run(&time, bob.want(&number, ttl))?, None);
/// assert_eq!(clock::run(&time, ada.renew(ttl))?.wanted, [number]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct FakeStore(Arc<Shared>);

struct Shared {
    clock: VirtualClock,
    config: StoreConfig,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    state: StoreState,
    desks: BTreeMap<RunId, Desk>,
    // While the whole store does not answer.
    down: Vec<Span>,
}

/// What the store's side of the wire knows of one member.
#[derive(Default)]
struct Desk {
    faults: StoreFaults,
    operations: u64,
    // While this member does not reach the store.
    cut: Vec<Span>,
    news: News,
}

/// From the first to the second, that one excluded.
type Span = (Instant, Instant);

impl FakeStore {
    /// An empty store without latency.
    pub fn new(clock: &VirtualClock) -> Self {
        Self::with_config(clock, StoreConfig::default())
    }

    /// An empty store.
    pub fn with_config(clock: &VirtualClock, config: StoreConfig) -> Self {
        Self::with_state(clock, config, StoreState::default())
    }

    /// A store that holds something.
    pub fn with_state(clock: &VirtualClock, config: StoreConfig, state: StoreState) -> Self {
        let inner = Mutex::new(Inner { state, ..Inner::default() });
        Self(Arc::new(Shared { clock: clock.clone(), config, inner }))
    }

    /// The view of the process of this name. Its faults are the same whichever view of that name meets them.
    pub fn member(&self, owner: RunId) -> Arc<Member> {
        self.0.lock().desks.entry(owner.clone()).or_default();
        Arc::new(Member::new(Arc::clone(&self.0), owner))
    }

    /// What the store holds now.
    pub fn state(&self) -> StoreState {
        self.0.lock().state.clone()
    }

    /// Looks at what the store holds, or puts something into it, past all faults.
    pub fn with<T>(&self, look: impl FnOnce(&mut StoreState) -> T) -> T {
        look(&mut self.0.lock().state)
    }

    /// Loses the row of a number's lease.
    pub fn lose_lease(&self, number: &PhoneNumberId) {
        self.with(|state| state.lose_lease(number));
    }

    /// Nobody reaches the store for so long, from now on.
    pub fn go_down(&self, lasting: Duration) {
        let now = self.0.now();
        self.0.lock().down.push((now, now.after(lasting)));
    }

    /// From now on nothing goes wrong any more.
    pub fn heal(&self) {
        let now = self.0.now();
        let mut inner = self.0.lock();
        end(&mut inner.down, now);
        for desk in inner.desks.values_mut() {
            desk.faults = StoreFaults::default();
            end(&mut desk.cut, now);
        }
    }
}

/// Ends what lasts; what was cut off before was cut off.
fn end(spans: &mut Vec<Span>, now: Instant) {
    spans.retain(|(from, _)| *from < now);
    for (_, until) in spans {
        *until = now.min(*until);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while the lock is held but a broken promise of the state's own, which is our bug.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Instant {
        self.clock.now().monotonic
    }
}

impl Inner {
    fn desk(&mut self, owner: &RunId) -> &mut Desk {
        self.desks.entry(owner.clone()).or_default()
    }

    /// Whether the member was ever out of reach of the store from `from` up to `until`, both included.
    fn was_cut_off(&self, owner: &RunId, from: Instant, until: Instant) -> bool {
        let cut = self.desks.get(owner).map_or(&[][..], |desk| &desk.cut);
        self.down.iter().chain(cut).any(|(begin, end)| *begin <= until && from < *end)
    }

    /// Notes that something has changed that concerns the others. Who is cut off is not told.
    fn tell_others(&mut self, owner: &RunId, now: Instant) -> Vec<Waker> {
        let others: Vec<RunId> = self.desks.keys().filter(|other| *other != owner).cloned().collect();
        let reached = others.into_iter().filter(|other| !self.was_cut_off(other, now, now)).collect::<Vec<_>>();
        reached.iter().flat_map(|other| self.desk(other).news.tell()).collect()
    }
}
