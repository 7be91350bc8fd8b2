//! How a batch was asked for, as the store keeps it: what a process needs that goes on with it.

use std::time::Duration;

use partyline_domain::ports::Rate;
use serde::{Deserialize, Serialize};

use crate::cli::PaceArgs;

/// See the module. What is not known (of a later version) is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::commands::batch) struct Options {
    max_in_flight: Option<usize>,
    max_in_flight_per_number: Option<usize>,
    max_live: Option<usize>,
    look_ahead: Option<usize>,
    dial_interval_us: Option<u64>,
    request_interval_us: Option<u64>,
    /// The lines of its rows, as ranges with both ends.
    lines: Vec<(u64, u64)>,
}

impl Options {
    /// Of a batch with rows on these lines, in their order.
    pub(in crate::commands::batch) fn new(pace: &PaceArgs, lines: impl Iterator<Item = u64>) -> Self {
        let interval =
            |rate: Option<Rate>| rate.map(|rate| u64::try_from(rate.interval().as_micros()).unwrap_or(u64::MAX));
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for line in lines {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == line => *last = line,
                Some(_) | None => ranges.push((line, line)),
            }
        }
        Self {
            max_in_flight: pace.max_in_flight,
            max_in_flight_per_number: pace.max_in_flight_per_number,
            max_live: pace.max_live,
            look_ahead: pace.look_ahead,
            dial_interval_us: interval(pace.dials_per_second),
            request_interval_us: interval(pace.requests_per_second),
            lines: ranges,
        }
    }

    /// As the store keeps it.
    pub(in crate::commands::batch) fn written(&self) -> String {
        serde_json::to_string(self).expect("our own types have string keys only")
    }

    /// What the store has kept; the defaults where it cannot be understood.
    pub(in crate::commands::batch) fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// The pace, where `flags` do not say otherwise.
    pub(in crate::commands::batch) fn pace(&self, flags: &PaceArgs) -> PaceArgs {
        let rate = |interval: Option<u64>| {
            let seconds = Duration::from_micros(interval?).as_secs_f64();
            Rate::per_second(1.0 / seconds).ok()
        };
        PaceArgs {
            max_in_flight: flags.max_in_flight.or(self.max_in_flight),
            max_in_flight_per_number: flags.max_in_flight_per_number.or(self.max_in_flight_per_number),
            max_live: flags.max_live.or(self.max_live),
            look_ahead: flags.look_ahead.or(self.look_ahead),
            dials_per_second: flags.dials_per_second.or(rate(self.dial_interval_us)),
            requests_per_second: flags.requests_per_second.or(rate(self.request_interval_us)),
        }
    }

    /// The lines of its rows.
    pub(in crate::commands::batch) fn lines(&self) -> impl Iterator<Item = u64> {
        self.lines.iter().flat_map(|(first, last)| *first..=*last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let rate = |count| Rate::per_second(count).ok();
        let pace = PaceArgs { max_live: Some(3), dials_per_second: rate(0.5), ..PaceArgs::default() };
        let options = Options::new(&pace, [2, 3, 4, 7, 9, 10].into_iter());
        assert_eq!(options.lines, [(2, 4), (7, 7), (9, 10)]);
        let read = Options::read(&options.written());
        assert_eq!(read, options);
        assert_eq!(read.lines().collect::<Vec<_>>(), [2, 3, 4, 7, 9, 10]);
        let pace = read.pace(&PaceArgs { max_live: Some(1), ..PaceArgs::default() });
        assert_eq!((pace.max_live, pace.dials_per_second, pace.max_in_flight), (Some(1), rate(0.5), None));
        assert_eq!(Options::read("written by somebody else"), Options::default());
        assert_eq!(Options::read("{\"later\":1,\"max_live\":2}").max_live, Some(2));
    }
}
