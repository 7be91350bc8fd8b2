//! Inserts of rows as large as those of calls that are handed in, and nothing else: no look at what is there already, no
//! order of the queue, nobody who is told.

use std::str::FromStr as _;
use std::time::Duration;

use partyline_domain::ProofPolicy;
use partyline_domain::ports::Store as _;
use partyline_fake_adapter::world::LedgerDetail;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection, SqliteConnection};
use tokio::time::Instant;

use crate::stage::{Cast, Database, Home, each_number, open, world};
use crate::table::figure;

/// Where the rows go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tables {
    /// The store's own, with all their indexes: copies of a call that was handed in, under other ids.
    TheSame,
    /// Two that hold as many bytes, and have no index but their keys.
    KeysAlone,
}

const SQLITE_TABLES: &str = "
    CREATE TABLE bare_calls (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, rest TEXT NOT NULL) STRICT;
    CREATE TABLE bare_events (call INTEGER NOT NULL, version INTEGER NOT NULL, payload TEXT NOT NULL,
        PRIMARY KEY (call, version)) STRICT, WITHOUT ROWID;";
const POSTGRES_TABLES: &str = "
    CREATE TABLE bare_calls (seq bigint PRIMARY KEY, id text NOT NULL UNIQUE, rest text NOT NULL);
    CREATE TABLE bare_events (call bigint NOT NULL, version bigint NOT NULL, payload text NOT NULL,
        PRIMARY KEY (call, version));";
/// The columns of a table of the store, as text with commas between them.
const SQLITE_COLUMNS: &str = "SELECT group_concat(name) FROM pragma_table_info($1)";
const POSTGRES_COLUMNS: &str = "SELECT string_agg(column_name, ',') FROM information_schema.columns \
                                WHERE table_schema = 'partyline' AND table_name = $1";
const ID_BYTES: usize = 36;

enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// A connection that inserts.
pub(crate) struct Bare {
    connection: Connection,
    /// Two statements each: for the calls, and for their events. They take the places of the calls and their ids.
    the_same: [String; 2],
    keys_alone: [String; 2],
    pub(crate) row_bytes: usize,
    pub(crate) event_bytes: usize,
    made: usize,
}

impl Bare {
    /// Hands one call in as a template, and makes the tables.
    pub(crate) async fn open(database: Database, home: &Home) -> Self {
        let world = world(12, 4, Duration::ZERO, LedgerDetail::Nothing);
        let call = Cast::new(&world, each_number(&world), ProofPolicy::Once, 1).next();
        let event = partyline_domain::flow::CallEvent::CallRequested { request: call.request.clone() };
        let event_bytes = serde_json::to_string(&event).expect("it can be written").len();
        let store = open(&home.place).await;
        // Id, agent, callee, process and two words as texts, and eight numbers.
        let texts = [call.request.agent.as_str(), call.request.to.e164(), store.owner().as_str(), "waiting", "no"];
        let row_bytes = ID_BYTES + texts.iter().map(|text| text.len()).sum::<usize>() + 8 * 6;
        store.submit(vec![call]).await.expect("the store answers");
        store.close().await;
        let mut connection = Connection::open(database, home).await;
        let (calls, events) = (connection.columns("calls").await, connection.columns("events").await);
        let the_same = copies(database, &calls, &events);
        let keys_alone = filled(database, row_bytes - ID_BYTES, event_bytes);
        Self { connection, the_same, keys_alone, row_bytes, event_bytes, made: 0 }
    }

    /// Inserts groups of so many rows, each durable before the next begins; how many rows a second.
    pub(crate) async fn insert(&mut self, tables: Tables, rows: usize, within: Duration) -> f64 {
        let (began, before) = (Instant::now(), self.made);
        while began.elapsed() < within {
            let seqs: Vec<i64> = (self.made..self.made + rows).map(|made| place(made)).collect();
            let ids: Vec<String> = seqs.iter().map(|seq| format!("0199c0de-0000-7000-8000-{seq:012x}")).collect();
            self.made += rows;
            let statements = if tables == Tables::TheSame { &self.the_same } else { &self.keys_alone };
            self.connection.group(statements, &seqs, &ids).await.expect("the database answers");
        }
        figure(self.made - before) / began.elapsed().as_secs_f64()
    }
}

