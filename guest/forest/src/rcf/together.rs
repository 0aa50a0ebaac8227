//! The scores of several trees at a time.
//!
//! A tree's cuts come one after another: each is known by the one before, and the processor waits
//! for its memory. Several trees walked down in step let it wait for all at once. On the way up,
//! four boxes of a tree are looked at together, in four trees, without a decision between them, which
//! would mostly be guessed wrong: a box that the point lies within leaves the score as it is. What
//! has further to go then waits for its next turn.

use std::array;

use wide::bytemuck::cast;
use wide::{f32x4, i16x8, i32x4};

use crate::rcf::bounds::{LANES, Lanes, equal, excess_of_four};
use crate::rcf::score::{Scale, score};
use crate::rcf::tree::{NONE, Tree};

/// So many trees are walked down in step.
const STEP: usize = 8;

/// So many levels are descended between two looks at whether the leaves are reached.
const LEVELS: usize = 4;

/// So many trees are scored together.
const BLOCK: usize = STEPS * STEP;
const STEPS: usize = 4;

/// What is needed for the time of a score.
#[derive(Clone, Debug)]
pub(crate) struct Scratch {
    /// A row for a box that is drawn for a moment.
    pub(crate) spare: Vec<Lanes>,
    /// The ways of those that are walked down in step, one after another.
    paths: Vec<Level>,
    /// The length of each.
    levels: usize,
}

/// The nodes at one level of the ways of trees that are walked down in step.
type Level = [u16; STEP];

impl Scratch {
    pub(crate) fn new(capacity: usize, width: usize) -> Self {
        let levels = Self::levels(capacity);
        let paths = vec![[0; STEP]; STEPS * levels];
        Self { spare: vec![[0.0; LANES]; width], paths, levels }
    }

    /// The levels of the deepest tree, those that stand for what is above a root, and as many as
    /// are descended at once.
    fn levels(capacity: usize) -> usize {
        LANES + capacity + LEVELS
    }

    /// The memory that it takes.
    pub(crate) fn memory_bytes(capacity: u64, row: u64) -> u64 {
        let levels = STEPS * Self::levels(capacity as usize);
        row + levels as u64 * size_of::<Level>() as u64
    }
}

/// The sum of a point's scores in trees that are not empty.
pub(crate) fn sum(trees: &[Tree], point: &[Lanes], scale: &Scale, scratch: &mut Scratch) -> f64 {
    // With the length of a row known, loops over it are none.
    match point.len() {
        1 => sum_of::<1>(trees, point, scale, scratch),
        2 => sum_of::<2>(trees, point, scale, scratch),
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
    let mut sum = 0.0;
    for trees in trees.chunks(BLOCK) {
        let mut block = Block::begin(trees, point, scale, scratch);
        block.climb::<WIDTH, true>(point, scale);
        while block.waiting > 0 {
            block.climb::<WIDTH, false>(point, scale);
        }
        sum += block.sum();
    }
    sum
}

/// Trees that are scored together, known by their places among them.
struct Block<'a> {
    trees: &'a [Tree],
    /// As in [`Scratch`].
    paths: &'a [Level],
    levels: usize,
    spare: &'a mut [Lanes],
    /// What is known of each tree's score. Behind them is what stands for a tree where too few wait.
    scores: [f32; BLOCK + 1],
    /// The depths of the boxes that the trees' scores were last looked at in. Those above are next.
    below: [u32; BLOCK + 1],
    /// The trees with boxes to be looked at, and room for as many as make a whole four.
    queue: [u8; BLOCK + LANES],
    waiting: usize,
}

