use crate::rcf::bounds::{Lanes, excess};
use crate::rcf::score::Scale;
use crate::rcf::tree::{NONE, Tree};

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
/// then that each is high, as boxes are laid out. They sum to the [score](crate::rcf::score::score),
/// which is what it is made like.
pub(crate) fn attribute(tree: &Tree, point: &[Lanes], scale: &Scale, sides: &mut [f64]) {
    let (leaf, mut depth) = tree.find(point);
    let outside = excess(tree.bounds(leaf), point);
    if outside <= 0.0 {
        // No column tells the point from those of the leaf: all have the same part in that.
        let part = f64::from(scale.equal(depth, tree.leaf(leaf).mass)) / sides.len() as f64;
        sides.fill(part);
        return;
    }
    sides.fill(0.0);
    let mut node = leaf;
    let mut range = 0.0;
    loop {
        let outside = f64::from(excess(tree.bounds(node), point));
        if outside <= 0.0 {
            return;
        }
        let whole = f64::from(range) + outside;
        let separated = f64::from(scale.separated(depth));
        let (bounds, point) = (tree.bounds(node).as_flattened(), point.as_flattened());
        for (side, (bounds, point)) in sides.iter_mut().zip(bounds.iter().zip(point)) {
            let outside_here = f64::from((bounds - point).max(0.0));
            *side = *side * (f64::from(range) / whole) + separated * (outside_here / whole);
        }
        node = if tree.is_leaf(node) { tree.leaf(node).parent } else { tree.cut(node).parent };
        if node == NONE {
            return;
        }
        range = tree.cut(node).range;
        depth -= 1;
    }
}
