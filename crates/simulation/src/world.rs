//! The provider, harsh and fast: whoever is assigned at the instant at which a dial is executed is who speaks,
//! and the last writer of an assignment wins. It counts what it is asked and keeps the truth of every call.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::checks::{Checker, Violation};
use crate::random::{Draw, Kind};
use crate::recorder::Recorder;
use crate::scenario::{Delay, Latency, Scenario};
use crate::time::{NEVER, nanoseconds};
use crate::workload::Workload;

/// The index of an agent outside the workload, on which every number begins.
pub(crate) const OUTSIDE: u32 = u32::MAX;

/// The most conversations, or agents, on a page.
const PAGE: usize = 100;

/// What is about to happen.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// An assignment takes effect.
    Assign { number: u32, agent: u32 },
    /// Somebody outside changes a number.
    Meddle,
    /// A dial is executed.
    Execute { call: u32, number: u32 },
    /// A read sees the numbers as they are.
    Look(u32),
    /// A survey sees the conversations there are.
    Survey(u32),
    /// A conversation is over.
    End(u32),
    /// A request is answered.
    Answer(Answer),
}

/// An answer that comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// What a read saw is in `World::seen`.
    Read(u32),
    /// The agents that were asked about are known to whoever asked.
    Verified(u32),
    /// The number has the agent.
    Assigned { number: u32, agent: u32 },
    /// The dial was accepted.
    Dialled { call: u32 },
    /// What a survey found is in `World::surveys`.
    Surveyed(u32),
}

/// What happens next to whoever dispatches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occurrence {
    /// A call is submitted.
    Arrival(u32),
    /// A request is answered.
    Answer(Answer),
    /// A conversation is over.
    Ended(u32),
    /// The time has come that was asked for.
    Alarm,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: u64,
    order: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// The heap gives the greatest first, which is to be the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// How many requests there were of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    pub(crate) list: u64,
    pub(crate) verify: u64,
    pub(crate) assign: u64,
    pub(crate) dial: u64,
    /// Reads of numbers that had been read.
    pub(crate) reread: u64,
    /// Pages of the list of conversations.
    pub(crate) survey: u64,
}

/// The truth of every call; index = call.
#[derive(Clone, Debug)]
pub(crate) struct Truth {
    /// When its first dial was sent.
    pub(crate) sent: Vec<u64>,
    /// When its first dial was executed.
    pub(crate) executed: Vec<u64>,
    /// When its first dial was answered.
    pub(crate) answered: Vec<u64>,
    /// How many dials of it were executed.
    pub(crate) executions: Vec<u8>,
    /// Whether another agent than its own spoke.
    pub(crate) misrouted: Vec<bool>,
    /// When an alarm named it.
    pub(crate) flagged: Vec<u64>,
}

/// A conversation of the provider's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Talk {
    pub(crate) at: u64,
    pub(crate) call: u32,
    /// Who really spoke.
    pub(crate) agent: u32,
}

/// What a survey found: conversations `from..to` of the list, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    after: u64,
    /// The list is read no further when all of these were seen.
    wanted: Vec<u32>,
    /// How long the first page still takes when it has been made.
    rest: u64,
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// The provider and everything it knows.
pub(crate) struct World<'a> {
    pub(crate) now: u64,
    pub(crate) workload: &'a Workload,
    latency: Latency,
    draw: Draw,
    heap: BinaryHeap<Entry>,
    order: u64,
    arrived: usize,
    /// Who answers each number.
    pub(crate) assigned: Vec<u32>,
    pub(crate) requests: Requests,
    pub(crate) truth: Truth,
    /// How many slots under the cap are taken.
    pub(crate) live: u32,
    cap: Option<u32>,
    /// Which conversations are over; empty where that is not followed.
    over: Vec<bool>,
    /// Which numbers have been read.
    read: Vec<bool>,
    /// What each read saw; in order of use.
    pub(crate) seen: Vec<Vec<(u32, u32)>>,
    pub(crate) talks: Vec<Talk>,
    pub(crate) surveys: Vec<Survey>,
    /// Where each call is in the list; [`usize::MAX`]: nowhere.
    listed: Vec<usize>,
    outsider: Option<u64>,
    meddled: u64,
    /// How many changes by somebody outside took a number from an agent.
    pub(crate) harmful: u64,
    pub(crate) checker: Option<Checker>,
    pub(crate) recorder: Option<Recorder>,
}

