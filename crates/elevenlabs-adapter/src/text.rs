//! Makes the provider's words fit to be shown: short, on one line, without whole phone numbers.
//!
//! Knows nothing of HTTP. Tests are below.

use partyline_domain::CallerId;

/// The longest text of the provider that is shown, in characters. Its messages are one or two sentences.
const CHARACTERS_MAX: usize = 300;
/// From this many digits on, a run of digits may be a phone number (E.164's shortest ones have seven).
const PHONE_DIGITS_MIN: usize = 7;
/// At most this many separators stand between two digits of one phone number, as in `) `.
const SEPARATORS_MAX: usize = 2;

/// The text on one line, shortened, every run of digits that may be a phone number masked.
pub(crate) fn presentable(text: &str) -> String {
    let line = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    shortened(&masked(&line.collect::<Vec<_>>().join(" ")), CHARACTERS_MAX)
}

/// At most `characters_max` characters, with `…` in place of what is left out.
pub(crate) fn shortened(text: &str, characters_max: usize) -> String {
    match text.char_indices().nth(characters_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Masks every run of digits (separators and a leading `+` included) that may be a phone number.
pub(crate) fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let begin = if rest[..start].ends_with('+') { start - 1 } else { start };
        let end = start + run_length(&rest[start..]);
        let run = &rest[begin..end];
        shown.push_str(&rest[..begin]);
        if run.bytes().filter(u8::is_ascii_digit).count() < PHONE_DIGITS_MIN {
            shown.push_str(run);
        } else {
            shown.push_str(&CallerId::new(run).to_string());
        }
        rest = &rest[end..];
    }
    shown.push_str(rest);
    shown
}

/// How many bytes of `text`, which begins with a digit, are digits and the separators between them.
fn run_length(text: &str) -> usize {
    let mut end = 0;
    let mut separators = 0;
    for (at, character) in text.char_indices() {
        if character.is_ascii_digit() {
            end = at + 1;
            separators = 0;
        } else if is_separator(character) && separators < SEPARATORS_MAX {
            separators += 1;
        } else {
            break;
        }
    }
    end
}

fn is_separator(character: char) -> bool {
    matches!(character, ' ' | '-' | '.' | '/' | '(' | ')' | '\u{a0}' | '\u{2011}' | '\u{2013}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phone_numbers_are_masked_in_every_spelling() {
        for number in [
            "+12025550123",
            "12025550123",
            "+1 202 555 0123",
            "+1 (202) 555-0123",
            "202.555.0123",
            "1-202\u{2011}5550123",
        ] {
            let shown = masked(&format!("the number {number} is busy"));
            assert!(!shown.contains("555"), "{shown}");
            assert!(shown.starts_with("the number ") && shown.ends_with("0123 is busy"), "{shown}");
        }
        assert_eq!(masked("sip:+12025550123@host"), "sip:+1***0123@host");
        assert_eq!(masked("5550123"), "***");
    }

    #[test]
    fn status_codes_stay() {
        for text in [
            "INVITE failed: sip status: 404: Domain unavailable (SIP 404)",
            "HTTP 401 error: Unable to create record: Authenticate",
            "at most 2 of 30",
            "",
            "+",
            "é 123456",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn long_and_broken_texts_become_one_short_line() {
        assert_eq!(presentable(" a\r\n\tb\u{7}c "), "a b c");
        let long = presentable(&"é".repeat(1000));
        assert_eq!(long.chars().count(), CHARACTERS_MAX + 1);
        assert!(long.ends_with('…'));
    }
}
