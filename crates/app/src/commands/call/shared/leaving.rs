//! Signals, giving up, and letting the process go.

use std::sync::Arc;

use partyline_domain::ports::{Clock as _, Release};
use partyline_domain::{AfterCall, CallReport, RestoreOutcome};

use super::{A_MOMENT, AGAIN, Over, Session};
use crate::commands::call::interruption;
use crate::commands::call::steps::Progress;
use crate::commands::neighbours::give_back;
use crate::commands::waiting::done;
use crate::errors::AppError;
use crate::exit::Exit;
use crate::signals::Signals;

impl Session<'_> {
    /// A first signal takes the call back, a second one gives up.
    pub(super) async fn signalled(&mut self) -> Option<Result<Over, AppError>> {
        self.interrupted += 1;
        if self.is_replayed() {
            // It is the call of whoever asked first.
            let error =
                AppError::interrupted("the call that has this key was not taken back: it goes on without this command");
            return Some(Err(error));
        }
        if self.interrupted > 1 {
            return Some(self.give_up().await);
        }
        let text = if !self.is_accepted() {
            "interrupted: the store has not taken the call yet; if it does, the call is taken back (interrupt again to give up)"
        } else if self.is_here() {
            interruption(self.watcher.steps.progress())
        } else {
            match self.watcher.steps.progress() {
                Progress::NotDialled => {
                    "interrupted: the call is being taken back, unless another process has dialled it (interrupt again to give up)"
                }
                Progress::Dialling | Progress::Answered | Progress::Over => {
                    "interrupted: another process has dialled already, and the call cannot be taken back; it is followed \
                     to its end (interrupt again to give up)"
                }
            }
        };
        self.printer.warn(text);
        self.press();
        None
    }

    /// Sees to it that an interrupted call is taken back where that can be, and that nothing else keeps the process.
    pub(super) fn press(&mut self) {
        let (id, here, others) = {
            let state = self.watcher.state();
            (state.story.id().clone(), state.story.is_here(), state.neighbours.calls())
        };
        if here {
            if let Some(handle) = &self.handle
                && !self.dropping
            {
                handle.cancel(&id);
                handle.leave();
                // The dials of others are not dropped with this one's.
                if others == 0 {
                    self.dropping = true;
                    handle.interrupt();
                }
            }
            return;
        }
        if self.is_accepted() && self.cancelling.is_none() {
            let (store, at) = (Arc::clone(&self.open.store), self.clock.now().wall);
            self.cancelling = Some(Box::pin(async move {
                // What became of it is seen in its events; if nothing, it is asked again.
                let _ = store.cancel(&id, at).await;
                tokio::time::sleep(AGAIN).await;
            }));
            self.look();
        }
    }

    /// Ends everything that this process does for the call. What is open stays in the store for the next process.
    async fn give_up(&mut self) -> Result<Over, AppError> {
        self.drop_all().await;
        let id = self.new.request.id.clone();
        if !self.is_accepted() {
            let message = format!("interrupted before the store answered for the call {id}");
            let error = AppError {
                message,
                ..AppError::interrupted("the store may have taken it, and then it waits to be dialled")
            };
            return Err(error.hint(format!(
                "see it with `partyline calls show {id}`, and take it back with `partyline calls cancel {id}`"
            )));
        }
        let store = Arc::clone(&self.open.store);
        let (at, version) = (self.clock.now().wall, self.watcher.state().story.version());
        let last = async {
            // A call that nobody has dialled is not to be dialled behind the user's back.
            let _ = store.cancel(&id, at).await;
            store.follow(&[(id.clone(), version)]).await
        };
        if let Ok(Ok(followed)) = tokio::time::timeout(AGAIN * 2, last).await {
            for followed in followed {
                self.take(followed);
            }
        }
        if let Some(over) = self.over() {
            return Ok(over);
        }
        let why = "it was given up while it was being looked up; whoever has the number next goes on looking";
        let report = self.watcher.state().story.left(why);
        let report = report.ok_or_else(|| AppError::unexpected("the call's events make no sense"))?;
        if !report.state.is_terminal() {
            let error = AppError::new(Exit::Unknown, "outcome_unknown", "another process has the call")
                .effect("it is asked to take the call back; if it has dialled by then, the phone rings")
                .hint(format!("see what became of it with `partyline calls show {id}`"));
            return Err(error);
        }
        let restore = self.owed(&report).await;
        Ok(Over { report: CallReport { restore, ..report }, replayed: self.is_replayed(), interrupted: true })
    }

    /// What is still owed to who answered the number before.
    async fn owed(&self, report: &CallReport) -> Option<RestoreOutcome> {
        let restores = report.request.policies.after_call == AfterCall::Restore;
        let number = report.from.as_ref().filter(|_| restores)?;
        let remembered = tokio::time::timeout(AGAIN, self.open.store.remembered(number)).await;
        let to = remembered.ok()?.ok()??;
        Some(RestoreOutcome::Failed { to, detail: "interrupted before the number was given back".to_owned() })
    }

    async fn drop_all(&mut self) {
        self.handle = None;
        self.running = None;
        self.submitting = None;
        self.reading = None;
        self.cancelling = None;
        let belongings: Release = self.watcher.state().neighbours.belongings();
        give_back(self.open.store.as_ref(), belongings).await;
    }

    /// Lets the process go: calls of others that are not dialled are handed back, those that are go on to their ends, and
    /// the numbers are given back. Ends at the next signal.
    pub(in crate::commands::call) async fn leave(&mut self, signals: &mut Signals) {
        self.handle = None;
        if self.running.is_none() {
            return;
        }
        let mut told = false;
        loop {
            tokio::select! {
                () = done(&mut self.running) => return,
                () = signals.next() => {
                    self.drop_all().await;
                    return;
                }
                // What is still open of an interrupted call is written down, and whoever has the number next sees to it.
                () = tokio::time::sleep(AGAIN), if self.interrupted > 0 && self.watcher.state().neighbours.calls() == 0 => {
                    self.drop_all().await;
                    return;
                }
                () = tokio::time::sleep(A_MOMENT), if !told => {
                    told = true;
                    let others = self.watcher.state().neighbours.calls();
                    if others > 0 {
                        self.printer.note(&format!(
                            "calls of others that are being dialled are waited for: {others} (interrupt to leave now)"
                        ));
                    }
                }
            }
        }
    }

    /// Goes on with what the process has to do for others and for its numbers, while something else is done.
    pub(in crate::commands::call) async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        self.handle = None;
        let mut work = std::pin::pin!(work);
        tokio::select! {
            biased;
            answer = &mut work => return answer,
            () = done(&mut self.running) => {}
        }
        work.await
    }
}
