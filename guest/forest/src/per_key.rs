//! A scorer for each key, within a memory budget.
//!
//! The scorers of the keys that were used last are *awake*. When one more is to wake up than may be,
//! the one that was used the longest time ago falls asleep: all that is kept of it is its snapshot,
//! from which it wakes up as it was when a record of its key comes. When the snapshots take more than
//! they may, those of the keys that were used the longest time ago are forgotten: such a key begins
//! anew.

use hashlink::LinkedHashMap;

use crate::columns::MAX_KEY_BYTES;
use crate::scorer::{Scored, Scorer, ScorerSettings, Work};

/// What an entry takes beside the key and the snapshot, in bytes: about what the map needs.
pub(crate) const ENTRY_BYTES: usize = 96;

/// The scorers of all keys, those that were used last at the end.
#[derive(Debug)]
pub(crate) struct PerKey {
    settings: ScorerSettings,
    awake: LinkedHashMap<Box<str>, Scorer>,
    most_awake: usize,
    asleep: LinkedHashMap<Box<str>, Box<[u8]>>,
    asleep_bytes: usize,
    most_asleep_bytes: usize,
    /// For a snapshot while it is made.
    scratch: Vec<u8>,
}

impl PerKey {
    /// No key is known yet. Half of the memory is for those that are awake, of which there is one at
    /// least, and half for those that sleep.
    pub(crate) fn new(settings: ScorerSettings, memory_bytes: usize) -> Self {
        let half = memory_bytes / 2;
        let awake = ENTRY_BYTES + MAX_KEY_BYTES + settings.memory_bytes();
        Self {
            settings,
            awake: LinkedHashMap::new(),
            most_awake: (half / awake).max(1),
            asleep: LinkedHashMap::new(),
            asleep_bytes: 0,
            most_asleep_bytes: half,
            scratch: Vec::new(),
        }
    }

    /// Lets all that is known go.
    pub(crate) fn clear(&mut self) {
        self.awake.clear();
        self.asleep.clear();
        self.asleep_bytes = 0;
    }

    /// Scores a record of a key, as [`Scorer::score`] does. If nothing is to be learnt, nothing
    /// changes: neither what is known of the key, nor when it was used last.
    pub(crate) fn score(&mut self, key: &str, point: &[f64], work: Work) -> Scored {
        if !work.learn {
            return match self.awake.get_mut(key) {
                Some(scorer) => scorer.score(point, work),
                None => {
                    let snapshot = self.asleep.get(key).map(|bytes| &**bytes);
                    self.woken(snapshot, None).score(point, work)
                }
            };
        }
        if let Some(scorer) = self.awake.to_back(key) {
            return scorer.score(point, work);
        }
        let snapshot = self.asleep.remove(key);
        if let Some(snapshot) = &snapshot {
            self.asleep_bytes -= entry_bytes(key, snapshot);
        }
        let is_full = self.awake.len() >= self.most_awake;
        let other = if is_full { self.send_to_sleep() } else { None };
        let mut scorer = self.woken(snapshot.as_deref(), other);
        let scored = scorer.score(point, work);
        self.awake.insert(key.into(), scorer);
        scored
    }

    /// The scorer of a snapshot, or a new one. A scorer of which nothing is needed any more has the
    /// memory for that of a snapshot.
    fn woken(&self, snapshot: Option<&[u8]>, other: Option<Scorer>) -> Scorer {
        let new = || Scorer::new(self.settings);
        let Some(snapshot) = snapshot else { return new() };
        let mut scorer = other.unwrap_or_else(new);
        // A snapshot that was made here is good. One of a state that was taken over may be none, for
        // all that its checksum can tell; then the key begins anew.
        match scorer.take_over(snapshot) {
            Ok(()) => scorer,
            Err(_) => new(),
        }
    }

    /// Sends the scorer that was used the longest time ago to sleep, and returns it.
    fn send_to_sleep(&mut self) -> Option<Scorer> {
        let (key, scorer) = self.awake.pop_front()?;
        self.scratch.clear();
        scorer.snapshot(&mut self.scratch);
        // Of just its length: what is cut off of a longer one leaves a gap that nothing fits into.
        let snapshot = Box::from(&*self.scratch);
        self.asleep_bytes += entry_bytes(&key, &snapshot);
        self.asleep.insert(key, snapshot);
        while self.asleep_bytes > self.most_asleep_bytes {
            let Some((key, snapshot)) = self.asleep.pop_front() else { break };
            self.asleep_bytes -= entry_bytes(&key, &snapshot);
        }
        Some(scorer)
    }

