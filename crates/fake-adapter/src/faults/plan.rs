//! Which request goes wrong: rules that count requests, and a seeded mix.

use super::Fault;
use crate::random::{Stream, draw};
use crate::world::Operation;

/// Which requests a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Requests of every kind to which the fault can happen.
    Any,
    /// Requests of one kind.
    Only(Operation),
}

/// How often a rule's fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Count {
    /// This many times.
    Times(u32),
    /// For ever.
    Always,
}

/// A fault that is scheduled.
///
/// ```
/// use partyline_fake_adapter::FaultRule;
/// let rule: FaultRule = "assign:ignored:2@1".parse()?;
/// assert_eq!(rule.to_string(), "assign:ignored:2@1");
/// # Ok::<(), partyline_fake_adapter::faults::FaultParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FaultRule {
    /// Which requests it is about.
    pub target: Target,
    /// What goes wrong.
    pub fault: Fault,
    /// How often.
    pub count: Count,
    /// How many such requests pass first.
    pub skip: u32,
}

impl FaultRule {
    fn concerns(&self, operation: Operation) -> bool {
        let target = match self.target {
            Target::Any => true,
            Target::Only(only) => only == operation,
        };
        target && self.fault.applies_to(operation)
    }
}

/// A seeded mix: this share of all requests goes wrong, each with a fault from the menu that can happen to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultMix {
    /// Of a thousand requests, how many go wrong.
    pub per_thousand: u16,
    /// Where its randomness begins.
    pub seed: u64,
    /// What can go wrong.
    pub menu: Vec<Fault>,
}

impl FaultMix {
    /// All faults that break none of the core's assumptions, see [`Fault::breaks_assumptions`].
    pub fn fair(per_thousand: u16, seed: u64) -> Self {
        let menu = Fault::menu().into_iter().filter(|fault| !fault.breaks_assumptions()).collect();
        Self { per_thousand, seed, menu }
    }

    fn choose(&self, operation: Operation, request: u64) -> Option<Fault> {
        if draw(self.seed, Stream::FaultDue, request) % 1000 >= u64::from(self.per_thousand) {
            return None;
        }
        let possible = || self.menu.iter().filter(|fault| fault.applies_to(operation));
        let count = possible().count() as u64;
        if count == 0 {
            return None;
        }
        let chosen = draw(self.seed, Stream::FaultChoice, request) % count;
        possible().nth(usize::try_from(chosen).expect("below the length of the menu")).copied()
    }
}

/// All faults to come: rules first, in the order given, then the mixes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    rules: Vec<FaultRule>,
    mixes: Vec<FaultMix>,
}

impl FaultPlan {
    /// These rules and no mix.
    pub fn new(rules: impl IntoIterator<Item = FaultRule>) -> Self {
        Self { rules: rules.into_iter().collect(), mixes: Vec::new() }
    }

    /// The same with this mix and no other.
    #[must_use]
    pub fn with_mix(self, mix: FaultMix) -> Self {
        Self { mixes: vec![mix], ..self }
    }

    /// Adds a mix after the others. Each decides by itself about each request, the first that wants to have its way;
    /// so one more or one less does not change what the others do. Their seeds should differ.
    pub fn add_mix(&mut self, mix: FaultMix) {
        self.mixes.push(mix);
    }

    /// Adds a rule after the others.
    pub fn add(&mut self, rule: FaultRule) {
        self.rules.push(rule);
    }

    /// Forgets all rules and mixes: from now on nothing goes wrong.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The rules that are not used up.
    pub fn rules(&self) -> &[FaultRule] {
        &self.rules
    }

    /// The fault of the next request, which is of this kind and has this number. Every rule that concerns it
    /// counts it; the first that is due happens.
    pub(crate) fn next(&mut self, operation: Operation, request: u64) -> Option<Fault> {
        let mut due = None;
        for (index, rule) in self.rules.iter_mut().enumerate() {
            if !rule.concerns(operation) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if due.is_none() {
                due = Some((index, rule.fault));
            }
        }
        let Some((index, fault)) = due else {
            return self.mixes.iter().find_map(|mix| mix.choose(operation, request));
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(rules: &[&str]) -> FaultPlan {
        FaultPlan::new(rules.iter().map(|rule| rule.parse().expect("a rule")))
    }

    #[test]
    fn rules_count_the_requests_they_concern() {
        let mut plan = plan(&["dial:half:2@1", "any:garbage:1@2"]);
        let dials: Vec<_> = (0..5).map(|request| plan.next(Operation::Dial, request)).collect();
        assert_eq!(dials, [None, Some(Fault::Half), Some(Fault::Half), Some(Fault::Garbage), None]);
        assert!(plan.rules().is_empty());
    }

    #[test]
    fn a_rule_for_any_passes_over_what_it_cannot_happen_to() {
        let mut plan = plan(&["any:ignored:*"]);
        assert_eq!(plan.next(Operation::Dial, 0), None);
        assert_eq!(plan.next(Operation::Assign, 1), Some(Fault::Ignored));
        assert_eq!(plan.next(Operation::Assign, 2), Some(Fault::Ignored));
    }

    #[test]
    fn a_mix_keeps_to_its_rate_and_its_menu() {
        let mix = FaultMix::fair(250, 7);
        let chosen = |operation| (0..4000).filter_map(|request| mix.choose(operation, request)).collect::<Vec<_>>();
        let dials = chosen(Operation::Dial);
        assert!((900..1100).contains(&dials.len()), "{}", dials.len());
        assert!(dials.iter().all(|fault| fault.applies_to(Operation::Dial) && !fault.breaks_assumptions()));
        assert!(chosen(Operation::Agent).iter().all(|fault| fault.applies_to(Operation::Agent)));
    }

    #[test]
    fn mixes_do_not_disturb_each_other() {
        let mix = |seed, fault| FaultMix { per_thousand: 200, seed, menu: vec![fault] };
        let chosen = |mut plan: FaultPlan| (0..500).map(|id| plan.next(Operation::Dial, id)).collect::<Vec<_>>();
        let mut both = FaultPlan::default().with_mix(mix(1, Fault::Half));
        both.add_mix(mix(2, Fault::Garbage));
        let (half, garbage) = (chosen(FaultPlan::default().with_mix(mix(1, Fault::Half))), chosen(both.clone()));
        let mut seconds = 0;
        for (alone, together) in half.iter().zip(chosen(both)) {
            seconds += usize::from(together == Some(Fault::Garbage));
            assert!(alone.is_none() || *alone == together, "the first goes before the second");
        }
        assert!(seconds > 0 && garbage.iter().flatten().count() > half.iter().flatten().count());
    }
}
