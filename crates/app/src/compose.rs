//! The wiring: which adapter stands behind which port. The only place that names the adapters.

mod rehearsal;
mod store;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use partyline_domain::ports::{
    AgentProfile, Ids, Journal, MemoryJournal, Number, NumberProvider, Paced, Permits, Provider, Unlimited,
};
use partyline_domain::{LinePolicy, Now, Ports, RingingTimeout, Timestamp};
use partyline_elevenlabs_adapter::{ApiKey, BaseUrl, ElevenLabs, Settings as AdapterSettings, SetupError};
use partyline_fake_adapter::emulator::{EmulatorError, Key};
use partyline_fake_adapter::{Emulator, EmulatorConfig, FaultRule, RunningEmulator};
use secrecy::{ExposeSecret as _, SecretString};

use crate::cli::EmulateArgs;
use crate::errors::AppError;
use crate::settings::{CallChoices, Limits, NumberSettings, Settings};
use crate::system::{SystemClock, TokioTimer, UuidIds};

pub(crate) use rehearsal::{Rehearsal, Rehearsed};
/// What people ask of a store.
pub(crate) mod archive {
    pub(crate) use partyline_store_adapter::{
        Batch, BatchCursor, BatchState, CallFilter, CallRow, Holder, NewBatch, NumberRow, StateWord,
    };
}

pub(crate) use store::{OpenStore, Trouble, Trying};

/// The key of the sandbox, which is no secret.
const SANDBOX_KEY: &str = "test-key-sandbox";
/// The aliases of the sandbox, in the order of the emulator's agents: Restaurant, Hotel, Hair Salon.
const SANDBOX_ALIASES: [&str; 3] = ["restaurant", "hotel", "hairdresser"];

/// The provider and everything else the core needs.
pub(crate) struct World {
    adapter: Arc<ElevenLabs>,
    clock: SystemClock,
    ids: UuidIds,
    host: String,
    dial_margin: Duration,
    lateness: Option<Duration>,
    limits: Limits,
}

impl World {
    /// Sets the adapter up. Nothing is sent.
    ///
    /// # Errors
    /// Exit code 2 for a missing or unusable key or base URL.
    pub(crate) fn connect(settings: &Settings, clock: SystemClock) -> Result<Self, AppError> {
        let base_url = BaseUrl::parse(&settings.base_url).map_err(|why| {
            AppError::usage("bad_base_url", why.to_string()).effect("nothing was sent").hint(
                "set it with `--base-url`, `ELEVENLABS_BASE_URL` or `base_url` in `[provider]` of the settings file",
            )
        })?;
        let host = base_url.host();
        let key = ApiKey::parse(settings.key()?.expose_secret()).map_err(|why| {
            AppError::usage("bad_api_key", format!("`ELEVENLABS_API_KEY`: {why}")).effect("nothing was sent")
        })?;
        let usual = AdapterSettings::new(base_url);
        let dial_margin = settings.dial_margin.unwrap_or(usual.dial_margin);
        let adapter_settings = AdapterSettings { allow_insecure: settings.allow_http, dial_margin, ..usual };
        let adapter = ElevenLabs::new(adapter_settings, key, Arc::new(clock)).map_err(|why| setup_failed(&why))?;
        Ok(Self {
            adapter: Arc::new(adapter),
            clock,
            ids: UuidIds::new(clock)?,
            host,
            dial_margin,
            lateness: settings.store.lateness,
            limits: settings.limits,
        })
    }

    /// The provider.
    pub(crate) fn provider(&self) -> &dyn Provider {
        &*self.adapter
    }

    /// The provider's host, for people.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// How many requests have been sent.
    pub(crate) fn requests(&self) -> u32 {
        self.adapter.requests()
    }

    /// The same as a function of its own.
    pub(crate) fn request_counter(&self) -> Box<dyn Fn() -> u32 + Send + Sync> {
        let adapter = Arc::clone(&self.adapter);
        Box::new(move || adapter.requests())
    }

    /// The provider's clock when it answered last, and ours when that answer came.
    pub(crate) fn server_date(&self) -> Option<(Timestamp, Now)> {
        self.adapter.server_date()
    }

    /// Ids of new calls and runs.
    pub(crate) fn ids(&self) -> &dyn Ids {
        &self.ids
    }

    /// The clock.
    pub(crate) fn clock(&self) -> SystemClock {
        self.clock
    }

