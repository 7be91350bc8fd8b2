//! From a request's beginning over its effect to its answer.

use std::time::Duration;

use partyline_domain::ports::NumberProvider;
use partyline_domain::{Instant, Now};

use super::failure::{Failure, Form};
use super::flight::{Begun, Ticket};
use super::ledger::{LedgerDetail, RequestEntry, RequestOutcome};
use super::request::{Body, DialOrder, Dress, Operation, Reply, Request};
use super::{Event, World, identity};
use crate::faults::{FailStatus, Fault, When};

/// What a fault makes of the effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Usual,
    Never,
    Later(Duration),
}

impl World {
    /// A request arrives.
    pub fn begin(&mut self, request: Request, now: Now) -> Begun {
        self.advance(now);
        self.requests_made += 1;
        let id = self.requests_made;
        let operation = request.operation();
        let fault = self.config.faults.next(operation, id);
        let (until_effect, until_answer) = self.config.latency.of(operation, self.config.seed, id);
        let effect = fault.map_or(Effect::Usual, effect_of);
        let effect_at = match effect {
            Effect::Usual => Some(now.monotonic.after(until_effect)),
            Effect::Later(delay) => Some(now.monotonic.after(until_effect).after(delay)),
            Effect::Never => None,
        };
        let answer_at = answer_delay(fault, self.ringing(&request, fault))
            .map(|more| now.monotonic.after(until_answer).after(more));
        self.note_arrival(&request, id, fault, (now.monotonic, effect_at, answer_at));
        let at_once = answer_at == Some(now.monotonic);
        match effect {
            Effect::Usual if at_once => {
                self.schedule_second(&request, id, fault, now.monotonic);
                let reply = self.execute(request, fault, id, now);
                Begun::Answered(self.note_outcome(id, reply))
            }
            Effect::Usual => {
                self.schedule_second(&request, id, fault, now.monotonic.after(until_effect));
                self.schedule(now.monotonic.after(until_effect), Event::Execute { id, request, fault });
                self.flights.insert(id, None);
                self.advance(now);
                Begun::Waiting(Ticket { id, answer_at })
            }
            Effect::Never | Effect::Later(_) => {
                if let Some(at) = effect_at {
                    self.schedule(at, Event::ExecuteLate { id, request });
                }
                let reply = self.lost(fault, operation, id);
                let reply = self.note_outcome(id, reply);
                if at_once {
                    return Begun::Answered(reply);
                }
                self.flights.insert(id, Some(reply));
                Begun::Waiting(Ticket { id, answer_at })
            }
        }
    }

    /// The answer of a request that was begun.
    ///
    /// # Panics
    /// Where the answer is not due, or was claimed or given up before.
    pub fn answer(&mut self, id: u64, now: Now) -> Reply {
        self.advance(now);
        self.flights.remove(&id).flatten().expect("an answer is claimed once, when it is due")
    }

    /// Nobody waits for this answer any more. The effect happens all the same.
    pub fn abandon(&mut self, id: u64) {
        self.flights.remove(&id);
    }

    /// Everything that is due by `now` happens, in order.
    pub fn advance(&mut self, now: Now) {
        while let Some(entry) = self.events.first_entry() {
            let due = entry.key().0;
            if due > now.monotonic {
                break;
            }
            let event = entry.remove();
            let wall = now.wall.before(now.monotonic.since(due));
            self.happen(event, Now { monotonic: due, wall });
        }
    }

    fn happen(&mut self, event: Event, at: Now) {
        match event {
            Event::Execute { id, request, fault } => {
                let reply = self.execute(request, fault, id, at);
                let reply = self.note_outcome(id, reply);
                if let Some(waiting) = self.flights.get_mut(&id) {
                    *waiting = Some(reply);
                }
            }
            Event::ExecuteLate { id, request } => {
                self.execute(request, None, id, at);
            }
            Event::Bind { id, conversation } => self.bind(id, conversation, at),
        }
    }

    fn schedule_second(&mut self, request: &Request, id: u64, fault: Option<Fault>, first: Instant) {
        if let Some(Fault::Twice(delay)) = fault {
            self.schedule(first.after(delay), Event::ExecuteLate { id, request: request.clone() });
        }
    }

    pub(super) fn schedule(&mut self, at: Instant, event: Event) {
        self.events_made += 1;
        self.events.insert((at, self.events_made), event);
    }

