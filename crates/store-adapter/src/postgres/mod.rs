//! The store on a PostgreSQL server (13 or newer): for several machines.
//!
//! One connection writes; a few others read, and one listens for what other processes tell. Transactions are `READ
//! COMMITTED` with explicit row locks, always in this order: leases by number, batches, calls by their place. What is
//! judged is read after its lock was taken, so it stays so until the end. The clock is the server's.

mod batches;
mod cancel;
mod claim;
mod commit;
mod connect;
mod lease;
mod lists;
mod numbers;
mod permits;
mod purge;
mod reads;
mod schema;
mod submit;
mod transaction;
mod watch;

use std::sync::Arc;

use crate::error::{Fault, OpenError};
use crate::options::StoreOptions;
use crate::place::ServerUrl;
use crate::store::SqlStore;
use crate::{changes, writer};

/// Opens the store on this server, makes its tables (in a schema of their own, `partyline`) where they are missing, and
/// upgrades them where they are old.
///
/// # Errors
/// [`OpenError`] where the server cannot be reached, refuses us, or has tables of a newer version.
pub async fn connect(url: &ServerUrl, options: StoreOptions) -> Result<SqlStore, OpenError> {
    let place = url.to_string();
    let unavailable = |fault: Fault| OpenError::Unavailable { place: place.clone(), detail: fault.detail };
    let settings = connect::Settings::new(url, options.patience).map_err(unavailable)?;
    let mut connection = settings.connect().await.map_err(unavailable)?;
    schema::upgrade(&mut connection, &place).await?;
    let registered = schema::account(&mut connection, &options).await.map_err(unavailable)?;
    let (account, channel) = (registered.account, registered.channel);
    let me = options.owner;
    let pool = settings.pool();
    let (teller, changes) = changes::channel();
    tokio::spawn(watch::run(pool.clone(), channel.clone(), me.clone(), teller));
    let connection = Some(connection);
    let writer = transaction::Postgres::new(settings, connection, (account, channel), me.clone(), options.process);
    let reads = reads::Readers { pool, account, place };
    Ok(SqlStore::new(me, writer::start(writer, options.trouble), Arc::new(reads), changes))
}
