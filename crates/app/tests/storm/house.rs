//! The machine room: an emulator, a store, and processes on it that are started, killed and stopped.

use std::collections::BTreeMap;
use std::process::Child;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use partyline_domain::ports::NumberProvider;
use partyline_fake_adapter::world::{Latency, Operation};
use partyline_fake_adapter::{FaultPlan, WorldConfig};
use partyline_tests::postgres::PostgresServer;
use serde_json::Value;

use crate::common::{self, Place, Provider};
use crate::plan::{AGENTS, Job, Plan, Step, Way};

/// Short times, so that nobody waits long for what a killed process has left. The lease is long enough for a busy machine.
const SETTINGS: &str = "[store]\nlease = \"2s\"\nlateness = \"1s\"\n[provider]\ndial_margin = \"500ms\"\n\
                        [call]\nringing_timeout = 1\nlookup_window = \"4s\"\n";
/// Whoever has not ended by then never will.
const PATIENCE: Duration = Duration::from_secs(150);
/// So long a question to the store may take while the server is away, or processes are stopped that may hold a lock.
const ANSWER: Duration = Duration::from_secs(2);

/// A process that runs, or has ended and nobody has looked.
struct Process {
    child: Child,
    name: String,
    stopped: Option<Timestamp>,
    /// When it ends by itself, its job is done.
    is_whole: bool,
}

/// Something that may explain that nobody knows whether a phone rang.
#[derive(Debug)]
pub(crate) struct Disturbance {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

/// See the module.
pub(crate) struct House {
    pub(crate) provider: Provider,
    pub(crate) place: Place,
    pub(crate) plan: Plan,
    server: Option<Arc<PostgresServer>>,
    restarting: Option<JoinHandle<Disturbance>>,
    /// Nobody is stopped any more, and the server is there.
    is_calm: bool,
    running: BTreeMap<Job, Process>,
    done: BTreeMap<Job, String>,
    started: usize,
    began: Instant,
    pub(crate) disturbances: Vec<Disturbance>,
    pub(crate) kills: usize,
    pub(crate) pauses: usize,
    /// How processes ended by themselves.
    pub(crate) ends: Vec<(String, i32)>,
}

impl House {
    pub(crate) fn of(plan: Plan, server: Option<Arc<PostgresServer>>) -> Self {
        let provider = Provider::of(world(&plan));
        let place = Place::without_file(&provider);
        let place = match &server {
            Some(server) => place.env("PARTYLINE_STORE", &server.database()),
            None => place.sharing(),
        };
        place.write("partyline.toml", &settings(&provider));
        for job in plan.weather.batches() {
            place.write(&format!("{job}.csv"), &rows(job, plan.weather.rows));
        }
        Self {
            provider,
            place,
            plan,
            server,
            restarting: None,
            is_calm: false,
            running: BTreeMap::new(),
            done: BTreeMap::new(),
            started: 0,
            began: instant(),
            disturbances: Vec::new(),
            kills: 0,
            pauses: 0,
            ends: Vec::new(),
        }
    }

    /// Says what happens. It is seen where a test fails, and with `--nocapture`.
    #[expect(clippy::print_stdout, reason = "the harness keeps it, and shows it where the test fails")]
    pub(crate) fn say(&self, text: &str) {
        println!("{:>7.3} s  {text}", self.began.elapsed().as_secs_f64());
    }

    /// Runs the schedule to its end.
    pub(crate) fn storm(&mut self) {
        let seed = self.plan.seed;
        self.say(&format!("seed {seed}: replay with {}={seed}; {:?}", crate::chance::SEED, self.plan.weather));
        self.say(&format!("faults: {}", self.plan.faults.join(" ")));
        self.began = instant();
        for (at, step) in self.plan.steps.clone() {
            pause(at.saturating_sub(self.began.elapsed()));
            self.reap();
            let came_to = self.step(step);
            self.say(&format!("[{:>6} ms] {step}: {came_to}", at.as_millis()));
        }
        for job in self.running.keys().copied().collect::<Vec<_>>() {
            let came_to = self.wake(job);
            self.say(&format!("the storm is over; wake {job}: {came_to}"));
        }
        if let Some(restarting) = self.restarting.take() {
            let away = restarting.join().expect("the server comes back");
            self.say(&format!("the server is back since {}", away.to));
            self.disturbances.push(away);
        }
        self.is_calm = true;
    }

