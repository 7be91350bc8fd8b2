//! What no tracked file may hold: phone numbers that could be somebody's, paths of one machine, unfinished
//! work, and more lines than a reader can keep in mind.

use crate::Finding;

/// Style.md S1: 400 lines by habit, 800 at most.
const LINES_MAX: usize = 800;

// Written in two parts, or this file would break its own rules.
const UNFINISHED_WORDS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME")];
const UNFINISHED_CODE: &[&str] = &[concat!("todo", "!("), concat!("unimplemented", "!("), concat!("#[ig", "nore")];
const MACHINE_PATHS: &[&str] = &[concat!("/", "work/"), concat!("/", "root/")];

/// Files that are made by tools or are the standard text of something.
fn is_exempt(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    matches!(name, "Cargo.lock" | "LICENSE-APACHE" | "LICENSE-MIT")
}

/// Checks one file.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    if is_exempt(path) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let place = || format!("{path}:{}", index + 1);
        if holds_real_number(line) {
            let problem = "a phone number that may be somebody's: use +1, an area code, 555 and 0100 to 0199";
            findings.push(Finding::new(place(), problem));
        }
        if let Some(found) = MACHINE_PATHS.iter().find(|prefix| holds_path(line, prefix)) {
            findings.push(Finding::new(place(), format!("`{found}` is a path of one machine")));
        }
        let word = UNFINISHED_WORDS.iter().find(|word| holds_word(line, word));
        let code = UNFINISHED_CODE.iter().find(|code| line.contains(**code));
        if let Some(found) = word.or(code) {
            findings.push(Finding::new(place(), format!("`{found}`: finish it, or open an issue")));
        }
    }
    let lines = text.lines().count();
    let is_snapshot = path.to_ascii_lowercase().ends_with(".snap");
    if lines > LINES_MAX && !is_snapshot {
        findings.push(Finding::new(path, format!("{lines} lines, more than {LINES_MAX}: split it")));
    }
    findings
}

/// Whether `word` stands in `line` with nothing of a name on either side.
fn holds_word(line: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(part_of_name) && !line[at + word.len()..].starts_with(part_of_name))
}

/// Whether a path begins with `prefix`, as against a longer path or URL that goes through it.
fn holds_path(line: &str, prefix: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '}' | ')' | '~');
    line.match_indices(prefix).any(|(at, _)| !line[..at].ends_with(goes_on))
}

fn holds_real_number(line: &str) -> bool {
    ["+", "%2B", "%2b"].iter().any(|plus| {
        line.match_indices(plus).any(|(at, _)| {
            let is_sum = *plus == "+" && line[..at].ends_with(|c: char| c.is_alphanumeric());
            !is_sum && !may_be_shown(&number_at(&line[at + plus.len()..]))
        })
    })
}

/// The digits that begin `text`, over the separators people write between them.
fn number_at(text: &str) -> String {
    let mut digits = String::new();
    let mut separators = 0;
    // A trunk prefix in brackets is not dialled.
    for c in text.replace("(0)", "").chars() {
        match c {
            '0'..='9' => {
                digits.push(c);
                separators = 0;
            }
            ' ' | '-' | '.' | '/' | '(' | ')' | '\u{a0}' | '\u{2011}' | '\u{2013}' if separators < 2 => separators += 1,
            _ => break,
        }
    }
    digits
}

/// Whether these digits may follow a plus sign: too few or too many for a number, or in the block that is kept
/// free for fiction (555-0100 to 555-0199), whole or (where a number is put together) its beginning.
fn may_be_shown(digits: &str) -> bool {
    const FICTION: &str = "55501";
    let is_number = (7..=15).contains(&digits.len()) && !digits.starts_with('0');
    if !is_number {
        return true;
    }
    let subscriber = match digits.strip_prefix('1') {
        // Country code and area code aside.
        Some(national) if national.len() <= 10 => &national[3..],
        Some(_) => return false,
        None => &digits[digits.len() - 7..],
    };
    subscriber.starts_with(FICTION) || FICTION.starts_with(subscriber)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> usize {
        check("a.rs", text).len()
    }

    // Built at run time, or the sources would hold what they forbid.
    fn real(national: &str) -> String {
        format!("{}{national}", '+')
    }

    #[test]
    fn fictional_numbers_pass_in_every_spelling() {
        for text in [
            "+12025550123",
            "tel:+1 (202) 555-0199",
            "+1-312-555-0100",
            "%2B12025550123",
            "\"+1 202 555 0123\"",
            "+120255501{index:02}",
            "+1 (0) 202 555 0147",
            "+1202555",
        ] {
            assert_eq!(problems(text), 0, "{text}");
        }
    }

    #[test]
    fn real_numbers_fail_in_every_spelling() {
        for national in
            ["12025550223", "1 (202) 555-1123", "442079460000", "49 151 2345678", "120255501234", "12025551"]
        {
            assert_eq!(problems(&real(national)), 1, "{national}");
        }
        assert_eq!(problems(&format!("to=%2B{}", "12025551123")), 1);
    }

    #[test]
    fn other_uses_of_plus_are_no_numbers() {
        assert_eq!(problems(&format!("x+{}", "12025551123")), 0);
        for text in ["1+1", "0.3.10+9.0.33", "+1 to +7", "+1***0123", "1e+10", "+0012025551123"] {
            assert_eq!(problems(text), 0, "{text}");
        }
    }

    #[test]
    fn machine_paths_fail_and_urls_do_not() {
        let path = MACHINE_PATHS[0];
        assert_eq!(problems(&format!("see {path}shared")), 1);
        assert_eq!(problems(&format!("\"{path}main\"")), 1);
        assert_eq!(problems(&format!("https://example.invalid{path}x")), 0);
        assert_eq!(problems(&format!("/v1{path}space")), 0);
    }

    #[test]
    fn unfinished_work_fails() {
        for mark in UNFINISHED_WORDS.iter().chain(UNFINISHED_CODE) {
            assert_eq!(problems(&format!("    {mark}")), 1, "{mark}");
        }
        assert_eq!(problems("MASTODON"), 0);
    }

    #[test]
    fn long_files_fail_unless_a_tool_wrote_them() {
        let text = "line\n".repeat(LINES_MAX + 1);
        assert_eq!(problems(&text), 1);
        assert_eq!(problems(&"line\n".repeat(LINES_MAX)), 0);
        assert_eq!(check("Cargo.lock", &text), []);
        assert_eq!(check("tests/snapshots/a.snap", &text), []);
    }
}