    /// How long the SIP route waits for the callee.
    fn ringing(&self, request: &Request, fault: Option<Fault>) -> Duration {
        let Request::Dial(DialOrder { route: NumberProvider::SipTrunk, agent, number, ringing_timeout, .. }) = request
        else {
            return Duration::ZERO;
        };
        let line = self.numbers.get(number).filter(|line| line.provider == NumberProvider::SipTrunk);
        if line.is_some() && self.agents.contains_key(agent) && fault.is_none_or(rings) {
            self.config.calls.ring.min(*ringing_timeout)
        } else {
            Duration::ZERO
        }
    }

    /// Performs a request and puts its result into the form in which it arrives.
    fn execute(&mut self, request: Request, fault: Option<Fault>, id: u64, at: Now) -> Reply {
        let operation = request.operation();
        let result = self.perform(request, fault, id, at);
        match (fault, result) {
            (Some(Fault::Status(..) | Fault::Html(_) | Fault::Hang(_) | Fault::Reset(_)), _) => {
                self.lost(fault, operation, id)
            }
            (_, Err(failure)) => Reply::Failed(self.sign(failure, fault, id)),
            (Some(Fault::Garbage), Ok(_)) => Reply::Garbage,
            (Some(Fault::Half), Ok(body)) => Reply::Half(body),
            (Some(Fault::UnknownEnum), Ok(body)) => Reply::Good(strange(body), Dress::Strange),
            (Some(Fault::MissingOptional), Ok(body)) => Reply::Good(sparse(body), Dress::Sparse),
            (Some(Fault::PageMissing | Fault::PageShuffled | Fault::Untagged), Ok(body)) => {
                Reply::Good(misshown(body, fault == Some(Fault::PageMissing)), Dress::Usual)
            }
            (_, Ok(body)) => Reply::Good(body, Dress::Usual),
        }
    }

    /// The answer of a request that went wrong whatever it was to do.
    fn lost(&self, fault: Option<Fault>, operation: Operation, id: u64) -> Reply {
        let failure = match fault {
            Some(Fault::Status(status, _)) => Failure::with_status(status),
            Some(Fault::RateLimited { retry_after }) => Failure::rate_limited(retry_after),
            Some(Fault::RateLimitedText) => Failure::rate_limited(None).in_form(Form::Text),
            Some(Fault::Html(_)) => Failure::html(),
            Some(Fault::Denied(denial)) => Failure::denied(denial, operation),
            Some(Fault::Late(_)) => Failure::with_status(FailStatus::GatewayTimeout),
            Some(Fault::Reset(_)) => return Reply::Reset,
            Some(Fault::Hang(_) | Fault::HangLate(_)) => return Reply::Silence,
            Some(
                Fault::Half
                | Fault::Garbage
                | Fault::Refused
                | Fault::RefusedWithConversation
                | Fault::NoConversationId
                | Fault::Ignored
                | Fault::Lying
                | Fault::UnknownEnum
                | Fault::MissingOptional
                | Fault::Legacy
                | Fault::PageMissing
                | Fault::PageShuffled
                | Fault::Untagged
                | Fault::Twice(_)
                | Fault::Slow(_),
            )
            | None => unreachable!("only a fault that takes the place of the answer is asked for one"),
        };
        Reply::Failed(self.sign(failure, fault, id))
    }

    /// Puts a failure into the envelope that is wanted and gives it a request id.
    fn sign(&self, failure: Failure, fault: Option<Fault>, id: u64) -> Failure {
        let legacy = self.config.legacy_errors || fault == Some(Fault::Legacy);
        let form = if legacy && failure.form == Form::Envelope { Form::Legacy } else { failure.form };
        let request_id = (form == Form::Envelope).then(|| identity::request_id(self.config.seed, id).into_boxed_str());
        Failure { form, request_id, ..failure }
    }

    fn note_arrival(
        &mut self,
        request: &Request,
        id: u64,
        fault: Option<Fault>,
        (arrived_at, effect_at, answer_at): (Instant, Option<Instant>, Option<Instant>),
    ) {
        if self.config.ledger < LedgerDetail::Everything {
            return;
        }
        let (operation, route, attempt) = (request.operation(), request.route(), request.attempt().cloned());
        let outcome = RequestOutcome::Open;
        let entry = RequestEntry { id, operation, route, attempt, fault, arrived_at, effect_at, answer_at, outcome };
        self.ledger.requests.push(entry);
    }

    fn note_outcome(&mut self, id: u64, reply: Reply) -> Reply {
        if let Ok(index) = self.ledger.requests.binary_search_by_key(&id, |entry| entry.id) {
            self.ledger.requests[index].outcome = match &reply {
                Reply::Good(..) => RequestOutcome::Status(200),
                Reply::Failed(failure) => RequestOutcome::Status(failure.status),
                Reply::Garbage => RequestOutcome::Garbage,
                Reply::Half(_) => RequestOutcome::Half,
                Reply::Reset => RequestOutcome::Reset,
                Reply::Silence => RequestOutcome::Silence,
            };
        }
        reply
    }
}

