//! From what happened to figures, each beside its bound (`scheduling.md` 3.1).

use std::collections::BTreeMap;

use crate::bounds;
use crate::metric::Metric;
use crate::overtaking::most_overtaken;
use crate::scenario::Scenario;
use crate::time::{NEVER, nanoseconds, seconds};
use crate::workload::Workload;
use crate::world::{OUTSIDE, Requests, Truth, World};

/// A figure and the bound beside it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// What was measured.
    pub value: f64,
    /// What no schedule can beat, or what the policy guarantees.
    pub bound: Option<f64>,
}

/// The figures of a run.
pub type Measures = BTreeMap<Metric, Measure>;

/// What is left of a world after a run.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    pub(crate) requests: Requests,
    pub(crate) truth: Truth,
    pub(crate) harmful: u64,
    /// When it ended.
    end: u64,
}

impl Finished {
    pub(crate) fn of(world: World<'_>) -> Self {
        Self { requests: world.requests, truth: world.truth, harmful: world.harmful, end: world.now }
    }

    fn accepted(&self) -> usize {
        self.truth.answered.iter().filter(|answered| **answered != NEVER).count()
    }

    /// From the first submission to the last answer to a dial.
    fn makespan(&self, workload: &Workload) -> u64 {
        let last = self.truth.answered.iter().filter(|answered| **answered != NEVER).max();
        last.map_or(0, |last| last - workload.arrivals.first().copied().unwrap_or(0))
    }

    fn rate(&self, workload: &Workload) -> f64 {
        ratio(self.accepted() as f64, seconds(self.makespan(workload)))
    }

    /// When as many dials as may be live had been executed.
    fn ramp(&self, live: u32, workload: &Workload) -> Option<u64> {
        let mut executed: Vec<u64> = self.truth.executed.iter().filter(|at| **at != NEVER).copied().collect();
        executed.sort_unstable();
        let last = executed.get(live as usize - 1)?;
        Some(last - workload.arrivals.first().copied().unwrap_or(0))
    }
}

/// The runs that a run is compared with.
#[derive(Clone, Debug, Default)]
pub(crate) struct References {
    /// The script under one mutex.
    pub(crate) mutex: Option<Finished>,
    /// No assignment at all, where the scenario has a cap.
    pub(crate) unassigned: Option<Finished>,
}

/// The nearest-rank percentile of a sorted list; zero of none.
pub(crate) fn percentile<T: Copy + Default>(sorted: &[T], percent: usize) -> T {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

fn ratio(value: f64, by: f64) -> f64 {
    if by > 0.0 { value / by } else { 0.0 }
}

/// Everything that one run says.
pub(crate) fn measure(scenario: &Scenario, workload: &Workload, run: &Finished, references: &References) -> Measures {
    let mut sheet = Sheet { scenario, workload, run, references, measures: Measures::new() };
    let assignments = sheet.assignments();
    sheet.requests(assignments);
    sheet.safety();
    sheet.pace();
    sheet.waits();
    sheet.measures
}

struct Sheet<'a> {
    scenario: &'a Scenario,
    workload: &'a Workload,
    run: &'a Finished,
    references: &'a References,
    measures: Measures,
}