    /// Does something now.
    pub(crate) fn act(&mut self, step: Step) {
        self.reap();
        let came_to = self.step(step);
        self.say(&format!("{step}: {came_to}"));
    }

    /// Waits until there have been so many more dials, nobody works on the job any more, or there is nothing left to dial.
    pub(crate) fn await_dials(&mut self, more: usize, job: Job) {
        let (since, before) = (instant(), self.provider.dials());
        while self.provider.dials() < before + more && self.running.contains_key(&job) && since.elapsed() < ANSWER {
            pause(Duration::from_millis(2));
            self.reap();
        }
    }

    fn step(&mut self, step: Step) -> String {
        match step {
            Step::Start(job, way) => self.start(job, way),
            Step::Kill(job) => self.kill(job),
            Step::Interrupt(job) => self.interrupt(job),
            Step::Pause(job) => self.stop(job),
            Step::Wake(job) => self.wake(job),
            Step::Server => self.restart_server(),
        }
    }

    fn start(&mut self, job: Job, way: Way) -> String {
        if self.running.contains_key(&job) {
            return "it runs".to_owned();
        }
        if self.done.contains_key(&job) {
            return "its work is done".to_owned();
        }
        self.started += 1;
        let name = format!("{:03}-{job}", self.started);
        let Some((arguments, is_whole)) = self.arguments(job, way, &name) else {
            return "the store did not say whether its rows are there".to_owned();
        };
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let child = self.place.spawn_into(&name, &words);
        let told = format!("{name}: {}", arguments.join(" "));
        self.running.insert(job, Process { child, name, stopped: None, is_whole });
        told
    }

    /// The command line, and whether the job is done when that ends by itself.
    fn arguments(&mut self, job: Job, way: Way, name: &str) -> Option<(Vec<String>, bool)> {
        let file = format!("{job}.csv");
        let own = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (mut words, is_whole) = match (job, way) {
            (Job::Call { index }, _) => {
                let (agent, key, to) = (AGENTS[index % 3], format!("call-{index}"), callee(index, 90));
                return Some((own(&["call", agent, "--to", &to, "--idempotency-key", &key, "--json"]), true));
            }
            (Job::Batch { keyed: true, .. }, Way::Again) => (own(&["batch", &file]), true),
            (Job::Batch { keyed: true, .. }, Way::Resume) => (own(&["batch", "resume"]), false),
            (Job::Batch { index, keyed: false }, _) => match batch_id(index, &self.calls(false)?) {
                Some(id) => (own(&["batch", "resume", id]), true),
                None => (own(&["batch", &file]), true),
            },
        };
        let in_flight = self.plan.in_flight.to_string();
        let out = format!("{name}.csv");
        words.extend(own(&["--max-in-flight-per-number", &in_flight, "--json", "--out", &out]));
        Some((words, is_whole))
    }

    /// All calls in the store, or those that somebody has something left to do for; `None` where the store does not say.
    pub(crate) fn calls(&mut self, open: bool) -> Option<Vec<Value>> {
        let arguments: &[&str] =
            if open { &["calls", "--open", "--limit", "0", "--json"] } else { &["calls", "--limit", "0", "--json"] };
        let said = self.ask(arguments)?;
        let calls: Vec<Value> = serde_json::from_str(&said).unwrap_or_else(|why| panic!("{why}: {said}"));
        Some(calls)
    }

