//! One call's events in their order, whoever drives it: this process, whose dispatcher tells them, or another one, which
//! writes them into the store.

use std::time::Duration;

use partyline_domain::flow::{CallEvent, CallState};
use partyline_domain::ports::{Followed, Recorded};
use partyline_domain::{AttemptId, CallId, CallReport, CallRequest, Notice, Timestamp};

/// What is known of a call.
#[derive(Debug)]
pub(crate) struct Story {
    id: CallId,
    events: Vec<Recorded>,
    /// This process drives it.
    here: bool,
    /// Something was told here that the events before are missing of.
    behind: bool,
    /// How it ended, once it has.
    report: Option<CallReport>,
}

impl Story {
    /// Of a call that has not begun.
    pub(crate) fn of(id: CallId) -> Self {
        Self { id, events: Vec::new(), here: false, behind: false, report: None }
    }

    /// The call.
    pub(crate) fn id(&self) -> &CallId {
        &self.id
    }

    /// How many of its events are known.
    pub(crate) fn version(&self) -> u64 {
        self.events.last().map_or(0, |last| last.version)
    }

    /// Whether this process drives it.
    pub(crate) fn is_here(&self) -> bool {
        self.here
    }

    /// Whether the store knows more of it than was told here.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind
    }

    /// How it ended, once it has.
    pub(crate) fn report(&self) -> Option<&CallReport> {
        self.report.as_ref()
    }

    /// Takes what this process's dispatcher tells of the call; whether that is news.
    pub(crate) fn told(&mut self, notice: &Notice) -> bool {
        match notice {
            Notice::Recorded { recorded, .. } => {
                self.here = true;
                let next = self.version() + 1;
                self.behind |= recorded.version > next;
                if self.behind || recorded.version < next {
                    return false;
                }
                self.events.push(recorded.clone());
                true
            }
            Notice::Completed(report) => {
                let news = self.report.is_none();
                self.report.get_or_insert_with(|| (**report).clone());
                news
            }
            Notice::HandedBack { .. } => {
                self.here = false;
                false
            }
            Notice::VerificationStarted { .. }
            | Notice::AssignmentStarted { .. }
            | Notice::DialAnswered { .. }
            | Notice::AssignRetryScheduled { .. }
            | Notice::RetryScheduled { .. }
            | Notice::LookedUp { .. }
            | Notice::RecordUnread { .. }
            | Notice::NumberQuarantined { .. }
            | Notice::Audited { .. } => {
                self.here = true;
                self.report.is_none()
            }
            Notice::SurveyFailed { .. }
            | Notice::OutsideChange { .. }
            | Notice::NumberStopped { .. }
            | Notice::NumberTrusted { .. }
            | Notice::DiallingStopped { .. }
            | Notice::BreakerOpened { .. }
            | Notice::BreakerClosed { .. }
            | Notice::RestoreDelayed { .. }
            | Notice::InboundRestored { .. }
            | Notice::NumberTaken { .. }
            | Notice::NumberReleased { .. }
            | Notice::NumberLost { .. }
            | Notice::HistoryUnreadable
            | Notice::StoreTrouble { .. }
            | Notice::StoreBack
            | Notice::StoreWentBack { .. }
            | _ => false,
        }
    }

    /// Takes what the store says of the call; the events among it that are news.
    pub(crate) fn stored(&mut self, followed: Followed) -> Vec<Notice> {
        let mut news = Vec::new();
        for recorded in followed.events {
            if recorded.version == self.version() + 1 {
                self.events.push(recorded.clone());
                news.push(Notice::Recorded { call: self.id.clone(), recorded });
            }
        }
        self.behind = false;
        if followed.closed && self.report.is_none() {
            self.report = report_of(&self.events);
        }
        news
    }

    /// How it is left by somebody who waits for it no longer: a dial that is open counts as unknown.
    pub(crate) fn left(&self, why: &str) -> Option<CallReport> {
        let mut events = self.events.clone();
        if let Some(attempt) = open_dial(&events) {
            let version = self.version() + 1;
            let at = events.last().map_or_else(Timestamp::default, |last| last.at);
            let doubted = events.iter().any(|recorded| is_doubt_of(&recorded.event, &attempt));
            if !doubted {
                let cause = partyline_domain::flow::DoubtCause::Interrupted;
                let event = CallEvent::DialDoubted { attempt: attempt.clone(), cause, detail: why.to_owned() };
                events.push(Recorded { version, at, event });
            }
            let event = CallEvent::LookUpsEnded { attempt, detail: why.to_owned() };
            events.push(Recorded { version: version + u64::from(!doubted), at, event });
        }
        report_of(&events)
    }
}

