//! What people do today, and what they might do next: strategies to compare with.

use std::collections::VecDeque;

use crate::engine::Dispatching;
use crate::world::{Answer, OUTSIDE, Occurrence, World, index};

/// The plain script: every worker takes the next call, lists the numbers, assigns, dials. No lock. With one
/// worker it is the script under one mutex.
#[derive(Debug)]
pub(crate) struct Script {
    queue: VecDeque<u32>,
    idle: u32,
    /// Which call each read is for; index = read.
    listing: Vec<u32>,
    /// The calls that each number is being assigned for, in the order of their requests.
    assigning: Vec<Vec<(u32, u32)>>,
    /// Calls that are ready to dial and wait for a slot, with their numbers.
    ready: VecDeque<(u32, u32)>,
    open: usize,
}

impl Script {
    pub(crate) fn new(workers: u32, numbers: u32, calls: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            idle: workers,
            listing: Vec::new(),
            assigning: vec![Vec::new(); numbers as usize],
            ready: VecDeque::new(),
            open: calls,
        }
    }

    fn work(&mut self, world: &mut World<'_>) {
        while self.idle > 0
            && let Some(call) = self.queue.pop_front()
        {
            self.idle -= 1;
            world.list();
            self.listing.push(call);
        }
        while world.has_free_slot()
            && let Some((call, number)) = self.ready.pop_front()
        {
            world.post(call, number);
        }
    }

    /// The number that has the agent, else always the same one for an agent.
    fn listed(&mut self, read: u32, world: &mut World<'_>) {
        let call = self.listing[read as usize];
        let agent = world.workload.agents[call as usize];
        let seen = std::mem::take(&mut world.seen[read as usize]);
        let fitting = seen.iter().find(|(_, assigned)| *assigned == agent).map(|(number, _)| *number);
        let number = fitting.unwrap_or(agent % index(seen.len()));
        self.assigning[number as usize].push((call, agent));
        world.patch(number, agent);
    }
}

impl Dispatching for Script {
    fn take(&mut self, occurrence: Occurrence, world: &mut World<'_>) {
        match occurrence {
            Occurrence::Arrival(call) => self.queue.push_back(call),
            Occurrence::Answer(Answer::Read(read)) => self.listed(read, world),
            Occurrence::Answer(Answer::Assigned { number, agent }) => {
                let assigning = &mut self.assigning[number as usize];
                // Two workers for one agent cannot be told apart, and need not be.
                if let Some(place) = assigning.iter().position(|(_, of)| *of == agent) {
                    let (call, _) = assigning.remove(place);
                    self.ready.push_back((call, number));
                }
            }
            Occurrence::Answer(Answer::Dialled { .. }) => {
                self.idle += 1;
                self.open -= 1;
            }
            Occurrence::Answer(Answer::Verified(_) | Answer::Surveyed(_))
            | Occurrence::Ended(_)
            | Occurrence::Alarm => {}
        }
        self.work(world);
    }

    fn is_done(&self) -> bool {
        self.open == 0
    }
}

/// One mutex for each number, agents verified once, assignments remembered; first come, first served: a call takes a
/// number, the agent's own where it is free, only when the call before it has been dialled.
#[derive(Debug)]
pub(crate) struct Cached {
    queue: VecDeque<u32>,
    agents: Vec<Known>,
    /// Whether the list of numbers is there; `None` before it is asked for.
    is_listed: Option<bool>,
    numbers: Vec<Remembered>,
    uses: u64,
    /// Calls that hold a number and are not dialled, oldest first, with their numbers.
    started: VecDeque<(u32, u32)>,
    open: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    No,
    Asked,
    Yes,
}

#[derive(Clone, Copy, Debug)]
struct Remembered {
    agent: u32,
    /// The call that holds its mutex.
    holder: Option<u32>,
    /// Whether it is being assigned.
    is_assigning: bool,
    used: u64,
}

