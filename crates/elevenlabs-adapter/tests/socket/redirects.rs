//! Redirects: reads follow them within the provider's own host, writes never.

use partyline_domain::FailureKind;
use partyline_domain::ports::{Dialer, Numbers};

use crate::support::{NUMBER, Server, Step, answer, assign_order, dial_request, json, number_id};

fn to(location: &str) -> Step {
    answer(307, &[&format!("location: {location}")], "")
}

#[tokio::test]
async fn a_read_follows_within_the_host() {
    let server = Server::start([to("/v2/a"), to("b?c=d"), answer(301, &["location: /e"], ""), json(200, NUMBER)]).await;
    let adapter = server.provider();
    assert!(adapter.number(&number_id()).await.expect("read").is_some());
    assert_eq!(adapter.requests(), 4);
    assert_eq!(server.lines()[1..], ["GET /v2/a HTTP/1.1", "GET /v2/b?c=d HTTP/1.1", "GET /e HTTP/1.1"]);
}

#[tokio::test]
async fn a_circle_ends() {
    let server = Server::start([to("/again")]).await;
    let adapter = server.provider();
    let error = adapter.number(&number_id()).await.expect_err("a circle");
    assert_eq!((error.kind(), adapter.requests()), (FailureKind::Redirected, 4));
}

#[tokio::test]
async fn the_key_goes_to_no_other_host() {
    let other = Server::start([json(200, NUMBER)]).await;
    let port = other.address().port();
    for location in [
        format!("http://127.0.0.1:{port}/x"),
        format!("http://localhost:{port}/x"),
        format!("//127.0.0.1:{port}/x"),
        "https://elsewhere.invalid/".to_owned(),
        "ftp://elsewhere.invalid/".to_owned(),
        "http://[".to_owned(),
    ] {
        let server = Server::start([to(&location)]).await;
        let adapter = server.provider();
        let kinds = [
            adapter.number(&number_id()).await.map(drop).expect_err("elsewhere").kind(),
            adapter.assign(&assign_order()).await.map(drop).expect_err("elsewhere").kind(),
            adapter.dial(&dial_request()).await.map(drop).expect_err("elsewhere").kind(),
        ];
        assert_eq!(kinds, [FailureKind::Redirected; 3], "{location}");
        assert_eq!((adapter.requests(), server.requests().len()), (3, 3));
    }
    assert_eq!((other.connections(), other.requests()), (0, Vec::new()));
}

#[tokio::test]
async fn the_same_port_under_another_name_is_another_host() {
    let server = Server::start([Step::Hang]).await;
    let port = server.address().port();
    let first = Server::start([to(&format!("http://localhost:{port}/"))]).await;
    let error = first.provider().numbers().await.expect_err("another host");
    assert!(error.detail().contains("localhost, where the key is not sent"), "{error}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_write_follows_nowhere() {
    let server = Server::start([to("/v1/elsewhere")]).await;
    let adapter = server.provider();
    let error = adapter.assign(&assign_order()).await.expect_err("redirected");
    assert_eq!((error.kind(), adapter.requests(), server.connections()), (FailureKind::Redirected, 1, 1));
}
