//! Dynamic variables of a call: names that the provider does not reserve, values of three types.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The variable that carries our attempt id to the conversation, so that a dial in doubt can be found.
pub const ATTEMPT_VARIABLE: &str = "partyline_attempt_id";
/// Names that begin so belong to the provider (`elevenlabs-api.md` section 9).
pub const SYSTEM_PREFIX: &str = "system__";
/// The longest name, in bytes. The provider states none; this is far above any name in use.
pub const NAME_BYTES_MAX: usize = 128;

/// The name of a dynamic variable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "String", into = "String"))]
pub struct VariableName(Arc<str>);

/// The value of a dynamic variable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum VariableValue {
    /// Any text.
    Text(String),
    /// A JSON number.
    Number(Decimal),
    /// True or false.
    Bool(bool),
}

/// All variables of a call, in the order of their names.
pub type Variables = BTreeMap<VariableName, VariableValue>;

/// A number as its JSON text, so that `0.10` stays `0.10` and equality is exact.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "String", into = "String"))]
pub struct Decimal(String);

/// A name or value that cannot be a dynamic variable.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidVariable {
    /// The name is empty.
    #[error("the variable has no name")]
    NoName,
    /// More than [`NAME_BYTES_MAX`] bytes.
    #[error("the variable's name is longer than {NAME_BYTES_MAX} bytes")]
    NameTooLong,
    /// A blank, a control character or a brace, which a prompt could not refer to.
    #[error("the variable name {name:?} holds {character:?}")]
    BadCharacter {
        /// The name.
        name: String,
        /// What it must not hold.
        character: char,
    },
    /// The provider or Partyline itself uses this name.
    #[error("the variable name {name:?} is reserved")]
    Reserved {
        /// The name.
        name: String,
    },
    /// Not a number as JSON writes it. The text itself is not repeated: it may be a phone number.
    #[error("the value is not a number (write it as in JSON, for example 3 or -0.5)")]
    NotANumber,
}

impl VariableName {
    /// Parses a name.
    ///
    /// # Errors
    /// [`InvalidVariable`] where it is empty, too long, reserved, or holds a blank, a control character or a brace.
    pub fn parse(name: &str) -> Result<Self, InvalidVariable> {
        if name.is_empty() {
            return Err(InvalidVariable::NoName);
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(InvalidVariable::NameTooLong);
        }
        let bad = |c: &char| c.is_whitespace() || c.is_control() || matches!(c, '{' | '}');
        if let Some(character) = name.chars().find(bad) {
            return Err(InvalidVariable::BadCharacter { name: name.to_owned(), character });
        }
        if name.starts_with(SYSTEM_PREFIX) || name == ATTEMPT_VARIABLE {
            return Err(InvalidVariable::Reserved { name: name.to_owned() });
        }
        Ok(Self(Arc::from(name)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Decimal {
    /// Parses a number in JSON's notation.
    ///
    /// # Errors
    /// [`InvalidVariable::NotANumber`] for everything else, also for `NaN`, `+1`, `01`, `1.` and an empty text.
    pub fn parse(text: &str) -> Result<Self, InvalidVariable> {
        if is_json_number(text) { Ok(Self(text.to_owned())) } else { Err(InvalidVariable::NotANumber) }
    }

    /// The number in JSON's notation.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// JSON's grammar: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`.
fn is_json_number(text: &str) -> bool {
    fn some_digits(text: &str) -> Option<&str> {
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        (rest.len() < text.len()).then_some(rest)
    }
    fn exponent(text: &str) -> Option<&str> {
        match text.strip_prefix(['e', 'E']) {
            Some(rest) => some_digits(rest.strip_prefix(['+', '-']).unwrap_or(rest)),
            None => Some(text),
        }
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let whole = match unsigned.strip_prefix('0') {
        Some(rest) => Some(rest),
        None => some_digits(unsigned),
    };
    let fraction = whole.and_then(|rest| match rest.strip_prefix('.') {
        Some(digits) => some_digits(digits),
        None => Some(rest),
    });
    fraction.and_then(exponent) == Some("")
}

impl fmt::Display for VariableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for VariableName {
    type Error = InvalidVariable;
    fn try_from(text: String) -> Result<Self, InvalidVariable> {
        Self::parse(&text)
    }
}

impl From<VariableName> for String {
    fn from(name: VariableName) -> String {
        name.0.as_ref().to_owned()
    }
}

impl TryFrom<String> for Decimal {
    type Error = InvalidVariable;
    fn try_from(text: String) -> Result<Self, InvalidVariable> {
        Self::parse(&text)
    }
}

impl From<Decimal> for String {
    fn from(number: Decimal) -> String {
        number.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reserved_and_unusable_names_are_refused() {
        for name in ["", "system__agent_id", ATTEMPT_VARIABLE, "a b", "{{x}}", "a\n", &"a".repeat(NAME_BYTES_MAX + 1)] {
            assert!(VariableName::parse(name).is_err(), "{name}");
        }
        for name in ["job", "secret__token", "größe", "a.b-c"] {
            assert!(VariableName::parse(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn only_json_numbers_are_numbers() {
        for text in ["", "-", "+1", "01", "1.", ".5", "1e", "NaN", "inf", "0x1", "1 ", "1_000", "--1"] {
            assert_eq!(Decimal::parse(text), Err(InvalidVariable::NotANumber), "{text}");
        }
        let refused = Decimal::parse("+12025550199").expect_err("no JSON number").to_string();
        assert!(!refused.contains("2025550199"), "{refused}");
        for text in ["0", "-0", "3", "-0.5", "0.10", "1e9", "1E+9", "12.5e-3", "123456789012345678901234567890"] {
            assert_eq!(Decimal::parse(text).expect("a number").as_str(), text);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(text in "[-+0-9.eE]{0,8}") {
            let json = serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|v| v.is_number());
            // serde_json refuses numbers beyond f64; the grammar does not.
            let huge = text.contains(['e', 'E']);
            prop_assert!(Decimal::parse(&text).is_ok() == json || huge, "{}", text);
        }
    }
}
