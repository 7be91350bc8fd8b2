//! Giving a number back to who answered it before, unless somebody else has changed it meanwhile.

use crate::ids::AgentId;
use crate::line::Line;
use crate::notice::RestoreOutcome;
use crate::time::Instant;

/// Who answered the number before we changed it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Remembered {
    /// Who answered it; `None` = nobody.
    pub inbound: Option<AgentId>,
    /// To whom we assigned it last.
    pub ours: AgentId,
    /// Whether it has been read again, to compare before it is given back.
    compared: bool,
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

    /// Notes, before the number is assigned to `ours`, who answers it now; the first note counts. Returns
    /// who that was where this is the first.
    ///
    /// Nothing is noted where it is not known who answers it: [`Line::decide`] asks for a read first.
    pub fn remember(&mut self, ours: &AgentId) -> Option<Option<AgentId>> {
        if let Some(remembered) = &mut self.remembered {
            remembered.ours = ours.clone();
            return None;
        }
        let inbound = self.belief.agent()?.cloned();
        self.remembered = Some(Remembered { inbound: inbound.clone(), ours: ours.clone(), compared: false });
        Some(inbound)
    }

    /// Forgets whom the number is to be given back to. Returns whether there was anything to forget.
    pub fn forget(&mut self) -> bool {
        self.remembered.take().is_some()
    }

    /// What has to be done now to give the number back; the caller makes sure that no call needs it.
    pub fn restore_step(&self) -> RestoreStep {
        let Some(remembered) = &self.remembered else { return RestoreStep::Nothing };
        if self.reading.is_some() || self.change.is_some() {
            return RestoreStep::Wait { until: None };
        }
        if let Some(obstacle) = self.pins.all() {
            return RestoreStep::Wait { until: obstacle.until };
        }
        match self.belief.agent() {
            Some(now) if remembered.compared => {
                if now == remembered.inbound.as_ref() {
                    RestoreStep::Done(RestoreOutcome::Restored { to: remembered.inbound.clone() })
                } else if now == Some(&remembered.ours) {
                    RestoreStep::Change(remembered.inbound.clone())
                } else {
                    RestoreStep::Done(RestoreOutcome::LeftAlone { now: now.cloned() })
                }
            }
            Some(_) | None => RestoreStep::Read,
        }
    }

    /// Notes that the read which was begun now is the one to compare with.
    pub fn begin_compare(&mut self, now: Instant) {
        self.begin_read(now);
        if let Some(remembered) = &mut self.remembered {
            remembered.compared = true;
        }
    }

    /// Notes that a call needs the number again: it will be compared anew.
    pub fn stop_restore(&mut self) {
        if let Some(remembered) = &mut self.remembered {
            remembered.compared = false;
        }
    }

    /// Whether the number is being given back.
    pub fn is_restoring(&self) -> bool {
        self.remembered.as_ref().is_some_and(|remembered| remembered.compared)
    }

    /// Whom to give the number back to, for a report that it could not be done.
    pub fn restore_failed(&self, detail: String) -> RestoreOutcome {
        let to = self.remembered.as_ref().and_then(|remembered| remembered.inbound.clone());
        RestoreOutcome::Failed { to, detail }
    }
}
