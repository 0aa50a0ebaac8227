//! The scores of several trees at a time.
//!
//! A tree's cuts come one after another: each is known by the one before, and the processor waits
//! for its memory. Several trees walked down in step let it wait for all at once. On the way up,
//! four boxes of a tree are looked at together, in four trees, without a decision between them, which
//! would mostly be guessed wrong: a box that the point lies within leaves the score as it is. What
//! has further to go then waits for its next turn.

use std::array;

use wide::bytemuck::cast;
use wide::{f32x4, i16x8};

use crate::rcf::bounds::{LANES, Lanes, equal, excesses, lane_sums, with_width};
use crate::rcf::score::{Scale, score};
use crate::rcf::tree::{NONE, Tree, everything};

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
    /// The ways of those that are walked down in step, one after another. Each begins with nodes
    /// that stand for what is above a root.
    paths: Vec<Level>,
    /// The length of each.
    levels: usize,
}

/// The nodes at one level of the ways of trees that are walked down in step.
type Level = [u16; STEP];

impl Scratch {
    pub(crate) fn new(capacity: usize, width: usize) -> Self {
        let levels = Self::levels(capacity);
        let paths = vec![[everything(capacity as u16); STEP]; STEPS * levels];
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
    with_width!(point.len(), WIDTH => sum_of::<WIDTH>(trees, point, scale, scratch))
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
    /// As in [`Scratch`], all in a row.
    paths: &'a [u16],
    /// Where in it each tree's way begins.
    ways: [u32; BLOCK + 1],
    spare: &'a mut [Lanes],
    /// What is known of each tree's score. Behind them is what stands for a tree where too few wait.
    scores: [f32; BLOCK + 1],
    /// The depths of the boxes that the trees' scores were last looked at in. Those above are next.
    below: [u32; BLOCK + 1],
    /// The trees with boxes to be looked at, and room for as many as make a whole four.
    queue: [u8; BLOCK + LANES],
    waiting: usize,
    /// What is written down as soon as it is known, for [`look`](Self::look)'s reason.
    seen: [Lanes; LANES],
}

impl<'a> Block<'a> {
    /// Walks all trees down to their leaves.
    #[inline(always)]
    fn begin(trees: &'a [Tree], point: &[Lanes], scale: &Scale, scratch: &'a mut Scratch) -> Self {
        let (mut ways, mut below) = ([0; BLOCK + 1], [0; BLOCK + 1]);
        let (mut scores, mut queue) = ([0.0; BLOCK + 1], [0; BLOCK + LANES]);
        let levels = scratch.levels;
        let steps = trees.chunks(STEP).zip(scratch.paths.chunks_exact_mut(levels));
        for (step, (trees, paths)) in steps.enumerate() {
            let depths = descend(trees, point, &mut paths[LANES..]);
            for (in_step, &depth) in depths[..trees.len()].iter().enumerate() {
                let place = step * STEP + in_step;
                scores[place] = scale.separated(depth.into());
                below[place] = depth.into();
                queue[place] = place as u8;
                ways[place] = (step * levels * STEP + in_step) as u32;
            }
        }
        let (paths, spare) = (scratch.paths.as_flattened(), &mut *scratch.spare);
        let (waiting, seen) = (trees.len(), [[0.0; LANES]; LANES]);
        Self { trees, paths, ways, spare, scores, below, queue, waiting, seen }
    }

    /// Looks at the next boxes of each tree in the queue, and leaves those in it whose ways go on.
    #[inline(always)]
    fn climb<const WIDTH: usize, const FIRST: bool>(&mut self, point: &[Lanes], scale: &Scale) {
        self.queue[self.waiting] = BLOCK as u8;
        self.queue[self.waiting + 1] = BLOCK as u8;
        self.queue[self.waiting + 2] = BLOCK as u8;
        let fours = self.waiting.div_ceil(LANES);
        let mut waiting = 0;
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
            // Those whose highest box the point lies outside of wait again.
            let [from_a, from_b, from_c, from_d] = separates[0].to_array();
            let mut waits = |place: usize, highest: f32| {
                self.queue[waiting] = place as u8;
                waiting += usize::from(highest.to_bits() != 0);
            };
            waits(a, from_a);
            waits(b, from_b);
            waits(c, from_c);
            waits(d, from_d);
            let separated = f32x4::transpose([
                self.advance(a, scale),
                self.advance(b, scale),
                self.advance(c, scale),
                self.advance(d, scale),
            ]);
            let scores = &mut self.scores;
            let mut score = f32x4::new([scores[a], scores[b], scores[c], scores[d]]);
            score += separates[3] * (separated[3] - score);
            score += separates[2] * (separated[2] - score);
            score += separates[1] * (separated[1] - score);
            score += separates[0] * (separated[0] - score);
            [scores[a], scores[b], scores[c], scores[d]] = score.to_array();
        }
        self.waiting = waiting;
    }

