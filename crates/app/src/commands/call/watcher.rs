//! What the dispatcher tells of a call that goes through the store: it drives calls of others too.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use partyline_domain::{Notice, Observer, PhoneNumberId};
use tokio::sync::Notify;

use super::steps::Steps;
use crate::commands::neighbours::{Neighbours, quarantine};
use crate::commands::story::{Story, call_of};
use crate::compose::Trouble;
use crate::events::CallLog;

/// Hears the dispatcher: what concerns the call goes to the log and to people.
pub(super) struct Watcher {
    pub(super) log: CallLog,
    pub(super) steps: Steps,
    pub(super) numbers: BTreeSet<PhoneNumberId>,
    pub(super) state: Mutex<State>,
    pub(super) trouble: Arc<Trouble>,
    /// Something has happened that the command should see to.
    pub(super) news: Notify,
}

/// See [`Watcher`].
pub(super) struct State {
    pub(super) story: Story,
    pub(super) neighbours: Neighbours,
}

impl Watcher {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // It is whole after each change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, notice: &Notice) {
        self.log.notice(notice);
        self.steps.notice(notice);
        if let Some(told) = quarantine(notice) {
            self.steps.note(&told);
        }
    }

    /// Whether people should know, of what is about no single call.
    fn concerns(&self, notice: &Notice) -> bool {
        if let Notice::RestoreDelayed { number, .. } | Notice::InboundRestored { number, .. } = notice {
            return self.numbers.contains(number) && self.state().story.report().is_none();
        }
        true
    }
}

impl Observer for Watcher {
    fn notice(&self, notice: &Notice) {
        let own = self.state().story.id().clone();
        self.state().neighbours.told(notice, |call| *call == own);
        self.trouble.told(notice);
        let is_news = match call_of(notice) {
            Some(call) if *call == own => {
                let is_news = self.state().story.told(notice);
                self.news.notify_one();
                is_news
            }
            Some(_) => false,
            None => self.concerns(notice),
        };
        if is_news {
            self.tell(notice);
        }
    }
}
