//! The scores of several trees at a time.
//!
//! A tree's cuts come one after another: each is known by the one before, and the processor waits
//! for its memory. Several trees walked down in step let it wait for all at once. And on the way
//! up, several boxes at a time do without a decision between them, which would mostly be guessed
//! wrong: a box that the point lies within leaves the score as it is.
//!
//! The scores are, bit for bit, those of [`score`].

use crate::rcf::bounds::{LANES, Lanes, excess};
use crate::rcf::score::{Scale, score};
use crate::rcf::tree::{NONE, Tree};

/// So many trees are walked in step.
const TREES: usize = 4;

/// So many boxes are looked at together.
const BOXES: usize = 4;

/// What is needed for the time of a score.
#[derive(Clone, Debug)]
pub(crate) struct Scratch {
    /// A row for a box that is drawn for a moment.
    pub(crate) spare: Vec<Lanes>,
    /// The nodes that the trees' ways lead through, level by level.
    paths: Vec<[u32; TREES]>,
}

impl Scratch {
    pub(crate) fn new(capacity: usize, width: usize) -> Self {
        Self { spare: vec![[0.0; LANES]; width], paths: vec![[0; TREES]; capacity] }
    }

    /// The memory that it takes.
    pub(crate) fn memory_bytes(capacity: u64, row: u64) -> u64 {
        row + capacity * size_of::<[u32; TREES]>() as u64
    }
}

/// The sum of a point's scores in trees that are not empty.
pub(crate) fn sum(trees: &[Tree], point: &[Lanes], scale: &Scale, scratch: &mut Scratch) -> f64 {
    // With the length of a row known, loops over it are none.
    match point.len() {
        1 => sum_of::<1>(trees, point, scale, scratch),
        2 => sum_of::<2>(trees, point, scale, scratch),
        3 => sum_of::<3>(trees, point, scale, scratch),
        4 => sum_of::<4>(trees, point, scale, scratch),
        _ => sum_of::<0>(trees, point, scale, scratch),
    }
}

/// With rows of `WIDTH`; 0 stands for any.
fn sum_of<const WIDTH: usize>(
    trees: &[Tree],
    point: &[Lanes],
    scale: &Scale,
    scratch: &mut Scratch,
) -> f64 {
    let point = if WIDTH == 0 { point } else { &point[..WIDTH] };
    let (together, rest) = trees.as_chunks::<TREES>();
    let mut sum = 0.0;
    for trees in together {
        let depths = descend(trees, point, &mut scratch.paths);
        let ways: [_; TREES] = std::array::from_fn(|place| {
            let paths = &scratch.paths[..=depths[place] as usize];
            Way::<WIDTH> { tree: &trees[place], paths, place }
        });
        // Whatever the ways are like: no decision stands between these, so all wait at once.
        let first = ways.each_ref().map(|way| way.separates(way.depth(), point));
        for (way, first) in ways.iter().zip(first) {
            // Outside the box above, a point is outside the leaf, which need not be looked at.
            let outside = first[0] > 0.0 || way.outside(way.depth(), point) > 0.0;
            sum += f64::from(if outside && way.depth() > 0 {
                way.climb(first, point, scale)
            } else {
                score(way.tree, point, scale, &mut scratch.spare)
            });
        }
    }
    for tree in rest {
        sum += f64::from(score(tree, point, scale, &mut scratch.spare));
    }
    sum
}

/// Walks down to the leaves, writes the ways down, and returns the leaves' depths.
fn descend(trees: &[Tree; TREES], point: &[Lanes], paths: &mut [[u32; TREES]]) -> [u32; TREES] {
    let coordinates = point.as_flattened();
    let leaves = u32::from(trees[0].capacity());
    assert!(trees.iter().all(|tree| tree.root != NONE), "trees that are not empty");
    let mut nodes = trees.each_ref().map(|tree| u32::from(tree.root));
    let mut depths = [0; TREES];
    for path in paths {
        *path = nodes;
        let mut descending = false;
        for place in 0..TREES {
            let is_cut = nodes[place] < leaves;
            depths[place] += u32::from(is_cut);
            descending |= is_cut;
            // SAFETY: each node is one of the tree's, as its root is: `Steps` lead to no other. A row
            // is longer than the dimensions are many.
            nodes[place] = unsafe { trees[place].steps.follow(nodes[place], coordinates) };
        }
        if !descending {
            break;
        }
    }
    depths
}

