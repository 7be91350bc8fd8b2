//! Connections to the server.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, PgPool};

use crate::error::Fault;
use crate::place::ServerUrl;

/// So many look things up at once, one of them for what others tell.
const READERS_MAX: u32 = 5;
/// A server that has not answered a connection by then is not there.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// How connections are made.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    options: PgConnectOptions,
    patience: Duration,
}

impl Settings {
    pub(super) fn new(url: &ServerUrl, patience: Duration) -> Result<Self, Fault> {
        let options =
            PgConnectOptions::from_str(url.expose())?.application_name("partyline").disable_statement_logging();
        Ok(Self { options, patience })
    }

    /// A connection to write on.
    pub(super) async fn connect(&self) -> Result<PgConnection, Fault> {
        let connect = async {
            let mut connection = self.options.connect().await?;
            set(&mut connection, self.patience).await?;
            Ok::<_, sqlx::Error>(connection)
        };
        match tokio::time::timeout(CONNECT_WITHIN, connect).await {
            Ok(connection) => Ok(connection?),
            Err(_) => Err(Fault::trouble("the server does not answer")),
        }
    }

    /// Connections to read on; none is made before it is needed.
    pub(super) fn pool(&self) -> PgPool {
        let patience = self.patience;
        PgPoolOptions::new()
            .max_connections(READERS_MAX)
            .acquire_timeout(CONNECT_WITHIN)
            .after_connect(move |connection, _| Box::pin(set(connection, patience)))
            .connect_lazy_with(self.options.clone())
    }
}

/// An answer means that it is written down, whatever the server is set to: a server that answers before that loses the last
/// intents when it crashes, and a dial that nobody remembers is sent again. Other settings than `off` are as durable or more.
///
/// And bounds on everything that is asked: a lock that another program holds, a statement that does not end, a transaction that
/// was left open because the process was stopped.
async fn set(connection: &mut PgConnection, patience: Duration) -> Result<(), sqlx::Error> {
    let lock_ms = patience.as_millis().max(1);
    let bounds = format!(
        "SET lock_timeout = {lock_ms}; SET statement_timeout = 60000; SET idle_in_transaction_session_timeout = 60000; \
         SET default_transaction_isolation = 'read committed'; SET client_min_messages = 'warning'; \
         SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(bounds)).execute(connection).await?;
    Ok(())
}

/// Closes a connection; what goes wrong then harms nobody.
pub(super) async fn put_down(connection: PgConnection) {
    let _ = tokio::time::timeout(Duration::from_secs(1), connection.close()).await;
}
