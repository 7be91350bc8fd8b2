//! The scenarios of `scheduling.md` 3.2 with their targets.

use std::time::Duration;

use partyline_domain::{LinePolicy, ProofPolicy, SharingPolicy};

use crate::failover::{Afterwards, Ending, Failover, Late, LateOf};
use crate::metric::Metric;
use crate::scenario::{Arrivals, Cap, Latency, Network, Pickup, Scenario, Sequence, Side, Target};

/// How long the requests of the exact scenarios take, and those of the others on average.
const REQUEST_S: f64 = 0.25;

/// How long conversations last under a cap.
const TALK_S: f64 = 120.0;

/// Longer than any run.
const LONG: Duration = Duration::from_secs(30 * 86_400);

/// All scenarios, in order.
pub fn all() -> Vec<Scenario> {
    [exact(), spread(), open(), capped(), capped_backlogs(), unlocked(), guarded(), failing(), ringing()].concat()
}

/// The scenario of this name: all its parts for `S6`, one for `S6/16`. Case does not matter. Empty where there is
/// none.
pub fn find(name: &str) -> Vec<Scenario> {
    let fits =
        |scenario: &Scenario| scenario.id.eq_ignore_ascii_case(name) || scenario.name().eq_ignore_ascii_case(name);
    all().into_iter().filter(fits).collect()
}

/// What the design's simulator took for granted: an agent that was verified stays so for a run.
fn policy() -> LinePolicy {
    LinePolicy { verified_for: LONG, ..LinePolicy::default() }
}

fn base(id: &'static str, title: &'static str) -> Scenario {
    Scenario {
        id,
        part: None,
        title,
        calls: 1000,
        agents: 12,
        numbers: 1,
        sequence: Sequence::RoundRobin,
        arrivals: Arrivals::Backlog,
        network: Network { latency: Latency::Constant { seconds: REQUEST_S }, pickup: None },
        cap: None,
        outsider_s: None,
        failover: None,
        workers: 16,
        policy: policy(),
        proof: ProofPolicy::Off,
        targets: Vec::new(),
        note: None,
    }
}

const RANDOM: Network = Network { latency: Latency::Lognormal { seconds: REQUEST_S, sigma: 0.5 }, pickup: None };

fn at_most(metric: Metric, target: f64, stretch: impl Into<Option<f64>>) -> Target {
    Target { metric, side: Side::AtMost, target, stretch: stretch.into() }
}

fn at_least(metric: Metric, target: f64, stretch: impl Into<Option<f64>>) -> Target {
    Target { metric, side: Side::AtLeast, target, stretch: stretch.into() }
}

/// S1 to S3: the canonical backlog, where every request takes the same time.
fn exact() -> Vec<Scenario> {
    let s1 = Scenario {
        targets: vec![
            at_most(Metric::RequestsPerCall, 1.03, 1.025),
            at_most(Metric::MakespanS, 21.9, 21.25),
            at_least(Metric::SpeedUp, 34.0, 35.29),
            at_most(Metric::Assignments, 12.0, 12.0),
            at_most(Metric::Misroutes, 0.0, None),
        ],
        ..base("S1", "1 000 calls at once, 12 agents in turn, one number")
    };
    let s2 = Scenario {
        numbers: 2,
        policy: LinePolicy { in_flight_total: Some(16), ..policy() },
        targets: vec![
            at_least(Metric::Utilisation, 0.95, 0.9615),
            at_most(Metric::MakespanS, 16.45, 16.25),
            at_least(Metric::SpeedUp, 45.0, 46.15),
            at_most(Metric::Misroutes, 0.0, None),
        ],
        ..base("S2", "as S1 on two numbers, 16 dials in flight in all")
    };
    let s3 = Scenario {
        policy: LinePolicy { quantum: Some(32), ..policy() },
        targets: vec![
            at_most(Metric::OvertakingMax, 352.0, 341.0),
            at_most(Metric::RequestsPerCall, 1.05, 1.049),
            at_least(Metric::SpeedUp, 27.0, 27.52),
            at_most(Metric::MakespanS, 27.8, 27.25),
            at_most(Metric::Misroutes, 0.0, None),
        ],
        ..base("S3", "as S1 with a hard quantum of 32 dials a session")
    };
    vec![s1, s2, s3]
}