    /// Those that are awake, in order.
    pub(crate) fn awake(&self) -> impl ExactSizeIterator<Item = (&str, &Scorer)> {
        self.awake.iter().map(|(key, scorer)| (&**key, scorer))
    }

    /// The snapshots of those that sleep, in order.
    pub(crate) fn asleep(&self) -> impl ExactSizeIterator<Item = (&str, &[u8])> {
        self.asleep.iter().map(|(key, snapshot)| (&**key, &**snapshot))
    }

    /// How much the snapshots of all take with their keys, a length before each, in bytes, at the most.
    pub(crate) fn most_snapshot_bytes(&self) -> usize {
        let awake = self.awake.iter();
        let awake = awake.map(|(key, scorer)| 8 + key.len() + scorer.most_snapshot_bytes());
        let asleep = self.asleep.iter().map(|(key, snapshot)| 8 + key.len() + snapshot.len());
        8 + awake.sum::<usize>() + asleep.sum::<usize>()
    }

    /// Takes over keys with their snapshots, in place of what is known: those that were awake, and those
    /// that slept, each in order. Of more than there is room for, those that were used last are kept. Says
    /// whether all are, as they were.
    ///
    /// # Errors
    ///
    /// Why one that was awake is no snapshot of this scorer; or that a key comes twice.
    pub(crate) fn take_over(
        &mut self,
        awake: &[(&str, &[u8])],
        asleep: &[(&str, &[u8])],
    ) -> Result<bool, String> {
        self.clear();
        let (falling_asleep, awake) = awake.split_at(awake.len().saturating_sub(self.most_awake));
        let sleeping = asleep.iter().chain(falling_asleep);
        let mut room = self.most_asleep_bytes;
        let has_room = |(key, snapshot): &&(&str, &[u8])| {
            let left = room.checked_sub(entry_bytes(key, snapshot));
            room = left.unwrap_or_default();
            left.is_some()
        };
        let kept = sleeping.clone().rev().take_while(has_room).count();
        let forgotten = asleep.len() + falling_asleep.len() - kept;
        for (key, snapshot) in sleeping.skip(forgotten) {
            self.asleep_bytes += entry_bytes(key, snapshot);
            self.asleep.insert((*key).into(), (*snapshot).into());
        }
        for (key, snapshot) in awake {
            self.awake.insert((*key).into(), Scorer::restore(self.settings, snapshot)?);
        }
        let comes_twice = self.awake.len() < awake.len()
            || self.asleep.len() < kept
            || self.awake.keys().any(|key| self.asleep.contains_key(key));
        match comes_twice {
            true => Err("a key comes twice in the snapshot".to_owned()),
            false => Ok(forgotten == 0 && falling_asleep.is_empty()),
        }
    }
}

