//! An in-memory provider: the truth of agents, numbers and conversations, with virtual time and a menu of
//! faults. It implements the domain's ports directly ([`FakeProvider`]) and is served over HTTP as an emulator
//! of the provider's routes ([`emulator`]); both share one [`world`], so whatever is true of one is true of
//! the other. It knows nothing of the real adapter. Beside it there is a [`store`] for several processes.
#![warn(missing_docs)]

mod classify;
pub mod clock;
pub mod emulator;
pub mod faults;
mod ids;
mod provider;
mod random;
pub mod store;
pub mod world;

pub use classify::{Access, Trouble, provider_error};
pub use clock::VirtualClock;
pub use emulator::{Emulator, EmulatorConfig, RunningEmulator};
pub use faults::{Fault, FaultMix, FaultPlan, FaultRule};
pub use ids::TestIds;
pub use provider::{FakeProvider, Timeouts};
pub use store::{FakeStore, Member, StoreConfig, StoreFault, StoreState};
pub use world::{SharedWorld, World, WorldConfig};
