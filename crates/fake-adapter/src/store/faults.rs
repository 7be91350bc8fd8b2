//! What can go wrong on the way to the store, for one member: rules that count operations, and a seeded mix.
//! (Outages and cuts are spans of time: [`FakeStore::go_down`](super::FakeStore::go_down),
//! [`Member::cut_off`](super::Member::cut_off).)

use std::time::Duration;

use crate::faults::Count;
use crate::random::{Stream, draw};

/// What a member asks the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoreOperation {
    /// `Store::submit`.
    Submit,
    /// `Store::claim`.
    Claim,
    /// `Store::renew`.
    Renew,
    /// `Store::release`.
    Release,
    /// `Store::want`.
    Want,
    /// `Store::follow`.
    Follow,
    /// `Store::cancel`.
    Cancel,
    /// `Journal::commit`, each try by itself.
    Commit,
    /// The look-ups of the journal.
    Read,
}

/// What goes wrong with one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoreFault {
    /// It fails and has no effect.
    Fails,
    /// It has its effect, but the answer is lost.
    AnswerLost,
    /// It takes so much longer until it has its effect.
    Slow(Duration),
    /// It has its effect, and its answer takes so much longer.
    SlowAnswer(Duration),
}

/// A fault that is scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StoreFaultRule {
    /// Which operations it is about; `None` = all.
    pub operation: Option<StoreOperation>,
    /// What goes wrong.
    pub fault: StoreFault,
    /// How often.
    pub count: Count,
    /// How many such operations pass first.
    pub skip: u32,
}

impl StoreFaultRule {
    /// The next operation of this kind goes wrong.
    pub fn once(operation: StoreOperation, fault: StoreFault) -> Self {
        Self { operation: Some(operation), fault, count: Count::Times(1), skip: 0 }
    }
}

/// A seeded mix: this share of a member's operations goes wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreFaultMix {
    /// Of a thousand operations, how many go wrong.
    pub per_thousand: u16,
    /// Where its randomness begins. Members that share one meet the same faults in the same order.
    pub seed: u64,
    /// What can go wrong.
    pub menu: Vec<StoreFault>,
}

impl StoreFaultMix {
    fn choose(&self, operation: u64) -> Option<StoreFault> {
        if draw(self.seed, Stream::FaultDue, operation) % 1000 >= u64::from(self.per_thousand) {
            return None;
        }
        let count = u64::try_from(self.menu.len()).ok().filter(|count| *count > 0)?;
        let chosen = draw(self.seed, Stream::FaultChoice, operation) % count;
        self.menu.get(usize::try_from(chosen).expect("below the length of the menu")).copied()
    }
}

/// All faults of a member to come: rules first, in the order given, then the mix.
#[derive(Clone, Debug, Default)]
pub(super) struct StoreFaults {
    pub(super) rules: Vec<StoreFaultRule>,
    pub(super) mix: StoreFaultMix,
}

impl StoreFaults {
    /// The fault of the next operation, which is of this kind and has this number. Every rule that concerns it counts
    /// it; the first that is due happens.
    pub(super) fn next(&mut self, operation: StoreOperation, number: u64) -> Option<StoreFault> {
        let mut due = None;
        for (index, rule) in self.rules.iter_mut().enumerate() {
            if rule.operation.is_some_and(|only| only != operation) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if due.is_none() {
                due = Some((index, rule.fault));
            }
        }
        let Some((index, fault)) = due else { return self.mix.choose(number) };
        match &mut self.rules[index].count {
            Count::Always => {}
            Count::Times(0 | 1) => {
                self.rules.remove(index);
            }
            Count::Times(count) => *count -= 1,
        }
        Some(fault)
    }
}
