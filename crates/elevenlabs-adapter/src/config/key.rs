//! The key.

use std::fmt;
use std::str::FromStr;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

/// The key to the provider's account. Nothing prints it.
///
/// ```
/// use partyline_elevenlabs_adapter::ApiKey;
/// let key = ApiKey::parse(" test-key-0123456789\n")?;
/// assert_eq!(format!("{key:?}"), "ApiKey(***)");
/// # Ok::<(), partyline_elevenlabs_adapter::InvalidApiKey>(())
/// ```
#[derive(Clone)]
pub struct ApiKey(SecretString);

/// A text that cannot be a key. The text is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidApiKey {
    /// Nothing was given.
    #[error("the API key is empty")]
    Empty,
    /// A blank, a control character or a character outside ASCII, which no header could carry as it is.
    #[error("the API key holds a character that no key has (a blank, a line break or a letter outside ASCII)")]
    BadCharacter,
}

impl ApiKey {
    /// Parses a key; blanks and line breaks around it are not part of it.
    ///
    /// # Errors
    /// [`InvalidApiKey`] where it is empty or could not be sent; it never repeats the text.
    pub fn parse(text: &str) -> Result<Self, InvalidApiKey> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(InvalidApiKey::Empty);
        }
        if !trimmed.chars().all(|c| c.is_ascii_graphic()) {
            return Err(InvalidApiKey::BadCharacter);
        }
        Ok(Self(SecretString::from(trimmed)))
    }

    /// The key as the value of its header, marked so that nothing prints it.
    pub(crate) fn header(&self) -> HeaderValue {
        let mut value = HeaderValue::from_str(self.0.expose_secret()).expect("only visible ASCII was accepted");
        value.set_sensitive(true);
        value
    }

    /// The key's bytes, to be looked for in what is about to be shown.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(***)")
    }
}

impl FromStr for ApiKey {
    type Err = InvalidApiKey;
    fn from_str(text: &str) -> Result<Self, InvalidApiKey> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_parsed_and_hidden() {
        assert_eq!(ApiKey::parse(" \n").err(), Some(InvalidApiKey::Empty));
        for text in ["test key", "test\nkey", "tést-key", "test\u{7f}key"] {
            let error = ApiKey::parse(text).expect_err(text);
            assert_eq!(error, InvalidApiKey::BadCharacter);
            assert!(!error.to_string().contains(text));
        }
        let key = ApiKey::parse("\ttest-key-0123456789\r\n").expect("a key");
        assert_eq!(key.bytes(), b"test-key-0123456789");
        assert!(key.header().is_sensitive());
        assert!(!format!("{key:?} {:?}", key.header()).contains("0123"));
    }
}