    /// Scores a point that equals those of the leaf, if it does. It lies within all boxes above, so
    /// that they leave that score as it is.
    #[inline(never)]
    fn look_at_leaf<const WIDTH: usize>(&mut self, place: usize, point: &[Lanes], scale: &Scale) {
        let Some(tree) = self.trees.get(place) else { return };
        let leaf =
            self.paths[self.ways[place] as usize + STEP * (LANES + self.below[place] as usize)];
        if equal(tree.bounds.get::<WIDTH>(leaf), point) {
            self.scores[place] = score(tree, point, scale, self.spare);
        }
    }

    /// The probabilities that the point is separated by the cuts of the four boxes that are next in a
    /// tree, the highest first: 0 for those above the root.
    #[inline(always)]
    fn separates<const WIDTH: usize>(&mut self, place: usize, point: &[Lanes]) -> f32x4 {
        let (trees, paths) = (self.trees, self.paths);
        let tree = trees.get(place).unwrap_or(&trees[0]);
        let way = self.ways[place] as usize + STEP * self.below[place] as usize;
        let levels = &paths[way..][..STEP * (LANES - 1) + 1];
        let nodes = [levels[0], levels[STEP], levels[2 * STEP], levels[3 * STEP]];
        // SAFETY: `descend` wrote nodes of the tree, of which those above a leaf are inner ones. What
        // stands for the levels above the root is one too.
        let outside = lane_sums(unsafe {
            [
                self.look::<WIDTH>(0, tree, nodes[0], point),
                self.look::<WIDTH>(1, tree, nodes[1], point),
                self.look::<WIDTH>(2, tree, nodes[2], point),
                self.look::<WIDTH>(3, tree, nodes[3], point),
            ]
        });
        // SAFETY: the same.
        let range = |level: usize| unsafe { *tree.ranges.get_unchecked(usize::from(nodes[level])) };
        let separates = outside / (f32x4::new([range(0), range(1), range(2), range(3)]) + outside);
        self.seen[0] = separates.to_array();
        separates
    }

    /// What sums to how far the point lies outside a box.
    ///
    /// It is written down at once: else the boxes of four trees are all read before one is computed
    /// with, and there are not as many registers.
    ///
    /// # Safety
    ///
    /// The node is one of the tree's, and `WIDTH` is 0 or the length of its rows.
    #[inline(always)]
    unsafe fn look<const WIDTH: usize>(
        &mut self,
        level: usize,
        tree: &Tree,
        node: u16,
        point: &[Lanes],
    ) -> f32x4 {
        // SAFETY: the caller's.
        let seen = excesses(unsafe { tree.bounds.get_unchecked::<WIDTH>(node) }, point);
        self.seen[level] = seen.to_array();
        seen
    }

    /// Goes on to the boxes above those that were looked at, and returns the scores of a point that
    /// their cuts separate.
    #[inline(always)]
    fn advance(&mut self, place: usize, scale: &Scale) -> f32x4 {
        let below = self.below[place];
        self.below[place] = below.saturating_sub(LANES as u32);
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
    for [first, second, third, fourth] in paths.as_chunks_mut::<LEVELS>().0 {
        nodes = follow(&trees, nodes, coordinates, first);
        nodes = follow(&trees, nodes, coordinates, second);
        nodes = follow(&trees, nodes, coordinates, third);
        nodes = follow(&trees, nodes, coordinates, fourth);
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

/// Writes down a level of the ways, and goes on to the next.
#[inline(always)]
fn follow(
    trees: &[&Tree; STEP],
    mut nodes: [u32; STEP],
    coordinates: &[f32],
    level: &mut Level,
) -> [u32; STEP] {
    *level = nodes.map(|node| node as u16);
    for (node, tree) in nodes.iter_mut().zip(trees) {
        // SAFETY: each node is one of the tree's, as its root is: `Steps` lead to no other. A row is
        // longer than the dimensions are many.
        *node = unsafe { tree.steps.follow(*node, coordinates) };
    }
    nodes
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
