//! The world over HTTP: the routes of the provider that Partyline uses, in the shapes of 2026, so that the official
//! SDKs work against it unmodified. Facts: `elevenlabs-api.md`. Under `/_emulator/` it shows its ledger and takes
//! orders, see [`control`]. Tests: `tests/emulator_*.rs`, `tests/faults_http.rs`.

mod connection;
pub mod control;
mod parse;
mod render;
mod routes;
mod state;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use partyline_domain::ports::NumberProvider;
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::clock::RealClock;
use crate::faults::{FaultPlan, FaultRule};
use crate::world::{CallModel, FICTIONAL_NUMBERS_MAX, Latency, Mode, SharedWorld, World, WorldConfig};
use state::State;

/// The key that clients must send; never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// This key.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    fn is(&self, text: &[u8]) -> bool {
        self.0.as_bytes() == text
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

/// How an emulator behaves. The default is the sandbox: three agents and one Twilio number.
#[derive(Clone, Debug, PartialEq)]
pub struct EmulatorConfig {
    /// How many agents there are.
    pub agents: usize,
    /// How many numbers there are, at most [`FICTIONAL_NUMBERS_MAX`].
    pub numbers: usize,
    /// Who provides their lines.
    pub provider: NumberProvider,
    /// How long each request takes; its effect happens in the middle.
    pub latency: Duration,
    /// Where ids and randomness begin.
    pub seed: u64,
    /// What goes wrong.
    pub faults: Vec<FaultRule>,
    /// The key that clients must send; absent = any.
    pub key: Option<Key>,
    /// How long a new conversation is missing from the list.
    pub list_lag: Duration,
    /// How long it rings; the SIP route answers only then.
    pub ring: Duration,
    /// How long the two then speak.
    pub talk: Duration,
    /// Who speaks.
    pub mode: Mode,
    /// Whether errors are written in the form of before 2026.
    pub legacy_errors: bool,
}

impl Default for EmulatorConfig {
    fn default() -> Self {
        Self {
            agents: 3,
            numbers: 1,
            provider: NumberProvider::Twilio,
            latency: Duration::ZERO,
            seed: 1,
            faults: Vec::new(),
            key: None,
            list_lag: Duration::ZERO,
            ring: Duration::ZERO,
            talk: CallModel::default().talk,
            mode: Mode::Harsh,
            legacy_errors: false,
        }
    }
}

impl EmulatorConfig {
    /// The world it describes.
    ///
    /// # Errors
    /// [`EmulatorError::TooManyNumbers`] beyond [`FICTIONAL_NUMBERS_MAX`].
    pub fn world(&self) -> Result<WorldConfig, EmulatorError> {
        if self.numbers > FICTIONAL_NUMBERS_MAX {
            return Err(EmulatorError::TooManyNumbers(self.numbers));
        }
        Ok(WorldConfig {
            seed: self.seed,
            mode: self.mode,
            latency: Latency::constant(self.latency),
            calls: CallModel { ring: self.ring, talk: self.talk, ..CallModel::default() },
            list_lag: self.list_lag,
            faults: FaultPlan::new(self.faults.iter().copied()),
            legacy_errors: self.legacy_errors,
            ..WorldConfig::of(self.agents, self.numbers, &self.provider)
        })
    }
}

/// An emulator that cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// There are not so many fictional numbers.
    #[error("an emulator has at most {FICTIONAL_NUMBERS_MAX} numbers, not {0}")]
    TooManyNumbers(usize),
    /// The address is taken, or is not ours.
    #[error("cannot listen")]
    Listen(#[source] io::Error),
}

/// An emulator that listens, but does not answer before it is run.
#[derive(Debug)]
pub struct Emulator {
    listener: TcpListener,
    address: SocketAddr,
    state: State,
    stop: watch::Sender<bool>,
}

impl Emulator {
    /// Listens at `address` (port 0 = any free port).
    ///
    /// # Errors
    /// [`EmulatorError`] where the configuration or the address is not usable.
    pub async fn bind(config: EmulatorConfig, address: impl ToSocketAddrs) -> Result<Self, EmulatorError> {
        let world = World::new(config.world()?);
        Self::of(SharedWorld::new(world), config.key, address).await
    }

    /// Serves a world that exists already. Its times must be those of an own [`crate::clock::RealClock`] that
    /// begins now, so nothing may have been asked of it yet.
    ///
    /// # Errors
    /// [`EmulatorError::Listen`] where the address is not usable.
    pub async fn of(world: SharedWorld, key: Option<Key>, address: impl ToSocketAddrs) -> Result<Self, EmulatorError> {
        let listener = TcpListener::bind(address).await.map_err(EmulatorError::Listen)?;
        let address = listener.local_addr().map_err(EmulatorError::Listen)?;
        Ok(Self { listener, address, state: State::new(world, key), stop: watch::Sender::new(false) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for clients.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The world it serves.
    pub fn world(&self) -> &SharedWorld {
        &self.state.world
    }

    /// Answers until the future is dropped; then every connection is closed.
    pub async fn run(self) {
        let Self { listener, state, stop, .. } = self;
        serve(listener, state, stop.subscribe()).await;
    }

    /// Answers in a task of its own. Must be called within a tokio runtime.
    pub fn spawn(self) -> RunningEmulator {
        let Self { listener, address, state, stop } = self;
        let (world, clock) = (state.world.clone(), state.clock.clone());
        let task = tokio::spawn(serve(listener, state, stop.subscribe()));
        RunningEmulator { address, world, clock, stop, task }
    }
}

/// An emulator that runs in a task of its own, until it is shut down or dropped.
#[derive(Debug)]
pub struct RunningEmulator {
    address: SocketAddr,
    world: SharedWorld,
    clock: RealClock,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl RunningEmulator {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for clients.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The world it serves.
    pub fn world(&self) -> &SharedWorld {
        &self.world
    }

    /// The clock by which its world goes; whoever acts on the world directly needs it.
    pub fn clock(&self) -> &RealClock {
        &self.clock
    }

    /// Closes every connection and waits until that is done.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        // It cannot fail but by a panic of ours, which has been reported.
        let _ = (&mut self.task).await;
    }
}

impl Drop for RunningEmulator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, state: State, mut stop: watch::Receiver<bool>) {
    let router = routes::router(state);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection::serve(stream, router.clone()));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: others must be closed first.
                    tracing::warn!(%error, "the emulator cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            _ = stop.changed() => break,
        }
    }
}
