//! What the durable store costs, what it holds, and how fast another process takes over.
//!
//! `cargo bench -p partyline-tests --bench store` measures everything; each part can be named, and takes its place on the
//! page with `PARTYLINE_BLESS=1`:
//!
//! `PARTYLINE_BLESS=1 cargo bench -p partyline-tests --bench store -- submissions`
//!
//! The parts: `submissions`, `flows`, `queue`, `added`, `numbers`, `failover`. `--small` tries them with small sizes.
//! SQLite files lie in `target/tmp`, the server's data in the folder for temporary files: both must be on a real disk, since
//! everything is durable. Nothing here fails because of a time; what is asserted is that each run did what its row says.
#![expect(clippy::print_stdout, reason = "the tables are what this program is for")]

mod added;
mod bare;
#[path = "../binary/mod.rs"]
mod binary;
mod failover;
mod flows;
mod numbers;
#[path = "../page/mod.rs"]
mod page;
mod queue;
mod stage;
mod submissions;
mod table;
mod virtual_time;
mod wal;

use stage::{Servers, Sizes};

/// A part of the benchmark, by the name under which it stands on the page.
type Part = fn(&Servers, Sizes) -> String;

const PARTS: [(&str, Part); 6] = [
    ("submissions", submissions::measure),
    ("flows", flows::measure),
    ("queue", queue::measure),
    ("added", added::measure),
    ("numbers", numbers::measure),
    ("failover", failover::measure),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--child", "start-up", rest @ ..] => return queue::start_up(rest),
        ["--child", "serve", rest @ ..] => return numbers::serve(rest),
        ["--child", "victim", rest @ ..] => return failover::victim(rest),
        _ => {}
    }
    // Under `cargo test --all-targets` nothing is to be measured.
    if !words.contains(&"--bench") {
        println!("run me with `cargo bench -p partyline-tests --bench store`");
        return;
    }
    let sizes = Sizes { small: words.contains(&"--small") };
    let blessed = std::env::var_os("PARTYLINE_BLESS").is_some();
    assert!(!(blessed && sizes.small), "small sizes are for trying, not for the page");
    let wanted: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with("--")).collect();
    let unknown = wanted.iter().find(|word| PARTS.iter().all(|(name, _)| name != *word));
    assert!(unknown.is_none(), "there is no part {unknown:?}; there are {:?}", PARTS.map(|(name, _)| name));
    let servers = Servers::default();
    for (name, measure) in PARTS {
        if wanted.is_empty() || wanted.contains(&name) {
            println!("\n{name}\n");
            let text = measure(&servers, sizes);
            page::publish(&format!("store {name}"), &format!("{text}\n{}", table::origin(sizes.small)));
        }
    }
}
