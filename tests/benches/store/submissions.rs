//! Durable submissions per second, beside bare inserts of as many bytes into the same database, as durable.

use std::str::FromStr as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use partyline_domain::ProofPolicy;
use partyline_domain::ports::{Accepted, Store as _};
use partyline_fake_adapter::world::LedgerDetail;
use partyline_store_adapter::SqlStore;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, PgConnection, SqliteConnection};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use crate::stage::{Cast, Database, Home, Servers, Sizes, each_number, open, world};
use crate::table::{Figures, Table, figure, met};

/// How many hand calls in at once, each one call at a time.
const SUBMITTERS: [usize; 4] = [1, 16, 64, 256];
/// What the issue asks for.
const AIM: f64 = 0.5;

/// The tables of the bare inserts: what a submitted call takes, without any index but the keys.
const SQLITE_TABLES: &str = "
    CREATE TABLE bare_calls (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, rest TEXT NOT NULL) STRICT;
    CREATE TABLE bare_events (call INTEGER NOT NULL, version INTEGER NOT NULL, payload TEXT NOT NULL,
        PRIMARY KEY (call, version)) STRICT, WITHOUT ROWID;";
const POSTGRES_TABLES: &str = "
    CREATE TABLE bare_calls (seq bigint PRIMARY KEY, id text NOT NULL UNIQUE, rest text NOT NULL);
    CREATE TABLE bare_events (call bigint NOT NULL, version bigint NOT NULL, payload text NOT NULL,
        PRIMARY KEY (call, version));";

