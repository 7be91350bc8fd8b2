//! From what a person writes to ids: agents by alias, id or name; numbers by alias, E.164, id, or the only one.
//!
//! Aliases and number ids need no request: the core verifies them anyway. As soon as one side must ask the
//! provider, the other side is read at the same time, and the core is given both. Where any of several numbers may be
//! used they are listed, so that the core knows which of them has the agent already.

use std::ops::RangeInclusive;

use partyline_domain::flow::Stage;
use partyline_domain::ports::{AgentProfile, Clock as _, Number, NumberProvider, PAGE_SIZE_MAX, PageRequest, Provider};
use partyline_domain::{
    AgentId, FailureKind, InvalidPhoneNumber, Known, NumberChoice, PhoneNumber, PhoneNumberId, ProviderError,
};

use crate::errors::AppError;
use crate::exit::Exit;
use crate::settings::Settings;
use crate::system::SystemClock;
use crate::text::shortened;

/// How many agents an error lists at most.
const LISTED_MAX: usize = 100;
/// How many pages of agents are read at most; a provider that never ends its list must not hold us for ever.
const PAGES_MAX: usize = 200;
/// How many digits an E.164 number may have, with or without its country code.
const NUMBER_DIGITS: RangeInclusive<usize> = 7..=15;
/// Below this likeness a suggestion would only confuse.
const LIKENESS_MIN: f64 = 0.7;

/// What is to be called, and what was read on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) agent: AgentId,
    pub(crate) numbers: NumberChoice,
    pub(crate) known: Known,
}

/// Finds agents and numbers at one provider.
pub(crate) struct Resolver<'a> {
    pub(crate) provider: &'a dyn Provider,
    pub(crate) settings: &'a Settings,
    pub(crate) host: &'a str,
    pub(crate) clock: SystemClock,
}

/// What is known of a number before anybody is asked.
pub(crate) enum NumberPlan {
    /// Any of these, which are known by their ids.
    Any(NumberChoice),
    /// The one that is spelled so.
    Spelled(PhoneNumber),
    /// The only one of the account.
    Only,
}

impl NumberPlan {
    /// Whether the account's numbers must be listed to know which it is, or which of several is best.
    pub(crate) fn needs_list(&self) -> bool {
        match self {
            Self::Any(numbers) => numbers.only().is_none(),
            Self::Spelled(_) | Self::Only => true,
        }
    }
}