/// The way of a point down a tree with rows of `WIDTH`.
struct Way<'a, const WIDTH: usize> {
    tree: &'a Tree,
    /// Up to its leaf.
    paths: &'a [[u32; TREES]],
    /// Which of the trees it is.
    place: usize,
}

impl<const WIDTH: usize> Way<'_, WIDTH> {
    /// The leaf's.
    fn depth(&self) -> usize {
        self.paths.len() - 1
    }

    /// The node at a depth, at most the leaf's.
    #[inline(always)]
    fn node(&self, depth: usize) -> u32 {
        debug_assert!(depth < self.paths.len());
        // SAFETY: it is at most the leaf's, which is that of the last.
        unsafe { self.paths.get_unchecked(depth)[self.place] }
    }

    /// How far the point lies outside the box at a depth, at most the leaf's.
    #[inline(always)]
    fn outside(&self, depth: usize, point: &[Lanes]) -> f32 {
        excess(self.tree.bounds.get::<WIDTH>(self.node(depth) as u16), point)
    }

    /// The probabilities that the point is separated by each of the cuts next above a depth, from
    /// below. There being fewer, they end with what means nothing.
    #[inline(always)]
    fn separates(&self, depth: usize, point: &[Lanes]) -> [f32; BOXES] {
        std::array::from_fn(|up| {
            let depth = depth.saturating_sub(1 + up);
            let cut = (self.node(depth) as usize).min(self.tree.ranges.len() - 1);
            // SAFETY: a number of a node, and one that is no greater than the last place.
            let (bounds, range) = unsafe {
                (
                    self.tree.bounds.get_unchecked::<WIDTH>(cut as u16),
                    *self.tree.ranges.get_unchecked(cut),
                )
            };
            let outside = excess(bounds, point);
            outside / (range + outside)
        })
    }

    /// The score of a point that lies outside the leaf at the end of its way, and is separated by
    /// the first cuts above with these probabilities.
    #[inline(always)]
    fn climb(&self, mut separates: [f32; BOXES], point: &[Lanes], scale: &Scale) -> f32 {
        let mut depth = self.depth();
        let mut score = scale.separated(depth);
        while depth >= BOXES {
            for separates in separates {
                depth -= 1;
                score += separates * (scale.separated(depth) - score);
            }
            if separates[BOXES - 1] == 0.0 {
                return score;
            }
            separates = self.separates(depth, point);
        }
        for separates in separates.into_iter().take(depth) {
            depth -= 1;
            score += separates * (scale.separated(depth) - score);
        }
        score
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rcf::bounds::width;
    use crate::rcf::random::Random;
    use crate::rcf::tree::properties::row;

    const CAPACITY: u16 = 32;

    proptest! {
        #[test]
        fn scores_are_those_of_each_tree_alone(
            dimensions in 1..12_usize,
            trees in 1..11_usize,
            points in 1..=CAPACITY,
            seed: u64,
        ) {
            let mut random = Random::new(seed);
            // Few different ones, so that some are equal.
            let point = |random: &mut Random| {
                row(&(0..dimensions).map(|_| (random.uniform() * 4.0) as u8 as f32).collect::<Vec<_>>())
            };
            let width = width(dimensions);
            let trees: Vec<_> = (0..trees)
                .map(|_| {
                    let mut tree = Tree::new(CAPACITY, dimensions, width);
                    for _ in 0..points {
                        let point = point(&mut random);
                        tree.insert::<0>(&point, &mut random);
                    }
                    tree
                })
                .collect();
            let scale = Scale::new(trees.len(), CAPACITY.into());
            let mut scratch = Scratch::new(CAPACITY.into(), width);
            for _ in 0..20 {
                let point = point(&mut random);
                let spare = &mut scratch.spare;
                let alone = trees.iter().map(|tree| f64::from(score(tree, &point, &scale, spare)));
                let alone: f64 = alone.sum();
                prop_assert_eq!(sum(&trees, &point, &scale, &mut scratch), alone);
            }
        }
    }
}
