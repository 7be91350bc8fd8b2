//! Going on with a call from its history: one that has only been asked for, or one whose process has ended at any point.

use crate::dispatch::effect::{Effect, Slot};
use crate::dispatch::record::{Doubt, Record, Sent, Step};
use crate::dispatch::stop::Stopping;
use crate::dispatch::{Dispatcher, TimerKey};
use crate::flow::{CallEvent, CallState, Dial, DoubtCause};
use crate::ids::AttemptId;
use crate::notice::Notice;
use crate::ports::{Recorded, StoredCall};
use crate::request::CallRequest;
use crate::time::{Instant, Now, Timestamp};

/// What a call's events come to.
struct History {
    request: CallRequest,
    state: CallState,
    version: u64,
    /// How many dials were intended.
    sends: u32,
    /// When the last of them was, by the wall clock of whoever intended it.
    intended: Timestamp,
    given_up: bool,
    /// When its last event was decided.
    last: Timestamp,
}

impl History {
    /// `None` where the events make no sense: written by a later version, or damaged.
    fn read(events: &[Recorded]) -> Option<Self> {
        let CallEvent::CallRequested { request } = &events.first()?.event else { return None };
        let state = CallState::fold(events.iter().map(|recorded| &recorded.event)).ok()?;
        let mut intents = events.iter().filter(|recorded| matches!(recorded.event, CallEvent::DialIntended { .. }));
        let given_up = events.iter().any(|recorded| matches!(recorded.event, CallEvent::DialGivenUp { .. }));
        Some(Self {
            request: request.clone(),
            state,
            version: events.last()?.version,
            sends: u32::try_from(intents.clone().count()).unwrap_or(u32::MAX),
            intended: intents.next_back().map_or_else(Timestamp::default, |recorded| recorded.at),
            given_up,
            last: events.last()?.at,
        })
    }
}

impl Dispatcher {
    /// Goes on with a call that this process has just claimed.
    pub(super) fn resume(&mut self, stored: &StoredCall, now: Now) {
        let Some(history) = History::read(&stored.events) else {
            self.outbox.push(Effect::Tell(Notice::HistoryUnreadable));
            return;
        };
        if self.slots.contains_key(&history.request.id) {
            return;
        }
        let cancel = stored.cancel.then(|| history.request.id.clone());
        let (intended, given_up, last) = (history.intended, history.given_up, history.last);
        let slot = self.take_up(history, stored, now);
        // A dial that is open was decided at this point or before, as far as waiting for it is concerned.
        let last_sent = now.monotonic.after(stored.open_for).since_origin().saturating_sub(stored.over_for);
        let last_sent = Instant::from_origin(last_sent);
        match self.record(slot).state.clone() {
            CallState::Requested(_) | CallState::Verified(_) => self.go_on(slot, now),
            CallState::Assigned(assigned) => match assigned.dial() {
                Dial::NotSent if given_up => {
                    let at = last_sent.after(self.lateness_of(slot)).max(now.monotonic);
                    self.record_mut(slot).step = Step::Retry(at);
                    self.wake_call_at(slot, at);
                }
                Dial::NotSent => self.go_on(slot, now),
                Dial::Sent(attempt) => self.recover(slot, attempt, last_sent, intended, now),
                Dial::InDoubt(attempt, _) => self.doubt_again(slot, attempt, last_sent, intended, now),
            },
            CallState::Initiated(initiated) => {
                self.record_mut(slot).turned_mut().ended_at = Some(now.monotonic);
                self.leave(slot);
                if initiated.proof().is_some() {
                    self.conclude(slot);
                } else {
                    let conversation = initiated.conversation().clone();
                    let began = Now { wall: last.min(now.wall), ..now };
                    self.follow(&conversation, None, began);
                    self.prove(slot, conversation, None, began);
                }
            }
            CallState::Failed(_) => self.end(slot, now),
        }
        if let Some(call) = cancel {
            self.cancel(&call, now);
        }
    }

    fn take_up(&mut self, history: History, stored: &StoredCall, now: Now) -> Slot {
        let History { request, state, version, sends, intended: _, given_up, last: _ } = history;
        if let Some(sharing) = &mut self.sharing {
            // It was given back, and the answer to that was lost; it is ours again.
            sharing.calls.remove(&request.id);
        }
        self.arrivals += 1;
        let slot = Slot(self.arrivals);
        self.slots.insert(request.id.clone(), slot);
        let since = now.monotonic.since_origin().saturating_sub(stored.waited);
        let expires = super::expiry(&request, now);
        let numbers = request.numbers.clone();
        let mut record = Record::new(request, expires, Instant::from_origin(since));
        if let CallState::Assigned(assigned) = &state {
            record.at = assigned.number().clone();
            record.assignment = Some(assigned.outcome());
        } else if let CallState::Initiated(initiated) = &state {
            record.at = initiated.number().clone();
            record.assignment = Some(initiated.outcome());
        }
        (record.state, record.version, record.sends, record.redialled) = (state, version, sends, given_up);
        self.calls.insert(slot, Box::new(record));
        self.join(&numbers);
        slot
    }

    /// Goes on with a call of which no dial is open.
    pub(super) fn go_on(&mut self, slot: Slot, now: Now) {
        if self.stopping != Stopping::No {
            self.hand_back(slot);
            return;
        }
        let record = self.record(slot);
        let (call, agent) = (record.request.id.clone(), record.request.agent.clone());
        let numbers = record.request.numbers.clone();
        if let Some(at) = record.expires {
            self.timers.insert((at, TimerKey::Expiry(slot)));
            if at <= now.monotonic {
                self.expire(slot, now);
                return;
            }
        }
        if self.is_halted(slot, now) {
            return;
        }
        self.outbox.push(Effect::Tell(Notice::VerificationStarted { call, agent: agent.clone() }));
        self.verify(slot, &agent, now);
        self.read_ahead(slot, &numbers, now);
    }

    /// The process that sent this dial, or was about to, has ended: nobody knows whether it was executed.
    fn recover(&mut self, slot: Slot, attempt: &AttemptId, last_sent: Instant, wall: Timestamp, now: Now) {
        let sent = Sent { attempt: attempt.clone(), at: last_sent, not_after: last_sent, wall };
        self.record_mut(slot).step = Step::Answer(Box::new(sent.clone()));
        let detail = "the process that was dialling has ended".to_owned();
        self.keep_hold(slot);
        self.doubt(slot, sent, DoubtCause::Recovered, detail, now);
    }

    /// The dial was in doubt when its process ended: its look-ups begin anew.
    fn doubt_again(&mut self, slot: Slot, attempt: &AttemptId, last_sent: Instant, wall: Timestamp, now: Now) {
        let sent = Sent { attempt: attempt.clone(), at: last_sent, not_after: last_sent, wall };
        self.keep_hold(slot);
        let record = self.record_mut(slot);
        let due = record.request.policies.look_up.due(0).map(|after| now.monotonic.after(after));
        let doubt = Doubt { sent, since: now.monotonic, done: 0, due, failed: 0, trouble: None };
        record.step = Step::Evidence(Box::new(doubt));
        if let Some(due) = due {
            self.wake_call_at(slot, due);
        }
    }

    /// A call in doubt may be live.
    fn keep_hold(&mut self, slot: Slot) {
        if self.policy.live_max.is_some() {
            self.live.hold(slot);
        }
    }
}
