//! From what was seen of many failovers to figures.

use std::time::Duration;

use super::Failover;
use super::one::Aftermath;
use crate::measure::{Measure, Measures};
use crate::metric::Metric;
use crate::scenario::Scenario;

/// `all`: what came of each failover.
pub(super) fn measures(scenario: &Scenario, failover: &Failover, all: &[Aftermath]) -> Measures {
    let mut measures = Measures::new();
    let mut put = |metric, value, bound| measures.insert(metric, Measure { value, bound });
    let total = |count: &dyn Fn(&Aftermath) -> usize| all.iter().map(count).sum::<usize>() as f64;
    let failovers = all.len() as f64;
    let misroutes = total(&|one| one.misroutes.len());
    let with_any = total(&|one| usize::from(!one.misroutes.is_empty()));
    // Whatever takes effect by then is waited out (`scheduling.md` 4.1).
    let lateness = scenario.policy.lateness.as_secs_f64();
    let bound = failover.late.bound_s.filter(|bound_s| *bound_s <= lateness).map(|_| 0.0);
    put(Metric::Failovers, failovers, None);
    put(Metric::Misroutes, misroutes, bound);
    put(Metric::MisrouteShare, misroutes / total(&|one| one.dials), bound);
    put(Metric::MisroutesPerFailover, misroutes / failovers, bound);
    put(Metric::MisroutedFailovers, with_any / failovers, bound);
    put(Metric::DoubleDials, total(&|one| one.doubles), Some(0.0));
    let flags = || all.iter().flat_map(|one| &one.misroutes);
    put(Metric::Unflagged, flags().filter(|flagged| flagged.is_none()).count() as f64, None);
    put(Metric::FlagDelayMaxS, flags().flatten().max().map_or(0.0, Duration::as_secs_f64), None);
    for (mean, longest, taken) in [
        (
            Metric::TakeoverFreeS,
            Metric::TakeoverFreeMaxS,
            Aftermath::taken_freely as fn(&Aftermath) -> Option<Duration>,
        ),
        (Metric::TakeoverSameS, Metric::TakeoverSameMaxS, |one| one.taken_by_same),
        (Metric::TakeoverOtherS, Metric::TakeoverOtherMaxS, |one| one.taken_by_other),
    ] {
        let times: Vec<Duration> = all.iter().filter_map(taken).collect();
        if let Some(most) = times.iter().max() {
            put(mean, times.iter().sum::<Duration>().as_secs_f64() / times.len() as f64, None);
            put(longest, most.as_secs_f64(), None);
        }
    }
    measures
}
