//! The tables: made, upgraded, and refused where they are of a newer version.

use sqlx::{Row as _, SqliteConnection};

use crate::account::Salt;
use crate::codec;
use crate::error::{Fault, OpenError};
use crate::options::StoreOptions;
use crate::policy::PROCESSES_KEPT_MS;

/// Each makes one version of the one before; the first makes version 1 of nothing.
const UPGRADES: [&str; 1] = [include_str!("001.sql")];
/// Written in the head of the file: `PtyL`. See <https://www.sqlite.org/pragma.html#pragma_application_id>.
const APPLICATION: i64 = 0x5074_794c;

/// The newest version of the tables that this program knows.
pub(super) fn known() -> u32 {
    u32::try_from(UPGRADES.len()).expect("there are few versions")
}

pub(super) fn not_opened(place: &str, why: &sqlx::Error) -> OpenError {
    let place = place.to_owned();
    // SQLITE_NOTADB: the first thing that is asked of a connection reads the head of the file.
    if why.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some("26") {
        return OpenError::Foreign { place, detail: "the file is no SQLite database".to_owned() };
    }
    OpenError::Unavailable { place, detail: why.to_string() }
}

/// Brings the tables to the newest version. Several processes may do so at once: the first does it.
pub(super) async fn upgrade(connection: &mut SqliteConnection, place: &str) -> Result<(), OpenError> {
    let failed = |why: sqlx::Error| OpenError::Unavailable { place: place.to_owned(), detail: Fault::from(why).detail };
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await.map_err(failed)?;
    let result = upgrade_within(connection, place).await;
    let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
    sqlx::query(end).execute(&mut *connection).await.map_err(failed)?;
    result
}

async fn upgrade_within(connection: &mut SqliteConnection, place: &str) -> Result<(), OpenError> {
    let failed = |why: sqlx::Error| OpenError::Unavailable { place: place.to_owned(), detail: Fault::from(why).detail };
    let state = sqlx::query(
        "SELECT (SELECT user_version FROM pragma_user_version()), (SELECT application_id FROM pragma_application_id()), \
         (SELECT count(*) FROM sqlite_schema)",
    );
    let row = state.fetch_one(&mut *connection).await.map_err(failed)?;
    let (version, application, tables): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    let is_new = tables == 0 && version == 0 && application == 0;
    if !is_new && application != APPLICATION {
        let detail = "the file is a database of another program".to_owned();
        return Err(OpenError::Foreign { place: place.to_owned(), detail });
    }
    let found = u32::try_from(version).unwrap_or(u32::MAX);
    if found > known() {
        return Err(OpenError::Newer { place: place.to_owned(), found, known: known() });
    }
    for (index, upgrade) in UPGRADES.iter().enumerate().skip(usize::try_from(found).unwrap_or_default()) {
        sqlx::raw_sql(*upgrade).execute(&mut *connection).await.map_err(failed)?;
        let version = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {}", index + 1));
        sqlx::raw_sql(version).execute(&mut *connection).await.map_err(failed)?;
    }
    let application = sqlx::AssertSqlSafe(format!("PRAGMA application_id = {APPLICATION}"));
    sqlx::raw_sql(application).execute(&mut *connection).await.map_err(failed)?;
    Ok(())
}

/// Writes down the process; the key of its account's rows.
pub(super) async fn register(connection: &mut SqliteConnection, options: &StoreOptions) -> Result<i64, Fault> {
    let salt: String =
        sqlx::query_scalar("SELECT value FROM meta WHERE key = 'salt'").fetch_one(&mut *connection).await?;
    let account = (options.account)(&Salt::new(salt));
    sqlx::query("INSERT INTO accounts (fingerprint) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(account.as_str())
        .execute(&mut *connection)
        .await?;
    let account: i64 = sqlx::query_scalar("SELECT id FROM accounts WHERE fingerprint = $1")
        .bind(account.as_str())
        .fetch_one(&mut *connection)
        .await?;
    let process = &options.process;
    sqlx::query(
        "INSERT INTO processes (account, owner, host, pid, command, started_ms, seen_ms) \
         SELECT $1, $2, $3, $4, $5, now, now FROM (SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS now) WHERE true \
         ON CONFLICT (account, owner) DO UPDATE \
         SET host = excluded.host, pid = excluded.pid, command = excluded.command, seen_ms = excluded.seen_ms",
    )
    .bind(account)
    .bind(options.owner.as_str())
    .bind(codec::text(&process.host))
    .bind(i64::from(process.pid))
    .bind(codec::text(&process.command))
    .execute(&mut *connection)
    .await?;
    // Processes that are long gone; who holds something is kept.
    sqlx::query(
        "DELETE FROM processes WHERE account = $1 AND seen_ms < unixepoch('subsec') * 1000 - $2 \
         AND NOT EXISTS (SELECT 1 FROM leases AS l WHERE l.account = $1 AND l.owner = processes.owner)",
    )
    .bind(account)
    .bind(PROCESSES_KEPT_MS)
    .execute(&mut *connection)
    .await?;
    Ok(account)
}
