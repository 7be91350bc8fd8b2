//! What every number did, as spans of time, for drawing.

use serde::Serialize;

/// The numbers of one run, each with what it did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// In the order of their indices.
    pub numbers: Vec<NumberTimeline>,
    /// When the run ended, in nanoseconds of virtual time since the first submission.
    pub end_ns: u64,
}

/// What one number did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NumberTimeline {
    /// Which of the numbers, from 0.
    pub number: u32,
    /// In the order in which they begin. Spans of kind `Assigned` follow one another without a gap; the others lie
    /// over them, and dials over one another.
    pub spans: Vec<Span>,
}

/// Something that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// What it is.
    pub kind: SpanKind,
    /// When it begins, in nanoseconds of virtual time.
    pub from_ns: u64,
    /// When it ends. Not before it begins.
    pub to_ns: u64,
}

/// What lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SpanKind {
    /// The provider had the number assigned to this agent (an index; `None` = an agent outside the workload).
    Assigned {
        /// The agent's index.
        agent: Option<u32>,
    },
    /// A dial was in flight, from sending to its answer.
    Dial {
        /// The call's index, in the order of submission.
        call: u32,
        /// The agent that was to speak.
        agent: u32,
        /// Whether another agent spoke.
        misrouted: bool,
    },
    /// An assignment was in flight: nobody could dial.
    Wait,
}
