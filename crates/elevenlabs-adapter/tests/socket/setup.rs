//! Setting the adapter up: what is refused, what it costs.

use std::sync::Arc;
use std::time::Duration;

use partyline_domain::Timestamp;
use partyline_domain::ports::{Clock, Dialer, Numbers};
use partyline_elevenlabs_adapter::{ApiKey, ElevenLabs, Settings, SetupError};

use crate::support::{KEY, NUMBER, Server, Steady, answer, dial_request, json, number_id, quick};

fn set_up(settings: Settings) -> Result<ElevenLabs, SetupError> {
    ElevenLabs::new(settings, ApiKey::parse(KEY).expect("a key"), Arc::new(Steady))
}

#[test]
fn plain_http_is_for_this_machine_only() {
    let error = set_up(quick("http://provider.invalid:8080/a")).expect_err("plain");
    assert_eq!(error, SetupError::Insecure { host: "provider.invalid:8080".to_owned() });
    assert!(set_up(Settings { allow_insecure: true, ..quick("http://provider.invalid:8080") }).is_ok());
    assert!(set_up(quick("http://localhost:1")).is_ok());
    assert!(set_up(quick("https://provider.invalid")).is_ok());
}

#[test]
fn debug_tells_the_address_and_no_more() {
    let adapter = set_up(quick("http://127.0.0.1:8080/a/")).expect("set up");
    let told = format!("{adapter:?}");
    assert_eq!(told, "ElevenLabs { base_url: BaseUrl(http://127.0.0.1:8080/a), requests: 0, .. }");
}

#[tokio::test]
async fn clones_count_together_and_a_path_prefix_is_kept() {
    let server = Server::start([json(200, NUMBER)]).await;
    let adapter = set_up(quick(&format!("http://{}/voice/", server.address()))).expect("set up");
    let clone = adapter.clone();
    assert!(clone.number(&number_id()).await.expect("read").is_some());
    assert_eq!((adapter.requests(), clone.requests()), (1, 1));
    assert_eq!(server.lines(), ["GET /voice/v1/convai/phone-numbers/phnum_main HTTP/1.1"]);
}

#[tokio::test]
async fn the_newest_date_of_the_server_is_known() {
    let server = Server::start([
        json(200, NUMBER),
        answer(200, &["date: Sun, 06 Nov 1994 08:49:37 GMT"], NUMBER),
        answer(200, &["date: yesterday"], NUMBER),
        answer(401, &["date: Sun, 06 Nov 1994 08:49:36 GMT"], "{}"),
    ])
    .await;
    let adapter = server.provider();
    let at = |seconds| Some((Timestamp::from_unix(Duration::from_secs(seconds)), Steady.now()));
    assert_eq!(adapter.server_date(), None);
    for expected in [None, at(784_111_777), at(784_111_777)] {
        assert!(adapter.number(&number_id()).await.expect("read").is_some());
        assert_eq!(adapter.server_date(), expected);
    }
    assert!(adapter.dial(&dial_request()).await.is_err());
    assert_eq!(adapter.clone().server_date(), at(784_111_776));
}
