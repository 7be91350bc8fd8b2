//! How long a request takes, and when within that time it has its effect.

use std::collections::BTreeMap;
use std::time::Duration;

use super::request::Operation;
use crate::random::{Stream, draw, fraction};

/// How long requests take.
#[derive(Clone, Debug, PartialEq)]
pub struct Latency {
    /// From sending to answer, where `per_operation` says nothing else.
    pub mean: Duration,
    /// Other means for some kinds of request.
    pub per_operation: BTreeMap<Operation, Duration>,
    /// How it varies.
    pub spread: Spread,
    /// When the effect happens.
    pub effect: EffectPosition,
}

/// How latency varies.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Spread {
    /// It does not.
    #[default]
    Constant,
    /// Roughly log-normal, with this sigma; the mean is kept (`scheduling.md` 2.1 uses 0.5).
    LogNormal(f64),
}

/// When, in per cent of the latency, the effect happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectPosition {
    /// Always then.
    At(u8),
    /// Uniformly between the two.
    Between(u8, u8),
}

impl Default for EffectPosition {
    fn default() -> Self {
        Self::At(50)
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::constant(Duration::ZERO)
    }
}

impl Latency {
    /// The same for every request, with the effect in the middle.
    pub fn constant(mean: Duration) -> Self {
        let (spread, effect) = (Spread::default(), EffectPosition::default());
        Self { mean, per_operation: BTreeMap::new(), spread, effect }
    }

    /// The model of `scheduling.md` 2.1: log-normal with sigma 0.5, the effect at 20 to 80 %.
    pub fn varying(mean: Duration) -> Self {
        let (spread, effect) = (Spread::LogNormal(0.5), EffectPosition::Between(20, 80));
        Self { mean, per_operation: BTreeMap::new(), spread, effect }
    }

    /// From sending to effect and from sending to answer, for the request of this number.
    pub(super) fn of(&self, operation: Operation, seed: u64, request: u64) -> (Duration, Duration) {
        let mean = self.per_operation.get(&operation).copied().unwrap_or(self.mean);
        if mean.is_zero() {
            return (Duration::ZERO, Duration::ZERO);
        }
        let whole = match self.spread {
            Spread::Constant => mean,
            Spread::LogNormal(sigma) => {
                let deviate = near_normal(seed, request);
                mean.mul_f64((sigma * deviate - sigma * sigma / 2.0).exp())
            }
        };
        let percent = match self.effect {
            EffectPosition::At(percent) => u32::from(percent.min(100)),
            EffectPosition::Between(low, high) => {
                let (low, high) = (u32::from(low.min(100)), u32::from(high.min(100)));
                let width = u64::from(high.saturating_sub(low)) + 1;
                low + u32::try_from(draw(seed, Stream::Effect, request) % width).expect("at most 100")
            }
        };
        (whole * percent / 100, whole)
    }
}

/// The sum of twelve uniform values less six: nearly normal with mean 0 and deviation 1.
fn near_normal(seed: u64, request: u64) -> f64 {
    (0..12).map(|part| fraction(draw(seed, Stream::Latency, 12 * request + part))).sum::<f64>() - 6.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_latency_has_its_effect_in_the_middle() {
        let latency = Latency::constant(Duration::from_millis(250));
        let (effect, answer) = latency.of(Operation::Dial, 1, 1);
        assert_eq!((effect, answer), (Duration::from_millis(125), Duration::from_millis(250)));
    }

    #[test]
    fn varying_latency_keeps_its_mean() {
        let latency = Latency::varying(Duration::from_millis(250));
        let drawn: Vec<_> = (0..4000).map(|request| latency.of(Operation::Dial, 1, request)).collect();
        let mean = drawn.iter().map(|(_, whole)| *whole).sum::<Duration>() / 4000;
        assert!((240..260).contains(&mean.as_millis()), "{mean:?}");
        assert!(drawn.iter().all(|(effect, whole)| *effect >= *whole / 5 && *effect <= *whole * 81 / 100));
    }
}
