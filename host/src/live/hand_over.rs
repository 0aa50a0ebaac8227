//! What a rule has learnt, when another takes its place.

use crate::filter::Filter;

/// What a rule knew when another took its place. Batches that it still had under way are not in it.
pub(super) struct State {
    snapshot: Option<Vec<u8>>,
    settings: String,
}

impl State {
    /// Takes the state of a rule; there is none if it keeps none or faults at it.
    pub(super) fn of(filter: &Filter) -> Self {
        let snapshot = filter.snapshot().inspect_err(|fault| {
            let rule = filter.rule();
            tracing::warn!(rule = rule.description().name, digest = %rule.digest(), %fault,
                "what the rule has learnt is lost");
        });
        let snapshot = snapshot.ok().filter(|_| filter.description().keeps_state);
        Self { snapshot, settings: filter.settings().to_owned() }
    }

    /// Gives it to a rule. If that keeps state and cannot take it over, it starts anew, and the log
    /// says why. Answers with whether it took it.
    pub(super) fn hand_over(&self, filter: &Filter) -> bool {
        if !filter.description().keeps_state {
            return false;
        }
        let rule = filter.rule();
        let (name, digest) = (&rule.description().name, rule.digest());
        match self.restore(filter) {
            Ok(bytes) => {
                tracing::info!(rule = name, %digest, bytes, "the rule goes on with a state");
                true
            }
            Err(reason) => {
                tracing::warn!(rule = name, %digest, reason, "the rule starts without a state");
                false
            }
        }
    }

    fn restore(&self, filter: &Filter) -> Result<usize, String> {
        let Some(snapshot) = &self.snapshot else {
            return Err("the rule before it has none".to_owned());
        };
        if self.settings != filter.settings() {
            return Err("it was learnt with other settings".to_owned());
        }
        filter.restore(snapshot).map_err(|error| error.to_string())?;
        Ok(snapshot.len())
    }
}
