use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::time::Instant;

use super::{Message, PublishError, Publisher};

/// What is still attempted for the records that come after one that failed.
///
/// A service that goes back to the first failure sends those records again, so an alert that was
/// published for one of them is published again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Ordering {
    /// All of it, at once and in any order.
    None,
    /// What shares neither the partition key nor the message group. Alerts that share one are
    /// published one after the other.
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

    /// The chains of a record with this partition key, and this message group if it is alerted of.
    pub(crate) fn chains(self, key: Option<&str>, group: Option<&str>) -> Vec<Chain> {
        let group = || Chain::Group(group.map(str::to_owned));
        match self {
            Self::None => Vec::new(),
            Self::Key => {
                let key = key.map(|key| Chain::Key(key.to_owned()));
                key.into_iter().chain([group()]).collect()
            }
            Self::Shard => vec![Chain::Event],
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

/// What keeps an order: the alerts that share one are published one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Chain {
    /// The event as a whole.
    Event,
    /// A partition key or message group that records came with.
    Key(String),
    /// A message group that alerts go out with.
    Group(Option<String>),
}

/// Which alerts come after a record that failed already, and share a chain with it. They are failed
/// as well, and so hold back others.
///
/// Each alert and each failure has its place among the records, and the chains it is in.
pub(crate) fn held_back_by<P: Ord>(
    failures: &[(P, Vec<Chain>)],
    alerts: &[(P, Vec<Chain>)],
) -> Vec<bool> {
    let mut held_back = vec![false; alerts.len()];
    if failures.is_empty() {
        return held_back;
    }
    let mut steps: Vec<_> = failures.iter().map(|failure| (failure, None)).collect();
    steps.extend(alerts.iter().enumerate().map(|(index, alert)| (alert, Some(index))));
    steps.sort_by_key(|((place, _), _)| place);
    let mut failed: HashSet<&Chain> = HashSet::new();
    for ((_, chains), alert) in steps {
        if let Some(index) = alert {
            held_back[index] = chains.iter().any(|chain| failed.contains(chain));
            if !held_back[index] {
                continue;
            }
        }
        failed.extend(chains);
    }
    held_back
}

/// Publishes messages: of those that share a chain, one after the other, and none after one that
/// failed. All others at once. A merged message that is rejected is published in halves, so that only
/// an alert that is rejected alone is to blame.
///
/// Messages are in the order of the first alert of each; `chains` has those of each alert. Results
/// come in any order, each with the alerts it is for.
///
/// `rejection_fails` says whether an alert that can never be published counts as failed; or else
/// its record is dealt with in another way, and the chain goes on.
pub(crate) async fn publish_in_order<P: Publisher>(
    publisher: &P,
    messages: Vec<Message>,
    chains: &[Vec<Chain>],
    rejection_fails: bool,
    deadline: Option<Instant>,
) -> Vec<(Vec<usize>, Result<(), PublishError>)> {
    let mut results = Vec::with_capacity(messages.len());
    let mut queues = Queues { chains, queues: HashMap::new() };
    // Messages by their first alert. Ascending: alerts go out in the order of their records.
    let mut waiting = BTreeMap::new();
    for message in messages {
        queues.enter(&message.stands_for);
        waiting.insert(message.stands_for[0], message);
    }
    let mut next: BTreeSet<usize> = waiting.keys().copied().collect();
    loop {
        next.retain(|first| {
            waiting.get(first).is_some_and(|message| queues.is_next(&message.stands_for))
        });
        let heads = next.iter().filter_map(|first| waiting.remove(first));
        let (heads, alerts): (Vec<_>, Vec<_>) =
            heads.map(|head| ((head.stands_for, head.merged), head.alert)).unzip();
        if heads.is_empty() {
            break;
        }
        next.clear();
        let receipts = publisher.publish(alerts, deadline).await;
        for ((stands_for, merged), receipt) in heads.into_iter().zip(receipts) {
            let rejected = matches!(&receipt, Err(error) if error.is_permanent());
            match merged {
                Some(merged) if rejected => {
                    // Another may be the first now: each half has the place of its own first alert.
                    next.extend(queues.leave(&stands_for));
                    for half in merged.halves() {
                        queues.enter(&half.stands_for);
                        next.insert(half.stands_for[0]);
                        waiting.insert(half.stands_for[0], half);
                    }
                    continue;
                }
                // It stays where it is: nothing behind it is next.
                _ if receipt.is_err() && (rejection_fails || !rejected) => {}
                _ => next.extend(queues.leave(&stands_for)),
            }
            results.push((stands_for, receipt));
        }
    }
    results.extend(waiting.into_values().map(|message| (message.stands_for, Err(held_back()))));
    results
}

/// The messages that wait in each chain, by the first alert of each: ascending.
struct Queues<'a> {
    /// The chains of each alert. A message is in those of all that it stands for.
    chains: &'a [Vec<Chain>],
    queues: HashMap<&'a Chain, VecDeque<usize>>,
}

