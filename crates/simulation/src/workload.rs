//! What is asked for in a run: who is called when, and how long requests and conversations take.

use crate::random::{Draw, Kind};
use crate::scenario::{Arrivals, Delay, Network, Scenario, Sequence};
use crate::time::nanoseconds;

/// One seed's calls, in the order of their submission; index = call.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    /// When each is submitted.
    pub(crate) arrivals: Vec<u64>,
    /// Its agent, by index.
    pub(crate) agents: Vec<u32>,
    /// How long its conversation lasts; empty where nothing depends on it.
    pub(crate) talks: Vec<u64>,
    /// How its dial is answered.
    pub(crate) dials: Vec<Delay>,
}

impl Workload {
    pub(crate) fn new(scenario: &Scenario, draw: Draw) -> Self {
        let calls = u64::from(scenario.calls);
        let talk = |mean: f64| (0..calls).map(move |call| nanoseconds(mean * draw.exponential(Kind::Talk, call, 0)));
        Self {
            arrivals: arrivals(scenario.arrivals, calls, draw),
            agents: agents(scenario.sequence, scenario.agents, calls, draw),
            talks: scenario.cap.map(|cap| talk(cap.talk_s).collect()).unwrap_or_default(),
            dials: (0..calls).map(|call| dial(scenario.network, call, draw)).collect(),
        }
    }

    /// How many agents are called at all.
    pub(crate) fn distinct_agents(&self) -> usize {
        let mut agents = self.agents.clone();
        agents.sort_unstable();
        agents.dedup();
        agents.len()
    }
}

fn arrivals(arrivals: Arrivals, calls: u64, draw: Draw) -> Vec<u64> {
    match arrivals {
        Arrivals::Backlog => vec![0; usize::try_from(calls).expect("counts fit")],
        Arrivals::Poisson { per_second } => (0..calls)
            .scan(0.0, |at, call| {
                *at += draw.exponential(Kind::Gap, call, 0) / per_second;
                Some(nanoseconds(*at))
            })
            .collect(),
    }
}

fn agents(sequence: Sequence, count: u32, calls: u64, draw: Draw) -> Vec<u32> {
    let weights: Vec<f64> = match sequence {
        Sequence::RoundRobin => return (0..calls).map(|call| index(call % u64::from(count))).collect(),
        Sequence::Zipf => (0..count).map(|agent| 1.0 / f64::from(agent + 1)).collect(),
        Sequence::Uniform | Sequence::Bursty => vec![1.0; count as usize],
    };
    let total: f64 = weights.iter().sum();
    let edges: Vec<f64> = weights
        .iter()
        .scan(0.0, |sum, weight| {
            *sum += weight / total;
            Some(*sum)
        })
        .collect();
    let pick = |call| {
        let drawn = draw.uniform(Kind::Agent, call, 0);
        index(edges.partition_point(|edge| *edge <= drawn) as u64).min(count - 1)
    };
    let stays = |call| sequence == Sequence::Bursty && draw.uniform(Kind::Stay, call, 0) < BURSTY_STAY;
    let mut last = None;
    (0..calls)
        .map(|call| {
            let agent = last.filter(|_| stays(call)).unwrap_or_else(|| pick(call));
            last = Some(agent);
            agent
        })
        .collect()
}

/// How often a bursty sequence stays with its agent (`scheduling.md` 2.1).
const BURSTY_STAY: f64 = 0.9;

fn dial(network: Network, call: u64, draw: Draw) -> Delay {
    let Some(pickup) = network.pickup else { return network.latency.draw(draw, Kind::Dial, call) };
    let answer = draw.lognormal(Kind::Dial, call, 0, pickup.mean_s, pickup.sigma).min(pickup.max_s);
    let (from, to) = pickup.effect_s;
    let effect = from + (to - from) * draw.uniform(Kind::Dial, call, 2);
    Delay { effect: nanoseconds(effect), answer: nanoseconds(answer.max(effect)) }
}

fn index(value: u64) -> u32 {
    u32::try_from(value).expect("agents and calls are counted in 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share_of(sequence: Sequence, agent: u32) -> f64 {
        let drawn = agents(sequence, 12, 20_000, Draw::new(1));
        let hits = u32::try_from(drawn.iter().filter(|drawn| **drawn == agent).count()).expect("small");
        f64::from(hits) / 20_000.0
    }

    #[test]
    fn sequences_have_their_shares() {
        assert!((share_of(Sequence::Uniform, 5) - 1.0 / 12.0).abs() < 0.01);
        // 1 / (1 + 1/2 + ... + 1/12)
        assert!((share_of(Sequence::Zipf, 0) - 0.3222).abs() < 0.01);
        assert!((share_of(Sequence::RoundRobin, 3) - 1.0 / 12.0).abs() < 0.001);
    }

    #[test]
    fn a_bursty_sequence_changes_rarely() {
        let drawn = agents(Sequence::Bursty, 12, 20_000, Draw::new(1));
        let changes = u32::try_from(drawn.windows(2).filter(|pair| pair[0] != pair[1]).count()).expect("small");
        // One in ten draws anew, and one in twelve of those draws the same.
        assert!((f64::from(changes) / 20_000.0 - 0.1 * 11.0 / 12.0).abs() < 0.01);
    }

    #[test]
    fn poisson_arrivals_have_their_rate() {
        let at = arrivals(Arrivals::Poisson { per_second: 4.0 }, 40_000, Draw::new(2));
        assert!(at.is_sorted());
        let last = crate::time::seconds(at[39_999]);
        assert!((last - 10_000.0).abs() < 200.0, "{last}");
    }
}