pub(crate) fn measure(servers: &Servers, sizes: Sizes) -> String {
    // The submitters share the processors with the writer, as the handlers of a server do.
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let mut table = Table::new(&[
        "database",
        "submitters, rows in a group",
        "bare inserts a second",
        "min..max",
        "submissions a second",
        "min..max",
        "of the bare",
        "at least half",
    ]);
    let mut bytes = (0, 0);
    for database in Database::ALL {
        let Some(rows) = of(&runtime, servers, sizes, database, &mut bytes) else { continue };
        for (submitters, bare, submitted) in rows {
            let ratio = submitted.median() / bare.median();
            table.row(&[
                database.name().to_owned(),
                submitters.to_string(),
                format!("{:.0}", bare.median()),
                bare.range(0),
                format!("{:.0}", submitted.median()),
                submitted.range(0),
                format!("{:.0} %", 100.0 * ratio),
                met(ratio >= AIM),
            ]);
        }
    }
    let (rounds, seconds) = (rounds(sizes), slice(sizes).as_secs_f64());
    format!(
        "{}\nMedians of {rounds} rounds of {seconds} s each. A call is {} bytes in its row and {} in its first event.\n",
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

type Row = (usize, Figures, Figures);

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
    let mut bare = runtime.block_on(Bare::open(database, &bare_home, &store));
    *bytes = (bare.row_bytes + 36, bare.event_bytes);
    let mut rows: Vec<Row> = SUBMITTERS.iter().map(|count| (*count, Figures::default(), Figures::default())).collect();
    // In turn, so that a busy moment of the machine meets all of them; the first round only warms up.
    for round in 0..=rounds(sizes) {
        for (submitters, inserts, submissions) in &mut rows {
            let inserted = runtime.block_on(bare.insert(*submitters, slice(sizes)));
            let submitted = runtime.block_on(submit(&store, &cast, *submitters, slice(sizes)));
            if round > 0 {
                inserts.add(inserted);
                submissions.add(submitted);
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

enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Inserts rows of the size of submitted calls, and nothing else.
struct Bare {
    connection: Connection,
    row_bytes: usize,
    event_bytes: usize,
    made: usize,
}

impl Bare {
    /// Hands one call in to see how large it is, and makes the tables.
    async fn open(database: Database, home: &Home, store: &SqlStore) -> Self {
        let world = world(12, 4, Duration::ZERO, LedgerDetail::Nothing);
        let call = Cast::new(&world, each_number(&world), ProofPolicy::Once, 1).next();
        let event = partyline_domain::flow::CallEvent::CallRequested { request: call.request.clone() };
        let event_bytes = serde_json::to_string(&event).expect("it can be written").len();
        // Agent, callee, process and two words as texts, and eight numbers; the id is a column of its own.
        let row_bytes = call.request.agent.as_str().len() + 12 + store.owner().as_str().len() + 9 + 8 * 6;
        let connection = match database {
            Database::Sqlite => {
                let options = SqliteConnectOptions::new().filename(&home.place).create_if_missing(true);
                let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
                let mut connection = options.connect().await.expect("it can be opened");
                sqlx::raw_sql(SQLITE_TABLES).execute(&mut connection).await.expect("it can be written");
                Connection::Sqlite(connection)
            }
            Database::Postgres => {
                let options = PgConnectOptions::from_str(&home.place).expect("an address");
                let mut connection = options.connect().await.expect("the server answers");
                sqlx::raw_sql(POSTGRES_TABLES).execute(&mut connection).await.expect("the server answers");
                Connection::Postgres(connection)
            }
        };
        Self { connection, row_bytes, event_bytes, made: 0 }
    }

    /// Inserts groups of so many rows, each durable before the next begins; how many rows a second.
    async fn insert(&mut self, rows: usize, within: Duration) -> f64 {
        let (began, before) = (Instant::now(), self.made);
        while began.elapsed() < within {
            self.group(rows).await.expect("the database answers");
        }
        figure(self.made - before) / began.elapsed().as_secs_f64()
    }

    async fn group(&mut self, rows: usize) -> Result<(), sqlx::Error> {
        let (rest, payload) = ("x".repeat(self.row_bytes), "x".repeat(self.event_bytes));
        let numbers = self.made..self.made + rows;
        self.made += rows;
        let seqs: Vec<i64> = numbers.clone().map(|number| i64::try_from(number).expect("few")).collect();
        let ids: Vec<String> = numbers.map(|number| format!("0199c0de-0000-7000-8000-{number:012x}")).collect();
        match &mut self.connection {
            Connection::Sqlite(connection) => sqlite_group(connection, &seqs, &ids, (&rest, &payload)).await,
            Connection::Postgres(connection) => postgres_group(connection, &seqs, &ids, (&rest, &payload)).await,
        }
    }
}

/// One statement for all rows, the fastest way there is through this library.
async fn sqlite_group(
    connection: &mut SqliteConnection,
    seqs: &[i64],
    ids: &[String],
    (rest, payload): (&str, &str),
) -> Result<(), sqlx::Error> {
    let calls: Vec<_> = seqs.iter().zip(ids).map(|(seq, id)| (seq, id, rest)).collect();
    let events: Vec<_> = seqs.iter().map(|seq| (seq, 1, payload)).collect();
    let json = |error: serde_json::Error| sqlx::Error::Encode(error.into());
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    sqlx::query("INSERT INTO bare_calls SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($1)")
        .bind(serde_json::to_string(&calls).map_err(json)?)
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO bare_events SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($1)")
        .bind(serde_json::to_string(&events).map_err(json)?)
        .execute(&mut *connection)
        .await?;
    sqlx::query("COMMIT").execute(&mut *connection).await?;
    Ok(())
}

async fn postgres_group(
    connection: &mut PgConnection,
    seqs: &[i64],
    ids: &[String],
    (rest, payload): (&str, &str),
) -> Result<(), sqlx::Error> {
    sqlx::query("BEGIN").execute(&mut *connection).await?;
    sqlx::query("INSERT INTO bare_calls SELECT n.seq, n.id, n.rest FROM unnest($1::bigint[], $2::text[], $3::text[]) AS n (seq, id, rest)")
        .bind(seqs)
        .bind(ids)
        .bind(vec![rest; seqs.len()])
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO bare_events SELECT n.call, 1, n.payload FROM unnest($1::bigint[], $2::text[]) AS n (call, payload)")
        .bind(seqs)
        .bind(vec![payload; seqs.len()])
        .execute(&mut *connection)
        .await?;
    sqlx::query("COMMIT").execute(&mut *connection).await?;
    Ok(())
}
