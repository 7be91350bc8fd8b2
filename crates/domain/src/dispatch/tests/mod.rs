//! One behaviour each, by hand; the property test in `tests/dispatcher_properties.rs` does the rest. This file holds
//! what they share.

#![expect(clippy::wildcard_enum_match_arm, reason = "each test looks for the one effect it is about")]

mod audit;
mod failing;
mod flow;
mod limits;
mod restore;
mod reviewed;
mod several;
mod sharing;
mod trouble;
mod world;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::error::ProviderError;
use crate::flow::{CallState, Dialed, FailureReason, Proof, Stage};
use crate::ids::{AttemptId, ConversationId};
use crate::notice::{CallReport, RestoreOutcome};
use crate::phone::{CallerId, PhoneNumber};
use crate::policy::{AfterCall, AssignmentPolicy, Policies, ProofPolicy};
use crate::ports::AgentProfile;
use crate::ports::{
    AssignedAgent, Change, Conversation, ConversationPhoneCall, ConversationStatus, ConversationSummary, DialAccepted,
    DialAnswer, DialRefused, Number, NumberProvider, Permit,
};
use crate::request::{NumberChoice, Priority};
use crate::time::Timestamp;
use crate::{FailureKind, JournalError, SideEffect};

/// A dispatcher, a clock, and everything that came out and was not used up.
struct Bench {
    dispatcher: Dispatcher,
    now: Duration,
    effects: Vec<Effect>,
}

fn agent(name: &str) -> AgentId {
    AgentId::parse(name).expect("valid")
}

fn number_id() -> PhoneNumberId {
    PhoneNumberId::parse("phnum_1").expect("valid")
}

fn number(assigned: Option<&str>) -> Number {
    Number {
        id: number_id(),
        caller_id: CallerId::new("+12025550100"),
        label: "main".into(),
        provider: NumberProvider::Twilio,
        assigned: assigned.map(|id| AssignedAgent { id: agent(id), name: String::new() }),
        inbound: true,
        outbound: true,
    }
}

fn request(call: &str, of: &str, policies: Policies) -> CallRequest {
    CallRequest {
        id: CallId::parse(call).expect("valid"),
        agent: agent(of),
        numbers: NumberChoice::one(number_id()),
        to: PhoneNumber::parse("+12025550123").expect("valid"),
        priority: Priority::Normal,
        expires_at: None,
        options: Arc::default(),
        policies: Arc::new(policies),
    }
}

impl Bench {
    fn new() -> Self {
        Self::under(&LinePolicy::default())
    }

    fn under(policy: &LinePolicy) -> Self {
        let run = RunId::parse("run").expect("valid");
        Self { dispatcher: Dispatcher::new(run, *policy), now: Duration::ZERO, effects: Vec::new() }
    }

    fn with(request: CallRequest) -> Self {
        let mut bench = Self::new();
        bench.input(Input::Submit(Box::new(request)));
        bench
    }

    fn input(&mut self, input: Input) {
        let now = Now { monotonic: Instant::from_origin(self.now), wall: Timestamp::from_unix(self.now) };
        self.effects.extend(self.dispatcher.handle(input, now));
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.input(Input::Wake);
    }

    /// Takes out the first effect that fits.
    fn take<T>(&mut self, what: &str, fits: impl Fn(&Effect) -> Option<T>) -> T {
        let index = self.effects.iter().position(|effect| fits(effect).is_some());
        let index = index.unwrap_or_else(|| panic!("no {what} in {:#?}", self.effects));
        fits(&self.effects.remove(index)).expect("it was found")
    }

    fn has(&self, fits: impl Fn(&Effect) -> bool) -> bool {
        self.effects.iter().any(fits)
    }

    fn commit(&mut self) {
        while let Some(index) = self.effects.iter().position(|effect| matches!(effect, Effect::Commit(..))) {
            let Effect::Commit(ticket, _) = self.effects.remove(index) else { unreachable!("just matched") };
            self.input(Input::Committed(ticket, Ok(())));
        }
    }

