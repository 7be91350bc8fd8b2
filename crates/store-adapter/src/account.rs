//! Which provider account a view of the store belongs to. The key itself never comes near the store: only a fingerprint
//! does, salted by a value that is each store's own, so that two stores cannot be compared.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::codec;

/// How many hexadecimal digits of the fingerprint are kept: 128 bits.
const DIGITS: usize = 32;

/// A store's own random text, made when the store was made.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt(String);

impl Salt {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

/// A provider account, as one store knows it: a fingerprint of the provider's address and the key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account(String);

/// Makes the account of a process once the store's salt is known. It is asked once, when the store is opened.
pub type Fingerprint = Arc<dyn Fn(&Salt) -> Account + Send + Sync>;

impl Account {
    /// The account of whoever has this key at this address.
    ///
    /// The same address in another spelling is another account: normalise it first.
    pub fn of(salt: &Salt, base_url: &str, key: &[u8]) -> Self {
        let mut hash = Sha256::new();
        for part in [salt.0.as_bytes(), base_url.as_bytes(), key] {
            // The lengths keep the parts apart.
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let mut digits = codec::hexadecimal(&hash.finalize());
        digits.truncate(DIGITS);
        Self(digits)
    }

    /// The fingerprint as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_key_and_salt_all_count() {
        let of = |salt: &str, url: &str, key: &str| Account::of(&Salt::new(salt.into()), url, key.as_bytes());
        let one = of("salt", "http://localhost", "key");
        assert_eq!(one, of("salt", "http://localhost", "key"));
        assert_eq!(one.as_str().len(), DIGITS);
        for other in [
            of("tlas", "http://localhost", "key"),
            of("salt", "http://localhos", "tkey"),
            of("salt", "http://localhost", "yek"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn nothing_printed_tells_the_salt() {
        assert_eq!(format!("{:?}", Salt::new("secret".into())), "Salt(..)");
    }
}