/// The chains of a message. Some of them may be the same.
fn chains_of<'a>(
    chains: &'a [Vec<Chain>],
    stands_for: &[usize],
) -> impl Iterator<Item = &'a Chain> {
    stands_for.iter().flat_map(|&alert| &chains[alert])
}

impl Queues<'_> {
    /// Puts a message in its place in each of its chains.
    fn enter(&mut self, stands_for: &[usize]) {
        let first = stands_for[0];
        for chain in chains_of(self.chains, stands_for) {
            let queue = self.queues.entry(chain).or_default();
            if let Err(place) = queue.binary_search(&first) {
                queue.insert(place, first);
            }
        }
    }

    /// Whether nothing is before a message.
    fn is_next(&self, stands_for: &[usize]) -> bool {
        chains_of(self.chains, stands_for)
            .all(|chain| self.queues[chain].front() == Some(&stands_for[0]))
    }

    /// Takes out a message that is next, and says what comes after it.
    fn leave(&mut self, stands_for: &[usize]) -> Vec<usize> {
        let mut next = Vec::new();
        for chain in chains_of(self.chains, stands_for) {
            let Some(queue) = self.queues.get_mut(chain) else { continue };
            if queue.front() == Some(&stands_for[0]) {
                queue.pop_front();
                next.extend(queue.front());
            }
        }
        next
    }
}

