//! Many voice agents, one phone number: the core of Partyline.
//!
//! A *party line* was a telephone line shared by several subscribers. Here several voice agents share one
//! phone number, or a few. Before each outbound call the number is assigned to the agent that is to speak,
//! no concurrent call may get in between, and no phone rings twice for one request.
//!
//! # The flow
//! ```text
//! Requested --agent verified--> Verified --number assigned--> Assigned --dial accepted--> Initiated
//!     \______________________________\_____________________________\______________________> Failed
//! ```
//! [`flow::CallState`] is one call: the fold of its [`flow::CallEvent`]s, with every illegal pair of state
//! and event an error. `Assigned` also holds how far the dial got: not sent, sent, or *in doubt*. A dial in
//! doubt is looked up until it is found or the look-up window ends; it is never sent again.
//!
//! # The parts
//! - [`flow`]: one call.
//! - [`mod@line`]: one number, and the rule that its agent changes only when no request of the previous agent
//!   is unresolved.
//! - [`dispatch`]: many calls over their lines. Like the two above it is synchronous: inputs and the time go
//!   in, effects come out.
//! - [`Driver`]: runs the effects through the [`ports`], the traits that an application implements. It is
//!   the only asynchronous code, and it needs no particular runtime.
//!
//! # Using it
//! Implement the ports (or take Partyline's adapters), put them into [`Ports`], and [`place`] a call:
//!
//! ```
//! # use std::sync::Arc;
//! use partyline_domain::{
//!     AgentId, CallReport, CallRequest, Known, NumberChoice, PhoneNumber, PhoneNumberId, Ports, Unobserved, place,
//! };
//!
//! async fn ring(ports: Ports) -> Result<CallReport, Box<dyn std::error::Error>> {
//!     let request = CallRequest {
//!         id: ports.ids.call_id(),
//!         agent: AgentId::parse("agent_restaurant")?,
//!         numbers: NumberChoice::one(PhoneNumberId::parse("phnum_main")?),
//!         to: PhoneNumber::parse("+1 202 555 0123")?,
//!         priority: Default::default(),
//!         expires_at: None,
//!         options: Default::default(),
//!         policies: Default::default(),
//!     };
//!     Ok(place(ports, request, Known::default(), Arc::new(Unobserved)).await)
//! }
//! ```
//! `examples/hand_made_ports.rs` is a whole program with ports made by hand and no runtime.
//!
//! # What "now" means
//! The core never reads a clock. [`Now`] is a pair: the monotonic half drives timers and deadlines, the wall
//! half is what is stored and asked of the provider.
//!
//! # What is missing on purpose
//! HTTP, SQL, files, the environment, randomness and runtimes. A check in the repository fails when one of
//! them enters the dependency tree. The feature `serde` (off by default) makes requests, events, intents and
//! journal entries serialisable, for journals that outlive the process.
//!
//! # Panics
//! A panic is a bug of this crate. Input never causes one; every `expect` says why it holds.
#![warn(missing_docs)]

pub mod dispatch;
mod driver;
mod error;
pub mod flow;
mod ids;
pub mod line;
mod notice;
mod phone;
mod policy;
pub mod ports;
mod request;
mod time;
mod variables;

pub use driver::{Driver, Handle, Known, Observer, Placed, Ports, SubmitError, Unobserved, find_dial, place};
pub use error::{Class, FailureKind, JournalError, ProviderError, Remedy, SideEffect};
pub use ids::{
    AgentId, AttemptId, BatchId, CallId, ConversationId, ID_BYTES_MAX, IdempotencyKey, InvalidId, PhoneNumberId, RunId,
};
pub use notice::{CallReport, DialVerdict, Failing, LookUpOutcome, Notice, RestoreOutcome};
pub use phone::{CallerId, InvalidPhoneNumber, PhoneNumber};
#[cfg(feature = "mutations")]
pub use policy::Mutation;
pub use policy::{
    AfterCall, AssignmentPolicy, BreakerPolicy, DialPolicy, Guarantee, LinePolicy, LookUpPolicy, Policies, ProofPolicy,
    SharingPolicy,
};
pub use request::{
    CallOptions, CallRequest, InvalidRingingTimeout, InvalidUserId, NoNumber, NumberChoice, Overrides, Priority,
    RingingTimeout, UserId,
};
pub use time::{Instant, Now, Timestamp};
pub use variables::{
    ATTEMPT_VARIABLE, Decimal, InvalidVariable, NAME_BYTES_MAX, SYSTEM_PREFIX, VariableName, VariableValue, Variables,
};
