//! Lower bounds on the number of assignments (`scheduling.md` 1.6), for any schedule however clever.

/// A backlog: every agent needs one assignment, unless a number starts on it.
pub fn backlog(distinct_agents: usize, already_assigned: usize) -> usize {
    distinct_agents.saturating_sub(already_assigned)
}

/// What any schedule pays that serves the calls in the order of `agents`: Belady's MIN with a slot for each
/// number, all of them empty at first.
pub fn belady(agents: &[u32], numbers: usize) -> usize {
    let next = next_uses(agents);
    let mut slots: Vec<(u32, usize)> = Vec::with_capacity(numbers);
    let mut assignments = 0;
    for (at, agent) in agents.iter().enumerate() {
        if let Some(slot) = slots.iter_mut().find(|slot| slot.0 == *agent) {
            slot.1 = next[at];
            continue;
        }
        assignments += 1;
        if slots.len() < numbers {
            slots.push((*agent, next[at]));
        } else if let Some(victim) = slots.iter_mut().max_by_key(|slot| slot.1) {
            *victim = (*agent, next[at]);
        }
    }
    assignments
}

/// For each place, the next place of the same agent.
fn next_uses(agents: &[u32]) -> Vec<usize> {
    let mut seen = std::collections::BTreeMap::new();
    let mut next = vec![usize::MAX; agents.len()];
    for (at, agent) in agents.iter().enumerate().rev() {
        if let Some(later) = seen.insert(*agent, at) {
            next[at] = later;
        }
    }
    next
}

