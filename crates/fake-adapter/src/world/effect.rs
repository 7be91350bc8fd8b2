//! What requests do: the provider's rules.

use std::borrow::Cow;
use std::sync::Arc;

use partyline_domain::ports::{ConversationQuery, NumberProvider, PAGE_SIZE_MAX, Page, PageRequest};
use partyline_domain::{AgentId, CallerId, ConversationId, Now, PhoneNumber, PhoneNumberId};

use super::config::Mode;
use super::conversation::{ConversationRecord, ConversationView, Fate};
use super::failure::Failure;
use super::ledger::{DialEntry, LedgerDetail, Writer};
use super::request::{AssignOrder, Assignee, Body, DialOrder, Dialed, Request};
use super::{Event, World, identity};
use crate::faults::Fault;

/// The provider's page size where none is asked for (`elevenlabs-api.md` sections 1 and 4).
const PAGE_SIZE_DEFAULT: u16 = 30;
/// Counts from here on are never given to a conversation, so an id with one is a lie.
const COUNT_OF_LIES: u64 = 1 << 29;
const BUSY: &str = "INVITE failed: sip status: 486: Busy Here (SIP 486)";
const NOT_AUTHENTICATED: &str = "HTTP 401 error: Unable to create record: Authenticate";
const NOT_A_NUMBER: &str =
    "HTTP 400 error: Unable to create record: The phone number you are attempting to call is not valid.";
const NO_ANSWER: &str = "sip request timed out";
const INITIATED: &str = "Call initiated successfully";

impl World {
    pub(super) fn perform(
        &mut self,
        request: Request,
        fault: Option<Fault>,
        id: u64,
        at: Now,
    ) -> Result<Body, Failure> {
        match request {
            Request::Agents { page, archived } => self.list_agents(&page, archived).map(Body::Agents),
            Request::Agent { id, numbers } => self.read_agent(&id, numbers),
            Request::Summaries(ids) => {
                let known = ids.iter().filter_map(|id| Some((id.clone(), self.agent(id)?)));
                Ok(Body::Summaries(known.collect()))
            }
            Request::Numbers { provider, agent } => Ok(self.list_numbers(provider.as_deref(), agent.as_deref())),
            Request::Number(id) => self.number(&id).map(Body::Number).ok_or_else(|| no_number(&id)),
            Request::Assign(order) => self.assign(order, fault, id, at),
            Request::Dial(order) => self.dial(order, fault, id, at),
            Request::Conversations(query) => self.list_conversations(&query, at).map(Body::Conversations),
            Request::Conversation(id) => self.read_conversation(&id, at),
            Request::Rejected(_, failure) => Err(*failure),
        }
    }

    fn list_agents(
        &self,
        page: &PageRequest,
        archived: bool,
    ) -> Result<Page<partyline_domain::ports::AgentProfile>, Failure> {
        let size = page_size(page)?;
        let after = page.cursor.as_deref().map(cursor).transpose()?;
        let wanted = page.search.as_deref().map(str::to_lowercase);
        let matches = |name: &str| wanted.as_ref().is_none_or(|text| name.to_lowercase().contains(text.as_str()));
        let mut agents: Vec<_> = self.agents.iter().filter(|(_, agent)| agent.archived == archived).collect();
        agents.sort_by_key(|(_, agent)| agent.count);
        agents.retain(|(_, agent)| after.is_none_or(|after| agent.count > after) && matches(&agent.name));
        let more = agents.len() > size;
        agents.truncate(size);
        let next = agents.last().filter(|_| more).map(|(_, agent)| agent.count.to_string());
        Ok(Page { items: agents.into_iter().map(|(id, agent)| agent.profile(id)).collect(), next })
    }

    fn read_agent(&self, id: &AgentId, numbers: bool) -> Result<Body, Failure> {
        let profile = self.agent(id).ok_or_else(|| no_agent(id))?;
        let numbers = if numbers { self.numbers_where(|_, assigned| assigned == Some(id)) } else { Vec::new() };
        Ok(Body::Agent(profile, numbers))
    }

    fn list_numbers(&self, provider: Option<&str>, agent: Option<&str>) -> Body {
        Body::Numbers(self.numbers_where(|kind, assigned| {
            provider.is_none_or(|provider| kind.as_str() == provider)
                && agent.is_none_or(|agent| assigned.map(AgentId::as_str) == Some(agent))
        }))
    }

    fn numbers_where(
        &self,
        wanted: impl Fn(&NumberProvider, Option<&AgentId>) -> bool,
    ) -> Vec<partyline_domain::ports::Number> {
        let mut lines: Vec<_> =
            self.numbers.iter().filter(|(_, line)| wanted(&line.provider, line.assigned.as_ref())).collect();
        lines.sort_by_key(|(_, line)| line.count);
        lines.into_iter().map(|(id, line)| self.show(id, line)).collect()
    }

