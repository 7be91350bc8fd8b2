//! Runs the real binary in a clean place, against an emulator in this process, and shows what came of it with
//! everything that differs from run to run replaced. Every single run is checked for the key and for whole
//! phone numbers on stderr.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod neighbour;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use partyline_domain::ports::NumberProvider;
use partyline_domain::{AgentId, Now, PhoneNumberId};
use partyline_fake_adapter::emulator::Key;
use partyline_fake_adapter::{Emulator, FaultRule, RunningEmulator, SharedWorld, World, WorldConfig};
use tempfile::TempDir;

/// The key that the emulator wants.
pub(crate) const KEY: &str = "test-key-0123456789abcdef";
/// The callee of all tests.
pub(crate) const CALLEE: &str = "+12025550147";

/// An emulator in a thread of its own.
pub(crate) struct Provider {
    running: Option<RunningEmulator>,
    runtime: tokio::runtime::Runtime,
}

impl Provider {
    /// Three agents and one Twilio number, with these faults.
    pub(crate) fn with_faults(faults: &[&str]) -> Self {
        let mut config = WorldConfig::sandbox();
        for fault in faults {
            let rule: FaultRule = fault.parse().unwrap_or_else(|why| panic!("{fault}: {why}"));
            config.faults.add(rule);
        }
        Self::of(config)
    }

    /// Three agents and this many numbers of one kind.
    pub(crate) fn with_numbers(count: usize, kind: &NumberProvider) -> Self {
        Self::of(WorldConfig::of(3, count, kind))
    }

    /// This world.
    pub(crate) fn of(config: WorldConfig) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let world = SharedWorld::new(World::new(config));
        let running = runtime.block_on(async {
            let emulator = Emulator::of(world, Some(Key::new(KEY)), ("127.0.0.1", 0)).await.expect("a free port");
            emulator.spawn()
        });
        Self { running: Some(running), runtime }
    }

    fn running(&self) -> &RunningEmulator {
        self.running.as_ref().expect("runs until it is dropped")
    }

    pub(crate) fn url(&self) -> String {
        self.running().url()
    }

    pub(crate) fn world(&self) -> &SharedWorld {
        self.running().world()
    }

    pub(crate) fn agent(&self, index: usize) -> AgentId {
        self.world().lock().agent_ids()[index].clone()
    }

    pub(crate) fn number(&self, index: usize) -> PhoneNumberId {
        self.world().lock().number_ids()[index].clone()
    }

    /// Makes an agent answer a number, behind the program's back.
    pub(crate) fn reassign(&self, number: usize, agent: Option<usize>) {
        let (number, agent) = (self.number(number), agent.map(|agent| self.agent(agent)));
        self.world().lock().reassign(&number, agent.as_ref(), Now::default()).expect("both exist");
    }

    pub(crate) fn assigned(&self, number: usize) -> Option<AgentId> {
        let number = self.number(number);
        self.world().lock().assigned(&number).cloned()
    }

    /// How many calls there really were.
    pub(crate) fn dials(&self) -> usize {
        self.world().lock().conversations().len()
    }

    /// A settings file that knows this world.
    pub(crate) fn settings_file(&self) -> String {
        let ids: Vec<String> = (0..3).map(|index| self.agent(index).to_string()).collect();
        format!(
            "[agents]\nrestaurant = \"{}\"\nhotel = \"{}\"\nhairdresser = \"{}\"\n\n[numbers.main]\nid = \"{}\"\n",
            ids[0],
            ids[1],
            ids[2],
            self.number(0)
        )
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let running = self.running.take();
        let _guard = self.runtime.enter();
        drop(running);
    }
}

/// A clean place to run the binary in.
pub(crate) struct Place {
    directory: TempDir,
    /// Whether all runs have one store, as a user's have. Else each has one of its own.
    shared: bool,
    runs: AtomicUsize,
    environment: Vec<(String, String)>,
    names: Vec<(String, String)>,
}

/// What a run came to.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    names: Vec<(String, String)>,
}

