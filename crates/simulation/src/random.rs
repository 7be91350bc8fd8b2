//! Random numbers by place, not by order: the draw for a (seed, kind, index) is the same in every run, so that
//! all strategies meet the same arrivals, agents, durations and latencies (`scheduling.md` 3.1).

/// What a number is drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Kind {
    /// The gap before a call's arrival.
    Gap = 1,
    /// A call's agent.
    Agent = 2,
    /// Whether a bursty sequence stays with its agent.
    Stay = 3,
    /// How long a conversation lasts.
    Talk = 4,
    /// A dial, by the index of its call.
    Dial = 5,
    /// A change of an assignment, by order of use; so are the rest.
    Assign = 6,
    /// A read of one number, or of all.
    Read = 7,
    /// A question about agents.
    Verify = 8,
    /// A page of the list of conversations.
    Survey = 9,
    /// When somebody outside changes a number.
    Outsider = 10,
    /// When and how a process fails.
    Failure = 11,
    /// Which requests take effect late, and how much.
    Late = 12,
    /// The seeds of runs within a run.
    Within = 13,
}

/// Draws of one seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    seed: u64,
}

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed: mix(seed ^ 0x9e37_79b9_7f4a_7c15) }
    }

    fn bits(self, kind: Kind, index: u64, lane: u64) -> u64 {
        let keyed = mix(self.seed ^ (kind as u64).wrapping_mul(0xd1b5_4a32_d192_ed03));
        let placed = mix(keyed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        mix(placed ^ lane.wrapping_mul(0xaef1_7502_108e_f2d9))
    }

    /// The seed of a run within this one.
    pub(crate) fn seed_within(self, index: u64) -> u64 {
        self.bits(Kind::Within, index, 0)
    }

    /// Uniform in [0, 1).
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    pub(crate) fn uniform(self, kind: Kind, index: u64, lane: u64) -> f64 {
        (self.bits(kind, index, lane) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Exponential with mean 1.
    pub(crate) fn exponential(self, kind: Kind, index: u64, lane: u64) -> f64 {
        -(1.0 - self.uniform(kind, index, lane)).ln()
    }

    /// Lognormal with this mean and this standard deviation of the logarithm.
    pub(crate) fn lognormal(self, kind: Kind, index: u64, lane: u64, mean: f64, sigma: f64) -> f64 {
        let radius = (2.0 * self.exponential(kind, index, lane)).sqrt();
        let angle = std::f64::consts::TAU * self.uniform(kind, index, lane + 1);
        let normal = radius * angle.cos();
        mean * (sigma * normal - sigma * sigma / 2.0).exp()
    }
}

/// The finisher of SplitMix64 (Steele, Lea, Flood, 2014), after which neighbouring keys have nothing in common.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u64 = 100_000;

    fn mean(draw: impl Fn(u64) -> f64) -> f64 {
        (0..DRAWS).map(draw).sum::<f64>() / 1e5
    }

    #[test]
    fn a_place_has_one_number_and_places_differ() {
        let draw = Draw::new(1);
        assert_eq!(draw.bits(Kind::Dial, 7, 0), Draw::new(1).bits(Kind::Dial, 7, 0));
        assert_ne!(draw.bits(Kind::Dial, 7, 0), draw.bits(Kind::Dial, 8, 0));
        assert_ne!(draw.bits(Kind::Dial, 7, 0), draw.bits(Kind::Dial, 7, 1));
        assert_ne!(draw.bits(Kind::Dial, 7, 0), draw.bits(Kind::Read, 7, 0));
        assert_ne!(draw.bits(Kind::Dial, 7, 0), Draw::new(2).bits(Kind::Dial, 7, 0));
    }

    #[test]
    fn the_distributions_have_their_means() {
        let draw = Draw::new(3);
        assert!((mean(|i| draw.uniform(Kind::Dial, i, 0)) - 0.5).abs() < 0.005);
        assert!((mean(|i| draw.exponential(Kind::Gap, i, 0)) - 1.0).abs() < 0.02);
        assert!((mean(|i| draw.lognormal(Kind::Dial, i, 0, 0.25, 0.5)) - 0.25).abs() < 0.002);
        let below_mean = mean(|i| f64::from(draw.lognormal(Kind::Dial, i, 0, 1.0, 0.5) < 1.0));
        // The normal distribution's value at sigma / 2.
        assert!((below_mean - 0.5987).abs() < 0.01);
    }
}