    fn assign(&mut self, order: AssignOrder, fault: Option<Fault>, id: u64, at: Now) -> Result<Body, Failure> {
        let AssignOrder { number, assignee, label, attempt } = order;
        let line = self.numbers.get_mut(&number).ok_or_else(|| no_number(&number))?;
        let after = match assignee {
            Assignee::Unchanged => line.assigned.clone(),
            Assignee::Nobody => None,
            Assignee::Agent(agent) if !self.agents.contains_key(&agent) => return Err(no_agent(&agent)),
            Assignee::Agent(_) if !line.inbound => {
                let message = "This phone number does not support inbound calls and cannot be assigned to an agent.";
                return Err(Failure::bad_request("bad_request", message));
            }
            Assignee::Agent(agent) => Some(agent),
        };
        if fault == Some(Fault::Lying) {
            let mut line = line.clone();
            line.assigned = after;
            return Ok(Body::Number(self.show(&number, &line)));
        }
        if fault != Some(Fault::Ignored) {
            if let Some(label) = label {
                line.label = label;
            }
            self.write(&number, after, Writer::Request(id, attempt), at);
        }
        self.number(&number).map(Body::Number).ok_or_else(|| no_number(&number))
    }

    fn dial(&mut self, order: DialOrder, fault: Option<Fault>, id: u64, at: Now) -> Result<Body, Failure> {
        self.check_dial(&order)?;
        if self.config.live_max.is_some_and(|max| self.active(at.monotonic).count() >= max) {
            return Err(Failure::rate_limited(None));
        }
        let route = order.route.clone();
        let Some(to) = order.to else {
            return Ok(self.refuse(order, NOT_A_NUMBER, at));
        };
        match fault {
            Some(Fault::Refused) => return Ok(self.refuse(order, NOT_AUTHENTICATED, at)),
            Some(Fault::Lying) => return Ok(self.lie(route, id)),
            _ => {}
        }
        let rung_in_vain = self.config.calls.ring > order.ringing_timeout;
        let fate = match fault {
            Some(Fault::RefusedWithConversation) => Fate::Failed { code: 486, reason: BUSY },
            _ if rung_in_vain => Fate::Unanswered { ringing_timeout: order.ringing_timeout },
            _ => Fate::Answered,
        };
        let refusal = match fault {
            Some(Fault::RefusedWithConversation) => Some(BUSY),
            _ => (rung_in_vain && route == NumberProvider::SipTrunk).then_some(NO_ANSWER),
        };
        let count = self.open(order, Some(to), fate, at);
        if self.config.bind_delay.is_zero() {
            self.bind(id, count, at);
        } else {
            let due = at.monotonic.after(self.config.bind_delay);
            self.schedule(due, Event::Bind { id, conversation: count });
        }
        let call_sid = Some(identity::call_sid(self.config.seed, &route, count as u64));
        let shown = fault != Some(Fault::NoConversationId);
        Ok(Body::Dialed(Dialed {
            route,
            success: refusal.is_none(),
            message: Cow::Borrowed(refusal.unwrap_or(INITIATED)),
            conversation: shown.then(|| self.conversations[count].id.clone()),
            call_sid,
        }))
    }

    fn check_dial(&self, order: &DialOrder) -> Result<(), Failure> {
        let agent = self.agents.get(&order.agent).ok_or_else(|| no_agent(&order.agent))?;
        let line = self.numbers.get(&order.number).ok_or_else(|| no_number(&order.number))?;
        if agent.archived {
            return Err(Failure::bad_request("bad_request", "The agent is archived."));
        }
        if line.provider != order.route {
            return Err(Failure::wrong_route());
        }
        if !line.outbound {
            return Err(Failure::bad_request("bad_request", "This phone number does not support outbound calls."));
        }
        Ok(())
    }

    /// Refuses a dial without a conversation in the answer; a failed record stays behind all the same.
    fn refuse(&mut self, order: DialOrder, reason: &'static str, at: Now) -> Body {
        let route = order.route.clone();
        self.open(order, None, Fate::Failed { code: 1011, reason }, at);
        let message = Cow::Borrowed(reason);
        Body::Dialed(Dialed { route, success: false, message, conversation: None, call_sid: None })
    }

    fn lie(&self, route: NumberProvider, id: u64) -> Body {
        let conversation = identity::conversation_id(self.config.seed, COUNT_OF_LIES + id);
        let call_sid = identity::call_sid(self.config.seed, &route, COUNT_OF_LIES + id);
        let (conversation, call_sid) = (Some(conversation), Some(call_sid));
        Body::Dialed(Dialed { route, success: true, message: Cow::Borrowed(INITIATED), conversation, call_sid })
    }

