//! The provider's record of a conversation, and how it changes with time.

use std::sync::Arc;
use std::time::Duration;

use partyline_domain::ports::{
    Conversation, ConversationPhoneCall, ConversationStatus, ConversationSummary, NumberProvider, ProviderCallId,
};
use partyline_domain::{AgentId, AttemptId, CallerId, ConversationId, Instant, Now, PhoneNumber, PhoneNumberId};

use super::request::ClientData;

/// How calls go once they are placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallModel {
    /// How long it rings before the callee answers. On the SIP route the dial's answer waits for that.
    /// Where it is longer than the dial allows, nobody answers.
    pub ring: Duration,
    /// How long the two speak.
    pub talk: Duration,
    /// How long the provider then works up the conversation.
    pub processing: Duration,
}

impl Default for CallModel {
    fn default() -> Self {
        Self { ring: Duration::ZERO, talk: Duration::from_secs(60), processing: Duration::from_secs(5) }
    }
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes its way: ringing, speaking, worked up, done.
    Answered,
    /// It rings in vain until the time allowed for that is over.
    Unanswered {
        /// That time.
        ringing_timeout: Duration,
    },
    /// It failed at once.
    Failed {
        /// The code of the error.
        code: u16,
        /// The error in words.
        reason: &'static str,
    },
}

/// The provider's record of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationRecord {
    /// Its place among all conversations.
    pub count: usize,
    /// Its id.
    pub id: ConversationId,
    /// The agent that speaks.
    pub agent: AgentId,
    /// The number it was placed from.
    pub number: PhoneNumberId,
    /// Who provides that number's line.
    pub provider: NumberProvider,
    /// That number as callees see it.
    pub from: Arc<CallerId>,
    /// The callee.
    pub to: Option<PhoneNumber>,
    /// Our attempt id, from the dynamic variable.
    pub attempt: Option<AttemptId>,
    /// What it was opened with.
    pub client: ClientData,
    /// When it was opened.
    pub started: Now,
    /// What becomes of it.
    pub fate: Fate,
}

/// A conversation at one point in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationView {
    /// The record.
    pub record: ConversationRecord,
    /// How far it is.
    pub status: ConversationStatus,
    /// How long the two spoke; zero until that is over.
    pub spoken: Duration,
    /// What the telephony side calls it; empty where it never got there.
    pub call_sid: String,
}

impl ConversationRecord {
    /// The user id it was opened with.
    pub fn user_id(&self) -> Option<&str> {
        match &self.client {
            ClientData::Options(options) => {
                let ours = self.attempt.as_ref().map(AttemptId::as_str);
                options.user_id.as_ref().map(partyline_domain::UserId::as_str).or(ours)
            }
            ClientData::Json(data) => data.get("user_id").and_then(serde_json::Value::as_str),
        }
    }

    /// How far it is.
    pub fn status(&self, model: CallModel, now: Instant) -> ConversationStatus {
        let age = now.since(self.started.monotonic);
        match self.fate {
            Fate::Failed { .. } => ConversationStatus::Failed,
            Fate::Unanswered { ringing_timeout } if age >= ringing_timeout => ConversationStatus::Failed,
            Fate::Unanswered { .. } => ConversationStatus::Initiated,
            Fate::Answered if age < model.ring => ConversationStatus::Initiated,
            Fate::Answered if age < model.ring + model.talk => ConversationStatus::InProgress,
            Fate::Answered if age < model.ring + model.talk + model.processing => ConversationStatus::Processing,
            Fate::Answered => ConversationStatus::Done,
        }
    }

    /// Why it failed, where it has: a code and words.
    pub fn error(&self, status: &ConversationStatus) -> Option<(u16, &'static str)> {
        match self.fate {
            Fate::Failed { code, reason } => Some((code, reason)),
            Fate::Unanswered { .. } if *status == ConversationStatus::Failed => Some((1011, "request timed out")),
            Fate::Unanswered { .. } | Fate::Answered => None,
        }
    }

    pub(super) fn summary(&self, model: CallModel, now: Instant) -> ConversationSummary {
        ConversationSummary {
            id: self.id.clone(),
            agent: self.agent.clone(),
            started_at: self.started.wall,
            status: self.status(model, now),
        }
    }
}

impl ConversationView {
    /// As the port shows it.
    pub fn into_domain(self) -> Conversation {
        let error = self.record.error(&self.status).map(|(_, reason)| reason.to_owned());
        let user_id = self.record.user_id().map(str::to_owned);
        let record = self.record;
        let phone_call = ConversationPhoneCall {
            number: Some(record.number),
            external_number: record.to.map(|to| CallerId::new(to.e164())),
            provider_call_id: ProviderCallId::new(self.call_sid),
        };
        Conversation {
            id: record.id,
            agent: record.agent,
            status: self.status,
            user_id,
            attempt: record.attempt,
            phone_call: Some(phone_call),
            error,
        }
    }
}
