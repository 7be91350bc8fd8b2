//! The contract suites of Partyline's ports, as a library: whoever writes an adapter of their own runs the same
//! cases against it as Partyline's adapters pass. See [`contract`]. Beside them, [`postgres`]: a real server for tests.
#![warn(missing_docs)]

pub mod contract;
pub mod postgres;
