//! `partyline doctor`: whether everything that a call needs is there, a line each with the remedy.

use std::collections::BTreeMap;
use std::time::Duration;

use partyline_domain::flow::Stage;
use partyline_domain::ports::{
    AgentProfile, Clock as _, ConversationQuery, Number, NumberProvider, PAGE_SIZE_MAX, PageRequest, Provider,
};
use partyline_domain::{AgentId, FailureKind, ProviderError};
use serde::Serialize;

use crate::compose::World;
use crate::errors::{AppError, remedy};
use crate::exit::Exit;
use crate::printer::{Mark, Printer, seconds};
use crate::settings::Settings;
use crate::system::SystemClock;

/// A conversation may seem to begin this much in the future before the clock is called wrong.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(30);

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Check {
    mark: Mark,
    subject: String,
    text: String,
    remedy: Option<String>,
}

/// All lines so far, and how the first that failed lets the process end.
#[derive(Default)]
struct Findings {
    checks: Vec<Check>,
    failed: Option<Exit>,
}

impl Findings {
    fn add(&mut self, mark: Mark, subject: impl Into<String>, text: impl Into<String>, remedy: Option<String>) {
        self.checks.push(Check { mark, subject: subject.into(), text: text.into(), remedy });
    }

    fn ok(&mut self, subject: impl Into<String>, text: impl Into<String>) {
        self.add(Mark::Ok, subject, text, None);
    }

    fn warn(&mut self, subject: impl Into<String>, text: impl Into<String>, remedy: impl Into<String>) {
        self.add(Mark::Warn, subject, text, Some(remedy.into()));
    }

    fn fail(&mut self, exit: Exit, subject: impl Into<String>, text: impl Into<String>, remedy: Option<String>) {
        self.add(Mark::Fail, subject, text, remedy);
        self.failed.get_or_insert(exit);
    }
}

/// Checks everything that can be checked without changing anything.
pub(crate) async fn run(settings: Result<Settings, AppError>, printer: &Printer, clock: SystemClock) -> Exit {
    let mut findings = Findings::default();
    match settings {
        Ok(settings) => examine(&settings, clock, &mut findings).await,
        Err(error) => findings.fail(error.exit, "settings", error.message, error.hints.first().cloned()),
    }
    if printer.is_json() {
        printer.object(&findings.checks);
    } else {
        for check in &findings.checks {
            printer.check(check.mark, &check.subject, &check.text, check.remedy.as_deref());
        }
    }
    findings.failed.unwrap_or(Exit::Success)
}

async fn examine(settings: &Settings, clock: SystemClock, findings: &mut Findings) {
    match &settings.file {
        Some(path) => findings.ok("settings", format!("read from {}", path.display())),
        None => findings.ok("settings", "no settings file; environment and defaults only"),
    }
    for name in &settings.unknown_variables {
        findings.warn("environment", format!("{name} is set, but no such variable is known"), "see `partyline --help`");
    }
    let world = match World::connect(settings, clock) {
        Ok(world) => world,
        Err(error) => {
            let subject = if error.reason.contains("api_key") { "key" } else { "host" };
            let remedy = error.hints.first().cloned();
            findings.fail(error.exit, subject, error.message, remedy);
            return;
        }
    };
    findings.ok("key", "`ELEVENLABS_API_KEY` is set");
    let provider = world.provider();
    let first_page = PageRequest { size: Some(1), ..PageRequest::default() };
    let (agents, numbers) = tokio::join!(provider.agents(&first_page), provider.numbers());
    if !reached(agents.as_ref().err(), &world, findings) {
        return;
    }
    match agents {
        Ok(_) => findings.ok("agents", "can be read"),
        Err(error) => denied("agents", "cannot be read", &error, &world, findings),
    }
    match &numbers {
        Ok(all) => findings.ok("numbers", format!("can be read: {} in the account", all.len())),
        Err(error) => denied("numbers", "cannot be read", error, &world, findings),
    }
    examine_agents(settings, provider, &world, findings).await;
    if let Ok(numbers) = &numbers {
        examine_numbers(settings, numbers, findings);
    }
    examine_clock(provider, clock, findings).await;
}

/// Host and key, from the outcome of a read. `false` where nothing more can be learned.
fn reached(error: Option<&ProviderError>, world: &World, findings: &mut Findings) -> bool {
    let host = world.host();
    let Some(error) = error else {
        findings.ok("host", format!("{host} answers like the provider"));
        findings.ok("key", "is accepted");
        return true;
    };
    let advice = remedy(error.kind(), host).map(str::to_owned);
    match error.kind() {
        FailureKind::Unauthorized => {
            findings.ok("host", format!("{host} answers like the provider"));
            findings.fail(Exit::Unauthorized, "key", error.detail(), advice);
            false
        }
        FailureKind::MissingPermission => {
            findings.ok("host", format!("{host} answers like the provider"));
            findings.ok("key", "is accepted");
            true
        }
        FailureKind::NotBuilt
        | FailureKind::TooLate
        | FailureKind::Unreachable
        | FailureKind::TimedOut
        | FailureKind::Interrupted
        | FailureKind::Unreadable
        | FailureKind::Redirected
        | FailureKind::QuotaExceeded
        | FailureKind::Forbidden
        | FailureKind::NotFound
        | FailureKind::Invalid
        | FailureKind::RateLimited
        | FailureKind::Conflict
        | FailureKind::Unavailable
        | FailureKind::Unexpected
        | _ => {
            findings.fail(Exit::NotVerified, "host", format!("{host}: {}", error.detail()), advice);
            false
        }
    }
}

