//! Looking a dial of unknown outcome up at the provider, and keeping what is found.

use std::time::Duration;

use partyline_domain::dispatch::{LookUp, compare};
use partyline_domain::flow::{CallEvent, CallState, Dial, DoubtCause, FoundBy, Proof};
use partyline_domain::ports::{Change, Conversation, Entry, Recorded, Unlimited};
use partyline_domain::{
    AttemptId, CallId, CallRequest, JournalError, PhoneNumberId, ProviderError, Timestamp, find_dial,
};

use super::{Desk, trouble};
use crate::errors::AppError;

/// A dial that may have been executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OpenDial {
    pub(super) request: CallRequest,
    attempt: AttemptId,
    /// The number it was placed from.
    number: PhoneNumberId,
    /// When it was decided.
    intended: Timestamp,
    version: u64,
    /// Whether its process has ended while it was open, so that nobody has said yet that it is in doubt.
    unsaid: bool,
}

/// What came of keeping what was found.
pub(super) enum Kept {
    /// It is written down; this is what the record says.
    Written(Proof),
    /// Somebody else has moved the call on meanwhile.
    MovedOn,
}

impl OpenDial {
    /// The dial of this history that is open; `None` where there is none.
    pub(super) fn of(events: &[Recorded]) -> Option<Self> {
        let CallEvent::CallRequested { request } = &events.first()?.event else { return None };
        let state = CallState::fold(events.iter().map(|recorded| &recorded.event)).ok()?;
        let (attempt, unsaid) = match &state {
            CallState::Assigned(assigned) => match assigned.dial() {
                Dial::NotSent => return None,
                Dial::Sent(attempt) => (attempt, true),
                Dial::InDoubt(attempt, _) => (attempt, false),
            },
            CallState::Failed(failed) => (failed.open_attempt()?, false),
            CallState::Requested(_) | CallState::Verified(_) | CallState::Initiated(_) => return None,
        };
        let intent = |recorded: &&Recorded| matches!(&recorded.event, CallEvent::DialIntended { attempt: of } if of == attempt);
        let intended = events.iter().find(intent)?.at;
        let number = events.iter().rev().find_map(|recorded| match &recorded.event {
            CallEvent::NumberAssigned { number, .. } => Some(number.clone()),
            _ => None,
        })?;
        let version = events.last()?.version;
        Some(Self { request: request.clone(), attempt: attempt.clone(), number, intended, version, unsaid })
    }

    /// When it can no longer take effect, where a request does so within `lateness` of being sent.
    pub(super) fn over_at(&self, lateness: Duration) -> Timestamp {
        self.intended.after(self.request.policies.dial.send_within).after(lateness)
    }

    /// When it was decided.
    pub(super) fn intended(&self) -> Timestamp {
        self.intended
    }

    /// The user id under which the provider has it.
    pub(super) fn user_id(&self) -> &str {
        self.request.options.user_id.as_ref().map_or(self.attempt.as_str(), partyline_domain::UserId::as_str)
    }

    /// Looks it up as the dispatcher does for the last time.
    pub(super) async fn look_up(&self, desk: Desk<'_>) -> Result<Option<Conversation>, ProviderError> {
        let wanted = LookUp {
            attempt: self.attempt.clone(),
            user_id: self.user_id().to_owned(),
            unique: self.request.options.user_id.is_none(),
            sent_at: self.intended,
            to: self.request.to,
            last: true,
        };
        find_dial(desk.world.provider(), &Unlimited, &wanted).await
    }

    /// Writes down that it was found.
    ///
    /// # Errors
    /// 1 where the store does not answer.
    pub(super) async fn keep(&self, found: &Conversation, desk: Desk<'_>) -> Result<Kept, AppError> {
        let proof = self.proof(found);
        let entry = self.entry(found, proof.clone(), desk.now());
        let answer = desk.store.commit(vec![entry]).await.pop().unwrap_or(Ok(()));
        match answer {
            Ok(()) => Ok(Kept::Written(proof)),
            Err(JournalError::Conflict { .. } | JournalError::Fenced { .. }) => Ok(Kept::MovedOn),
            Err(JournalError::Unavailable { detail, .. }) => {
                Err(trouble(partyline_domain::ports::StoreUnavailable { detail }))
            }
            Err(other) => Err(AppError::unexpected(other.to_string())),
        }
    }

    /// What the record says. Of a callee who was erased it cannot be said whether it is the right one.
    fn proof(&self, found: &Conversation) -> Proof {
        if !self.request.to.is_erased() {
            return compare(found, &self.request, &self.number);
        }
        let mut found = found.clone();
        if let Some(phone_call) = &mut found.phone_call {
            phone_call.external_number = None;
        }
        compare(&found, &self.request, &self.number)
    }

    fn entry(&self, found: &Conversation, proof: Proof, now: Timestamp) -> Entry {
        let attempt = self.attempt.clone();
        let doubted = self.unsaid.then(|| CallEvent::DialDoubted {
            attempt: attempt.clone(),
            cause: DoubtCause::Recovered,
            detail: "the process that was dialling has ended".to_owned(),
        });
        let initiated = CallEvent::CallInitiated {
            attempt: attempt.clone(),
            conversation: found.id.clone(),
            provider_call_id: found.phone_call.as_ref().and_then(|call| call.provider_call_id.clone()),
            found_by: FoundBy::LookUp,
        };
        let events = doubted.into_iter().chain([initiated, CallEvent::ProofRead { proof }]);
        let versions = self.version + 1..;
        let events = versions.zip(events).map(|(version, event)| Recorded { version, at: now, event }).collect();
        let call: CallId = self.request.id.clone();
        let mut changes = vec![Change::Append { call: call.clone(), expected: self.version, events }];
        // The number has to stay with the agent for as long as the call's policy says.
        if self.over_at(self.request.policies.settle_after_post) <= now || self.settles_at_once() {
            changes.push(Change::Resolve(attempt));
        }
        changes.push(Change::Close(call));
        Entry { changes }
    }

    fn settles_at_once(&self) -> bool {
        self.request.policies.settle_after_post.is_zero()
    }
}
