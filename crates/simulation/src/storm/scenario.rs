//! What people do in a storm, in order of time: callers, operators, and those who know nothing of us.

use std::time::Duration;

use partyline_domain::ports::{Clock, Timer};
use partyline_domain::{AgentId, ConversationId, Handle, PhoneNumberId};
use partyline_fake_adapter::{SharedWorld, VirtualClock};

use super::call;
use super::faults::FaultId;
use super::options::Options;
use super::random::Stream;
use super::record::{Happening, Record};

/// Something that somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    Submit(u64),
    Cancel(u64),
    /// Somebody else changes a number; `None` = to nobody.
    Reassign {
        number: usize,
        agent: Option<usize>,
    },
    DeleteAgent(usize),
    Archive(usize),
    DeleteNumber(usize),
    ForeignCall(usize),
    ShutDown,
    Interrupt,
    Trust(usize),
    /// The provider tells which conversations have ended; some of that is lost, some comes twice.
    Notify(u64),
    StopFaults,
}

/// Everything that is going to be done, by time and then in a fixed order.
pub(super) fn script(options: &Options) -> Vec<(Duration, Action)> {
    let mut script: Vec<(Duration, Action)> = Vec::new();
    for call in 0..options.calls as u64 {
        let at = options.arrival(call);
        script.push((at, Action::Submit(call)));
        if options.dice.percent(Stream::Cancel, 2 * call, options.cancel_percent) {
            let after = Duration::from_millis(options.dice.between(Stream::Cancel, 2 * call + 1, 0, 9_000));
            script.push((at + after, Action::Cancel(call)));
        }
    }
    outsiders(options, &mut script);
    operators(options, &mut script);
    script.push((options.trouble, Action::StopFaults));
    script.sort();
    script
}

fn outsiders(options: &Options, script: &mut Vec<(Duration, Action)>) {
    let dice = options.dice;
    let milliseconds = u64::try_from(options.trouble.as_millis()).unwrap_or(u64::MAX);
    let at = |key| Duration::from_millis(dice.draw(Stream::Outside, key) % milliseconds.max(1));
    let early = |key| Duration::from_millis(dice.draw(Stream::Outside, key) % 12_000);
    if options.has(FaultId::F11) {
        for write in 0..dice.between(Stream::Outside, 0, 1, 8) {
            let key = 100 + 10 * write;
            let number = dice.index(Stream::Outside, key, options.numbers);
            // One more than there are is the agent that no call is for.
            let agent = dice.index(Stream::Outside, key + 1, options.agents + 2).checked_sub(1);
            let time = if dice.percent(Stream::Outside, key + 2, 70) { early(key + 3) } else { at(key + 3) };
            script.push((time, Action::Reassign { number, agent }));
            if dice.percent(Stream::Outside, key + 4, 30) {
                // There and back again, before anybody looks.
                let back = Duration::from_millis(dice.between(Stream::Outside, key + 5, 1, 900));
                script.push((time + back, Action::Reassign { number, agent: Some(0) }));
            }
        }
    }
    if options.has(FaultId::F12) {
        let agent = dice.index(Stream::Outside, 1, options.agents);
        let number = dice.index(Stream::Outside, 2, options.numbers);
        let action = match dice.index(Stream::Outside, 3, 4) {
            0 => Action::DeleteNumber(number),
            1 => Action::Archive(agent),
            _ => Action::DeleteAgent(agent),
        };
        script.push((early(4), action));
    }
    if options.has(FaultId::F16) {
        for foreign in 0..dice.between(Stream::Outside, 5, 1, 20) {
            let number = dice.index(Stream::Outside, 1_000 + foreign, options.numbers);
            script.push((early(2_000 + foreign), Action::ForeignCall(number)));
        }
        for round in 0..options.trouble.as_secs() / 5 {
            script.push((Duration::from_secs(5 * round), Action::Notify(round)));
        }
    }
}

fn operators(options: &Options, script: &mut Vec<(Duration, Action)>) {
    if !options.has(FaultId::F19) {
        return;
    }
    let dice = options.dice;
    let milliseconds = u64::try_from(options.span.as_millis()).unwrap_or(u64::MAX) + 3_000;
    let at = |key| Duration::from_millis(dice.draw(Stream::Outside, key) % milliseconds);
    for number in 0..options.numbers {
        script.push((at(6_000 + number as u64), Action::Trust(number)));
    }
    match dice.index(Stream::Outside, 6, 3) {
        0 => script.push((at(7), Action::ShutDown)),
        1 => script.push((at(7), Action::Interrupt)),
        _ => {}
    }
}

