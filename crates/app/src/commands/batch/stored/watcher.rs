//! What the dispatcher tells of a stored batch: its own calls go to the log, the display and the desk.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use partyline_domain::{CallId, Notice, Observer};
use tokio::sync::mpsc::UnboundedSender;

use crate::commands::batch::drive::Told;
use crate::commands::batch::tally::Tally;
use crate::commands::neighbours::Neighbours;
use crate::commands::story::call_of;
use crate::compose::Trouble;
use crate::events::CallLog;

/// Hears the dispatcher: what concerns the batch goes to the log, the display and the desk.
pub(super) struct Watcher {
    pub(super) log: CallLog,
    pub(super) tally: Arc<Mutex<Tally>>,
    pub(super) told: UnboundedSender<Told>,
    pub(super) own: BTreeSet<CallId>,
    pub(super) trouble: Arc<Trouble>,
    pub(super) state: Mutex<State>,
}

/// See [`Watcher`].
#[derive(Default)]
pub(super) struct State {
    pub(super) neighbours: Neighbours,
    /// Own calls that are driven here.
    pub(super) here: BTreeSet<CallId>,
    /// Own calls that are not driven here any more: what others did to them before that was passed over.
    pub(super) left: BTreeSet<CallId>,
}

impl Watcher {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // It is whole after each change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        // Counts are whole after each change.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes where an own call is; `false` where the notice is of no interest.
    fn concerns(&self, notice: &Notice) -> bool {
        let Some(call) = call_of(notice) else { return true };
        if !self.own.contains(call) {
            return false;
        }
        let mut state = self.state();
        if matches!(notice, Notice::Completed(_) | Notice::HandedBack { .. }) {
            state.here.remove(call);
        } else if !matches!(notice, Notice::Audited { .. }) && !state.here.contains(call) {
            state.here.insert(call.clone());
        }
        if matches!(notice, Notice::HandedBack { .. }) {
            state.left.insert(call.clone());
        }
        true
    }
}

impl Observer for Watcher {
    fn notice(&self, notice: &Notice) {
        self.state().neighbours.told(notice, |call| self.own.contains(call));
        self.trouble.told(notice);
        if !self.concerns(notice) {
            return;
        }
        self.log.notice(notice);
        self.tally().notice(notice);
        if let Some(told) = Told::of(notice) {
            // The desk outlives the driver.
            let _ = self.told.send(told);
        }
    }
}
