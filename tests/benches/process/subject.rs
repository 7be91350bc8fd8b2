//! What is run: `partyline call` in its cases, and the script with the official SDK.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use partyline_fake_adapter::RunningEmulator;
use tempfile::TempDir;

use crate::binary;

pub(crate) const KEY: &str = "test-key-benchmark";
const CALLEE: &str = "+12025550123";
/// GNU's; the shell's own knows no memory. Debian's package is `time`.
const GNU_TIME: &str = "/usr/bin/time";
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// One row of the table.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// Whether the number has the agent before.
    pub(crate) assigned_before: bool,
    /// How many requests it takes.
    pub(crate) requests: u64,
    /// How many of them have to wait for the one before.
    pub(crate) round_trips: u32,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `partyline call` with this proof policy.
    Partyline { proof: &'static str },
    /// `tests/python/seed_call.py`.
    Script,
}

const SUBJECTS: [Subject; 5] = [
    Subject {
        name: "partyline, number has the agent, proof off",
        assigned_before: true,
        requests: 3,
        round_trips: 2,
        kind: Kind::Partyline { proof: "off" },
    },
    Subject {
        name: "partyline, number has another agent, proof off",
        assigned_before: false,
        requests: 4,
        round_trips: 3,
        kind: Kind::Partyline { proof: "off" },
    },
    Subject {
        name: "partyline, number has the agent",
        assigned_before: true,
        requests: 4,
        round_trips: 3,
        kind: Kind::Partyline { proof: "once" },
    },
    Subject {
        name: "partyline, number has another agent",
        assigned_before: false,
        requests: 5,
        round_trips: 4,
        kind: Kind::Partyline { proof: "once" },
    },
    Subject {
        name: "Python script, elevenlabs 2.78.0",
        assigned_before: false,
        requests: 3,
        round_trips: 3,
        kind: Kind::Script,
    },
];

/// What one run came to.
pub(crate) struct Run {
    /// From before the process was started until it had ended.
    pub(crate) wall: Duration,
    /// What the script says of itself: from after its imports to its end.
    pub(crate) inside: Option<Duration>,
    /// Where it was looked for.
    pub(crate) peak_bytes: Option<u64>,
}

/// Where the runs take place: an empty directory, which is also the home directory.
pub(crate) struct Place {
    directory: TempDir,
    partyline: PathBuf,
    python: Option<PathBuf>,
    gnu_time: bool,
}

impl Place {
    /// Builds the binary as it is released, and finds the rest.
    pub(crate) fn prepare() -> Self {
        let python = std::env::var_os("PARTYLINE_SDK_PYTHON").map(PathBuf::from);
        let python = python.unwrap_or_else(|| Path::new(ROOT).join("target/sdk-venv/bin/python"));
        let python = python.exists().then_some(python);
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self { directory, partyline: binary::build("release"), python, gnu_time: Path::new(GNU_TIME).exists() }
    }

    /// What is not measured, and why.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let python = self.python.is_none().then_some("no Python with the SDK: run `cargo xtask sdk-setup`");
        let time = (!self.gnu_time).then_some("no GNU time, and so no memory: install Debian's package `time`");
        python.into_iter().chain(time).collect()
    }

    pub(crate) fn measures_memory(&self) -> bool {
        self.gnu_time
    }

    pub(crate) fn subjects(&self) -> Vec<Subject> {
        SUBJECTS.into_iter().filter(|subject| self.python.is_some() || subject.kind != Kind::Script).collect()
    }

    /// Runs the subject once, for its time or for its memory.
    ///
    /// # Panics
    /// Where it does not succeed.
    pub(crate) fn run(&self, subject: &Subject, emulator: &RunningEmulator, memory: bool) -> Run {
        let mut arguments = self.arguments(subject, emulator);
        let peak = self.directory.path().join("peak");
        if memory {
            let wrapper = [GNU_TIME, "--format=%M", "--output"].map(str::to_owned);
            arguments.splice(0..0, wrapper.into_iter().chain([text(&peak)]));
        }
        let mut command = Command::new(&arguments[0]);
        command.args(&arguments[1..]).current_dir(self.directory.path()).stdin(Stdio::null());
        command.env_clear().env("HOME", self.directory.path());
        command.env("ELEVENLABS_API_KEY", KEY).env("ELEVENLABS_BASE_URL", emulator.url());
        let (wall, output) = timed(&mut command);
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {}\n{stdout}\n{stderr}", subject.name, output.status);
        let inside = match subject.kind {
            Kind::Partyline { .. } => None,
            Kind::Script => stdout.split_whitespace().last().and_then(|milliseconds| milliseconds.parse().ok()),
        };
        let inside = inside.map(|milliseconds: f64| Duration::from_secs_f64(milliseconds / 1000.0));
        let peak = memory.then(|| fs_err::read_to_string(&peak).expect("GNU time has written it"));
        let peak_bytes = peak.map(|peak| 1024 * peak.trim().parse::<u64>().expect("a number of kibibytes"));
        Run { wall, inside, peak_bytes }
    }

    fn arguments(&self, subject: &Subject, emulator: &RunningEmulator) -> Vec<String> {
        let world = emulator.world().lock();
        let (agent, number) = (&world.agent_ids()[0], &world.number_ids()[0]);
        match subject.kind {
            Kind::Partyline { proof } => {
                let settings = format!("[agents]\nrestaurant = \"{agent}\"\n[numbers.main]\nid = \"{number}\"\n");
                fs_err::write(self.directory.path().join("partyline.toml"), settings).expect("it can be written");
                let words = ["call", "restaurant", "--to", CALLEE, "--proof", proof];
                std::iter::once(text(&self.partyline)).chain(words.map(str::to_owned)).collect()
            }
            Kind::Script => {
                let python = self.python.as_deref().expect("without it there is no such subject");
                let script = Path::new(ROOT).join("tests/python/seed_call.py");
                let name = world.agent(agent).expect("it is there").name;
                [text(python), text(&script), emulator.url(), KEY.to_owned(), name, number.to_string()]
                    .into_iter()
                    .chain([CALLEE.to_owned()])
                    .collect()
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
fn timed(command: &mut Command) -> (Duration, Output) {
    let began = std::time::Instant::now();
    let output = command.output().expect("it can be started");
    (began.elapsed(), output)
}

fn text(path: &Path) -> String {
    path.to_str().expect("paths of this project are Unicode").to_owned()
}
