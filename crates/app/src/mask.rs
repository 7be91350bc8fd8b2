//! Keeps whole phone numbers, and passwords in addresses, off stderr, whoever wrote them: users in arguments, people in
//! names and labels, the provider in its messages. Everything that goes to stderr passes through [`masked`].

use std::borrow::Cow;
use std::net::Ipv4Addr;
use std::ops::Range;

use partyline_domain::CallerId;

/// From this many digits on, a run of digits may be a phone number (E.164's shortest ones have seven).
const DIGITS_MIN: usize = 7;
/// At most this many separators stand between two digits of one phone number, as in `) - `.
const SEPARATORS_MAX: usize = 3;
/// The number in our own advice, with the words before it; the same number elsewhere is masked.
const OUR_EXAMPLE: &str = "for example +12025550123";
/// How many characters the groups of a UUID have.
const UUID_GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

/// The text with every phone number in it shortened to its ends. Digits that belong to a word with letters, as
/// in an id, are left alone, and so are UUIDs, IPv4 addresses and dates.
pub(crate) fn masked(text: &str) -> Cow<'_, str> {
    match without_passwords(text) {
        Cow::Borrowed(text) => without_numbers(text),
        Cow::Owned(text) => Cow::Owned(without_numbers(&text).into_owned()),
    }
}

/// The text without the passwords of addresses: `postgres://ada:***@host`.
fn without_passwords(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, address) = rest.split_at(at + 3);
        let end = address.find(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '`')).unwrap_or(address.len());
        let login = address[..end].rfind('@').map_or("", |at| &address[..at]);
        shown.push_str(before);
        match login.split_once(':') {
            Some((user, _)) => {
                shown.push_str(user);
                shown.push_str(":***");
            }
            None => shown.push_str(login),
        }
        rest = &address[login.len()..];
    }
    if shown.is_empty() {
        return Cow::Borrowed(text);
    }
    shown.push_str(rest);
    if shown == text { Cow::Borrowed(text) } else { Cow::Owned(shown) }
}

fn without_numbers(text: &str) -> Cow<'_, str> {
    if text.chars().filter(|c| c.is_numeric()).count() < DIGITS_MIN {
        return Cow::Borrowed(text);
    }
    let safe = safe_ranges(text);
    let groups = maximal(text, char::is_numeric).filter(|group| !safe.iter().any(|safe| safe.contains(&group.start)));
    let mut shown = String::with_capacity(text.len());
    let mut done = 0;
    for run in runs(text, &groups.collect::<Vec<_>>()) {
        shown.push_str(&text[done..run.start]);
        let digits: String = text[run.clone()].chars().filter(|c| c.is_numeric() || *c == '+').collect();
        shown.push_str(&CallerId::new(digits).to_string());
        done = run.end;
    }
    shown.push_str(&text[done..]);
    Cow::Owned(shown)
}

/// What looks like phone numbers: groups of digits with few separators between them, beside no letter.
fn runs(text: &str, groups: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut rest = groups;
    while let [first, ..] = rest {
        let gaps = rest.windows(2).take_while(|pair| is_gap(&text[pair[0].end..pair[1].start]));
        let count = 1 + gaps.count();
        let end = rest[count - 1].end;
        let start = with_sign(text, first.start, end);
        let is_number = text[start..].starts_with('+')
            || !text[..start].ends_with(is_word) && (count > 1 || !text[end..].starts_with(is_word));
        if is_number && text[start..end].chars().filter(|c| c.is_numeric()).count() >= DIGITS_MIN {
            runs.push(start..end);
            rest = &rest[count..];
        } else {
            // The first group may be part of a word, and what follows a number all the same.
            rest = &rest[1..];
        }
    }
    runs
}

/// Where a number begins whose first digit is at `start`: at its `+`, or at the bracket that is closed in it.
fn with_sign(text: &str, start: usize, end: usize) -> usize {
    let mut start = start;
    if text[start..end].contains(')') && text[..start].ends_with('(') {
        start -= 1;
    }
    if text[..start].ends_with('+') { start - 1 } else { start }
}