impl Resolver<'_> {
    /// Finds agent and number, side by side where the provider must be asked.
    ///
    /// # Errors
    /// 3 for an unknown agent, 2 for an ambiguous agent or number, 4 for an unknown number, and whatever a
    /// failed request leads to.
    pub(crate) async fn both(&self, agent: &str, number: Option<&str>) -> Result<Resolved, AppError> {
        let alias = self.settings.agents.get(agent);
        let plan = self.plan(number)?;
        // Which of several numbers has the agent already is worth knowing before the core chooses.
        if let (Some(agent), NumberPlan::Any(numbers)) = (alias, &plan)
            && numbers.only().is_some()
        {
            return Ok(Resolved { agent: agent.clone(), numbers: numbers.clone(), known: Known::default() });
        }
        let sent = self.clock.now().monotonic;
        let (profile, found) = tokio::join!(self.agent(agent), self.numbers_of_plan(&plan));
        let (profile, (numbers, read)) = (profile?, found?);
        Ok(Resolved { agent: profile.id.clone(), numbers, known: Known { agents: vec![profile], numbers: read, sent } })
    }

    /// Finds and reads agent and number, side by side. Of several numbers it is the one that has the agent, else the
    /// first that can place calls.
    ///
    /// # Errors
    /// As [`Resolver::both`].
    pub(crate) async fn both_read(
        &self,
        agent: &str,
        number: Option<&str>,
    ) -> Result<(AgentProfile, Number), AppError> {
        let plan = self.plan(number)?;
        let (profile, found) = tokio::join!(self.agent(agent), self.numbers_of_plan(&plan));
        let (profile, (numbers, mut read)) = (profile?, found?);
        let fit = |number: &Number| (!can_dial(number), number.assigned_id() != Some(&profile.id));
        read.sort_by(|a, b| fit(a).cmp(&fit(b)).then_with(|| a.id.cmp(&b.id)));
        let text = numbers.iter().next().map_or("", PhoneNumberId::as_str);
        let number = read.into_iter().next().ok_or_else(|| self.unknown_number(text, &[]))?;
        Ok((profile, number))
    }

    /// Finds an agent and reads it.
    ///
    /// # Errors
    /// As [`Resolver::both`].
    pub(crate) async fn agent(&self, text: &str) -> Result<AgentProfile, AppError> {
        let failed = |error| self.failed(Stage::Verify, "could not look the agent up", &error);
        let alias = self.settings.agents.get(text);
        // A name may hold blanks, an id never does.
        if let Some(id) = alias.cloned().or_else(|| AgentId::parse(text).ok()) {
            match self.provider.agent(&id).await {
                Ok(Some(profile)) => return Ok(profile),
                Ok(None) => {}
                // A name is no id, and the provider may say so in either way.
                Err(error) if alias.is_none() && error.kind() == FailureKind::Invalid => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let all = all_agents(self.provider).await.map_err(failed)?;
        let wanted = text.to_lowercase();
        let named: Vec<&AgentProfile> = all.iter().filter(|agent| agent.name.to_lowercase() == wanted).collect();
        match named.as_slice() {
            [only] if alias.is_none() => Ok((*only).clone()),
            [_, _, ..] => Err(AppError::usage(
                "agent_ambiguous",
                format!("{} agents are named \"{}\"", named.len(), shortened(text)),
            )
            .effect("nothing was dialled")
            .details(named.iter().map(|agent| agent_line(agent)))
            .hint("name the agent by its id, or give it an alias in the settings file")
            .stage(Stage::Verify)),
            [_] | [] => Err(self.unknown_agent(text, Ok(&all))),
        }
    }

    /// The error for an agent that does not exist: what there is, nearest first, or why that is not known.
    pub(crate) fn unknown_agent(&self, text: &str, all: Result<&[AgentProfile], &str>) -> AppError {
        let shown = shortened(text);
        let message = match self.settings.agents.get(text) {
            Some(id) => format!("no agent \"{shown}\": the provider knows no agent {id}, for which this alias stands"),
            None => format!("no agent \"{shown}\": it is no alias, no agent id and no agent's name"),
        };
        let mut error = AppError::new(Exit::NotVerified, "agent_not_found", message)
            .stage(Stage::Verify)
            .effect("nothing was dialled");
        let mut aliases: Vec<_> = self.settings.agents.iter().collect();
        aliases.sort_by(|a, b| likeness(text, b.0).total_cmp(&likeness(text, a.0)).then(a.0.cmp(b.0)));
        if !aliases.is_empty() {
            error = error.detail("configured aliases:");
            error = error.details(aliases.iter().map(|(alias, id)| format!("  {alias} = {id}")));
        }
        let ranked = ranked(text, all.unwrap_or_default());
        error = match all {
            Err(why) => error.detail(format!("the list of agents could not be read: {why}")),
            Ok([]) => error.detail("the account has no agents"),
            Ok(_) => error.detail("available agents:"),
        };
        error = error.details(ranked.iter().take(LISTED_MAX).map(|agent| agent_line(agent)));
        if ranked.len() > LISTED_MAX {
            error = error.detail(format!("  and {} more: see `partyline agents`", ranked.len() - LISTED_MAX));
        }
        let names =
            aliases.iter().map(|(alias, _)| alias.as_str()).chain(ranked.iter().map(|agent| agent.name.as_str()));
        match nearest(text, names.filter(|name| *name != text)) {
            Some(name) => error.hint(format!("did you mean \"{name}\"?")),
            None => error.hint("name the agent by an alias, by its exact id, or by its name"),
        }
    }

    /// The error for an agent that the core did not find: reads what there is first.
    pub(crate) async fn unknown_agent_listed(&self, text: &str) -> AppError {
        match all_agents(self.provider).await {
            Ok(all) => self.unknown_agent(text, Ok(&all)),
            Err(error) => self.unknown_agent(text, Err(error.detail())),
        }
    }

    /// Finds a number that is named, and reads it.
    ///
    /// # Errors
    /// As [`Resolver::both`].
    pub(crate) async fn number(&self, text: &str) -> Result<Number, AppError> {
        let (numbers, read) = self.numbers_of_plan(&self.plan(Some(text))?).await?;
        let unknown = || self.unknown_number(numbers.iter().next().map_or("", PhoneNumberId::as_str), &[]);
        read.into_iter().next().ok_or_else(unknown)
    }

    /// The error for a number that does not exist: what there is.
    pub(crate) fn unknown_number(&self, text: &str, all: &[Number]) -> AppError {
        AppError::new(
            Exit::NotAssigned,
            "number_not_found",
            format!("no phone number {} in this account", shortened(text)),
        )
        .stage(Stage::Assign)
        .effect("nothing was dialled")
        .details(self.number_lines(all))
        .hint("a number that is deleted and imported again has a new id: see `partyline numbers`")
    }

    /// The error for a number that the core did not find: reads what there is first.
    pub(crate) async fn unknown_number_listed(&self, text: &str) -> AppError {
        let all = self.provider.numbers().await.unwrap_or_default();
        self.unknown_number(text, &all)
    }

    /// All numbers of the account.
    ///
    /// # Errors
    /// Whatever a failed request leads to.
    pub(crate) async fn numbers(&self) -> Result<Vec<Number>, AppError> {
        let failed = |error| self.failed(Stage::Assign, "could not look the number up", &error);
        self.provider.numbers().await.map_err(failed)
    }

    /// As [`plan_number`].
    ///
    /// # Errors
    /// 2 for a text that can be no number.
    pub(crate) fn plan(&self, number: Option<&str>) -> Result<NumberPlan, AppError> {
        plan_number(self.settings, number)
    }

    /// The numbers that are meant, where `all` are those of the account.
    ///
    /// # Errors
    /// 4 for an unknown number, 2 for an ambiguous one, or where there is none.
    pub(crate) fn pick(&self, plan: &NumberPlan, all: &[Number]) -> Result<NumberChoice, AppError> {
        let (fit, told): (Vec<&Number>, _) = match plan {
            NumberPlan::Any(numbers) => return Ok(numbers.clone()),
            NumberPlan::Spelled(wanted) => {
                let is_wanted = |number: &&Number| number.caller_id.is(wanted) == Some(true);
                (all.iter().filter(is_wanted).collect(), format!("are {wanted}"))
            }
            NumberPlan::Only => (all.iter().filter(|number| can_dial(number)).collect(), "can place calls".to_owned()),
        };
        match (fit.as_slice(), plan) {
            ([only], _) => Ok(NumberChoice::one(only.id.clone())),
            ([], NumberPlan::Spelled(wanted)) => Err(self.unknown_number(&wanted.to_string(), all)),
            ([], NumberPlan::Any(_) | NumberPlan::Only) => Err(self.no_number(all)),
            (several, _) => Err(self
                .several_numbers(format!("{} numbers of this account {told}", several.len()), several.iter().copied())),
        }
    }

    /// The numbers that are meant, and what was read of them.
    async fn numbers_of_plan(&self, plan: &NumberPlan) -> Result<(NumberChoice, Vec<Number>), AppError> {
        let failed = |error| self.failed(Stage::Assign, "could not look the number up", &error);
        if let NumberPlan::Any(numbers) = plan
            && let Some(id) = numbers.only()
        {
            return match self.provider.number(id).await.map_err(failed)? {
                Some(number) => Ok((numbers.clone(), vec![number])),
                None => Err(self.unknown_number_listed(id.as_str()).await),
            };
        }
        let all = self.numbers().await?;
        let numbers = self.pick(plan, &all)?;
        let read: Vec<Number> = all.iter().filter(|number| numbers.contains(&number.id)).cloned().collect();
        match numbers.iter().find(|_| read.is_empty()) {
            Some(id) => Err(self.unknown_number(id.as_str(), &all)),
            None => Ok((numbers, read)),
        }
    }

    fn several_numbers<'n>(&self, message: String, numbers: impl Iterator<Item = &'n Number>) -> AppError {
        AppError::usage("number_ambiguous", message)
            .stage(Stage::Assign)
            .effect("nothing was dialled")
            .details(numbers.map(|number| self.number_line(number)))
            .hint("choose one with `--number <ID>`, or give it an alias in the settings file")
    }

    fn no_number(&self, all: &[Number]) -> AppError {
        let message = if all.is_empty() {
            "the account has no phone number"
        } else {
            "no number of this account can place calls"
        };
        AppError::usage("no_number", message)
            .stage(Stage::Assign)
            .effect("nothing was dialled")
            .details(self.number_lines(all))
            .hint("import a Twilio, SIP trunk or Exotel number in the provider's dashboard")
    }

    fn number_lines(&self, numbers: &[Number]) -> Vec<String> {
        let heading = (!numbers.is_empty()).then(|| "available numbers:".to_owned());
        heading.into_iter().chain(numbers.iter().map(|number| self.number_line(number))).collect()
    }

    fn number_line(&self, number: &Number) -> String {
        let alias = self.settings.numbers.iter().find(|(_, known)| known.id == number.id);
        let alias = alias.map(|(alias, _)| format!(" = {alias}")).unwrap_or_default();
        let unfit = if can_dial(number) { "" } else { ", cannot place calls" };
        format!("  {}  {}  {} ({}{unfit}){alias}", number.id, number.caller_id, number.label, number.provider.as_str())
    }

    /// The error for a request that failed while something was looked up.
    pub(crate) fn failed(&self, stage: Stage, doing: &str, error: &ProviderError) -> AppError {
        AppError::provider(stage, doing, error, self.host).effect("nothing was dialled")
    }
}

