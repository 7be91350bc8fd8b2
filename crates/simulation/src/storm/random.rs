//! Randomness that depends on nothing but the seed, a purpose and a count: one fault or one call less changes
//! nothing of what is drawn for the others, which is what makes a failing seed shrink.

/// What a value is drawn for; each has a stream of its own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    /// How large the storm is and what is switched on.
    Shape = 1,
    /// Whether a fault is among the seed's.
    Active = 2,
    /// How a fault shows.
    Fault = 3,
    /// What the calls want.
    Agent = 4,
    Arrival = 5,
    Numbers = 6,
    Policy = 7,
    Urgent = 8,
    Expiry = 9,
    Cancel = 10,
    /// What others do meanwhile.
    Outside = 11,
    /// Connections that do not come about.
    Connection = 12,
    /// Bounds of the lines.
    Line = 13,
    /// The world.
    World = 14,
    /// The processes that share a store: which dies or stops when.
    Process = 15,
    /// The store.
    Store = 16,
}

/// Draws values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice {
    seed: u64,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The `count`-th value of a stream, after Steele, Lea and Flood's SplitMix64.
    pub(super) fn draw(self, stream: Stream, count: u64) -> u64 {
        let stream = scramble(self.seed ^ ((stream as u64) << 56));
        scramble(stream.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// A value from `low` to `high`, both included.
    pub(super) fn between(self, stream: Stream, count: u64, low: u64, high: u64) -> u64 {
        low + self.draw(stream, count) % (high - low + 1)
    }

    /// Yes in so many of a hundred cases.
    pub(super) fn percent(self, stream: Stream, count: u64, percent: u64) -> bool {
        self.draw(stream, count) % 100 < percent
    }

    /// One of a list that is not empty.
    pub(super) fn pick<T: Copy>(self, stream: Stream, count: u64, list: &[T]) -> T {
        let length = list.len().max(1) as u64;
        list[usize::try_from(self.draw(stream, count) % length).expect("below a length")]
    }

    /// An index below `length`, which is not zero.
    pub(super) fn index(self, stream: Stream, count: u64, length: usize) -> usize {
        usize::try_from(self.draw(stream, count) % length.max(1) as u64).expect("below a length")
    }
}

fn scramble(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
