//! What holds of every tree, whatever was inserted and removed.

use proptest::prelude::*;

use crate::rcf::bounds::{LANES, Lanes, excess, mirror, range, width, with_width};
use crate::rcf::chi_square::chi_square;
use crate::rcf::random::Random;
use crate::rcf::sampler::{Clock, Sampler};
use crate::rcf::snapshot::Reader;
use crate::rcf::steps::Cut;
use crate::rcf::tree::encoding::Scratch;
use crate::rcf::tree::{NONE, Tree};

/// The row of a point.
pub(crate) fn row(point: &[f32]) -> Vec<Lanes> {
    let mut row = vec![[0.0; LANES]; width(point.len())];
    row.as_flattened_mut()[..point.len()].copy_from_slice(point);
    mirror(&mut row);
    row
}

/// A tree as a value, whatever the numbers of its nodes.
#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Leaf { point: Vec<Lanes>, mass: u16 },
    Cut { dimension: u16, value: f32, bounds: Vec<Lanes>, children: Box<[Shape; 2]> },
}

impl Shape {
    fn of(tree: &Tree, node: u16) -> Self {
        let bounds = tree.bounds(node).to_vec();
        if tree.is_leaf(node) {
            return Self::Leaf { point: bounds, mass: tree.mass(node) };
        }
        let Cut { dimension, value, children } = tree.cut(node);
        let children = Box::new(children.map(|child| Self::of(tree, child)));
        Self::Cut { dimension, value, bounds, children }
    }

    fn of_root(tree: &Tree) -> Option<Self> {
        (tree.root != NONE).then(|| Self::of(tree, tree.root))
    }
}

/// Checks a node and all below, and returns the points: each as often as it is held.
fn check(tree: &Tree, node: u16, parent: u16) -> Vec<Vec<f32>> {
    assert_eq!(tree.parent(node), parent);
    let bounds = tree.bounds(node);
    if tree.is_leaf(node) {
        let mass = tree.mass(node);
        assert!(mass > 0);
        let point = bounds.as_flattened()[..tree.dimensions].to_vec();
        assert_eq!(bounds, row(&point));
        return vec![point; mass.into()];
    }
    let cut = tree.cut(node);
    let dimension = usize::from(cut.dimension);
    let [left, right] = cut.children.map(|child| check(tree, child, node));
    assert!(left.iter().all(|point| point[dimension] <= cut.value));
    assert!(right.iter().all(|point| point[dimension] > cut.value));
    let points = [left, right].concat();
    for side in 0..bounds.as_flattened().len() {
        let on_side = |point: &Vec<f32>| row(point).as_flattened()[side];
        let least = points.iter().map(on_side).fold(f32::INFINITY, f32::min);
        assert_eq!(bounds.as_flattened()[side], least);
    }
    assert!(points.iter().all(|point| excess(bounds, &row(point)) == 0.0));
    assert_eq!(tree.range(node), range(bounds));
    points
}

/// Checks a whole tree against the points that it is to hold.
fn check_tree(tree: &Tree, points: &[Vec<f32>]) {
    let found = if tree.root == NONE { Vec::new() } else { check(tree, tree.root, NONE) };
    let sorted = |mut points: Vec<Vec<f32>>| {
        points.sort_by(|a, b| a.partial_cmp(b).expect("numbers"));
        points
    };
    let mut distinct = sorted(points.to_vec());
    assert_eq!(sorted(found), distinct);
    distinct.dedup();
    assert_eq!(tree.free_leaves.len(), tree.masses.len() - distinct.len());
    assert_eq!(tree.free_cuts.len(), tree.masses.len() - distinct.len().max(1));
}

/// Few different coordinates, so that many points are equal, or lie on each other's sides.
fn coordinate() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => (-3..=3_i8).prop_map(f32::from),
        1 => -1e35..=1e35_f32,
        1 => Just(f32::MIN_POSITIVE / 4.0),
        1 => Just(1.0_f32.next_up()),
    ]
}