impl Sheet<'_> {
    fn put(&mut self, metric: Metric, value: f64, bound: Option<f64>) {
        self.measures.insert(metric, Measure { value, bound });
    }

    /// Returns the least that any schedule needs.
    fn assignments(&mut self) -> usize {
        let numbers = self.scenario.numbers as usize;
        let assigned = self.run.requests.assign as f64;
        let fifo = bounds::belady(&self.workload.agents, numbers);
        let least = if self.scenario.is_backlog() {
            // The numbers begin on agents outside the workload.
            let least = bounds::backlog(self.workload.distinct_agents(), 0);
            self.put(Metric::AssignmentsPerBound, ratio(assigned, least as f64), Some(1.0));
            least
        } else {
            let truth = &self.run.truth;
            let executed = truth.executed.iter().zip(&self.workload.arrivals).filter(|(at, _)| **at != NEVER);
            let within = executed.map(|(at, arrival)| at - arrival).max().unwrap_or(0);
            let least = bounds::window(&self.workload.arrivals, &self.workload.agents, within, numbers);
            self.put(Metric::AssignmentsPerWindow, ratio(assigned, least as f64), Some(1.0));
            least
        };
        self.put(Metric::Assignments, assigned, Some(least as f64));
        self.put(Metric::AssignmentsPerFifo, ratio(assigned, fifo as f64), None);
        least
    }

    fn requests(&mut self, assignments: usize) {
        let requests = self.run.requests;
        let core = (requests.list + requests.verify + requests.assign + requests.dial) as f64;
        let safety = (requests.reread + requests.survey) as f64;
        let accepted = self.run.accepted() as f64;
        let agents = self.workload.distinct_agents();
        let verifications = if self.scenario.policy.verify_window.is_zero() { agents } else { agents.div_ceil(100) };
        let least = (1 + verifications + assignments + self.workload.agents.len()) as f64;
        let calls = self.workload.agents.len() as f64;
        self.put(Metric::Requests, core, Some(least));
        self.put(Metric::RequestsSafety, safety, Some(0.0));
        self.put(Metric::RequestsPerCall, ratio(core, accepted), Some(ratio(least, calls)));
        self.put(Metric::RequestsTotalPerCall, ratio(core + safety, accepted), Some(ratio(least, calls)));
    }

    fn safety(&mut self) {
        let truth = &self.run.truth;
        let count = |flags: &mut dyn Iterator<Item = bool>| flags.filter(|flag| *flag).count() as f64;
        let misroutes = count(&mut truth.misrouted.iter().copied());
        let doubles = count(&mut truth.executions.iter().map(|executions| *executions > 1));
        let lost = count(&mut truth.answered.iter().map(|at| *at == NEVER));
        let executions: u64 = truth.executions.iter().map(|executions| u64::from(*executions)).sum();
        let least = self.scenario.outsider_s.is_none().then_some(0.0);
        self.put(Metric::Misroutes, misroutes, least);
        self.put(Metric::MisrouteShare, ratio(misroutes, executions as f64), least);
        self.put(Metric::DoubleDials, doubles, Some(0.0));
        self.put(Metric::Lost, lost, Some(0.0));
        if self.scenario.outsider_s.is_some() {
            let flags = truth.flagged.iter().zip(&truth.executed).zip(&truth.misrouted);
            let delays: Vec<Option<u64>> = flags
                .filter(|(_, misrouted)| **misrouted)
                .map(|((flagged, executed), _)| (*flagged != NEVER).then(|| flagged - executed))
                .collect();
            let unflagged = delays.iter().filter(|delay| delay.is_none()).count();
            let longest = delays.iter().flatten().max().copied().unwrap_or(0);
            self.put(Metric::MisroutesPerWrite, ratio(misroutes, self.run.harmful as f64), None);
            self.put(Metric::Unflagged, unflagged as f64, Some(0.0));
            self.put(Metric::FlagDelayMaxS, seconds(longest), None);
        }
    }

    fn pace(&mut self) {
        let makespan = seconds(self.run.makespan(self.workload));
        let total = |most: u64| self.workload.dials.iter().map(|dial| seconds(dial.answer.min(most))).sum::<f64>();
        let (busy, allowed) = (total(NEVER), self.scenario.in_flight() as f64);
        // A dial holds its place no longer than it can still bind its agent.
        let held = total(nanoseconds(self.scenario.pin().as_secs_f64()));
        let least = self.least_makespan(held / allowed);
        let rate = self.run.rate(self.workload);
        let calls = self.workload.agents.len() as f64;
        self.put(Metric::MakespanS, makespan, least);
        if self.scenario.network.pickup.is_some() {
            let executed = self.run.truth.executed.iter().filter(|at| **at != NEVER).max();
            self.put(Metric::LastDialS, executed.map_or(0.0, |at| seconds(*at)), None);
        }
        let most = least.filter(|_| self.scenario.policy.binding.is_none());
        self.put(Metric::Utilisation, ratio(busy, allowed * makespan), most.map(|least| ratio(busy, allowed * least)));
        self.put(Metric::CallsPerSecond, rate, least.map(|least| ratio(calls, least)));
        if let Some(mutex) = &self.references.mutex {
            self.put(Metric::SpeedUp, ratio(rate, mutex.rate(self.workload)), None);
        }
        let Some(cap) = self.scenario.cap else { return };
        let Some(ideal) = &self.references.unassigned else { return };
        if self.scenario.is_backlog() {
            let ideal_makespan = seconds(ideal.makespan(self.workload));
            self.put(Metric::MakespanRatio, ratio(makespan, ideal_makespan), Some(1.0));
            let ramp = self.run.ramp(cap.live, self.workload).map_or(0.0, seconds);
            self.put(Metric::RampS, ramp, ideal.ramp(cap.live, self.workload).map(seconds));
        }
    }

    /// What no schedule of a backlog can beat that never lets another agent speak.
    fn least_makespan(&self, busy: f64) -> Option<f64> {
        if !self.scenario.is_backlog() {
            return None;
        }
        if let Some(ideal) = &self.references.unassigned {
            return Some(seconds(ideal.makespan(self.workload)));
        }
        if self.scenario.numbers > 1 || !self.scenario.is_exact() {
            return Some(busy);
        }
        // `scheduling.md` 2.5: one list, one assignment for each agent, full waves.
        let mut waiting = vec![0_u64; self.scenario.agents as usize];
        self.workload.agents.iter().for_each(|agent| waiting[*agent as usize] += 1);
        let waves = waiting.iter().filter(|calls| **calls > 0);
        let rounds = 1 + waves.map(|calls| 1 + calls.div_ceil(self.scenario.in_flight())).sum::<u64>();
        Some(rounds as f64 * seconds(self.workload.dials.first().map_or(0, |dial| dial.answer)))
    }

    fn waits(&mut self) {
        let waits = self.waits_of(self.run);
        let ideal = self.references.unassigned.as_ref().map(|ideal| self.waits_of(ideal));
        let mut sorted = waits.clone();
        sorted.sort_unstable();
        let mut least = ideal.clone().unwrap_or_default();
        least.sort_unstable();
        for (metric, percent) in [(Metric::WaitP50S, 50), (Metric::WaitP99S, 99), (Metric::WaitMaxS, 100)] {
            let bound = ideal.is_some().then(|| seconds(percentile(&least, percent)));
            self.put(metric, seconds(percentile(&sorted, percent)), bound);
        }
        if let Some(ideal) = ideal {
            let mut added: Vec<i64> =
                waits.iter().zip(&ideal).map(|(wait, ideal)| wait.cast_signed() - ideal.cast_signed()).collect();
            added.sort_unstable();
            for (metric, percent) in [(Metric::AddedWaitP50S, 50), (Metric::AddedWaitP99S, 99)] {
                self.put(metric, percentile(&added, percent) as f64 / 1e9, Some(0.0));
            }
        }
        let quantum = self.scenario.policy.quantum.filter(|_| self.scenario.numbers == 1);
        let most = quantum.map(|quantum| (f64::from(self.scenario.agents) - 1.0) * quantum as f64);
        self.put(Metric::OvertakingMax, most_overtaken(&self.run.truth.sent) as f64, most);
    }

    /// In the order of submission, without the warm-up. What was never sent has waited until the end.
    fn waits_of(&self, run: &Finished) -> Vec<u64> {
        let pairs = run.truth.sent.iter().zip(&self.workload.arrivals).skip(self.scenario.warm_up());
        pairs.map(|(sent, arrival)| (*sent).min(run.end).saturating_sub(*arrival)).collect()
    }
}

/// Whether the numbers begin as the bounds assume.
pub(crate) fn starting_assignment(numbers: u32) -> Vec<u32> {
    vec![OUTSIDE; numbers as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let values: Vec<u64> = (1..=1000).collect();
        assert_eq!(percentile(&values, 50), 500);
        assert_eq!(percentile(&values, 99), 990);
        assert_eq!(percentile(&values, 100), 1000);
        assert_eq!(percentile(&[7_u64], 50), 7);
        assert_eq!(percentile::<u64>(&[], 50), 0);
    }
}