impl<'a> World<'a> {
    /// The world at the beginning of a run. `assigned` says who answers the numbers.
    pub(crate) fn new(scenario: &Scenario, workload: &'a Workload, draw: Draw, assigned: Vec<u32>) -> Self {
        let calls = workload.arrivals.len();
        let truth = Truth {
            sent: vec![NEVER; calls],
            executed: vec![NEVER; calls],
            answered: vec![NEVER; calls],
            executions: vec![0; calls],
            misrouted: vec![false; calls],
            flagged: vec![NEVER; calls],
        };
        let mut world = Self {
            now: 0,
            workload,
            latency: scenario.network.latency,
            draw,
            heap: BinaryHeap::new(),
            order: 0,
            arrived: 0,
            read: vec![false; assigned.len()],
            assigned,
            requests: Requests::default(),
            truth,
            live: 0,
            cap: scenario.cap.map(|cap| cap.live),
            over: vec![false; if scenario.cap.is_some() { calls } else { 0 }],
            seen: Vec::new(),
            talks: Vec::with_capacity(calls),
            surveys: Vec::new(),
            listed: vec![usize::MAX; calls],
            outsider: scenario.outsider_s.map(nanoseconds),
            meddled: 0,
            harmful: 0,
            checker: None,
            recorder: None,
        };
        world.plan_meddling();
        world
    }

    /// Whether another call may be live.
    pub(crate) fn has_free_slot(&self) -> bool {
        self.cap.is_none_or(|cap| self.live < cap)
    }

    /// Whether a call's conversation is over. Where there is no cap nobody stays on the line.
    pub(crate) fn is_over(&self, call: u32) -> bool {
        self.over.get(call as usize).copied().unwrap_or(true)
    }

    /// Lets time pass until something happens that a dispatcher sees, or until `alarm`. `None`: nothing ever will.
    pub(crate) fn next(&mut self, alarm: Option<u64>) -> Option<Occurrence> {
        loop {
            let event_at = self.heap.peek().map(|entry| entry.at);
            let arrival_at = self.workload.arrivals.get(self.arrived).copied();
            let happens = [event_at, arrival_at].into_iter().flatten().min();
            if let Some(alarm) = alarm
                && happens.is_none_or(|at| alarm < at)
            {
                self.now = self.now.max(alarm);
                return Some(Occurrence::Alarm);
            }
            let at = happens?;
            self.now = at;
            if arrival_at == Some(at) {
                let call = index(self.arrived);
                self.arrived += 1;
                if let Some(checker) = &mut self.checker {
                    checker.submitted(call, self.workload.agents[call as usize]);
                }
                return Some(Occurrence::Arrival(call));
            }
            let event = self.heap.pop()?.event;
            if let Some(occurrence) = self.happen(event) {
                return Some(occurrence);
            }
        }
    }

    fn happen(&mut self, event: Event) -> Option<Occurrence> {
        match event {
            Event::Assign { number, agent } => self.assign(number, agent, false),
            Event::Meddle => self.meddle(),
            Event::Execute { call, number } => self.execute(call, number),
            Event::Look(read) => {
                for (number, agent) in &mut self.seen[read as usize] {
                    *agent = self.assigned[*number as usize];
                }
            }
            Event::Survey(survey) => self.list_conversations(survey),
            Event::End(call) => {
                self.live -= 1;
                self.over[call as usize] = true;
                return Some(Occurrence::Ended(call));
            }
            Event::Answer(answer) => return Some(self.answer(answer)),
        }
        None
    }

