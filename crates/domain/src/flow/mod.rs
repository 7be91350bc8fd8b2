//! The flow of one call: `Requested -> Verified -> Assigned -> Initiated`, or `Failed`.
//!
//! Owns what a call *is* after each event, and nothing else: it orders no read, no assignment and no
//! restore, and knows no time. A state is the fold of the call's events; [`CallState::apply`] is the only
//! way from one to the next, and every pair of state and event that is not in its table is an
//! [`IllegalTransition`] that names both. The whole table is in `docs/flow-table.md`, kept true by a test.
//!
//! ```
//! use partyline_domain::flow::{CallEvent, CallState, Evidence};
//! let state = CallState::requested();
//! let verified = state.apply(&CallEvent::AgentVerified { agent_name: "Restaurant".into(), evidence: Evidence::Fresh })?;
//! assert_eq!(verified.name(), "Verified");
//! # Ok::<(), partyline_domain::flow::IllegalTransition>(())
//! ```

mod event;
mod failure;
mod state;
mod transition;

pub use event::{AssignmentOutcome, CallEvent, DoubtCause, Evidence, FoundBy, Proof, WithdrawReason};
pub use failure::{Dialed, Failure, FailureReason, Stage};
pub use state::{Assigned, CallState, Dial, Failed, Initiated, Requested, Verified};
pub use transition::IllegalTransition;
