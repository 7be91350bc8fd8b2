//! E.164 phone numbers: the usual spellings in, one spelling out, nothing readable in a log.

use std::fmt;
use std::str::FromStr;

/// The fewest digits that are accepted. E.164 sets no minimum; the shortest international numbers
/// in use have seven (country code included).
const DIGITS_MIN: usize = 7;
/// The most digits E.164 allows, country code included.
const DIGITS_MAX: usize = 15;
/// How an erased number is stored.
const ERASED: &str = "erased";

/// A callee's phone number in E.164 form (`+`, country code, subscriber number).
///
/// `Display` and `Debug` hide the middle, because both end up in logs; [`PhoneNumber::e164`] tells it whole.
///
/// ```
/// use partyline_domain::PhoneNumber;
/// let callee = PhoneNumber::parse("tel:+1 (202) 555-0123")?;
/// assert_eq!(callee.e164(), "+12025550123");
/// assert_eq!(callee.to_string(), "+1***0123");
/// assert!(PhoneNumber::parse("555-0123").is_err());
/// # Ok::<(), partyline_domain::InvalidPhoneNumber>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "String", into = "String"))]
pub struct PhoneNumber {
    // `+` and the digits, padded with zero bytes: a call's record stays small and needs no allocation.
    bytes: [u8; DIGITS_MAX + 1],
    length: u8,
}

/// A text that is not an international phone number. The text itself is not repeated: it may be private.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPhoneNumber {
    /// Nothing was given.
    #[error("the phone number is empty")]
    Empty,
    /// Neither `+` nor `00` at the front, so the country is not known.
    #[error("the phone number has no country code: write it as +<country><number>, for example +12025550123")]
    NoCountryCode,
    /// A letter or a sign that is no separator.
    #[error(
        "the phone number holds {character:?} at position {at}; only digits, spaces, dots, dashes, slashes and brackets may follow the +"
    )]
    BadCharacter {
        /// The character.
        character: char,
        /// Its place, counted in characters from 1.
        at: usize,
    },
    /// `(0)` between country code and number: dialled from abroad it is left out, so its meaning is unclear here.
    #[error("the phone number holds (0), which is not dialled from abroad: leave it out")]
    TrunkPrefix,
    /// A country code never begins with 0.
    #[error("the country code of the phone number begins with 0")]
    CountryCodeZero,
    /// Fewer than seven digits.
    #[error("the phone number has {digits} digits, too few for an international number (at least {DIGITS_MIN})")]
    TooShort {
        /// How many digits were given.
        digits: usize,
    },
    /// More than fifteen digits.
    #[error("the phone number has {digits} digits, more than the {DIGITS_MAX} that E.164 allows")]
    TooLong {
        /// How many digits were given.
        digits: usize,
    },
}

impl PhoneNumber {
    /// What stands in old records in place of a number that was erased. It is nobody's, and is never dialled.
    pub const ERASED: Self = {
        let mut bytes = [0; DIGITS_MAX + 1];
        let mut at = 0;
        while at < ERASED.len() {
            bytes[at] = ERASED.as_bytes()[at];
            at += 1;
        }
        Self { bytes, length: 6 }
    };

    /// Whether the number was erased.
    pub fn is_erased(&self) -> bool {
        *self == Self::ERASED
    }

    /// Parses the usual spellings: `+12025550123`, `001 202 555 0123`, `tel:+1-202-555-0123`, `+1 (202) 555.0123`.
    ///
    /// # Errors
    /// [`InvalidPhoneNumber`] says why a text is refused; it never repeats the text.
    pub fn parse(text: &str) -> Result<Self, InvalidPhoneNumber> {
        let trimmed = text.trim();
        let scheme = trimmed.get(..4).filter(|head| head.eq_ignore_ascii_case("tel:"));
        let skipped = scheme.map_or(0, str::len);
        let body = trimmed[skipped..].trim_start();
        if body.is_empty() {
            return Err(InvalidPhoneNumber::Empty);
        }
        if body.contains("(0)") {
            return Err(InvalidPhoneNumber::TrunkPrefix);
        }
        let (rest, prefix) = match body.strip_prefix('+') {
            Some(rest) => (rest, 1),
            None => (body, 0),
        };
        let digits = digits(rest, skipped + prefix)?;
        let national = match (prefix, digits.strip_prefix("00")) {
            (1, _) => digits.as_str(),
            (_, Some(national)) => national,
            (_, None) => return Err(InvalidPhoneNumber::NoCountryCode),
        };
        Self::from_digits(national)
    }

