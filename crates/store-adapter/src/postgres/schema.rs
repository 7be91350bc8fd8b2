//! The tables: made, upgraded, and refused where they are of a newer version.

use sqlx::{Connection as _, PgConnection};

use super::transaction::Tx;
use crate::account::Salt;
use crate::archive::ProcessInfo;
use crate::codec;
use crate::error::{Fault, OpenError};
use crate::options::StoreOptions;
use crate::policy::PROCESSES_KEPT_MS;

/// Each makes one version of the one before; the first makes version 1 of nothing.
const UPGRADES: [&str; 1] = [include_str!("001.sql")];
/// The oldest server that has all that is used here.
const SERVER_MIN: i64 = 130_000;
/// Held while the tables are upgraded: `PtyL`, as in the head of the SQLite file.
const LOCK: i64 = 0x5074_794c;

/// The newest version of the tables that this program knows.
pub(super) fn known() -> u32 {
    u32::try_from(UPGRADES.len()).expect("there are few versions")
}

/// An account, as the store knows it.
pub(super) struct Registered {
    /// The key of its rows.
    pub(super) account: i64,
    /// What its processes listen on.
    pub(super) channel: String,
}

/// Brings the tables to the newest version. Several processes may do so at once: the first does it.
pub(super) async fn upgrade(connection: &mut PgConnection, place: &str) -> Result<(), OpenError> {
    let failed = |fault: Fault| OpenError::Unavailable { place: place.to_owned(), detail: fault.detail };
    let found = upgrade_to_known(connection).await.map_err(failed)?;
    if found > known() {
        return Err(OpenError::Newer { place: place.to_owned(), found, known: known() });
    }
    Ok(())
}

/// The version that was found.
async fn upgrade_to_known(connection: &mut PgConnection) -> Result<u32, Fault> {
    let server: i64 =
        sqlx::query_scalar("SELECT current_setting('server_version_num')::bigint").fetch_one(&mut *connection).await?;
    if server < SERVER_MIN {
        return Err(Fault::refused("the server is older than PostgreSQL 13"));
    }
    // Whoever may use the tables need not be allowed to make any: it is looked first.
    if let Some(found) = version(connection).await?.filter(|found| *found >= known()) {
        return Ok(found);
    }
    let mut tx = connection.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *tx).await?;
    let found = version(&mut tx).await?;
    if found.is_none() {
        sqlx::raw_sql(
            "CREATE SCHEMA IF NOT EXISTS partyline; \
             CREATE TABLE partyline.meta (key TEXT PRIMARY KEY, value TEXT NOT NULL); \
             INSERT INTO partyline.meta VALUES ('schema', '0'), \
             ('salt', replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''))",
        )
        .execute(&mut *tx)
        .await?;
    }
    let found = found.unwrap_or_default();
    for upgrade in UPGRADES.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        sqlx::raw_sql(*upgrade).execute(&mut *tx).await?;
    }
    if found < known() {
        let set = sqlx::query("UPDATE partyline.meta SET value = $1 WHERE key = 'schema'");
        set.bind(known().to_string()).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(found)
}

/// The version of the tables; `None` where there are none.
async fn version(connection: &mut PgConnection) -> Result<Option<u32>, Fault> {
    // Not `to_regclass`: that may still believe what it found before this process waited for the lock.
    let is_there: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n \
         ON n.oid = c.relnamespace WHERE n.nspname = 'partyline' AND c.relname = 'meta')",
    )
    .fetch_one(&mut *connection)
    .await?;
    if !is_there {
        return Ok(None);
    }
    let version = sqlx::query_scalar("SELECT value FROM partyline.meta WHERE key = 'schema'");
    let version: String = version.fetch_one(connection).await?;
    let unreadable = |_| Fault::refused("the version of its tables cannot be understood");
    version.parse().map(Some).map_err(unreadable)
}

/// The account of a process.
pub(super) async fn account(connection: &mut PgConnection, options: &StoreOptions) -> Result<Registered, Fault> {
    let salt = sqlx::query_scalar("SELECT value FROM partyline.meta WHERE key = 'salt'");
    let salt: String = salt.fetch_one(&mut *connection).await?;
    let fingerprint = (options.account)(&Salt::new(salt));
    let channel = format!("partyline_{}", fingerprint.as_str());
    let known = sqlx::query_scalar("SELECT id FROM partyline.accounts WHERE fingerprint = $1");
    let known: Option<i64> = known.bind(fingerprint.as_str()).fetch_optional(&mut *connection).await?;
    if let Some(account) = known {
        return Ok(Registered { account, channel });
    }
    let made = sqlx::query_scalar(
        "INSERT INTO partyline.accounts (fingerprint) VALUES ($1) \
         ON CONFLICT (fingerprint) DO UPDATE SET fingerprint = excluded.fingerprint RETURNING id",
    );
    let account: i64 = made.bind(fingerprint.as_str()).fetch_one(connection).await?;
    Ok(Registered { account, channel })
}

/// Writes down who the process is, with the first thing it writes; forgets those who are long gone and hold nothing.
pub(super) async fn register(tx: &mut Tx<'_>, process: &ProcessInfo) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO partyline.processes (account, owner, host, pid, command, started_ms, seen_ms) \
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
        "DELETE FROM partyline.processes WHERE (account, owner) IN (SELECT p.account, p.owner \
         FROM partyline.processes AS p WHERE p.account = $1 AND p.seen_ms < $2 AND NOT EXISTS \
         (SELECT 1 FROM partyline.leases AS l WHERE l.account = $1 AND l.owner = p.owner) FOR UPDATE SKIP LOCKED)",
    )
    .bind(tx.account)
    .bind(tx.now.saturating_sub(PROCESSES_KEPT_MS))
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}