/// What is known of a number that is named, or of those that may be used where none is, without asking.
///
/// # Errors
/// 2 for a text that can be no number.
pub(crate) fn plan_number(settings: &Settings, number: Option<&str>) -> Result<NumberPlan, AppError> {
    let configured = &settings.numbers;
    let Some(text) = number.or(settings.number.as_deref()) else {
        let any = NumberChoice::any_of(configured.values().map(|number| number.id.clone()));
        return Ok(any.map_or(NumberPlan::Only, NumberPlan::Any));
    };
    let one = |id: PhoneNumberId| NumberPlan::Any(NumberChoice::one(id));
    if let Some(number) = configured.get(text) {
        return Ok(one(number.id.clone()));
    }
    // The text is not repeated: it may be a phone number with a slip in it.
    let wrong = |message: String| {
        AppError::usage("bad_number", message)
            .effect("nothing was dialled")
            .hint("see the numbers with `partyline numbers`")
    };
    match spelled(text) {
        Some(Ok(number)) => Ok(NumberPlan::Spelled(number)),
        Some(Err(why)) => Err(wrong(why.to_string())),
        None => PhoneNumberId::parse(text)
            .map(one)
            .map_err(|why| wrong(format!("the number is no alias, no phone number and no id: {why}"))),
    }
}

