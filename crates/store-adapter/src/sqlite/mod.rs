//! The store in one SQLite file: for one machine.
//!
//! One connection writes, in transactions that begin as writers (`BEGIN IMMEDIATE`), so that nothing they have read can
//! change under them; a few others read. The file's own clock is this machine's.

mod batches;
mod cancel;
mod claim;
mod commit;
mod lease;
mod lists;
mod numbers;
mod permits;
mod purge;
mod reads;
mod schema;
mod submit;
#[cfg(test)]
mod tests;
mod transaction;
mod watch;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fs_err::os::unix::fs::OpenOptionsExt as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use crate::error::{Fault, OpenError};
use crate::options::StoreOptions;
use crate::store::SqlStore;
use crate::{changes, writer};

/// So many look things up at once, one of them for what others change; more would wait for the same disk.
const READERS_MAX: u32 = 5;

/// Opens the store in this file, makes it and its folders where they are missing, and upgrades it where it is old.
///
/// The file can be read by its owner only. It must not lie on a network file system: its locks do not hold there.
///
/// # Errors
/// [`OpenError`] where the file cannot be made, read or written, is something else, or is of a newer version.
pub async fn open(path: &Path, options: StoreOptions) -> Result<SqlStore, OpenError> {
    let place = path.display().to_string();
    let unavailable = |detail: String| OpenError::Unavailable { place: place.clone(), detail };
    let path = std::path::absolute(path).map_err(|why| unavailable(why.to_string()))?;
    make(&path).map_err(|why| unavailable(why.to_string()))?;
    // With a long queue the writer touches pages all over the file: 32 MB of them are kept.
    let connect = connect_options(&path, options.patience).pragma("cache_size", "-32000");
    let mut connection = first(&connect, options.patience).await.map_err(|why| schema::not_opened(&place, &why))?;
    schema::upgrade(&mut connection, &place).await?;
    let account = schema::account(&mut connection, &options).await;
    let account = account.map_err(|fault: Fault| unavailable(fault.detail))?;
    let me = options.owner;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .acquire_timeout(Duration::from_secs(30))
        .connect_lazy_with(connect_options(&path, options.patience).pragma("query_only", "ON"));
    let (teller, changes) = changes::channel();
    tokio::spawn(watch::run(readers.clone(), account, me.clone(), options.poll, teller));
    let writer = transaction::Sqlite::new(connect, connection, account, me.clone(), options.process);
    let reads = reads::Readers { pool: readers, account, path };
    Ok(SqlStore::new(me, writer::start(writer, options.trouble), Arc::new(reads), changes))
}

/// The first connection. Where several processes make the file at once, each may be told that it is busy, whatever its
/// patience.
async fn first(options: &SqliteConnectOptions, patience: Duration) -> Result<SqliteConnection, sqlx::Error> {
    let end = tokio::time::Instant::now() + patience.max(Duration::from_secs(1));
    // Kept in the file from then on, so nobody else has to ask for it.
    let options = options.clone().journal_mode(SqliteJournalMode::Wal);
    loop {
        match options.connect().await {
            Err(why) if is_busy(&why) && tokio::time::Instant::now() < end => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            connected => return connected,
        }
    }
}

fn is_busy(why: &sqlx::Error) -> bool {
    let code = why.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

/// Makes the file and its folders, for their owner only. What is there keeps its rights.
fn make(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        std::os::unix::fs::DirBuilderExt::mode(std::fs::DirBuilder::new().recursive(true), 0o700).create(folder)?;
    }
    match fs_err::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(why) if why.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

fn connect_options(path: &Path, patience: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        // An answer means that it is on the disk.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(patience)
        // What was erased is not to be found in the file.
        .pragma("secure_delete", "ON")
        .disable_statement_logging()
}

/// Closes a connection; what goes wrong then harms nobody.
async fn put_down(connection: SqliteConnection) {
    let _ = connection.close().await;
}