    fn verify(&mut self, name: &str) {
        let id = self.take("verification", |effect| match effect {
            Effect::VerifyAgent(id) if id.as_str() == name => Some(id.clone()),
            _ => None,
        });
        let profile = AgentProfile { id: id.clone(), name: name.to_uppercase(), archived: false };
        self.input(Input::AgentAnswered(id, Ok(Some(profile))));
    }

    fn read(&mut self, assigned: Option<&str>) {
        let id = self.take("read", |effect| match effect {
            Effect::ReadNumber(id) => Some(id.clone()),
            _ => None,
        });
        self.input(Input::NumberAnswered(id, Ok(Some(number(assigned)))));
    }

    fn assign(&mut self, answer: Result<Option<&str>, ProviderError>) {
        let order = self.take("assignment", |effect| match effect {
            Effect::AssignNumber(order) => Some(order.clone()),
            _ => None,
        });
        self.input(Input::AssignAnswered(order.number, order.attempt, answer.map(number)));
    }

    fn permit(&mut self) {
        let (slot, attempt) = self.take("question for a permit", |effect| match effect {
            Effect::AskPermit(slot, request) => Some((*slot, request.attempt.clone())),
            _ => None,
        });
        self.input(Input::Permitted(slot, Permit { attempt }));
    }

    fn dial(&mut self, answer: Result<DialAnswer, ProviderError>) -> AttemptId {
        let (slot, attempt) = self.take("dial", |effect| match effect {
            Effect::PlaceCall(slot, dial) => Some((*slot, dial.attempt.clone())),
            _ => None,
        });
        self.input(Input::DialAnswered(slot, attempt.clone(), answer));
        attempt
    }

    fn look_up(&mut self, found: Option<Conversation>) {
        let (slot, look_up) = self.take("look-up", |effect| match effect {
            Effect::LookUp(slot, look_up) => Some((*slot, look_up.clone())),
            _ => None,
        });
        self.input(Input::LookedUp(slot, look_up.attempt, Ok(found)));
    }

    fn prove(&mut self, record: Option<Conversation>) {
        let slot = self.take("read of the conversation", |effect| match effect {
            Effect::ReadConversation(slot, _) => Some(*slot),
            _ => None,
        });
        self.input(Input::ConversationRead(slot, Ok(record)));
    }

    /// Brings a call whose number has its agent up to the dial.
    fn up_to_dial(&mut self, name: &str) {
        self.verify(name);
        self.read(Some(name));
        self.permit();
        self.commit();
    }

    /// Lets a number that still has agent a be compared and given back.
    fn give_back(&mut self) {
        self.read(Some("a"));
        self.commit();
        self.assign(Ok(Some("inbound")));
    }

    fn report(&mut self) -> CallReport {
        self.take("report", |effect| match effect {
            Effect::Tell(Notice::Completed(report)) => Some((**report).clone()),
            _ => None,
        })
    }
}

fn dials(effect: &Effect) -> bool {
    matches!(effect, Effect::PlaceCall(..))
}

fn assigns(effect: &Effect) -> bool {
    matches!(effect, Effect::AssignNumber(_))
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where failures stand too")]
fn accepted() -> Result<DialAnswer, ProviderError> {
    let conversation = ConversationId::parse("conv_1").expect("valid");
    Ok(DialAnswer::Accepted(DialAccepted { conversation, provider_call_id: None }))
}

fn timed_out() -> ProviderError {
    ProviderError::in_doubt(FailureKind::TimedOut, "no answer in time")
}

fn conversation(of: &str) -> Conversation {
    Conversation {
        id: ConversationId::parse("conv_1").expect("valid"),
        agent: agent(of),
        status: ConversationStatus::InProgress,
        user_id: None,
        attempt: None,
        phone_call: Some(ConversationPhoneCall {
            number: Some(number_id()),
            external_number: Some(CallerId::new("+12025550123")),
            provider_call_id: None,
        }),
        error: None,
    }
}

fn failure(report: &CallReport) -> (Stage, FailureReason, Dialed) {
    let CallState::Failed(failed) = &report.state else { panic!("{} has not failed", report.request.id) };
    let failure = failed.failure();
    (failure.stage, failure.reason.clone(), failure.dialed)
}
