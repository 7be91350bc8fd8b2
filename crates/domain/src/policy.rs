//! What a caller may choose, as data, with every limit in one place.

use std::time::Duration;

use crate::error::Remedy;

/// When the number is assigned to the call's agent before the dial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum AssignmentPolicy {
    /// Assign it, also where it has the agent already.
    Always,
    /// Assign it unless the provider says that it has the agent.
    #[default]
    IfDifferent,
    /// Leave the number as it is: only the dial request names the agent.
    Never,
}

/// What becomes of the number's inbound agent after the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum AfterCall {
    /// The call's agent stays and answers whoever calls back.
    #[default]
    Keep,
    /// The agent of before is assigned again (or none), unless somebody else changed the number meanwhile.
    Restore,
}

/// Whether the provider's record of the conversation is read back and compared with the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum ProofPolicy {
    /// Nothing is read.
    Off,
    /// One read; a record that is not there yet does not fail the call.
    #[default]
    Once,
    /// Read on the look-up schedule until agent, number and callee are known, or the window ends.
    Required,
    /// Nothing is read for this call alone: pages of the conversation list prove the agents of many calls at once.
    /// The call does not wait for it.
    Pages,
}

/// How a dial is sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct DialPolicy {
    /// A dial whose first byte has not left this long after its intent was decided is dropped unsent.
    pub send_within: Duration,
    /// How many times a dial is sent at most, where each earlier one was provably not executed.
    pub sends_max: u32,
    /// No dial is sent again when this long has passed since the first.
    pub retry_budget: Duration,
    /// The wait before the second send where the provider names none; doubles with each further one.
    pub retry_delay: Duration,
    /// The longest such wait, also where the provider asks for more: then the call fails instead.
    pub retry_delay_max: Duration,
    /// What is done about a dial that was looked up to the end and not found.
    pub guarantee: Guarantee,
}

/// What is done about a dial of which nobody knows whether it was executed, when its look-ups have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Guarantee {
    /// The call ends with an unknown outcome; no phone rings twice.
    #[default]
    AtMostOnce,
    /// It is dialled once more, when the first can no longer take effect: the phone may ring twice.
    AtLeastOnce,
}

impl Default for DialPolicy {
    fn default() -> Self {
        Self {
            // `scheduling.md` 4.3: a tolerance of 2 s instead of a lease length.
            send_within: Duration::from_secs(2),
            sends_max: 5,
            retry_budget: Duration::from_secs(60),
            retry_delay: Duration::from_secs(1),
            retry_delay_max: Duration::from_secs(30),
            guarantee: Guarantee::AtMostOnce,
        }
    }
}

impl DialPolicy {
    /// Never sends a second time, whatever the first answer was.
    #[must_use]
    pub fn without_retry(self) -> Self {
        Self { sends_max: 1, ..self }
    }

    /// The wait before the next send after `sent` sends, where `asked` is what the provider asked for;
    /// `None` where the dial is not to be sent again. `elapsed` is the time since the first send.
    ///
    /// ```
    /// use partyline_domain::DialPolicy;
    /// use std::time::Duration;
    /// let policy = DialPolicy::default();
    /// let second = Duration::from_secs(1);
    /// assert_eq!(policy.next_send(1, None, Duration::ZERO), Some(second));
    /// assert_eq!(policy.next_send(2, None, Duration::ZERO), Some(2 * second));
    /// assert_eq!(policy.next_send(1, Some(7 * second), Duration::ZERO), Some(7 * second));
    /// assert_eq!(policy.next_send(1, Some(31 * second), Duration::ZERO), None);
    /// assert_eq!(policy.next_send(5, None, Duration::ZERO), None);
    /// ```
    pub fn next_send(&self, sent: u32, asked: Option<Duration>, elapsed: Duration) -> Option<Duration> {
        if sent >= self.sends_max {
            return None;
        }
        let doubled = self.retry_delay.saturating_mul(1 << sent.saturating_sub(1).min(16));
        let delay = asked.unwrap_or_else(|| doubled.min(self.retry_delay_max));
        (delay <= self.retry_delay_max && elapsed.saturating_add(delay) <= self.retry_budget).then_some(delay)
    }
}

