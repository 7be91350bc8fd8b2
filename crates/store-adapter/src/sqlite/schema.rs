//! The tables: made, upgraded, and refused where they are of a newer version.

use sqlx::SqliteConnection;

use super::transaction::Tx;
use crate::account::Salt;
use crate::archive::ProcessInfo;
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
    let failed = |fault: Fault| OpenError::Unavailable { place: place.to_owned(), detail: fault.detail };
    // A file that is as it should be is not written to.
    if check(connection, place).await? == known() {
        return Ok(());
    }
    execute(connection, "BEGIN IMMEDIATE").await.map_err(failed)?;
    let result = match check(connection, place).await {
        Ok(found) => upgrade_from(connection, found).await.map_err(failed),
        Err(error) => Err(error),
    };
    let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
    execute(connection, end).await.map_err(failed)?;
    result
}

/// The version of the tables; 0 = there are none yet.
async fn check(connection: &mut SqliteConnection, place: &str) -> Result<u32, OpenError> {
    let place = || place.to_owned();
    let state = sqlx::query_as(
        "SELECT (SELECT user_version FROM pragma_user_version()), (SELECT application_id FROM pragma_application_id()), \
         (SELECT count(*) FROM sqlite_schema)",
    );
    let state: Result<(i64, i64, i64), sqlx::Error> = state.fetch_one(connection).await;
    let unavailable = |why| OpenError::Unavailable { place: place(), detail: Fault::from(why).detail };
    let (version, application, tables) = state.map_err(unavailable)?;
    if application != APPLICATION && (tables, version, application) != (0, 0, 0) {
        return Err(OpenError::Foreign {
            place: place(),
            detail: "the file is a database of another program".to_owned(),
        });
    }
    let found = u32::try_from(version).unwrap_or(u32::MAX);
    if found > known() { Err(OpenError::Newer { place: place(), found, known: known() }) } else { Ok(found) }
}

async fn upgrade_from(connection: &mut SqliteConnection, found: u32) -> Result<(), Fault> {
    for upgrade in UPGRADES.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        execute(connection, *upgrade).await?;
    }
    let marks = format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {}", known());
    execute(connection, sqlx::AssertSqlSafe(marks)).await
}

async fn execute(connection: &mut SqliteConnection, sql: impl sqlx::SqlSafeStr) -> Result<(), Fault> {
    sqlx::raw_sql(sql).execute(connection).await?;
    Ok(())
}

/// The key of the account's rows.
pub(super) async fn account(connection: &mut SqliteConnection, options: &StoreOptions) -> Result<i64, Fault> {
    let salt: String =
        sqlx::query_scalar("SELECT value FROM meta WHERE key = 'salt'").fetch_one(&mut *connection).await?;
    let fingerprint = (options.account)(&Salt::new(salt));
    let known = sqlx::query_scalar("SELECT id FROM accounts WHERE fingerprint = $1");
    let known: Option<i64> = known.bind(fingerprint.as_str()).fetch_optional(&mut *connection).await?;
    if let Some(account) = known {
        return Ok(account);
    }
    let made = sqlx::query_scalar(
        "INSERT INTO accounts (fingerprint) VALUES ($1) \
         ON CONFLICT (fingerprint) DO UPDATE SET fingerprint = excluded.fingerprint RETURNING id",
    );
    Ok(made.bind(fingerprint.as_str()).fetch_one(connection).await?)
}

/// Writes down who the process is, with the first thing it writes; forgets those who are long gone and hold nothing.
pub(super) async fn register(tx: &mut Tx<'_>, process: &ProcessInfo) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO processes (account, owner, host, pid, command, started_ms, seen_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (account, owner) DO UPDATE \
         SET host = excluded.host, pid = excluded.pid, command = excluded.command, seen_ms = excluded.seen_ms",
    )
    .bind(tx.account)
    .bind(tx.me.as_str())
    .bind(codec::text(&process.host))
    .bind(i64::from(process.pid))
    .bind(codec::text(&process.command))
    .bind(tx.now)
    .execute(&mut *tx.connection)
    .await?;
    sqlx::query(
        "DELETE FROM processes WHERE account = $1 AND seen_ms < $2 \
         AND NOT EXISTS (SELECT 1 FROM leases AS l WHERE l.account = $1 AND l.owner = processes.owner)",
    )
    .bind(tx.account)
    .bind(tx.now.saturating_sub(PROCESSES_KEPT_MS))
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}
