//! Durable submissions per second, beside bare inserts into the same database, as durable: the same rows into the same
//! tables, and as many bytes into tables that have no index but their keys.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use partyline_domain::ProofPolicy;
use partyline_domain::ports::{Accepted, Store as _};
use partyline_fake_adapter::world::LedgerDetail;
use partyline_store_adapter::SqlStore;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use crate::bare::{Bare, Tables};
use crate::stage::{Cast, Database, Servers, Sizes, each_number, open, world};
use crate::table::{Figures, Table, figure, met};

/// How many hand calls in at once, each one call at a time.
const SUBMITTERS: [usize; 4] = [1, 16, 64, 256];
/// What the issue asks for.
const AIM: f64 = 0.5;

/// What is measured with so many submitters, or rows in a group.
struct Row {
    submitters: usize,
    submitted: Figures,
    /// Into the store's own tables, and into tables with keys alone.
    inserted: [Figures; 2],
}

pub(crate) fn measure(servers: &Servers, sizes: Sizes) -> String {
    // The submitters share the processors with the writer, as the handlers of a server do.
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let mut table = Table::new(&[
        "database",
        "submitters, rows in a group",
        "submissions a second",
        "min..max",
        "bare inserts, the same tables",
        "min..max",
        "submissions of that",
        "at least half",
        "bare inserts, keys alone",
        "submissions of that",
    ]);
    let mut bytes = (0, 0);
    for database in Database::ALL {
        let Some(rows) = of(&runtime, servers, sizes, database, &mut bytes) else { continue };
        for Row { submitters, submitted, inserted: [same, keys] } in rows {
            let ratio = submitted.median() / same.median();
            table.row(&[
                database.name().to_owned(),
                submitters.to_string(),
                format!("{:.0}", submitted.median()),
                submitted.range(0),
                format!("{:.0}", same.median()),
                same.range(0),
                format!("{:.0} %", 100.0 * ratio),
                met(ratio >= AIM),
                format!("{:.0}", keys.median()),
                format!("{:.0} %", 100.0 * submitted.median() / keys.median()),
            ]);
        }
    }
    let (rounds, seconds) = (rounds(sizes), slice(sizes).as_secs_f64());
    format!(
        "{}\nMedians of {rounds} rounds of {seconds} s each. A call is about {} bytes in its row and {} in its first event.\n",
        table.text(),
        bytes.0,
        bytes.1
    )
}

fn rounds(sizes: Sizes) -> usize {
    sizes.of(7, 2)
}

fn slice(sizes: Sizes) -> Duration {
    sizes.of(Duration::from_secs(2), Duration::from_millis(400))
}

fn of(
    runtime: &Runtime,
    servers: &Servers,
    sizes: Sizes,
    database: Database,
    bytes: &mut (usize, usize),
) -> Option<Vec<Row>> {
    let (bare_home, home) = (servers.home(database)?, servers.home(database)?);
    let world = world(12, 4, Duration::ZERO, LedgerDetail::Nothing);
    let cast = Arc::new(Mutex::new(Cast::new(&world, each_number(&world), ProofPolicy::Once, 0)));
    let store = runtime.block_on(open(&home.place));
    let mut bare = runtime.block_on(Bare::open(database, &bare_home));
    *bytes = (bare.row_bytes, bare.event_bytes);
    let row = |submitters| Row { submitters, submitted: Figures::default(), inserted: Default::default() };
    let mut rows: Vec<Row> = SUBMITTERS.into_iter().map(row).collect();
    // In turn, so that a busy moment of the machine meets all of them; the first round only warms up.
    for round in 0..=rounds(sizes) {
        for row in &mut rows {
            let submitted = runtime.block_on(submit(&store, &cast, row.submitters, slice(sizes)));
            let inserted = [Tables::TheSame, Tables::KeysAlone]
                .map(|tables| runtime.block_on(bare.insert(tables, row.submitters, slice(sizes))));
            if round > 0 {
                row.submitted.add(submitted);
                row.inserted.iter_mut().zip(inserted).for_each(|(figures, inserted)| figures.add(inserted));
            }
        }
    }
    runtime.block_on(store.close());
    Some(rows)
}

/// Calls that are handed in one by one, by so many at once; how many a second.
async fn submit(store: &SqlStore, cast: &Arc<Mutex<Cast>>, submitters: usize, within: Duration) -> f64 {
    let began = Instant::now();
    let submitter = || {
        let (store, cast) = (store.clone(), cast.clone());
        tokio::spawn(async move {
            let mut count = 0;
            while began.elapsed() < within {
                let call = cast.lock().expect("nobody panics with it").next();
                let answers = store.submit(vec![call]).await.expect("the store answers");
                assert_eq!(answers, [Accepted::New]);
                count += 1;
            }
            count
        })
    };
    let submitters: Vec<_> = (0..submitters).map(|_| submitter()).collect();
    let mut count = 0;
    for submitter in submitters {
        count += submitter.await.expect("it ends in peace");
    }
    figure(count) / began.elapsed().as_secs_f64()
}