/// The phone number that a text is, or is meant to be; `None` for what can only be an id.
fn spelled(text: &str) -> Option<Result<PhoneNumber, InvalidPhoneNumber>> {
    let parsed = PhoneNumber::parse(text);
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let is_meant = text.starts_with('+')
        || text.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("tel:"))
        || (NUMBER_DIGITS.contains(&digits) && !text.contains(|c: char| c.is_alphabetic() || c == '_'));
    (parsed.is_ok() || is_meant).then_some(parsed)
}

/// Whether this version can place a call from a number.
pub(crate) fn can_dial(number: &Number) -> bool {
    number.outbound && !matches!(number.provider, NumberProvider::Other(_))
}

/// All agents that are not archived.
///
/// # Errors
/// Whatever a page fails with.
pub(crate) async fn all_agents(provider: &dyn Provider) -> Result<Vec<AgentProfile>, ProviderError> {
    let mut all = Vec::new();
    let mut page = PageRequest { size: Some(PAGE_SIZE_MAX), cursor: None, search: None };
    for _ in 0..PAGES_MAX {
        let read = provider.agents(&page).await?;
        all.extend(read.items);
        if read.next.is_none() || read.next == page.cursor {
            break;
        }
        page.cursor = read.next;
    }
    Ok(all)
}