fn denied(subject: &str, text: &str, error: &ProviderError, world: &World, findings: &mut Findings) {
    let advice = remedy(error.kind(), world.host()).map(str::to_owned);
    let exit = Exit::of_provider(Stage::Verify, error.kind());
    findings.fail(exit, subject, format!("{text}: {}", error.detail()), advice);
}

async fn examine_agents(settings: &Settings, provider: &dyn Provider, world: &World, findings: &mut Findings) {
    if settings.agents.is_empty() {
        findings.warn(
            "agent aliases",
            "none are configured",
            "add `[agents]` with lines such as `restaurant = \"agent_...\"` to the settings file",
        );
        return;
    }
    match read_agents(settings, provider).await {
        Ok(found) => {
            for (alias, id) in &settings.agents {
                examine_agent(alias, id, found.get(id), findings);
            }
        }
        Err(error) => denied("agent aliases", "could not be looked up", &error, world, findings),
    }
}

async fn read_agents(
    settings: &Settings,
    provider: &dyn Provider,
) -> Result<BTreeMap<AgentId, AgentProfile>, ProviderError> {
    let ids: Vec<AgentId> = settings.agents.values().cloned().collect();
    let mut found = BTreeMap::new();
    for some in ids.chunks(usize::from(PAGE_SIZE_MAX)) {
        found.extend(provider.summaries(some).await?);
    }
    Ok(found)
}

fn examine_agent(alias: &str, id: &AgentId, found: Option<&AgentProfile>, findings: &mut Findings) {
    let subject = format!("agent {alias}");
    match found {
        Some(profile) if profile.archived => findings.fail(
            Exit::Usage,
            subject,
            format!("{} ({id}) is archived and takes no calls", profile.name),
            Some("take it out of the archive, or change the alias in the settings file".to_owned()),
        ),
        Some(profile) => findings.ok(subject, format!("is {} ({id})", profile.name)),
        None => findings.fail(
            Exit::Usage,
            subject,
            format!("the provider knows no agent {id}"),
            Some("correct the alias in the settings file; the ids are in `partyline agents`".to_owned()),
        ),
    }
}

fn examine_numbers(settings: &Settings, numbers: &[Number], findings: &mut Findings) {
    for (alias, configured) in &settings.numbers {
        let subject = format!("number {alias}");
        match numbers.iter().find(|number| number.id == configured.id) {
            Some(number) => findings.ok(subject, describe(number)),
            None => findings.fail(
                Exit::Usage,
                subject,
                format!("the provider knows no phone number {}", configured.id),
                Some("a number that was imported again has a new id: see `partyline numbers`".to_owned()),
            ),
        }
    }
    if numbers.is_empty() {
        findings.fail(
            Exit::Usage,
            "numbers",
            "the account has none, so no call can be placed",
            Some("import a Twilio, SIP trunk or Exotel number in the provider's dashboard".to_owned()),
        );
    }
    for number in numbers {
        let subject = format!("number {}", number.id);
        if let NumberProvider::Other(kind) = &number.provider {
            let text = format!("is of the kind {kind}, which this version cannot dial from");
            findings.warn(subject, text, "use a number of the kinds twilio, sip_trunk or exotel, or a newer version");
        } else if !number.outbound {
            findings.warn(subject, "is inbound only: no call can be placed from it", "use another number to call from");
        } else if !number.inbound {
            let text = "is outbound-only (a verified caller id): it cannot be assigned, so the assign step is skipped";
            findings.warn(subject, text, "nothing to do, unless callees are to reach the agent by calling back");
        }
    }
}

fn describe(number: &Number) -> String {
    let answered_by = number.assigned.as_ref().map_or("nobody", |agent| agent.name.as_str());
    format!("is {} ({}), answered by {answered_by}", number.caller_id.expose(), number.provider.as_str())
}

/// Our wall clock against the newest conversation: a clock that is slow sees it begin in the future, and then
/// look-ups by time would miss calls. A fast clock cannot be told this way.
async fn examine_clock(provider: &dyn Provider, clock: SystemClock, findings: &mut Findings) {
    let page = PageRequest { size: Some(1), ..PageRequest::default() };
    let query = ConversationQuery { page, ..ConversationQuery::default() };
    let newest = match provider.conversations(&query).await {
        Ok(page) => page.items.into_iter().next(),
        Err(error) => {
            let text = format!("not compared: conversations cannot be read: {}", error.detail());
            findings.warn(
                "clock",
                text,
                "looking up a dial in doubt needs to read conversations: check the key's permissions",
            );
            return;
        }
    };
    let now = clock.now().wall;
    match newest {
        None => findings.warn(
            "clock",
            "not compared: the account has no conversation to compare it with",
            "make sure that the clock is set by NTP: look-ups by time depend on it",
        ),
        Some(newest) if newest.started_at > now.after(CLOCK_TOLERANCE) => {
            let ahead = Duration::from_secs(newest.started_at.unix_seconds().saturating_sub(now.unix_seconds()));
            let text = format!("this machine is at least {} behind the provider", seconds(ahead));
            findings.warn("clock", text, "set the clock by NTP: look-ups by time could miss calls");
        }
        Some(_) => findings.ok("clock", "not behind the provider's newest conversation"),
    }
}
