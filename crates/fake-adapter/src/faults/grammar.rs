//! How faults are written and read.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::plan::{Count, FaultRule, Target};
use super::{Denial, FailStatus, Fault, When};
use crate::world::Operation;

use When::{After, Before};

/// The faults without a duration, with their names.
pub(super) const NAMED: &[(&str, Fault)] = &[
    ("408-before", Fault::Status(FailStatus::RequestTimeout, Before)),
    ("408-after", Fault::Status(FailStatus::RequestTimeout, After)),
    ("409-before", Fault::Status(FailStatus::Conflict, Before)),
    ("409-after", Fault::Status(FailStatus::Conflict, After)),
    ("429-before", Fault::Status(FailStatus::TooManyRequests, Before)),
    ("429-after", Fault::Status(FailStatus::TooManyRequests, After)),
    ("500-before", Fault::Status(FailStatus::InternalError, Before)),
    ("500-after", Fault::Status(FailStatus::InternalError, After)),
    ("502-before", Fault::Status(FailStatus::BadGateway, Before)),
    ("502-after", Fault::Status(FailStatus::BadGateway, After)),
    ("503-before", Fault::Status(FailStatus::Unavailable, Before)),
    ("503-after", Fault::Status(FailStatus::Unavailable, After)),
    ("504-before", Fault::Status(FailStatus::GatewayTimeout, Before)),
    ("504-after", Fault::Status(FailStatus::GatewayTimeout, After)),
    ("429", Fault::RateLimited { retry_after: None }),
    ("429-text", Fault::RateLimitedText),
    ("502-html", Fault::Html(Before)),
    ("502-html-after", Fault::Html(After)),
    ("401", Fault::Denied(Denial::BadKey)),
    ("401-permission", Fault::Denied(Denial::MissingPermission)),
    ("402", Fault::Denied(Denial::PaymentRequired)),
    ("403", Fault::Denied(Denial::Forbidden)),
    ("404", Fault::Denied(Denial::NotFound)),
    ("422", Fault::Denied(Denial::Unprocessable)),
    ("hang-before", Fault::Hang(Before)),
    ("hang-after", Fault::Hang(After)),
    ("reset-before", Fault::Reset(Before)),
    ("reset-after", Fault::Reset(After)),
    ("half", Fault::Half),
    ("garbage", Fault::Garbage),
    ("refused", Fault::Refused),
    ("refused-with-conversation", Fault::RefusedWithConversation),
    ("no-conversation-id", Fault::NoConversationId),
    ("ignored", Fault::Ignored),
    ("lying", Fault::Lying),
    ("unknown-enum", Fault::UnknownEnum),
    ("missing-optional", Fault::MissingOptional),
    ("legacy", Fault::Legacy),
    ("page-missing", Fault::PageMissing),
    ("page-shuffled", Fault::PageShuffled),
    ("untagged", Fault::Untagged),
];

const TIMED: &str = "429-retry-<seconds>s, slow-<duration>, late-<duration>, hang-late-<duration>, twice-<duration>";

/// A text that is not a fault rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultParseError {
    /// Not two or three parts with colons between them.
    #[error("a fault is written <operation>:<fault>[:<count>[@<skip>]], for example dial:504-after:1, not {text:?}")]
    Shape {
        /// What was given.
        text: String,
    },
    /// No such operation.
    #[error("no operation {name:?}; there are any, {}", Operation::names())]
    Operation {
        /// What was given.
        name: String,
    },
    /// No such fault.
    #[error("no fault {name:?}; there are {}, {TIMED}", names())]
    Fault {
        /// What was given.
        name: String,
    },
    /// The fault cannot happen to this operation.
    #[error("the fault {fault} cannot happen to {operation}")]
    NotApplicable {
        /// The fault.
        fault: Fault,
        /// The operation.
        operation: Operation,
    },
    /// Not a count, or not a number to skip.
    #[error(
        "{text:?} is not a count: write a number above zero or *, and @<skip> to let that many requests pass first"
    )]
    Count {
        /// What was given.
        text: String,
    },
}