    fn answer(&mut self, answer: Answer) -> Occurrence {
        match answer {
            Answer::Dialled { call } => {
                let answered = &mut self.truth.answered[call as usize];
                *answered = self.now.min(*answered);
                if let Some(checker) = &mut self.checker {
                    checker.dial_answered(call);
                }
                if let Some(recorder) = &mut self.recorder {
                    let of = self.workload.agents[call as usize];
                    recorder.dial_answered(call, of, self.truth.misrouted[call as usize], self.now);
                }
            }
            Answer::Assigned { number, agent } => {
                if let Some(checker) = &mut self.checker {
                    checker.assign_answered(number, agent);
                }
                if let Some(recorder) = &mut self.recorder {
                    recorder.assign_answered(number, self.now);
                }
            }
            Answer::Read(read) => {
                if let Some(checker) = &mut self.checker {
                    checker.read_answered(read, &self.seen[read as usize]);
                }
            }
            Answer::Verified(_) | Answer::Surveyed(_) => {}
        }
        Occurrence::Answer(answer)
    }

    fn assign(&mut self, number: u32, agent: u32, by_outsider: bool) {
        self.assigned[number as usize] = agent;
        if let Some(checker) = &mut self.checker {
            checker.changed(number, by_outsider);
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.assigned(number, agent, self.now);
        }
    }

    fn execute(&mut self, call: u32, number: u32) {
        let (place, speaker) = (call as usize, self.assigned[number as usize]);
        let truth = &mut self.truth;
        truth.executed[place] = self.now.min(truth.executed[place]);
        truth.executions[place] = truth.executions[place].saturating_add(1);
        let is_wrong = speaker != self.workload.agents[place];
        truth.misrouted[place] |= is_wrong;
        self.listed[place] = self.talks.len().min(self.listed[place]);
        self.talks.push(Talk { at: self.now, call, agent: speaker });
        if let Some(checker) = &mut self.checker {
            checker.executed(call, number, is_wrong, truth.executions[place], self.now);
        }
    }

    fn plan_meddling(&mut self) {
        if let Some(interval) = self.outsider {
            let part = self.draw.uniform(Kind::Outsider, self.meddled, 0);
            let into = nanoseconds(crate::time::seconds(interval) * part);
            self.push(self.meddled * interval + into, Event::Meddle);
            self.meddled += 1;
        }
    }

    fn meddle(&mut self) {
        let numbers = self.assigned.len() as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the count of numbers")]
        let number = (self.draw.uniform(Kind::Outsider, self.meddled, 1) * numbers) as u32;
        self.harmful += u64::from(self.assigned[number as usize] != OUTSIDE);
        self.assign(number, OUTSIDE, true);
        self.plan_meddling();
    }

    fn push(&mut self, at: u64, event: Event) {
        self.order += 1;
        self.heap.push(Entry { at, order: self.order, event });
    }

    fn send(&mut self, delay: Delay, effect: Option<Event>, answer: Answer) {
        if let Some(effect) = effect {
            self.push(self.now + delay.effect, effect);
        }
        self.push(self.now + delay.answer, Event::Answer(answer));
    }

    /// Asks who answers these numbers, with one request.
    pub(crate) fn read(&mut self, numbers: impl IntoIterator<Item = u32>) -> u32 {
        let wanted: Vec<(u32, u32)> = numbers.into_iter().map(|number| (number, OUTSIDE)).collect();
        let is_first = wanted.iter().any(|(number, _)| !self.read[*number as usize]);
        for (number, _) in &wanted {
            self.read[*number as usize] = true;
        }
        if is_first {
            self.requests.list += 1;
        } else {
            self.requests.reread += 1;
        }
        self.look(wanted)
    }

    /// The script's own list request, which is part of its flow each time.
    pub(crate) fn list(&mut self) -> u32 {
        self.requests.list += 1;
        self.look((0..index(self.assigned.len())).map(|number| (number, OUTSIDE)).collect())
    }