pub(crate) fn held_back() -> PublishError {
    PublishError::Unconfirmed("an earlier record, whose order it keeps, failed".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::alert::Alert;
    use crate::publish::Cooldown;

    /// Takes messages, except those it is to fail, alone or merged.
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
                let failed = self.fails.iter().find(|(name, _)| {
                    name == message || message.contains(&format!("\"message\":\"{name}\""))
                });
                failed.map_or(Ok(()), |(_, error)| Err(error.clone()))
            };
            let results = messages.iter().map(result).collect();
            self.calls.lock().expect("the calls").push(messages);
            results
        }
    }

    fn alert(message: &str) -> Alert {
        // What is bad is the highest, and so in every message that it is merged into.
        let score = (message == "bad").then_some(9.0);
        Alert { message: message.to_owned(), score, ..Alert::sample() }
    }

    /// Chains written as one letter each.
    fn chains(letters: &str) -> Vec<Chain> {
        letters.chars().map(|letter| Chain::Key(letter.to_string())).collect()
    }

    /// Publishes messages. Results are those of the alerts, in order.
    fn publish(
        messages: Vec<Message>,
        chains: &[Vec<Chain>],
        fails: &[(&'static str, PublishError)],
        rejection_fails: bool,
    ) -> (Vec<bool>, Vec<Vec<String>>) {
        let publisher = Recorder { fails: fails.to_vec(), calls: Mutex::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let published = publish_in_order(&publisher, messages, chains, rejection_fails, None);
        let mut confirmed = vec![None; chains.len()];
        for (stands_for, result) in runtime.block_on(published) {
            for alert in stands_for {
                assert_eq!(confirmed[alert].replace(result.is_ok()), None, "one result each");
            }
        }
        let confirmed = confirmed.into_iter().map(|result| result.expect("a result")).collect();
        (confirmed, publisher.calls.into_inner().expect("the calls"))
    }

    /// Alerts written as `chains:message`.
    fn run(
        alerts: &[&str],
        fails: &[(&'static str, PublishError)],
        rejection_fails: bool,
    ) -> (Vec<bool>, Vec<Vec<String>>) {
        let written = alerts.iter().map(|text| text.split_once(':').expect("chains:message"));
        let (of, texts): (Vec<_>, Vec<_>) = written.unzip();
        let of: Vec<_> = of.into_iter().map(chains).collect();
        let alone = |(index, text): (usize, &str)| Message::alone(index, alert(text));
        publish(texts.into_iter().enumerate().map(alone).collect(), &of, fails, rejection_fails)
    }

    fn unconfirmed() -> PublishError {
        PublishError::Unconfirmed(String::new())
    }

    fn rejected() -> PublishError {
        PublishError::Rejected(String::new())
    }

    #[test]
    fn a_chain_is_published_one_after_the_other_and_chains_at_once() {
        let (confirmed, calls) = run(&["a:1", "b:2", "a:3", "a:4", "b:5", ":6"], &[], true);
        assert_eq!(confirmed, [true; 6]);
        assert_eq!(calls, [vec!["1", "2", "6"], vec!["3", "5"], vec!["4"]]);
    }

    #[test]
    fn after_a_failure_the_rest_of_its_chain_is_not_attempted() {
        let alerts = ["a:1", "b:2", "a:3", "b:4"];
        let (confirmed, calls) = run(&alerts, &[("1", unconfirmed())], true);
        assert_eq!(confirmed, [false, true, false, true]);
        assert_eq!(calls, [vec!["1", "2"], vec!["4"]]);
    }

    #[test]
    fn an_alert_waits_in_each_of_its_chains() {
        let (confirmed, calls) = run(&["a:1", "bc:2", "ab:3", "c:4"], &[], true);
        assert_eq!(confirmed, [true; 4]);
        assert_eq!(calls, [vec!["1", "2"], vec!["3", "4"]]);
        let (confirmed, calls) = run(&["a:1", "ab:2", "b:3"], &[("1", unconfirmed())], true);
        assert_eq!(confirmed, [false; 3], "what is held back holds back");
        assert_eq!(calls, [vec!["1"]]);
    }

    #[test]
    fn a_record_that_failed_before_holds_back_what_comes_after_it() {
        let alerts = [(0, chains("a")), (2, chains("ab")), (3, chains("b")), (4, chains("c"))];
        let held_back = held_back_by(&[(1, chains("a"))], &alerts);
        assert_eq!(held_back, [false, true, true, false]);
    }

    #[test]
    fn a_key_and_a_group_are_two_chains_even_of_the_same_name() {
        let of = |key, group| Ordering::Key.chains(key, group);
        let shared = |a: Vec<Chain>, b: Vec<Chain>| a.iter().any(|chain| b.contains(chain));
        assert!(shared(of(Some("k"), Some("g")), of(Some("k"), Some("h"))));
        assert!(shared(of(Some("k"), Some("g")), of(Some("l"), Some("g"))));
        assert!(shared(of(Some("k"), Some("k")), of(Some("k"), Some("g"))), "no such field");
        assert!(!shared(of(Some("k"), Some("g")), of(Some("g"), Some("k"))));
        assert!(shared(of(None, None), of(None, None)));
    }

    #[test]
    fn a_rejected_alert_holds_back_the_rest_only_where_it_fails_its_record() {
        let fails = [("1", rejected())];
        assert_eq!(run(&["a:1", "a:2"], &fails, true).0, [false, false]);
        assert_eq!(run(&["a:1", "a:2"], &fails, false).0, [false, true]);
    }

    /// The first of some alerts of one key, and the rest of them merged.
    fn merged(texts: &[&str]) -> Vec<Message> {
        let cooldown = Cooldown::new("/k".parse().expect("a pointer"), Duration::from_secs(60));
        let keyed = |(index, text): (usize, &&str)| (index, Some("k".to_owned()), alert(text));
        cooldown.merge(texts.iter().enumerate().map(keyed), Instant::now())
    }

    #[test]
    fn a_merged_message_that_is_rejected_costs_only_the_alert_to_blame() {
        for chain in ["", "a"] {
            let texts = ["1", "2", "bad", "4", "5"];
            let chains = vec![chains(chain); texts.len()];
            let (confirmed, calls) =
                publish(merged(&texts), &chains, &[("bad", rejected())], false);
            assert_eq!(confirmed, [true, true, false, true, true], "in chain {chain:?}");
            assert!(calls.concat().iter().any(|m| m.contains("\"4\"") && m.contains("\"5\"")));
        }
    }

    #[test]
    fn a_half_of_a_rejected_message_does_not_overtake() {
        let alerts = ["1", "2", "bad", "4", "5"].map(alert).into_iter().enumerate();
        let keys = ["a", "b", "b", "a", "b"];
        let keyed = alerts.map(|(index, alert)| (index, Some(keys[index].to_owned()), alert));
        let cooldown = Cooldown::new("/k".parse().expect("a pointer"), Duration::from_secs(60));
        let messages = cooldown.merge(keyed, Instant::now());
        let chains = vec![chains("a"); 5];
        let (confirmed, calls) = publish(messages, &chains, &[("bad", rejected())], false);
        assert_eq!(confirmed, [true, true, false, true, true]);
        let sent: Vec<_> =
            calls.concat().into_iter().filter(|m| !m.contains("\"message\"")).collect();
        assert_eq!(sent, ["1", "2", "bad", "4", "5"], "{calls:?}");
    }

    #[test]
    fn the_halves_of_a_rejected_message_keep_their_order() {
        let texts = ["1", "2", "bad", "4"];
        let mut messages = merged(&texts);
        messages.push(Message::alone(4, alert("5")));
        messages.push(Message::alone(5, alert("6")));
        let of: Vec<_> = ["a", "a", "a", "b", "b", "a"].into_iter().map(chains).collect();
        let (confirmed, calls) = publish(messages, &of, &[("bad", rejected())], true);
        assert_eq!(confirmed, [true, true, false, true, true, false]);
        let sent: Vec<_> = calls.concat().into_iter().filter(|m| !m.starts_with('{')).collect();
        assert_eq!(sent, ["1", "2", "bad", "4", "5"], "{calls:?}");
    }
}
