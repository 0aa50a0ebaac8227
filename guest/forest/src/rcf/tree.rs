pub(crate) mod encoding;

#[cfg(test)]
pub(crate) mod properties;

use std::cmp::Ordering;

use crate::rcf::bounds::{LANES, Lanes, Rows, excess, extend, negated, range};
use crate::rcf::random::Random;
use crate::rcf::steps::{Cut, Steps};

/// Stands for no node.
pub(crate) const NONE: u16 = u16::MAX;

/// A node that is not on any way: a tree has one inner node fewer than leaves, so the last of them is
/// left. Its box is around every point.
pub(crate) fn everything(capacity: u16) -> u16 {
    capacity - 1
}

/// A random cut tree: cuts at the inner nodes, points at the leaves.
///
/// A node is known by its number: those below the tree's capacity are inner nodes, the others
/// leaves.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) root: u16,
    capacity: u16,
    dimensions: usize,
    pub(crate) steps: Steps,
    /// The box of each node.
    pub(crate) bounds: Rows,
    /// The sum of the sides of each inner node's box.
    pub(crate) ranges: Vec<f32>,
    parents: Vec<u16>,
    /// How often the tree holds each leaf's point.
    masses: Vec<u16>,
    free_leaves: Vec<u16>,
    free_cuts: Vec<u16>,
}

impl Tree {
    /// A tree for so many points, with none.
    pub(crate) fn new(capacity: u16, dimensions: usize, width: usize) -> Self {
        let nodes = 2 * capacity;
        let everything = everything(capacity);
        let mut bounds = Rows::new(nodes.into(), width);
        bounds.get_mut::<0>(everything).fill([f32::NEG_INFINITY; LANES]);
        let mut ranges = vec![0.0; capacity.into()];
        ranges[usize::from(everything)] = 1.0;
        Self {
            root: NONE,
            capacity,
            dimensions,
            steps: Steps::new(nodes, dimensions),
            bounds,
            ranges,
            parents: vec![NONE; nodes.into()],
            masses: vec![0; capacity.into()],
            free_leaves: (capacity..nodes).rev().collect(),
            free_cuts: (0..capacity - 1).rev().collect(),
        }
    }

    /// The number of the first leaf.
    pub(crate) fn capacity(&self) -> u16 {
        self.capacity
    }

    pub(crate) fn is_leaf(&self, node: u16) -> bool {
        node >= self.capacity
    }

    pub(crate) fn mass(&self, leaf: u16) -> u16 {
        self.masses[usize::from(leaf - self.capacity)]
    }

    fn mass_mut(&mut self, leaf: u16) -> &mut u16 {
        &mut self.masses[usize::from(leaf - self.capacity)]
    }

    pub(crate) fn cut(&self, node: u16) -> Cut {
        self.steps.get(node)
    }

    /// The sum of the sides of a node's box.
    pub(crate) fn range(&self, node: u16) -> f32 {
        if self.is_leaf(node) { 0.0 } else { self.ranges[usize::from(node)] }
    }

    pub(crate) fn bounds(&self, node: u16) -> &[Lanes] {
        self.bounds.get::<0>(node)
    }

    /// The leaf at the end of a point's way down from a node, and the number of cuts on it.
    pub(crate) fn find(&self, mut node: u16, point: &[Lanes]) -> (u16, usize) {
        let mut depth = 0;
        while !self.is_leaf(node) {
            node = self.below(node, point);
            depth += 1;
        }
        (node, depth)
    }

    /// The child of an inner node that a point is in.
    fn below(&self, node: u16, point: &[Lanes]) -> u16 {
        let Cut { dimension, value, children } = self.cut(node);
        children[usize::from(point.as_flattened()[usize::from(dimension)] > value)]
    }

    /// Adds a point, and returns its leaf.
    ///
    /// On its way down, each box is cut as if it had been drawn around the point too: if that cut
    /// separates the point from the box, it stays, with the point on its one side and all of the
    /// old box on the other; otherwise the node's own cut is as good as drawn (the paper's theorem 3).
    pub(crate) fn insert<const WIDTH: usize>(
        &mut self,
        point: &[Lanes],
        random: &mut Random,
    ) -> u16 {
        if self.root == NONE {
            self.root = self.new_leaf(NONE, point);
            return self.root;
        }
        let mut node = self.root;
        loop {
            let outside = excess(self.bounds.get::<WIDTH>(node), point);
            let leaf = self.is_leaf(node);
            if outside > 0.0 {
                let at = random.uniform() * f64::from(self.range(node) + outside);
                if leaf || at < f64::from(outside) {
                    return self.split(node, point, at);
                }
                extend(self.bounds.get_mut::<WIDTH>(node), point);
                self.measure::<WIDTH>(node);
            } else if leaf {
                *self.mass_mut(node) += 1;
                return node;
            }
            node = self.below(node, point);
        }
    }