fn names() -> String {
    NAMED.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

impl FromStr for Fault {
    type Err = FaultParseError;

    fn from_str(name: &str) -> Result<Self, FaultParseError> {
        let timed = |prefix: &str| name.strip_prefix(prefix).and_then(duration);
        let named = NAMED.iter().find(|(known, _)| *known == name).map(|(_, fault)| *fault);
        let whole = |after: &Duration| after.subsec_nanos() == 0;
        named
            .or_else(|| timed("429-retry-").filter(whole).map(|after| Self::RateLimited { retry_after: Some(after) }))
            .or_else(|| timed("slow-").map(Self::Slow))
            .or_else(|| timed("late-").map(Self::Late))
            .or_else(|| timed("hang-late-").map(Self::HangLate))
            .or_else(|| timed("twice-").map(Self::Twice))
            .ok_or_else(|| FaultParseError::Fault { name: name.to_owned() })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, _)) = NAMED.iter().find(|(_, fault)| fault == self) {
            return f.write_str(name);
        }
        let (prefix, duration) = match self {
            Self::RateLimited { retry_after } => ("429-retry", retry_after.unwrap_or_default()),
            Self::Slow(duration) => ("slow", *duration),
            Self::Late(duration) => ("late", *duration),
            Self::HangLate(duration) => ("hang-late", *duration),
            Self::Twice(duration) => ("twice", *duration),
            Self::Status(..)
            | Self::RateLimitedText
            | Self::Html(_)
            | Self::Denied(_)
            | Self::Hang(_)
            | Self::Reset(_)
            | Self::Half
            | Self::Garbage
            | Self::Refused
            | Self::RefusedWithConversation
            | Self::NoConversationId
            | Self::Ignored
            | Self::Lying
            | Self::UnknownEnum
            | Self::MissingOptional
            | Self::Legacy
            | Self::PageMissing
            | Self::PageShuffled
            | Self::Untagged => unreachable!("the table of names has every fault without a duration"),
        };
        write!(f, "{prefix}-")?;
        write_duration(duration, f)
    }
}

impl FromStr for Target {
    type Err = FaultParseError;

    fn from_str(name: &str) -> Result<Self, FaultParseError> {
        if name == "any" {
            return Ok(Self::Any);
        }
        let operation = Operation::ALL.into_iter().find(|operation| operation.as_str() == name);
        operation.map(Self::Only).ok_or_else(|| FaultParseError::Operation { name: name.to_owned() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Only(operation) => operation.fmt(f),
        }
    }
}

impl FromStr for FaultRule {
    type Err = FaultParseError;

    fn from_str(text: &str) -> Result<Self, FaultParseError> {
        let parts: Vec<&str> = text.trim().split(':').collect();
        let (target, fault, count) = match parts.as_slice() {
            [target, fault] => (*target, *fault, "1"),
            [target, fault, count] => (*target, *fault, *count),
            _ => return Err(FaultParseError::Shape { text: text.to_owned() }),
        };
        let (target, fault) = (target.parse()?, fault.parse::<Fault>()?);
        if let Target::Only(operation) = target
            && !fault.applies_to(operation)
        {
            return Err(FaultParseError::NotApplicable { fault, operation });
        }
        let (count, skip) = counts(count).ok_or_else(|| FaultParseError::Count { text: count.to_owned() })?;
        Ok(Self { target, fault, count, skip })
    }
}

fn counts(text: &str) -> Option<(Count, u32)> {
    let (count, skip) = match text.split_once('@') {
        Some((count, skip)) => (count, number(skip)?),
        None => (text, 0),
    };
    let count = match count {
        "*" => Count::Always,
        count => Count::Times(number(count).filter(|count| *count > 0)?),
    };
    Some((count, skip))
}

impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.target, self.fault)?;
        match (self.count, self.skip) {
            (Count::Times(1), 0) => Ok(()),
            (Count::Times(count), 0) => write!(f, ":{count}"),
            (Count::Times(count), skip) => write!(f, ":{count}@{skip}"),
            (Count::Always, 0) => f.write_str(":*"),
            (Count::Always, skip) => write!(f, ":*@{skip}"),
        }
    }
}

fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A duration as `90s`, `250ms`, `5us`, `7ns` or `2m`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|character: char| character.is_ascii_lowercase());
    let count = u64::from(number(digits)?);
    match &text[digits.len()..] {
        "ns" => Some(Duration::from_nanos(count)),
        "us" => Some(Duration::from_micros(count)),
        "ms" => Some(Duration::from_millis(count)),
        "s" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_secs(60 * count)),
        _ => None,
    }
}

fn write_duration(duration: Duration, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match duration.subsec_nanos() {
        0 => write!(f, "{}s", duration.as_secs()),
        part if part % 1_000_000 == 0 => write!(f, "{}ms", duration.as_millis()),
        part if part % 1000 == 0 => write!(f, "{}us", duration.as_micros()),
        _ => write!(f, "{}ns", duration.as_nanos()),
    }
}
