//! Figures over seeds, with their spread, their bounds and the verdict.

use std::collections::BTreeMap;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::checks::Violation;
use crate::metric::Metric;
use crate::run::{Options, Outcome, Strategy, run};
use crate::scenario::{Scenario, Target};
use crate::timeline::Timeline;

/// A figure over all seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// The mean.
    pub mean: f64,
    /// Half the width of its 95 % confidence interval; `None` with one seed.
    pub half_width: Option<f64>,
    /// The mean of the bounds, where there is one.
    pub bound: Option<f64>,
}

/// How a target was met.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// What was to be reached.
    pub target: Target,
    /// What was reached.
    pub value: f64,
    /// Whether the target was met.
    pub is_met: bool,
    /// Whether the stretch was reached too, where there is one.
    pub is_stretched: Option<bool>,
}

impl Verdict {
    /// The figures of runs that lost calls or broke an invariant meet nothing.
    fn new(target: Target, figures: &BTreeMap<Metric, Figure>, is_whole: bool) -> Self {
        let value = figures.get(&target.metric).map_or(f64::NAN, |figure| figure.mean);
        let holds = |figure| is_whole && target.side.holds(value, figure);
        Self { target, value, is_met: holds(target.target), is_stretched: target.stretch.map(holds) }
    }
}

/// A strategy in a scenario, over all seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// For example `S6/16`.
    pub scenario: String,
    /// The strategy.
    pub strategy: Strategy,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// The figures.
    pub figures: BTreeMap<Metric, Figure>,
    /// How the targets were met; empty for the strategies that are there for comparison.
    pub verdicts: Vec<Verdict>,
    /// The first invariant that was broken, with its seed.
    pub violation: Option<(u64, Violation)>,
    /// What every number did with the first seed, where that was asked for.
    pub timeline: Option<Timeline>,
}

impl Report {
    /// Runs a scenario with each of the seeds.
    pub fn new(scenario: &Scenario, strategy: Strategy, seeds: &[u64], options: Options) -> Self {
        let only_first = |seed| Options { timeline: options.timeline && seeds.first() == Some(&seed), ..options };
        let mut outcomes: Vec<Outcome> =
            seeds.iter().map(|seed| run(scenario, strategy, *seed, only_first(*seed))).collect();
        let figures = figures(&outcomes);
        let broken = |outcome: &Outcome| outcome.violation.clone().map(|violation| (outcome.seed, violation));
        let violation = outcomes.iter().find_map(broken);
        let is_whole = violation.is_none() && figures.get(&Metric::Lost).is_none_or(|lost| lost.mean == 0.0);
        let targets = if strategy == Strategy::Partyline { scenario.targets.as_slice() } else { &[] };
        let verdicts = targets.iter().map(|target| Verdict::new(*target, &figures, is_whole)).collect();
        Self {
            scenario: scenario.name(),
            strategy,
            seeds: seeds.to_vec(),
            figures,
            verdicts,
            violation,
            timeline: outcomes.first_mut().and_then(|outcome| outcome.timeline.take()),
        }
    }

    /// Whether every target was met.
    pub fn is_met(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.is_met)
    }
}

fn figures(outcomes: &[Outcome]) -> BTreeMap<Metric, Figure> {
    let measured = |metric| {
        let measures: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.measures.get(&metric)).collect();
        let values: Vec<f64> = measures.iter().map(|measure| measure.value).collect();
        let bounds: Vec<f64> = measures.iter().filter_map(|measure| measure.bound).collect();
        let (mean, half_width) = spread(&values)?;
        Some((metric, Figure { mean, half_width, bound: spread(&bounds).map(|(bound, _)| bound) }))
    };
    Metric::ALL.into_iter().filter_map(measured).collect()
}

/// Mean and half-width; `None` of nothing.
#[expect(clippy::cast_precision_loss, reason = "a count of seeds")]
fn spread(values: &[f64]) -> Option<(f64, Option<f64>)> {
    let count = values.len() as f64;
    let mean = if values.is_empty() { return None } else { values.iter().sum::<f64>() / count };
    if values.len() < 2 {
        return Some((mean, None));
    }
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    Some((mean, Some(student(values.len() - 1) * (variance / count).sqrt())))
}

/// The 97.5 % quantile of Student's distribution.
fn student(freedom: usize) -> f64 {
    const QUANTILES: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ];
    freedom.checked_sub(1).and_then(|place| QUANTILES.get(place)).copied().unwrap_or(1.96)
}

/// One flat object: each figure by its name, its bound as `<name>_bound`, its spread as `<name>_half_width`.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("scenario", &self.scenario)?;
        map.serialize_entry("strategy", &self.strategy)?;
        map.serialize_entry("seeds", &self.seeds)?;
        for (metric, figure) in &self.figures {
            let name = metric.name();
            let is_whole = metric.is_count() && figure.half_width.is_none();
            map.serialize_entry(name, &Number { value: figure.mean, is_whole })?;
            if let Some(value) = figure.bound {
                map.serialize_entry(&format!("{name}_bound"), &Number { value, is_whole })?;
            }
            if let Some(half_width) = figure.half_width {
                map.serialize_entry(&format!("{name}_half_width"), &half_width)?;
            }
        }
        let verdicts: Vec<Judged> = self.verdicts.iter().map(Judged::new).collect();
        map.serialize_entry("targets", &verdicts)?;
        map.serialize_entry("met", &(!verdicts.is_empty()).then(|| self.is_met()))?;
        map.serialize_entry("violation", &self.violation.as_ref().map(|(seed, violation)| Broken { seed, violation }))?;
        map.end()
    }
}

#[derive(Serialize)]
struct Broken<'a> {
    seed: &'a u64,
    #[serde(flatten)]
    violation: &'a Violation,
}

#[derive(Serialize)]
struct Judged {
    metric: Metric,
    side: &'static str,
    target: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stretch: Option<f64>,
    value: f64,
    met: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stretch_met: Option<bool>,
}

impl Judged {
    fn new(verdict: &Verdict) -> Self {
        Self {
            metric: verdict.target.metric,
            side: verdict.target.side.as_str(),
            target: verdict.target.target,
            stretch: verdict.target.stretch,
            value: verdict.value,
            met: verdict.is_met,
            stretch_met: verdict.is_stretched,
        }
    }
}

struct Number {
    value: f64,
    is_whole: bool,
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, and checked to be one")]
        if self.is_whole && self.value >= 0.0 && self.value.fract() == 0.0 {
            serializer.serialize_u64(self.value as u64)
        } else {
            serializer.serialize_f64(self.value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_that_of_student() {
        let (mean, half_width) = spread(&[1.0, 2.0, 3.0]).expect("values");
        // 4.303 * 1 / sqrt(3)
        assert!((mean - 2.0).abs() < 1e-12);
        assert!((half_width.expect("three values") - 2.484_338).abs() < 1e-3);
        assert_eq!(spread(&[5.0]), Some((5.0, None)));
        assert_eq!(spread(&[]), None);
    }
}