/// The candidate that is most like `text`, where one is like enough.
pub(crate) fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.into_iter().map(|candidate| (likeness(text, candidate), candidate));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(score, _)| *score >= LIKENESS_MIN).map(|(_, candidate)| candidate)
}

/// Agents by how much their name or id is like `text`; ties by name.
fn ranked<'a>(text: &str, agents: &'a [AgentProfile]) -> Vec<&'a AgentProfile> {
    let score = |agent: &AgentProfile| likeness(text, &agent.name).max(likeness(text, agent.id.as_str()));
    let mut ranked: Vec<&AgentProfile> = agents.iter().collect();
    ranked
        .sort_by(|a, b| score(b).total_cmp(&score(a)).then_with(|| a.name.cmp(&b.name)).then_with(|| a.id.cmp(&b.id)));
    ranked
}

/// From 0 (nothing in common) to 1 (the same but for case).
fn likeness(a: &str, b: &str) -> f64 {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let part = a.chars().count() >= 3 && (b.contains(&a) || a.contains(&b)) && !b.is_empty();
    let whole = strsim::jaro_winkler(&a, &b);
    if part { whole.max(0.9) } else { whole }
}

fn agent_line(agent: &AgentProfile) -> String {
    format!("  {}  {}", agent.id, agent.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(id: &str, name: &str) -> AgentProfile {
        AgentProfile { id: AgentId::parse(id).expect("valid"), name: name.to_owned(), archived: false }
    }

    #[test]
    fn the_nearest_name_comes_first() {
        let agents = [agent("agent_1", "Hotel"), agent("agent_2", "Hairdresser"), agent("agent_3", "Restaurant")];
        for (text, first) in
            [("restaurnt", "Restaurant"), ("HOTEL", "Hotel"), ("hair", "Hairdresser"), ("agent_2", "Hairdresser")]
        {
            assert_eq!(ranked(text, &agents)[0].name, first, "{text}");
        }
    }

    #[test]
    fn equally_unlike_names_are_in_alphabetical_order() {
        let agents = [agent("agent_1", "ccc"), agent("agent_2", "aaa"), agent("agent_3", "bbb")];
        let names: Vec<&str> = ranked("zzz", &agents).iter().map(|agent| agent.name.as_str()).collect();
        assert_eq!(names, ["aaa", "bbb", "ccc"]);
    }

    #[test]
    fn nothing_is_suggested_for_nonsense() {
        assert_eq!(nearest("xqzw", ["agents", "numbers", "call"]), None);
        assert_eq!(nearest("agent", ["agents", "numbers", "call"]), Some("agents"));
        assert_eq!(nearest("", ["agents"]), None);
    }

    #[test]
    fn digits_are_meant_to_be_a_phone_number() {
        for text in ["2025550100", "202-555-0100", "(202) 555 0100", "5550100", "+1x", "tel:555", "+1(0)2025550100"] {
            assert!(spelled(text).is_some_and(|parsed| parsed.is_err()), "{text}");
        }
        assert!(spelled("+12025550100").is_some_and(|parsed| parsed.is_ok()));
        for text in ["phnum_2025550100", "555010", "1234567890123456", "2025550100x", "main"] {
            assert!(spelled(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_cannot_dial_is_known() {
        let number = Number {
            id: PhoneNumberId::parse("phnum_1").expect("valid"),
            caller_id: partyline_domain::CallerId::new("+12025550100"),
            label: String::new(),
            provider: NumberProvider::Twilio,
            assigned: None,
            inbound: true,
            outbound: true,
        };
        assert!(can_dial(&number));
        assert!(!can_dial(&Number { outbound: false, ..number.clone() }));
        assert!(!can_dial(&Number { provider: NumberProvider::Other("carrier_pigeon".into()), ..number }));
    }
}
