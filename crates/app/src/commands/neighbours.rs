//! What a process that shares its numbers has to do with others: their calls that it drives, the numbers that it holds,
//! and giving these back in a hurry.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use partyline_domain::ports::{Release, Store};
use partyline_domain::{CallId, Known, Notice, PhoneNumberId, RunId};

use super::story::call_of;
use crate::compose::archive::{Holder, NumberRow};
use crate::printer::seconds;

/// How long a process that leaves in a hurry tries to give its numbers back. Else their leases run out.
const HURRY: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    /// Calls of others that are driven here.
    calls: BTreeSet<CallId>,
    /// Numbers that are held, with their epochs.
    numbers: BTreeMap<PhoneNumberId, u64>,
}

impl Neighbours {
    /// Takes what the dispatcher tells; `is_own` says which calls are this process's own.
    pub(crate) fn told(&mut self, notice: &Notice, is_own: impl Fn(&CallId) -> bool) {
        if let Notice::NumberTaken { number, epoch, .. } = notice {
            self.numbers.insert(number.clone(), *epoch);
        } else if let Notice::NumberReleased { number } | Notice::NumberLost { number } = notice {
            self.numbers.remove(number);
        }
        let Some(call) = call_of(notice) else { return };
        if matches!(notice, Notice::Completed(_) | Notice::HandedBack { .. }) {
            self.calls.remove(call);
        // What an audit finds is about a call that has ended.
        } else if !matches!(notice, Notice::Audited { .. }) && !is_own(call) && !self.calls.contains(call) {
            self.calls.insert(call.clone());
        }
    }

    /// How many calls of others are driven here.
    pub(crate) fn calls(&self) -> usize {
        self.calls.len()
    }

    /// What is to be given back where there is no time to do it in order.
    pub(crate) fn belongings(&self) -> Release {
        let numbers = self.numbers.iter().map(|(number, epoch)| (number.clone(), *epoch));
        Release { numbers: numbers.collect(), ..Release::default() }
    }
}

/// Gives numbers back at once, when nothing of this process is sent any more: what is open on them is written down, and
/// whoever has them next sees to it.
pub(crate) async fn give_back(store: &dyn Store, belongings: Release) {
    if belongings.numbers.is_empty() {
        return;
    }
    // Where the store does not answer in time, the leases run out by themselves.
    let _ = tokio::time::timeout(HURRY, store.release(belongings)).await;
}

/// Says why calls may have to wait on a number that was taken over, where that is so for more than a moment.
pub(crate) fn quarantine(notice: &Notice) -> Option<String> {
    let Notice::NumberTaken { unresolved, settles_in, .. } = notice else { return None };
    let requests = if *unresolved == 1 { "a request".to_owned() } else { format!("{unresolved} requests") };
    (*settles_in > Duration::from_secs(1)).then(|| {
        format!(
            "{requests} of a process that ended may still take effect: calls of other agents wait for that, up to {}",
            seconds(*settles_in)
        )
    })
}

/// What was read before the numbers were this process's, as far as it helps: others may have changed them since, so they
/// are read again, and which of several has the agent is only then known.
pub(crate) fn known_before(known: Known) -> Known {
    if known.numbers.len() > 1 { Known { numbers: Vec::new(), ..known } } else { known }
}

/// Says who has one of these numbers, where that is another process and none of them is this one's.
pub(crate) fn holder(rows: &[NumberRow], numbers: &BTreeSet<PhoneNumberId>, own: &RunId) -> Option<String> {
    let held = rows.iter().filter(|row| numbers.contains(&row.number));
    let holders: Vec<&Holder> = held.filter_map(|row| row.holder.as_ref()).collect();
    if holders.iter().any(|holder| holder.owner == *own) {
        return None;
    }
    let holder = holders.into_iter().find(|holder| !holder.expires_in.is_zero())?;
    let who = holder
        .process
        .as_ref()
        .map(|process| format!(" (`partyline {}` on {}, process {})", process.command, process.host, process.pid));
    Some(format!("another process has the number{}", who.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use partyline_domain::AgentId;

    use super::*;

    fn call(name: &str) -> CallId {
        CallId::parse(name).expect("valid")
    }

    #[test]
    fn calls_of_others_are_known_while_they_are_here() {
        let mut neighbours = Neighbours::default();
        let is_own = |id: &CallId| id.as_str() == "own";
        for name in ["own", "other"] {
            let agent = AgentId::parse("agent_1").expect("valid");
            neighbours.told(&Notice::VerificationStarted { call: call(name), agent }, is_own);
        }
        assert_eq!(neighbours.calls(), 1);
        neighbours.told(&Notice::HandedBack { call: call("other") }, is_own);
        assert_eq!(neighbours.calls(), 0);
    }

    #[test]
    fn numbers_are_given_back_with_their_epochs() {
        let mut neighbours = Neighbours::default();
        let number = |name: &str| PhoneNumberId::parse(name).expect("valid");
        for (name, epoch) in [("phnum_1", 3), ("phnum_2", 1)] {
            neighbours.told(
                &Notice::NumberTaken { number: number(name), epoch, unresolved: 0, settles_in: Duration::ZERO },
                |_| false,
            );
        }
        neighbours.told(&Notice::NumberReleased { number: number("phnum_2") }, |_| false);
        assert_eq!(neighbours.belongings().numbers, [(number("phnum_1"), 3)]);
    }
}
