//! From what a person writes to ids: agents by alias, id or name; numbers by alias, E.164, id, or the only one.
//!
//! Aliases and number ids need no request: the core verifies them anyway. As soon as one side must ask the
//! provider, the other side is read at the same time, and the core is given both.

use std::ops::RangeInclusive;

use partyline_domain::flow::Stage;
use partyline_domain::ports::{AgentProfile, Clock as _, Number, NumberProvider, PAGE_SIZE_MAX, PageRequest, Provider};
use partyline_domain::{AgentId, FailureKind, InvalidPhoneNumber, Known, PhoneNumber, PhoneNumberId, ProviderError};

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
    pub(crate) number: PhoneNumberId,
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
enum NumberPlan {
    Id(PhoneNumberId),
    Spelled(PhoneNumber),
    Only,
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
        if let (Some(agent), NumberPlan::Id(number)) = (alias, &plan) {
            return Ok(Resolved { agent: agent.clone(), number: number.clone(), known: Known::default() });
        }
        let sent = self.clock.now().monotonic;
        let (profile, number) = tokio::join!(self.agent(agent), self.number_of_plan(plan));
        let (profile, number) = (profile?, number?);
        Ok(Resolved {
            agent: profile.id.clone(),
            number: number.id.clone(),
            known: Known { agents: vec![profile], numbers: vec![number], sent },
        })
    }

    /// Finds and reads agent and number, side by side.
    ///
    /// # Errors
    /// As [`Resolver::both`].
    pub(crate) async fn both_read(
        &self,
        agent: &str,
        number: Option<&str>,
    ) -> Result<(AgentProfile, Number), AppError> {
        let plan = self.plan(number)?;
        let (profile, number) = tokio::join!(self.agent(agent), self.number_of_plan(plan));
        Ok((profile?, number?))
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
        self.number_of_plan(self.plan(Some(text))?).await
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

    fn plan(&self, number: Option<&str>) -> Result<NumberPlan, AppError> {
        let numbers = &self.settings.numbers;
        let Some(text) = number.or(self.settings.number.as_deref()) else {
            return match numbers.len() {
                0 => Ok(NumberPlan::Only),
                1 => Ok(numbers.values().next().map_or(NumberPlan::Only, |number| NumberPlan::Id(number.id.clone()))),
                count => {
                    let lines = numbers.iter().map(|(alias, number)| format!("  {alias} = {}", number.id));
                    Err(AppError::usage("number_ambiguous", format!("{count} numbers are configured"))
                        .effect("nothing was dialled")
                        .details(lines)
                        .hint("choose one with `--number <ALIAS>`, or set `number = \"...\"` in `[call]`"))
                }
            };
        };
        if let Some(number) = numbers.get(text) {
            return Ok(NumberPlan::Id(number.id.clone()));
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
                .map(NumberPlan::Id)
                .map_err(|why| wrong(format!("the number is no alias, no phone number and no id: {why}"))),
        }
    }

    async fn number_of_plan(&self, plan: NumberPlan) -> Result<Number, AppError> {
        let failed = |error| self.failed(Stage::Assign, "could not look the number up", &error);
        match plan {
            NumberPlan::Id(id) => match self.provider.number(&id).await.map_err(failed)? {
                Some(number) => Ok(number),
                None => Err(self.unknown_number_listed(id.as_str()).await),
            },
            NumberPlan::Spelled(wanted) => {
                let all = self.provider.numbers().await.map_err(failed)?;
                let same: Vec<&Number> =
                    all.iter().filter(|number| number.caller_id.is(&wanted) == Some(true)).collect();
                match same.as_slice() {
                    [only] => Ok((*only).clone()),
                    [] => Err(self.unknown_number(&wanted.to_string(), &all)),
                    several => Err(self.several_numbers(
                        format!("{} numbers of this account are {wanted}", several.len()),
                        several.iter().copied(),
                    )),
                }
            }
            NumberPlan::Only => {
                let all = self.provider.numbers().await.map_err(failed)?;
                let usable: Vec<&Number> = all.iter().filter(|number| can_dial(number)).collect();
                match usable.as_slice() {
                    [only] => Ok((*only).clone()),
                    [] => Err(self.no_number(&all)),
                    several => Err(self.several_numbers(
                        format!("{} numbers of this account can place calls", several.len()),
                        several.iter().copied(),
                    )),
                }
            }
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

    fn failed(&self, stage: Stage, doing: &str, error: &ProviderError) -> AppError {
        AppError::provider(stage, doing, error, self.host).effect("nothing was dialled")
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
