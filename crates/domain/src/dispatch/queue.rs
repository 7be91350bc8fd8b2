//! The calls that wait for a number, by agent and by the numbers they may be placed from.
//!
//! Calls of one agent with one choice of numbers are a *group*. Each group knows its oldest call, its *head*; heads
//! are kept in order, and those of groups that no open session serves once more, so that whose turn it is is seen
//! without a look at every call.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, btree_set};
use std::ops::Bound;

use crate::dispatch::effect::Slot;
use crate::dispatch::frequency::Frequency;
use crate::ids::{AgentId, PhoneNumberId};
use crate::request::NumberChoice;
use crate::time::Instant;

/// A call's place in the order of waiting: when it counts as asked for, then its arrival number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Turn {
    pub(super) since: Instant,
    pub(super) slot: Slot,
}

/// An agent's place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct AgentIndex(usize);

/// A group's place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct GroupIndex(usize);

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Queue {
    indexes: BTreeMap<AgentId, AgentIndex>,
    agents: Vec<Agent>,
    groups: Vec<Group>,
    heads: BTreeSet<(Turn, GroupIndex)>,
    unserved: BTreeSet<(Turn, GroupIndex)>,
    /// Calls that may be placed whatever agent the number has.
    indifferent: BTreeMap<(AgentIndex, NumberChoice), BTreeSet<Turn>>,
    waiting: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Agent {
    id: AgentId,
    groups: Vec<GroupIndex>,
    /// The numbers with an open session of the agent.
    open_on: BTreeSet<PhoneNumberId>,
    /// Its calls are not tried for now.
    paused: bool,
    frequency: Frequency,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Group {
    agent: AgentIndex,
    choice: NumberChoice,
    calls: BTreeSet<Turn>,
    served: bool,
}

impl Queue {
    /// The agent's place, new where it has none.
    pub(super) fn index(&mut self, agent: &AgentId) -> AgentIndex {
        if let Some(index) = self.indexes.get(agent) {
            return *index;
        }
        let index = AgentIndex(self.agents.len());
        self.indexes.insert(agent.clone(), index);
        self.agents.push(Agent {
            id: agent.clone(),
            groups: Vec::new(),
            open_on: BTreeSet::new(),
            paused: false,
            frequency: Frequency::default(),
        });
        index
    }

    pub(super) fn known(&self, agent: &AgentId) -> Option<AgentIndex> {
        self.indexes.get(agent).copied()
    }

    pub(super) fn agent(&self, index: AgentIndex) -> &AgentId {
        &self.agents[index.0].id
    }

    pub(super) fn frequency(&self, agent: &AgentId) -> Frequency {
        self.known(agent).map_or(Frequency::default(), |index| self.agents[index.0].frequency)
    }

    pub(super) fn count_use(&mut self, index: AgentIndex, now: Instant) {
        let frequency = &mut self.agents[index.0].frequency;
        *frequency = frequency.used(now);
    }

    /// How many calls wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn insert(&mut self, index: AgentIndex, choice: &NumberChoice, turn: Turn) {
        let group = self.group(index, choice);
        let before = self.head(group);
        self.waiting += usize::from(self.groups[group.0].calls.insert(turn));
        self.moved(group, before);
    }

    pub(super) fn insert_indifferent(&mut self, index: AgentIndex, choice: &NumberChoice, turn: Turn) {
        let calls = self.indifferent.entry((index, choice.clone())).or_default();
        self.waiting += usize::from(calls.insert(turn));
    }

    /// Takes a call out, wherever it waits.
    pub(super) fn remove(&mut self, agent: &AgentId, choice: &NumberChoice, turn: Turn) -> bool {
        let Some(index) = self.known(agent) else { return false };
        if !self.indifferent.is_empty() {
            let key = (index, choice.clone());
            let calls = self.indifferent.get_mut(&key);
            if calls.is_some_and(|calls| calls.remove(&turn)) {
                if self.indifferent[&key].is_empty() {
                    self.indifferent.remove(&key);
                }
                self.waiting -= 1;
                return true;
            }
        }
        let Some(group) = self.find(index, choice) else { return false };
        let before = self.head(group);
        let found = self.groups[group.0].calls.remove(&turn);
        self.waiting -= usize::from(found);
        self.moved(group, before);
        found
    }

    fn find(&self, index: AgentIndex, choice: &NumberChoice) -> Option<GroupIndex> {
        self.agents[index.0].groups.iter().copied().find(|group| self.groups[group.0].choice == *choice)
    }

    fn group(&mut self, index: AgentIndex, choice: &NumberChoice) -> GroupIndex {
        if let Some(group) = self.find(index, choice) {
            return group;
        }
        let group = GroupIndex(self.groups.len());
        self.groups.push(Group { agent: index, choice: choice.clone(), calls: BTreeSet::new(), served: false });
        self.agents[index.0].groups.push(group);
        self.groups[group.0].served = self.is_served(group);
        group
    }

    fn head(&self, group: GroupIndex) -> Option<Turn> {
        self.groups[group.0].calls.first().copied()
    }

    fn moved(&mut self, group: GroupIndex, before: Option<Turn>) {
        let head = self.head(group);
        if head == before {
            return;
        }
        let served = self.groups[group.0].served;
        if let Some(before) = before {
            self.heads.remove(&(before, group));
            self.unserved.remove(&(before, group));
        }
        if let Some(head) = head {
            self.heads.insert((head, group));
            if !served {
                self.unserved.insert((head, group));
            }
        }
    }

    /// Whether calls of the group need no new session: an open one serves them, or they are not tried for now.
    fn is_served(&self, group: GroupIndex) -> bool {
        let Group { agent, choice, .. } = &self.groups[group.0];
        let agent = &self.agents[agent.0];
        agent.paused || agent.open_on.iter().any(|number| choice.contains(number))
    }

    fn settle(&mut self, index: AgentIndex) {
        for at in 0..self.agents[index.0].groups.len() {
            let group = self.agents[index.0].groups[at];
            let served = self.is_served(group);
            if std::mem::replace(&mut self.groups[group.0].served, served) == served {
                continue;
            }
            if let Some(head) = self.head(group) {
                if served {
                    self.unserved.remove(&(head, group));
                } else {
                    self.unserved.insert((head, group));
                }
            }
        }
    }

    /// Notes that a session of the agent is open on the number.
    pub(super) fn open(&mut self, index: AgentIndex, number: &PhoneNumberId) {
        self.agents[index.0].open_on.insert(number.clone());
        self.settle(index);
    }

    /// Notes that no session of the agent is open on the number any more.
    pub(super) fn close(&mut self, index: AgentIndex, number: &PhoneNumberId) {
        self.agents[index.0].open_on.remove(number);
        self.settle(index);
    }

    /// The numbers with an open session of the agent.
    pub(super) fn open_on(&self, index: AgentIndex) -> &BTreeSet<PhoneNumberId> {
        &self.agents[index.0].open_on
    }

    /// Notes whether calls of the agent are tried.
    pub(super) fn pause(&mut self, index: AgentIndex, paused: bool) {
        self.agents[index.0].paused = paused;
        self.settle(index);
    }

    pub(super) fn is_paused(&self, index: AgentIndex) -> bool {
        self.agents[index.0].paused
    }

    fn groups_on<'a>(&'a self, index: AgentIndex, number: &'a PhoneNumberId) -> impl Iterator<Item = &'a Group> {
        let groups = self.agents[index.0].groups.iter().map(|group| &self.groups[group.0]);
        groups.filter(move |group| group.choice.contains(number))
    }

    /// The agent's oldest call that may be placed from the number.
    pub(super) fn next(&self, index: AgentIndex, number: &PhoneNumberId) -> Option<Turn> {
        self.groups_on(index, number).filter_map(|group| group.calls.first().copied()).min()
    }

    /// How many calls of the agent may be placed from the number.
    pub(super) fn count(&self, index: AgentIndex, number: &PhoneNumberId) -> usize {
        self.groups_on(index, number).map(|group| group.calls.len()).sum()
    }

    /// The oldest call that may be placed from the number whatever agent it has, of an agent that `admits`.
    pub(super) fn next_indifferent(&self, number: &PhoneNumberId, admits: impl Fn(&AgentId) -> bool) -> Option<Turn> {
        let fits = |index: &AgentIndex, choice: &NumberChoice| {
            let agent = &self.agents[index.0];
            choice.contains(number) && !agent.paused && admits(&agent.id)
        };
        let calls = self.indifferent.iter().filter(|((index, choice), _)| fits(index, choice));
        calls.filter_map(|(_, calls)| calls.first().copied()).min()
    }

    /// The oldest call of all that may be placed from the number, of an agent that `admits`.
    pub(super) fn next_of_any(&self, number: &PhoneNumberId, admits: impl Fn(&AgentId) -> bool) -> Option<Turn> {
        let fits = |group: &Group| {
            let agent = &self.agents[group.agent.0];
            group.choice.contains(number) && !agent.paused && admits(&agent.id)
        };
        let head = self.heads.iter().find(|(_, group)| fits(&self.groups[group.0])).map(|(turn, _)| *turn);
        head.into_iter().chain(self.next_indifferent(number, admits)).min()
    }

    /// The oldest call for the number that no open session serves.
    pub(super) fn oldest_unserved(&self, number: &PhoneNumberId) -> Option<Turn> {
        let wanting = self.unserved.iter().find(|(_, group)| self.groups[group.0].choice.contains(number));
        wanting.map(|(turn, _)| *turn)
    }

    /// The next head after `after` of the groups that no open session serves, oldest first.
    pub(super) fn next_unserved(&self, after: Option<(Turn, GroupIndex)>) -> Option<(Turn, GroupIndex)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.unserved.range((from, Bound::Unbounded)).next().copied()
    }

    /// Whether a call that no open session serves may be placed from the number.
    pub(super) fn is_wanted(&self, number: &PhoneNumberId) -> bool {
        self.oldest_unserved(number).is_some()
    }

    /// Whether calls of other agents wait that may be placed from the number.
    pub(super) fn has_others(&self, index: AgentIndex, number: &PhoneNumberId) -> bool {
        let other = |group: &Group| group.agent != index && group.choice.contains(number);
        self.heads.iter().any(|(_, group)| other(&self.groups[group.0]))
    }

    pub(super) fn group_of(&self, group: GroupIndex) -> (AgentIndex, &NumberChoice) {
        (self.groups[group.0].agent, &self.groups[group.0].choice)
    }

    /// The agent with the most waiting calls on any number for which `fits` says so, and how many.
    pub(super) fn longest(&self, fits: impl Fn(AgentIndex, &NumberChoice, usize) -> bool) -> Option<GroupIndex> {
        let groups = self.heads.iter().map(|(_, group)| *group);
        let fitting = groups.filter(|group| {
            let Group { agent, choice, calls, .. } = &self.groups[group.0];
            !self.agents[agent.0].paused && fits(*agent, choice, calls.len())
        });
        fitting.max_by_key(|group| (self.groups[group.0].calls.len(), Reverse(*group)))
    }

    /// The turns of the `count`-th and the next oldest of the waiting calls for which `counts` says so; `None` where
    /// there are fewer.
    pub(super) fn oldest(
        &self,
        count: usize,
        counts: impl Fn(&AgentId, &NumberChoice) -> bool,
    ) -> (Option<Turn>, Option<Turn>) {
        let groups = self.heads.iter().map(|(_, group)| &self.groups[group.0]);
        let counting = groups.filter(|group| {
            let agent = &self.agents[group.agent.0];
            !agent.paused && counts(&agent.id, &group.choice)
        });
        let mut queues: Vec<btree_set::Iter<'_, Turn>> = counting.map(|group| group.calls.iter()).collect();
        let indifferent = self.indifferent.iter().filter(|((index, choice), _)| {
            let agent = &self.agents[index.0];
            !agent.paused && counts(&agent.id, choice)
        });
        queues.extend(indifferent.map(|(_, calls)| calls.iter()));
        let mut heap: BinaryHeap<Reverse<(Turn, usize)>> = BinaryHeap::new();
        for (at, queue) in queues.iter_mut().enumerate() {
            heap.extend(queue.next().map(|turn| Reverse((*turn, at))));
        }
        let mut last = None;
        for _ in 0..count {
            let Some(Reverse((turn, at))) = heap.pop() else { return (None, None) };
            heap.extend(queues[at].next().map(|turn| Reverse((*turn, at))));
            last = Some(turn);
        }
        (last, heap.peek().map(|Reverse((turn, _))| *turn))
    }

    /// Every waiting call whose agent and choice of numbers `is_meant` names.
    pub(super) fn all(&self, is_meant: impl Fn(&AgentId, &NumberChoice) -> bool) -> Vec<Slot> {
        let groups = self.heads.iter().map(|(_, group)| &self.groups[group.0]);
        let groups = groups.map(|group| (group.agent, &group.choice, &group.calls));
        let indifferent = self.indifferent.iter().map(|((index, choice), calls)| (*index, choice, calls));
        let meant = groups.chain(indifferent).filter(|(index, choice, _)| is_meant(&self.agents[index.0].id, choice));
        meant.flat_map(|(_, _, calls)| calls.iter().map(|turn| turn.slot)).collect()
    }
}
