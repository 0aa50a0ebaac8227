use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::time::Instant;

use super::{PublishError, Publisher};
use crate::alert::Alert;

/// What is still attempted for the records that come after one that failed.
///
/// A service that goes back to the first failure sends those records again, so an alert that was
/// published for one of them is published again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Ordering {
    /// All of it, at once and in any order.
    None,
    /// What has another partition key or message group. Alerts of one key are published one after
    /// the other.
    Key,
    /// Nothing. All alerts of an event are published one after the other.
    Shard,
}

impl Ordering {
    const ALL: [Self; 3] = [Self::None, Self::Key, Self::Shard];

    /// The name, as `--ordering` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Key => "key",
            Self::Shard => "shard",
        }
    }
}

impl fmt::Display for Ordering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Ordering {
    type Err = UnknownOrdering;

    fn from_str(name: &str) -> Result<Self, UnknownOrdering> {
        let known = Self::ALL.into_iter().find(|ordering| ordering.name() == name);
        known.ok_or_else(|| UnknownOrdering(name.to_owned()))
    }
}

/// A name that no ordering has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no ordering is named {0:?}: it is none, key or shard")]
pub struct UnknownOrdering(String);

/// What happens in a chain of records that keep their order, one after the other.
#[derive(Debug)]
pub(crate) enum Step {
    /// A record failed already: nothing after it in its chain is attempted.
    Failed,
    /// An alert is to be published.
    Publish(Box<Alert>),
}

/// Publishes the alerts of some chains: within each, one after the other, and none after a step that
/// failed. Across chains, at once. One result for each alert, in the order of the steps.
///
/// `rejection_fails` says whether an alert that can never be published counts as failed; or else
/// its record is dealt with in another way, and the chain goes on.
pub(crate) async fn publish_in_order<P: Publisher>(
    publisher: &P,
    steps: Vec<(String, Step)>,
    rejection_fails: bool,
    deadline: Option<Instant>,
) -> Vec<Result<(), PublishError>> {
    let mut results = Vec::new();
    let mut chains: HashMap<String, VecDeque<(usize, Alert)>> = HashMap::new();
    let mut failed: HashSet<String> = HashSet::new();
    for (chain, step) in steps {
        match step {
            Step::Failed => {
                failed.insert(chain);
            }
            Step::Publish(alert) => {
                if !failed.contains(&chain) {
                    chains.entry(chain).or_default().push_back((results.len(), *alert));
                }
                results.push(Err(held_back()));
            }
        }
    }
    while !chains.is_empty() {
        let heads = chains.iter_mut().filter_map(|(chain, alerts)| {
            alerts.pop_front().map(|(index, alert)| (index, chain.clone(), alert))
        });
        let mut heads: Vec<_> = heads.collect();
        // The order of a map is any: alerts go out in the order of their records.
        heads.sort_by_key(|(index, ..)| *index);
        let (places, alerts): (Vec<_>, Vec<_>) =
            heads.into_iter().map(|(index, chain, alert)| ((index, chain), alert)).unzip();
        let receipts = publisher.publish(alerts, deadline).await;
        for ((index, chain), receipt) in places.into_iter().zip(receipts) {
            if matches!(&receipt, Err(error) if rejection_fails || !error.is_permanent()) {
                chains.remove(&chain);
            }
            results[index] = receipt;
        }
        chains.retain(|_, alerts| !alerts.is_empty());
    }
    results
}

fn held_back() -> PublishError {
    PublishError::Unconfirmed("an earlier record, whose order it keeps, failed".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::digest::Digest;

    /// Takes messages, except those it is to fail.
    struct Recorder {
        fails: Vec<(&'static str, PublishError)>,
        calls: Mutex<Vec<Vec<String>>>,
    }

    impl Publisher for Recorder {
        async fn publish(
            &self,
            alerts: Vec<Alert>,
            _deadline: Option<Instant>,
        ) -> Vec<Result<(), PublishError>> {
            let messages: Vec<String> = alerts.into_iter().map(|alert| alert.message).collect();
            let result = |message: &String| {
                let failed = self.fails.iter().find(|(name, _)| name == message);
                failed.map_or(Ok(()), |(_, error)| Err(error.clone()))
            };
            let results = messages.iter().map(result).collect();
            self.calls.lock().expect("the calls").push(messages);
            results
        }
    }

    fn alert(message: &str) -> Alert {
        Alert {
            record_id: String::new(),
            subject: String::new(),
            message: message.to_owned(),
            score: None,
            crossed: None,
            rule: String::new(),
            rule_version: String::new(),
            rule_digest: Digest::of(b""),
            group: None,
            deduplication_id: String::new(),
        }
    }

    /// Steps written as `chain:message`, where the message `!` is a record that failed.
    fn run(
        steps: &[&str],
        fails: &[(&'static str, PublishError)],
        rejection_fails: bool,
    ) -> (Vec<bool>, Vec<Vec<String>>) {
        let step = |text: &&str| {
            let (chain, message) = text.split_once(':').expect("chain:message");
            let step =
                if message == "!" { Step::Failed } else { Step::Publish(Box::new(alert(message))) };
            (chain.to_owned(), step)
        };
        let steps = steps.iter().map(step).collect();
        let publisher = Recorder { fails: fails.to_vec(), calls: Mutex::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let results = runtime.block_on(publish_in_order(&publisher, steps, rejection_fails, None));
        let confirmed = results.iter().map(Result::is_ok).collect();
        (confirmed, publisher.calls.into_inner().expect("the calls"))
    }

    fn unconfirmed() -> PublishError {
        PublishError::Unconfirmed(String::new())
    }

    #[test]
    fn a_chain_is_published_one_after_the_other_and_chains_at_once() {
        let (confirmed, calls) = run(&["a:1", "b:2", "a:3", "a:4", "b:5"], &[], true);
        assert_eq!(confirmed, [true; 5]);
        assert_eq!(calls, [vec!["1", "2"], vec!["3", "5"], vec!["4"]]);
    }

    #[test]
    fn after_a_failure_the_rest_of_its_chain_is_not_attempted() {
        let steps = ["a:1", "b:2", "a:3", "b:4"];
        let (confirmed, calls) = run(&steps, &[("1", unconfirmed())], true);
        assert_eq!(confirmed, [false, true, false, true]);
        assert_eq!(calls, [vec!["1", "2"], vec!["4"]]);
    }

    #[test]
    fn a_record_that_failed_before_holds_back_what_comes_after_it() {
        let (confirmed, calls) = run(&["a:1", "a:!", "a:2", "b:3"], &[], true);
        assert_eq!(confirmed, [true, false, true]);
        assert_eq!(calls, [vec!["1", "3"]]);
    }

    #[test]
    fn a_rejected_alert_holds_back_the_rest_only_where_it_fails_its_record() {
        let fails = [("1", PublishError::Rejected(String::new()))];
        assert_eq!(run(&["a:1", "a:2"], &fails, true).0, [false, false]);
        assert_eq!(run(&["a:1", "a:2"], &fails, false).0, [false, true]);
    }
}
