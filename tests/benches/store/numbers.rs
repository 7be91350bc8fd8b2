//! Several processes on one server: how many calls a second they place over one, two and four numbers.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use futures_util::future::join;
use partyline_domain::ports::Store as _;
use partyline_domain::{Driver, LinePolicy, NumberChoice, Observer, PhoneNumberId, ProofPolicy, SharingPolicy};
use partyline_fake_adapter::FakeProvider;
use partyline_fake_adapter::world::LedgerDetail;
use tokio::time::Instant;

use crate::stage::{Cast, Database, PlainTime, Servers, Sizes, Tally, open, ports, runtime, world};
use crate::table::{Figures, Table, figure, met};

const NUMBERS: [usize; 3] = [1, 2, 4];
const PROCESSES: [usize; 3] = [1, 2, 4];
const AGENTS: usize = 3;
const LATENCY: Duration = Duration::from_millis(25);
/// Dials in flight on a number: few, so that the provider is what is waited for, and the usual 16, where the machine is.
const IN_FLIGHT: [usize; 2] = [4, 16];
/// Four numbers are to bring at least so much of four times what one brings.
const AIM: f64 = 0.8;

pub(crate) fn measure(servers: &Servers, sizes: Sizes) -> String {
    let runs = sizes.of(3, 1);
    let mut text = String::new();
    for in_flight in IN_FLIGHT {
        // About as long for each: a number places at most one call per latency and dial in flight.
        let each = sizes.of(150, 10) * in_flight;
        let mut table = Table::new(&["processes", "one number", "two numbers", "four numbers", "four / one", "scales"]);
        for processes in PROCESSES {
            let rates: Option<Vec<Figures>> = NUMBERS
                .into_iter()
                .map(|numbers| (0..runs).map(|_| once(servers, processes, numbers, each, in_flight)).collect())
                .collect();
            let Some(rates) = rates else { return "There is no PostgreSQL server on this machine.\n".to_owned() };
            let ratio = rates[2].median() / rates[0].median();
            let cell = |figures: &Figures| format!("{:.0} ({})", figures.median(), figures.range(0));
            table.row(&[
                processes.to_string(),
                cell(&rates[0]),
                cell(&rates[1]),
                cell(&rates[2]),
                format!("{ratio:.2}"),
                met(ratio >= 4.0 * AIM),
            ]);
        }
        let most = figure(in_flight) / LATENCY.as_secs_f64();
        let part = format!(
            "{}\nCalls a second, {in_flight} dials in flight on a number: one number allows at most {most:.0}. Medians \
             (min..max) of {runs} runs of {each} calls a number.\n\n",
            table.text()
        );
        text.push_str(&part);
    }
    text
}

/// Calls a second, from the moment at which all processes may begin; `None` where there is no server.
fn once(servers: &Servers, processes: usize, numbers: usize, each: usize, in_flight: usize) -> Option<f64> {
    let home = servers.home(Database::Postgres)?;
    let calls = numbers * each;
    let (tell, told) = channel();
    let mut children: Vec<(Child, ChildStdin)> = Vec::new();
    for process in 0..processes {
        let of_process = calls / processes + usize::from(process < calls % processes);
        let words = [process, processes, numbers, of_process, in_flight].map(|word| word.to_string());
        children.push(start(process, &home.place, &words, tell.clone()));
    }
    for _ in 0..processes {
        let (_, count) = told.recv().expect("a process has failed");
        assert_eq!(count, 0, "it is ready before it serves");
    }
    let began = Instant::now();
    for (_, input) in &mut children {
        writeln!(input, "go").expect("it listens");
    }
    all_ended(&told, processes, calls);
    let took = began.elapsed();
    for (mut child, input) in children {
        drop(input);
        assert!(child.wait().expect("it is ours").success(), "a process has failed");
    }
    Some(figure(calls) / took.as_secs_f64())
}

fn all_ended(told: &Receiver<(usize, usize)>, processes: usize, calls: usize) {
    let mut ended = vec![0; processes];
    while ended.iter().sum::<usize>() < calls {
        let (process, count) = told.recv_timeout(Duration::from_secs(120)).expect("calls end");
        ended[process] = count;
    }
}

fn start(process: usize, place: &str, words: &[String], tell: Sender<(usize, usize)>) -> (Child, ChildStdin) {
    let mut command = Command::new(std::env::current_exe().expect("it is running"));
    command.args(["--child", "serve", place]).args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it can be started");
    let output = BufReader::new(child.stdout.take().expect("it is piped"));
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            let count = line.trim().parse().unwrap_or_else(|_| panic!("a process said {line:?}"));
            // The other side is gone when it has heard enough.
            let _ = tell.send((process, count));
        }
    });
    let input = child.stdin.take().expect("it is piped");
    (child, input)
}

/// What such a process does: it hands its calls in, says so, waits for a word, and serves the numbers of its calls until
/// its input ends. It tells how many calls have ended by it.
pub(crate) fn serve(words: &[&str]) {
    let [place, words @ ..] = words else { panic!("a place is wanted") };
    let words: Vec<usize> = words.iter().map(|word| word.parse().expect("a number")).collect();
    let [process, processes, numbers, calls, in_flight] = words[..] else { panic!("{words:?}") };
    let world = world(AGENTS, numbers, LATENCY, LedgerDetail::Nothing);
    let own = of_process(&world.lock().number_ids(), process, processes);
    let choices = own.iter().cloned().map(NumberChoice::one).collect();
    let stock = u16::try_from(process).expect("they are few");
    let mut cast = Cast::new(&world, choices, ProofPolicy::Off, stock);
    runtime().block_on(async {
        let store = Arc::new(open(place).await);
        store.submit(cast.take(calls)).await.expect("the store answers");
        say(0);
        wait_for_a_word();
        let (time, tally) = (PlainTime::default(), Arc::new(Tally::default()));
        let provider = FakeProvider::with_time(world, Arc::new(time.clone()), Arc::new(time.clone()));
        let policy = LinePolicy { in_flight_max: in_flight, ..LinePolicy::default() };
        let observer = tally.clone() as Arc<dyn Observer>;
        let ports = ports(Arc::new(provider), &time, 0);
        let (driver, handle) = Driver::shared(ports, store, policy, SharingPolicy::default(), observer);
        handle.serve(Some(own.into_iter().collect::<BTreeSet<_>>()));
        let over = tokio::task::spawn_blocking(wait_for_a_word);
        join(driver.run(), async {
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            let mut said = 0;
            while !over.is_finished() {
                ticks.tick().await;
                if tally.ended() > said {
                    said = tally.ended();
                    say(said);
                }
            }
            handle.leave();
            drop(handle);
        })
        .await;
    });
}

/// The numbers of a process: dealt out in turn; where there are fewer numbers than processes, several share one.
fn of_process(numbers: &[PhoneNumberId], process: usize, processes: usize) -> Vec<PhoneNumberId> {
    if numbers.len() < processes {
        return vec![numbers[process % numbers.len()].clone()];
    }
    numbers.iter().skip(process).step_by(processes).cloned().collect()
}

#[expect(clippy::print_stdout, reason = "this is how it tells its parent")]
fn say(count: usize) {
    println!("{count}");
}

/// Returns also where the input has ended.
fn wait_for_a_word() {
    let _ = std::io::stdin().read_line(&mut String::new());
}
