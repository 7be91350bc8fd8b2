//! Partyline's core on a virtual clock: scenarios, metrics and the bounds beside them.
//!
//! A discrete-event simulation steps the production dispatcher (`partyline_domain::dispatch`) through a harsh world:
//! whoever is assigned at the instant at which a dial is executed is who speaks. No IO and no clock: a seed
//! decides everything, and the same seed gives the same outcome. The scenarios, the metrics and the targets are those of
//! `scheduling.md` 3; the strategies to compare with are what people do today ([`Strategy::Script`]) and what they
//! might do next.
//!
//! ```
//! use partyline_simulation::{Metric, Options, Strategy, find, run};
//!
//! let scenario = &find("S1")[0];
//! let outcome = run(scenario, Strategy::Mutex, 1, Options::default());
//! let makespan = outcome.measures[&Metric::MakespanS];
//! assert_eq!(makespan.value, 750.0);
//! assert_eq!(makespan.bound, Some(21.25));
//! ```
//!
//! # How the parts fit
//! [`Scenario`] (data; the list is [`all`]) makes a workload from a seed; a world counts requests and keeps the truth;
//! an engine passes what happens to a strategy; [`Outcome`] holds the figures, each beside its [`bounds`];
//! [`Report`] is the mean over seeds with the verdict. A scenario with a [`Failover`] is run by two real drivers instead.
#![warn(missing_docs)]
#![expect(clippy::cast_precision_loss, reason = "counts of calls and requests are far below 2^52")]

mod baselines;
pub mod bounds;
mod catalogue;
mod checks;
mod engine;
mod failover;
mod measure;
mod metric;
mod overtaking;
mod partyline;
pub mod plot;
mod random;
mod recorder;
mod report;
mod run;
mod scenario;
pub mod storm;
mod time;
mod timeline;
mod workload;
mod world;

pub use catalogue::{all, find};
pub use checks::{Checks, Violation};
pub use failover::{Afterwards, Ending, Failover, Late, LateOf};
pub use measure::{Measure, Measures};
pub use metric::Metric;
pub use report::{Figure, Report, Verdict};
pub use run::{Options, Outcome, Strategy, run};
pub use scenario::{Arrivals, Cap, Latency, Network, Pickup, Scenario, Sequence, Side, Target};
pub use timeline::{NumberTimeline, Span, SpanKind, Timeline};