/// When a dial in doubt is looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct LookUpPolicy {
    /// The window: it starts with the doubt and ends with a last look-up.
    pub window: Duration,
}

/// Look-ups this long after the doubt began; then one at the end of the window (`scheduling.md` 4.4).
const LOOK_UPS_AFTER: [Duration; 4] =
    [Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(30)];
/// The longest gap between two look-ups in a window longer than the default one.
const LOOK_UP_GAP_MAX: Duration = Duration::from_secs(30);

impl Default for LookUpPolicy {
    fn default() -> Self {
        // The list's delay behind a dial is not measured; poll for 60 to 90 s (`elevenlabs-api.md` section 4).
        Self { window: Duration::from_secs(60) }
    }
}

impl LookUpPolicy {
    /// When the `done + 1`-th look-up is due, counted from the beginning of the doubt;
    /// `None` after the one that ends the window.
    ///
    /// ```
    /// use partyline_domain::LookUpPolicy;
    /// let policy = LookUpPolicy::default();
    /// let due: Vec<u64> = (0..9).map_while(|done| policy.due(done)).map(|at| at.as_secs()).collect();
    /// assert_eq!(due, [2, 5, 15, 30, 60]);
    /// ```
    pub fn due(&self, done: u32) -> Option<Duration> {
        let regular = |index: u32| match LOOK_UPS_AFTER.get(index as usize) {
            Some(at) => *at,
            None => LOOK_UPS_AFTER[3].saturating_add(LOOK_UP_GAP_MAX.saturating_mul(index - 3)),
        };
        let before = done.checked_sub(1).map_or(Duration::ZERO, regular);
        if done > 0 && before >= self.window { None } else { Some(regular(done).min(self.window)) }
    }
}

/// Everything a caller may choose about how a call is placed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct Policies {
    /// When the number is assigned.
    pub assignment: AssignmentPolicy,
    /// What becomes of the inbound agent.
    pub after_call: AfterCall,
    /// Whether the conversation is read back.
    pub proof: ProofPolicy,
    /// How the dial is sent.
    pub dial: DialPolicy,
    /// When a dial in doubt is looked up.
    pub look_up: LookUpPolicy,
    /// How long after the dial's answer the number must still have the agent, for a provider that binds
    /// the agent later than it answers (`scheduling.md` 4.1). Restore and reassignment wait for it.
    pub settle_after_post: Duration,
}

