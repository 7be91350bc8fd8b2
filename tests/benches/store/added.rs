//! What the store adds to one call on a file that is there already: in this process, and as whole processes of
//! `partyline call`; how many transactions that takes, and what the machine's disk needs for one sync.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join;
use partyline_domain::flow::CallEvent;
use partyline_domain::ports::Store as _;
use partyline_domain::{Driver, Known, LinePolicy, Notice, NumberChoice, Observer, ProofPolicy, SharingPolicy, place};
use partyline_fake_adapter::world::LedgerDetail;
use partyline_fake_adapter::{FakeProvider, SharedWorld};
use sqlx::{Connection as _, SqliteConnection};
use tokio::time::Instant;

use crate::binary;
use crate::flows::Emulated;
use crate::stage::{Cast, Database, Home, PlainTime, Servers, Sizes, Tally, open, ports, runtime, timed, world};
use crate::table::{Figures, Table, met, milliseconds};
use crate::wal;

/// What the issue asks for.
const ADDED_AIM_MS: f64 = 5.0;
const COMMITS_AIM: usize = 3;
const KEY: &str = "test-key-benchmark";

pub(crate) fn measure(servers: &Servers, sizes: Sizes) -> String {
    let calls = sizes.of(300, 20);
    let home = servers.home(Database::Sqlite).expect("a file can be made everywhere");
    let mut table = Table::new(&["", "median ms", "p99 ms", "max ms"]);
    let synced = syncs(&home, calls);
    let inside = inside(&home, calls);
    let outside = outside(&home, sizes, calls);
    for (name, figures) in std::iter::once(("a bare sync of 4 KiB", &synced)).chain(inside.rows()).chain(outside.rows())
    {
        table.row(&[
            name.to_owned(),
            format!("{:.2}", figures.median()),
            format!("{:.2}", figures.of_a_hundred(99)),
            format!("{:.2}", figures.of_a_hundred(100)),
        ]);
    }
    let added_inside = inside.result.median() - inside.memory.median();
    let added_outside = outside.file.median() - outside.memory.median();
    let counted = commits(&home, &outside.program);
    let mut aims = Table::new(&["aim", "measured", "met"]);
    let adds = |added: f64| [format!("{added:.2} ms"), met(added < ADDED_AIM_MS)];
    let [told, is_met] = adds(added_inside);
    aims.row(&["in one process, the median is below 5 ms above that in memory", told.as_str(), is_met.as_str()]);
    let [told, is_met] = adds(added_outside);
    aims.row(&["as a whole process, the median is below 5 ms above that in memory", told.as_str(), is_met.as_str()]);
    let critical = counted.inside.told;
    aims.row(&[
        "at most three transactions until the call is initiated, from handing it in".to_owned(),
        critical.to_string(),
        met(critical <= COMMITS_AIM),
    ]);
    format!("{}\n{calls} calls each.\n\n{}\n{}", table.text(), aims.text(), counted.table().text())
}

/// How long the disk takes to make sure of a page that is written behind others.
fn syncs(home: &Home, count: usize) -> Figures {
    let path = home.path().expect("it is a file").with_extension("sync");
    let mut file = fs_err::File::create(&path).expect("it can be made");
    file.write_all(&vec![0; 4096 * count]).and_then(|()| file.sync_all()).expect("it can be written");
    file.seek(SeekFrom::Start(0)).expect("it is a file");
    let mut sync = |_| {
        let began = Instant::now();
        file.write_all(&[1; 4096]).and_then(|()| file.sync_data()).expect("it can be written");
        milliseconds(began.elapsed())
    };
    (0..count).map(&mut sync).collect()
}

/// One call in this process.
#[derive(Default)]
struct Inside {
    memory: Figures,
    opened: Figures,
    result: Figures,
    whole: Figures,
}

impl Inside {
    fn rows(&self) -> impl Iterator<Item = (&'static str, &Figures)> {
        [
            ("a call in this process, journal in memory", &self.memory),
            ("the same with a file: the file is opened", &self.opened),
            ("... and the call is initiated and proved, from handing it in", &self.result),
            ("... and everything is given back and closed, from opening", &self.whole),
        ]
        .into_iter()
    }
}

struct Scene {
    world: SharedWorld,
    cast: Cast,
}

