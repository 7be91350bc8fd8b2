//! What may be chosen about how a call is placed, from whichever source, and how the words for it are read.

use std::time::Duration;

use jiff::SignedDuration;
use partyline_domain::ports::Rate;
use partyline_domain::{
    AfterCall, AssignmentPolicy, DialPolicy, Guarantee, LookUpPolicy, Policies, ProofPolicy, RingingTimeout,
};

/// One source's choices; absent = the next source decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallChoices {
    pub(crate) assignment: Option<AssignmentPolicy>,
    pub(crate) after_call: Option<AfterCall>,
    pub(crate) proof: Option<ProofPolicy>,
    pub(crate) lookup_window: Option<Duration>,
    pub(crate) settle: Option<Duration>,
    pub(crate) ringing_timeout: Option<RingingTimeout>,
    pub(crate) recording: Option<bool>,
    pub(crate) dial_retry: Option<bool>,
    pub(crate) at_least_once: Option<bool>,
}

impl CallChoices {
    /// These choices, and those of `lower` where there are none.
    pub(crate) fn or(self, lower: &Self) -> Self {
        Self {
            assignment: self.assignment.or(lower.assignment),
            after_call: self.after_call.or(lower.after_call),
            proof: self.proof.or(lower.proof),
            lookup_window: self.lookup_window.or(lower.lookup_window),
            settle: self.settle.or(lower.settle),
            ringing_timeout: self.ringing_timeout.or(lower.ringing_timeout),
            recording: self.recording.or(lower.recording),
            dial_retry: self.dial_retry.or(lower.dial_retry),
            at_least_once: self.at_least_once.or(lower.at_least_once),
        }
    }

    /// The policies, with the defaults of `partyline-domain` where nothing was chosen.
    pub(crate) fn policies(&self) -> Policies {
        let dial = DialPolicy::default();
        let look_up = LookUpPolicy::default();
        Policies {
            assignment: self.assignment.unwrap_or_default(),
            after_call: self.after_call.unwrap_or_default(),
            proof: self.proof.unwrap_or_default(),
            dial: DialPolicy {
                guarantee: if self.at_least_once == Some(true) { Guarantee::AtLeastOnce } else { dial.guarantee },
                ..if self.dial_retry == Some(false) { dial.without_retry() } else { dial }
            },
            look_up: LookUpPolicy { window: self.lookup_window.unwrap_or(look_up.window) },
            settle_after_post: self.settle.unwrap_or_default(),
        }
    }
}

/// The words for [`AssignmentPolicy`].
pub(crate) const ASSIGNMENT: &[(&str, AssignmentPolicy)] = &[
    ("always", AssignmentPolicy::Always),
    ("if-different", AssignmentPolicy::IfDifferent),
    ("never", AssignmentPolicy::Never),
];
/// The words for [`AfterCall`].
pub(crate) const AFTER_CALL: &[(&str, AfterCall)] = &[("keep", AfterCall::Keep), ("restore", AfterCall::Restore)];
/// The words for [`ProofPolicy`].
pub(crate) const PROOF: &[(&str, ProofPolicy)] =
    &[("off", ProofPolicy::Off), ("once", ProofPolicy::Once), ("required", ProofPolicy::Required)];

/// Reads one of `words`.
///
/// # Errors
/// What was expected, as a fragment; the text itself is not repeated.
pub(crate) fn word<T: Copy>(words: &[(&str, T)], text: &str) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let quoted: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        format!("expected {}", quoted.join(", "))
    })
}

/// Reads a duration such as `250ms`, `2s` or `1m`.
///
/// # Errors
/// What was expected, as a fragment.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|signed| Duration::try_from(signed).ok());
    parsed.ok_or_else(|| "expected a duration such as `250ms`, `2s` or `1m`".to_owned())
}

/// The longest time that a number stays with the agent after the dial was answered.
const SETTLE_MAX: Duration = Duration::from_secs(10 * 60);
/// The longest time that a dial in doubt is looked up.
const LOOKUP_WINDOW_MAX: Duration = Duration::from_secs(60 * 60);

