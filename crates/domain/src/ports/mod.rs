//! The ports: what the core needs of the world. Each trait's documentation is its contract, and the
//! package `partyline-tests` holds one suite per port that any adapter can be run against.
//!
//! All traits are object-safe; the driver holds them as `Arc<dyn …>`.

mod clock;
mod ids;
mod journal;
mod permits;
mod provider;
mod store;

pub use clock::{Clock, Timer};
pub use ids::Ids;
pub use journal::{Change, Entry, Intent, IntentKind, Journal, MemoryJournal, Recorded};
pub use permits::{InvalidRate, Paced, Permit, PermitRequest, Permits, Rate, Unlimited};
pub use provider::{
    AgentProfile, Agents, AssignNumber, AssignedAgent, Conversation, ConversationPhoneCall, ConversationQuery,
    ConversationStatus, ConversationSummary, Conversations, DialAccepted, DialAnswer, DialRefused, DialRequest, Dialer,
    Number, NumberProvider, Numbers, PAGE_SIZE_MAX, Page, PageRequest, Provider, ProviderCallId,
};
pub use store::{
    Accepted, BatchRow, CancelAnswer, Claim, Claimed, Followed, NewCall, Release, Renewed, Store, StoreUnavailable,
    StoredCall, Taken, Unresolved,
};
