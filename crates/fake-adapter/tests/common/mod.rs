//! What the tests share: worlds, orders, and a client that speaks just enough HTTP/1.1.
#![expect(dead_code, reason = "each test uses its part")]

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use partyline_domain::ports::{AssignNumber, DialRequest, Dialer, NumberProvider, Numbers};
use partyline_domain::{AgentId, AttemptId, CallOptions, Instant, PhoneNumber, PhoneNumberId};
use partyline_fake_adapter::{FakeProvider, FaultPlan, SharedWorld, VirtualClock, World, WorldConfig};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A world in virtual time.
pub(crate) struct Stage {
    pub(crate) time: VirtualClock,
    pub(crate) world: SharedWorld,
    pub(crate) provider: FakeProvider,
    pub(crate) agents: Vec<AgentId>,
    pub(crate) number: PhoneNumberId,
}

impl Stage {
    pub(crate) fn new(config: WorldConfig) -> Self {
        let time = VirtualClock::new();
        let world = SharedWorld::new(World::new(config));
        let (agents, number) = {
            let world = world.lock();
            (world.agent_ids(), world.number_ids()[0].clone())
        };
        let provider = FakeProvider::new(world.clone(), &time);
        Self { time, world, provider, agents, number }
    }

    pub(crate) fn sandbox() -> Self {
        Self::new(WorldConfig::sandbox())
    }

    pub(crate) fn with_fault(rule: &str) -> Self {
        let rule = rule.parse().unwrap_or_else(|error| panic!("{rule}: {error}"));
        Self::new(WorldConfig { faults: FaultPlan::new([rule]), ..WorldConfig::sandbox() })
    }

    pub(crate) fn dial_order(&self, attempt: &str, agent: usize) -> DialRequest {
        DialRequest {
            attempt: AttemptId::parse(attempt).expect("an id"),
            agent: self.agents[agent].clone(),
            number: self.number.clone(),
            provider: self.world.lock().number(&self.number).map_or(NumberProvider::Twilio, |number| number.provider),
            to: callee(),
            options: Arc::new(CallOptions::default()),
            not_after: Instant::from_origin(Duration::MAX),
        }
    }

    pub(crate) fn assign_order(&self, agent: Option<usize>) -> AssignNumber {
        AssignNumber {
            attempt: AttemptId::parse("run.a1").expect("an id"),
            number: self.number.clone(),
            agent: agent.map(|index| self.agents[index].clone()),
            not_after: Instant::from_origin(Duration::MAX),
        }
    }

    pub(crate) async fn dial(
        &self,
        attempt: &str,
        agent: usize,
    ) -> Result<partyline_domain::ports::DialAnswer, partyline_domain::ProviderError> {
        self.provider.dial(&self.dial_order(attempt, agent)).await
    }

    pub(crate) async fn assign(
        &self,
        agent: Option<usize>,
    ) -> Result<partyline_domain::ports::Number, partyline_domain::ProviderError> {
        self.provider.assign(&self.assign_order(agent)).await
    }
}

pub(crate) fn callee() -> PhoneNumber {
    PhoneNumber::parse("+12025550123").expect("valid")
}

/// An answer over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

/// One connection.
pub(crate) struct Http(TcpStream);

impl Http {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the emulator listens");
        stream.set_nodelay(true).expect("a socket option");
        Self(stream)
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer, Error> {
        self.send("GET", path, "xi-api-key: test-key-1\r\n", "").await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Result<Answer, Error> {
        self.send("POST", path, "xi-api-key: test-key-1\r\n", &body.to_string()).await
    }

    pub(crate) async fn patch(&mut self, path: &str, body: &Value) -> Result<Answer, Error> {
        self.send("PATCH", path, "xi-api-key: test-key-1\r\n", &body.to_string()).await
    }

    /// Sends a request and reads a whole answer. A connection that ends too early is `UnexpectedEof`.
    pub(crate) async fn send(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Result<Answer, Error> {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: emulator\r\n{headers}content-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        self.0.write_all(request.as_bytes()).await?;
        let mut read = Vec::new();
        let head = loop {
            if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            self.more(&mut read).await?;
        };
        let headers = String::from_utf8_lossy(&read[..head]).to_lowercase();
        let field = |name: &str| headers.lines().find_map(|line| line.strip_prefix(name).map(str::trim));
        let length: usize = field("content-length:").and_then(|text| text.parse().ok()).unwrap_or(0);
        while read.len() < head + 4 + length {
            self.more(&mut read).await?;
        }
        let status = headers.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
        let text = String::from_utf8_lossy(&read[head + 4..]).into_owned();
        Ok(Answer { status, headers, text })
    }

    async fn more(&mut self, read: &mut Vec<u8>) -> Result<(), Error> {
        match self.0.read_buf(read).await? {
            0 => Err(Error::new(ErrorKind::UnexpectedEof, format!("ended after {} bytes", read.len()))),
            _ => Ok(()),
        }
    }
}
