//! Taking a number over from another process, and leaving it to one.

use std::time::Duration;

use crate::ids::AgentId;
use crate::line::{Belief, Line, Remembered};
use crate::policy::LinePolicy;
use crate::ports::{Number, Taken};
use crate::time::Instant;

impl Line {
    /// Takes over what the store knows of the number. Whatever earlier holders may have sent is waited out exactly
    /// (`scheduling.md` 4.3 no. 5): it keeps the number with its agent until it can no longer take effect. Who answers
    /// the number is known only where the holder before left it cleanly a moment before it was `asked` for. Returns when each of those requests
    /// is over.
    pub fn adopt(&mut self, taken: &Taken, asked: Instant, now: Instant, policy: &LinePolicy) -> Vec<Instant> {
        let mut ends = Vec::new();
        self.belief = Belief::Unknown;
        // A read that is under way was sent before the number was ours.
        self.changed_at = Some(now);
        self.number = None;
        for unresolved in &taken.unresolved {
            #[cfg(feature = "mutations")]
            if policy.mutation == Some(crate::policy::Mutation::NoQuarantine) {
                break;
            }
            let attempt = &unresolved.intent.attempt;
            // One of this process is still to be answered.
            if !self.pins.holds(attempt) {
                let lateness = policy.lateness.max(unresolved.intent.lateness);
                let left = unresolved.open_for.saturating_add(lateness).saturating_sub(unresolved.over_for);
                self.pins.add(attempt.clone(), unresolved.intent.agent.clone());
                self.pins.hold_until(attempt, now.after(left));
                ends.push(now.after(left));
            }
        }
        let clean = taken.unresolved.is_empty() && self.quarantined.is_none();
        if let Some((number, age)) = taken.seen.as_ref().filter(|(_, age)| clean && *age <= asked.since_origin()) {
            let confirmed_at = Instant::from_origin(asked.since_origin().saturating_sub(*age));
            self.belief = Belief::told(number.assigned_id().cloned(), confirmed_at);
            self.number = Some(number.clone());
        }
        let given_up = self.remembered.as_ref().is_some_and(|remembered| remembered.given_up);
        self.remembered = taken.remembered.clone().map(|inbound| Remembered {
            inbound,
            ours: taken.ours.clone(),
            compared: None,
            given_up,
        });
        ends
    }

    /// Whether no request of this process is unanswered.
    pub fn is_quiet(&self) -> bool {
        self.change.is_none() && !self.pins.are_open()
    }

    /// The number as it is left to whoever has it next, and how long ago that was confirmed; `None` where something is
    /// not known or may still take effect.
    pub fn seen(&self, now: Instant) -> Option<(Number, Duration)> {
        let number = self.number.as_ref().filter(|_| self.quarantined.is_none() && self.pins.is_empty())?;
        let answers: Option<&AgentId> = self.belief.agent()?;
        let age = now.since(self.belief.confirmed_at()?);
        (answers == number.assigned_id()).then(|| (number.clone(), age))
    }
}
