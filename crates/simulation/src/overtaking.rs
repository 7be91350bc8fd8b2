//! How many calls submitted later were dialled before a call.

use crate::time::NEVER;

/// The most that any call was overtaken: max over `j` of the calls `i` after `j` whose dial was sent before
/// that of `j`. `sent` is in the order of submission; [`NEVER`] counts as not sent.
pub(crate) fn most_overtaken(sent: &[u64]) -> u64 {
    let mut order: Vec<usize> = (0..sent.len()).filter(|call| sent[*call] != NEVER).collect();
    order.sort_unstable_by_key(|call| (sent[*call], *call));
    let mut dialled = Fenwick::new(sent.len());
    let mut most = 0;
    for together in order.chunk_by(|a, b| sent[*a] == sent[*b]) {
        let overtaken = together.iter().map(|call| dialled.after(*call)).max();
        most = most.max(overtaken.unwrap_or(0));
        for call in together {
            dialled.add(*call);
        }
    }
    most
}

/// A set of places that knows how many there are up to each (Fenwick 1994).
#[derive(Clone, Debug)]
pub(crate) struct Fenwick {
    tree: Vec<u64>,
    total: u64,
}

impl Fenwick {
    pub(crate) fn new(places: usize) -> Self {
        Self { tree: vec![0; places + 1], total: 0 }
    }

    /// Adds a place that is not in it.
    pub(crate) fn add(&mut self, place: usize) {
        self.total += 1;
        self.change(place, |sum| *sum += 1);
    }

    /// Removes a place that is in it.
    pub(crate) fn remove(&mut self, place: usize) {
        self.total -= 1;
        self.change(place, |sum| *sum -= 1);
    }

    fn change(&mut self, place: usize, change: impl Fn(&mut u64)) {
        let mut node = place + 1;
        while let Some(sum) = self.tree.get_mut(node) {
            change(sum);
            node += node & node.wrapping_neg();
        }
    }

    /// How many are at places up to and with `place`.
    fn up_to(&self, place: usize) -> u64 {
        let mut node = place + 1;
        let mut up_to = 0;
        while node > 0 {
            up_to += self.tree[node];
            node &= node - 1;
        }
        up_to
    }

    /// How many are at places before `place`, which is in it.
    pub(crate) fn before(&self, place: usize) -> u64 {
        self.up_to(place).saturating_sub(1)
    }

    /// How many are at places after `place`.
    fn after(&self, place: usize) -> u64 {
        self.total - self.up_to(place)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_pairs(sent: &[u64]) -> u64 {
        let over = |j: usize| {
            let later = (j + 1..sent.len()).filter(|i| sent[j] != NEVER && sent[*i] < sent[j]);
            later.count() as u64
        };
        (0..sent.len()).map(over).max().unwrap_or(0)
    }

    #[test]
    fn it_counts_what_pairs_count() {
        let draw = crate::random::Draw::new(4);
        for case in 0..50_u64 {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small figure")]
            let time = |call: u64| (draw.uniform(crate::random::Kind::Gap, case * 100 + call, 0) * 20.0) as u64;
            let sent: Vec<u64> = (0..40).map(|call| if time(call) == 19 { NEVER } else { time(call) }).collect();
            assert_eq!(most_overtaken(&sent), by_pairs(&sent), "{sent:?}");
        }
        assert_eq!(most_overtaken(&[]), 0);
        assert_eq!(most_overtaken(&[5, 5, 1]), 1);
    }
}