    /// What a command says; `None` where it fails, or takes too long.
    pub(crate) fn ask(&mut self, arguments: &[&str]) -> Option<String> {
        self.started += 1;
        let name = format!("{:03}-ask", self.started);
        let mut child = self.place.spawn_into(&name, arguments);
        let (since, patience) = (instant(), if self.is_calm { PATIENCE } else { ANSWER });
        let status = loop {
            match child.try_wait().expect("it can be waited for") {
                Some(status) => break status,
                None if since.elapsed() > patience => {
                    child.kill().expect("it can be killed");
                    break child.wait().expect("it can be waited for");
                }
                None => pause(Duration::from_millis(5)),
            }
        };
        let (stdout, stderr) = self.place.said(&name);
        if !status.success() {
            self.say(&format!("{} did not succeed ({status}): {stderr}", arguments.join(" ")));
        }
        status.success().then_some(stdout)
    }

    fn kill(&mut self, job: Job) -> String {
        let Some(mut process) = self.running.remove(&job) else { return "nothing runs".to_owned() };
        let from = process.stopped.unwrap_or_else(now);
        process.child.kill().expect("it can be killed");
        let status = process.child.wait().expect("it can be waited for");
        if let Some(code) = status.code() {
            self.ended(job, &process, code);
            return "it has just ended by itself".to_owned();
        }
        self.kills += 1;
        self.disturbances.push(Disturbance { from, to: now() });
        process.name
    }

    fn interrupt(&mut self, job: Job) -> String {
        let Some(process) = self.running.get(&job) else { return "nothing runs".to_owned() };
        common::send(&process.child, "-INT");
        process.name.clone()
    }

    fn stop(&mut self, job: Job) -> String {
        let Some(process) = self.running.get_mut(&job) else { return "nothing runs".to_owned() };
        common::send(&process.child, "-STOP");
        process.stopped = Some(now());
        self.pauses += 1;
        process.name.clone()
    }

    fn wake(&mut self, job: Job) -> String {
        let Some(process) = self.running.get_mut(&job) else { return "nothing runs".to_owned() };
        let Some(from) = process.stopped.take() else { return "it is awake".to_owned() };
        common::send(&process.child, "-CONT");
        self.disturbances.push(Disturbance { from, to: now() });
        process.name.clone()
    }

    fn restart_server(&mut self) -> String {
        let Some(server) = self.server.clone() else { return "there is none".to_owned() };
        self.restarting = Some(std::thread::spawn(move || {
            let from = now();
            server.kill().unwrap_or_else(|why| panic!("{why}"));
            server.resume().unwrap_or_else(|why| panic!("{why}"));
            Disturbance { from, to: now() }
        }));
        "it goes down".to_owned()
    }

    /// Sees who has ended by itself.
    fn reap(&mut self) {
        let mut over = Vec::new();
        for (job, process) in &mut self.running {
            let status = process.child.try_wait().expect("it can be waited for");
            if let Some(status) = status {
                over.push((*job, status.code()));
            }
        }
        for (job, code) in over {
            let process = self.running.remove(&job).expect("it was just there");
            let code = code.unwrap_or_else(|| panic!("{} ended by a signal that nobody here sent", process.name));
            self.ended(job, &process, code);
        }
    }

    fn ended(&mut self, job: Job, process: &Process, code: i32) {
        self.say(&format!("{} ended with {code}", process.name));
        self.ends.push((process.name.clone(), code));
        // 2 and 1: it could not begin, for example because the store was away. A batch that was held up, by whomever, may
        // end with 6 as well as with 130.
        if process.is_whole && [0, 3, 4, 5, 6].contains(&code) && self.has_no_rows_left(&process.name) {
            self.done.insert(job, process.name.clone());
        }
    }

    /// Whether everything has ended that is in the results of a process.
    fn has_no_rows_left(&self, process: &str) -> bool {
        let results = fs_err::read_to_string(self.place.path().join(format!("{process}.csv"))).unwrap_or_default();
        results.lines().skip(1).all(|line| matches!(line.split(',').nth(4), Some("initiated" | "failed")))
    }

    /// Lets everything come to its end: nothing goes wrong any more, and whoever was killed is started once more.
    pub(crate) fn calm(&mut self) {
        self.provider.world().lock().faults().clear();
        for round in 0..4 {
            for job in self.plan.weather.jobs().collect::<Vec<_>>() {
                let came_to = self.start(job, Way::Again);
                self.say(&format!("calm, round {round}: start {job}: {came_to}"));
            }
            self.await_all();
            let all_done = self.plan.weather.jobs().all(|job| self.done.contains_key(&job));
            let open = self.calls(true).expect("nobody is stopped any more");
            if all_done && open.is_empty() {
                return;
            }
            self.say(&format!("still open: {open:?}"));
        }
        panic!("not everything came to its end");
    }