    /// What the driver needs, where nothing is shared: the journal lives as long as the process. `limits` go before those
    /// of the settings.
    pub(crate) fn ports(&self, limits: Limits) -> Ports {
        let unshared = self.with(Arc::new(MemoryJournal::default()), Arc::new(Unlimited));
        paced(unshared, limits.or(self.limits))
    }

    /// What a driver needs that shares its numbers. `limits` go before those of the settings, and hold over all processes.
    pub(crate) fn shared_ports(&self, open: &OpenStore, limits: Limits) -> Ports {
        let limits = limits.or(self.limits);
        // A process without limits need not ask.
        let permits = if limits == Limits::default() { Arc::new(Unlimited) } else { open.permits(limits) };
        self.with(Arc::clone(&open.store) as Arc<dyn Journal>, permits)
    }

    fn with(&self, journal: Arc<dyn Journal>, permits: Arc<dyn Permits>) -> Ports {
        let provider: Arc<dyn Provider> = Arc::clone(&self.adapter) as Arc<dyn Provider>;
        Ports {
            provider,
            clock: Arc::new(self.clock),
            timer: Arc::new(TokioTimer::new(self.clock)),
            ids: Arc::new(self.ids),
            journal,
            permits,
        }
    }

    /// How numbers are used, where nothing is shared.
    pub(crate) fn line_policy(&self, limits: Limits) -> LinePolicy {
        let limits = limits.or(self.limits);
        LinePolicy { in_flight_total: limits.max_in_flight, live_max: limits.max_live, ..LinePolicy::default() }
    }

    /// How numbers are used that are shared, by a process whose calls ring so long at most. Whoever takes a number over
    /// must wait until nothing that was sent before can still take effect: at least as long as a dial may take.
    pub(crate) fn shared_policy(&self, ringing: RingingTimeout, limits: Limits) -> LinePolicy {
        let usual = self.line_policy(limits);
        let dial = ringing.duration().saturating_add(self.dial_margin);
        LinePolicy { lateness: self.lateness.unwrap_or(usual.lateness).max(dial), ..usual }
    }
}

/// The same ports with limits of how often they are used by this process alone.
pub(crate) fn paced(ports: Ports, limits: Limits) -> Ports {
    let (dials, requests) = (limits.dials_per_second, limits.requests_per_second);
    let paced = Paced::new(Arc::clone(&ports.clock), Arc::clone(&ports.timer), dials, requests);
    Ports { permits: Arc::new(paced), ..ports }
}

fn setup_failed(why: &SetupError) -> AppError {
    match why {
        SetupError::Insecure { host } => AppError::usage(
            "insecure_base_url",
            format!("the base URL is plain http to {host}, which would show the key to the network"),
        )
        .effect("nothing was sent")
        .hint("use https, or allow it with `PARTYLINE_ALLOW_HTTP=true` where the network is your own"),
        SetupError::Client { .. } | _ => AppError::unexpected(why.to_string()),
    }
}

/// The emulator of the provider, listening on this machine.
pub(crate) struct Emulation {
    running: RunningEmulator,
}

impl Emulation {
    /// Starts what the arguments describe.
    ///
    /// # Errors
    /// 2 for arguments that make no world, 1 where the address cannot be listened on.
    pub(crate) async fn start(args: &EmulateArgs) -> Result<Self, AppError> {
        if args.key.is_empty() || !args.key.chars().all(|c| c.is_ascii_graphic()) {
            let expected = "expected a key of visible ASCII characters without blanks";
            return Err(AppError::usage("usage", format!("`--key`: {expected}")));
        }
        let config = EmulatorConfig {
            agents: args.agents,
            numbers: args.numbers,
            provider: provider_kind(&args.provider)?,
            latency: args.latency,
            seed: args.seed,
            faults: args.faults.iter().map(|text| fault(text)).collect::<Result<_, _>>()?,
            key: Some(Key::new(&args.key)),
            list_lag: args.list_lag,
            ring: args.ring,
            ..EmulatorConfig::default()
        };
        Self::listen(config, args.host, args.port).await
    }