/// Those who do it.
pub(super) struct People<'a> {
    pub(super) options: &'a Options,
    pub(super) clock: &'a VirtualClock,
    pub(super) world: &'a SharedWorld,
    pub(super) record: &'a Record,
    pub(super) agents: Vec<AgentId>,
    pub(super) numbers: Vec<PhoneNumberId>,
    pub(super) stop_faults: &'a dyn Fn(),
}

impl People<'_> {
    /// Does it all; with the last of it the handle is given up.
    pub(super) async fn act(&self, handle: Handle) {
        for (at, action) in script(self.options) {
            self.clock.sleep_until(partyline_domain::Instant::from_origin(at)).await;
            self.perform(action, &handle);
        }
    }

    fn perform(&self, action: Action, handle: &Handle) {
        match action {
            Action::Submit(call) => self.submit(call, handle),
            Action::Cancel(call) => {
                let call = call::call_id(call);
                self.record.note(Happening::Cancelled(call.clone()));
                handle.cancel(&call);
            }
            Action::Reassign { number, agent } => self.reassign(number, agent),
            Action::DeleteAgent(agent) => self.outside(format!("deletes {}", self.agents[agent]), |world, now| {
                world.delete_agent(&self.agents[agent], now).is_ok()
            }),
            Action::Archive(agent) => self.outside(format!("archives {}", self.agents[agent]), |world, now| {
                world.archive(&self.agents[agent], true, now).is_ok()
            }),
            Action::DeleteNumber(number) => self.outside(format!("deletes {}", self.numbers[number]), |world, now| {
                world.delete_number(&self.numbers[number], now).is_ok()
            }),
            Action::ForeignCall(number) => self
                .outside(format!("calls from {}", self.numbers[number]), |world, now| {
                    world.foreign_call(&self.numbers[number], now).is_ok()
                }),
            Action::ShutDown => {
                self.record.note(Happening::Stopped("shut down"));
                handle.shut_down();
            }
            Action::Interrupt => {
                self.record.note(Happening::Stopped("interrupt"));
                handle.interrupt();
            }
            Action::Trust(number) => {
                self.record.note(Happening::Trusted(self.numbers[number].clone()));
                handle.trust(&self.numbers[number]);
            }
            Action::Notify(round) => self.notify(round, handle),
            Action::StopFaults => {
                self.record.note(Happening::FaultsStopped);
                (self.stop_faults)();
            }
        }
    }

    fn submit(&self, call: u64, handle: &Handle) {
        let agent = self.agents[self.options.agent(call)].clone();
        let numbers: Vec<PhoneNumberId> =
            self.options.numbers_of(call).into_iter().map(|number| self.numbers[number].clone()).collect();
        let request = call::request(self.options, call, agent, &numbers, self.clock.now().wall);
        let id = request.id.clone();
        // Noted first: what the driver does about it comes after.
        self.record.note(Happening::Submitted { call: id });
        handle.submit(request).expect("the driver takes calls as long as there is a handle");
    }

    /// Tells of the conversations that have ended in the last five seconds, and of one that nobody knows.
    fn notify(&self, round: u64, handle: &Handle) {
        let now = self.clock.now().monotonic;
        let model = self.options.model;
        let over: Vec<_> = {
            let world = self.world.lock();
            let ended =
                |record: &&partyline_fake_adapter::world::ConversationRecord| record.status(model, now).is_over();
            world.conversations().iter().filter(ended).map(|record| (record.count, record.id.clone())).collect()
        };
        for (count, conversation) in over {
            let times = self.options.dice.draw(Stream::Outside, 10_000 + 100 * round + count as u64) % 3;
            for _ in 0..times {
                handle.ended(&conversation);
            }
        }
        handle.ended(&ConversationId::parse("conv_of_nobody").expect("letters"));
    }

    fn reassign(&self, number: usize, agent: Option<usize>) {
        // One agent more than the calls have is there: the one that answered before.
        let agent = agent.map(|agent| self.agents[agent.min(self.agents.len() - 1)].clone());
        let what = format!("assigns {} to {agent:?}", self.numbers[number]);
        self.outside(what, |world, now| world.reassign(&self.numbers[number], agent.as_ref(), now).is_ok());
    }

    /// Somebody else does something; it may be too late for that.
    fn outside(
        &self,
        what: String,
        act: impl FnOnce(&mut partyline_fake_adapter::World, partyline_domain::Now) -> bool,
    ) {
        let done = act(&mut self.world.lock(), self.clock.now());
        let what = if done { what } else { format!("{what}, in vain") };
        self.record.note(Happening::Outside(what));
    }
}
