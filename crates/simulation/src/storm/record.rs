//! Everything that happens on our side of the wire, in one list: what was asked of the driver, what it sent and was
//! answered, what the journal took, what was told to people. The checkers and the trace read it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use partyline_domain::flow::CallEvent;
use partyline_domain::ports::{Clock, Intent, Number};
use partyline_domain::{
    AgentId, AttemptId, CallId, ConversationId, FailureKind, Instant, Notice, Now, Observer, PhoneNumberId,
};
use partyline_fake_adapter::VirtualClock;

/// A run that notes more than this per call does not end; it is stopped.
const ENTRIES_PER_CALL_MAX: usize = 400;
/// How much is noted of most calls.
const LINES_USUAL: usize = 24;

/// A request to the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Dial { attempt: AttemptId, number: PhoneNumberId, agent: AgentId, not_after: Instant },
    Assign { attempt: AttemptId, number: PhoneNumberId, agent: Option<AgentId>, not_after: Instant },
    Number(PhoneNumberId),
    Numbers,
    Agent(AgentId),
    Agents(usize),
    Conversation(ConversationId),
    Conversations,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Who answers which number.
    Numbers(Vec<(PhoneNumberId, Option<AgentId>)>),
    Accepted(ConversationId),
    Refused(Option<ConversationId>),
    /// Any other usable answer.
    Good,
    /// Nothing was sent.
    Unsent(FailureKind),
    /// It failed without an effect.
    NoEffect(FailureKind),
    /// It may have had its effect.
    InDoubt(FailureKind),
    /// Nobody waits for the answer any more.
    Dropped,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    Submitted {
        call: CallId,
    },
    Cancelled(CallId),
    /// The operator stopped dialling, in this way.
    Stopped(&'static str),
    Trusted(PhoneNumberId),
    /// Somebody else did something to the world.
    Outside(String),
    FaultsStopped,
    Sent {
        id: usize,
        asked: Asked,
    },
    Answered {
        id: usize,
        answer: Answer,
    },
    /// The journal took an entry with this intent.
    Intended(Box<Intent>),
    Told(Box<Notice>),
}

/// Something that happened, and when.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) at: Now,
    pub(super) what: Happening,
}

/// The list. Clones are the same one.
#[derive(Clone)]
pub(super) struct Record {
    lines: Arc<Mutex<Lines>>,
    clock: VirtualClock,
}

struct Lines {
    all: Vec<Line>,
    requests: usize,
    max: usize,
}

impl Record {
    pub(super) fn new(clock: VirtualClock, calls: usize) -> Self {
        let max = ENTRIES_PER_CALL_MAX * (calls + 12);
        let all = Vec::with_capacity(LINES_USUAL * calls);
        Self { lines: Arc::new(Mutex::new(Lines { all, max, requests: 0 })), clock }
    }

    /// Notes that something happened.
    ///
    /// # Panics
    /// Where so much has happened that the run will not end by itself; the storm reports that (I16).
    pub(super) fn note(&self, what: Happening) {
        let line = Line { at: self.clock.now(), what };
        let mut lines = self.lock();
        lines.all.push(line);
        let endless = lines.all.len() > lines.max;
        drop(lines);
        assert!(!endless, "the run does not end: too much happens");
    }

    pub(super) fn sent(&self, asked: Asked) -> Waiting {
        let id = {
            let mut lines = self.lock();
            lines.requests += 1;
            lines.requests - 1
        };
        self.note(Happening::Sent { id, asked });
        Waiting { record: self.clone(), id, answered: false }
    }

    pub(super) fn take(&self) -> Vec<Line> {
        std::mem::take(&mut self.lock().all)
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Record {
    fn notice(&self, notice: &Notice) {
        self.note(Happening::Told(Box::new(notice.clone())));
    }
}

/// A request that is not answered. Dropped without an answer, it says so.
pub(super) struct Waiting {
    record: Record,
    id: usize,
    answered: bool,
}

impl Waiting {
    pub(super) fn id(&self) -> usize {
        self.id
    }

    pub(super) fn answered(mut self, answer: Answer) {
        self.answered = true;
        self.record.note(Happening::Answered { id: self.id, answer });
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.answered && !std::thread::panicking() {
            self.record.note(Happening::Answered { id: self.id, answer: Answer::Dropped });
        }
    }
}

pub(super) fn assigned(number: &Number) -> (PhoneNumberId, Option<AgentId>) {
    (number.id.clone(), number.assigned_id().cloned())
}

impl fmt::Display for Line {
    /// One line of the trace. Holds no phone number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.at.monotonic.since_origin().as_nanos())?;
        match &self.what {
            Happening::Submitted { call } => write!(f, "submit {call}"),
            Happening::Cancelled(call) => write!(f, "cancel {call}"),
            Happening::Stopped(how) => write!(f, "stop {how}"),
            Happening::Trusted(number) => write!(f, "trust {number}"),
            Happening::Outside(what) => write!(f, "outside {what}"),
            Happening::FaultsStopped => f.write_str("faults stop"),
            Happening::Sent { id, asked } => write!(f, "send {id} {asked:?}"),
            Happening::Answered { id, answer } => write!(f, "answer {id} {answer:?}"),
            Happening::Intended(intent) => write!(f, "intend {} {:?}", intent.attempt, intent.kind),
            Happening::Told(notice) => tell(notice, f),
        }
    }
}

fn tell(notice: &Notice, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let Notice::Recorded { call, recorded } = notice {
        write!(f, "event {call} {} ", recorded.version)?;
        if let CallEvent::CallRequested { request } = &recorded.event {
            return write!(f, "CallRequested for {}", request.agent);
        }
        return write!(f, "{:?}", recorded.event);
    }
    if let Notice::Completed(report) = notice {
        return write!(f, "completed {} {} {}", report.request.id, report.state.name(), report.state.dialed().as_str());
    }
    write!(f, "{notice:?}")
}
