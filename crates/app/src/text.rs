//! Texts of others, made fit for a terminal: a name, a label or an argument must not move the cursor, change
//! colours, fake a line of ours, or fill the screen.

use std::borrow::Cow;

/// How much of a repeated argument is shown.
const REPEATED_MAX: usize = 80;
/// How much of a longer one is shown at its end.
const TAIL: usize = 20;

/// The text with every control character, line breaks and tabs included, written as an escape.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unfit) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::with_capacity(text.len() + 8), escaped))
}

/// The same for a text of several lines: its line breaks stay.
pub(crate) fn clean_lines(text: &str) -> String {
    text.split('\n').map(clean).collect::<Vec<_>>().join("\n")
}

/// A repeated argument, its middle left out where it is long.
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    let count = text.chars().count();
    if count <= REPEATED_MAX {
        return Cow::Borrowed(text);
    }
    let head: String = text.chars().take(REPEATED_MAX - TAIL - 1).collect();
    let tail: String = text.chars().skip(count - TAIL).collect();
    Cow::Owned(format!("{head}…{tail}"))
}

/// A text as one word of a POSIX shell.
pub(crate) fn shell_word(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

fn escaped(mut shown: String, character: char) -> String {
    match character {
        '\n' | '\r' | '\t' => shown.extend(character.escape_default()),
        unfit if is_unfit(unfit) => shown.extend(unfit.escape_unicode()),
        fit => shown.push(fit),
    }
    shown
}

/// Control characters (C0, DEL, C1), line and paragraph separators, and those that turn the direction of text.
fn is_unfit(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(
            clean("a\u{1b}[31mb\nc\td\re\u{9b}f\u{7f}\u{202e}"),
            "a\\u{1b}[31mb\\nc\\td\\re\\u{9b}f\\u{7f}\\u{202e}"
        );
        for text in ["", "Hôtel – «Ritz» 東京 🍕", "a\\u{1b}b"] {
            assert_eq!(clean(text), text);
        }
        assert_eq!(clean_lines("a\nb\u{7}\n"), "a\nb\\u{7}\n");
    }

    #[test]
    fn long_arguments_lose_their_middle() {
        let fits = "é".repeat(80);
        assert_eq!(shortened(&fits), fits);
        let shown = shortened(&"é".repeat(5000)).into_owned();
        assert_eq!((shown.chars().count(), shown.matches('…').count()), (80, 1));
    }

    #[test]
    fn a_shell_word_is_one_word() {
        assert_eq!(shell_word("test-key_1"), "test-key_1");
        assert_eq!(shell_word("a$(b)'c"), r"'a$(b)'\''c'");
        assert_eq!(shell_word(""), "''");
    }
}
