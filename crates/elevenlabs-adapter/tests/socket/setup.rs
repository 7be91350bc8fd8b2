//! Setting the adapter up: what is refused, what it costs.

use std::sync::Arc;

use partyline_domain::ports::Numbers;
use partyline_elevenlabs_adapter::{ApiKey, ElevenLabs, Settings, SetupError};

use crate::support::{KEY, NUMBER, Server, Steady, json, number_id, quick};

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
