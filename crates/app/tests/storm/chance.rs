//! Chance from a seed: the same seed, the same choices.

use std::time::Duration;

/// The variable that names the seed to be replayed.
pub(crate) const SEED: &str = "PARTYLINE_STORM_SEED";

/// A sequence of choices (`SplitMix64`).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to just below `count`.
    pub(crate) fn below(&mut self, count: u64) -> u64 {
        self.next() % count
    }

    /// A time between the two, in milliseconds.
    pub(crate) fn between(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least))
    }

    /// So often in a hundred.
    pub(crate) fn is(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// The seed to be replayed, else the usual one of a test.
pub(crate) fn seed(usual: u64) -> u64 {
    let Ok(text) = std::env::var(SEED) else { return usual };
    text.parse().unwrap_or_else(|why| panic!("{SEED}: {why}"))
}
