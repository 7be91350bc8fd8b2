//! Looking a dial of unknown outcome up at the provider, and keeping what is found.

use std::collections::BTreeSet;
use std::time::Duration;

use partyline_domain::dispatch::{LookUp, compare};
use partyline_domain::flow::{CallEvent, CallState, Dial, DoubtCause, FoundBy, Proof};
use partyline_domain::ports::{Change, Claim, Conversation, Entry, Recorded, Release, StoredCall};
use partyline_domain::{
    AttemptId, CallId, CallRequest, JournalError, PhoneNumberId, ProviderError, Timestamp, find_dial,
};
use partyline_store_adapter::CallRow;

use super::{Desk, trouble};
use crate::errors::AppError;
use crate::settings::Limits;

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

/// How many waiting calls are taken at once on the way to one; they are given back at once.
const CLAIMED_AT_ONCE: usize = 2_000;
/// How often.
const CLAIMS_MAX: u64 = 50;

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
        let intent =
            |recorded: &&Recorded| matches!(&recorded.event, CallEvent::DialIntended { attempt: of } if of == attempt);
        let intended = events.iter().find(intent)?.at;
        let number = events.iter().rev().find_map(|recorded| {
            if let CallEvent::NumberAssigned { number, .. } = &recorded.event { Some(number.clone()) } else { None }
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
        let ports = desk.world.shared_ports(desk.open, Limits::default());
        find_dial(&*ports.provider, &*ports.permits, &wanted).await
    }

    /// Writes down that it was found. The call of a process that has ended is taken over first: until somebody does, it is
    /// that process's.
    ///
    /// # Errors
    /// 1 where the store does not answer.
    pub(super) async fn keep(&self, found: &Conversation, row: &CallRow, desk: Desk<'_>) -> Result<Kept, AppError> {
        if row.owner.is_none() {
            return self.write(found, desk).await;
        }
        let Some(release) = self.take_over(desk).await? else { return Ok(Kept::MovedOn) };
        let kept = self.write(found, desk).await;
        // What is not given back is free when the lease has run out.
        let _ = desk.store.release(release).await;
        kept
    }

    /// Takes the number and the call; `None` where another process has them. Returns what is to be given back.
    async fn take_over(&self, desk: Desk<'_>) -> Result<Option<Release>, AppError> {
        let ttl = desk.open.sharing.ttl;
        let Some(taken) = desk.store.want(&self.number, ttl).await.map_err(trouble)? else { return Ok(None) };
        let mut release = Release { numbers: vec![(taken.number, taken.epoch)], ..Release::default() };
        let numbers = Some(BTreeSet::from([self.number.clone()]));
        let mut claim = Claim { ordinal: 0, answered: 0, ttl, numbers, calls_max: CLAIMED_AT_ONCE };
        let mut found = false;
        while !found && claim.ordinal < CLAIMS_MAX {
            claim.ordinal += 1;
            let claimed = desk.store.claim(&claim).await.map_err(trouble)?;
            claim.answered = claim.ordinal;
            let ids = claimed.calls.iter().filter_map(id_of);
            release.calls.extend(ids.cloned());
            found = release.calls.contains(&self.request.id);
            if !claimed.more {
                break;
            }
        }
        if !found {
            let _ = desk.store.release(release).await;
            return Ok(None);
        }
        Ok(Some(release))
    }

    async fn write(&self, found: &Conversation, desk: Desk<'_>) -> Result<Kept, AppError> {
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

fn id_of(stored: &StoredCall) -> Option<&CallId> {
    let CallEvent::CallRequested { request } = &stored.events.first()?.event else { return None };
    Some(&request.id)
}

#[cfg(test)]
mod tests {
    use partyline_domain::ports::ConversationPhoneCall;
    use partyline_domain::{CallerId, ConversationId, PhoneNumber};

    use super::super::tests::{at, attempt, doubted, history, number, request, unknown};
    use super::*;

    fn found() -> Conversation {
        Conversation {
            id: ConversationId::parse("conv_1").expect("valid"),
            agent: request().agent,
            status: partyline_domain::ports::ConversationStatus::Done,
            user_id: None,
            attempt: Some(attempt()),
            phone_call: Some(ConversationPhoneCall {
                number: Some(number()),
                external_number: Some(CallerId::new("+12025550123")),
                provider_call_id: None,
            }),
            error: None,
        }
    }

    /// What the call is after what was found has been written down, with the events that say so.
    fn kept(events: Vec<CallEvent>) -> (CallState, Vec<&'static str>, Vec<Change>) {
        let stored = history(events);
        let dial = OpenDial::of(&stored).expect("a dial is open");
        let entry = dial.entry(&found(), dial.proof(&found()), at(99_000));
        let Change::Append { expected, events, .. } = &entry.changes[0] else { panic!("{entry:?}") };
        assert_eq!(*expected, stored.len() as u64);
        assert_eq!(events[0].version, expected + 1);
        let all = stored.iter().chain(events).map(|recorded| &recorded.event);
        let state = CallState::fold(all).expect("the flow allows it");
        let names = events.iter().map(|recorded| recorded.event.name()).collect();
        (state, names, entry.changes[1..].to_vec())
    }

    #[test]
    fn what_is_found_makes_an_unknown_call_initiated() {
        for events in [unknown(), doubted()] {
            let (state, names, rest) = kept(events);
            assert_eq!(state.name(), "Initiated");
            assert_eq!(names, ["CallInitiated", "ProofRead"]);
            assert_eq!(rest, [Change::Resolve(attempt()), Change::Close(request().id)]);
        }
    }

    #[test]
    fn a_dial_whose_process_has_ended_is_doubted_first() {
        let mut events = doubted();
        events.pop();
        let (state, names, _) = kept(events);
        assert_eq!((state.name(), names), ("Initiated", vec!["DialDoubted", "CallInitiated", "ProofRead"]));
    }

    #[test]
    fn where_no_dial_is_open_there_is_nothing_to_look_up() {
        for length in 0..=3 {
            assert_eq!(OpenDial::of(&history(unknown().into_iter().take(length))), None);
        }
        let withdrawn = CallEvent::CallWithdrawn {
            reason: partyline_domain::flow::WithdrawReason::Cancelled,
            detail: String::new(),
        };
        let ended = doubted().into_iter().take(3).chain([withdrawn]);
        assert_eq!(OpenDial::of(&history(ended)), None);
    }

    #[test]
    fn of_an_erased_callee_nothing_is_said() {
        let mut stored = history(unknown());
        let CallEvent::CallRequested { request } = &mut stored[0].event else { panic!("the first event") };
        request.to = PhoneNumber::ERASED;
        let dial = OpenDial::of(&stored).expect("a dial is open");
        assert_eq!(dial.proof(&found()), Proof::Matches { complete: false });
        let other = Conversation { agent: partyline_domain::AgentId::parse("agent_x").expect("valid"), ..found() };
        assert!(matches!(dial.proof(&other), Proof::Mismatch { callee: false, .. }));
    }

    #[test]
    fn the_dial_is_over_when_it_can_no_longer_take_effect() {
        let dial = OpenDial::of(&history(unknown())).expect("a dial is open");
        let sent_by = at(750).after(request().policies.dial.send_within);
        assert_eq!(dial.over_at(Duration::from_secs(60)), sent_by.after(Duration::from_secs(60)));
        assert_eq!((dial.user_id(), dial.version), ("call_1.1", 6));
    }
}