    fn from_digits(digits: &str) -> Result<Self, InvalidPhoneNumber> {
        match digits.len() {
            _ if digits.starts_with('0') => Err(InvalidPhoneNumber::CountryCodeZero),
            count if count < DIGITS_MIN => Err(InvalidPhoneNumber::TooShort { digits: count }),
            count if count > DIGITS_MAX => Err(InvalidPhoneNumber::TooLong { digits: count }),
            count => {
                let mut bytes = [0; DIGITS_MAX + 1];
                bytes[0] = b'+';
                bytes[1..=count].copy_from_slice(digits.as_bytes());
                let length = u8::try_from(count + 1).expect("at most sixteen bytes");
                Ok(Self { bytes, length })
            }
        }
    }

    /// The whole number, `+` and digits. For the provider, for stdout data and for the store only: never for a log.
    ///
    /// # Panics
    /// Never: only ASCII was stored.
    pub fn e164(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).expect("only ASCII was stored")
    }
}

/// The digits of `text`; `offset` is where it begins in what the user wrote.
fn digits(text: &str, offset: usize) -> Result<String, InvalidPhoneNumber> {
    let mut digits = String::with_capacity(text.len());
    for (at, character) in text.chars().enumerate() {
        match character {
            '0'..='9' => digits.push(character),
            // U+00A0, U+2011 and U+2013 come along when numbers are copied from web pages.
            ' ' | '-' | '.' | '/' | '(' | ')' | '\u{a0}' | '\u{2011}' | '\u{2013}' => {}
            character => return Err(InvalidPhoneNumber::BadCharacter { character, at: offset + at + 1 }),
        }
    }
    Ok(digits)
}

/// A number as a log may show it: its first two and at most its last four characters, at least four of them hidden.
pub(crate) fn redacted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let count = text.chars().count();
    if count < 8 {
        return f.write_str("***");
    }
    let head: String = text.chars().take(2).collect();
    let tail: String = text.chars().skip(count - 4.min(count - 6)).collect();
    write!(f, "{head}***{tail}")
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        redacted(self.e164(), f)
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhoneNumber({self})")
    }
}

impl FromStr for PhoneNumber {
    type Err = InvalidPhoneNumber;
    fn from_str(text: &str) -> Result<Self, InvalidPhoneNumber> {
        Self::parse(text)
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = InvalidPhoneNumber;
    fn try_from(text: String) -> Result<Self, InvalidPhoneNumber> {
        if text == ERASED { Ok(Self::ERASED) } else { Self::parse(&text) }
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> String {
        number.e164().to_owned()
    }
}

/// The number that callees see, as the provider spells it. Mostly E.164, but a SIP trunk may show any text,
/// so it is kept as it came. Redacted like a [`PhoneNumber`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct CallerId(String);

impl CallerId {
    /// Takes over what the provider says.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole text. For stdout data and the store only: never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is the same number as `other`, whatever separators the provider writes, also as the user of a SIP
    /// address. `None` where it cannot be told: a SIP trunk may show any text, and a number without its country may
    /// be the same.
    ///
    /// ```
    /// use partyline_domain::{CallerId, PhoneNumber};
    /// let callee = PhoneNumber::parse("+12025550123")?;
    /// assert_eq!(CallerId::new("sip:+1-202-555-0123@trunk.example").is(&callee), Some(true));
    /// assert_eq!(CallerId::new("+12025550124").is(&callee), Some(false));
    /// assert_eq!(CallerId::new("2025550123").is(&callee), None);
    /// # Ok::<(), partyline_domain::InvalidPhoneNumber>(())
    /// ```
    pub fn is(&self, other: &PhoneNumber) -> Option<bool> {
        let text = self.0.trim();
        let address = ["sip:", "sips:"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let user = address.map_or(text, |address| address.split(['@', ';']).next().unwrap_or(address));
        if let Ok(number) = PhoneNumber::parse(user) {
            return Some(number == *other);
        }
        // Without its plus the right number is known, but a wrong one is not.
        let same = PhoneNumber::parse(&format!("+{user}")).is_ok_and(|number| number == *other);
        same.then_some(true)
    }
}

impl fmt::Display for CallerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        redacted(&self.0, f)
    }
}

impl fmt::Debug for CallerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallerId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_erased_number_is_read_back_and_cannot_be_asked_for() {
        assert_eq!(PhoneNumber::ERASED.e164(), ERASED);
        assert_eq!(PhoneNumber::try_from(ERASED.to_owned()), Ok(PhoneNumber::ERASED));
        assert!(PhoneNumber::parse(ERASED).is_err());
        assert_eq!(PhoneNumber::ERASED.to_string(), "***");
    }