    /// Opens a conversation; the provider does so before it dials.
    pub(super) fn open(&mut self, order: DialOrder, to: Option<PhoneNumber>, fate: Fate, at: Now) -> usize {
        let count = self.conversations.len();
        let line = self.numbers.get(&order.number);
        let from = line.map_or_else(|| Arc::new(CallerId::new("")), |line| Arc::clone(&line.caller_id));
        self.conversations.push(ConversationRecord {
            count,
            id: identity::conversation_id(self.config.seed, count as u64),
            agent: order.agent,
            number: order.number,
            provider: order.route,
            from,
            to,
            attempt: order.attempt,
            client: order.client,
            started: at,
            fate,
        });
        count
    }

    /// Decides who speaks, and writes the dial down.
    pub(super) fn bind(&mut self, id: u64, conversation: usize, at: Now) {
        let record = &mut self.conversations[conversation];
        let line = self.numbers.get(&record.number);
        let assigned = line.filter(|line| line.inbound).and_then(|line| line.assigned.clone());
        let answered = match (self.config.mode, &assigned) {
            (Mode::Harsh, Some(assigned)) => assigned.clone(),
            (Mode::Harsh, None) | (Mode::RequestDecides, _) => record.agent.clone(),
        };
        let requested = std::mem::replace(&mut record.agent, answered.clone());
        if self.config.ledger < LedgerDetail::Effects {
            return;
        }
        self.ledger.dials.push(DialEntry {
            request: id,
            attempt: record.attempt.clone(),
            requested,
            assigned,
            answered,
            number: record.number.clone(),
            to: record.to.expect("a dial that is executed has a callee"),
            at,
            conversation: record.id.clone(),
        });
    }

    fn list_conversations(
        &self,
        query: &ConversationQuery,
        at: Now,
    ) -> Result<Page<partyline_domain::ports::ConversationSummary>, Failure> {
        let size = page_size(&query.page)?;
        let before = query.page.cursor.as_deref().map(cursor).transpose()?;
        let last = before.map_or(self.conversations.len(), |before| {
            usize::try_from(before).map_or(usize::MAX, |before| before.min(self.conversations.len()))
        });
        let visible =
            |record: &ConversationRecord| at.monotonic.since(record.started.monotonic) >= self.config.list_lag;
        let mut items = Vec::new();
        let mut next = None;
        for record in self.conversations[..last].iter().rev().filter(|record| visible(record)) {
            if !matches(record, query) {
                continue;
            }
            if items.len() == size {
                next = items.last().map(|(count, _): &(usize, _)| count.to_string());
                break;
            }
            items.push((record.count, record.summary(self.config.calls, at.monotonic)));
        }
        Ok(Page { items: items.into_iter().map(|(_, summary)| summary).collect(), next })
    }

    fn read_conversation(&self, id: &ConversationId, at: Now) -> Result<Body, Failure> {
        let count = identity::conversation_count(id).filter(|count| *count < self.conversations.len());
        let record = count.map(|count| &self.conversations[count]).filter(|record| record.id == *id);
        let record = record.ok_or_else(|| Failure::no_conversation(id))?;
        let status = record.status(self.config.calls, at.monotonic);
        let calls = self.config.calls;
        let rung =
            record.fate == Fate::Answered && at.monotonic.since(record.started.monotonic) >= calls.ring + calls.talk;
        let placed = record.to.is_some();
        let call_sid = identity::call_sid(self.config.seed, &record.provider, record.count as u64);
        Ok(Body::Conversation(Box::new(ConversationView {
            status,
            spoken: if rung { calls.talk } else { std::time::Duration::ZERO },
            call_sid: if placed { call_sid } else { String::new() },
            record: record.clone(),
        })))
    }
}

fn matches(record: &ConversationRecord, query: &ConversationQuery) -> bool {
    let started = record.started.wall.unix_seconds();
    query.started_after.is_none_or(|after| started >= after.unix_seconds())
        && query.started_before.is_none_or(|before| started <= before.unix_seconds())
        && query.agent.as_ref().is_none_or(|agent| *agent == record.agent)
        && query.user_id.as_ref().is_none_or(|user| record.user_id() == Some(user))
}

fn page_size(page: &PageRequest) -> Result<usize, Failure> {
    match page.size.unwrap_or(PAGE_SIZE_DEFAULT) {
        0 => Err(Failure::invalid(
            "query",
            "page_size",
            "greater_than_equal",
            "Input should be greater than or equal to 1",
        )),
        size if size > PAGE_SIZE_MAX => {
            Err(Failure::invalid("query", "page_size", "less_than_equal", "Input should be less than or equal to 100"))
        }
        size => Ok(usize::from(size)),
    }
}

fn cursor(text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| Failure::bad_request("invalid_cursor", "The cursor is not valid."))
}

fn no_agent(id: &AgentId) -> Failure {
    Failure::not_found("agent_not_found", id)
}

fn no_number(id: &PhoneNumberId) -> Failure {
    Failure::not_found("phone_number_not_found", id)
}