/// Reads how long a number stays with the agent after the dial was answered.
///
/// # Errors
/// What was expected, as a fragment.
pub(crate) fn settle(text: &str) -> Result<Duration, String> {
    at_most(SETTLE_MAX, "10 minutes (`10m`)", text)
}

/// Reads how long a dial in doubt is looked up.
///
/// # Errors
/// What was expected, as a fragment.
pub(crate) fn lookup_window(text: &str) -> Result<Duration, String> {
    at_most(LOOKUP_WINDOW_MAX, "1 hour (`1h`)", text)
}

fn at_most(longest: Duration, told: &str, text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if duration <= longest { Ok(duration) } else { Err(format!("expected at most {told}")) }
}

/// Reads a ringing timeout: whole seconds, with or without the unit.
///
/// # Errors
/// What was expected, as a fragment.
pub(crate) fn ringing_timeout(text: &str) -> Result<RingingTimeout, String> {
    let expected = || "expected whole seconds from 1 to 999".to_owned();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => match duration(text) {
            Ok(duration) if duration.subsec_nanos() == 0 => duration.as_secs(),
            Ok(_) | Err(_) => return Err(expected()),
        },
    };
    let seconds = u16::try_from(seconds).map_err(|_| expected())?;
    RingingTimeout::from_seconds(seconds).map_err(|_| expected())
}

/// Reads how many there may be: at least one.
///
/// # Errors
/// What was expected, as a fragment.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "expected a whole number from 1 on".to_owned())
}

/// Reads how often something may happen a second.
///
/// # Errors
/// What was expected, as a fragment.
pub(crate) fn rate(text: &str) -> Result<Rate, String> {
    let rate = text.parse().ok().and_then(|count| Rate::per_second(count).ok());
    rate.ok_or_else(|| "expected how many a second, for example `1` or `0.5`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("1m"), Ok(Duration::from_secs(60)));
        for text in ["", "5", "-2s", "soon", "1 parsec"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_and_counts_are_above_nothing() {
        assert_eq!(rate("0.5").map(Rate::interval), Ok(Duration::from_secs(2)));
        assert_eq!(count("16"), Ok(16));
        for text in ["0", "-1", "NaN", "inf", "", "many", "1e-9"] {
            assert!(rate(text).is_err() && count(text).is_err(), "{text}");
        }
    }

    #[test]
    fn waits_have_an_end() {
        assert_eq!(settle("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(settle("600001ms"), Err("expected at most 10 minutes (`10m`)".to_owned()));
        assert_eq!(lookup_window("1h"), Ok(Duration::from_secs(3600)));
        assert_eq!(lookup_window("61m"), Err("expected at most 1 hour (`1h`)".to_owned()));
    }

    #[test]
    fn ringing_is_whole_seconds() {
        assert_eq!(ringing_timeout("45").map(RingingTimeout::seconds), Ok(45));
        assert_eq!(ringing_timeout("2m").map(RingingTimeout::seconds), Ok(120));
        for text in ["0", "1000", "1.5", "1500ms", "-1", "99999999999999999999"] {
            assert!(ringing_timeout(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_first_source_that_chooses_wins() {
        let high = CallChoices { assignment: Some(AssignmentPolicy::Never), ..CallChoices::default() };
        let low = CallChoices {
            assignment: Some(AssignmentPolicy::Always),
            after_call: Some(AfterCall::Restore),
            ..CallChoices::default()
        };
        let policies = high.or(&low).policies();
        assert_eq!(policies.assignment, AssignmentPolicy::Never);
        assert_eq!(policies.after_call, AfterCall::Restore);
        assert_eq!(policies.proof, ProofPolicy::Once);
        assert_eq!(policies.dial.guarantee, Guarantee::AtMostOnce);
        let twice = CallChoices { at_least_once: Some(true), ..CallChoices::default() };
        assert_eq!(twice.or(&low).policies().dial.guarantee, Guarantee::AtLeastOnce);
    }

    #[test]
    fn every_word_is_read() {
        assert_eq!(word(ASSIGNMENT, "if-different"), Ok(AssignmentPolicy::IfDifferent));
        assert_eq!(word(PROOF, "of"), Err("expected `off`, `once`, `required`".to_owned()));
    }
}
