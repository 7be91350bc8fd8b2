//! The way from a process to the provider, on which some requests are late.
//!
//! A request that has left takes effect whatever becomes of its process: late ones are carried by the network itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_channel::{mpsc, oneshot};
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, Either, select};
use partyline_domain::ports::{
    AgentProfile, Agents, AssignNumber, Clock, Conversation, ConversationQuery, ConversationSummary, Conversations,
    DialAnswer, DialRequest, Dialer, Number, Numbers, Page, PageRequest, Timer,
};
use partyline_domain::{AgentId, ConversationId, Instant, PhoneNumberId, ProviderError};
use partyline_fake_adapter::{Access, FakeProvider, Timeouts, Trouble, VirtualClock, provider_error};

use super::{Late, LateOf};
use crate::random::{Draw, Kind};

/// A request that is not late takes effect within this: the tail of the latencies in the world is cut off at 3.6 s.
const ON_THE_WAY_S: f64 = 4.0;

/// A dial that has left.
#[derive(Clone, Debug)]
pub(super) struct Departure {
    pub(super) process: usize,
    pub(super) agent: AgentId,
    pub(super) at: Instant,
}

/// What all processes share.
pub(super) struct Network {
    clock: VirtualClock,
    draw: Draw,
    late: Late,
    /// Requests may be late from then on.
    late_from: Instant,
    /// The process that fails, once it does.
    failing: OnceLock<usize>,
    parcels: mpsc::UnboundedSender<BoxFuture<'static, ()>>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    sent: u64,
    dials: Vec<Departure>,
    on_the_way: usize,
    landed: Instant,
}

impl Network {
    /// A network, and what carries the late requests: it never ends.
    pub(super) fn new(
        clock: VirtualClock,
        draw: Draw,
        late: Late,
        late_from: Instant,
    ) -> (Arc<Self>, impl Future<Output = ()>) {
        let (parcels, taken) = mpsc::unbounded();
        let carrier = taken.for_each_concurrent(None, |parcel: BoxFuture<'static, ()>| parcel);
        (
            Arc::new(Self { clock, draw, late, late_from, failing: OnceLock::new(), parcels, seen: Mutex::default() }),
            carrier,
        )
    }

    /// The process that fails now: the first answer counts.
    pub(super) fn fails(&self, process: impl FnOnce() -> usize) -> usize {
        *self.failing.get_or_init(process)
    }

    /// The dials since the failure of the process that did not fail, in order.
    pub(super) fn dials_since(&self, failure: Instant) -> Vec<Departure> {
        let failing = self.failing.get();
        let seen = self.seen();
        let dials = seen.dials.iter().filter(|dial| dial.at >= failure && failing != Some(&dial.process));
        dials.cloned().collect()
    }

    /// When the last late request took effect; `None` while one is on its way.
    pub(super) fn silent_since(&self) -> Option<Instant> {
        let seen = self.seen();
        (seen.on_the_way == 0).then_some(seen.landed)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Instant {
        self.clock.now().monotonic
    }

    /// How much later than usual the next request takes effect.
    fn delay(&self, process: usize) -> Duration {
        let place = {
            let mut seen = self.seen();
            seen.sent += 1;
            seen.sent
        };
        let meant = match self.late.of {
            // Before the failure only the process that has the number sends anything.
            LateOf::LastTurn | LateOf::Failing => self.failing.get().is_none_or(|failing| *failing == process),
            LateOf::Everyone => true,
        };
        let is_late = self.draw.uniform(Kind::Late, place, 0) < self.late.share;
        if !meant || !is_late || self.now() < self.late_from {
            return Duration::ZERO;
        }
        let delay = self.late.mean_s * self.draw.exponential(Kind::Late, place, 1);
        Duration::from_secs_f64(self.late.bound_s.map_or(delay, |bound| delay.min(bound - ON_THE_WAY_S)))
    }

    fn lands(&self) {
        let now = self.now();
        let mut seen = self.seen();
        seen.on_the_way -= 1;
        seen.landed = now;
    }

    /// Passes a request on later. Whoever sent it waits for the answer as long as any client does.
    async fn carry<T: Send + 'static>(
        self: &Arc<Self>,
        delay: Duration,
        patience: Duration,
        request: impl Future<Output = Result<T, ProviderError>> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let (tell, told) = oneshot::channel();
        let (network, now) = (Arc::clone(self), self.now());
        self.seen().on_the_way += 1;
        let parcel = async move {
            network.clock.sleep_until(now.after(delay)).await;
            let answer = request.await;
            network.lands();
            // Whoever asked may be gone.
            let _ = tell.send(answer);
        };
        self.parcels.unbounded_send(Box::pin(parcel)).expect("the network outlives the processes");
        match select(told, self.clock.sleep_until(now.after(patience))).await {
            Either::Left((answer, _)) => answer.expect("the network drops nothing"),
            Either::Right(((), _)) => Err(provider_error(Access::Write, Trouble::TimedOut)),
        }
    }
}

/// The provider as one process sees it.
pub(super) struct Wire {
    pub(super) network: Arc<Network>,
    pub(super) inner: FakeProvider,
    pub(super) process: usize,
}

impl Wire {
    fn is_too_late(&self, not_after: Instant) -> bool {
        self.network.now() > not_after
    }
}

/// It was checked when the request left.
fn checked() -> Instant {
    Instant::from_origin(Duration::MAX)
}

#[async_trait]
impl Agents for Wire {
    async fn agent(&self, id: &AgentId) -> Result<Option<AgentProfile>, ProviderError> {
        self.inner.agent(id).await
    }