/// Ranges that hold many digits and are no phone numbers.
fn safe_ranges(text: &str) -> Vec<Range<usize>> {
    let uuids = maximal(text, |c| c.is_alphanumeric() || c == '-').filter(|range| is_uuid(&text[range.clone()]));
    let addresses = maximal(text, |c| c.is_ascii_digit() || c == '.')
        .filter(|range| text[range.clone()].trim_matches('.').parse::<Ipv4Addr>().is_ok());
    let dates = maximal(text, |c| c.is_ascii_digit() || c == '-').filter(|range| is_date(&text[range.clone()]));
    let examples = text.match_indices(OUR_EXAMPLE).map(|(at, example)| at..at + example.len());
    let examples = examples.filter(|range| !text[range.end..].starts_with(char::is_numeric));
    uuids.chain(addresses).chain(dates).chain(examples).collect()
}

/// The longest ranges of characters that are `wanted`.
fn maximal(text: &str, wanted: impl Fn(char) -> bool) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].find(&wanted)?;
        let end = text[start..].find(|c| !wanted(c)).map_or(text.len(), |length| start + length);
        at = end;
        Some(start..end)
    })
}

fn is_uuid(text: &str) -> bool {
    let is_hex = |group: &str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split('-').map(str::len).eq(UUID_GROUPS) && text.split('-').all(is_hex)
}

/// Year, month and day as ISO 8601 writes them.
fn is_date(text: &str) -> bool {
    let numbers: Vec<u16> = text.split('-').filter_map(|part| part.parse().ok()).collect();
    let [year, month, day] = numbers.as_slice() else { return false };
    text.split('-').map(str::len).eq([4, 2, 2])
        && (1970..2100).contains(year)
        && (1..=12).contains(month)
        && (1..=31).contains(day)
}

/// Whether this may stand between two digits of one number.
fn is_gap(text: &str) -> bool {
    // The last three come along when numbers are copied from web pages.
    let is_separator = |c| matches!(c, ' ' | '-' | '.' | '/' | '(' | ')' | '\u{a0}' | '\u{2011}' | '\u{2013}');
    text.chars().count() <= SEPARATORS_MAX && text.chars().all(is_separator)
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_masked_in_every_spelling() {
        for (text, shown) in [
            ("+12025550123", "+1***0123"),
            ("12025550123", "12***0123"),
            ("2025550100", "20***0100"),
            ("5550123", "***"),
            ("call +1 (202) 555-0123 now", "call +1***0123 now"),
            ("(202) 555-0123", "20***0123"),
            ("(+12025550123)", "(+1***0123)"),
            ("+(1) 202 555 0123", "+1***0123"),
            ("202.555.0123", "20***0123"),
            ("+1\u{a0}202\u{2011}555\u{2013}0123", "+1***0123"),
            ("tel:+12025550123, sip:+12025550124@host", "tel:+1***0123, sip:+1***0124@host"),
            ("202 555 0123x4", "20***0123x4"),
            ("Table7 2025550123", "Table7 20***0123"),
            ("Desk+12025550123b", "Desk+1***0123b"),
            ("\"+12025550199\" is no number", "\"+1***0199\" is no number"),
            ("+１２０２５５５０１２３", "+１***０１２３"),
            ("no code, or for example +12025550124", "no code, or for example +1***0124"),
            ("the user id +12025550123", "the user id +1***0123"),
        ] {
            assert_eq!(masked(text), shown, "{text}");
            assert_eq!(masked(shown), shown, "twice");
        }
    }

    #[test]
    fn passwords_of_addresses_are_masked() {
        for (text, shown) in [
            ("postgres://ada:secret@host/db", "postgres://ada:***@host/db"),
            ("'postgres://ada:s@cr:t@host' and x@y", "'postgres://ada:***@host' and x@y"),
            ("a://u:p@h b://v:q@i", "a://u:***@h b://v:***@i"),
            ("http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x"),
            ("https://ada@host:1/x", "https://ada@host:1/x"),
        ] {
            assert_eq!(masked(text), shown, "{text}");
            assert_eq!(masked(shown), shown, "twice");
        }
    }

    #[test]
    fn what_is_no_number_stays() {
        for text in [
            "",
            "agent_01jydc3p56er8tn495y66hybmn",
            "no agent \"agent_0123456789\"",
            "conv_8601m3 agent_1234567",
            "F8y2pogcIfbxE7O2u4H8",
            "CA00000000000000000000000000000001",
            "01987654-3210-7123-8123-123456789012.1",
            "host: 192.168.100.200:8080",
            "/home/x/2026-11-24/partyline.toml, at 2026-11-24T16:00:00.123Z",
            "1 to 999 seconds, not 1000",
            "+1***0147  Line 1 (twilio) = main",
            "write it as +<country><number>, for example +12025550123",
        ] {
            assert_eq!(masked(text), text);
        }
    }
}