/// What any schedule pays that executes every call within `within` of its arrival. `arrivals` are sorted.
///
/// Time is cut into blocks that do not touch. A block that holds the whole windows [arrival, arrival + within]
/// of calls of `m` agents has at least `m - numbers` assignments inside, the first one at least `m` since no
/// number starts on any of them. The best blocks are found in one pass: a block that ends with call `j` and
/// holds `m` agents best begins at the `m`-th latest of their last calls, so there are as many candidates
/// as agents.
pub fn window(arrivals: &[u64], agents: &[u32], within: u64, numbers: usize) -> usize {
    // `best[j]`: the most that blocks within the first `j` calls can prove.
    let mut best = vec![0_usize; arrivals.len() + 1];
    // `before[i]`: how many calls have windows that end before call `i` arrives.
    let before: Vec<usize> = arrivals
        .iter()
        .scan(0, |ended, at| {
            while arrivals[*ended].saturating_add(within) < *at {
                *ended += 1;
            }
            Some(*ended)
        })
        .collect();
    // The last call of each agent so far, latest first.
    let mut last: Vec<(u32, usize)> = Vec::new();
    for (call, agent) in agents.iter().enumerate() {
        if let Some(place) = last.iter().position(|(known, _)| known == agent) {
            last.remove(place);
        }
        last.insert(0, (*agent, call));
        let gains = last.iter().enumerate().skip(numbers).map(|(m, (_, from))| best[before[*from]] + m + 1 - numbers);
        best[call + 1] = gains.max().unwrap_or(0).max(best[call]).max(last.len());
    }
    best.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draw, Kind};

    fn small(kind_index: u64, count: u64) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small count")]
        let value = (Draw::new(9).uniform(Kind::Agent, kind_index, 0) * 1e6) as u64;
        value % count
    }

    fn sequence(case: u64, length: u64) -> Vec<u32> {
        (0..length).map(|at| u32::try_from(small(case * 100 + at, 4)).expect("small")).collect()
    }

    /// The least over all choices of a victim.
    fn fewest(agents: &[u32], slots: &mut Vec<u32>, numbers: usize) -> usize {
        let Some((agent, rest)) = agents.split_first() else { return 0 };
        if slots.contains(agent) {
            return fewest(rest, slots, numbers);
        }
        if slots.len() < numbers {
            slots.push(*agent);
            let paid = 1 + fewest(rest, slots, numbers);
            slots.pop();
            return paid;
        }
        let choices = (0..slots.len()).map(|victim| {
            let mut other = slots.clone();
            other[victim] = *agent;
            1 + fewest(rest, &mut other, numbers)
        });
        choices.min().unwrap_or(0)
    }

    #[test]
    fn belady_is_the_least_of_all_choices() {
        for case in 0..60 {
            let agents = sequence(case, 9);
            for numbers in 1..4 {
                assert_eq!(belady(&agents, numbers), fewest(&agents, &mut Vec::new(), numbers), "{agents:?} {numbers}");
            }
        }
    }

    fn distinct(agents: &[u32]) -> usize {
        agents.iter().collect::<std::collections::BTreeSet<_>>().len()
    }

    /// The most over all sets of blocks, from call `from` on.
    fn most(arrivals: &[u64], agents: &[u32], within: u64, numbers: usize, from: usize, is_first: bool) -> usize {
        let mut best = 0;
        for begin in from..arrivals.len() {
            for end in begin..arrivals.len() {
                let free = if is_first { 0 } else { numbers };
                let gain = distinct(&agents[begin..=end]).saturating_sub(free);
                let next = (end + 1..arrivals.len()).find(|next| arrivals[*next] > arrivals[end] + within);
                let rest = next.map_or(0, |next| most(arrivals, agents, within, numbers, next, false));
                best = best.max(gain + rest);
            }
        }
        best
    }

    #[test]
    fn the_window_bound_is_the_best_set_of_blocks() {
        for case in 0..60 {
            let agents = sequence(case, 8);
            let gaps = (0..8).map(|at| small(10_000 + case * 100 + at, 4));
            let arrivals: Vec<u64> = gaps
                .scan(0, |sum, gap| {
                    Some({
                        *sum += gap;
                        *sum
                    })
                })
                .collect();
            for (within, numbers) in [(0, 1), (2, 1), (5, 1), (2, 2), (1, 3)] {
                let found = window(&arrivals, &agents, within, numbers);
                let expected = most(&arrivals, &agents, within, numbers, 0, true);
                assert_eq!(found, expected, "{arrivals:?} {agents:?} {within} {numbers}");
            }
        }
    }

    /// One number, every call within `within`: the least over all orders of service at zero latency.
    fn cheapest(todo: &[(u64, u32)], within: u64, at: u64, current: Option<u32>) -> Option<usize> {
        if todo.is_empty() {
            return Some(0);
        }
        // By exchange, the number is assigned at arrivals and at deadlines only.
        let moments = todo.iter().flat_map(|(arrival, _)| [*arrival, arrival + within]).filter(|moment| *moment >= at);
        let options =
            moments.flat_map(|moment| (0..4).map(move |agent| (moment, agent))).filter_map(|(moment, agent)| {
                let missed = |(arrival, of): &&(u64, u32)| arrival + within < moment && Some(*of) != current;
                if todo.iter().any(|call| missed(&call)) {
                    return None;
                }
                let rest: Vec<(u64, u32)> = todo
                    .iter()
                    .filter(|(arrival, of)| !(*arrival <= moment && (*of == agent || Some(*of) == current)))
                    .copied()
                    .collect();
                let paid = usize::from(current != Some(agent));
                if rest.len() == todo.len() {
                    return None;
                }
                cheapest(&rest, within, moment, Some(agent)).map(|more| more + paid)
            });
        options.min()
    }

    #[test]
    fn the_window_bound_is_not_above_the_optimum() {
        for case in 0..25 {
            let agents: Vec<u32> = sequence(case, 5);
            let gaps = (0..5).map(|at| 1 + small(20_000 + case * 100 + at, 3));
            let arrivals: Vec<u64> = gaps
                .scan(0, |sum, gap| {
                    Some({
                        *sum += gap;
                        *sum
                    })
                })
                .collect();
            let calls: Vec<(u64, u32)> = arrivals.iter().copied().zip(agents.iter().copied()).collect();
            for within in [0, 2, 4] {
                let optimum = cheapest(&calls, within, 0, None).expect("each can be served when it arrives");
                let bound = window(&arrivals, &agents, within, 1);
                assert!(bound <= optimum, "{calls:?} {within}: {bound} > {optimum}");
            }
        }
    }

    #[test]
    fn the_ends_are_right() {
        assert_eq!(backlog(12, 1), 11);
        assert_eq!(belady(&[], 1), 0);
        assert_eq!(window(&[], &[], 5, 1), 0);
        assert_eq!(belady(&[0, 1, 0, 1], 1), 4);
        assert_eq!(belady(&[0, 1, 0, 1], 2), 2);
        // Nothing may wait: what arrives in turn is served in turn.
        assert_eq!(window(&[0, 10, 20, 30], &[0, 1, 0, 1], 0, 1), 3);
    }
}
