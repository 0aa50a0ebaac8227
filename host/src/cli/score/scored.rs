use serde_json::Value;

use crate::outcome::Verdict;
use crate::pointer::FieldPointer;
use crate::response::Counts;

/// So many columns are drawn, unless they are named.
const MAX_COLUMNS: usize = 6;

/// What was found of all records, in their order.
pub(super) struct Scored {
    pub(super) counts: Counts,
    pub(super) columns: Columns,
    /// One a record. NaN if there is none.
    pub(super) scores: Vec<f64>,
    /// The records that are flagged.
    pub(super) flagged: Vec<usize>,
    pub(super) highest: Option<Highest>,
}

/// The record with the highest score.
pub(super) struct Highest {
    pub(super) id: String,
    score: f64,
}

impl Scored {
    pub(super) fn new(columns: Columns) -> Self {
        let (counts, scores, flagged) = Default::default();
        Self { counts, columns, scores, flagged, highest: None }
    }

    /// Adds a record: what the rule says of it, and its payload as it goes on. Those that failed are
    /// counted by others.
    pub(super) fn add(
        &mut self,
        verdict: Verdict,
        payload: Option<&Value>,
        field: &FieldPointer,
        id: impl FnOnce() -> String,
    ) {
        let Counts { records, passed, flagged, dropped, .. } = &mut self.counts;
        *records += 1;
        match verdict {
            Verdict::Pass => *passed += 1,
            Verdict::Drop => *dropped += 1,
            Verdict::Flag => {
                *flagged += 1;
                self.flagged.push(self.scores.len());
            }
            Verdict::Fail => {}
        }
        // What a rule fails on it has not scored, whatever stands in the payload.
        let payload = payload.filter(|_| verdict != Verdict::Fail);
        let score = payload.and_then(|payload| field.number(payload));
        self.columns.add(payload);
        self.scores.push(score.unwrap_or(f64::NAN));
        let beaten = self.highest.as_ref().map_or(0.0, |highest| highest.score);
        if let Some(score) = score.filter(|&score| score > beaten) {
            self.highest = Some(Highest { id: id(), score });
        }
    }

    /// The scores but those of 0, which a scorer gives as long as it is training.
    pub(super) fn trained(&self) -> Vec<f64> {
        self.scores.iter().copied().filter(|&score| !score.is_nan() && score != 0.0).collect()
    }

    /// How many records have a score of 0.
    pub(super) fn in_training(&self) -> u64 {
        self.scores.iter().filter(|&&score| score == 0.0).count() as u64
    }
}

/// The values to draw.
pub(super) struct Columns {
    /// The field of each column. Empty until there is a record to take them from.
    fields: Vec<FieldPointer>,
    /// Where the score stands, which has a picture of its own.
    score: FieldPointer,
    /// By column, one a record. NaN if there is none.
    values: Vec<Vec<f64>>,
    records: usize,
}

impl Columns {
    /// Columns of these fields; if there are none, of the numbers of the first record.
    pub(super) fn new(fields: Vec<FieldPointer>, score: &FieldPointer) -> Self {
        let values = vec![Vec::new(); fields.len()];
        Self { fields, score: score.clone(), values, records: 0 }
    }

    fn add(&mut self, payload: Option<&Value>) {
        if let (true, Some(Value::Object(members))) = (self.fields.is_empty(), payload) {
            let field = |name: &String| -> Option<FieldPointer> {
                format!("/{}", name.replace('~', "~0").replace('/', "~1")).parse().ok()
            };
            let numbers = members.iter().filter(|(_, value)| value.is_number());
            let fields = numbers.filter_map(|(name, _)| field(name));
            self.fields = fields.filter(|field| *field != self.score).take(MAX_COLUMNS).collect();
            self.values = vec![vec![f64::NAN; self.records]; self.fields.len()];
        }
        self.records += 1;
        for (field, values) in self.fields.iter().zip(&mut self.values) {
            values.push(payload.and_then(|payload| field.number(payload)).unwrap_or(f64::NAN));
        }
    }

    /// The field and the values of each.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&FieldPointer, &[f64])> {
        self.fields.iter().zip(self.values.iter().map(Vec::as_slice))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointer(text: &str) -> FieldPointer {
        text.parse().expect("a pointer")
    }

    fn scored(fields: Vec<FieldPointer>) -> Scored {
        let field = pointer("/score");
        let mut scored = Scored::new(Columns::new(fields, &field));
        let records = [
            (Verdict::Fail, None),
            (Verdict::Pass, Some(json!({"a/b": 1, "device": "x", "score": 0, "n": {"v": 5}}))),
            (Verdict::Flag, Some(json!({"a/b": 2, "score": 3.5, "late": 7}))),
            (Verdict::Pass, Some(json!({"a/b": "none", "score": 1.5}))),
            (Verdict::Fail, Some(json!({"a/b": 9, "score": 9}))),
        ];
        for (number, (verdict, payload)) in records.iter().enumerate() {
            scored.add(*verdict, payload.as_ref(), &field, || number.to_string());
        }
        scored
    }

    fn shown(values: &[f64]) -> String {
        format!("{values:?}")
    }

    #[test]
    fn scores_are_those_of_records_that_were_classified() {
        let scored = scored(Vec::new());
        assert_eq!(shown(&scored.scores), "[NaN, 0.0, 3.5, 1.5, NaN]");
        assert_eq!((scored.trained(), scored.in_training()), (vec![3.5, 1.5], 1));
        assert_eq!(scored.flagged, [2]);
        assert_eq!(scored.highest.map(|highest| highest.id).as_deref(), Some("2"));
        let Counts { records, passed, flagged, .. } = scored.counts;
        assert_eq!((records, passed, flagged), (5, 2, 1));
    }

    #[test]
    fn columns_are_the_numbers_of_the_first_record_but_its_score() {
        let scored = scored(Vec::new());
        let columns: Vec<_> = scored
            .columns
            .iter()
            .map(|(field, values)| (field.to_string(), shown(values)))
            .collect();
        assert_eq!(columns, [("/a~1b".to_owned(), "[NaN, 1.0, 2.0, NaN, NaN]".to_owned())]);
    }

    #[test]
    fn columns_can_be_named() {
        let scored = scored(vec![pointer("/n/v"), pointer("/late")]);
        let columns: Vec<_> = scored.columns.iter().map(|(_, values)| shown(values)).collect();
        assert_eq!(columns, ["[NaN, 5.0, NaN, NaN, NaN]", "[NaN, NaN, 7.0, NaN, NaN]"]);
    }
}
