//! Places one call through ports made by hand, without any runtime: `cargo run --example hand_made_ports`.
//!
//! The "provider" here is a few lines in memory: one agent, and one number that belongs to nobody yet.
#![expect(clippy::print_stdout, reason = "an example tells what happens")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ports::{
    AgentProfile, Agents, AssignNumber, AssignedAgent, Clock, Conversation, ConversationPhoneCall, ConversationQuery,
    ConversationStatus, ConversationSummary, Conversations, DialAccepted, DialAnswer, DialRequest, Dialer, Ids,
    MemoryJournal, Number, NumberProvider, Numbers, Page, PageRequest, Timer, Unlimited,
};
use partyline_domain::{
    AgentId, CallId, CallRequest, CallerId, ConversationId, Instant, Known, Notice, Now, NumberChoice, Observer,
    PhoneNumber, PhoneNumberId, Ports, Priority, ProviderError, RunId, Timestamp, place,
};

/// A provider with one agent and one number.
struct TinyProvider {
    agent: AgentProfile,
    number: Mutex<Number>,
    dialled: Mutex<Option<DialRequest>>,
}

impl TinyProvider {
    fn number_now(&self) -> Number {
        self.number.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Agents for TinyProvider {
    async fn agent(&self, id: &AgentId) -> Result<Option<AgentProfile>, ProviderError> {
        Ok((*id == self.agent.id).then(|| self.agent.clone()))
    }

    async fn agents(&self, _page: &PageRequest) -> Result<Page<AgentProfile>, ProviderError> {
        Ok(Page { items: vec![self.agent.clone()], next: None })
    }

    async fn summaries(&self, ids: &[AgentId]) -> Result<BTreeMap<AgentId, AgentProfile>, ProviderError> {
        Ok(ids.iter().filter(|id| **id == self.agent.id).map(|id| (id.clone(), self.agent.clone())).collect())
    }
}

#[async_trait]
impl Numbers for TinyProvider {
    async fn number(&self, id: &PhoneNumberId) -> Result<Option<Number>, ProviderError> {
        Ok(Some(self.number_now()).filter(|number| number.id == *id))
    }

    async fn numbers(&self) -> Result<Vec<Number>, ProviderError> {
        Ok(vec![self.number_now()])
    }

    async fn assign(&self, order: &AssignNumber) -> Result<Number, ProviderError> {
        let mut number = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        number.assigned = order.agent.clone().map(|id| AssignedAgent { id, name: String::new() });
        Ok(number.clone())
    }
}

#[async_trait]
impl Dialer for TinyProvider {
    async fn dial(&self, request: &DialRequest) -> Result<DialAnswer, ProviderError> {
        *self.dialled.lock().unwrap_or_else(PoisonError::into_inner) = Some(request.clone());
        let conversation = ConversationId::parse("conv_1").expect("a valid id");
        Ok(DialAnswer::Accepted(DialAccepted { conversation, provider_call_id: None }))
    }
}

#[async_trait]
impl Conversations for TinyProvider {
    async fn conversation(&self, id: &ConversationId) -> Result<Option<Conversation>, ProviderError> {
        let dialled = self.dialled.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(dialled.map(|dial| Conversation {
            id: id.clone(),
            agent: dial.agent.clone(),
            status: ConversationStatus::InProgress,
            user_id: Some(dial.user_id().to_owned()),
            attempt: Some(dial.attempt.clone()),
            phone_call: Some(ConversationPhoneCall {
                number: Some(dial.number.clone()),
                external_number: Some(CallerId::new(dial.to.e164())),
                provider_call_id: None,
            }),
            error: None,
        }))
    }

    async fn conversations(&self, _query: &ConversationQuery) -> Result<Page<ConversationSummary>, ProviderError> {
        Ok(Page { items: Vec::new(), next: None })
    }
}

/// A clock that goes forward a millisecond at each look, and a timer that never has to wait.
#[derive(Default)]
struct TinyClock(AtomicU64);

impl Clock for TinyClock {
    fn now(&self) -> Now {
        let passed = Duration::from_millis(self.0.fetch_add(1, Ordering::Relaxed));
        Now { monotonic: Instant::from_origin(passed), wall: Timestamp::from_unix(passed) }
    }
}

#[async_trait]
impl Timer for TinyClock {
    async fn sleep_until(&self, _at: Instant) {}
}

struct TinyIds;

impl Ids for TinyIds {
    fn call_id(&self) -> CallId {
        CallId::parse("call_1").expect("a valid id")
    }

    fn run_id(&self) -> RunId {
        RunId::parse("run_1").expect("a valid id")
    }
}

struct Printer;

impl Observer for Printer {
    fn notice(&self, notice: &Notice) {
        if let Notice::Recorded { recorded, .. } = notice {
            println!("{:>2} {}", recorded.version, recorded.event.name());
        }
        if let Notice::Completed(report) = notice {
            println!("=> {} after {:?}", report.state.name(), report.elapsed);
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let agent = AgentProfile { id: AgentId::parse("agent_restaurant")?, name: "Restaurant".into(), archived: false };
    let number = Number {
        id: PhoneNumberId::parse("phnum_main")?,
        caller_id: CallerId::new("+12025550100"),
        label: "main".into(),
        provider: NumberProvider::Twilio,
        assigned: None,
        inbound: true,
        outbound: true,
    };
    let clock = Arc::new(TinyClock::default());
    let provider = TinyProvider { agent, number: Mutex::new(number), dialled: Mutex::new(None) };
    let ports = Ports {
        provider: Arc::new(provider),
        clock: clock.clone(),
        timer: clock,
        ids: Arc::new(TinyIds),
        journal: Arc::new(MemoryJournal::new()),
        permits: Arc::new(Unlimited),
    };
    let request = CallRequest {
        id: ports.ids.call_id(),
        agent: AgentId::parse("agent_restaurant")?,
        numbers: NumberChoice::one(PhoneNumberId::parse("phnum_main")?),
        to: PhoneNumber::parse("+1 202 555 0123")?,
        priority: Priority::Normal,
        expires_at: None,
        options: Arc::default(),
        policies: Arc::default(),
    };
    let report = block_on(place(ports, request, Known::default(), Arc::new(Printer)));
    println!("{} is speaking to {}", report.agent_name.unwrap_or_default(), report.request.to.e164());
    Ok(())
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Any executor will do; this is the smallest.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
