use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::alert::{self, Alert};
use crate::pointer::FieldPointer;
use crate::window::LONGEST_WINDOW;

/// How many keys are remembered at the most. Beyond it, the keys whose windows end first are
/// forgotten: their next alert is sent at once.
const MAX_KEYS: usize = 100_000;

/// How many records a merged message stands for at the most, so that their ids fit into it.
const MAX_MERGED: usize = 1_000;

/// Merges alerts when many come for the same key: the first is sent at once, and opens a window. Of
/// those that follow within it, all that one event holds are merged into one message, or into some if
/// they do not fit into one.
///
/// An event is answered only when its messages are confirmed, so nothing waits for the next event.
#[derive(Debug)]
pub struct Cooldown {
    pub(crate) key: FieldPointer,
    window: Duration,
    open: Mutex<Open>,
}

/// The windows that are open.
#[derive(Debug, Default)]
struct Open {
    /// When the window of each key ends.
    ends: HashMap<Key, Instant>,
    /// When those that have ended are forgotten the next time.
    look_at: Option<Instant>,
}

/// The SHA-256 of a key, which takes as much room as any other, however long the key is.
type Key = [u8; 32];

/// A message to publish, and which of the alerts it stands for.
#[derive(Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) alert: Alert,
    /// Indices of the alerts.
    pub(crate) stands_for: Vec<usize>,
    /// The window that it opened, if it did.
    pub(crate) opened: Option<Window>,
    /// What it was merged from, if it stands for several alerts.
    pub(crate) merged: Option<Merged>,
}

/// Alerts of one key, of which there are several: each with its index.
#[derive(Debug, PartialEq)]
pub(crate) struct Merged {
    key: String,
    alerts: Vec<(usize, Alert)>,
}

/// The time after the first alert of a key, in which those that follow are merged.
#[derive(Debug, PartialEq)]
pub(crate) struct Window {
    key: Key,
    ends: Instant,
}

impl Message {
    pub(crate) fn alone(index: usize, alert: Alert) -> Self {
        Self { alert, stands_for: vec![index], opened: None, merged: None }
    }

    /// One message for alerts of a key, of which there is at least one. A single one stays as it is.
    fn of(key: String, mut alerts: Vec<(usize, Alert)>) -> Self {
        if alerts.len() > 1 {
            let stands_for = alerts.iter().map(|(index, _)| *index).collect();
            let alert = merged_alert(&key, &alerts);
            return Self { alert, stands_for, opened: None, merged: Some(Merged { key, alerts }) };
        }
        let (index, alert) = alerts.pop().expect("at least one");
        Self::alone(index, alert)
    }
}

impl Merged {
    /// Two messages for what one cannot say: halved again and again, they leave alone the alert that
    /// is too large to be merged, and keep most of the others together.
    pub(crate) fn halves(mut self) -> [Message; 2] {
        let second = self.alerts.split_off(self.alerts.len() / 2);
        [Message::of(self.key.clone(), self.alerts), Message::of(self.key, second)]
    }
}

impl Cooldown {
    /// Merges alerts by the value of the payload's field `key`, within `window` after the first.
    /// Alerts whose payload has no such field are sent alone.
    pub fn new(key: FieldPointer, window: Duration) -> Self {
        Self { key, window: window.min(LONGEST_WINDOW), open: Mutex::default() }
    }

    /// Merges alerts, each with its index and its key: messages in the order of the first alert of
    /// each.
    pub(crate) fn merge(
        &self,
        alerts: impl IntoIterator<Item = (usize, Option<String>, Alert)>,
        now: Instant,
    ) -> Vec<Message> {
        let mut messages: Vec<Option<Message>> = Vec::new();
        let mut followers: HashMap<String, Vec<(usize, Alert)>> = HashMap::new();
        // Where the merged message of a key stands among the messages.
        let mut places: Vec<(usize, String)> = Vec::new();
        let mut open = self.open();
        open.forget(now, self.window);
        for (index, key, alert) in alerts {
            let Some(key) = key else {
                messages.push(Some(Message::alone(index, alert)));
                continue;
            };
            let opened = open.begin(&key, now, self.window);
            if opened.is_some() {
                messages.push(Some(Message { opened, ..Message::alone(index, alert) }));
                continue;
            }
            let merged = followers.entry(key.clone()).or_default();
            if merged.len().is_multiple_of(MAX_MERGED) {
                places.push((messages.len(), key));
                messages.push(None);
            }
            merged.push((index, alert));
        }
        drop(open);
        for (place, key) in places {
            let all = followers.entry(key.clone()).or_default();
            let some = all.drain(..all.len().min(MAX_MERGED)).collect();
            messages[place] = Some(Message::of(key, some));
        }
        messages.into_iter().flatten().collect()
    }

    /// Closes the window of a message that was not confirmed: the next alert is the first again.
    pub(crate) fn close(&self, window: &Window) {
        let mut open = self.open();
        if open.ends.get(&window.key) == Some(&window.ends) {
            open.ends.remove(&window.key);
        }
    }

