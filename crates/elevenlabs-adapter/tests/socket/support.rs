//! A TCP server with a script, and the values that the tests share.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use partyline_domain::ports::{AssignNumber, Clock, DialRequest, NumberProvider};
use partyline_domain::{
    AgentId, AttemptId, CallOptions, Instant, Now, PhoneNumber, PhoneNumberId, RingingTimeout, Timestamp,
};
use partyline_elevenlabs_adapter::{ApiKey, BaseUrl, ElevenLabs, Repeats, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) const KEY: &str = "test-key-0123456789abcdef";
pub(crate) const CALLEE: &str = "+12025550123";

/// What happens to one connection.
#[derive(Clone)]
pub(crate) enum Step {
    /// A whole answer.
    Answer(String),
    /// Closed before the request is read.
    CloseUnread,
    /// The request is read, then the connection is closed.
    CloseAfterReading,
    /// The request is read, then these bytes are sent and the connection is closed.
    Send(&'static str),
    /// The request is read and answered with this JSON; one more on the same connection is read only.
    Keep(&'static str),
    /// The request is read, and nothing ever comes.
    Hang,
}

/// A whole answer with JSON.
pub(crate) fn json(status: u16, body: &str) -> Step {
    answer(status, &["content-type: application/json"], body)
}

/// A whole answer.
pub(crate) fn answer(status: u16, headers: &[&str], body: &str) -> Step {
    let mut text = format!("HTTP/1.1 {status} Status\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for header in headers {
        write!(text, "{header}\r\n").expect("a String takes everything");
    }
    Step::Answer(format!("{text}\r\n{body}"))
}

#[derive(Default)]
struct Arrived {
    requests: Vec<String>,
    fragments: Vec<String>,
}

/// A server on a port of its own. The n-th connection gets the n-th step, later ones the last.
pub(crate) struct Server {
    address: SocketAddr,
    arrived: Arc<Mutex<Arrived>>,
    connections: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(steps: impl Into<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let arrived = Arc::new(Mutex::new(Arrived::default()));
        let connections = Arc::new(AtomicU32::new(0));
        let task = tokio::spawn(serve(listener, steps.into(), Arc::clone(&arrived), Arc::clone(&connections)));
        Self { address, arrived, connections, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The whole requests that arrived.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.arrived.lock().expect("no panic while held").requests.clone()
    }

    /// What arrived of requests whose rest did not.
    pub(crate) fn fragments(&self) -> Vec<String> {
        self.arrived.lock().expect("no panic while held").fragments.clone()
    }

    /// The first line of each request.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.requests().iter().map(|request| request.lines().next().unwrap_or_default().to_owned()).collect()
    }

    pub(crate) fn connections(&self) -> u32 {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn settings(&self) -> Settings {
        quick(&format!("http://{}", self.address))
    }

    pub(crate) fn provider(&self) -> ElevenLabs {
        provider(self.settings())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, steps: Vec<Step>, arrived: Arc<Mutex<Arrived>>, connections: Arc<AtomicU32>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let count = connections.fetch_add(1, Ordering::SeqCst) as usize;
        let step = steps.get(count).or(steps.last()).cloned().unwrap_or(Step::Hang);
        if matches!(step, Step::CloseUnread) {
            continue;
        }
        if !read_request(&mut stream, &arrived).await {
            continue;
        }
        match step {
            Step::Answer(text) => drop(stream.write_all(text.as_bytes()).await),
            Step::Send(text) => drop(stream.write_all(text.as_bytes()).await),
            Step::Keep(body) => {
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                drop(stream.write_all(answer.as_bytes()).await);
                read_request(&mut stream, &arrived).await;
            }
            Step::CloseUnread | Step::CloseAfterReading => {}
            Step::Hang => drop(tokio::spawn(async move {
                let mut rest = Vec::new();
                drop(stream.read_to_end(&mut rest).await);
            })),
        }
    }
}

/// Reads one request with its whole body; `false` where the connection ends earlier.
async fn read_request(stream: &mut TcpStream, arrived: &Mutex<Arrived>) -> bool {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().expect("a number")) {
                arrived.lock().expect("no panic while held").requests.push(text);
                return true;
            }
        }
        if matches!(stream.read_buf(&mut bytes).await, Ok(0) | Err(_)) {
            if !text.is_empty() {
                arrived.lock().expect("no panic while held").fragments.push(text);
            }
            return false;
        }
    }
}

/// Settings with which nothing takes long.
pub(crate) fn quick(base_url: &str) -> Settings {
    Settings {
        connect_timeout: Duration::from_secs(2),
        read_timeout: Duration::from_secs(5),
        dial_margin: Duration::from_secs(5),
        repeats: Repeats {
            sends_max: 3,
            delay: Duration::from_millis(1),
            delay_max: Duration::from_millis(2),
            ..Repeats::default()
        },
        ..Settings::new(BaseUrl::parse(base_url).expect("a base URL"))
    }
}

pub(crate) fn provider(settings: Settings) -> ElevenLabs {
    provider_with(settings, Arc::new(Steady))
}

pub(crate) fn provider_with(settings: Settings, clock: Arc<dyn Clock>) -> ElevenLabs {
    ElevenLabs::new(settings, ApiKey::parse(KEY).expect("a key"), clock).expect("set up")
}

/// A clock that stands at one second.
pub(crate) struct Steady;

impl Clock for Steady {
    fn now(&self) -> Now {
        at_second(1)
    }
}

/// A clock that moves on by one second with every look, beginning at zero.
#[derive(Default)]
pub(crate) struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Now {
        at_second(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

fn at_second(seconds: u64) -> Now {
    let wall = Timestamp::from_unix(Duration::from_secs(1_790_000_000 + seconds));
    Now { monotonic: instant(seconds), wall }
}

pub(crate) fn instant(seconds: u64) -> Instant {
    Instant::from_origin(Duration::from_secs(seconds))
}

pub(crate) fn agent_id() -> AgentId {
    AgentId::parse("agent_restaurant").expect("an id")
}

pub(crate) fn number_id() -> PhoneNumberId {
    PhoneNumberId::parse("phnum_main").expect("an id")
}

pub(crate) fn dial_request() -> DialRequest {
    DialRequest {
        attempt: AttemptId::parse("call-1.1").expect("an id"),
        agent: agent_id(),
        number: number_id(),
        provider: NumberProvider::Twilio,
        to: PhoneNumber::parse(CALLEE).expect("a number"),
        options: Arc::new(CallOptions {
            ringing_timeout: RingingTimeout::from_seconds(1).expect("in bounds"),
            ..CallOptions::default()
        }),
        not_after: instant(60),
    }
}

pub(crate) fn assign_order() -> AssignNumber {
    AssignNumber {
        attempt: AttemptId::parse("run-1.a1").expect("an id"),
        number: number_id(),
        agent: Some(agent_id()),
        not_after: instant(60),
    }
}

pub(crate) const NUMBER: &str = r#"{"provider":"twilio","phone_number":"+12025550100","label":"Main","phone_number_id":"phnum_main",
    "assigned_agent":{"agent_id":"agent_restaurant","agent_name":"Restaurant"}}"#;
