//! The calls that may be live at the provider, where their number is limited: dials in flight, dials in doubt, and
//! conversations of which there is no evidence that they have ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::dispatch::effect::{Effect, Slot};
use crate::dispatch::{Dispatcher, TimerKey};
use crate::ids::ConversationId;
use crate::ports::Permit;
use crate::time::{Instant, Now, Timestamp};

/// A conversation that no list has shown for so long, although it should, is taken for over.
const UNSEEN_MAX: Duration = Duration::from_secs(900);

/// See the module. Empty where there is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Live {
    holds: BTreeSet<Slot>,
    /// Calls that ended unknown, until their dials can no longer take effect, with their permits.
    lingering: BTreeMap<Slot, (Instant, Option<Permit>)>,
    conversations: BTreeMap<ConversationId, Followed>,
    /// Since when the list cannot be read.
    unreadable: Option<Instant>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Followed {
    /// Kept as long as the conversation goes on: other processes count it.
    permit: Option<Permit>,
    started: Timestamp,
    /// When it was last shown.
    shown: Option<Instant>,
    /// Since when it is not shown, although the list is read.
    missing: Option<Instant>,
}

impl Live {
    /// How many more there may be; `None` where there is no limit.
    pub(super) fn free(&self, limit: Option<usize>) -> Option<usize> {
        let used = self.holds.len() + self.lingering.len() + self.conversations.len();
        limit.map(|limit| limit.max(1).saturating_sub(used))
    }

    pub(super) fn hold(&mut self, call: Slot) {
        self.holds.insert(call);
    }

    pub(super) fn drop_hold(&mut self, call: Slot) -> bool {
        self.holds.remove(&call)
    }

    fn linger(&mut self, call: Slot, until: Instant, permit: Option<Permit>) {
        self.lingering.insert(call, (until, permit));
    }

    fn follow(&mut self, conversation: ConversationId, permit: Option<Permit>, now: Now) {
        let followed = Followed { permit, started: now.wall, shown: None, missing: None };
        self.conversations.insert(conversation, followed);
    }

    /// Notes that a conversation has ended; its permit, and whether that frees a place.
    fn ended(&mut self, conversation: &ConversationId) -> (bool, Option<Permit>) {
        let followed = self.conversations.remove(conversation);
        (followed.is_some(), followed.and_then(|followed| followed.permit))
    }

    /// Notes that a conversation is going on.
    pub(super) fn seen(&mut self, conversation: &ConversationId, now: Instant) {
        if let Some(followed) = self.conversations.get_mut(conversation) {
            followed.shown = Some(now);
        }
    }

    /// Lets go of calls that ended unknown and can no longer be live.
    fn tidy(&mut self, now: Instant) -> Vec<Permit> {
        let over = self.lingering.extract_if(.., |_, (until, _)| *until <= now);
        over.filter_map(|(_, (_, permit))| permit).collect()
    }

    /// Notes that the list was read, or could not be. Conversations that it has not shown for long, although it
    /// should, and all of them where it cannot be read for as long, are taken for over.
    fn surveyed(&mut self, readable: bool, now: Instant) -> Vec<Followed> {
        if readable {
            self.unreadable = None;
            for followed in self.conversations.values_mut() {
                followed.missing = if followed.shown == Some(now) { None } else { followed.missing.or(Some(now)) };
            }
            let is_missing = |since: Instant| now.since(since) >= UNSEEN_MAX;
            let over = self.conversations.extract_if(.., |_, followed| followed.missing.is_some_and(is_missing));
            return over.map(|(_, followed)| followed).collect();
        }
        if now.since(*self.unreadable.get_or_insert(now)) >= UNSEEN_MAX {
            self.unreadable = None;
            return std::mem::take(&mut self.conversations).into_values().collect();
        }
        Vec::new()
    }

    /// The conversations, and when the first of them began.
    pub(super) fn followed(&self) -> impl Iterator<Item = (&ConversationId, Timestamp)> {
        self.conversations.iter().map(|(id, followed)| (id, followed.started))
    }
}

impl Dispatcher {
    /// A call has become a conversation: it keeps its place until that ends.
    pub(super) fn follow(&mut self, conversation: &ConversationId, permit: Option<Permit>, now: Now) {
        if self.policy.live_max.is_some() {
            self.live.follow(conversation.clone(), permit, now);
        } else {
            self.give_permits_back(permit);
        }
    }

    pub(super) fn conversation_ended(&mut self, conversation: &ConversationId) {
        let (freed, permit) = self.live.ended(conversation);
        self.restless |= freed;
        self.give_permits_back(permit);
    }

    /// A call that ended unknown keeps its place until its dial can no longer take effect.
    pub(super) fn linger(&mut self, slot: Slot, until: Instant) {
        let permit = self.take_permit(slot);
        self.live.linger(slot, until, permit);
        self.timers.insert((until, TimerKey::Anything));
    }

    pub(super) fn lingered(&mut self, now: Now) {
        let permits = self.live.tidy(now.monotonic);
        self.give_permits_back(permits);
    }

    /// Notes that the list was read, or could not be.
    pub(super) fn live_surveyed(&mut self, readable: bool, now: Now) {
        let over = self.live.surveyed(readable, now.monotonic);
        self.restless |= !over.is_empty();
        self.give_permits_back(over.into_iter().filter_map(|followed| followed.permit));
    }

    fn give_permits_back(&mut self, permits: impl IntoIterator<Item = Permit>) {
        self.outbox.extend(permits.into_iter().map(Effect::ReturnPermit));
    }

    /// Whether a call waits only for the end of another: here, or in another process with which places are shared.
    pub(super) fn waits_for_an_end(&self) -> bool {
        let elsewhere = self.sharing.as_ref().is_some_and(|sharing| !sharing.is_leaving());
        let here = self.queue.waiting() > 0 && self.live.free(self.policy.live_max) == Some(0);
        here || (elsewhere && !self.live.conversations.is_empty())
    }
}