    /// Each change leaves the map whole, so a panic elsewhere does no harm.
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Opens the window of a key, unless it is open.
    fn begin(&mut self, key: &str, now: Instant, window: Duration) -> Option<Window> {
        let key = Sha256::digest(key).into();
        if self.ends.get(&key).is_some_and(|&ends| ends > now) {
            return None;
        }
        let ends = now + window;
        self.ends.insert(key, ends);
        Some(Window { key, ends })
    }

    /// Forgets windows that have ended, once in the time of one: by then, all have that were left before. When
    /// there are too many keys, forgets those at once, and of the others all but half as many as there may be.
    fn forget(&mut self, now: Instant, window: Duration) {
        let is_time = self.look_at.is_none_or(|look_at| look_at <= now);
        if !is_time && self.ends.len() < MAX_KEYS {
            return;
        }
        self.look_at = Some(now + window);
        self.ends.retain(|_, ends| *ends > now);
        if self.ends.len() >= MAX_KEYS {
            let mut ends: Vec<Instant> = self.ends.values().copied().collect();
            let gone = ends.len() - MAX_KEYS / 2;
            let last = *ends.select_nth_unstable(gone).1;
            self.ends.retain(|_, ends| *ends > last);
            self.ends.shrink_to(MAX_KEYS);
        }
    }
}

/// What a merged message says.
#[derive(Serialize)]
struct Said<'a> {
    key: &'a str,
    count: usize,
    first: One<'a>,
    last: One<'a>,
    highest: One<'a>,
    records: Vec<&'a str>,
}

#[derive(Serialize)]
struct One<'a> {
    record: &'a str,
    score: Option<f64>,
    message: &'a str,
}

