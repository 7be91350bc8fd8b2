//! What is asked for: one call, whole, with its policies.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::ids::{AgentId, CallId, PhoneNumberId};
use crate::phone::PhoneNumber;
use crate::policy::Policies;
use crate::time::Timestamp;
use crate::variables::Variables;

/// One call to be placed. Everything that decides how it goes is in here; nothing is looked up elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CallRequest {
    /// Our own id of the call; comes from [`crate::ports::Ids`].
    pub id: CallId,
    /// The agent that is to speak.
    pub agent: AgentId,
    /// The numbers that it may be called from; which of them is decided when its turn comes.
    pub numbers: NumberChoice,
    /// The callee.
    pub to: PhoneNumber,
    /// Whether it goes ahead of others.
    #[cfg_attr(feature = "serde", serde(default))]
    pub priority: Priority,
    /// It is not dialled after this, by our wall clock.
    #[cfg_attr(feature = "serde", serde(default))]
    pub expires_at: Option<Timestamp>,
    /// What the provider is told beside the three above.
    pub options: Arc<CallOptions>,
    /// How it is to be placed.
    pub policies: Arc<Policies>,
}

impl CallRequest {
    /// Whether the other asks for the same, whatever its id and its expiry.
    pub fn asks_the_same(&self, other: &Self) -> bool {
        let Self { id: _, agent, numbers, to, priority, expires_at: _, options, policies } = self;
        let ends = (agent, numbers, to) == (&other.agent, &other.numbers, &other.to);
        ends && (priority, options, policies) == (&other.priority, &other.options, &other.policies)
    }
}

/// The numbers that a call may be placed from: at least one, in the order of their ids.
///
/// ```
/// use partyline_domain::{NumberChoice, PhoneNumberId};
/// let (first, second) = (PhoneNumberId::parse("phnum_1")?, PhoneNumberId::parse("phnum_2")?);
/// let any = NumberChoice::any_of([second.clone(), first.clone(), second.clone()]).expect("not empty");
/// assert_eq!(any.iter().collect::<Vec<_>>(), [&first, &second]);
/// assert_eq!(any.only(), None);
/// assert_eq!(NumberChoice::one(first.clone()).only(), Some(&first));
/// # Ok::<(), partyline_domain::InvalidId>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "Vec<PhoneNumberId>", into = "Vec<PhoneNumberId>"))]
pub struct NumberChoice(Arc<[PhoneNumberId]>);

/// No number was named that a call might be placed from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("a call needs at least one number that it may be placed from")]
pub struct NoNumber;

impl NumberChoice {
    /// This number and no other.
    pub fn one(number: PhoneNumberId) -> Self {
        Self(Arc::from([number]))
    }

    /// Any of these; `None` where there are none.
    pub fn any_of(numbers: impl IntoIterator<Item = PhoneNumberId>) -> Option<Self> {
        let numbers: BTreeSet<PhoneNumberId> = numbers.into_iter().collect();
        (!numbers.is_empty()).then(|| Self(numbers.into_iter().collect()))
    }

    /// The numbers.
    pub fn iter(&self) -> std::slice::Iter<'_, PhoneNumberId> {
        self.0.iter()
    }

    /// Whether the call may be placed from this number.
    pub fn contains(&self, number: &PhoneNumberId) -> bool {
        self.0.binary_search(number).is_ok()
    }

    /// The number, where there is no choice.
    pub fn only(&self) -> Option<&PhoneNumberId> {
        match &*self.0 {
            [number] => Some(number),
            _ => None,
        }
    }
}

impl fmt::Debug for NumberChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter()).finish()
    }
}

impl<'a> IntoIterator for &'a NumberChoice {
    type Item = &'a PhoneNumberId;
    type IntoIter = std::slice::Iter<'a, PhoneNumberId>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl TryFrom<Vec<PhoneNumberId>> for NumberChoice {
    type Error = NoNumber;
    fn try_from(numbers: Vec<PhoneNumberId>) -> Result<Self, NoNumber> {
        Self::any_of(numbers).ok_or(NoNumber)
    }
}

impl From<NumberChoice> for Vec<PhoneNumberId> {
    fn from(choice: NumberChoice) -> Self {
        choice.0.to_vec()
    }
}