/// The dial that is open after these events.
fn open_dial(events: &[Recorded]) -> Option<AttemptId> {
    let state = CallState::fold(events.iter().map(|recorded| &recorded.event)).ok()?;
    match state {
        CallState::Assigned(assigned) => match assigned.dial() {
            partyline_domain::flow::Dial::Sent(attempt) | partyline_domain::flow::Dial::InDoubt(attempt, _) => {
                Some(attempt.clone())
            }
            partyline_domain::flow::Dial::NotSent => None,
        },
        CallState::Requested(_) | CallState::Verified(_) | CallState::Initiated(_) | CallState::Failed(_) => None,
    }
}

fn is_doubt_of(event: &CallEvent, attempt: &AttemptId) -> bool {
    matches!(event, CallEvent::DialDoubted { attempt: doubted, .. } if doubted == attempt)
}

/// What a call's events come to, where another process placed it: what its number looks like is not known here. `None`
/// where they make no sense.
pub(crate) fn report_of(events: &[Recorded]) -> Option<CallReport> {
    let request = request_of(events)?.clone();
    let state = CallState::fold(events.iter().map(|recorded| &recorded.event)).ok()?;
    let mut agent_name = None;
    let mut from = request.numbers.only().cloned();
    let mut assignment = None;
    let mut ended = None;
    for recorded in events {
        match &recorded.event {
            CallEvent::AgentVerified { agent_name: name, .. } => agent_name = Some(name.clone()),
            CallEvent::NumberAssigned { number, outcome, .. } => {
                (from, assignment) = (Some(number.clone()), Some(*outcome));
            }
            CallEvent::ProofRead { .. } => {}
            CallEvent::CallRequested { .. }
            | CallEvent::VerificationFailed { .. }
            | CallEvent::AssignmentFailed { .. }
            | CallEvent::DialIntended { .. }
            | CallEvent::DialNotExecuted { .. }
            | CallEvent::DialRefused { .. }
            | CallEvent::DialFailed { .. }
            | CallEvent::DialDoubted { .. }
            | CallEvent::CallInitiated { .. }
            | CallEvent::DialGivenUp { .. }
            | CallEvent::LookUpsEnded { .. }
            | CallEvent::CallWithdrawn { .. }
            | _ => ended = Some(recorded.at),
        }
    }
    let began = events.first().map(|first| first.at.since_unix()).unwrap_or_default();
    let elapsed = ended.map_or(Duration::ZERO, |at| at.since_unix().saturating_sub(began));
    Some(CallReport { request, state, agent_name, from, number: None, assignment, restore: None, elapsed })
}

/// What was asked for.
pub(crate) fn request_of(events: &[Recorded]) -> Option<&CallRequest> {
    if let CallEvent::CallRequested { request } = &events.first()?.event { Some(request) } else { None }
}