    /// Puts a cut above a node, `at` so far along the sides by which a point lies outside its box,
    /// and returns the point's new leaf.
    fn split(&mut self, node: u16, point: &[Lanes], at: f64) -> u16 {
        let (dimension, value, right) = separate(self.bounds(node), point, self.dimensions, at);
        let parent = self.parent(node);
        let inner = self.free_cuts.pop().expect("one inner node fewer than leaves");
        let leaf = self.new_leaf(inner, point);
        let children = if right { [node, leaf] } else { [leaf, node] };
        self.steps.set(inner, Cut { dimension, value, children });
        self.replace(parent, node, inner);
        self.parents[usize::from(node)] = inner;
        self.bounds.unite::<0>(inner, children);
        self.measure::<0>(inner);
        leaf
    }

    /// Takes one point of a leaf away.
    pub(crate) fn remove<const WIDTH: usize>(&mut self, leaf: u16) {
        let mass = self.mass_mut(leaf);
        *mass -= 1;
        if *mass > 0 {
            return;
        }
        self.free_leaves.push(leaf);
        let parent = self.parent(leaf);
        if parent == NONE {
            self.root = NONE;
            return;
        }
        let sibling = self.sibling(parent, leaf);
        let mut above = self.parent(parent);
        self.free_cuts.push(parent);
        self.replace(above, parent, sibling);
        // A box that was not drawn by the point ends the way up: none above it was.
        while above != NONE && self.bounds.unite::<WIDTH>(above, self.cut(above).children) {
            self.measure::<WIDTH>(above);
            above = self.parent(above);
        }
    }

    /// The order of leaves by their points.
    pub(crate) fn compare(&self, a: u16, b: u16) -> Ordering {
        let coordinates = |leaf| self.bounds(leaf).as_flattened().iter();
        let mut pairs = coordinates(a).zip(coordinates(b)).map(|(a, b)| a.total_cmp(b));
        pairs.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// The memory that a tree of this capacity takes, with rows of so many bytes.
    pub(crate) fn memory_bytes(capacity: u64, row: u64) -> u64 {
        let [small, range] = [size_of::<u16>(), size_of::<f32>()].map(|size| size as u64);
        // Parents and free nodes; masses.
        let nodes = 2 * capacity * (row + 2 * small) - small;
        let arrays = Steps::memory_bytes(2 * capacity) + nodes + capacity * (small + range);
        size_of::<Self>() as u64 + arrays
    }

    fn new_leaf(&mut self, parent: u16, point: &[Lanes]) -> u16 {
        let leaf = self.free_leaves.pop().expect("no more points than the tree's capacity");
        *self.mass_mut(leaf) = 1;
        self.parents[usize::from(leaf)] = parent;
        self.bounds.get_mut::<0>(leaf).copy_from_slice(point);
        leaf
    }

    #[inline]
    pub(crate) fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The other child of a node's parent.
    pub(crate) fn sibling(&self, parent: u16, node: u16) -> u16 {
        let [left, right] = self.cut(parent).children;
        if left == node { right } else { left }
    }

    pub(crate) fn parent(&self, node: u16) -> u16 {
        self.parents[usize::from(node)]
    }

    /// Puts a node in another's place below a parent, or at the root.
    fn replace(&mut self, parent: u16, old: u16, new: u16) {
        self.parents[usize::from(new)] = parent;
        if parent == NONE {
            self.root = new;
        } else {
            let mut cut = self.cut(parent);
            cut.children[usize::from(cut.children[1] == old)] = new;
            self.steps.set(parent, cut);
        }
    }

    /// Adds up the sides of an inner node's box.
    fn measure<const WIDTH: usize>(&mut self, node: u16) {
        self.ranges[usize::from(node)] = range(self.bounds.get::<WIDTH>(node));
    }
}

/// The cut that lies `at` so far along the sides by which a point lies outside a box: its
/// dimension, its value, and whether the point is on its right.
fn separate(bounds: &[Lanes], point: &[Lanes], dimensions: usize, at: f64) -> (u16, f32, bool) {
    let (bounds, point) = (bounds.as_flattened(), point.as_flattened());
    let negated = negated(dimensions);
    let mut left = at;
    let mut separating = None;
    for side in 0..bounds.len() {
        let outside = f64::from(bounds[side]) - f64::from(point[side]);
        if outside > 0.0 {
            separating = Some((side, left));
            if left < outside {
                break;
            }
            left -= outside;
        }
    }
    // What rounding leaves over falls to the last side.
    let (side, along) = separating.expect("the point lies outside the box");
    let (dimension, right) = if side < negated { (side, false) } else { (side - negated, true) };
    let (low, high) =
        if right { (-bounds[side], -point[side]) } else { (point[side], bounds[side]) };
    let value = (f64::from(low) + along) as f32;
    // Up to, and not at, the higher of the two.
    (dimension as u16, value.clamp(low, high.next_down()), right)
}
