//! `partyline doctor`: whether everything that a call needs is there, a line each with the remedy.

use std::collections::BTreeMap;
use std::time::Duration;

use partyline_domain::flow::Stage;
use partyline_domain::ports::{
    AgentProfile, ConversationQuery, Number, NumberProvider, PAGE_SIZE_MAX, PageRequest, Provider,
};
use partyline_domain::{AgentId, FailureKind, Now, ProviderError, Timestamp};
use serde::Serialize;

use crate::compose::World;
use crate::errors::{AppError, remedy};
use crate::exit::Exit;
use crate::printer::{Mark, Printer, seconds};
use crate::settings::Settings;
use crate::system::SystemClock;

/// The provider's date has whole seconds and has been under way; a clock that is further off is wrong.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);
const CLOCK_ADVICE: &str = "set the clock by NTP: a wrong clock hides conversations from look-ups by time";

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
    examine_conversations(provider, findings).await;
    findings.add(Mark::Note, "permissions", "convai_write is not checked: only a write would show it", None);
    examine_clock(world.server_date(), findings);
}

/// Host and key, from the outcome of a read. `false` where nothing more can be learned.
fn reached(error: Option<&ProviderError>, world: &World, findings: &mut Findings) -> bool {
    let host = world.host();
    let Some(error) = error else {
        findings.ok("host", format!("{host} answers like the provider"));
        findings.ok("key", "is accepted");
        return true;
    };
    let advice = remedy(error.kind(), error.detail(), host).map(str::to_owned);
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
    let advice = remedy(error.kind(), error.detail(), world.host()).map(str::to_owned);
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

/// Only look-ups and proof read conversations, so calls can be placed without.
async fn examine_conversations(provider: &dyn Provider, findings: &mut Findings) {
    let page = PageRequest { size: Some(1), ..PageRequest::default() };
    let query = ConversationQuery { page, ..ConversationQuery::default() };
    match provider.conversations(&query).await {
        Ok(_) => findings.ok("conversations", "can be read"),
        Err(error) => findings.warn(
            "conversations",
            format!("cannot be read: {}", error.detail()),
            "looking up a dial in doubt needs to read conversations: check the key's permissions",
        ),
    }
}

/// Our wall clock against the provider's, as its last answer shows it.
fn examine_clock(dates: Option<(Timestamp, Now)>, findings: &mut Findings) {
    let Some((theirs, ours)) = dates else {
        findings.warn("clock", "not compared: the provider's answers carry no date", CLOCK_ADVICE);
        return;
    };
    let (theirs, ours) = (theirs.unix_seconds(), ours.wall.unix_seconds());
    let skew = Duration::from_secs(ours.abs_diff(theirs));
    if skew <= CLOCK_TOLERANCE {
        findings.ok("clock", format!("within {} s of the provider's", CLOCK_TOLERANCE.as_secs()));
    } else {
        let direction = if ours < theirs { "behind" } else { "ahead of" };
        findings.warn("clock", format!("this machine is {} {direction} the provider", seconds(skew)), CLOCK_ADVICE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(theirs: u64, ours: u64) -> Check {
        let at = |unix| Timestamp::from_unix(Duration::from_secs(unix));
        let mut findings = Findings::default();
        examine_clock(Some((at(theirs), Now { wall: at(ours), ..Now::default() })), &mut findings);
        findings.checks.remove(0)
    }

    #[test]
    fn five_seconds_are_no_matter() {
        for (theirs, ours) in [(1000, 1000), (1000, 1005), (1005, 1000)] {
            assert_eq!(clock(theirs, ours).mark, Mark::Ok, "{theirs} {ours}");
        }
        assert_eq!(clock(1006, 1000).text, "this machine is 6.0 s behind the provider");
        assert_eq!(clock(1000, 1090).text, "this machine is 90 s ahead of the provider");
        assert_eq!(clock(1000, 1090).mark, Mark::Warn);
    }

    #[test]
    fn without_a_date_nothing_is_claimed() {
        let mut findings = Findings::default();
        examine_clock(None, &mut findings);
        assert_eq!(findings.checks[0].mark, Mark::Warn);
        assert_eq!(findings.failed, None);
    }
}