/// The call that a notice is about.
pub(crate) fn call_of(notice: &Notice) -> Option<&CallId> {
    match notice {
        Notice::Recorded { call, .. }
        | Notice::VerificationStarted { call, .. }
        | Notice::AssignmentStarted { call, .. }
        | Notice::DialAnswered { call, .. }
        | Notice::AssignRetryScheduled { call, .. }
        | Notice::RetryScheduled { call, .. }
        | Notice::LookedUp { call, .. }
        | Notice::RecordUnread { call, .. }
        | Notice::NumberQuarantined { call, .. }
        | Notice::Audited { call, .. }
        | Notice::HandedBack { call } => Some(call),
        Notice::Completed(report) => Some(&report.request.id),
        Notice::SurveyFailed { .. }
        | Notice::OutsideChange { .. }
        | Notice::NumberStopped { .. }
        | Notice::NumberTrusted { .. }
        | Notice::DiallingStopped { .. }
        | Notice::BreakerOpened { .. }
        | Notice::BreakerClosed { .. }
        | Notice::RestoreDelayed { .. }
        | Notice::InboundRestored { .. }
        | Notice::NumberTaken { .. }
        | Notice::NumberReleased { .. }
        | Notice::NumberLost { .. }
        | Notice::HistoryUnreadable
        | Notice::StoreTrouble { .. }
        | Notice::StoreBack
        | Notice::StoreWentBack { .. }
        | _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use partyline_domain::flow::{AssignmentOutcome, Dialed, Evidence, FoundBy, Proof};
    use partyline_domain::{AgentId, ConversationId, NumberChoice, PhoneNumber, PhoneNumberId, Priority};

    use super::*;

    fn number() -> PhoneNumberId {
        PhoneNumberId::parse("phnum_1").expect("valid")
    }

    fn attempt() -> AttemptId {
        AttemptId::of_call(&CallId::parse("call_1").expect("valid"), 1)
    }

    fn history() -> Vec<Recorded> {
        let request = CallRequest {
            id: CallId::parse("call_1").expect("valid"),
            agent: AgentId::parse("agent_1").expect("valid"),
            numbers: NumberChoice::any_of([number(), PhoneNumberId::parse("phnum_2").expect("valid")]).expect("two"),
            to: PhoneNumber::parse("+12025550123").expect("valid"),
            priority: Priority::Normal,
            expires_at: None,
            options: Arc::default(),
            policies: Arc::default(),
        };
        let events = [
            CallEvent::CallRequested { request },
            CallEvent::AgentVerified { agent_name: "Hotel".to_owned(), evidence: Evidence::Fresh },
            CallEvent::NumberAssigned {
                number: number(),
                outcome: AssignmentOutcome::Assigned,
                evidence: Evidence::Fresh,
            },
            CallEvent::DialIntended { attempt: attempt() },
            CallEvent::CallInitiated {
                attempt: attempt(),
                conversation: ConversationId::parse("conv_1").expect("valid"),
                provider_call_id: None,
                found_by: FoundBy::Answer,
            },
            CallEvent::ProofRead { proof: Proof::Matches { complete: true } },
        ];
        let recorded = |(index, event)| {
            let version = index as u64 + 1;
            Recorded { version, at: Timestamp::from_unix(Duration::from_secs(version)), event }
        };
        events.into_iter().enumerate().map(recorded).collect()
    }

    fn story() -> Story {
        Story::of(CallId::parse("call_1").expect("valid"))
    }

    fn local(recorded: &Recorded) -> Notice {
        Notice::Recorded { call: story().id, recorded: recorded.clone() }
    }

    fn followed(events: &[Recorded], closed: bool) -> Followed {
        Followed { call: story().id, events: events.to_vec(), closed }
    }

    #[test]
    fn events_come_once_and_in_order_from_either_side() {
        let (mut story, events) = (story(), history());
        assert_eq!(story.stored(followed(&events[..2], false)).len(), 2);
        assert!(!story.told(&local(&events[1])), "known");
        assert!(story.told(&local(&events[2])));
        assert!(!story.told(&local(&events[4])), "one is missing");
        assert!(story.is_behind() && story.is_here());
        let news = story.stored(followed(&events[2..5], false));
        assert_eq!(news, [local(&events[3]), local(&events[4])]);
        assert!(!story.is_behind() && story.report().is_none());
    }

    #[test]
    fn a_call_that_ended_elsewhere_is_reported_from_its_events() {
        let (mut story, events) = (story(), history());
        story.stored(followed(&events, true));
        let report = story.report().expect("closed");
        assert_eq!(report.agent_name.as_deref(), Some("Hotel"));
        assert_eq!((report.from.as_ref(), report.assignment), (Some(&number()), Some(AssignmentOutcome::Assigned)));
        assert_eq!(report.elapsed, Duration::from_secs(4), "the proof aside");
        assert_eq!(report.proof(), Some(&Proof::Matches { complete: true }));
    }

    #[test]
    fn an_open_dial_that_is_left_is_unknown() {
        let (mut story, events) = (story(), history());
        story.stored(followed(&events[..4], false));
        let report = story.left("left").expect("it makes sense");
        assert_eq!(report.state.dialed(), Dialed::Unknown);
        assert!(report.state.is_terminal());
        assert_eq!(story.version(), 4, "nothing is made up for good");
    }

    #[test]
    fn what_makes_no_sense_has_no_report() {
        assert_eq!(report_of(&[]), None);
        assert_eq!(report_of(&history()[1..]), None);
    }
}
