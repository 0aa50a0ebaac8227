use crate::rcf::bounds::Lanes;
use crate::rcf::score::{Scale, climb};
use crate::rcf::tree::Tree;

/// What a column has to do with a score: how much of it is due to a value above, and below, those
/// that the forest knows. Over all columns, `high` and `low` sum to the score.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Attribution {
    /// What is due to a high value.
    pub high: f64,
    /// What is due to a low value.
    pub low: f64,
}

impl Attribution {
    /// The column's part of the score: `ATTRIBUTION_SCORE`.
    pub fn score(&self) -> f64 {
        self.high + self.low
    }

    /// How clear the direction is: `STRENGTH`, from 0 to the [`score`](Self::score).
    pub fn strength(&self) -> f64 {
        (self.high - self.low).abs()
    }

    /// Whether the value is rather high than low: `DIRECTION` is `HIGH`.
    pub fn is_high(&self) -> bool {
        self.high > self.low
    }
}

/// What each side of a point has to do with its score in a tree: first that each coordinate is low,
/// then that each is high, as boxes are laid out. They sum to the score, and are made like it; what
/// fills the lanes of boxes means nothing.
pub(crate) fn attribute(
    tree: &Tree,
    point: &[Lanes],
    scale: &Scale,
    spare: &mut [Lanes],
    sides: &mut [f64],
) {
    sides.fill(0.0);
    let equal = climb(tree, point, scale, spare, |step| {
        let separates = f64::from(step.separates());
        let per_unit = separates * f64::from(scale.separated(step.depth)) / f64::from(step.outside);
        let pairs = step.bounds.as_flattened().iter().zip(point.as_flattened());
        for (side, (bounds, point)) in sides.iter_mut().zip(pairs) {
            let outside = f64::from((bounds - point).max(0.0));
            *side = *side * (1.0 - separates) + outside * per_unit;
        }
    });
    if let Some(score) = equal {
        // Nothing tells the point from the others: all have the same part in that.
        sides.fill(f64::from(score) / (2 * tree.dimensions()) as f64);
    }
}