impl<'a> Block<'a> {
    /// Walks all trees down to their leaves.
    #[inline(always)]
    fn begin(trees: &'a [Tree], point: &[Lanes], scale: &Scale, scratch: &'a mut Scratch) -> Self {
        let (mut scores, mut below) = ([0.0; BLOCK + 1], [0; BLOCK + 1]);
        let mut queue = [0; BLOCK + LANES];
        let levels = scratch.levels;
        let steps = trees.chunks(STEP).zip(scratch.paths.chunks_exact_mut(levels));
        for (step, (trees, paths)) in steps.enumerate() {
            let depths = descend(trees, point, &mut paths[LANES..]);
            for (in_step, &depth) in depths[..trees.len()].iter().enumerate() {
                let place = step * STEP + in_step;
                scores[place] = scale.separated(depth.into());
                below[place] = depth.into();
                queue[place] = place as u8;
            }
        }
        let (paths, spare) = (&*scratch.paths, &mut *scratch.spare);
        Self { trees, paths, levels, spare, scores, below, queue, waiting: trees.len() }
    }

    /// Looks at the next boxes of each tree in the queue, and leaves those in it whose ways go on.
    #[inline(always)]
    fn climb<const WIDTH: usize, const FIRST: bool>(&mut self, point: &[Lanes], scale: &Scale) {
        self.queue[self.waiting] = BLOCK as u8;
        self.queue[self.waiting + 1] = BLOCK as u8;
        self.queue[self.waiting + 2] = BLOCK as u8;
        let fours = self.waiting.div_ceil(LANES);
        self.waiting = 0;
        for four in 0..fours {
            let next = |lane: usize| usize::from(self.queue[LANES * four + lane]);
            let [a, b, c, d] = [next(0), next(1), next(2), next(3)];
            // Behind this a lane is a tree, and the boxes are in order, the highest first.
            let separates = f32x4::transpose([
                self.separates::<WIDTH>(a, point),
                self.separates::<WIDTH>(b, point),
                self.separates::<WIDTH>(c, point),
                self.separates::<WIDTH>(d, point),
            ]);
            // Outside the box above its leaf, a point does not equal that.
            if FIRST && separates[3].simd_eq(f32x4::ZERO).any() {
                for (place, lowest) in [a, b, c, d].into_iter().zip(separates[3].to_array()) {
                    if lowest == 0.0 {
                        self.look_at_leaf::<WIDTH>(place, point, scale);
                    }
                }
            }
            let highest = separates[0].to_array();
            let separated = f32x4::transpose([
                self.advance(a, highest[0], scale),
                self.advance(b, highest[1], scale),
                self.advance(c, highest[2], scale),
                self.advance(d, highest[3], scale),
            ]);
            let scores = &mut self.scores;
            let mut score = f32x4::new([scores[a], scores[b], scores[c], scores[d]]);
            score += separates[3] * (separated[3] - score);
            score += separates[2] * (separated[2] - score);
            score += separates[1] * (separated[1] - score);
            score += separates[0] * (separated[0] - score);
            [scores[a], scores[b], scores[c], scores[d]] = score.to_array();
        }
    }

    /// Scores a point that equals those of the leaf, if it does. It lies within all boxes above, so
    /// that they leave that score as it is.
    #[inline(never)]
    fn look_at_leaf<const WIDTH: usize>(&mut self, place: usize, point: &[Lanes], scale: &Scale) {
        let Some(tree) = self.trees.get(place) else { return };
        let depth = self.below[place] as usize;
        let leaf = self.paths[place / STEP * self.levels + LANES + depth][place % STEP];
        if equal(tree.bounds.get::<WIDTH>(leaf), point) {
            self.scores[place] = score(tree, point, scale, self.spare);
        }
    }

    /// The probabilities that the point is separated by the cuts of the four boxes that are next in a
    /// tree, the highest first: 0 for those above the root.
    #[inline(always)]
    fn separates<const WIDTH: usize>(&self, place: usize, point: &[Lanes]) -> f32x4 {
        let below = self.below[place];
        let tree = self.trees.get(place).unwrap_or(&self.trees[0]);
        let levels = &self.paths[place % BLOCK / STEP * self.levels + below as usize..][..LANES];
        let node = |level: usize| levels[level][place % STEP];
        // SAFETY: `descend` wrote nodes of the tree, of which those above a leaf are inner ones. What
        // stands for the levels above the root is the number of the first, which there is room for.
        let bounds = |level| unsafe { tree.bounds.get_unchecked::<WIDTH>(node(level)) };
        // SAFETY: the same.
        let range = |level| unsafe { *tree.ranges.get_unchecked(usize::from(node(level))) };
        let outside = excess_of_four([bounds(0), bounds(1), bounds(2), bounds(3)], point);
        let ranges = f32x4::new([range(0), range(1), range(2), range(3)]);
        let separates = outside / (ranges + outside);
        let depths = i32x4::splat(below as i32) + i32x4::new([-4, -3, -2, -1]);
        separates & cast::<i32x4, f32x4>(depths.simd_gt(i32x4::splat(-1)))
    }