impl Scene {
    fn new(stock: u16) -> Self {
        // One agent, so that the number has it from the second call on.
        let world = world(1, 1, Duration::ZERO, LedgerDetail::Nothing);
        let number = NumberChoice::one(world.lock().number_ids()[0].clone());
        let cast = Cast::new(&world, vec![number], ProofPolicy::Once, stock);
        Self { world, cast }
    }

    fn provider(&self, time: &PlainTime) -> FakeProvider {
        FakeProvider::with_time(self.world.clone(), Arc::new(time.clone()), Arc::new(time.clone()))
    }
}

fn inside(home: &Home, calls: usize) -> Inside {
    let (mut scene, mut inside) = (Scene::new(1), Inside::default());
    // The first ones make the file and warm up.
    for round in 0..calls + 5 {
        let memory = runtime().block_on(in_memory(&mut scene));
        let run = runtime().block_on(with_file(&mut scene, &home.place, |_| {}));
        if round >= 5 {
            inside.memory.add(milliseconds(memory));
            inside.opened.add(milliseconds(run.opened));
            inside.result.add(milliseconds(run.result));
            inside.whole.add(milliseconds(run.whole));
        }
    }
    inside
}

async fn in_memory(scene: &mut Scene) -> Duration {
    let time = PlainTime::default();
    let ports = ports(Arc::new(scene.provider(&time)), &time, 0);
    let request = scene.cast.next().request;
    let (took, report) = timed(place(ports, request, Known::default(), Arc::new(Tally::default()))).await;
    assert_eq!(report.state.name(), "Initiated");
    took
}

struct Run {
    opened: Duration,
    result: Duration,
    whole: Duration,
}

/// When in a run something is looked at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Opened,
    /// The dial may be sent.
    Dial,
    /// It was told that the call is initiated.
    Told,
    /// It was told that it has ended.
    Ended,
    /// Everything is given back.
    Left,
}

/// As `partyline call` does it.
async fn with_file(scene: &mut Scene, place: &str, look: impl Fn(Moment) + Send + Sync + 'static) -> Run {
    let (time, began) = (PlainTime::default(), Instant::now());
    let store = open(place).await;
    let opened = began.elapsed();
    look(Moment::Opened);
    let looking = Arc::new(Looker { look, tally: Tally::default() });
    let ports = ports(Arc::new(scene.provider(&time)), &time, 0);
    let (policy, sharing) = (LinePolicy::default(), SharingPolicy::default());
    let observer = looking.clone() as Arc<dyn Observer>;
    let (driver, handle) = Driver::shared(ports, Arc::new(store.clone()), policy, sharing, observer);
    let call = scene.cast.next();
    let handed_in = Instant::now();
    handle.serve(Some(call.request.numbers.iter().cloned().collect()));
    let (result, ()) = join(
        async {
            store.submit(vec![call]).await.expect("the store answers");
            handle.nudge();
            looking.tally.reached(1).await;
            let result = handed_in.elapsed();
            handle.leave();
            drop(handle);
            result
        },
        driver.run(),
    )
    .await;
    (looking.look)(Moment::Left);
    store.close().await;
    Run { opened, result, whole: began.elapsed() }
}

/// Looks when the driver tells of something.
struct Looker<L> {
    look: L,
    tally: Tally,
}

impl<L: Fn(Moment) + Send + Sync> Observer for Looker<L> {
    fn notice(&self, notice: &Notice) {
        if let Notice::Recorded { recorded, .. } = notice {
            if matches!(recorded.event, CallEvent::DialIntended { .. }) {
                (self.look)(Moment::Dial);
            }
            if matches!(recorded.event, CallEvent::CallInitiated { .. }) {
                (self.look)(Moment::Told);
            }
        }
        if matches!(notice, Notice::Completed(_)) {
            (self.look)(Moment::Ended);
        }
        self.tally.notice(notice);
    }
}

/// `partyline call` as a process.
struct Outside {
    program: PathBuf,
    memory: Figures,
    file: Figures,
}

impl Outside {
    fn rows(&self) -> impl Iterator<Item = (&'static str, &Figures)> {
        [
            ("`partyline call --store memory` as a process", &self.memory),
            ("`partyline call --store FILE` as a process", &self.file),
        ]
        .into_iter()
    }
}

fn outside(home: &Home, sizes: Sizes, calls: usize) -> Outside {
    let program = binary::build(sizes.of("release", "dev"));
    let scene = Scene::new(2);
    let emulated = Emulated::start(scene.world.clone());
    let mut outside = Outside { program, memory: Figures::default(), file: Figures::default() };
    let file = processes_file(home);
    for round in 0..calls + 3 {
        let memory = outside.run("memory", &scene, &emulated.url, home);
        let took = outside.run(&file, &scene, &emulated.url, home);
        if round >= 3 {
            outside.memory.add(milliseconds(memory));
            outside.file.add(milliseconds(took));
        }
    }
    emulated.stop();
    outside
}