/// Whether a call goes ahead of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Priority {
    /// In its turn.
    #[default]
    Normal,
    /// Counts as if it had been asked for [`crate::LinePolicy::urgent_ahead`] earlier, so that it goes first and yet
    /// nobody waits for ever.
    Urgent,
}

/// What the provider is told beside agent, number and callee.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct CallOptions {
    /// Changes to the agent for this call; each must be allowed in the agent's settings.
    pub overrides: Overrides,
    /// Values for the agent's prompt.
    pub variables: Variables,
    /// The end user this call is for. Where absent, the provider's field carries our attempt id.
    pub user_id: Option<UserId>,
    /// How long the callee's phone may ring.
    pub ringing_timeout: RingingTimeout,
    /// Whether the telephony provider records the call; absent = as the provider is set up. Twilio only.
    pub recording: Option<bool>,
}

/// Changes to the agent for one call. Absent fields are not sent at all (`elevenlabs-api.md` section 3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub struct Overrides {
    /// Language code, for example `en`.
    pub language: Option<String>,
    /// The agent's first sentence.
    pub first_message: Option<String>,
    /// The system prompt.
    pub prompt: Option<String>,
    /// The voice, by its id.
    pub voice: Option<String>,
}

impl Overrides {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The provider's free text that names an end user; at most 256 bytes here, without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "String", into = "String"))]
pub struct UserId(String);

/// A text that cannot be a user id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the user id must have 1 to 256 bytes and no control characters")]
pub struct InvalidUserId;

impl UserId {
    /// Parses a user id.
    ///
    /// # Errors
    /// [`InvalidUserId`] where it is empty, longer than 256 bytes, or holds a control character.
    pub fn parse(text: &str) -> Result<Self, InvalidUserId> {
        let fits = (1..=256).contains(&text.len()) && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidUserId) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for UserId {
    type Error = InvalidUserId;
    fn try_from(text: String) -> Result<Self, InvalidUserId> {
        Self::parse(&text)
    }
}

impl From<UserId> for String {
    fn from(id: UserId) -> String {
        id.0
    }
}

/// How long the callee's phone may ring: whole seconds, 1 to 999, 60 by default (`elevenlabs-api.md` section 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "u16", into = "u16"))]
pub struct RingingTimeout(u16);

/// A ringing timeout outside 1 to 999 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the ringing timeout must be 1 to 999 seconds, not {0}")]
pub struct InvalidRingingTimeout(pub u16);

impl RingingTimeout {
    /// A timeout of `seconds`.
    ///
    /// # Errors
    /// [`InvalidRingingTimeout`] outside 1 to 999.
    pub fn from_seconds(seconds: u16) -> Result<Self, InvalidRingingTimeout> {
        if (1..=999).contains(&seconds) { Ok(Self(seconds)) } else { Err(InvalidRingingTimeout(seconds)) }
    }

    /// Whole seconds.
    pub fn seconds(self) -> u16 {
        self.0
    }

    /// As a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0))
    }
}

impl Default for RingingTimeout {
    fn default() -> Self {
        Self(60)
    }
}

impl fmt::Debug for RingingTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}

impl TryFrom<u16> for RingingTimeout {
    type Error = InvalidRingingTimeout;
    fn try_from(seconds: u16) -> Result<Self, InvalidRingingTimeout> {
        Self::from_seconds(seconds)
    }
}

impl From<RingingTimeout> for u16 {
    fn from(timeout: RingingTimeout) -> u16 {
        timeout.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ringing_is_bounded() {
        assert!(RingingTimeout::from_seconds(0).is_err());
        assert!(RingingTimeout::from_seconds(1000).is_err());
        assert_eq!(RingingTimeout::from_seconds(999).map(RingingTimeout::seconds), Ok(999));
        assert_eq!(RingingTimeout::default().seconds(), 60);
    }

    #[test]
    fn a_user_id_is_free_text() {
        assert!(UserId::parse("Ada Lovelace").is_ok());
        assert!(UserId::parse("").is_err());
        assert!(UserId::parse("a\r\nb").is_err());
        assert!(UserId::parse(&"x".repeat(257)).is_err());
    }
}
