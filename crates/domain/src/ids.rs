//! Identifiers: opaque texts that are told apart by type.
//!
//! The provider's ids have changed their form over the years, so no prefix and no length is ever
//! checked; only what could not be an id anywhere is refused (empty, very long, blanks, control
//! characters). Source: `elevenlabs-api.md` section 11.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest id that is accepted, in bytes. The longest one seen has 36; this leaves room.
pub const ID_BYTES_MAX: usize = 256;

/// A text that cannot be an id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidId {
    /// Nothing was given.
    #[error("{what} is empty")]
    Empty {
        /// Which kind of id was expected, for people.
        what: &'static str,
    },
    /// More than [`ID_BYTES_MAX`] bytes.
    #[error("{what} is longer than {ID_BYTES_MAX} bytes")]
    TooLong {
        /// Which kind of id was expected, for people.
        what: &'static str,
    },
    /// A blank or a control character, which no id has and no URL or header could carry.
    #[error("{what} holds a blank or a control character at byte {at}")]
    BadCharacter {
        /// Which kind of id was expected, for people.
        what: &'static str,
        /// Offset of the character in bytes.
        at: usize,
    },
}

fn parse(what: &'static str, text: &str) -> Result<Arc<str>, InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty { what });
    }
    if text.len() > ID_BYTES_MAX {
        return Err(InvalidId::TooLong { what });
    }
    match text.char_indices().find(|(_, c)| c.is_whitespace() || c.is_control()) {
        Some((at, _)) => Err(InvalidId::BadCharacter { what, at }),
        None => Ok(Arc::from(text)),
    }
}

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(try_from = "String", into = "String"))]
        pub struct $name(Arc<str>);

        impl $name {
            #[doc = concat!("Parses ", $what, ".")]
            ///
            /// # Errors
            /// [`InvalidId`] where the text is empty, too long, or holds a blank or a control character.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                parse($what, text).map(Self)
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }
    };
}

opaque_id!(
    /// Names a voice agent at the provider.
    ///
    /// ```
    /// use partyline_domain::AgentId;
    /// let agent = AgentId::parse("agent_restaurant")?;
    /// assert_eq!(agent.as_str(), "agent_restaurant");
    /// assert!(AgentId::parse("the restaurant").is_err());
    /// # Ok::<(), partyline_domain::InvalidId>(())
    /// ```
    AgentId, "an agent id"
);
opaque_id!(
    /// Names a phone number at the provider (not the number itself: that is a [`crate::PhoneNumber`]).
    PhoneNumberId, "a phone number id"
);
opaque_id!(
    /// Names a conversation at the provider; having one is the proof that a dial was accepted.
    ConversationId, "a conversation id"
);
opaque_id!(
    /// Names one requested call for its whole life, whatever is tried for it.
    CallId, "a call id"
);
opaque_id!(
    /// Names one attempt to change something at the provider: one dial, one assignment, one restore.
    /// Every send has its own; a dial carries it so that it can be found again.
    AttemptId, "an attempt id"
);
opaque_id!(
    /// Names one run of a dispatcher; the attempt ids of its assignments begin with it. Among processes that share a
    /// store it names the process.
    RunId, "a run id"
);
opaque_id!(
    /// Names calls that were handed in together.
    BatchId, "a batch id"
);
opaque_id!(
    /// A caller's own word for a call, so that asking twice does not call twice.
    IdempotencyKey, "an idempotency key"
);

impl AttemptId {
    /// The id of a call's `ordinal`-th dial.
    #[must_use]
    pub fn of_call(call: &CallId, ordinal: u32) -> Self {
        Self(Arc::from([call.as_str(), ".", &ordinal.to_string()].concat()))
    }

    /// The id of the `ordinal`-th assignment or restore of a run.
    #[must_use]
    pub fn of_run(run: &RunId, ordinal: u64) -> Self {
        Self(Arc::from([run.as_str(), ".a", &ordinal.to_string()].concat()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_opaque_but_never_blank() {
        for good in ["agent_01jydc3p56er8tn495y66hybmn", "F8y2pogcIfbxE7O2u4H8", "ü", "a/b?c"] {
            assert_eq!(AgentId::parse(good).expect("accepted").as_str(), good);
        }
        assert_eq!(AgentId::parse(""), Err(InvalidId::Empty { what: "an agent id" }));
        assert_eq!(AgentId::parse("a b"), Err(InvalidId::BadCharacter { what: "an agent id", at: 1 }));
        assert!(AgentId::parse("a\n").is_err());
        assert!(AgentId::parse(&"a".repeat(ID_BYTES_MAX)).is_ok());
        assert!(AgentId::parse(&"a".repeat(ID_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn attempts_of_one_call_differ() {
        let call = CallId::parse("c").expect("valid");
        assert_ne!(AttemptId::of_call(&call, 1), AttemptId::of_call(&call, 2));
    }
}