fn processes_file(home: &Home) -> String {
    format!("{}.processes", home.place)
}

impl Outside {
    fn run(&self, store: &str, scene: &Scene, url: &str, home: &Home) -> Duration {
        let (agent, number) = {
            let world = scene.world.lock();
            (world.agent_ids()[0].clone(), world.number_ids()[0].clone())
        };
        let path = home.path().expect("it is a file");
        let folder = path.parent().expect("it lies in a folder");
        let mut command = Command::new(&self.program);
        command.args(["call", agent.as_str(), "--number", number.as_str(), "--to", "+12025550123", "--store", store]);
        command.env_clear().env("HOME", folder).env("ELEVENLABS_API_KEY", KEY).env("ELEVENLABS_BASE_URL", url);
        command.current_dir(folder).stdin(Stdio::null());
        let began = Instant::now();
        let output = command.output().expect("it can be started");
        let took = began.elapsed();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        took
    }
}

/// How many transactions there have been at each moment of one call.
struct Counted {
    inside: Counts,
    /// Of a whole process.
    process: usize,
}

#[derive(Default)]
struct Counts {
    opened: usize,
    dial: usize,
    told: usize,
    ended: usize,
    left: usize,
}

impl Counted {
    fn table(&self) -> Table {
        let Counts { opened, dial, told, ended, left } = self.inside;
        let mut table = Table::new(&["transactions of one call that write", "count"]);
        table.row(&["the file is opened".to_owned(), opened.to_string()]);
        table.row(&["from handing in until the dial may be sent".to_owned(), dial.to_string()]);
        table.row(&["... until it is told that the call is initiated".to_owned(), told.to_string()]);
        table.row(&["... until it is told that it has ended, with its proof".to_owned(), ended.to_string()]);
        table.row(&["... until everything is given back".to_owned(), left.to_string()]);
        table.row(&["`partyline call` as a process, all in all".to_owned(), self.process.to_string()]);
        table
    }
}

/// Counts with a connection that keeps the file open, because the last one to leave throws the log away.
fn commits(home: &Home, program: &Path) -> Counted {
    let runtime = runtime();
    let mut scene = Scene::new(3);
    // From now on the number has the agent.
    runtime.block_on(with_file(&mut scene, &home.place, |_| {}));
    let seen: Arc<Mutex<Vec<(Moment, usize)>>> = Arc::default();
    let keep = |file: &str| {
        let address = format!("sqlite:{file}");
        runtime.block_on(async {
            let mut kept = SqliteConnection::connect(&address).await.expect("it can be opened");
            let read = sqlx::query("SELECT count(*) FROM sqlite_schema").fetch_one(&mut kept);
            read.await.expect("it can be read");
            kept
        })
    };
    let kept = keep(&home.place);
    let path = home.path().expect("it is a file");
    let before = wal::commits(&path);
    let (list, watched) = (seen.clone(), path.clone());
    let look = move |moment| list.lock().expect("whole").push((moment, wal::commits(&watched)));
    runtime.block_on(with_file(&mut scene, &home.place, look));
    drop(kept);
    let seen = seen.lock().expect("whole");
    let at = |wanted| seen.iter().find(|(moment, _)| *moment == wanted).map_or(0, |(_, count)| *count);
    let since = |moment| at(moment) - at(Moment::Opened);
    let inside = Counts {
        opened: at(Moment::Opened) - before,
        dial: since(Moment::Dial),
        told: since(Moment::Told),
        ended: since(Moment::Ended),
        left: since(Moment::Left),
    };
    let (scene, file) = (Scene::new(4), processes_file(home));
    let emulated = Emulated::start(scene.world.clone());
    let kept = keep(&file);
    let outside = Outside { program: program.to_owned(), memory: Figures::default(), file: Figures::default() };
    // From now on the file knows this emulator, and the number has the agent.
    outside.run(&file, &scene, &emulated.url, home);
    let before = wal::commits(Path::new(&file));
    outside.run(&file, &scene, &emulated.url, home);
    let process = wal::commits(Path::new(&file)) - before;
    drop(kept);
    emulated.stop();
    Counted { inside, process }
}