impl Cached {
    pub(crate) fn new(agents: u32, numbers: u32, calls: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            agents: vec![Known::No; agents as usize],
            is_listed: None,
            numbers: vec![Remembered { agent: OUTSIDE, holder: None, is_assigning: false, used: 0 }; numbers as usize],
            uses: 0,
            started: VecDeque::new(),
            open: calls,
        }
    }

    fn arrive(&mut self, call: u32, world: &mut World<'_>) {
        self.queue.push_back(call);
        if self.is_listed.is_none() {
            self.is_listed = Some(false);
            world.list();
        }
        let agent = world.workload.agents[call as usize];
        let known = &mut self.agents[agent as usize];
        if *known == Known::No {
            *known = Known::Asked;
            world.verify(agent);
        }
    }

    fn work(&mut self, world: &mut World<'_>) {
        while self.start(world) || self.dial(world) {}
    }

    /// Takes a number for the oldest call.
    fn start(&mut self, world: &mut World<'_>) -> bool {
        let Some(call) = self.queue.front().copied() else { return false };
        let agent = world.workload.agents[call as usize];
        if self.is_listed != Some(true) || self.agents[agent as usize] != Known::Yes || !self.started.is_empty() {
            return false;
        }
        let Some(number) = self.choose(agent) else { return false };
        self.queue.pop_front();
        self.uses += 1;
        let remembered = &mut self.numbers[number as usize];
        remembered.holder = Some(call);
        remembered.used = self.uses;
        self.started.push_back((call, number));
        if remembered.agent != agent {
            remembered.agent = agent;
            remembered.is_assigning = true;
            world.patch(number, agent);
        }
        true
    }

    /// Dials for the oldest call that holds a number.
    fn dial(&mut self, world: &mut World<'_>) -> bool {
        let Some((call, number)) = self.started.front().copied() else { return false };
        if !world.has_free_slot() || self.numbers[number as usize].is_assigning {
            return false;
        }
        self.started.pop_front();
        world.post(call, number);
        true
    }

    /// A number that nobody holds: the agent's own, else the least recently used.
    fn choose(&self, agent: u32) -> Option<u32> {
        let idle = self.numbers.iter().enumerate().filter(|(_, number)| number.holder.is_none());
        idle.min_by_key(|(_, number)| (number.agent != agent, number.used)).map(|(place, _)| index(place))
    }
}

impl Dispatching for Cached {
    fn take(&mut self, occurrence: Occurrence, world: &mut World<'_>) {
        match occurrence {
            Occurrence::Arrival(call) => self.arrive(call, world),
            Occurrence::Answer(Answer::Read(_)) => self.is_listed = Some(true),
            Occurrence::Answer(Answer::Verified(agent)) => self.agents[agent as usize] = Known::Yes,
            Occurrence::Answer(Answer::Assigned { number, .. }) => self.numbers[number as usize].is_assigning = false,
            Occurrence::Answer(Answer::Dialled { call }) => {
                self.open -= 1;
                let held = self.numbers.iter_mut().find(|number| number.holder == Some(call));
                if let Some(number) = held {
                    number.holder = None;
                }
            }
            Occurrence::Answer(Answer::Surveyed(_)) | Occurrence::Ended(_) | Occurrence::Alarm => {}
        }
        self.work(world);
    }

    fn is_done(&self) -> bool {
        self.open == 0
    }
}

/// The reference "no assignment": every agent has a number of its own, so that only the cap and the limit on dials
/// in flight hold a call back. First come, first served.
#[derive(Debug)]
pub(crate) struct Unassigned {
    queue: VecDeque<u32>,
    free: u64,
    open: usize,
}

impl Unassigned {
    pub(crate) fn new(in_flight: u64, calls: usize) -> Self {
        Self { queue: VecDeque::new(), free: in_flight, open: calls }
    }
}

impl Dispatching for Unassigned {
    fn take(&mut self, occurrence: Occurrence, world: &mut World<'_>) {
        match occurrence {
            Occurrence::Arrival(call) => self.queue.push_back(call),
            Occurrence::Answer(Answer::Dialled { .. }) => {
                self.free += 1;
                self.open -= 1;
            }
            Occurrence::Answer(
                Answer::Read(_) | Answer::Verified(_) | Answer::Assigned { .. } | Answer::Surveyed(_),
            )
            | Occurrence::Ended(_)
            | Occurrence::Alarm => {}
        }
        while self.free > 0
            && world.has_free_slot()
            && let Some(call) = self.queue.pop_front()
        {
            self.free -= 1;
            world.post(call, world.workload.agents[call as usize]);
        }
    }

    fn is_done(&self) -> bool {
        self.open == 0
    }
}