fn effect_of(fault: Fault) -> Effect {
    match fault {
        Fault::Status(_, When::Before)
        | Fault::Html(When::Before)
        | Fault::Hang(When::Before)
        | Fault::Reset(When::Before)
        | Fault::RateLimited { .. }
        | Fault::RateLimitedText
        | Fault::Denied(_) => Effect::Never,
        Fault::Late(delay) | Fault::HangLate(delay) => Effect::Later(delay),
        Fault::Status(_, When::After)
        | Fault::Html(When::After)
        | Fault::Hang(When::After)
        | Fault::Reset(When::After)
        | Fault::Half
        | Fault::Garbage
        | Fault::Refused
        | Fault::RefusedWithConversation
        | Fault::NoConversationId
        | Fault::Ignored
        | Fault::Lying
        | Fault::UnknownEnum
        | Fault::MissingOptional
        | Fault::Legacy
        | Fault::PageMissing
        | Fault::PageShuffled
        | Fault::Untagged
        | Fault::Twice(_)
        | Fault::Slow(_) => Effect::Usual,
    }
}

/// How much later than usual a request is answered; `None` = never.
fn answer_delay(fault: Option<Fault>, ringing: Duration) -> Option<Duration> {
    match fault {
        Some(Fault::Hang(_) | Fault::HangLate(_)) => None,
        Some(Fault::Slow(delay)) => Some(delay + ringing),
        _ => Some(ringing),
    }
}

/// Whether a dial with this fault is answered only when the callee answers.
fn rings(fault: Fault) -> bool {
    match fault {
        Fault::Half
        | Fault::Garbage
        | Fault::RefusedWithConversation
        | Fault::NoConversationId
        | Fault::UnknownEnum
        | Fault::MissingOptional
        | Fault::Legacy
        | Fault::Twice(_)
        | Fault::Slow(_) => true,
        Fault::Status(..)
        | Fault::RateLimited { .. }
        | Fault::RateLimitedText
        | Fault::Html(_)
        | Fault::Denied(_)
        | Fault::Hang(_)
        | Fault::Reset(_)
        | Fault::Refused
        | Fault::Ignored
        | Fault::Lying
        | Fault::PageMissing
        | Fault::PageShuffled
        | Fault::Untagged
        | Fault::Late(_)
        | Fault::HangLate(_) => false,
    }
}

/// Conversations not as they are: a page without its items or with them in the wrong order, a record without our tag.
fn misshown(mut body: Body, nothing: bool) -> Body {
    match &mut body {
        Body::Conversations(page) if nothing => (page.items, page.next) = (Vec::new(), None),
        Body::Conversations(page) => page.items.reverse(),
        Body::Conversation(view) => view.record.attempt = None,
        Body::Agents(_)
        | Body::Agent(..)
        | Body::Summaries(_)
        | Body::Numbers(_)
        | Body::Number(_)
        | Body::Dialed(_) => {}
    }
    body
}

/// Words that no client knows, where a body has words of a fixed set.
fn strange(mut body: Body) -> Body {
    use partyline_domain::ports::ConversationStatus;
    let provider = || NumberProvider::Other(String::from("carrier_pigeon"));
    let status = || ConversationStatus::Other(String::from("daydreaming"));
    match &mut body {
        Body::Number(number) => number.provider = provider(),
        Body::Numbers(numbers) | Body::Agent(_, numbers) => {
            for number in numbers {
                number.provider = provider();
            }
        }
        Body::Conversation(view) => view.status = status(),
        Body::Conversations(page) => {
            for summary in &mut page.items {
                summary.status = status();
            }
        }
        Body::Agents(_) | Body::Summaries(_) | Body::Dialed(_) => {}
    }
    body
}

/// What a client must assume of fields that are not sent.
fn sparse(mut body: Body) -> Body {
    match &mut body {
        Body::Number(number) => (number.inbound, number.outbound) = (true, true),
        Body::Numbers(numbers) | Body::Agent(_, numbers) => {
            for number in numbers {
                (number.inbound, number.outbound) = (true, true);
            }
        }
        Body::Dialed(dialed) => dialed.call_sid = None,
        Body::Agents(_) | Body::Summaries(_) | Body::Conversation(_) | Body::Conversations(_) => {}
    }
    body
}
