//! The commands a page shows: every line of its shell blocks that a reader would type.

/// Languages of fenced blocks that hold commands.
const SHELLS: &[&str] = &["console", "sh", "bash", "shell"];

/// The commands of each shell block of `page`, block by block, in order.
///
/// In a block where a line begins with `$ `, those lines are commands and everything else is output; in the others
/// every line is a command unless it is empty or a comment. A line that ends with `\` goes on in the next one.
pub fn command_blocks(page: &str) -> Vec<Vec<String>> {
    let shells = blocks(page).into_iter().filter(|block| SHELLS.contains(&block.language));
    shells.map(|block| commands(&block.body)).collect()
}

/// The commands of `page` whose output it shows: a shell block with one command and, next, a block of text.
pub fn shown_outputs(page: &str) -> Vec<(String, String)> {
    let blocks = blocks(page);
    let pairs = blocks.windows(2).filter_map(|pair| {
        let [Block { language, body, .. }, Block { language: "text", body: output, follows: true }] = pair else {
            return None;
        };
        let mut commands = if SHELLS.contains(language) { commands(body) } else { Vec::new() };
        let command = commands.pop().filter(|_| commands.is_empty())?;
        Some((command, output.join("\n")))
    });
    pairs.collect()
}

/// A fenced block.
struct Block<'a> {
    language: &'a str,
    body: Vec<&'a str>,
    /// Whether nothing but blank lines lies between it and the block before.
    follows: bool,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    let mut follows = false;
    while let Some(line) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            follows &= line.trim().is_empty();
            continue;
        };
        let body = lines.by_ref().take_while(|line| !line.trim_start().starts_with("```")).collect();
        blocks.push(Block { language: language.split([' ', ',']).next().unwrap_or_default(), body, follows });
        follows = true;
    }
    blocks
}

fn commands(body: &[&str]) -> Vec<String> {
    let prompted = body.iter().any(|line| line.trim_start().starts_with("$ "));
    let mut commands = Vec::new();
    let mut open: Option<String> = None;
    for line in body {
        let text = match (&open, prompted, line.trim().strip_prefix("$ ")) {
            (Some(_), ..) => line.trim().trim_start_matches("> "),
            (None, _, Some(command)) => command.trim(),
            (None, true, None) => continue,
            (None, false, None) => line.trim(),
        };
        if open.is_none() && (text.is_empty() || text.starts_with('#')) {
            continue;
        }
        let so_far = open.take().map_or_else(String::new, |before| before + " ");
        match text.strip_suffix('\\') {
            Some(part) => open = Some(so_far + part.trim_end()),
            None => commands.push(so_far + text),
        }
    }
    commands.extend(open);
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_and_output_are_told_apart() {
        let page = "Text\n```console\n$ partyline agents\nrestaurant\n$ partyline call a \\\n    --json\n{}\n```\n";
        assert_eq!(command_blocks(page), [["partyline agents", "partyline call a --json"]]);
    }

    #[test]
    fn without_prompts_every_line_is_a_command() {
        let page = "```console\n# First\ncargo run\n\ncargo test\n```\n```rust\nfn main() {}\n```\n```bash\nls\n```\n";
        assert_eq!(command_blocks(page), [vec!["cargo run", "cargo test"], vec!["ls"]]);
    }

    #[test]
    fn an_output_belongs_to_the_one_command_right_before_it() {
        let page = "```console\na\n```\n\n```text\n1\n 2\n```\n```text\n3\n```\n```sh\nb\nc\n```\n```text\n4\n```\n\
                    ```sh\nd\n```\nWords.\n```text\n5\n```\n";
        assert_eq!(shown_outputs(page), [("a".to_owned(), "1\n 2".to_owned())]);
    }

    #[test]
    fn a_page_without_shells_has_no_commands() {
        assert_eq!(command_blocks("```toml\na = 1\n```\n"), Vec::<Vec<String>>::new());
    }
}
