//! Neither the key nor a whole phone number shows up in a log, an error or a `Debug` text.

use std::io::Write;
use std::sync::{Arc, Mutex};

use partyline_domain::ports::{Agents, Dialer, Numbers, PageRequest};
use tracing_subscriber::filter::LevelFilter;

use crate::support::{CALLEE, KEY, Server, Step, answer, assign_order, dial_request, json, number_id};

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic while held").clone()).expect("text")
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic while held").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn listen(log: &Log, level: LevelFilter) -> tracing::subscriber::DefaultGuard {
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_default(subscriber)
}

#[tokio::test(flavor = "current_thread")]
async fn nothing_tells_the_key_or_the_number() {
    let log = Log::default();
    let guard = listen(&log, LevelFilter::TRACE);
    let echo =
        format!(r#"{{"detail":{{"status":"{KEY}","message":"bad key {KEY} for {CALLEE}","request_id":"{KEY}"}}}}"#);
    let refused = format!(r#"{{"success":false,"message":"{CALLEE} with {KEY}"}}"#);
    let page = format!("<html><title>{KEY} {CALLEE}</title></html>");
    let redirect = format!("location: http://elsewhere.invalid/{KEY}/{CALLEE}");
    for step in [
        json(401, &echo),
        json(200, &refused),
        json(503, &echo),
        answer(502, &[&format!("request-id: {KEY}")], &page),
        answer(302, &[&redirect], &echo),
        json(200, &echo),
        Step::CloseAfterReading,
        Step::Send("nonsense\r\n\r\n"),
    ] {
        let server = Server::start([step]).await;
        let adapter = server.provider();
        let told = format!(
            "{:?} {:?} {:?} {:?} {adapter:?}",
            adapter.dial(&dial_request()).await,
            adapter.assign(&assign_order()).await,
            adapter.number(&number_id()).await,
            adapter.agents(&PageRequest::default()).await,
        );
        assert!(server.requests().iter().all(|request| request.contains(KEY)), "the key is sent");
        for secret in [KEY, CALLEE, "2025550123"] {
            assert!(!told.contains(secret), "{told}");
        }
    }
    drop(guard);
    let logged = log.text();
    assert!(logged.contains("/v1/convai/twilio/outbound-call") && logged.contains("status=401"), "{logged}");
    for secret in [KEY, CALLEE, "2025550123"] {
        assert!(!logged.contains(secret), "{logged}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn each_request_has_a_span() {
    let log = Log::default();
    let guard = listen(&log, LevelFilter::DEBUG);
    let server = Server::start([answer(404, &["request-id: r-7"], r#"{"detail":{"message":"no"}}"#)]).await;
    assert_eq!(server.provider().number(&number_id()).await, Ok(None));
    drop(guard);
    let logged = log.text();
    for part in [
        "request{method=GET route=\"/v1/convai/phone-numbers/{id}\" attempt=1",
        "status=404",
        "elapsed_ms=",
        "request_id=\"r-7\"",
        "partyline_elevenlabs_adapter",
    ] {
        assert!(logged.contains(part), "{part} in {logged}");
    }
    assert!(!logged.contains("phnum_main"), "{logged}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_good_request_says_nothing_at_info() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let server = Server::start([json(200, "[]")]).await;
    assert_eq!(server.provider().numbers().await, Ok(Vec::new()));
    drop(guard);
    assert_eq!(log.text(), "");
}