fn entry_bytes(key: &str, snapshot: &[u8]) -> usize {
    ENTRY_BYTES + key.len() + snapshot.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rcf::ForestSettings;

    const LEARN: Work = Work { explain: false, learn: true };
    const LOOK: Work = Work { explain: false, learn: false };

    fn settings() -> ScorerSettings {
        let forest = ForestSettings { trees: 5, sample_size: 10, ..ForestSettings::new(1) };
        ScorerSettings::Forest(forest)
    }

    /// Room for so many that are awake, and for so many bytes of those that sleep.
    fn per_key(most_awake: usize, most_asleep_bytes: usize) -> PerKey {
        PerKey { most_awake, most_asleep_bytes, ..PerKey::new(settings(), 0) }
    }

    fn value(record: u64) -> [f64; 1] {
        [(record * 7919 % 101) as f64]
    }

    fn names<'a, T>(keys: impl Iterator<Item = (&'a str, T)>) -> String {
        keys.map(|(key, _)| key).collect()
    }

    #[test]
    fn each_key_is_scored_as_if_it_were_alone() {
        let mut together = per_key(2, 1 << 20);
        let mut alone: Vec<_> = (0..5).map(|_| Scorer::new(settings())).collect();
        for record in 0..500 {
            let key = (record * record % 5) as usize;
            let point = value(record);
            let expected = alone[key].score(&point, LEARN);
            let looked = together.score(&key.to_string(), &point, LOOK);
            assert_eq!(
                (&looked, together.score(&key.to_string(), &point, LEARN)),
                (&expected, expected.clone())
            );
        }
        assert_eq!((together.awake().len(), together.asleep().len()), (2, 1));
    }

    #[test]
    fn those_that_were_used_last_are_awake() {
        let mut keys = per_key(2, 1 << 20);
        for key in ["a", "b", "a", "c", "d", "b"] {
            keys.score(key, &[1.0], LEARN);
        }
        assert_eq!((names(keys.awake()), names(keys.asleep())), ("db".into(), "ac".into()));
        keys.score("a", &[1.0], LOOK);
        keys.score("new", &[1.0], LOOK);
        assert_eq!((names(keys.awake()), names(keys.asleep())), ("db".into(), "ac".into()));
    }

    #[test]
    fn those_that_were_not_used_for_the_longest_time_are_forgotten() {
        let mut snapshot = Vec::new();
        Scorer::new(settings()).snapshot(&mut snapshot);
        let mut keys = per_key(1, 3 * entry_bytes("a", &snapshot) + 100);
        for key in "abcdefgh".chars() {
            keys.score(&key.to_string(), &[1.0], LEARN);
        }
        assert_eq!(names(keys.awake()), "h");
        let asleep = names(keys.asleep());
        assert!("abcdefg".ends_with(&asleep) && asleep.len() < 4, "{asleep}");
        let bytes: usize = keys.asleep().map(|(key, bytes)| entry_bytes(key, bytes)).sum();
        assert_eq!(keys.asleep_bytes, bytes);
        assert!(bytes <= keys.most_asleep_bytes);
        for key in "abcdefgh".chars() {
            keys.score(&key.to_string(), &[1.0], LEARN);
        }
        let bytes: usize = keys.asleep().map(|(key, bytes)| entry_bytes(key, bytes)).sum();
        assert_eq!(keys.asleep_bytes, bytes);
    }

    #[test]
    fn there_is_room_for_one_whatever_the_budget() {
        let mut keys = PerKey::new(settings(), 1);
        for record in 0..20 {
            keys.score("a", &value(record), LEARN);
        }
        assert!(keys.score("a", &[1e9], LOOK).score > 1.0);
        keys.score("b", &[1.0], LEARN);
        assert_eq!((names(keys.awake()), names(keys.asleep())), ("b".into(), String::new()));
    }

    #[test]
    fn of_what_is_taken_over_those_that_were_used_last_are_kept() {
        let mut snapshot = Vec::new();
        Scorer::new(settings()).snapshot(&mut snapshot);
        let of = |names: &'static str| -> Vec<(&str, &[u8])> {
            names.char_indices().map(|(at, _)| (&names[at..=at], &*snapshot)).collect()
        };
        let mut keys = per_key(2, 3 * entry_bytes("a", &snapshot));
        for (awake, asleep, are_all_kept, [expected_awake, expected_asleep]) in [
            ("ab", "cde", true, ["ab", "cde"]),
            ("ab", "cdef", false, ["ab", "def"]),
            ("abc", "def", false, ["bc", "efa"]),
            ("abcdefg", "xyz", false, ["fg", "cde"]),
        ] {
            assert_eq!(keys.take_over(&of(awake), &of(asleep)), Ok(are_all_kept));
            assert_eq!(names(keys.awake()), expected_awake);
            assert_eq!(names(keys.asleep()), expected_asleep);
            let bytes: usize = keys.asleep().map(|(key, bytes)| entry_bytes(key, bytes)).sum();
            assert_eq!(keys.asleep_bytes, bytes);
        }
        for (awake, asleep) in [("aa", ""), ("", "aa"), ("a", "a")] {
            assert!(keys.take_over(&of(awake), &of(asleep)).is_err(), "twice");
        }
        assert!(keys.take_over(&[("a", b"none")], &[]).is_err());
    }
}