/// Bounds that concern numbers and agents rather than a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinePolicy {
    /// How long after it was sent a request may still take effect (the bound L of `scheduling.md` 4.1).
    /// An assignment without an answer keeps the number with its agent for this long.
    pub lateness: Duration,
    /// How old a confirmed assignment may be when a dial relies on it.
    pub freshness: Duration,
    /// How long an agent that was verified counts as verified.
    pub verified_for: Duration,
    /// An assignment whose first byte has not left this long after it was decided is dropped unsent.
    pub send_within: Duration,
    /// The same for giving a number back, which relies on a comparison just before.
    pub restore_within: Duration,
    /// How many calls a driver may have that have not ended; more are refused at once.
    pub calls_max: usize,
    /// How many dials may be in flight on a number; at least 1.
    pub in_flight_max: usize,
    /// How many calls of one agent are served in a row at most while calls of other agents wait. `None`: those
    /// that were queued when its turn began, which costs no capacity (`scheduling.md` 1.7).
    pub quantum: Option<usize>,
    /// How many times an assignment without a clear answer is made for one call at most; it is idempotent in
    /// value, and the number stays pinned to its agent all the while.
    pub assign_sends_max: u32,
    /// The wait before the second of them; doubles with each further one, and is up to half as long again.
    pub assign_retry_delay: Duration,
    /// The longest such wait that the provider may ask for; beyond it the assignment has failed.
    pub assign_retry_delay_max: Duration,
    /// How many dials may be in flight over all numbers (G); `None`: no limit but that of each number.
    pub in_flight_total: Option<usize>,
    /// How many calls may be live at the provider, from the dial until there is evidence that the conversation has
    /// ended; calls in doubt count (C). While slots are scarce, calls are served in the order in which they came.
    pub live_max: Option<usize>,
    /// How far that order may be departed from to spare assignments: as many of the oldest waiting calls are looked
    /// at beyond the free slots (b of `scheduling.md` 1.7). 0 is fair, 64 suits a campaign.
    pub look_ahead: usize,
    /// Whether a large group of calls is spread over numbers that nobody else needs.
    pub replicate: bool,
    /// Agents that are asked about within this time share one request. Zero: each is asked about at once.
    pub verify_window: Duration,
    /// How long after it was sent a dial may still bind the number's agent, where that is known to be shorter than its
    /// answer takes (`L_bind` of `scheduling.md` 4.2): after that the number may serve another agent. `None`: until the
    /// dial is answered.
    pub binding: Option<Duration>,
    /// How often the conversation list is read while calls wait for proof by pages, or for their end.
    pub survey_every: Duration,
    /// How much earlier an urgent call counts as asked for.
    pub urgent_ahead: Duration,
    /// As many conversations of other agents than their calls' within an hour stop a number until it is trusted again.
    pub mismatches_max: Option<u32>,
    /// As many changes by others within an hour stop a number until it is trusted again.
    pub outside_changes_max: Option<u32>,
    /// When an agent or a number that keeps failing is left alone for a while.
    pub breaker: BreakerPolicy,
    /// A rule that is switched off, to see that the checks notice.
    #[cfg(feature = "mutations")]
    pub mutation: Option<Mutation>,
}

/// When an agent or a number that keeps failing is left alone for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BreakerPolicy {
    /// After as many failures in a row it is left alone; 0: never.
    pub failures: u32,
    /// For so long; then one call is let through, and its outcome decides.
    pub pause: Duration,
    /// The pause doubles with each failed try up to this.
    pub pause_max: Duration,
    /// Calls that can go nowhere else fail when it has kept failing for so long.
    pub patience: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failures: 5,
            pause: Duration::from_secs(2),
            pause_max: Duration::from_secs(30),
            patience: Duration::from_secs(120),
        }
    }
}

/// How numbers and calls are shared by processes that have a store in common (`scheduling.md` 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SharingPolicy {
    /// How long a lease of a number holds after it was asked for, by the store's clock.
    pub ttl: Duration,
    /// How much earlier this process takes it for over: its clock may be slower than the store's, and a request takes
    /// time from the last look at the clock to its first byte.
    pub margin: Duration,
    /// How often leases are prolonged.
    pub renew_every: Duration,
    /// How many calls this process has at most that are not closed; the others wait in the store.
    pub calls_max: usize,
    /// How long it waits before it asks again, where the store did not answer.
    pub retry_after: Duration,
    /// How long it waits before it asks again, where there was nothing to take.
    pub look_again_after: Duration,
}

impl Default for SharingPolicy {
    fn default() -> Self {
        Self {
            // `scheduling.md` 2.12 and the protocol of 4.3: a lease of 10 s, renewed every 3 s.
            ttl: Duration::from_secs(10),
            // Clocks differ by less than 1 % (A1), and a machine that needs longer than this for a send is paused.
            margin: Duration::from_millis(500),
            renew_every: Duration::from_secs(3),
            // So many give the scheduler enough to gather from, at a few hundred bytes each.
            calls_max: 2_000,
            retry_after: Duration::from_millis(500),
            look_again_after: Duration::from_millis(100),
        }
    }
}

/// A rule of the core that a test may switch off, to show that its checks can fail.
#[cfg(feature = "mutations")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// A number is assigned to another agent while requests of the previous one are unresolved.
    NoPinRule,
    /// Sessions end as soon as somebody else waits.
    NoGate,
    /// Dials rely on confirmations of any age.
    NoFreshness,
    /// Dials are sent before the journal has their intents.
    NoWriteAhead,
    /// A dial in doubt is sent again.
    RedialInDoubt,
    /// Requests are sent although the lease of their number may have run out.
    NoLeaseCheck,
    /// What earlier holders of a number have sent and nobody has resolved is not waited out.
    NoQuarantine,
}

