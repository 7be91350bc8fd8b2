//! Randomness that depends on nothing but a seed, a purpose and a count, so that drawing one value more in one
//! place changes nothing elsewhere.

/// What a value is drawn for; each has a stream of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    AgentId = 1,
    NumberId = 2,
    ConversationId = 3,
    CallSid = 4,
    RequestId = 5,
    Latency = 6,
    Effect = 7,
    FaultDue = 8,
    FaultChoice = 9,
}

/// The `count`-th value of a stream, after Steele, Lea and Flood's SplitMix64.
pub(crate) fn draw(seed: u64, stream: Stream, count: u64) -> u64 {
    scramble(scramble(seed ^ ((stream as u64) << 56)).wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// A value from 0 inclusive to 1 exclusive.
pub(crate) fn fraction(value: u64) -> f64 {
    let high = u32::try_from(value >> 32).expect("the upper half of 64 bits has 32");
    f64::from(high) / (f64::from(u32::MAX) + 1.0)
}

fn scramble(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_apart_and_repeatable() {
        assert_eq!(draw(1, Stream::Latency, 7), draw(1, Stream::Latency, 7));
        assert_ne!(draw(1, Stream::Latency, 7), draw(1, Stream::Effect, 7));
        assert_ne!(draw(1, Stream::Latency, 7), draw(1, Stream::Latency, 8));
        assert_ne!(draw(1, Stream::Latency, 7), draw(2, Stream::Latency, 7));
        let mean: f64 = (0..1000).map(|count| fraction(draw(3, Stream::Latency, count))).sum::<f64>() / 1000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
    }
}