impl Place {
    /// Without key, settings and provider.
    pub(crate) fn empty() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().display().to_string();
        let names = vec![(path, "[dir]".to_owned())];
        Self { directory, shared: false, runs: AtomicUsize::new(0), environment: Vec::new(), names }
    }

    /// With key, base URL and a settings file for this provider.
    pub(crate) fn with(provider: &Provider) -> Self {
        let place = Self::without_file(provider);
        place.write("partyline.toml", &provider.settings_file());
        place
    }

    /// With key and base URL for this provider.
    pub(crate) fn without_file(provider: &Provider) -> Self {
        let mut place = Self::empty().env("ELEVENLABS_API_KEY", KEY).env("ELEVENLABS_BASE_URL", &provider.url());
        let (agents, numbers) = {
            let world = provider.world().lock();
            (world.agent_ids(), world.number_ids())
        };
        let agents = agents.iter().enumerate().map(|(index, id)| (id.to_string(), format!("agent_{}", index + 1)));
        let numbers = numbers.iter().enumerate().map(|(index, id)| (id.to_string(), format!("phnum_{}", index + 1)));
        place.names.extend(agents.chain(numbers));
        place
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// All runs from here have one store.
    pub(crate) fn sharing(mut self) -> Self {
        self.shared = true;
        self
    }

    /// The store of all runs.
    pub(crate) fn store(&self) -> PathBuf {
        self.path().join("home/data/partyline/store.db")
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.path().join(file);
        fs_err::create_dir_all(path.parent().expect("below the directory")).expect("a directory");
        fs_err::write(path, text).expect("written");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_partyline"));
        let home = self.path().join("home");
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let data = home.join("data");
        let data = if self.shared { data } else { data.join(run.to_string()) };
        command
            .args(arguments)
            .env_clear()
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_DATA_HOME", data)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().expect("the binary starts");
        self.ran(&output)
    }

    /// Runs the binary to its end with this on its stdin.
    pub(crate) fn run_fed(&self, arguments: &[&str], stdin: &[u8]) -> Ran {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut pipe = child.stdin.take().expect("piped");
        // A program that refuses its arguments reads nothing.
        let _ = pipe.write_all(stdin);
        drop(pipe);
        self.finish(child)
    }

    /// Runs the binary to its end with stdout going to a file or a device.
    pub(crate) fn run_into(&self, stdout: &str, arguments: &[&str]) -> Ran {
        let stdout = fs_err::OpenOptions::new().write(true).open(stdout).expect("it can be opened");
        let mut command = self.command(arguments);
        let child = command.stdout(stdout.into_parts().0).stderr(Stdio::piped()).spawn().expect("the binary starts");
        self.finish(child)
    }

    /// Starts the binary, waits until it says `text` on stderr, signals it, and runs it to its end.
    pub(crate) fn run_and_signal(&self, arguments: &[&str], text: &str, signal: &str) -> Ran {
        let mut child = self.spawn(arguments);
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut said = String::new();
        while !said.contains(text) {
            let read = stderr.read_line(&mut said).expect("readable");
            assert!(read > 0, "the program ended without saying {text:?}:\n{said}");
        }
        send(&child, signal);
        stderr.read_to_string(&mut said).expect("readable");
        let mut output = child.wait_with_output().expect("ends");
        output.stderr = said.into_bytes();
        self.ran(&output)
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
    }

    /// Starts the binary with what it says going to files of this name.
    pub(crate) fn spawn_into(&self, name: &str, arguments: &[&str]) -> Child {
        let file = |kind: &str| fs_err::File::create(self.path().join(format!("{name}.{kind}"))).expect("a file");
        let (stdout, stderr) = (file("stdout").into_parts().0, file("stderr").into_parts().0);
        self.command(arguments).stdout(stdout).stderr(stderr).spawn().expect("the binary starts")
    }

    /// What a process has said by now on stdout and on stderr that was started so.
    pub(crate) fn said(&self, name: &str) -> (String, String) {
        let text = |kind: &str| fs_err::read_to_string(self.path().join(format!("{name}.{kind}"))).expect("UTF-8");
        let (stdout, stderr) = (text("stdout"), text("stderr"));
        nothing_leaked(&stdout, &stderr);
        (stdout, stderr)
    }

    /// Waits for the end of what was spawned.
    pub(crate) fn finish(&self, child: Child) -> Ran {
        self.ran(&child.wait_with_output().expect("ends"))
    }

    fn ran(&self, output: &Output) -> Ran {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        nothing_leaked(&stdout, &stderr);
        let code = output.status.code().expect("ended by itself");
        Ran { code, stdout, stderr, names: self.names.clone() }
    }
}

/// No key anywhere, and whole phone numbers only on stdout.
fn nothing_leaked(stdout: &str, stderr: &str) {
    for key in [KEY, "test-key-wrong", "test-key-of-the-outside", "test-key with"] {
        assert!(!stdout.contains(key), "a key on stdout:\n{stdout}");
        assert!(!stderr.contains(key), "a key on stderr:\n{stderr}");
    }
    // The example number in the domain's own messages.
    let others = stderr.replace("for example +12025550123", "");
    for digits in ["20255501", "202-555", "(202)", "202 555", "202.555"] {
        assert!(!others.contains(digits), "a whole phone number on stderr:\n{stderr}");
    }
}

/// A provider that says what a test wants, for what the emulator cannot be made to say.
pub(crate) struct Stub {
    url: String,
}

impl Stub {
    /// Answers each request (its first line) with a whole HTTP answer. Ends with the test's process.
    pub(crate) fn answering(answer: impl Fn(&str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream = BufReader::new(stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).is_ok_and(|read| read > 0) {}
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    name.eq_ignore_ascii_case("content-length").then(|| value.parse().expect("a length"))
                });
                let mut body = vec![0; length.unwrap_or(0)];
                let _ = stream.read_exact(&mut body);
                let _ = stream.get_mut().write_all(answer(head.lines().next().unwrap_or_default()).as_bytes());
            }
        });
        Self { url }
    }

    /// A place with its URL, a key and a settings file with one agent and one number.
    pub(crate) fn place(&self) -> Place {
        let place = Place::empty().env("ELEVENLABS_API_KEY", KEY).env("ELEVENLABS_BASE_URL", &self.url);
        place.write("partyline.toml", "[agents]\nhotel = \"agent_h\"\n[numbers.main]\nid = \"phnum_1\"\n");
        place
    }
}