    async fn listen(config: EmulatorConfig, host: IpAddr, port: u16) -> Result<Self, AppError> {
        let emulator = Emulator::bind(config, (host, port)).await.map_err(|why| match why {
            EmulatorError::TooManyNumbers(_) => AppError::usage("usage", why.to_string()),
            EmulatorError::Listen(why) => AppError::unexpected(format!("cannot listen on {host}, port {port}: {why}"))
                .hint("choose another port with `--port`; 0 = any free one"),
            other => AppError::unexpected(other.to_string()),
        })?;
        Ok(Self { running: emulator.spawn() })
    }

    /// Where it is for clients on this machine, also where it listens on every address.
    pub(crate) fn base_url(&self) -> String {
        let url = self.running.url();
        url.replacen("//0.0.0.0:", "//127.0.0.1:", 1).replacen("//[::]:", "//[::1]:", 1)
    }

    /// Its agents, in the order in which they were made.
    pub(crate) fn agents(&self) -> Vec<AgentProfile> {
        let world = self.running.world().lock();
        world.agent_ids().iter().filter_map(|id| world.agent(id)).collect()
    }

    /// Its numbers, in the order in which they were made.
    pub(crate) fn numbers(&self) -> Vec<Number> {
        let world = self.running.world().lock();
        world.number_ids().iter().filter_map(|id| world.number(id)).collect()
    }

    /// Closes every connection.
    pub(crate) async fn stop(self) {
        self.running.shutdown().await;
    }
}

fn provider_kind(text: &str) -> Result<NumberProvider, AppError> {
    match text {
        "twilio" => Ok(NumberProvider::Twilio),
        "sip_trunk" | "sip-trunk" => Ok(NumberProvider::SipTrunk),
        "exotel" => Ok(NumberProvider::Exotel),
        _ => Err(AppError::usage("usage", "`--provider`: expected `twilio`, `sip_trunk` or `exotel`")),
    }
}

fn fault(text: &str) -> Result<FaultRule, AppError> {
    text.parse().map_err(|why| AppError::usage("usage", format!("`--fault`: {why}")))
}

/// An emulator in this process with three agents and one number, and settings that know nothing else.
pub(crate) struct Sandbox {
    emulation: Emulation,
}

impl Sandbox {
    /// Starts it on a free port of the loopback address.
    ///
    /// # Errors
    /// 1 where none can be listened on.
    pub(crate) async fn start() -> Result<Self, AppError> {
        let config = EmulatorConfig { key: Some(Key::new(SANDBOX_KEY)), ..EmulatorConfig::default() };
        Ok(Self { emulation: Emulation::listen(config, Ipv4Addr::LOCALHOST.into(), 0).await? })
    }

    /// The settings for a call in it.
    ///
    /// # Errors
    /// 1 where the emulator's world is not as it should be.
    pub(crate) fn settings(&self, settings: Settings) -> Result<Settings, AppError> {
        let agents = self.emulation.agents();
        let aliases = SANDBOX_ALIASES.iter().zip(&agents).map(|(alias, agent)| ((*alias).to_owned(), agent.id.clone()));
        let number = self.emulation.numbers().into_iter().next();
        let number = number.ok_or_else(|| AppError::unexpected("the sandbox has no number"))?;
        let number = NumberSettings { id: number.id, call: CallChoices::default() };
        let aliases: BTreeMap<_, _> = aliases.collect();
        Ok(settings.sandbox(self.emulation.base_url(), SecretString::from(SANDBOX_KEY), aliases, number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_menu_of_faults_is_true() {
        let (_, menu) = crate::cli::FAULTS.split_once("Operations: ").expect("its heading");
        let (operations, faults) = menu.split_once("Faults: ").expect("its heading");
        let words = |text: &str| text.split(',').map(|word| word.trim().to_owned()).collect::<Vec<_>>();
        let (operations, faults) = (words(operations), words(faults));
        let concrete = |name: &str| name.replace("<seconds>", "2").replace("<duration>", "2s");
        for operation in &operations {
            assert!(fault(&format!("{operation}:504-before")).is_ok(), "{operation}");
        }
        for name in &faults {
            let name = concrete(name);
            let possible = operations.iter().any(|operation| fault(&format!("{operation}:{name}:*")).is_ok());
            assert!(possible, "{name}");
        }
        let all = fault("dial:?").expect_err("no such fault").message;
        let (_, all) = all.split_once("there are ").expect("the adapter lists them");
        let mut all = words(all);
        let mut told = faults;
        all.sort();
        told.sort();
        assert_eq!(told, all, "the menu is whole");
    }
}
