//! The calls that may be live at the provider, where their number is limited: dials in flight, dials in doubt, and
//! conversations of which there is no evidence that they have ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::dispatch::Dispatcher;
use crate::dispatch::effect::Slot;
use crate::ids::ConversationId;
use crate::time::{Instant, Now, Timestamp};

/// A conversation that no list has shown for so long, although it should, is taken for over.
const UNSEEN_MAX: Duration = Duration::from_secs(900);

/// See the module. Empty where there is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Live {
    holds: BTreeSet<Slot>,
    /// Calls that ended unknown, until their dials can no longer take effect.
    lingering: BTreeMap<Slot, Instant>,
    conversations: BTreeMap<ConversationId, Followed>,
    /// Since when the list cannot be read.
    unreadable: Option<Instant>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Followed {
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

    pub(super) fn linger(&mut self, call: Slot, until: Instant) {
        self.lingering.insert(call, until);
    }

    pub(super) fn follow(&mut self, conversation: ConversationId, now: Now) {
        self.conversations.insert(conversation, Followed { started: now.wall, shown: None, missing: None });
    }

    /// Notes that a conversation has ended; whether that frees a place.
    pub(super) fn ended(&mut self, conversation: &ConversationId) -> bool {
        self.conversations.remove(conversation).is_some()
    }

    /// Notes that a conversation is going on.
    pub(super) fn seen(&mut self, conversation: &ConversationId, now: Instant) {
        if let Some(followed) = self.conversations.get_mut(conversation) {
            followed.shown = Some(now);
        }
    }

    /// Lets go of calls that ended unknown and can no longer be live.
    pub(super) fn tidy(&mut self, now: Instant) {
        self.lingering.retain(|_, until| *until > now);
    }

    /// Notes that the list was read, or could not be. Conversations that it has not shown for long, although it
    /// should, and all of them where it cannot be read for as long, are taken for over; whether that frees a place.
    pub(super) fn surveyed(&mut self, readable: bool, now: Instant) -> bool {
        let before = self.conversations.len();
        if readable {
            self.unreadable = None;
            for followed in self.conversations.values_mut() {
                followed.missing = if followed.shown == Some(now) { None } else { followed.missing.or(Some(now)) };
            }
            let is_missing = |since: Instant| now.since(since) >= UNSEEN_MAX;
            self.conversations.retain(|_, followed| !followed.missing.is_some_and(is_missing));
        } else if now.since(*self.unreadable.get_or_insert(now)) >= UNSEEN_MAX {
            self.conversations.clear();
            self.unreadable = None;
        }
        before > self.conversations.len()
    }

    /// The conversations, and when the first of them began.
    pub(super) fn followed(&self) -> impl Iterator<Item = (&ConversationId, Timestamp)> {
        self.conversations.iter().map(|(id, followed)| (id, followed.started))
    }
}

impl Dispatcher {
    /// A call has become a conversation: it keeps its place until that ends.
    pub(super) fn follow(&mut self, conversation: &ConversationId, now: Now) {
        if self.policy.live_max.is_some() {
            self.live.follow(conversation.clone(), now);
        }
    }

    pub(super) fn conversation_ended(&mut self, conversation: &ConversationId) {
        self.restless |= self.live.ended(conversation);
    }

    /// Whether a call waits only for the end of another.
    pub(super) fn waits_for_an_end(&self) -> bool {
        self.queue.waiting() > 0 && self.live.free(self.policy.live_max) == Some(0)
    }
}
