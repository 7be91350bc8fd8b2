//! The store on a PostgreSQL server, as a store and as a journal.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ports::Store;
use partyline_domain::{PhoneNumberId, RunId};
use partyline_store_adapter::{Account, Place, StoreOptions};
use partyline_tests::contract::Harness;
use partyline_tests::contract::store::{AsJournal, StoreHarness, StoreWorld};
use partyline_tests::postgres;
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

/// Fresh databases on one server. Where none is installed, no case is run.
struct Server;

impl Harness for Server {
    fn run(&self, case: impl Future<Output = ()>) {
        if postgres::shared().is_some() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(case);
        }
    }
}

#[async_trait]
impl StoreHarness for Server {
    async fn store(&self) -> Box<dyn StoreWorld> {
        Box::new(Database(postgres::shared().expect("cases are run only with a server").database()))
    }
}

struct Database(String);

#[async_trait]
impl StoreWorld for Database {
    async fn member(&self, owner: RunId) -> Arc<dyn Store> {
        let account = Arc::new(|salt: &_| Account::of(salt, "http://localhost", b"test-key"));
        let place = Place::parse(&self.0).expect("an address");
        let opened = place.open(StoreOptions::new(owner, account)).await;
        Arc::new(opened.unwrap_or_else(|why| panic!("{why}")))
    }

    async fn pass(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }

    async fn lose_lease(&self, number: &PhoneNumberId) {
        let options = PgConnectOptions::from_str(&self.0).expect("an address");
        let mut connection = options.connect().await.expect("the server answers");
        let lost = sqlx::query("DELETE FROM partyline.leases WHERE number = $1").bind(number.as_str());
        lost.execute(&mut connection).await.expect("the server answers");
    }
}

partyline_tests::store_contract!(Server);

mod as_journal {
    use super::{AsJournal, Server};
    partyline_tests::journal_contract!(AsJournal::new(Server));
}
