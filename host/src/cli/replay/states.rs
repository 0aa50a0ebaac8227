use crate::batch::Batch;
use crate::by_use::ByUse;
use crate::filter::Filter;
use crate::outcome::{Cause, Outcome, Verdict};
use crate::recording::Learnt;

/// How many bytes the states take together of which no instance is open.
const MAX_CLOSED_BYTES: usize = 256 << 20;

/// What one takes beside its snapshot and its name, about.
const BYTES_AROUND: usize = 256;

/// The states of a rule, each as it was when the next record came to it: by the partitions of the stream.
///
/// Each instance takes up room in the engine, so not all can be open; and snapshots take memory, so not all
/// are kept. Those go that were not used for longest.
pub(super) struct States {
    /// The rule, that has seen nothing.
    opened: Filter,
    open: ByUse<State<Filter>>,
    /// As snapshots.
    closed: ByUse<State<Vec<u8>>>,
    max_closed_bytes: usize,
}

struct State<K> {
    kept: K,
    /// How many records it has learnt.
    learnt: u64,
}

impl States {
    pub(super) fn new(opened: Filter) -> Self {
        let (open, closed) = (ByUse::default(), ByUse::default());
        Self { opened, open, closed, max_closed_bytes: MAX_CLOSED_BYTES }
    }

    /// Has the rule classify records that came one after the other, of which the first was learnt so. None if
    /// the state is not known that it came to: then it is not known any more from here on.
    pub(super) fn classify(&mut self, first: &Learnt, batch: &Batch) -> Option<Outcome> {
        let mut state = self.take(first)?;
        let outcome = state.kept.classify_isolating(batch, None).outcome;
        // After a fault, its state is gone.
        if outcome.failed.iter().all(|failure| failure.cause != Cause::Unclassified) {
            let failed = |verdict: &&Verdict| **verdict != Verdict::Fail;
            state.learnt += outcome.verdicts.iter().filter(failed).count() as u64;
            self.open.put(&first.state, state, 1);
        }
        Some(outcome)
    }

    /// The state that a record came to, open. It is kept no longer.
    fn take(&mut self, Learnt { state: name, after, .. }: &Learnt) -> Option<State<Filter>> {
        if let Some(state) = self.open.take(name)
            && state.learnt == *after
        {
            return Some(state);
        }
        let closed = self.closed.take(name).filter(|state| state.learnt == *after);
        if closed.is_none() && *after > 0 {
            return None;
        }
        self.make_room();
        let kept = self.opened.anew();
        if let Some(State { kept: snapshot, .. }) = closed {
            kept.restore(&snapshot).ok()?;
        }
        Some(State { kept, learnt: *after })
    }

    /// Closes the state that was not used for longest, if another could not be opened beside all that are.
    fn make_room(&mut self) {
        let max = (self.opened.rule().engine.max_instances() / 2).max(1);
        if self.open.len() >= max
            && let Some((name, State { kept: filter, learnt })) = self.open.take_oldest()
            && let Ok(snapshot) = filter.snapshot()
        {
            let bytes = name.len() + snapshot.len() + BYTES_AROUND;
            self.closed.put(&name, State { kept: snapshot, learnt }, bytes);
        }
        while self.closed.size() > self.max_closed_bytes && self.closed.take_oldest().is_some() {}
    }
}

#[cfg(all(test, feature = "default-rule"))]
mod tests {
    use super::*;
    use crate::batch::Encoding;
    use crate::{Engine, FOREST_RULE, Limits, Rule};

    fn states() -> States {
        let engine = Engine::new(Limits::default()).expect("an engine");
        let rule = Rule::load(&engine, FOREST_RULE).expect("a rule");
        let settings = r#"{"columns": ["/v"], "scorer": "zscore", "upper": 3}"#;
        States::new(rule.open(settings).expect("settings that it takes"))
    }

    /// Whether the state is known that a record of a partition came to, as the next of so many.
    fn is_known(states: &mut States, partition: usize, after: u64) -> bool {
        let first = Learnt { state: partition.to_string(), after, again: false };
        let mut batch = Batch::with_capacity(Encoding::Plain, 1, 0);
        batch.push(br#"{"v": 1}"#);
        states.classify(&first, &batch).is_some()
    }

    #[test]
    fn the_states_that_were_not_used_for_longest_make_room() {
        let mut states = states();
        let open = states.opened.rule().engine.max_instances() / 2;
        for partition in 0..open + 8 {
            assert!(is_known(&mut states, partition, 0));
        }
        assert_eq!((states.open.len(), states.closed.len()), (open, 8));
        assert!(is_known(&mut states, 0, 1), "a snapshot is taken over");

        // Of the 8 that are closed by now, 4 fit.
        states.max_closed_bytes = states.closed.size() / 2;
        assert!(is_known(&mut states, open + 8, 0));
        assert!(states.closed.size() <= states.max_closed_bytes);
        assert!(states.closed.len() > 0);
        let known = |partition: &usize| is_known(&mut states, *partition, 1);
        assert_eq!((1..5).filter(known).count(), 0, "they made room");
        assert!(is_known(&mut states, 0, 2), "it was used since");
        assert!(is_known(&mut states, open + 7, 1));
        assert!(is_known(&mut states, 1, 0), "what begins anew needs none");
    }

    #[test]
    fn what_a_closed_state_takes_is_given_back() {
        let mut states = states();
        let open = states.opened.rule().engine.max_instances() / 2;
        for partition in 0..=open {
            assert!(is_known(&mut states, partition, 0));
        }
        assert!(states.closed.size() > 0);
        // It is not the state that the record came to, so it is of no more use.
        assert!(!is_known(&mut states, 0, 7));
        assert_eq!((states.closed.len(), states.closed.size()), (0, 0));
    }
}
