//! Every command that the README shows works as shown.
//!
//! A command of the program is run in a folder of its own against an emulator, where a reader would have an
//! account. A command of a kind that is not known here fails the test: teach it, or leave the command out.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, SystemTime};

use partyline_fake_adapter::emulator::Key;
use partyline_fake_adapter::{Emulator, EmulatorConfig, RunningEmulator};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use xtask::{readme, repository};

/// That of `partyline emulate`, so that the commands against it work as they stand.
const KEY: &str = "test-key-emulator";
/// Shorter than the reader's: a command waits for what the one before it has left, which was killed.
const LEASE: &str = "2s";
/// Far longer than any command takes: what is still running then will never end.
const PATIENCE: Duration = Duration::from_secs(60);
/// How the README runs the program without installing it.
const FROM_SOURCE: &str = "cargo run --release -- ";
/// Where the README's emulator listens; here it is wherever a port is free.
const SHOWN_URL: &str = "http://127.0.0.1:8080";

/// The files of the repository that the commands read.
const EXAMPLES: [&str; 1] = ["examples/batch.csv"];

fn page() -> String {
    fs_err::read_to_string(repository::root().join("README.md")).expect("there is a README")
}

/// What is to be done with a command.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// A shell runs this to its end, with success.
    Run(String),
    /// A shell starts this; it says where it listens and goes on until it is stopped.
    Serve(String),
    /// Run elsewhere, as said.
    Elsewhere(&'static str),
}

fn kind(command: &str) -> Option<Kind> {
    let program = command.replace(FROM_SOURCE, "partyline ");
    match program.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["cargo", "test", ..] => Some(Kind::Elsewhere(".ci/run runs it, and this test with it")),
        ["cargo", "xtask", ..] | [".ci/run"] => Some(Kind::Elsewhere("the tests of xtask and .ci/run run it")),
        ["cargo", "install", "--path", "crates/app", ..] | ["cargo", "build", "--release", ..] => {
            Some(Kind::Elsewhere("this test runs what it makes"))
        }
        ["export", assignment] if assignment.starts_with("ELEVENLABS_") || assignment.starts_with("PARTYLINE_") => {
            Some(Kind::Elsewhere("the commands here are given it"))
        }
        ["partyline", "emulate", ..] => Some(Kind::Serve(program)),
        words if words.contains(&"partyline") => Some(Kind::Run(program)),
        _ => None,
    }
}

/// Where the reader is: an account (an emulator's), a settings file, and the program on the path.
struct Desk {
    folder: TempDir,
    emulator: RunningEmulator,
    binary: PathBuf,
}

impl Desk {
    async fn new() -> Self {
        let binary = binary().await;
        let config = EmulatorConfig { key: Some(Key::new(KEY)), ..EmulatorConfig::default() };
        let emulator = Emulator::bind(config, "127.0.0.1:0").await.expect("a port is free").spawn();
        let folder = tempfile::tempdir().expect("a folder for the test");
        let settings = {
            let world = emulator.world().lock();
            let (agents, numbers) = (world.agent_ids(), world.number_ids());
            format!(
                "[agents]\nrestaurant = \"{}\"\nhotel = \"{}\"\nhairdresser = \"{}\"\n\n[numbers.main]\nid = \"{}\"\n\n\
                 [store]\nlease = \"{LEASE}\"\n",
                agents[0], agents[1], agents[2], numbers[0]
            )
        };
        fs_err::write(folder.path().join("partyline.toml"), settings).expect("the folder can be written");
        fs_err::create_dir(folder.path().join("examples")).expect("the folder can be written");
        for file in EXAMPLES {
            let (from, to) = (repository::root().join(file), folder.path().join(file));
            fs_err::copy(from, to).expect("the example is there, and can be copied");
        }
        Self { folder, emulator, binary }
    }

    fn shell(&self, command: &str) -> Command {
        let command = command.replace(SHOWN_URL, &self.emulator.url());
        let mut path = self.binary.parent().expect("a program is in a folder").as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut shell = Command::new("sh");
        shell
            .args(["-euc", &command])
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.folder.path())
            .env("ELEVENLABS_API_KEY", KEY)
            .env("ELEVENLABS_BASE_URL", self.emulator.url())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        shell
    }

    async fn run(&self, command: &str) -> Output {
        let output = tokio::time::timeout(PATIENCE, self.shell(command).output()).await;
        output.unwrap_or_else(|_| panic!("`{command}` does not end")).expect("a shell runs")
    }

    /// Starts a server on a free port, waits for its first line, and stops it.
    async fn serve(&self, command: &str) {
        let words: Vec<&str> = command.split_whitespace().collect();
        let port = words.iter().position(|word| *word == "--port").map(|at| at + 1);
        let free = words.iter().enumerate().map(|(at, word)| if Some(at) == port { "0" } else { word });
        let free = free.collect::<Vec<_>>().join(" ");
        let free = if port.is_some() { free } else { format!("{free} --port 0") };
        let mut server = self.shell(&format!("exec {free}")).stdout(Stdio::piped()).spawn().expect("a shell runs");
        let mut lines = BufReader::new(server.stdout.take().expect("it was asked for")).lines();
        let first = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("it says where it listens");
        let first = first.expect("its output is text").unwrap_or_else(|| panic!("`{command}` ends and says nothing"));
        assert!(first.contains("http://"), "`{command}` begins with {first:?}");
        server.kill().await.expect("it was still running");
    }
}

