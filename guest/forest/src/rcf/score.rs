use crate::rcf::bounds::{Lanes, excess, extend, range};
use crate::rcf::tree::{NONE, Tree};

/// What a score is made of, by depth and mass. Of trees of one capacity.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    /// 1 / (depth + 1): of a point that a cut at this depth separates from all others.
    separated: Vec<f32>,
    /// log₂ mass: how many more cuts a leaf of equal points stands for.
    equal: Vec<f32>,
    /// What the sum of the trees' scores is multiplied by: log₂ of their capacity, so that a point
    /// that is separated for sure by the first cut has 8 in trees of 256 points, over their number.
    pub(crate) factor: f64,
}

impl Scale {
    pub(crate) fn new(trees: usize, capacity: usize) -> Self {
        Self {
            separated: (0..capacity).map(|depth| 1.0 / (depth + 1) as f32).collect(),
            equal: (0..=capacity).map(|mass| libm::log2(mass as f64) as f32).collect(),
            factor: libm::log2(capacity as f64) / trees as f64,
        }
    }

    /// The score of a point that a cut at this depth separates from all others.
    #[inline]
    pub(crate) fn separated(&self, depth: usize) -> f32 {
        self.separated[depth]
    }

    /// The score of a point that is one of a leaf's.
    fn equal(&self, depth: usize, mass: u16) -> f32 {
        match depth {
            // The tree knows no other point.
            0 => 1.0 / (1.0 + f32::from(mass)),
            _ => 1.0 / (depth as f32 + self.equal[usize::from(mass)]),
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.separated) + size_of_val(&*self.equal)
    }
}

/// A box that a point lies outside of, on its way through a tree.
pub(crate) struct Step<'a> {
    pub(crate) depth: usize,
    pub(crate) bounds: &'a [Lanes],
    /// The sum of the box's sides.
    pub(crate) range: f32,
    /// How far the point lies outside.
    pub(crate) outside: f32,
}

impl Step<'_> {
    /// The probability that the cut of a box around the point too separates it from the others.
    #[inline]
    pub(crate) fn separates(&self) -> f32 {
        self.outside / (self.range + self.outside)
    }
}

/// The score of a point in a tree that is not empty: the expectation, over the cuts that the boxes
/// on its way would have had with the point in them, of how early it is separated.
#[inline]
pub(crate) fn score(tree: &Tree, point: &[Lanes], scale: &Scale, spare: &mut [Lanes]) -> f32 {
    let mut score = 0.0;
    let equal = climb(tree, point, scale, spare, |step| {
        score += step.separates() * (scale.separated(step.depth) - score);
    });
    equal.unwrap_or(score)
}

/// Visits the boxes that a point lies outside of, from the leaf upwards. They end with the first
/// that the point lies within: so does it within all above.
///
/// A point that equals those of a leaf is scored as if the tree held one less of them: with more
/// than one, it has the score that is returned, and no box is visited; with one, the boxes are those
/// of a tree without that leaf.
#[inline]
pub(crate) fn climb(
    tree: &Tree,
    point: &[Lanes],
    scale: &Scale,
    spare: &mut [Lanes],
    mut visit: impl FnMut(Step<'_>),
) -> Option<f32> {
    let (leaf, depth) = tree.find(tree.root, point);
    let outside = excess(tree.bounds(leaf), point);
    if outside > 0.0 {
        climb_from(tree, leaf, NONE, depth, point, &mut visit);
        return None;
    }
    let mass = tree.leaf(leaf).mass;
    if mass > 1 || depth == 0 {
        return Some(scale.equal(depth, mass));
    }
    climb_without(tree, leaf, depth, point, spare, visit);
    None
}

/// From a node that the point lies outside of, to the one below `end`.
#[inline]
fn climb_from(
    tree: &Tree,
    mut node: u16,
    end: u16,
    mut depth: usize,
    point: &[Lanes],
    visit: &mut impl FnMut(Step<'_>),
) {
    loop {
        let bounds = tree.bounds(node);
        let outside = excess(bounds, point);
        if outside <= 0.0 {
            return;
        }
        let range = if tree.is_leaf(node) { 0.0 } else { tree.cut(node).range };
        visit(Step { depth, bounds, range, outside });
        node = tree.parent(node);
        if node == end {
            return;
        }
        depth -= 1;
    }
}

/// As if a leaf, at this depth, were not there: its sibling stands in its parent's place, and the
/// boxes above are drawn anew.
fn climb_without(
    tree: &Tree,
    leaf: u16,
    depth: usize,
    point: &[Lanes],
    spare: &mut [Lanes],
    mut visit: impl FnMut(Step<'_>),
) {
    let parent = tree.leaf(leaf).parent;
    let sibling = tree.sibling(parent, leaf);
    let (found, below) = tree.find(sibling, point);
    let mut depth = depth - 1;
    climb_from(tree, found, parent, depth + below, point, &mut visit);
    spare.copy_from_slice(tree.bounds(sibling));
    let mut node = parent;
    while tree.cut(node).parent != NONE {
        let above = tree.cut(node).parent;
        depth -= 1;
        extend(spare, tree.bounds(tree.sibling(above, node)));
        let outside = excess(spare, point);
        if outside <= 0.0 {
            return;
        }
        let range = range(spare, tree.dimensions());
        visit(Step { depth, bounds: spare, range, outside });
        node = above;
    }
}
