//! Giving a number back to who answered it before, unless somebody else has changed it meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::ids::AgentId;
use crate::line::Line;
use crate::notice::RestoreOutcome;
use crate::time::Instant;

/// Who answered the number before we changed it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Remembered {
    /// Who answered it; `None` = nobody.
    pub inbound: Option<AgentId>,
    /// Everybody we have tried to assign it to since.
    pub ours: BTreeSet<AgentId>,
    /// When the read was sent with which it is compared before it is given back.
    pub(super) compared: Option<Instant>,
    /// It could not be given back; the next call that needs the number brings the next try.
    pub(super) given_up: bool,
}

/// What has to be done next to give the number back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreStep {
    /// Nothing: nothing is to be given back.
    Nothing,
    /// Wait: something unresolved could still take effect, until then at the latest.
    Wait {
        /// When the last obstacle ends by itself; `None`: when it is answered.
        until: Option<Instant>,
    },
    /// Read the number, to compare.
    Read,
    /// Assign the number to whom it was.
    Change(Option<AgentId>),
    /// It is settled.
    Done(RestoreOutcome),
}

impl Line {
    /// What is to be given back.
    pub fn remembered(&self) -> Option<&Remembered> {
        self.remembered.as_ref()
    }

    /// Notes, before the number is assigned to `agent` for a call that wants it given back, who answers it now;
    /// the first note counts. Returns who that was where this is the first.
    ///
    /// Nothing is noted where it is not known who answers it: [`Line::decide`] asks for a read first.
    pub fn remember(&mut self, agent: &AgentId) -> Option<Option<AgentId>> {
        if self.note_ours(agent) {
            return None;
        }
        let inbound = self.belief.agent()?.cloned();
        let ours = BTreeSet::from([agent.clone()]);
        self.remembered = Some(Remembered { inbound: inbound.clone(), ours, compared: None, given_up: false });
        Some(inbound)
    }

    /// Notes that the number is about to be assigned to `agent` by us, where somebody is remembered.
    pub fn note_ours(&mut self, agent: &AgentId) -> bool {
        let Some(remembered) = &mut self.remembered else { return false };
        remembered.ours.insert(agent.clone());
        true
    }

    /// Forgets whom the number is to be given back to. Returns whether there was anything to forget.
    pub fn forget(&mut self) -> bool {
        self.remembered.take().is_some()
    }

    /// What has to be done now to give the number back; the caller makes sure that no call needs it.
    /// The read that it is compared with must not be older than `freshness`.
    pub fn restore_step(&self, now: Instant, freshness: Duration) -> RestoreStep {
        let Some(remembered) = self.remembered.as_ref().filter(|remembered| !remembered.given_up) else {
            return RestoreStep::Nothing;
        };
        if self.reading.is_some() || self.change.is_some() {
            return RestoreStep::Wait { until: None };
        }
        if let Some(obstacle) = self.pins.others(remembered.inbound.as_ref()) {
            return RestoreStep::Wait { until: obstacle.until };
        }
        let compared = remembered.compared.is_some_and(|sent| now.since(sent) <= freshness);
        match self.belief.agent() {
            Some(answers) if compared => {
                if answers == remembered.inbound.as_ref() {
                    RestoreStep::Done(RestoreOutcome::Restored { to: remembered.inbound.clone() })
                } else if answers.is_some_and(|agent| remembered.ours.contains(agent)) {
                    RestoreStep::Change(remembered.inbound.clone())
                } else {
                    RestoreStep::Done(RestoreOutcome::LeftAlone { now: answers.cloned() })
                }
            }
            Some(_) | None => RestoreStep::Read,
        }
    }

    /// Notes that the read which was begun now is the one to compare with.
    pub fn begin_compare(&mut self, now: Instant) {
        self.begin_read(now);
        if let Some(remembered) = &mut self.remembered {
            remembered.compared = Some(now);
        }
    }

    /// Notes that a call needs the number again, or that giving back has to be tried anew: it will be compared anew.
    pub fn stop_restore(&mut self) {
        if let Some(remembered) = &mut self.remembered {
            remembered.compared = None;
            remembered.given_up = false;
        }
    }

    /// Notes that the number could not be given back. Whom it belongs to is still remembered.
    pub fn give_up_restore(&mut self) {
        if let Some(remembered) = &mut self.remembered {
            remembered.given_up = true;
        }
    }

    /// Whether the number is still to be given back.
    pub fn owes_restore(&self) -> bool {
        self.remembered.as_ref().is_some_and(|remembered| !remembered.given_up)
    }

    /// Whether the number is being compared or given back now.
    pub fn is_restoring(&self) -> bool {
        self.remembered.as_ref().is_some_and(|remembered| remembered.compared.is_some())
    }

    /// Whom to give the number back to, for a report that it could not be done.
    pub fn restore_failed(&self, detail: String) -> RestoreOutcome {
        let to = self.remembered.as_ref().and_then(|remembered| remembered.inbound.clone());
        RestoreOutcome::Failed { to, detail }
    }
}
