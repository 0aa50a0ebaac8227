use crate::rcf::bounds::{Lanes, excess};
use crate::rcf::tree::{NONE, Tree};

/// What a score is made of, by depth and mass. Of trees of one capacity.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    /// 1 / (depth + 1): of a point that a cut at this depth separates from all others.
    separated: Vec<f32>,
    /// log₂(1 + mass): how many more cuts a leaf of equal points stands for.
    equal: Vec<f32>,
    /// What a tree's score is multiplied by: log₂ of its capacity, so that a point that is separated
    /// for sure by the first cut has 8 in trees of 256 points.
    pub(crate) norm: f64,
}

impl Scale {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            separated: (0..capacity).map(|depth| 1.0 / (depth + 1) as f32).collect(),
            equal: (0..=capacity).map(|mass| libm::log2((1 + mass) as f64) as f32).collect(),
            norm: libm::log2(capacity as f64),
        }
    }

    /// The score of a point that a cut at this depth separates from all others.
    #[inline]
    pub(crate) fn separated(&self, depth: usize) -> f32 {
        self.separated[depth]
    }

    /// The score of a point that equals those of a leaf.
    #[inline]
    pub(crate) fn equal(&self, depth: usize, mass: u16) -> f32 {
        // The tree knows no other point.
        let mass =
            if depth == 0 { return 1.0 / (1.0 + f32::from(mass)) } else { usize::from(mass) };
        1.0 / (depth as f32 + self.equal[mass])
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.separated) + size_of_val(&*self.equal)
    }
}

/// The score of a point in a tree that is not empty: the expectation, over the cut that each box on
/// its way would have had with the point in it, of how early the point is separated.
///
/// It is made from the leaf upwards, and ends at the first box that the point lies within: so does
/// it within all above.
#[inline]
pub(crate) fn score(tree: &Tree, point: &[Lanes], scale: &Scale) -> f32 {
    let (leaf, mut depth) = tree.find(point);
    if excess(tree.bounds(leaf), point) <= 0.0 {
        return scale.equal(depth, tree.leaf(leaf).mass);
    }
    let mut score = scale.separated(depth);
    let mut node = tree.leaf(leaf).parent;
    while node != NONE {
        depth -= 1;
        let outside = excess(tree.bounds(node), point);
        if outside <= 0.0 {
            break;
        }
        let cut = tree.cut(node);
        let separated = outside / (cut.range + outside);
        score += separated * (scale.separated(depth) - score);
        node = cut.parent;
    }
    score
}
