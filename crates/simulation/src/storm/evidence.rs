//! What a run leaves behind, put together so that the checkers can read it: requests with their answers, calls with
//! their histories. The place of everything in the record is kept, because virtual time alone orders too little.

use std::collections::BTreeMap;
use std::time::Duration;

use partyline_domain::flow::{CallEvent, CallState};
use partyline_domain::ports::{Intent, Recorded};
use partyline_domain::{
    AgentId, AttemptId, CallId, CallReport, CallRequest, ConversationId, Instant, Notice, Now, PhoneNumberId,
};
use partyline_fake_adapter::Fault;
use partyline_fake_adapter::world::{AssignmentEntry, ConversationRecord, DialEntry, Ledger, RequestEntry, Writer};

use super::faults::FaultId;
use super::one::Remains;
use super::options::Options;
use super::record::{Answer, Asked, Happening};
use super::watched::attempt_of;

/// A place in the record, and the time there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) index: usize,
    pub(super) at: Instant,
}

/// A request of ours.
pub(super) struct Sent<'a> {
    pub(super) asked: &'a Asked,
    pub(super) at: Place,
    pub(super) answer: Option<(Place, &'a Answer)>,
    /// What the world has of it; `None` where it never arrived, or carries no attempt id.
    pub(super) entry: Option<&'a RequestEntry>,
}

/// An event of a call, told when the journal had it.
pub(super) struct Told<'a> {
    pub(super) place: Place,
    pub(super) recorded: &'a Recorded,
}

/// A call.
#[derive(Default)]
pub(super) struct Call<'a> {
    pub(super) submitted: Option<Place>,
    pub(super) cancelled: Option<Place>,
    pub(super) events: Vec<Told<'a>>,
    pub(super) reports: Vec<(Place, &'a CallReport)>,
    /// Into [`Evidence::requests`].
    pub(super) dials: Vec<usize>,
}

/// A change of a number that broke an assumption (A2, A4 or A6), at the provider.
pub(super) struct Breach<'a> {
    pub(super) number: &'a PhoneNumberId,
    pub(super) at: Instant,
}

