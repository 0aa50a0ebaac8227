use std::collections::{BTreeMap, BinaryHeap};

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::change::Change;
use crate::cli::said::Said;

/// A record on which the two differ.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Example {
    pub(super) record: String,
    pub(super) old: Said,
    pub(super) new: Said,
}

/// Chooses some examples of each kind of change, of however many there are: those whose ids have the
/// lowest hashes. The same seed chooses the same ones, in whatever order they come.
#[derive(Debug)]
pub(super) struct Examples {
    seed: u64,
    /// How many of each kind.
    count: usize,
    chosen: BTreeMap<Change, BinaryHeap<Candidate>>,
}

/// An example, ordered by its hash, and by the order in which they came.
#[derive(Debug)]
struct Candidate {
    hash: u64,
    number: u64,
    example: Example,
}

impl Examples {
    pub(super) fn new(seed: u64, count: usize) -> Self {
        Self { seed, count, chosen: BTreeMap::new() }
    }

    /// Takes the record with this `id`, the `number`th of all, if it is to be an example.
    pub(super) fn offer(
        &mut self,
        change: Change,
        id: &str,
        number: u64,
        example: impl FnOnce() -> Example,
    ) {
        let hash = xxh3_64_with_seed(id.as_bytes(), self.seed);
        let chosen = self.chosen.entry(change).or_default();
        if chosen.len() == self.count {
            let is_lower = chosen.peek().is_some_and(|last| (hash, number) < last.key());
            if !is_lower {
                return;
            }
            chosen.pop();
        }
        chosen.push(Candidate { hash, number, example: example() });
    }

    /// The examples of a kind, in the order in which they came.
    pub(super) fn into_chosen(self) -> BTreeMap<Change, Vec<Example>> {
        let in_order = |heap: BinaryHeap<Candidate>| {
            let mut candidates = heap.into_vec();
            candidates.sort_by_key(|candidate| candidate.number);
            candidates.into_iter().map(|candidate| candidate.example).collect()
        };
        self.chosen.into_iter().map(|(change, heap)| (change, in_order(heap))).collect()
    }
}

impl Candidate {
    fn key(&self) -> (u64, u64) {
        (self.hash, self.number)
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Verdict;

    fn chosen(seed: u64, ids: &[String]) -> Vec<String> {
        let said = Said { verdict: Verdict::Pass, score: None, crossed: None, reason: None };
        let mut examples = Examples::new(seed, 3);
        for (number, id) in ids.iter().enumerate() {
            let example = || Example { record: id.clone(), old: said.clone(), new: said.clone() };
            examples.offer(Change::Score, id, number as u64, example);
        }
        let chosen = examples.into_chosen().remove(&Change::Score).unwrap_or_default();
        chosen.into_iter().map(|example| example.record).collect()
    }

    #[test]
    fn a_seed_chooses_the_same_in_whatever_order() {
        let ids: Vec<String> = (0..100).map(|id| id.to_string()).collect();
        let first = chosen(1, &ids);
        assert_eq!(first.len(), 3);
        let backwards: Vec<String> = ids.iter().rev().cloned().collect();
        let mut again = chosen(1, &backwards);
        again.reverse();
        assert_eq!(again, first);
        assert_ne!(chosen(2, &ids), first);
        assert_eq!(chosen(1, &ids[..2]), ids[..2]);
    }
}