/// Points of one to five dimensions.
fn points() -> impl Strategy<Value = Vec<Vec<f32>>> {
    let points = |dimensions| prop::collection::vec(coordinate(), dimensions);
    (1..=5_usize).prop_flat_map(move |d| prop::collection::vec(points(d), 1..40))
}

const CAPACITY: u16 = 16;

/// A tree and its sample after these points.
fn taught(points: &[Vec<f32>], random: &mut Random) -> (Tree, Sampler, Clock) {
    let mut tree = tree(points[0].len());
    let (mut sampler, mut clock) = (Sampler::new(CAPACITY.into()), Clock::new(20));
    for point in points {
        clock.tick();
        if sampler.takes(&clock) {
            sampler.leaving().into_iter().for_each(|leaf| tree.remove::<0>(leaf));
            let leaf = tree.insert::<0>(&row(point), random);
            sampler.take(leaf, &clock, random, |a, b| tree.compare(a, b).is_lt());
        }
    }
    (tree, sampler, clock)
}

/// What is written of a tree and its sample.
fn written<const WIDTH: usize>(tree: &Tree, sampler: &Sampler) -> Vec<u8> {
    let mut bytes = Vec::new();
    tree.write::<WIDTH>(sampler, &mut Scratch::new(), &mut bytes);
    assert!(bytes.len() <= tree.most_bytes(sampler));
    bytes
}

/// Writes a tree and its sample, and reads them in place of others.
fn write_and_read<const WIDTH: usize>(
    (tree, sampler, clock): &(Tree, Sampler, Clock),
    (other, others): &mut (Tree, Sampler),
) {
    let bytes = written::<WIDTH>(tree, sampler);
    let mut reader = Reader::new(&bytes);
    let read = other.read::<WIDTH>(others, clock.seen, &mut Scratch::new(), &mut reader);
    assert_eq!(read.and(reader.finish()), Ok(()));
    assert_eq!(Shape::of_root(other), Shape::of_root(tree));
    check_tree(other, &check(tree, tree.root, NONE));
    assert_eq!(written::<WIDTH>(other, others), bytes);
    let point = |tree: &Tree, leaf: Option<u16>| leaf.map(|leaf| tree.bounds(leaf).to_vec());
    assert_eq!(point(other, others.leaving()), point(tree, sampler.leaving()));
}

fn tree(dimensions: usize) -> Tree {
    Tree::new(CAPACITY, dimensions, width(dimensions))
}

proptest! {
    #[test]
    fn a_tree_that_is_read_is_the_one_that_was_written(
        points in points(),
        others in prop::collection::vec(any::<prop::sample::Index>(), 1..40),
        seed: u64,
    ) {
        let mut random = Random::new(seed);
        let taught_ones = taught(&points, &mut random);
        let others: Vec<_> = others.iter().map(|other| other.get(&points).clone()).collect();
        let (other, others, _) = taught(&others, &mut random);
        let mut other = (other, others);
        write_and_read::<0>(&taught_ones, &mut other);
        with_width!(width(points[0].len()), WIDTH => write_and_read::<WIDTH>(&taught_ones, &mut other));
    }

    #[test]
    fn a_tree_holds_its_points_within_boxes_that_fit(points in points(), seed: u64) {
        let (mut tree, mut random) = (tree(points[0].len()), Random::new(seed));
        let (mut held, mut leaves) = (Vec::new(), Vec::new());
        for point in points {
            if held.len() == usize::from(CAPACITY) {
                let gone = (random.uniform() * held.len() as f64) as usize;
                held.swap_remove(gone);
                tree.remove::<0>(leaves.swap_remove(gone));
                check_tree(&tree, &held);
            }
            leaves.push(tree.insert::<0>(&row(&point), &mut random));
            held.push(point);
            check_tree(&tree, &held);
        }
        while let Some(leaf) = leaves.pop() {
            tree.remove::<0>(leaf);
            held.pop();
            check_tree(&tree, &held);
        }
    }

    #[test]
    fn removing_undoes_inserting(mut points in points(), seed: u64) {
        points.truncate(CAPACITY.into());
        let (mut tree, mut random) = (tree(points[0].len()), Random::new(seed));
        for point in points {
            let before = Shape::of_root(&tree);
            let leaf = tree.insert::<0>(&row(&point), &mut random);
            tree.remove::<0>(leaf);
            prop_assert_eq!(Shape::of_root(&tree), before);
            tree.insert::<0>(&row(&point), &mut random);
        }
    }

    #[test]
    fn a_point_is_found_in_its_leaf(mut points in points(), seed: u64) {
        points.truncate(CAPACITY.into());
        let (mut tree, mut random) = (tree(points[0].len()), Random::new(seed));
        for point in points {
            let leaf = tree.insert::<0>(&row(&point), &mut random);
            prop_assert_eq!(tree.find(tree.root, &row(&point)).0, leaf);
        }
    }
}