/// S4: a backlog of many agents.
fn spread() -> Vec<Scenario> {
    vec![Scenario {
        agents: 50,
        sequence: Sequence::Zipf,
        network: RANDOM,
        targets: vec![
            at_most(Metric::AssignmentsPerBound, 1.0, 1.0),
            at_least(Metric::CallsPerSecond, 21.0, 22.5),
            at_most(Metric::Misroutes, 0.0, None),
        ],
        ..base("S4", "1 000 calls at once, 50 agents by Zipf, one number, random latencies")
    }]
}

/// S5 to S7: calls that keep coming.
fn open() -> Vec<Scenario> {
    let stream = |id, title, per_second| Scenario {
        calls: 20_000,
        sequence: Sequence::Zipf,
        arrivals: Arrivals::Poisson { per_second },
        network: RANDOM,
        ..base(id, title)
    };
    let s5 = Scenario {
        targets: vec![at_most(Metric::WaitP99S, 1.9, 1.67), at_most(Metric::WaitMaxS, 4.0, 3.2)],
        ..stream("S5", "one call a second, 12 agents by Zipf, one number", 1.0)
    };
    let rates = [("4", 4.0, 6.0, 5.2), ("16", 16.0, 11.0, 9.6), ("48", 48.0, 31.0, 27.7)];
    let s6 = rates.map(|(part, rate, target, stretch)| Scenario {
        part: Some(part),
        targets: vec![at_most(Metric::WaitP99S, target, stretch), at_most(Metric::Lost, 0.0, None)],
        ..stream("S6", "more calls a second than a mutex can carry, 12 agents by Zipf, one number", rate)
    });
    let s7 = Scenario {
        numbers: 4,
        targets: vec![at_most(Metric::WaitP99S, 0.75, 0.61), at_most(Metric::RequestsPerCall, 1.45, 1.42)],
        ..stream("S7", "four calls a second, 12 agents by Zipf, four numbers", 4.0)
    };
    std::iter::once(s5).chain(s6).chain([s7]).collect()
}

/// The world and the policy of a cap. The count of live calls is exact, so the list of conversations need not be read;
/// and confirmations do not age, as in the simulator behind `scheduling.md` 2.10.
fn under_cap(scenario: Scenario, live: u32) -> Scenario {
    let policy = LinePolicy { live_max: Some(live as usize), survey_every: LONG, freshness: LONG, ..scenario.policy };
    let note = Some("confirmations do not age here; S11 and S13 show what keeping them fresh costs");
    Scenario {
        sequence: Sequence::Zipf,
        network: RANDOM,
        cap: Some(Cap { live, talk_s: TALK_S }),
        policy,
        note,
        ..scenario
    }
}

/// S8 (its open part) and S9: calls that keep coming, and a cap on live calls.
fn capped() -> Vec<Scenario> {
    let stream = |id, part, title, live: u32, numbers| {
        let open = Scenario {
            part: Some(part),
            calls: 10_000,
            numbers,
            arrivals: Arrivals::Poisson { per_second: 0.9 * f64::from(live) / TALK_S },
            ..base(id, title)
        };
        under_cap(open, live)
    };
    let s8 = Scenario {
        targets: vec![at_most(Metric::AddedWaitP99S, 2.0, 1.63)],
        ..stream("S8", "open", "at most 100 live calls of 120 s, load 0.9, one number", 100, 1)
    };
    let few = "few live calls of 120 s, load 0.9";
    let s9 = [
        ("c5-k1", 5, 1, 1.5, 1.03),
        ("c20-k1", 20, 1, 1.5, 1.17),
        ("c5-k4", 5, 4, 0.75, 0.56),
        ("c20-k4", 20, 4, 0.75, 0.56),
    ]
    .map(|(part, live, numbers, target, stretch)| Scenario {
        targets: vec![at_most(Metric::AddedWaitP99S, target, stretch)],
        ..stream("S9", part, few, live, numbers)
    });
    std::iter::once(s8).chain(s9).collect()
}

