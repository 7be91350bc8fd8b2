//! The provider ports, straight on the world: no bytes, no sockets, and with zero latency no waiting either.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ports::{
    AgentProfile, Agents, AssignNumber, Clock, Conversation, ConversationQuery, ConversationSummary, Conversations,
    DialAccepted, DialAnswer, DialRefused, DialRequest, Dialer, Number, NumberProvider, Numbers, Page, PageRequest,
    ProviderCallId, Timer,
};
use partyline_domain::{AgentId, ConversationId, FailureKind, Instant, PhoneNumberId, ProviderError};

use crate::classify::{Access, Trouble, provider_error};
use crate::clock::VirtualClock;
use crate::world::{AssignOrder, Assignee, Body, ClientData, DialOrder, Dialed, Reply, Request, Sent, SharedWorld};

/// How long answers are waited for, as an HTTP client would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For everything but a dial.
    pub request: Duration,
    /// For a dial, beyond the time the callee's phone may ring.
    pub dial_margin: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { request: Duration::from_secs(10), dial_margin: Duration::from_secs(30) }
    }
}

/// The provider as the ports see it. One request is sent per invocation; nothing is repeated.
///
/// ```
/// use partyline_domain::ports::{Agents, PageRequest};
/// use partyline_fake_adapter::{FakeProvider, SharedWorld, VirtualClock, World, WorldConfig, clock};
/// let time = VirtualClock::new();
/// let provider = FakeProvider::new(SharedWorld::new(World::new(WorldConfig::sandbox())), &time);
/// let page = clock::run(&time, provider.agents(&PageRequest::default()))?;
/// assert_eq!(page.items[0].name, "Restaurant");
/// # Ok::<(), partyline_domain::ProviderError>(())
/// ```
#[derive(Clone)]
pub struct FakeProvider {
    world: SharedWorld,
    clock: Arc<dyn Clock>,
    timer: Arc<dyn Timer>,
    timeouts: Timeouts,
    requests: Arc<AtomicU64>,
}

impl FakeProvider {
    /// A provider in virtual time.
    pub fn new(world: SharedWorld, time: &VirtualClock) -> Self {
        Self::with_time(world, Arc::new(time.clone()), Arc::new(time.clone()))
    }

    /// A provider in any time.
    pub fn with_time(world: SharedWorld, clock: Arc<dyn Clock>, timer: Arc<dyn Timer>) -> Self {
        Self { world, clock, timer, timeouts: Timeouts::default(), requests: Arc::default() }
    }

    /// The same with other timeouts.
    #[must_use]
    pub fn with_timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self }
    }

    /// The world behind it.
    pub fn world(&self) -> &SharedWorld {
        &self.world
    }

    /// How many requests it and its clones have sent.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    async fn read(&self, request: Request) -> Result<Body, ProviderError> {
        self.send(request, Access::Read, self.timeouts.request).await
    }

    async fn send(&self, request: Request, access: Access, timeout: Duration) -> Result<Body, ProviderError> {
        let now = self.clock.now();
        self.requests.fetch_add(1, Ordering::Relaxed);
        let reply = match self.world.begin(request, now) {
            Sent::Answered(reply) => reply,
            Sent::Waiting(pending, answer_at) => {
                let give_up_at = now.monotonic.after(timeout);
                let Some(answer_at) = answer_at.filter(|answer_at| *answer_at <= give_up_at) else {
                    self.timer.sleep_until(give_up_at).await;
                    return Err(provider_error(access, Trouble::TimedOut));
                };
                self.timer.sleep_until(answer_at).await;
                pending.claim(self.clock.now())
            }
        };
        match reply {
            Reply::Good(body, _) => Ok(body),
            Reply::Failed(failure) => Err(provider_error(access, Trouble::Failed(&failure))),
            Reply::Garbage => Err(provider_error(access, Trouble::Unreadable)),
            Reply::Half(_) | Reply::Reset => Err(provider_error(access, Trouble::Interrupted)),
            Reply::Silence => Err(provider_error(access, Trouble::TimedOut)),
        }
    }

    /// The last look at the clock before the first byte.
    fn in_time(&self, not_after: Instant) -> Result<(), ProviderError> {
        if self.clock.now().monotonic > not_after {
            let detail = "its time to be sent had passed, so nothing was sent";
            return Err(ProviderError::retryable(FailureKind::TooLate, None, detail));
        }
        Ok(())
    }
}

