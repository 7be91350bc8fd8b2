//! Writes down what every number did.

use crate::timeline::{NumberTimeline, Span, SpanKind, Timeline};
use crate::world::{OUTSIDE, index};

/// Collects the spans of a run.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    numbers: Vec<NumberTimeline>,
    /// Who answers each number, and since when.
    assigned: Vec<(Option<u32>, u64)>,
    /// Since when each number is being assigned.
    assigning: Vec<u64>,
    /// From which number each call was dialled, and when.
    dials: Vec<(u32, u64)>,
}

impl Recorder {
    pub(crate) fn new(assigned: &[u32], calls: usize) -> Self {
        let timeline = |number| NumberTimeline { number: index(number), spans: Vec::new() };
        Self {
            numbers: (0..assigned.len()).map(timeline).collect(),
            assigned: assigned.iter().map(|agent| (named(*agent), 0)).collect(),
            assigning: vec![0; assigned.len()],
            dials: vec![(0, 0); calls],
        }
    }

    fn span(&mut self, number: u32, kind: SpanKind, from_ns: u64, to_ns: u64) {
        self.numbers[number as usize].spans.push(Span { kind, from_ns, to_ns });
    }

    pub(crate) fn assign_sent(&mut self, number: u32, now: u64) {
        self.assigning[number as usize] = now;
    }

    pub(crate) fn assign_answered(&mut self, number: u32, now: u64) {
        self.span(number, SpanKind::Wait, self.assigning[number as usize], now);
    }

    pub(crate) fn assigned(&mut self, number: u32, agent: u32, now: u64) {
        let (before, since) = std::mem::replace(&mut self.assigned[number as usize], (named(agent), now));
        self.span(number, SpanKind::Assigned { agent: before }, since, now);
    }

    pub(crate) fn dial_sent(&mut self, call: u32, number: u32, now: u64) {
        self.dials[call as usize] = (number, now);
    }

    pub(crate) fn dial_answered(&mut self, call: u32, agent: u32, misrouted: bool, now: u64) {
        let (number, from) = self.dials[call as usize];
        self.span(number, SpanKind::Dial { call, agent, misrouted }, from, now);
    }

    pub(crate) fn finish(mut self, now: u64) -> Timeline {
        for number in 0..index(self.numbers.len()) {
            let (agent, since) = self.assigned[number as usize];
            self.span(number, SpanKind::Assigned { agent }, since, now);
            self.numbers[number as usize].spans.sort_by_key(|span| span.from_ns);
        }
        Timeline { numbers: self.numbers, end_ns: now }
    }
}

fn named(agent: u32) -> Option<u32> {
    (agent != OUTSIDE).then_some(agent)
}