/// S8 (its backlogs) and S9b: all calls at once, and a cap on live calls.
fn capped_backlogs() -> Vec<Scenario> {
    let backlog = |id, part, title, live, numbers, look_ahead| {
        let policy = LinePolicy { look_ahead, ..policy() };
        under_cap(Scenario { part: Some(part), numbers, policy, ..base(id, title) }, live)
    };
    let filling = "1 000 calls at once, at most 100 live calls of 120 s";
    let few = "1 000 calls at once, at most 20 live calls of 120 s";
    vec![
        Scenario {
            targets: vec![at_most(Metric::RampS, 9.0, 8.3), at_most(Metric::MakespanRatio, 1.03, 1.005)],
            ..backlog("S8", "backlog", filling, 100, 1, 0)
        },
        Scenario {
            targets: vec![at_most(Metric::RampS, 3.0, 2.4), at_most(Metric::MakespanRatio, 1.03, 1.001)],
            ..backlog("S8", "backlog-k4", filling, 100, 4, 0)
        },
        Scenario {
            targets: vec![at_most(Metric::AssignmentsPerFifo, 1.3, 1.24)],
            ..backlog("S9b", "k4", few, 20, 4, 0)
        },
        Scenario {
            targets: vec![at_most(Metric::RequestsPerCall, 1.10, 1.094)],
            ..backlog("S9b", "k1-b64", few, 20, 1, 64)
        },
    ]
}

/// S10: what becomes of calls without a lock.
fn unlocked() -> Vec<Scenario> {
    [("c2", 2), ("c4", 4), ("c16", 16), ("c64", 64)]
        .map(|(part, workers)| Scenario {
            part: Some(part),
            sequence: Sequence::Uniform,
            network: RANDOM,
            workers,
            policy: LinePolicy { in_flight_max: workers as usize, ..policy() },
            targets: vec![at_most(Metric::Misroutes, 0.0, None), at_most(Metric::DoubleDials, 0.0, None)],
            note: Some("one process; several that share a store are in the storms (`--processes`) and in S12"),
            ..base("S10", "the script without a lock, and as many dials in flight with one")
        })
        .to_vec()
}

/// The number is read again within 2 s, and the list of conversations every 5 s.
fn defended() -> LinePolicy {
    LinePolicy { freshness: Duration::from_secs(2), survey_every: Duration::from_secs(5), ..policy() }
}

/// S11 and S13: what the defences cost and what they are good for.
fn guarded() -> Vec<Scenario> {
    let s11 = Scenario {
        calls: 20_000,
        agents: 1,
        sequence: Sequence::Uniform,
        arrivals: Arrivals::Poisson { per_second: 1.0 },
        network: RANDOM,
        outsider_s: Some(600.0),
        policy: LinePolicy { mismatches_max: None, outside_changes_max: None, ..defended() },
        proof: ProofPolicy::Pages,
        targets: vec![
            at_most(Metric::MisroutesPerWrite, 1.3, 1.03),
            at_most(Metric::Unflagged, 0.0, None),
            at_most(Metric::FlagDelayMaxS, 10.0, None),
        ],
        ..base("S11", "somebody changes the number every 600 s; one agent, one call a second")
    };
    let s13 = Scenario {
        policy: defended(),
        proof: ProofPolicy::Pages,
        targets: vec![at_most(Metric::RequestsTotalPerCall, 1.05, 1.047), at_most(Metric::Misroutes, 0.0, None)],
        ..base("S13", "S1 with every defence: re-reads within 2 s, audit by pages")
    };
    vec![s11, s13]
}

/// The network of S12 (`scheduling.md` 2.12).
const LATE: Late = Late { share: 0.01, mean_s: 10.0, bound_s: None, of: LateOf::LastTurn };

