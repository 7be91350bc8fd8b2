//! What is asked for: one call, whole, with its policies.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::ids::{AgentId, CallId, PhoneNumberId};
use crate::phone::PhoneNumber;
use crate::policy::Policies;
use crate::variables::Variables;

/// One call to be placed. Everything that decides how it goes is in here; nothing is looked up elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CallRequest {
    /// Our own id of the call; comes from [`crate::ports::Ids`].
    pub id: CallId,
    /// The agent that is to speak.
    pub agent: AgentId,
    /// The number to call from.
    pub number: PhoneNumberId,
    /// The callee.
    pub to: PhoneNumber,
    /// What the provider is told beside the three above.
    pub options: Arc<CallOptions>,
    /// How it is to be placed.
    pub policies: Arc<Policies>,
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