/// Everything.
pub(super) struct Evidence<'a> {
    pub(super) options: &'a Options,
    pub(super) remains: &'a Remains,
    pub(super) requests: Vec<Sent<'a>>,
    pub(super) by_attempt: BTreeMap<&'a AttemptId, usize>,
    pub(super) calls: BTreeMap<&'a CallId, Call<'a>>,
    owners: BTreeMap<&'a AttemptId, &'a CallId>,
    pub(super) intents: BTreeMap<&'a AttemptId, (Place, &'a Intent)>,
    pub(super) stopped: Option<(Place, &'static str)>,
    pub(super) faults_stopped: Option<Place>,
    pub(super) breaches: Vec<Breach<'a>>,
    /// The longest that a read or an assignment took which was answered.
    pub(super) round_trip_max: Duration,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(options: &'a Options, remains: &'a Remains) -> Self {
        let mut evidence = Self {
            options,
            remains,
            requests: Vec::new(),
            by_attempt: BTreeMap::new(),
            calls: BTreeMap::new(),
            owners: BTreeMap::new(),
            intents: BTreeMap::new(),
            stopped: None,
            faults_stopped: None,
            breaches: Vec::new(),
            round_trip_max: Duration::ZERO,
        };
        for (index, line) in remains.lines.iter().enumerate() {
            evidence.take(Place { index, at: line.at.monotonic }, &line.what);
        }
        for entry in &remains.ledger.requests {
            if let Some(index) = entry.attempt.as_ref().and_then(|attempt| evidence.by_attempt.get(attempt)) {
                evidence.requests[*index].entry = Some(entry);
            }
        }
        evidence.breaches = breaches(options, remains);
        evidence.round_trip_max = evidence.round_trips().max().unwrap_or_default();
        evidence
    }

    fn take(&mut self, place: Place, what: &'a Happening) {
        match what {
            Happening::Submitted { call } => self.calls.entry(call).or_default().submitted = Some(place),
            Happening::Cancelled(call) => {
                self.calls.entry(call).or_default().cancelled.get_or_insert(place);
            }
            Happening::Stopped(how) => {
                self.stopped.get_or_insert((place, how));
            }
            Happening::FaultsStopped => self.faults_stopped = Some(place),
            Happening::Trusted(_) | Happening::Outside(_) => {}
            Happening::Sent { asked, .. } => self.sent(place, asked),
            Happening::Answered { id, answer } => self.requests[*id].answer = Some((place, answer)),
            Happening::Intended(intent) => {
                self.intents.insert(&intent.attempt, (place, intent));
            }
            Happening::Told(notice) => self.tell(place, notice),
        }
    }

    fn sent(&mut self, place: Place, asked: &'a Asked) {
        let index = self.requests.len();
        match asked {
            Asked::Dial { attempt, .. } => {
                self.by_attempt.insert(attempt, index);
                if let Some((call, _)) = attempt.as_str().rsplit_once('.')
                    && let Some((id, known)) = self.calls.iter_mut().find(|(id, _)| id.as_str() == call)
                {
                    known.dials.push(index);
                    self.owners.insert(attempt, id);
                }
            }
            Asked::Assign { attempt, .. } => {
                self.by_attempt.insert(attempt, index);
            }
            Asked::Number(_)
            | Asked::Numbers
            | Asked::Agent(_)
            | Asked::Agents(_)
            | Asked::Conversation(_)
            | Asked::Conversations => {}
        }
        self.requests.push(Sent { asked, at: place, answer: None, entry: None });
    }

    fn tell(&mut self, place: Place, notice: &'a Notice) {
        if let Notice::Recorded { call, recorded } = notice {
            self.calls.entry(call).or_default().events.push(Told { place, recorded });
        } else if let Notice::Completed(report) = notice {
            self.calls.entry(&report.request.id).or_default().reports.push((place, report));
        }
    }

    fn round_trips(&self) -> impl Iterator<Item = Duration> {
        self.requests.iter().filter_map(|request| match (request.asked, &request.answer) {
            (Asked::Dial { .. }, _) => None,
            (_, Some((place, Answer::Numbers(_) | Answer::Good))) => Some(place.at.since(request.at.at)),
            _ => None,
        })
    }

    pub(super) fn ledger(&self) -> &'a Ledger {
        &self.remains.ledger
    }

    pub(super) fn request(&self, attempt: &AttemptId) -> Option<&Sent<'a>> {
        self.by_attempt.get(attempt).map(|index| &self.requests[*index])
    }

    /// The call that an attempt to dial is for.
    pub(super) fn call_of(&self, attempt: &AttemptId) -> Option<&Call<'a>> {
        self.calls.get(self.owners.get(attempt)?)
    }

    /// When a dial of the ledger was sent.
    pub(super) fn sent_at(&self, dial: &DialEntry) -> Option<Instant> {
        self.request(dial.attempt.as_ref()?).map(|request| request.at.at)
    }

    /// How long after a change that broke an assumption a dial may still rely on what was known before (I1, I13).
    pub(super) fn stale_window(&self) -> Duration {
        self.options.line.freshness + 2 * self.round_trip_max
    }

    /// Whether one of these is among the seed's faults.
    pub(super) fn any_of(&self, faults: &[FaultId]) -> bool {
        faults.iter().any(|fault| self.options.has(*fault))
    }

    pub(super) fn conversation(&self, id: &ConversationId) -> Option<&'a ConversationRecord> {
        self.remains.conversations.iter().find(|record| record.id == *id)
    }

    /// The executed dials of a call, the second executions of one request aside.
    pub(super) fn executions(&self, call: &'a CallId) -> Vec<&'a DialEntry> {
        self.ledger().dials_of_call(call).filter(|dial| !self.is_second(dial)).collect()
    }

    /// Whether a dial was executed because the provider executed its request once more (F4).
    pub(super) fn is_second(&self, dial: &DialEntry) -> bool {
        let entry = self.remains.ledger.requests.binary_search_by_key(&dial.request, |entry| entry.id);
        entry.is_ok_and(|index| {
            is_second(&self.remains.ledger.requests[index], dial.at.monotonic, self.options.bind_delay)
        })
    }
}

