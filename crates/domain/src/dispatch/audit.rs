//! Pages of the conversation list: they prove the agents of many calls at once, and show which conversations have
//! ended (`scheduling.md` 4.3 no. 7).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::dispatch::effect::{Effect, Slot};
use crate::dispatch::journal::Release;
use crate::dispatch::{Dispatcher, TimerKey};
use crate::error::ProviderError;
use crate::flow::{CallEvent, Proof};
use crate::ids::{AgentId, CallId, ConversationId, PhoneNumberId};
use crate::notice::Notice;
use crate::ports::{Change, ConversationSummary, PAGE_SIZE_MAX, Recorded};
use crate::time::{Instant, Now, Timestamp};

/// How long a conversation may be missing from the list before it counts as absent (`elevenlabs-api.md` section 4).
const WINDOW: Duration = Duration::from_secs(60);
/// The same when no more calls will come, so that nobody waits long for the last page.
const LAST_WINDOW: Duration = Duration::from_secs(10);
/// How often the list is read then.
const LAST_PERIOD: Duration = Duration::from_secs(1);
/// How much earlier than ours the provider's clock may be.
const CLOCK_MARGIN: Duration = Duration::from_secs(120);

/// The calls that wait for a page that shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Audit {
    waiting: BTreeMap<ConversationId, Unproved>,
    /// How many of them came since the list was read last.
    fresh: usize,
    surveying: bool,
    due: Option<Instant>,
    draining: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Unproved {
    slot: Slot,
    call: CallId,
    agent: AgentId,
    number: PhoneNumberId,
    /// The version of the call's history.
    version: u64,
    since: Instant,
    started: Timestamp,
}

impl Audit {
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether a call that was placed from the number waits for its proof.
    pub(super) fn waits_for(&self, number: &PhoneNumberId) -> bool {
        self.waiting.values().any(|unproved| unproved.number == *number)
    }

    /// Forgets a call of which the journal knows more than we do.
    pub(super) fn forget(&mut self, slot: Slot) {
        self.waiting.retain(|_, unproved| unproved.slot != slot);
    }

    pub(super) fn drain(&mut self) {
        self.draining = true;
        self.due = None;
    }

    /// Forgets who waits: nothing is read any more.
    pub(super) fn abandon(&mut self) {
        self.waiting.clear();
    }
}

impl Dispatcher {
    /// Leaves the proof of a call to the next page that shows it.
    pub(super) fn prove_by_pages(&mut self, slot: Slot, conversation: ConversationId, now: Now) {
        let record = self.record(slot);
        if !record.unjournalled {
            let unproved = Unproved {
                slot,
                call: record.request.id.clone(),
                agent: record.request.agent.clone(),
                number: record.at.clone(),
                version: record.version,
                since: now.monotonic,
                started: now.wall,
            };
            self.audit.waiting.insert(conversation, unproved);
            self.audit.fresh += 1;
            self.record_mut(slot).turned_mut().paged = true;
        }
        self.conclude(slot);
    }

    /// Sees to it that the list is read when that is worth while: when a page would be full, when it is time, or when
    /// nothing else is left to do.
    pub(super) fn plan_survey(&mut self, now: Now) {
        let wanted = self.audit.is_waiting() || self.waits_for_an_end();
        if !wanted || self.audit.surveying {
            return;
        }
        let full = self.audit.fresh > 0 && self.audit.fresh + self.in_flight() >= usize::from(PAGE_SIZE_MAX);
        let last = self.audit.draining && self.calls.is_empty() && self.audit.fresh > 0;
        if full || last || self.audit.due.is_some_and(|due| due <= now.monotonic) {
            self.survey();
        } else if self.audit.due.is_none() {
            let ending = self.audit.draining && self.calls.is_empty();
            let period = if ending { LAST_PERIOD.min(self.policy.survey_every) } else { self.policy.survey_every };
            let due = now.monotonic.after(period.max(Duration::from_millis(1)));
            self.audit.due = Some(due);
            self.timers.insert((due, TimerKey::Survey));
        }
    }

    fn survey(&mut self) {
        self.audit.surveying = true;
        self.audit.fresh = 0;
        self.audit.due = None;
        let unproved = self.audit.waiting.iter().map(|(id, unproved)| (id, unproved.started));
        let followed = self.live.followed().filter(|_| self.waits_for_an_end());
        let (wanted, started): (Vec<_>, Vec<_>) = unproved.chain(followed).map(|(id, at)| (id.clone(), at)).unzip();
        let started_after = started.into_iter().min().unwrap_or_default().before(CLOCK_MARGIN);
        self.outbox.push(Effect::Survey { started_after, wanted });
    }

    pub(super) fn surveyed(&mut self, answer: Result<Vec<ConversationSummary>, ProviderError>, now: Now) {
        self.audit.surveying = false;
        let readable = answer.is_ok();
        match answer {
            Ok(seen) => {
                for summary in seen {
                    self.summary_seen(&summary, now);
                }
            }
            Err(error) => {
                self.outbox.push(Effect::Tell(Notice::SurveyFailed { detail: error.detail().to_owned() }));
            }
        }
        self.live_surveyed(readable, now);
        let ending = self.audit.draining && self.calls.is_empty();
        let window = if ending { LAST_WINDOW } else { WINDOW };
        let missing = |unproved: &Unproved| now.monotonic.since(unproved.since) >= window;
        let absent: Vec<_> = self.audit.waiting.extract_if(.., |_, unproved| missing(unproved)).collect();
        for (conversation, unproved) in absent {
            self.audited(conversation, unproved, Proof::Absent, now);
        }
    }

    fn summary_seen(&mut self, summary: &ConversationSummary, now: Now) {
        if summary.status.is_over() {
            self.conversation_ended(&summary.id);
        } else {
            self.live.seen(&summary.id, now.monotonic);
        }
        let Some(unproved) = self.audit.waiting.remove(&summary.id) else { return };
        let other = (summary.agent != unproved.agent).then(|| summary.agent.clone());
        let proof = match other {
            Some(agent) => Proof::Mismatch { agent: Some(agent), number: None, callee: false },
            None => Proof::Matches { complete: false },
        };
        self.audited(summary.id.clone(), unproved, proof, now);
    }

    fn audited(&mut self, conversation: ConversationId, unproved: Unproved, proof: Proof, now: Now) {
        let Unproved { call, number, version, .. } = unproved;
        let recorded =
            Recorded { version: version + 1, at: now.wall, event: CallEvent::ProofRead { proof: proof.clone() } };
        let append = Change::Append { call: call.clone(), expected: version, events: vec![recorded] };
        let close = self.sharing.is_some().then(|| Change::Close(call.clone()));
        self.commit([append].into_iter().chain(close).collect(), Release::Nothing);
        if let Proof::Mismatch { agent, .. } = &proof {
            self.mismatched(&call, &number, agent.clone(), now);
        }
        self.outbox.push(Effect::Tell(Notice::Audited { call, conversation, proof }));
    }
}