    async fn agents(&self, page: &PageRequest) -> Result<Page<AgentProfile>, ProviderError> {
        self.inner.agents(page).await
    }

    async fn summaries(&self, ids: &[AgentId]) -> Result<BTreeMap<AgentId, AgentProfile>, ProviderError> {
        self.inner.summaries(ids).await
    }
}

#[async_trait]
impl Numbers for Wire {
    async fn number(&self, id: &PhoneNumberId) -> Result<Option<Number>, ProviderError> {
        self.inner.number(id).await
    }

    async fn numbers(&self) -> Result<Vec<Number>, ProviderError> {
        self.inner.numbers().await
    }

    async fn assign(&self, order: &AssignNumber) -> Result<Number, ProviderError> {
        if self.is_too_late(order.not_after) {
            return self.inner.assign(order).await;
        }
        let delay = self.network.delay(self.process);
        if delay.is_zero() {
            return self.inner.assign(order).await;
        }
        let (inner, order) = (self.inner.clone(), AssignNumber { not_after: checked(), ..order.clone() });
        self.network.carry(delay, Timeouts::default().request, async move { inner.assign(&order).await }).await
    }
}

#[async_trait]
impl Dialer for Wire {
    async fn dial(&self, request: &DialRequest) -> Result<DialAnswer, ProviderError> {
        if self.is_too_late(request.not_after) {
            return self.inner.dial(request).await;
        }
        let (process, agent, at) = (self.process, request.agent.clone(), self.network.now());
        self.network.seen().dials.push(Departure { process, agent, at });
        let delay = self.network.delay(process);
        if delay.is_zero() {
            return self.inner.dial(request).await;
        }
        let patience = request.options.ringing_timeout.duration() + Timeouts::default().dial_margin;
        let (inner, request) = (self.inner.clone(), DialRequest { not_after: checked(), ..request.clone() });
        self.network.carry(delay, patience, async move { inner.dial(&request).await }).await
    }
}

#[async_trait]
impl Conversations for Wire {
    async fn conversation(&self, id: &ConversationId) -> Result<Option<Conversation>, ProviderError> {
        self.inner.conversation(id).await
    }

    async fn conversations(&self, query: &ConversationQuery) -> Result<Page<ConversationSummary>, ProviderError> {
        self.inner.conversations(query).await
    }
}