/// The program, built from the sources as they are. `cargo test --workspace` has built it already.
async fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("this test is a file");
    let folder = test.ancestors().nth(2).expect("tests are in target/<profile>/deps");
    let binary = folder.join(format!("partyline{}", std::env::consts::EXE_SUFFIX));
    let built = binary.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    if newest(&repository::root().join("crates")) > built {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "partyline"]).current_dir(repository::root());
        let status = cargo.status().await.expect("cargo runs");
        assert!(status.success(), "the program does not build");
    }
    binary
}

/// When anything in a folder was last changed.
fn newest(folder: &Path) -> SystemTime {
    let entries = fs_err::read_dir(folder).expect("the sources are there");
    let times = entries.map(|entry| {
        let entry = entry.expect("the sources can be read");
        let path = entry.path();
        if path.is_dir() {
            return newest(&path);
        }
        entry.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

#[test]
fn the_first_two_commands_are_the_promised_ones() {
    let blocks = readme::command_blocks(&page());
    assert_eq!(blocks[0], ["cargo run --release -- call restaurant --to +12025550123 --sandbox"]);
    assert_eq!(blocks[1], ["cargo test --workspace"]);
}

#[test]
fn unknown_commands_are_noticed() {
    for command in ["curl https://example.invalid", "rm -r .", "cargo publish", "make"] {
        assert_eq!(kind(command), None, "{command}");
    }
}

/// A text without what differs from run to run: ids of conversations, and how long something took. The order of
/// lines that come from two streams differs too.
fn comparable(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(comparable_line).collect();
    lines.sort();
    lines
}

fn comparable_line(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_unit = |word: &&str| ["ms", "s"].contains(&word.trim_end_matches([':', ')', ';', ',']));
    let word = |(place, word): (usize, &&str)| {
        if word.starts_with("conv_") {
            "(conversation)".to_owned()
        } else if word.parse::<f64>().is_ok() && words.get(place + 1).is_some_and(is_unit) {
            "(time)".to_owned()
        } else if place > 0 && is_unit(word) && words[place - 1].parse::<f64>().is_ok() {
            word.replacen("ms", "s", 1)
        } else {
            (*word).to_owned()
        }
    };
    words.iter().enumerate().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn only_what_differs_from_run_to_run_is_not_compared() {
    assert_eq!(comparable("line 5: initiated: conv_1m2 (Hotel)"), ["line 5: initiated: (conversation) (Hotel)"]);
    assert_eq!(comparable("6 calls in 15 ms: 6 initiated"), comparable("6 calls in 1.25 s: 6 initiated"));
    assert_ne!(comparable("6 calls in 15 ms: 6 initiated"), comparable("6 calls in 15 ms: 5 initiated"));
    assert_ne!(comparable("makespan, s  47.25  750"), comparable("makespan, s  47.25  751"));
}

#[tokio::test]
async fn outputs_are_as_shown() {
    let desk = Desk::new().await;
    let shown = readme::shown_outputs(&page());
    for program in ["call", "batch", "simulate"] {
        let command = format!("{FROM_SOURCE}{program} ");
        assert!(shown.iter().any(|(shown, _)| shown.starts_with(&command)), "no output of `{program}` is shown");
    }
    for (command, expected) in shown {
        let Some(Kind::Run(program)) = kind(&command) else { panic!("`{command}` is shown with an output") };
        let output = desk.run(&program).await;
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if program.starts_with("partyline simulate ") {
            // Nothing in virtual time differs from run to run.
            assert_eq!((stdout.trim_end(), stderr.as_ref()), (expected.as_str(), ""), "`{command}`");
        } else {
            assert_eq!(comparable(&format!("{stdout}{stderr}")), comparable(&expected), "`{command}`");
        }
    }
}

#[tokio::test]
async fn every_command_works_as_shown() {
    let desk = Desk::new().await;
    let mut ran = 0;
    for command in readme::command_blocks(&page()).iter().flatten() {
        match kind(command) {
            Some(Kind::Run(program)) => {
                let output = desk.run(&program).await;
                let (stdout, stderr) =
                    (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
                assert!(output.status.success(), "`{command}`: {}\n{stdout}\n{stderr}", output.status);
                assert!(!stdout.is_empty() || !stderr.is_empty(), "`{command}` says nothing");
                ran += 1;
            }
            Some(Kind::Serve(program)) => {
                desk.serve(&program).await;
                ran += 1;
            }
            Some(Kind::Elsewhere(_)) => {}
            None => panic!("the README shows `{command}`, and no test knows how to run it"),
        }
    }
    assert!(ran > 0, "the README shows no command of the program");
}