/// The answer to a read, where 404 means that there is no such thing.
fn found(result: Result<Body, ProviderError>) -> Result<Option<Body>, ProviderError> {
    match result {
        Ok(body) => Ok(Some(body)),
        Err(error) if error.kind() == FailureKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[async_trait]
impl Agents for FakeProvider {
    async fn agent(&self, id: &AgentId) -> Result<Option<AgentProfile>, ProviderError> {
        match found(self.read(Request::Agent { id: id.clone(), numbers: false }).await)? {
            Some(Body::Agent(profile, _)) => Ok(Some(profile)),
            Some(_) => mismatched(),
            None => Ok(None),
        }
    }

    async fn agents(&self, page: &PageRequest) -> Result<Page<AgentProfile>, ProviderError> {
        let Body::Agents(page) = self.read(Request::Agents { page: page.clone(), archived: false }).await? else {
            mismatched()
        };
        Ok(page)
    }

    async fn summaries(&self, ids: &[AgentId]) -> Result<BTreeMap<AgentId, AgentProfile>, ProviderError> {
        let Body::Summaries(agents) = self.read(Request::Summaries(ids.to_vec())).await? else { mismatched() };
        Ok(agents)
    }
}

#[async_trait]
impl Numbers for FakeProvider {
    async fn number(&self, id: &PhoneNumberId) -> Result<Option<Number>, ProviderError> {
        match found(self.read(Request::Number(id.clone())).await)? {
            Some(Body::Number(number)) => Ok(Some(number)),
            Some(_) => mismatched(),
            None => Ok(None),
        }
    }

    async fn numbers(&self) -> Result<Vec<Number>, ProviderError> {
        let Body::Numbers(numbers) = self.read(Request::Numbers { provider: None, agent: None }).await? else {
            mismatched()
        };
        Ok(numbers)
    }

    async fn assign(&self, order: &AssignNumber) -> Result<Number, ProviderError> {
        let request = Request::Assign(AssignOrder {
            number: order.number.clone(),
            assignee: order.agent.clone().map_or(Assignee::Nobody, Assignee::Agent),
            label: None,
            attempt: Some(order.attempt.clone()),
        });
        self.in_time(order.not_after)?;
        let Body::Number(number) = self.send(request, Access::Write, self.timeouts.request).await? else {
            mismatched()
        };
        Ok(number)
    }
}

#[async_trait]
impl Dialer for FakeProvider {
    async fn dial(&self, request: &DialRequest) -> Result<DialAnswer, ProviderError> {
        if let NumberProvider::Other(_) = request.provider {
            let detail = "numbers of this provider cannot be dialled from, so nothing was sent";
            return Err(ProviderError::permanent(FailureKind::NotBuilt, detail));
        }
        let ringing_timeout = request.options.ringing_timeout.duration();
        let order = Request::Dial(DialOrder {
            route: request.provider.clone(),
            agent: request.agent.clone(),
            number: request.number.clone(),
            to: Some(request.to),
            attempt: Some(request.attempt.clone()),
            client: ClientData::Options(Arc::clone(&request.options)),
            ringing_timeout,
        });
        self.in_time(request.not_after)?;
        let Body::Dialed(dialed) = self.send(order, Access::Write, ringing_timeout + self.timeouts.dial_margin).await?
        else {
            mismatched()
        };
        verdict(dialed)
    }
}

fn verdict(dialed: Dialed) -> Result<DialAnswer, ProviderError> {
    let Dialed { success, message, conversation, call_sid, .. } = dialed;
    match (success, conversation) {
        (true, Some(conversation)) => {
            let provider_call_id = call_sid.and_then(ProviderCallId::new);
            Ok(DialAnswer::Accepted(DialAccepted { conversation, provider_call_id }))
        }
        (true, None) => {
            let detail = "the provider took the call but named no conversation";
            Err(ProviderError::in_doubt(FailureKind::Unreadable, detail).with_status(200))
        }
        (false, conversation) => Ok(DialAnswer::Refused(DialRefused { message: message.into_owned(), conversation })),
    }
}

#[async_trait]
impl Conversations for FakeProvider {
    async fn conversation(&self, id: &ConversationId) -> Result<Option<Conversation>, ProviderError> {
        match found(self.read(Request::Conversation(id.clone())).await)? {
            Some(Body::Conversation(view)) => Ok(Some(view.into_domain())),
            Some(_) => mismatched(),
            None => Ok(None),
        }
    }

    async fn conversations(&self, query: &ConversationQuery) -> Result<Page<ConversationSummary>, ProviderError> {
        let Body::Conversations(page) = self.read(Request::Conversations(query.clone())).await? else { mismatched() };
        Ok(page)
    }
}

fn mismatched() -> ! {
    unreachable!("the world answers each request with its own kind of body")
}