/// Six points of two dimensions, one of them twice.
const POINTS: [[f32; 2]; 7] =
    [[0.0, 3.0], [1.0, 0.0], [4.0, 1.0], [1.0, 0.0], [9.0, 2.0], [2.5, 3.5], [8.0, 0.5]];

/// The root's cut of many trees falls between two neighbours on a dimension with the probability
/// that a tree drawn from all points at once gives it (the paper's definition 1): their distance,
/// by the sum of the sides.
fn root_cuts_are_distributed_as_defined(build: impl Fn(&mut Random) -> Tree) {
    let mut gaps = Vec::new();
    for dimension in 0..2 {
        let mut coordinates = POINTS.map(|point| point[dimension]).to_vec();
        coordinates.sort_by(f32::total_cmp);
        coordinates.dedup();
        gaps.extend(coordinates.windows(2).map(|pair| (dimension, pair[0], pair[1])));
    }
    let sides: f32 = gaps.iter().map(|(_, low, high)| high - low).sum();
    let probabilities: Vec<_> =
        gaps.iter().map(|(_, low, high)| f64::from((high - low) / sides)).collect();
    let mut counts = vec![0; gaps.len()];
    let mut random = Random::new(2016);
    for _ in 0..20_000 {
        let tree = build(&mut random);
        let root = tree.cut(tree.root);
        let gap = gaps.iter().position(|&(dimension, low, high)| {
            root.dimension == dimension as u16 && low <= root.value && root.value < high
        });
        counts[gap.expect("a cut between two points")] += 1;
    }
    // Of 9 degrees of freedom, 99.9% lie below.
    assert_eq!(gaps.len(), 10);
    let statistic = chi_square(&counts, &probabilities);
    assert!(statistic < 27.9, "{statistic}: {counts:?}");
}

#[test]
fn trees_grown_point_by_point_are_distributed_as_defined() {
    root_cuts_are_distributed_as_defined(|random| {
        let mut tree = tree(2);
        for point in POINTS {
            tree.insert::<0>(&row(&point), random);
        }
        tree
    });
}

#[test]
fn trees_that_points_were_removed_from_are_distributed_as_defined() {
    root_cuts_are_distributed_as_defined(|random| {
        let mut tree = tree(2);
        let strays = [[-7.0, 1.0], [3.0, 12.0], [5.0, 2.0]].map(|stray| row(&stray));
        let leaves = strays.map(|stray| tree.insert::<0>(&stray, random));
        for point in POINTS {
            tree.insert::<0>(&row(&point), random);
        }
        leaves.into_iter().for_each(|leaf| tree.remove::<0>(leaf));
        tree
    });
}

#[test]
fn a_point_is_separated_with_the_probability_of_the_paper() {
    // The box of the tree has a side of 10, the point lies 30 outside.
    let mut random = Random::new(5);
    let trees = 20_000;
    let separated = (0..trees).filter(|_| {
        let mut tree = tree(1);
        let leaves = [0.0, 4.0, 10.0, 40.0].map(|x| tree.insert::<0>(&row(&[x]), &mut random));
        tree.parent(leaves[3]) == tree.root
    });
    let separated = separated.count() as u32;
    let statistic = chi_square(&[separated, trees - separated], &[0.75, 0.25]);
    // Of one degree of freedom, 99.9% lie below.
    assert!(statistic < 10.8, "{statistic}: {separated} of {trees}");
}