/// One alert for some, of which there is at least one.
fn merged_alert(key: &str, alerts: &[(usize, Alert)]) -> Alert {
    fn one(alert: &Alert) -> One<'_> {
        One { record: &alert.record_id, score: alert.score, message: &alert.message }
    }
    let score = |alert: &Alert| alert.score.unwrap_or(f64::NEG_INFINITY);
    let mut highest = &alerts[0].1;
    for (_, alert) in alerts {
        if score(alert) > score(highest) {
            highest = alert;
        }
    }
    let (first, last) = (&alerts[0].1, &alerts[alerts.len() - 1].1);
    let said = Said {
        key,
        count: alerts.len(),
        first: one(first),
        last: one(last),
        highest: one(highest),
        records: alerts.iter().map(|(_, alert)| alert.record_id.as_str()).collect(),
    };
    let message = serde_json::to_string(&said).expect("text and finite numbers are JSON");
    let identities = alerts.iter().map(|(_, alert)| alert.deduplication_id.as_bytes());
    Alert {
        message,
        score: highest.score,
        crossed: highest.crossed,
        deduplication_id: alert::digest(identities),
        ..first.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(id: &str, score: f64) -> Alert {
        Alert {
            record_id: id.to_owned(),
            message: format!("{{\"id\":\"{id}\"}}"),
            score: Some(score),
            deduplication_id: id.to_owned(),
            ..Alert::sample()
        }
    }

    fn cooldown() -> Cooldown {
        Cooldown::new("/device".parse().expect("a pointer"), Duration::from_secs(60))
    }

    fn keyed(alerts: &[(&str, &str, f64)]) -> Vec<(usize, Option<String>, Alert)> {
        let keyed = |(index, (key, id, score)): (usize, &(&str, &str, f64))| {
            (index, (!key.is_empty()).then(|| (*key).to_owned()), alert(id, *score))
        };
        alerts.iter().enumerate().map(keyed).collect()
    }

    #[test]
    fn the_first_is_sent_at_once_and_the_rest_of_the_window_in_one() {
        let (cooldown, now) = (cooldown(), Instant::now());
        let alerts = [("a", "1", 2.0), ("b", "2", 1.0), ("a", "3", 3.0), ("a", "4", 2.5)];
        let messages = cooldown.merge(keyed(&alerts), now);
        let stands_for: Vec<_> = messages.iter().map(|m| m.stands_for.clone()).collect();
        assert_eq!(stands_for, [vec![0], vec![1], vec![2, 3]]);
        assert_eq!(messages[0].alert, alert("1", 2.0));
        let said: serde_json::Value =
            serde_json::from_str(&messages[2].alert.message).expect("a merged message");
        assert_eq!((&said["count"], &said["key"]), (&2.into(), &"a".into()));
        assert_eq!(said["first"]["record"], "3");
        assert_eq!(said["last"]["record"], "4");
        assert_eq!(
            (&said["highest"]["record"], &said["highest"]["score"]),
            (&"3".into(), &3.0.into())
        );
        assert_eq!(said["records"], serde_json::json!(["3", "4"]));

        let later = [("a", "5", 9.0), ("a", "6", 9.0)];
        let later = cooldown.merge(keyed(&later), now + Duration::from_secs(59));
        assert!(later[0].alert.message.contains("\"count\":2"), "within the window");
        let later = cooldown.merge(keyed(&[("a", "6", 9.0)]), now + Duration::from_secs(60));
        assert_eq!(later[0].alert, alert("6", 9.0), "the window has ended");
    }

    #[test]
    fn a_single_one_that_follows_is_sent_as_it_is() {
        let (cooldown, now) = (cooldown(), Instant::now());
        cooldown.merge(keyed(&[("a", "1", 1.0)]), now);
        let messages = cooldown.merge(keyed(&[("a", "2", 1.0)]), now);
        assert_eq!(messages, [Message::alone(0, alert("2", 1.0))]);
    }

    #[test]
    fn a_merged_message_is_halved_until_each_alert_is_alone() {
        let alerts = [("a", "1", 1.0), ("a", "2", 1.0), ("a", "3", 1.0), ("a", "4", 1.0)];
        let mut messages = cooldown().merge(keyed(&alerts), Instant::now());
        let merged = messages.pop().and_then(|message| message.merged).expect("a merged message");
        let [first, second] = merged.halves();
        assert_eq!(first, Message::alone(1, alert("2", 1.0)));
        assert_eq!(second.stands_for, [2, 3]);
        assert!(second.alert.message.contains("\"count\":2"));
        let [first, second] = second.merged.expect("a merged message").halves();
        assert_eq!(first, Message::alone(2, alert("3", 1.0)));
        assert_eq!(second, Message::alone(3, alert("4", 1.0)));
    }

    #[test]
    fn without_a_key_nothing_is_merged() {
        let messages = cooldown().merge(keyed(&[("", "1", 1.0), ("", "2", 1.0)]), Instant::now());
        assert_eq!(messages.len(), 2);
    }

    #[test]
    fn a_first_alert_that_is_not_confirmed_leaves_no_window() {
        let (cooldown, now) = (cooldown(), Instant::now());
        let messages = cooldown.merge(keyed(&[("a", "1", 1.0)]), now);
        cooldown.close(messages[0].opened.as_ref().expect("a window"));
        let again = cooldown.merge(keyed(&[("a", "1", 1.0)]), now);
        assert_eq!(again[0].alert, alert("1", 1.0));
    }

    #[test]
    fn more_than_fit_into_a_message_are_several() {
        let ids: Vec<String> = (0..=MAX_MERGED * 2 + 1).map(|id| id.to_string()).collect();
        let alerts: Vec<_> = ids.iter().map(|id| ("a", id.as_str(), 1.0)).collect();
        let messages = cooldown().merge(keyed(&alerts), Instant::now());
        let sizes: Vec<_> = messages.iter().map(|message| message.stands_for.len()).collect();
        assert_eq!(sizes, [1, MAX_MERGED, MAX_MERGED, 1]);
    }

    #[test]
    fn a_key_takes_no_more_room_for_being_long() {
        let (cooldown, now) = (cooldown(), Instant::now());
        let key = |last| Some("k".repeat(10_000) + last);
        let alerts = ["1", "2", "1"].into_iter().enumerate();
        let keyed = alerts.map(|(index, last)| (index, key(last), alert("1", 1.0)));
        let opened = |message: &Message| message.opened.is_some();
        let messages = cooldown.merge(keyed, now);
        assert_eq!(messages.iter().map(opened).collect::<Vec<_>>(), [true, true, false]);
        let bytes: usize = cooldown.open().ends.keys().map(|key| key.len()).sum();
        assert_eq!(bytes, 2 * 32);
    }

    #[test]
    fn windows_that_have_ended_are_forgotten() {
        let (cooldown, now) = (cooldown(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        cooldown.merge(keyed(&[("a", "1", 1.0), ("b", "2", 1.0)]), now);
        cooldown.merge(keyed(&[("c", "3", 1.0)]), after(59));
        assert_eq!(cooldown.open().ends.len(), 3);
        cooldown.merge(keyed(&[("d", "4", 1.0)]), after(60));
        assert_eq!(cooldown.open().ends.len(), 2);
        cooldown.merge(keyed(&[]), after(120));
        assert_eq!(cooldown.open().ends.len(), 0);
    }

    #[test]
    fn keys_are_forgotten_when_there_are_too_many() {
        let (now, window) = (Instant::now(), Duration::from_secs(60));
        let mut open = Open::default();
        open.forget(now, window);
        // More than twice as many, as one event may hold.
        let begun = (0..MAX_KEYS * 2 + 10).map(|number| {
            let later = now + Duration::from_nanos(number as u64);
            open.begin(&number.to_string(), later, window).expect("a key that is new")
        });
        let last = begun.last().expect("some");
        open.forget(now, window);
        assert!((MAX_KEYS / 4..=MAX_KEYS).contains(&open.ends.len()), "{}", open.ends.len());
        assert!(open.ends.contains_key(&last.key));
    }
}