/// S12: the process that holds the number fails, and another takes over.
fn failing() -> Vec<Scenario> {
    let crash = Failover { count: 1_000, ending: Ending::Crash, afterwards: Afterwards::Alternate, late: LATE };
    let other = |failover| Failover { afterwards: Afterwards::Other, ..failover };
    let pause = |failover| Failover { ending: Ending::Pause, ..failover };
    let late = |failover, late| Failover { late, ..failover };
    let bounded =
        Failover { count: 250, ..late(crash, Late { bound_s: Some(QUARANTINE_S), of: LateOf::Everyone, ..LATE }) };
    let release = Failover { count: 100, ending: Ending::Release, ..late(crash, Late { share: 0.0, ..LATE }) };
    let lease_s = SharingPolicy::default().ttl.as_secs_f64();
    let few = vec![at_most(Metric::MisroutesPerFailover, 0.003, 0.0013), at_most(Metric::DoubleDials, 0.0, None)];
    let soon = [
        at_most(Metric::TakeoverFreeMaxS, lease_s + FIRST_DIAL_S, None),
        at_most(Metric::TakeoverSameMaxS, lease_s + FIRST_DIAL_S, None),
        at_most(Metric::TakeoverOtherMaxS, lease_s + QUARANTINE_S + FIRST_DIAL_S, None),
    ];
    let none = vec![at_most(Metric::MisroutesPerFailover, 0.0, None), at_most(Metric::DoubleDials, 0.0, None)];
    let at_once = vec![at_most(Metric::TakeoverFreeMaxS, FIRST_DIAL_S, None), at_most(Metric::Misroutes, 0.0, None)];
    vec![
        failover("crash", "the holder of the number dies, agents go on alternating", crash, [&few[..], &soon].concat()),
        failover("crash-other", "it dies, and then all calls are for the other agent", other(crash), few.clone()),
        failover("pause", "it is paused for longer than its lease, agents alternate", pause(crash), few.clone()),
        failover("pause-other", "it is paused, then all calls are for the other agent", other(pause(crash)), few),
        failover("bounded", "it dies, and no request of anybody is later than 30 s", bounded, none.clone()),
        failover("bounded-pause", "it is paused, and no request is later than 30 s", pause(bounded), none),
        failover("release", "it gives the number back", release, at_once),
        Scenario {
            note: Some("no target: the design's figures are for requests of the turn in which the process fails"),
            ..failover(
                "long",
                "it dies after its requests have been late for half a minute and more",
                late(crash, Late { of: LateOf::Failing, ..LATE }),
                Vec::new(),
            )
        },
    ]
}

/// How long a request of a process that has gone is waited out.
const QUARANTINE_S: f64 = 30.0;
/// How long it may take whoever has just got a number until the first dial: a read, an assignment, some slow ones.
const FIRST_DIAL_S: f64 = 2.0;

/// A part of S12: two agents in turns of 2 s, four calls a second, one number.
fn failover(part: &'static str, title: &'static str, failover: Failover, targets: Vec<Target>) -> Scenario {
    let lateness = Duration::from_secs_f64(QUARANTINE_S);
    Scenario {
        part: Some(part),
        calls: 0,
        agents: 2,
        network: RANDOM,
        failover: Some(failover),
        policy: LinePolicy { lateness, mismatches_max: None, outside_changes_max: None, ..defended() },
        proof: ProofPolicy::Pages,
        targets,
        ..base("S12", title)
    }
}

/// S14: dials that are answered only when the callee picks up.
fn ringing() -> Vec<Scenario> {
    let pickup = Pickup { mean_s: 15.0, sigma: 0.6, max_s: 60.0, effect_s: (0.1, 0.2) };
    vec![Scenario {
        sequence: Sequence::Zipf,
        network: Network { pickup: Some(pickup), ..RANDOM },
        policy: LinePolicy { in_flight_max: 100, binding: Some(Duration::from_secs(5)), ..policy() },
        targets: vec![at_most(Metric::LastDialS, 95.0, 86.0), at_most(Metric::Misroutes, 0.0, None)],
        note: Some("the targets of `scheduling.md` 2.13 leave out the last answers, which may take 60 s"),
        ..base("S14", "dials are answered at pickup, after 15 s, but bind their agent within 5 s")
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_has_its_own_name() {
        let names: Vec<String> = all().iter().map(Scenario::name).collect();
        let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(names.len(), distinct.len());
        for id in ["S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "S9b", "S10", "S11", "S12", "S13", "S14"] {
            assert!(!find(id).is_empty(), "{id}");
        }
        assert_eq!(find("s6").len(), 3);
        assert_eq!(find("S6/16").len(), 1);
        assert_eq!(find("S8").len(), 3);
        assert_eq!(find("S12").len(), 8);
    }

    #[test]
    fn a_target_is_not_beyond_its_stretch() {
        for target in all().iter().flat_map(|scenario| &scenario.targets) {
            if let Some(stretch) = target.stretch {
                assert!(target.side.holds(stretch, target.target), "{target:?}");
            }
        }
    }
}
