use std::collections::HashMap;

use crate::batch::Batch;
use crate::filter::Filter;
use crate::outcome::{Cause, Outcome, Verdict};
use crate::recording::Learnt;

/// The states of a rule, each as it was when the next record came to it.
pub(super) struct States {
    /// The rule, that has seen nothing.
    opened: Filter,
    /// By the partitions of the stream.
    states: HashMap<String, State>,
    /// Counts the runs of records that were classified.
    clock: u64,
}

struct State {
    kept: Kept,
    /// How many records it has learnt.
    learnt: u64,
    /// When it was last used.
    used: u64,
}

/// Each instance takes up room in the engine, so not all can be open.
enum Kept {
    Open(Box<Filter>),
    Closed(Vec<u8>),
}

impl States {
    pub(super) fn new(opened: Filter) -> Self {
        Self { opened, states: HashMap::new(), clock: 0 }
    }

    /// Has the rule classify records that came one after the other, of which the first was learnt so. None if
    /// the state is not known that it came to: then it is not known any more from here on.
    pub(super) fn classify(&mut self, first: &Learnt, batch: &Batch) -> Option<Outcome> {
        self.clock += 1;
        let before = self.states.remove(&first.state);
        let before = before.filter(|state| state.learnt == first.after);
        let begins =
            || State { kept: Kept::Open(Box::new(self.opened.anew())), learnt: 0, used: 0 };
        let mut state = before.or_else(|| (first.after == 0).then(begins))?;
        self.make_room();
        let filter = state.kept.open(&self.opened)?;
        let outcome = filter.classify_isolating(batch, None).outcome;
        // After a fault, its state is gone.
        if outcome.failed.iter().all(|failure| failure.cause != Cause::Unclassified) {
            let failed = |verdict: &&Verdict| **verdict != Verdict::Fail;
            state.learnt += outcome.verdicts.iter().filter(failed).count() as u64;
            state.used = self.clock;
            self.states.insert(first.state.clone(), state);
        }
        Some(outcome)
    }

    /// Closes the state that was not used for longest, if another could not be opened beside all that are.
    fn make_room(&mut self) {
        let max = (self.opened.rule().engine.max_instances() / 2).max(1);
        let is_open = |state: &&mut State| matches!(state.kept, Kept::Open(_));
        let open = self.states.values_mut().filter(is_open);
        let mut open: Vec<&mut State> = open.collect();
        if open.len() >= max
            && let Some(oldest) = open.iter_mut().min_by_key(|state| state.used)
            && let Kept::Open(filter) = &oldest.kept
        {
            // Without a snapshot, it is one that no rule takes over.
            oldest.kept = Kept::Closed(filter.snapshot().unwrap_or_default());
        }
    }
}

impl Kept {
    /// The rule with this state. None if it does not take it over.
    fn open(&mut self, opened: &Filter) -> Option<&Filter> {
        if let Self::Closed(snapshot) = self {
            let filter = opened.anew();
            filter.restore(snapshot).ok()?;
            *self = Self::Open(Box::new(filter));
        }
        match self {
            Self::Open(filter) => Some(filter),
            Self::Closed(_) => None,
        }
    }
}