    fn look(&mut self, wanted: Vec<(u32, u32)>) -> u32 {
        let read = index(self.seen.len());
        self.seen.push(wanted);
        if let Some(checker) = &mut self.checker {
            checker.read_sent(self.now);
        }
        let delay = self.latency.draw(self.draw, Kind::Read, u64::from(read));
        self.send(delay, Some(Event::Look(read)), Answer::Read(read));
        read
    }

    /// Asks about agents, with one request; the answer carries `token`.
    pub(crate) fn verify(&mut self, token: u32) {
        let delay = self.latency.draw(self.draw, Kind::Verify, self.requests.verify);
        self.requests.verify += 1;
        self.send(delay, None, Answer::Verified(token));
    }

    /// Assigns a number.
    pub(crate) fn patch(&mut self, number: u32, agent: u32) {
        if let Some(checker) = &mut self.checker {
            checker.assign_sent(number, agent, self.now);
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.assign_sent(number, self.now);
        }
        let delay = self.latency.draw(self.draw, Kind::Assign, self.requests.assign);
        self.requests.assign += 1;
        self.send(delay, Some(Event::Assign { number, agent }), Answer::Assigned { number, agent });
    }

    /// Dials.
    pub(crate) fn post(&mut self, call: u32, number: u32) {
        let place = call as usize;
        self.truth.sent[place] = self.now.min(self.truth.sent[place]);
        self.live += 1;
        if let Some(checker) = &mut self.checker {
            checker.dial_sent(call, number, self.workload.agents[place], self.live, self.now);
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.dial_sent(call, number, self.now);
        }
        self.requests.dial += 1;
        let delay = self.workload.dials[place];
        self.send(delay, Some(Event::Execute { call, number }), Answer::Dialled { call });
        if self.cap.is_some() {
            // Nobody can be told of the end of a conversation whose beginning is not answered.
            let over = (delay.effect + self.workload.talks[place]).max(delay.answer);
            self.push(self.now + over, Event::End(call));
        }
    }

    /// Lists the conversations that began at `after` or later, newest first, page after page until all that are wanted
    /// were seen. Nothing wanted: all pages.
    pub(crate) fn survey(&mut self, after: u64, wanted: Vec<u32>) {
        let survey = index(self.surveys.len());
        let delay = self.page();
        self.surveys.push(Survey { after, wanted, rest: delay.answer - delay.effect, ..Survey::default() });
        self.push(self.now + delay.effect, Event::Survey(survey));
    }

    /// The first page is made: what it and the following show is what there is now.
    fn list_conversations(&mut self, place: u32) {
        let survey = &self.surveys[place as usize];
        let begun = self.talks.partition_point(|talk| talk.at < survey.after);
        let places = survey.wanted.iter().map(|call| self.listed[*call as usize]);
        let is_listed = !survey.wanted.is_empty() && places.clone().all(|place| place != usize::MAX);
        let last = if is_listed { places.min().unwrap_or(begun).max(begun) } else { begun };
        let to = self.talks.len();
        let pages = (to - last).div_ceil(PAGE).max(1);
        let more: u64 = (1..pages).map(|_| self.page().answer).sum();
        let survey = &mut self.surveys[place as usize];
        (survey.from, survey.to) = (to.saturating_sub(pages * PAGE).max(begun), to);
        let answered = self.now + survey.rest + more;
        self.push(answered, Event::Answer(Answer::Surveyed(place)));
    }

    /// One request for a page.
    fn page(&mut self) -> Delay {
        let delay = self.latency.draw(self.draw, Kind::Survey, self.requests.survey);
        self.requests.survey += 1;
        delay
    }

    /// The first invariant that was broken.
    pub(crate) fn violation(&self) -> Option<&Violation> {
        self.checker.as_ref()?.violation()
    }
}

/// As an index of 32 bits.
pub(crate) fn index(value: usize) -> u32 {
    u32::try_from(value).expect("calls, numbers and requests are counted in 32 bits")
}
