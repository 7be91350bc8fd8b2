//! One suite per port. A suite is a module of async functions, each a case of the port's contract that takes a
//! harness and panics where the contract is broken. A harness builds what is to be tested:
//!
//! | port | harness | all cases as tests |
//! |---|---|---|
//! | `Agents`, `Numbers`, `Dialer`, `Conversations` | [`provider::ProviderHarness`] | [`provider_contract!`](crate::provider_contract) |
//! | `Clock`, `Timer` | [`time::TimeHarness`] | [`time_contract!`](crate::time_contract) |
//! | `Ids` | [`ids::IdsHarness`] | [`ids_contract!`](crate::ids_contract) |
//! | `Journal` | [`journal::JournalHarness`] | [`journal_contract!`](crate::journal_contract) |
//! | `Store` | [`store::StoreHarness`] | [`store_contract!`](crate::store_contract) |
//! | `Permits` | [`permits::PermitsHarness`] | [`permits_contract!`](crate::permits_contract) |
//!
//! The macros make a `#[test]` of each case. They need no particular runtime: the harness runs its cases.
//!
//! ```
//! use std::sync::Arc;
//! use futures_util::FutureExt as _;
//! use partyline_domain::ports::{Journal, MemoryJournal};
//! use partyline_tests::contract::{Harness, journal::JournalHarness};
//!
//! struct Memory;
//!
//! impl Harness for Memory {
//!     fn run(&self, case: impl Future<Output = ()>) {
//!         case.now_or_never().expect("memory never waits");
//!     }
//! }
//!
//! #[async_trait::async_trait]
//! impl JournalHarness for Memory {
//!     async fn journal(&self) -> Arc<dyn Journal> {
//!         Arc::new(MemoryJournal::new())
//!     }
//!
//!     async fn reopened(&self, journal: Arc<dyn Journal>) -> Arc<dyn Journal> {
//!         journal
//!     }
//! }
//!
//! partyline_tests::journal_contract!(Memory);
//! # Memory.run(partyline_tests::contract::journal::events_come_back_in_order(&Memory));
//! ```
#![expect(clippy::missing_panics_doc, reason = "a case panics where the contract is broken: that is what it is for")]

pub mod ids;
pub mod journal;
mod macros;
pub mod permits;
pub mod provider;
pub mod store;
pub mod time;

/// What every harness can do: run a case.
pub trait Harness: Send + Sync {
    /// Runs a case to its end, on whatever runtime the adapter under test needs.
    fn run(&self, case: impl Future<Output = ()>);
}
