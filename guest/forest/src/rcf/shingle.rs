use crate::rcf::bounds::{LANES, Lanes, mirror, width};
use crate::rcf::snapshot::{Reader, SnapshotError};

/// Coordinates are kept within ± this. The sides of a box then add up to less than the greatest
/// `f32`, in as many dimensions as there can be: 900 times 2 × 10³⁵ is 1.8 × 10³⁸.
pub(crate) const LIMIT: f32 = 1e35;

/// Makes points of records: a point is a record and those before it, the oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Shingle {
    columns: usize,
    dimensions: usize,
    /// The records before the next, those that came first at the front.
    pub(crate) before: Vec<f32>,
    /// The row of the point that was made last.
    point: Vec<Lanes>,
}

impl Shingle {
    pub(crate) fn new(columns: usize, length: usize) -> Self {
        let dimensions = columns * length;
        Self {
            columns,
            dimensions,
            before: vec![0.0; dimensions - columns],
            point: vec![[0.0; LANES]; width(dimensions)],
        }
    }

    /// Makes the point of a record and those before it.
    pub(crate) fn take(&mut self, record: &[f64]) {
        assert_eq!(record.len(), self.columns, "as many numbers as there are columns");
        let row = self.point.as_flattened_mut();
        let before = self.before.len();
        row[..before].copy_from_slice(&self.before);
        for (to, &from) in row[before..].iter_mut().zip(record) {
            *to = coordinate(from);
        }
        mirror(&mut self.point);
    }

    /// Takes a point as it is: a record and those before it, whichever were learnt.
    pub(crate) fn take_whole(&mut self, records: &[f64]) {
        assert_eq!(records.len(), self.dimensions, "as many numbers as a point has");
        for (to, &from) in self.point.as_flattened_mut().iter_mut().zip(records) {
            *to = coordinate(from);
        }
        mirror(&mut self.point);
    }

    /// The point that was taken last.
    pub(crate) fn point(&self) -> &[Lanes] {
        &self.point
    }

    /// Goes on: the record that was taken last is one of those before the next.
    pub(crate) fn advance(&mut self) {
        let row = &self.point.as_flattened()[..self.dimensions];
        self.before.copy_from_slice(&row[self.columns..]);
    }

    /// Reads the records before the next from a snapshot.
    pub(crate) fn read(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let numbers = from.numbers(self.before.len())?;
        self.before.iter_mut().zip(numbers).for_each(|(to, number)| *to = number);
        let within = self.before.iter().all(|number| number.abs() <= LIMIT);
        if within { Ok(()) } else { Err(SnapshotError::Inconsistent) }
    }
}

/// The nearest `f32` within the limit. One zero stands for both, and for what is no number.
fn coordinate(number: f64) -> f32 {
    let limit = f64::from(LIMIT);
    if number.is_nan() { 0.0 } else { number.clamp(-limit, limit) as f32 + 0.0 }
}
