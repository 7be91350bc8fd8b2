//! What goes into the dispatcher and what comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::error::{JournalError, ProviderError};
use crate::ids::{AgentId, AttemptId, CallId, ConversationId, PhoneNumberId};
use crate::notice::Notice;
use crate::phone::PhoneNumber;
use crate::ports::{
    AgentProfile, AssignNumber, Claim, Claimed, Conversation, ConversationSummary, DialAnswer, DialRequest, Entry,
    Number, Permit, PermitRequest, Release, Renewed, StoreUnavailable,
};
use crate::request::CallRequest;
use crate::time::{Instant, Timestamp};

/// A call's place in the dispatcher: its arrival number. Effects carry it, and the answers bring it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub(super) u64);

/// Names one journal entry until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

/// What the dispatcher is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A call is asked for.
    Submit(Box<CallRequest>),
    /// Several calls are asked for at once: whose turn it is is decided when all of them are there.
    SubmitAll(Vec<CallRequest>),
    /// An agent was read by somebody else; that read was sent then.
    KnowAgent(AgentProfile, Instant),
    /// A number was read by somebody else; that read was sent then.
    KnowNumber(Number, Instant),
    /// A call is taken back, if it is not dialled.
    Cancel(CallId),
    /// No more calls will come; those that are there go on to their ends.
    Drain,
    /// Calls are to be claimed that may be placed from these numbers; `None` = from any. Where numbers are shared.
    Serve(Option<BTreeSet<PhoneNumberId>>),
    /// Something may have changed in the store.
    Nudge {
        /// By this process, which has just handed a call in.
        own: bool,
    },
    /// What is not dialled goes back to the store, and the numbers when all else has ended.
    Leave,
    /// The store has answered a claim.
    Claimed(Result<Claimed, StoreUnavailable>),
    /// The store has answered a renewal.
    Renewed(Result<Renewed, StoreUnavailable>),
    /// The store has answered a release.
    Released(Result<(), StoreUnavailable>),
    /// Nothing more is to be dialled; open dials are waited for.
    ShutDown,
    /// Nothing more is to be dialled; open dials are dropped and looked up.
    Interrupt,
    /// Everything ends now; what is in doubt ends as unknown.
    Abandon,
    /// Time has passed.
    Wake,
    /// The journal has answered.
    Committed(Ticket, Result<(), JournalError>),
    /// A permit was granted.
    Permitted(Slot, Permit),
    /// An agent was asked about.
    AgentAnswered(AgentId, Result<Option<AgentProfile>, ProviderError>),
    /// Several agents were asked about; those the provider does not know are absent.
    AgentsAnswered(Vec<AgentId>, Result<BTreeMap<AgentId, AgentProfile>, ProviderError>),
    /// All numbers were read.
    NumbersListed(Result<Vec<Number>, ProviderError>),
    /// The conversation list was read.
    Surveyed(Result<Vec<ConversationSummary>, ProviderError>),
    /// A conversation has ended.
    ConversationEnded(ConversationId),
    /// A number that was stopped may be used again.
    Trust(PhoneNumberId),
    /// A number was read.
    NumberAnswered(PhoneNumberId, Result<Option<Number>, ProviderError>),
    /// A change of a number was answered.
    AssignAnswered(PhoneNumberId, AttemptId, Result<Number, ProviderError>),
    /// A dial was answered.
    DialAnswered(Slot, AttemptId, Result<DialAnswer, ProviderError>),
    /// A dial in doubt was looked up.
    LookedUp(Slot, AttemptId, Result<Option<Conversation>, ProviderError>),
    /// A conversation was read back.
    ConversationRead(Slot, Result<Option<Conversation>, ProviderError>),
}

/// What the dispatcher wants done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Write to the journal; answer with [`Input::Committed`]. Entries are written in the order of their tickets.
    Commit(Ticket, Entry),
    /// Tell people, once the entries before it are written.
    Tell(Notice),
    /// Ask for a permit; answer with [`Input::Permitted`].
    AskPermit(Slot, PermitRequest),
    /// Take the question for a permit back.
    DropPermit(Slot),
    /// Give a permit back.
    ReturnPermit(Permit),
    /// Ask about an agent; answer with [`Input::AgentAnswered`].
    VerifyAgent(AgentId),
    /// Ask about several agents at once, at most [`PAGE_SIZE_MAX`](crate::ports::PAGE_SIZE_MAX); answer with
    /// [`Input::AgentsAnswered`].
    VerifyAgents(Vec<AgentId>),
    /// Read all numbers; answer with [`Input::NumbersListed`].
    ListNumbers,
    /// Read the conversation list, newest first, page by page until everything that is wanted was seen; answer with
    /// [`Input::Surveyed`].
    Survey {
        /// Only what began at or after this, by our wall clock with a margin for clocks that differ.
        started_after: Timestamp,
        /// When all of these were seen, no further page is read.
        wanted: Vec<ConversationId>,
    },
    /// Read a number; answer with [`Input::NumberAnswered`].
    ReadNumber(PhoneNumberId),
    /// Change a number; answer with [`Input::AssignAnswered`].
    AssignNumber(AssignNumber),
    /// Dial; answer with [`Input::DialAnswered`].
    PlaceCall(Slot, Box<DialRequest>),
    /// Drop an open dial; no answer.
    DropDial(Slot),
    /// Look a dial up; answer with [`Input::LookedUp`].
    LookUp(Slot, LookUp),
    /// Read a conversation; answer with [`Input::ConversationRead`].
    ReadConversation(Slot, ConversationId),
    /// Claim numbers and calls from the store; answer with [`Input::Claimed`].
    Claim(Claim),
    /// Prolong every lease for so long; answer with [`Input::Renewed`].
    Renew(Duration),
    /// Give numbers and calls back; answer with [`Input::Released`].
    Release(Box<Release>),
}

impl Effect {
    /// The entry, where it is one.
    pub(super) fn entry_mut(&mut self) -> Option<&mut Entry> {
        if let Self::Commit(_, entry) = self { Some(entry) } else { None }
    }
}

/// How to find a dial in doubt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LookUp {
    /// The dial.
    pub attempt: AttemptId,
    /// The user id it was sent with.
    pub user_id: String,
    /// Whether that user id is the attempt id, and so names this dial alone.
    pub unique: bool,
    /// When the dial was sent, by our wall clock.
    pub sent_at: Timestamp,
    /// The callee.
    pub to: PhoneNumber,
    /// Whether this is the last look-up; it also searches by time alone.
    pub last: bool,
}

/// When the dispatcher wants to be woken, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// When.
    pub at: Instant,
    /// Why, for a log.
    pub why: &'static str,
}