/// Behind the template.
fn place(made: usize) -> i64 {
    i64::try_from(made).expect("few") + 1_000
}

/// The rows of a group, as both databases give them to a statement.
fn rows(database: Database) -> &'static str {
    match database {
        Database::Sqlite => "(SELECT value ->> 0 AS seq, value ->> 1 AS id FROM json_each($1)) AS n",
        Database::Postgres => "unnest($1::bigint[], $2::text[]) AS n (seq, id)",
    }
}

/// Copies of the template.
fn copies(database: Database, calls: &str, events: &str) -> [String; 2] {
    // PostgreSQL gives the calls their places itself, unless it is told otherwise.
    let (schema, ours) = match database {
        Database::Sqlite => ("", ""),
        Database::Postgres => ("partyline.", "OVERRIDING SYSTEM VALUE"),
    };
    let rows = rows(database);
    let copy = |table: &str, columns: &str, key: &str, of: &str| {
        let values = columns.split(',').map(|column| match column {
            _ if column == key => "n.seq".to_owned(),
            "id" => "n.id".to_owned(),
            _ => format!("t.{column}"),
        });
        let values = values.collect::<Vec<_>>().join(", ");
        format!(
            "INSERT INTO {schema}{table} ({columns}) {ours} SELECT {values} FROM {rows} \
             CROSS JOIN {schema}{table} AS t WHERE t.{key} = {of}"
        )
    };
    let first = format!("(SELECT min(seq) FROM {schema}calls)");
    [copy("calls", calls, "seq", &first), copy("events", events, "call", &first)]
}

fn filled(database: Database, rest: usize, payload: usize) -> [String; 2] {
    let (rest, payload) = ("x".repeat(rest), "x".repeat(payload));
    let rows = rows(database);
    [
        format!("INSERT INTO bare_calls (seq, id, rest) SELECT n.seq, n.id, '{rest}' FROM {rows}"),
        format!("INSERT INTO bare_events (call, version, payload) SELECT n.seq, 1, '{payload}' FROM {rows}"),
    ]
}

impl Connection {
    async fn open(database: Database, home: &Home) -> Self {
        match database {
            Database::Sqlite => {
                let options = SqliteConnectOptions::new().filename(&home.place);
                let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
                // As the store's own writer.
                let options = options.foreign_keys(true).pragma("cache_size", "-32000").disable_statement_logging();
                let mut connection = options.connect().await.expect("it can be opened");
                sqlx::raw_sql(SQLITE_TABLES).execute(&mut connection).await.expect("it can be written");
                Self::Sqlite(connection)
            }
            Database::Postgres => {
                let options = PgConnectOptions::from_str(&home.place).expect("an address");
                let mut connection = options.disable_statement_logging().connect().await.expect("the server answers");
                sqlx::raw_sql(POSTGRES_TABLES).execute(&mut connection).await.expect("the server answers");
                Self::Postgres(connection)
            }
        }
    }

    async fn columns(&mut self, table: &str) -> String {
        let columns = match self {
            Self::Sqlite(connection) => sqlx::query_scalar(SQLITE_COLUMNS).bind(table).fetch_one(connection).await,
            Self::Postgres(connection) => sqlx::query_scalar(POSTGRES_COLUMNS).bind(table).fetch_one(connection).await,
        };
        columns.expect("the table is there")
    }

    async fn group(&mut self, statements: &[String; 2], seqs: &[i64], ids: &[String]) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => {
                let rows: Vec<_> = seqs.iter().zip(ids).collect();
                let rows = serde_json::to_string(&rows).map_err(|why| sqlx::Error::Encode(why.into()))?;
                sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
                for statement in statements {
                    sqlx::query(AssertSqlSafe(statement.clone())).bind(&rows).execute(&mut *connection).await?;
                }
                sqlx::query("COMMIT").execute(connection).await?;
            }
            Self::Postgres(connection) => {
                sqlx::query("BEGIN").execute(&mut *connection).await?;
                for statement in statements {
                    let statement = sqlx::query(AssertSqlSafe(statement.clone())).bind(seqs).bind(ids);
                    statement.execute(&mut *connection).await?;
                }
                sqlx::query("COMMIT").execute(connection).await?;
            }
        }
        Ok(())
    }
}