/// A whole HTTP answer; `headers` are lines without their ends.
pub(crate) fn http(status: &str, headers: &[&str], body: &serde_json::Value) -> String {
    let headers = headers.iter().fold(String::new(), |all, line| all + line + "\r\n");
    let body = body.to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\
         {headers}\r\n{body}"
    )
}

/// A number as the provider's JSON, answered by `agent_h` or by nobody.
pub(crate) fn number_json(assigned: bool) -> serde_json::Value {
    let agent = assigned.then(|| serde_json::json!({ "agent_id": "agent_h", "agent_name": "Hotel" }));
    serde_json::json!({
        "phone_number_id": "phnum_1",
        "phone_number": "+12025550100",
        "label": "Line 1",
        "provider": "twilio",
        "supports_inbound": true,
        "supports_outbound": true,
        "assigned_agent": agent,
    })
}

/// Sends a signal to a child.
pub(crate) fn send(child: &Child, signal: &str) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
    assert!(status.success(), "kill failed");
}

impl Ran {
    /// Exit code, stdout and stderr, with what differs from run to run replaced.
    pub(crate) fn shown(&self) -> String {
        let stable = |text: &str| self.names.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        format!("exit code: {}\n--- stdout\n{}--- stderr\n{}", self.code, stable(&self.stdout), stable(&self.stderr))
    }

    /// The one JSON value on stdout.
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.stdout.lines().count(), 1, "exactly one line:\n{}", self.stdout);
        serde_json::from_str(&self.stdout).expect("JSON")
    }

    /// The JSON values on stdout, a line each.
    pub(crate) fn objects(&self) -> Vec<serde_json::Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|why| panic!("{line}: {why}"));
        self.stdout.lines().map(parse).collect()
    }

    /// The log lines on stderr.
    pub(crate) fn log(&self) -> Vec<serde_json::Value> {
        self.stderr
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{line}: {why}")))
            .collect()
    }

    /// The names of the logged events of the call.
    pub(crate) fn events(&self) -> Vec<String> {
        let of_call = |line: &serde_json::Value| line.get("call_id").is_some();
        let name = |line: serde_json::Value| line["event"].as_str().unwrap_or_default().to_owned();
        self.log().into_iter().filter(of_call).map(name).collect()
    }
}

/// Compares a run with its snapshot.
#[macro_export]
macro_rules! shows {
    ($name:literal, $ran:expr) => {{
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        for (pattern, replacement) in common::FILTERS {
            settings.add_filter(pattern, *replacement);
        }
        let ran = $ran;
        settings.bind(|| insta::assert_snapshot!($name, ran.shown()));
        ran
    }};
}

/// What differs from run to run.
pub(crate) const FILTERS: &[(&str, &str)] = &[
    // How often progress is told depends on how busy the machine is.
    (r"(?m)^ +[0-9]+\.[0-9]{2} s  [0-9]+ of [0-9]+ calls.*\n", ""),
    (r"(calls?) in [0-9.]+ m?s:", "$1 in [time]:"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "[call id]"),
    (r"conv_[0-9a-z]{8,}", "conv_[id]"),
    (r"agent_[0-9]{4}[0-9a-z]{20,}", "agent_[id]"),
    (r"phnum_[0-9]{4}[0-9a-z]{20,}", "phnum_[id]"),
    (r"CA[0-9a-f]{32}", "CA[sid]"),
    (r"127\.0\.0\.1:[0-9]+", "127.0.0.1:[port]"),
    (r"(?m)^ +[0-9]+\.[0-9]{2} s  ", "  [time]  "),
    // All times but that of our examples, 2026-12-24T18:00:00Z.
    (r"20[0-9]{2}-([0-9]{2}-([013][0-9]|2[0-35-9])|(0[0-9]|1[01])-24)T[0-9:]{8}(\.[0-9]{3})?Z", "[when]"),
    (r"20[0-9]{2}-12-24T([02][0-9]|1[0-79]):[0-9:]{5}(\.[0-9]{3})?Z", "[when]"),
    (r#""expires_at":[0-9]+"#, r#""expires_at":[ns]"#),
    (r" +\+[0-9]+\.[0-9]{2} s  ", "  +[t] s  "),
    (r"[0-9]+ (s|min|h) ago", "[t] ago"),
    (r"[0-9]+ requests", "[n] requests"),
    (r#""requests":[0-9]+"#, r#""requests":[n]"#),
    (r"[0-9]+ ms", "[t] ms"),
    (r#""(elapsed_ms|after_ms|next_ms)":[0-9]+"#, r#""$1":[t]"#),
    (r#""timestamp":"[^"]+""#, r#""timestamp":"[time]""#),
    (r"request id for the provider's support: \S+", "request id for the provider's support: [id]"),
    (r#""request_id":"[^"]+""#, r#""request_id":"[id]""#),
];
