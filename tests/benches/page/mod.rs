//! What a benchmark prints, and where it stands in `docs/benchmarks.md`.

/// Prints it. With `PARTYLINE_BLESS=1` it also takes its place on the page, between the marks of this name: a table as
/// it is, anything else as a block of text.
///
/// # Panics
/// Where the page has no such marks.
#[expect(clippy::print_stdout, reason = "this is what the benchmarks are for")]
pub(crate) fn publish(name: &str, text: &str) {
    println!("{text}");
    if std::env::var_os("PARTYLINE_BLESS").is_some_and(|bless| bless == "1") {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks.md");
        let page = fs_err::read_to_string(path).expect("the page can be read");
        let blessed = replaced(&page, name, text).unwrap_or_else(|| panic!("{path} has no marks of {name}"));
        fs_err::write(path, blessed).expect("the page can be written");
    }
}

fn replaced(page: &str, name: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    let text = text.trim_end();
    let shown = if text.starts_with('|') { text.to_owned() } else { format!("```text\n{text}\n```") };
    Some(format!("{before}{begin}\n{shown}\n\n{end}{after}"))
}
