//! Proof: the provider's record of the conversation is compared with the call.

use crate::dispatch::Dispatcher;
use crate::dispatch::effect::{Effect, Slot};
use crate::dispatch::record::{Proving, Step};
use crate::error::ProviderError;
use crate::flow::{CallEvent, CallState, Proof};
use crate::ids::{ConversationId, PhoneNumberId};
use crate::notice::Notice;
use crate::policy::ProofPolicy;
use crate::ports::Conversation;
use crate::request::CallRequest;
use crate::time::Now;

/// What the provider's record says about a call that was placed from `from`.
pub fn compare(record: &Conversation, request: &CallRequest, from: &PhoneNumberId) -> Proof {
    let phone_call = record.phone_call.as_ref();
    let number = phone_call.and_then(|call| call.number.as_ref());
    let callee = phone_call.and_then(|call| call.external_number.as_ref()).and_then(|callee| callee.is(&request.to));
    let other_agent = (record.agent != request.agent).then(|| record.agent.clone());
    let other_number = number.filter(|number| *number != from).cloned();
    let other_callee = callee == Some(false);
    if other_agent.is_some() || other_number.is_some() || other_callee {
        return Proof::Mismatch { agent: other_agent, number: other_number, callee: other_callee };
    }
    Proof::Matches { complete: number.is_some() && callee.is_some() }
}

impl Dispatcher {
    /// Reads the conversation back, as the call's policy says. `known` is a record that was just read.
    pub(super) fn prove(&mut self, slot: Slot, conversation: ConversationId, known: Option<&Conversation>, now: Now) {
        let record = self.record_mut(slot);
        match record.request.policies.proof {
            ProofPolicy::Off => return self.conclude(slot),
            ProofPolicy::Pages => return self.prove_by_pages(slot, conversation, now),
            ProofPolicy::Once | ProofPolicy::Required => {}
        }
        record.step = Step::Proof(Box::new(Proving { since: now.monotonic, done: 0, due: None, best: Proof::Absent }));
        match known {
            Some(known) => {
                let proof = compare(known, &record.request, &record.at);
                self.proof_read(slot, proof, now);
            }
            None => self.outbox.push(Effect::ReadConversation(slot, conversation)),
        }
    }

    pub(super) fn read_back(&mut self, slot: Slot) {
        let record = self.record_mut(slot);
        let Step::Proof(proving) = &mut record.step else { return };
        proving.due = None;
        if let CallState::Initiated(call) = &record.state {
            let conversation = call.conversation().clone();
            self.outbox.push(Effect::ReadConversation(slot, conversation));
        }
    }

    pub(super) fn conversation_read(
        &mut self,
        slot: Slot,
        answer: Result<Option<Conversation>, ProviderError>,
        now: Now,
    ) {
        let Some(record) = self.calls.get(&slot) else { return };
        let proof = match answer {
            Ok(Some(conversation)) => compare(&conversation, &record.request, &record.at),
            Ok(None) => Proof::Absent,
            Err(error) => {
                let (call, detail) = (record.request.id.clone(), error.detail().to_owned());
                self.outbox.push(Effect::Tell(Notice::RecordUnread { call, detail }));
                Proof::Absent
            }
        };
        self.proof_read(slot, proof, now);
    }

    fn proof_read(&mut self, slot: Slot, proof: Proof, now: Now) {
        let record = self.record_mut(slot);
        let Step::Proof(proving) = &mut record.step else { return };
        proving.done += 1;
        if proof != Proof::Absent {
            proving.best = proof;
        }
        let proof = proving.best.clone();
        let conclusive = match proof {
            Proof::Matches { complete } => complete,
            Proof::Mismatch { .. } => true,
            Proof::Absent => false,
        };
        let policies = &record.request.policies;
        let again = !conclusive && policies.proof == ProofPolicy::Required;
        let next = again.then(|| policies.look_up.due(proving.done - 1)).flatten();
        if let Some(after) = next {
            let at = proving.since.after(after).max(now.monotonic);
            proving.due = Some(at);
            self.wake_call_at(slot, at);
            return;
        }
        if let Proof::Mismatch { agent, .. } = &proof {
            let record = self.record(slot);
            let (call, number) = (record.request.id.clone(), record.at.clone());
            self.mismatched(&call, &number, agent.clone(), now);
        }
        self.write(slot, CallEvent::ProofRead { proof }, now);
        self.conclude(slot);
    }
}
