use serde::{Deserialize, Serialize};

use crate::contract::Position;
use crate::outcome::{Flag, Outcome};

/// How much is remembered of flags, in bytes as it is stored.
const MAX_BYTES: usize = 512 << 10;

/// What was flagged of the records that were learnt last. They may come again because their alerts could
/// not be published, and a rule that has learnt them may find nothing about them any more.
///
/// By position, ascending: what is learnt comes after all that was learnt before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Flagged(Vec<Remembered>);

/// A record that was flagged, and what is to be published for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Remembered {
    position: Position,
    #[serde(flatten)]
    flag: Flag,
}

impl Flagged {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets what is of records before a position: what comes after them has come, so they were dealt
    /// with.
    pub(super) fn forget_before(&mut self, position: &Position) {
        self.0.retain(|remembered| remembered.position >= *position);
    }

    /// Remembers what was flagged of records that were learnt just now, which stand at these positions of
    /// the stream behind so many others. Says how many of them there is no room for.
    pub(super) fn remember(
        &mut self,
        outcome: &Outcome,
        positions: &[Position],
        others: usize,
    ) -> usize {
        let mut bytes: usize = self.0.iter().map(Remembered::bytes).sum();
        let mut left = 0;
        for flag in outcome.flagged.iter().filter(|flag| flag.index >= others) {
            let Some(position) = positions.get(flag.index) else { continue };
            let remembered = Remembered { position: position.clone(), flag: flag.clone() };
            bytes += remembered.bytes();
            if bytes > MAX_BYTES {
                bytes -= remembered.bytes();
                left += 1;
            } else {
                self.0.push(remembered);
            }
        }
        left
    }

    /// Flags those of the records at these positions that were flagged before, as they were then.
    pub(super) fn flag_again(&self, outcome: &mut Outcome, positions: &[Position]) {
        for (index, position) in positions.iter().enumerate() {
            let place = self.0.binary_search_by(|remembered| remembered.position.cmp(position));
            if let Ok(place) = place {
                outcome.flag(Flag { index, ..self.0[place].flag.clone() });
            }
        }
    }
}

impl Remembered {
    /// What it takes to store it.
    fn bytes(&self) -> usize {
        serde_json::to_string(self).map_or(0, |text| text.len() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Bound, Verdict};

    fn positions(numbers: impl IntoIterator<Item = usize>) -> Vec<Position> {
        let position = |number: usize| Position::try_from(number.to_string()).expect("a number");
        numbers.into_iter().map(position).collect()
    }

    /// An outcome of so many records, with these flagged.
    fn outcome(records: usize, flagged: &[usize], message: &str) -> Outcome {
        let mut outcome = Outcome { verdicts: vec![Verdict::Pass; records], ..Outcome::default() };
        for &index in flagged {
            let (score, crossed) = (Some(index as f64 / 3.0), Some(Bound::Upper));
            outcome.flag(Flag {
                index,
                score,
                crossed,
                subject: None,
                message: message.to_owned(),
            });
        }
        outcome
    }

    #[test]
    fn what_comes_again_is_flagged_as_it_was() {
        let mut flagged = Flagged::default();
        // The first two were learnt before.
        let first = outcome(5, &[1, 2, 4], "m");
        assert_eq!(flagged.remember(&first, &positions(10..15), 2), 0);
        let stored = serde_json::to_string(&flagged).expect("JSON");
        let flagged: Flagged = serde_json::from_str(&stored).expect("what was stored");

        let mut again = outcome(4, &[0, 1], "another");
        flagged.flag_again(&mut again, &positions(11..15));
        let flags: Vec<_> = again.flagged.iter().map(|f| (f.index, f.message.as_str())).collect();
        assert_eq!(flags, [(0, "another"), (1, "m"), (3, "m")]);
        assert_eq!(again.flagged[2].score, Some(4.0 / 3.0));
        assert_eq!(again.verdicts[2..], [Verdict::Pass, Verdict::Flag]);
    }

    #[test]
    fn what_was_dealt_with_is_forgotten() {
        let mut flagged = Flagged::default();
        flagged.remember(&outcome(3, &[0, 2], ""), &positions(8..11), 0);
        flagged.forget_before(&positions([10]).remove(0));
        let mut again = outcome(3, &[], "");
        flagged.flag_again(&mut again, &positions(8..11));
        assert_eq!(again.verdicts, [Verdict::Pass, Verdict::Pass, Verdict::Flag]);
    }

    #[test]
    fn there_is_a_bound() {
        let message = "\u{1}".repeat(1 << 10);
        let mut flagged = Flagged::default();
        let all: Vec<usize> = (0..1000).collect();
        let left = flagged.remember(&outcome(1000, &all, &message), &positions(0..1000), 0);
        assert!((1..1000).contains(&left));
        assert!(serde_json::to_string(&flagged).expect("JSON").len() <= MAX_BYTES + 2);
    }
}