    fn await_all(&mut self) {
        let since = instant();
        loop {
            self.reap();
            if self.running.is_empty() {
                return;
            }
            if since.elapsed() > PATIENCE {
                for process in self.running.values() {
                    let (stdout, stderr) = self.place.said(&process.name);
                    self.say(&format!("{} does not end:\n{stderr}\n--- stdout\n{stdout}", process.name));
                }
                let open = self.ask(&["calls", "--open", "--limit", "0"]);
                self.say(&format!("open calls:\n{}", open.unwrap_or_default()));
                panic!("processes do not end");
            }
            pause(Duration::from_millis(10));
        }
    }

    /// What the last process of a job wrote with `--out`.
    pub(crate) fn results(&self, job: Job) -> String {
        let name = self.done.get(&job).expect("it is done");
        fs_err::read_to_string(self.place.path().join(format!("{name}.csv"))).expect("it was written")
    }
}

impl Drop for House {
    fn drop(&mut self) {
        for process in self.running.values_mut() {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}

fn world(plan: &Plan) -> WorldConfig {
    let faults =
        FaultPlan::new(plan.faults.iter().map(|text| text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))));
    // Dials are slow, so that many are open when somebody is killed; of reads a look-up may need a hundred, one by one.
    let means = [(Operation::Dial, 350), (Operation::Conversations, 20), (Operation::Conversation, 2)];
    let per_operation = means.map(|(operation, mean)| (operation, Duration::from_millis(mean))).into();
    let latency = Latency { per_operation, ..Latency::varying(Duration::from_millis(100)) };
    WorldConfig { seed: plan.seed, latency, faults, ..WorldConfig::of(3, 2, &NumberProvider::Twilio) }
}

fn settings(provider: &Provider) -> String {
    let agents = AGENTS.iter().enumerate().map(|(index, alias)| format!("{alias} = \"{}\"\n", provider.agent(index)));
    let numbers = ["one", "two"].iter().enumerate();
    let numbers = numbers.map(|(index, alias)| format!("[numbers.{alias}]\nid = \"{}\"\n", provider.number(index)));
    format!("{SETTINGS}[agents]\n{}{}", agents.collect::<String>(), numbers.collect::<String>())
}

/// The id of a batch without keys, if it is there.
pub(crate) fn batch_id(index: usize, calls: &[Value]) -> Option<&str> {
    let first = callee(0, offset(index));
    let is_first = |call: &&Value| call["row"] == 2 && call["to"] == first.as_str() && call["key"].is_null();
    calls.iter().find(is_first).and_then(|call| call["batch_id"].as_str())
}

/// The callees of a batch begin here among the fictional numbers, so that batches differ.
fn offset(batch: usize) -> usize {
    batch * 30
}

fn callee(index: usize, offset: usize) -> String {
    format!("+120255501{:02}", (index + offset) % 100)
}

fn rows(job: Job, count: usize) -> String {
    let Job::Batch { index, keyed } = job else { return String::new() };
    let heading = if keyed { "agent,to,key\n" } else { "agent,to\n" };
    let row = |row: usize| {
        let (agent, to) = (AGENTS[(row + row / 7) % 3], callee(row, offset(index)));
        if keyed { format!("{agent},{to},batch-{index}-row-{row}\n") } else { format!("{agent},{to}\n") }
    };
    heading.to_owned() + &(0..count).map(row).collect::<String>()
}

#[expect(clippy::disallowed_methods, reason = "real processes run in real time")]
fn instant() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "compared with the times that the processes write down")]
fn now() -> Timestamp {
    Timestamp::try_from(SystemTime::now()).expect("a time of this age")
}

#[expect(clippy::disallowed_methods, reason = "waits for real processes, without a runtime")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
