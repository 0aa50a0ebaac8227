use std::iter;

use wide::f32x4;

use crate::rcf::bounds::{LANES, Lanes, excess, extend, range};
use crate::rcf::tree::{NONE, Tree};

/// What a score is made of, by depth and mass. Of trees of one capacity.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    /// 1 / (depth + 1): of a point that a cut at this depth separates from all others. Before them
    /// stands what means nothing, for the depths that are none.
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
            separated: iter::repeat_n(0.0, LANES)
                .chain((0..capacity).map(|depth| 1.0 / (depth + 1) as f32))
                .collect(),
            equal: (0..=capacity).map(|mass| libm::log2(mass as f64) as f32).collect(),
            factor: libm::log2(capacity as f64) / trees as f64,
        }
    }

    /// The score of a point that a cut at this depth separates from all others.
    #[inline]
    pub(crate) fn separated(&self, depth: usize) -> f32 {
        self.separated[LANES + depth]
    }

    /// The same of the four depths above one, that of the least first.
    #[inline]
    pub(crate) fn separated_above(&self, depth: usize) -> f32x4 {
        f32x4::new(*self.separated[depth..].first_chunk().expect("a tree's depth"))
    }

    /// The score of a point that is one of a leaf's.
    fn equal(&self, depth: usize, mass: u16) -> f32 {
        match depth {
            // The tree knows no other point.
            0 => 1.0 / (1.0 + f32::from(mass)),
            _ => 1.0 / (depth as f32 + self.equal[usize::from(mass)]),
        }
    }

    /// The memory that the tables for this capacity take.
    pub(crate) fn memory_bytes(capacity: u64) -> u64 {
        (LANES as u64 + 2 * capacity + 1) * size_of::<f32>() as u64
    }
}

/// The score of a point in a tree that is not empty: the expectation, over the cuts that the boxes
/// on its way would have had with the point in them, of how early it is separated.
pub(crate) fn score(tree: &Tree, point: &[Lanes], scale: &Scale, spare: &mut [Lanes]) -> f32 {
    let mut score = 0.0;
    let equal = climb(tree, point, scale, spare, |step| {
        score += step.separates() * (scale.separated(step.depth) - score);
    });
    equal.unwrap_or(score)
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

/// Visits the boxes that a point lies outside of, from the leaf upwards. They end with the first
/// that the point lies within: so does it within all above.
///
/// A point that equals those of a leaf has the score 1 / (depth + log₂ mass), as in Kinesis Data
/// Analytics: it is returned, and no box is visited. For a leaf of one point, the boxes are those of
/// a tree without that leaf. What they make is the mean of 1 / depth over all cuts that would have
/// separated the leaf (the paper's theorem 3): the same score with less chance in it, and of known
/// sides.
#[inline]
pub(crate) fn climb(
    tree: &Tree,
    point: &[Lanes],
    scale: &Scale,
    spare: &mut [Lanes],
    mut visit: impl FnMut(Step<'_>),
) -> Option<f32> {
    let (leaf, depth) = tree.find(tree.root, point);
    if excess(tree.bounds(leaf), point) > 0.0 {
        climb_from(tree, leaf, NONE, depth, point, &mut visit);
        return None;
    }
    let mass = tree.mass(leaf);
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
        visit(Step { depth, bounds, range: tree.range(node), outside });
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
    let parent = tree.parent(leaf);
    let sibling = tree.sibling(parent, leaf);
    let (found, below) = tree.find(sibling, point);
    let mut depth = depth - 1;
    climb_from(tree, found, parent, depth + below, point, &mut visit);
    spare.copy_from_slice(tree.bounds(sibling));
    let mut node = parent;
    while tree.parent(node) != NONE {
        let above = tree.parent(node);
        depth -= 1;
        extend(spare, tree.bounds(tree.sibling(above, node)));
        let outside = excess(spare, point);
        if outside <= 0.0 {
            return;
        }
        let range = range(spare);
        visit(Step { depth, bounds: spare, range, outside });
        node = above;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rcf::bounds::{LANES, width};
    use crate::rcf::random::Random;
    use crate::rcf::tree::properties::row;

    /// A tree of one dimension.
    fn tree(points: &[f32]) -> Tree {
        let mut tree = Tree::new(16, 1, width(1));
        let mut random = Random::new(1);
        for &point in points {
            tree.insert::<0>(&row(&[point]), &mut random);
        }
        tree
    }

    fn score_in(tree: &Tree, point: f32) -> f32 {
        let mut spare = vec![[0.0; LANES]; width(1)];
        score(tree, &row(&[point]), &Scale::new(1, 16), &mut spare)
    }

    #[test]
    fn a_point_that_is_outside_the_only_leaf_is_separated_at_once() {
        assert_eq!(score_in(&tree(&[2.0, 2.0]), 3.0), 1.0);
    }

    #[test]
    fn a_point_that_equals_all_others_is_scored_by_their_number() {
        assert_eq!(score_in(&tree(&[2.0]), 2.0), 1.0 / 2.0);
        assert_eq!(score_in(&tree(&[2.0, 2.0, 2.0]), 2.0), 1.0 / 4.0);
    }

    #[test]
    fn a_point_within_the_box_is_separated_at_the_leaf() {
        assert_eq!(score_in(&tree(&[0.0, 10.0]), 5.0), 1.0 / 2.0);
    }

    #[test]
    fn a_point_outside_the_box_is_separated_at_the_root_with_the_probability_of_the_cut() {
        // The sides are 10 within, and 30 outside.
        let expected = 0.75 * 1.0 + 0.25 * (1.0 / 2.0);
        assert_eq!(score_in(&tree(&[0.0, 10.0]), 40.0), expected);
        assert_eq!(score_in(&tree(&[0.0, 10.0]), -30.0), expected);
    }

    #[test]
    fn a_point_that_equals_others_counts_them_without_itself() {
        // Three of them: two others, so one more cut below that of the root.
        assert_eq!(score_in(&tree(&[0.0, 0.0, 0.0, 10.0]), 0.0), 1.0 / (1.0 + 3.0_f32.log2()));
        assert_eq!(score_in(&tree(&[0.0, 0.0, 10.0]), 0.0), 1.0 / (1.0 + 1.0));
    }

    #[test]
    fn a_point_that_equals_one_is_scored_by_the_depth_of_that_on_average() {
        const TREES: u32 = 2000;
        let mut random = Random::new(5);
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..TREES {
            let mut tree = Tree::new(16, 1, width(1));
            for point in [0.0, 0.5, 3.0, 7.0, 8.0, 20.0] {
                tree.insert::<0>(&row(&[point]), &mut random);
            }
            let (_, depth) = tree.find(tree.root, &row(&[7.0]));
            let more = f64::from(score_in(&tree, 7.0)) - 1.0 / depth as f64;
            sum += more;
            squares += more * more;
        }
        // 99.9% of such sums lie within.
        let deviations = sum.abs() / f64::sqrt(squares);
        assert!(deviations < 3.3, "{deviations}");
    }

    #[test]
    fn a_point_that_equals_one_is_scored_as_if_that_were_not_there() {
        for points in [[0.0, 7.0, 10.0, 11.0], [-4.0, -1.0, 7.0, 8.0], [7.0, 90.0, 91.0, 99.0]] {
            let mut tree = tree(&points);
            let with = score_in(&tree, 7.0);
            let (leaf, _) = tree.find(tree.root, &row(&[7.0]));
            tree.remove::<0>(leaf);
            assert_eq!(with, score_in(&tree, 7.0));
        }
    }
}
