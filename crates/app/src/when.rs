//! Points in time as people write and read them: in UTC, and as ages.

use std::time::Duration;

use partyline_domain::Timestamp;

use crate::settings::duration;

/// A point in time as somebody named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// This one.
    At(Timestamp),
    /// So long before now.
    Ago(Duration),
}

impl Moment {
    /// The point in time.
    pub(crate) fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(age) => now.before(age),
        }
    }
}

/// Reads a time such as `2026-12-24T18:00:00Z`, or an age such as `2h`.
///
/// # Errors
/// What was expected, as a fragment.
pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        let since_unix = at.duration_since(jiff::Timestamp::UNIX_EPOCH);
        return Ok(Moment::At(Duration::try_from(since_unix).map(Timestamp::from_unix).unwrap_or_default()));
    }
    let expected =
        "expected a time with its zone such as `2026-12-24T18:00:00Z`, or an age such as `30m`, `2h` or `7d`";
    age(text).map(Moment::Ago).map_err(|_| expected.to_owned())
}

/// Reads an age such as `90s`, `2h`, `30d` or `2w`.
///
/// # Errors
/// What was expected, as a fragment.
pub(crate) fn age(text: &str) -> Result<Duration, String> {
    let expected = || "expected an age such as `12h`, `30d` or `2w`".to_owned();
    let text = text.trim();
    let days_each = [("d", 1), ("days", 1), ("day", 1), ("w", 7), ("weeks", 7), ("week", 7)];
    for (unit, days) in days_each {
        let count = text.strip_suffix(unit).map(str::trim_end).and_then(|count| count.parse::<u32>().ok());
        if let Some(count) = count {
            return Ok(Duration::from_secs(u64::from(count) * days * 24 * 3600));
        }
    }
    duration(text).map_err(|_| expected())
}

/// A point in time to the second, in UTC.
pub(crate) fn told(at: Timestamp) -> String {
    format!("{:.0}", utc(at))
}

/// A point in time to the millisecond, in UTC.
pub(crate) fn exactly(at: Timestamp) -> String {
    format!("{:.3}", utc(at))
}

/// How long before `now` it was: `12 s ago`, `3 h ago`.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    if at > now {
        return format!("in {}", roughly(at.since_unix().saturating_sub(now.since_unix())));
    }
    format!("{} ago", roughly(now.since_unix().saturating_sub(at.since_unix())))
}

/// A duration in its largest unit: `12 s`, `3 min`, `5 h`, `9 days`.
pub(crate) fn roughly(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn utc(at: Timestamp) -> jiff::Timestamp {
    let nanoseconds = i128::try_from(at.since_unix().as_nanos()).unwrap_or(i128::MAX);
    jiff::Timestamp::from_nanosecond(nanoseconds).unwrap_or(jiff::Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix(Duration::from_secs(seconds))
    }

    #[test]
    fn a_moment_is_a_time_or_an_age() {
        assert_eq!(moment("1970-01-01T00:01:00Z"), Ok(Moment::At(at(60))));
        assert_eq!(moment("1970-01-01T01:01:00+01:00"), Ok(Moment::At(at(60))));
        assert_eq!(moment("2h").map(|moment| moment.at(at(10_000))), Ok(at(2_800)));
        assert_eq!(moment("90d"), Ok(Moment::Ago(Duration::from_secs(90 * 86_400))));
        for text in ["", "yesterday", "-2h", "2026-12-24", "d", "1.5d", "99999999999d"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ages_may_be_days_and_weeks() {
        for (text, seconds) in [("30s", 30), ("1h 30m", 5400), ("2w", 1_209_600), ("1 day", 86_400), ("0d", 0)] {
            assert_eq!(age(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn times_are_told_in_utc() {
        let moment = Timestamp::from_unix(Duration::from_millis(1_790_000_000_123));
        assert_eq!(told(moment), "2026-09-21T14:13:20Z");
        assert_eq!(exactly(moment), "2026-09-21T14:13:20.123Z");
        assert_eq!(ago(at(100), at(160)), "60 s ago");
        assert_eq!(ago(at(100), at(10_000)), "2 h ago");
        assert_eq!(ago(at(160), at(100)), "in 60 s");
        assert_eq!(told(Timestamp::default().after(Duration::MAX)), "2554-07-21T23:34:33Z");
    }
}