    /// Goes on to the boxes above those that were looked at, if the cut of the highest of them may
    /// separate the point, and returns the scores of a point that their cuts separate.
    #[inline(always)]
    fn advance(&mut self, place: usize, highest: f32, scale: &Scale) -> f32x4 {
        let below = self.below[place];
        self.below[place] = below.saturating_sub(LANES as u32);
        self.queue[self.waiting] = place as u8;
        self.waiting += usize::from(highest != 0.0);
        scale.separated_above(below as usize)
    }

    /// The sum of all scores.
    fn sum(&self) -> f64 {
        let mut sums = f32x4::ZERO;
        for &scores in self.scores.as_chunks().0 {
            sums += f32x4::new(scores);
        }
        let [a, b, c, d] = sums.to_array().map(f64::from);
        (a + b) + (c + d)
    }
}

/// Walks down to the leaves of up to [`STEP`] trees, writes the ways down, and returns the leaves'
/// depths.
fn descend(trees: &[Tree], point: &[Lanes], paths: &mut [Level]) -> [u16; STEP] {
    assert!(trees.iter().all(|tree| tree.root != NONE), "trees that are not empty");
    let coordinates = point.as_flattened();
    let leaves = u32::from(trees[0].capacity());
    // Where there are fewer, the last is walked down more than once.
    let trees: [&Tree; STEP] = array::from_fn(|place| &trees[place.min(trees.len() - 1)]);
    let mut nodes = trees.map(|tree| u32::from(tree.root));
    let mut levels = 0;
    for paths in paths.as_chunks_mut::<LEVELS>().0 {
        for level in paths {
            *level = nodes.map(|node| node as u16);
            for place in 0..STEP {
                // SAFETY: each node is one of the tree's, as its root is: `Steps` lead to no other. A
                // row is longer than the dimensions are many.
                nodes[place] = unsafe { trees[place].steps.follow(nodes[place], coordinates) };
            }
        }
        levels += LEVELS;
        if nodes.into_iter().fold(u32::MAX, u32::min) >= leaves {
            break;
        }
    }
    paths[levels] = nodes.map(|node| node as u16);
    let leaves = i16x8::splat(leaves as i16);
    let mut depths = i16x8::ZERO;
    for levels in paths[..levels].as_chunks::<LEVELS>().0 {
        for &level in levels {
            // -1 for each inner node.
            depths -= cast::<Level, i16x8>(level).simd_lt(leaves);
        }
    }
    cast(depths)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rcf::bounds::width;
    use crate::rcf::random::Random;
    use crate::rcf::tree::properties::row;

    const CAPACITY: u16 = 32;

    /// The sum of scores, in the order of [`sum`].
    fn in_lanes(scores: &[f32]) -> f64 {
        let blocks = scores.chunks(BLOCK).map(|scores| {
            let lane = |lane| f64::from(scores.iter().skip(lane).step_by(LANES).sum::<f32>());
            (lane(0) + lane(1)) + (lane(2) + lane(3))
        });
        blocks.sum()
    }

    proptest! {
        #[test]
        fn scores_are_those_of_each_tree_alone(
            dimensions in 1..12_usize,
            trees in 1..70_usize,
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
                let alone: Vec<_> =
                    trees.iter().map(|tree| score(tree, &point, &scale, spare)).collect();
                prop_assert_eq!(sum(&trees, &point, &scale, &mut scratch), in_lanes(&alone));
            }
        }
    }
}