    #[test]
    fn the_usual_spellings_become_one() {
        for text in [
            "+12025550123",
            " +1 202 555 0123 ",
            "+1 (202) 555-0123",
            "tel:+1-202-555-0123",
            "TEL:+1.202.555.0123",
            "0012025550123",
            "00 1 202/555/0123",
            "tel:0012025550123",
            "+1\u{a0}202\u{2011}555\u{2013}0123",
        ] {
            let parsed = PhoneNumber::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(parsed.e164(), "+12025550123", "{text}");
        }
    }

    #[test]
    fn the_rest_is_refused_saying_why() {
        use InvalidPhoneNumber as E;
        let bad_character = |character, at| E::BadCharacter { character, at };
        for (text, why) in [
            ("", E::Empty),
            ("  ", E::Empty),
            ("tel:", E::Empty),
            ("2025550123", E::NoCountryCode),
            ("+0012025550123", E::CountryCodeZero),
            ("+44 (0)20 555 0123", E::TrunkPrefix),
            ("+1202CALLNOW", bad_character('C', 6)),
            ("++12025550123", bad_character('+', 2)),
            ("+12025550123;ext=5", bad_character(';', 13)),
            ("+", E::TooShort { digits: 0 }),
            ("+120255", E::TooShort { digits: 6 }),
            ("+1202555012312345", E::TooLong { digits: 16 }),
            ("é:+", bad_character('é', 1)),
        ] {
            assert_eq!(PhoneNumber::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn nothing_printed_tells_the_number() {
        let number = PhoneNumber::parse("+12025550123").expect("valid");
        assert_eq!(format!("{number} {number:?}"), "+1***0123 PhoneNumber(+1***0123)");
        let caller = CallerId::new("+12025550123");
        assert_eq!(format!("{caller} {caller:?}"), "+1***0123 CallerId(+1***0123)");
        assert_eq!(CallerId::new("12345").to_string(), "***");
        assert_eq!(CallerId::new("+1202555").to_string(), "+1***55");
    }

    #[test]
    fn only_another_international_number_is_another_callee() {
        let callee = PhoneNumber::parse("+12025550123").expect("valid");
        for (shown, same) in [
            ("+1 202 555 0123", Some(true)),
            ("12025550123", Some(true)),
            ("sip:+12025550123@carrier.example;user=phone", Some(true)),
            ("sips:12025550123@carrier.example", Some(true)),
            ("+12025550124", Some(false)),
            ("sip:+12025550124@carrier.example", Some(false)),
            ("2025550123", None),
            ("anonymous", None),
            ("", None),
        ] {
            assert_eq!(CallerId::new(shown).is(&callee), same, "{shown}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = PhoneNumber::parse(&text);
        }

        #[test]
        fn what_is_accepted_is_normal_and_stays_itself(digits in "[1-9][0-9]{6,14}") {
            let number = PhoneNumber::parse(&format!("+{digits}")).expect("valid");
            let again = PhoneNumber::parse(number.e164()).expect("valid");
            prop_assert_eq!(number, again);
            prop_assert_eq!(number.e164(), format!("+{digits}"));
        }
    }
}