impl<'a> Call<'a> {
    pub(super) fn request(&self) -> Option<&'a CallRequest> {
        let first = self.events.first()?;
        if let CallEvent::CallRequested { request } = &first.recorded.event { Some(request) } else { None }
    }

    /// Its state as its events have it.
    pub(super) fn state(&self) -> Result<CallState, String> {
        let mut state = CallState::requested();
        for told in self.events.iter().skip(1) {
            state = state.apply(&told.recorded.event).map_err(|error| error.to_string())?;
        }
        Ok(state)
    }

    /// The first event of this kind.
    pub(super) fn first(&self, kind: impl Fn(&CallEvent) -> bool) -> Option<&Told<'a>> {
        self.events.iter().find(|told| kind(&told.recorded.event))
    }

    /// When its agent was known to exist.
    pub(super) fn verified(&self) -> Option<Place> {
        self.first(|event| matches!(event, CallEvent::AgentVerified { .. })).map(|told| told.place)
    }

    /// When a number was found for its dial.
    pub(super) fn assigned(&self) -> Option<Place> {
        self.first(|event| matches!(event, CallEvent::NumberAssigned { .. })).map(|told| told.place)
    }

    /// When its look-ups ended without finding its dial.
    pub(super) fn given_up(&self) -> Option<Place> {
        self.first(|event| matches!(event, CallEvent::LookUpsEnded { .. })).map(|told| told.place)
    }

    /// When its first dial was sent.
    pub(super) fn dialled(&self, evidence: &Evidence<'a>) -> Option<Place> {
        self.dials.first().map(|index| evidence.requests[*index].at)
    }

    /// The events about one attempt.
    pub(super) fn events_of(&self, attempt: &AttemptId) -> impl Iterator<Item = &Told<'a>> {
        self.events.iter().filter(move |told| attempt_of(&told.recorded.event) == Some(attempt))
    }
}

impl Sent<'_> {
    /// Whether it may have reached the provider.
    pub(super) fn left(&self) -> bool {
        !matches!(self.answer, Some((_, Answer::Unsent(_))))
    }

    /// The number it writes to, and the agent it names.
    pub(super) fn write(&self) -> Option<(&PhoneNumberId, Option<&AgentId>)> {
        match self.asked {
            Asked::Dial { number, agent, .. } => Some((number, Some(agent))),
            Asked::Assign { number, agent, .. } => Some((number, agent.as_ref())),
            Asked::Number(_)
            | Asked::Numbers
            | Asked::Agent(_)
            | Asked::Agents(_)
            | Asked::Conversation(_)
            | Asked::Conversations => None,
        }
    }
}

fn is_second(entry: &RequestEntry, executed: Instant, bind_delay: Duration) -> bool {
    let first = entry.effect_at.unwrap_or(entry.arrived_at).after(bind_delay);
    matches!(entry.fault, Some(Fault::Twice(_))) && executed > first
}

/// Changes by others, second executions, and effects later than the lateness that is assumed.
fn breaches<'a>(options: &Options, remains: &'a Remains) -> Vec<Breach<'a>> {
    let requests = &remains.ledger.requests;
    let broke = |entry: &AssignmentEntry| match &entry.writer {
        Writer::Outsider => true,
        Writer::Request(id, _) => requests.binary_search_by_key(id, |request| request.id).is_ok_and(|index| {
            let (request, at) = (&requests[index], entry.at.monotonic);
            is_second(request, at, Duration::ZERO) || at.since(request.arrived_at) > options.line.lateness
        }),
    };
    let entries = remains.ledger.assignments.iter();
    entries.filter(|entry| broke(entry)).map(|entry| Breach { number: &entry.number, at: entry.at.monotonic }).collect()
}

/// The monotonic time of a wall time, as far as the storm never sets the wall clock.
pub(super) fn monotonic(reference: Now, wall: partyline_domain::Timestamp) -> Instant {
    let origin = reference.wall.before(reference.monotonic.since_origin());
    Instant::from_origin(wall.since_unix().saturating_sub(origin.since_unix()))
}