impl LinePolicy {
    /// How long after it was decided the first byte of an assignment may leave, or of a restore.
    pub fn send_within(&self, restore: bool) -> Duration {
        if restore { self.restore_within } else { self.send_within }
    }

    /// The wait before the next assignment after `sent` that failed; `None` where there is to be no other. Not
    /// shorter than the other side asks for. Jitter comes from `spread`, any number that differs between calls.
    pub fn next_assign(&self, sent: u32, remedy: Remedy, spread: u64) -> Option<Duration> {
        if sent >= self.assign_sends_max {
            return None;
        }
        if let Remedy::Retry { after: Some(after) } = remedy {
            return (after <= self.assign_retry_delay_max).then_some(after.max(self.assign_retry_delay));
        }
        let delay = self.assign_retry_delay.saturating_mul(1 << sent.saturating_sub(1).min(16));
        let jitter = delay / 128 * u32::from(u8::try_from(spread % 64).unwrap_or(0));
        Some(delay.saturating_add(jitter))
    }
}

impl Default for LinePolicy {
    fn default() -> Self {
        Self {
            // `scheduling.md` 4.3 no. 8: 60 s is a sane default, 30 s aggressive.
            lateness: Duration::from_secs(60),
            // `scheduling.md` 4.3 no. 6: 2 to 5 s.
            freshness: Duration::from_secs(5),
            verified_for: Duration::from_secs(300),
            // An adapter may repeat an assignment while this lasts; it is idempotent in value.
            send_within: Duration::from_secs(20),
            // `scheduling.md` 4.3 no. 2.
            restore_within: Duration::from_secs(2),
            calls_max: 1_000_000,
            // `scheduling.md` 2.4: 16 gives 33 times the throughput of one at a time.
            in_flight_max: 16,
            quantum: None,
            assign_sends_max: 3,
            assign_retry_delay: Duration::from_millis(500),
            assign_retry_delay_max: Duration::from_secs(30),
            in_flight_total: None,
            live_max: None,
            look_ahead: 0,
            replicate: true,
            verify_window: Duration::ZERO,
            binding: None,
            // `scheduling.md` 4.3 no. 7: every 5 to 10 s.
            survey_every: Duration::from_secs(5),
            urgent_ahead: Duration::from_secs(900),
            // `scheduling.md` 4.3 no. 7.
            mismatches_max: Some(2),
            outside_changes_max: Some(10),
            breaker: BreakerPolicy::default(),
            #[cfg(feature = "mutations")]
            mutation: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(seconds: u64) -> Vec<u64> {
        let policy = LookUpPolicy { window: Duration::from_secs(seconds) };
        (0..99).map_while(|done| policy.due(done)).map(|at| at.as_secs()).collect()
    }

    #[test]
    fn every_window_ends_with_a_look_up() {
        assert_eq!(schedule(0), [0]);
        assert_eq!(schedule(1), [1]);
        assert_eq!(schedule(2), [2]);
        assert_eq!(schedule(10), [2, 5, 10]);
        assert_eq!(schedule(60), [2, 5, 15, 30, 60]);
        assert_eq!(schedule(100), [2, 5, 15, 30, 60, 90, 100]);
    }

    #[test]
    fn a_dial_is_sent_again_only_within_its_budget() {
        let policy = DialPolicy { retry_budget: Duration::from_secs(10), ..DialPolicy::default() };
        assert_eq!(policy.next_send(1, None, Duration::from_secs(9)), Some(Duration::from_secs(1)));
        assert_eq!(policy.next_send(1, None, Duration::from_secs(10)), None);
        assert_eq!(policy.clone().without_retry().next_send(1, None, Duration::ZERO), None);
        assert_eq!(policy.next_send(u32::MAX, None, Duration::ZERO), None);
    }
}
