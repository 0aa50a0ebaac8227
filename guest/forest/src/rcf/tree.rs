mod encoding;

#[cfg(test)]
pub(crate) mod properties;

use std::cmp::Ordering;

use crate::rcf::bounds::{Lanes, Rows, excess, extend, range};
use crate::rcf::random::Random;

/// Stands for no node.
pub(crate) const NONE: u16 = u16::MAX;

/// A random cut tree: cuts at the inner nodes, points at the leaves.
///
/// A node is known by its number, which is also that of its row among the boxes: those below the
/// tree's capacity are inner nodes, the others leaves.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) root: u16,
    capacity: u16,
    dimensions: usize,
    leaves: Vec<Leaf>,
    /// One more than there can be, so that a clamped number is that of one.
    cuts: Vec<Cut>,
    bounds: Rows,
    free_leaves: Vec<u16>,
    free_cuts: Vec<u16>,
}

/// An inner node.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub(crate) struct Cut {
    /// Points up to here, on the dimension, are on the left.
    pub(crate) value: f32,
    /// The sum of the sides of its box.
    pub(crate) range: f32,
    pub(crate) dimension: u16,
    pub(crate) parent: u16,
    /// The left and the right.
    pub(crate) children: [u16; 2],
}

const UNUSED: Cut = Cut { value: 0.0, range: 0.0, dimension: 0, parent: NONE, children: [NONE; 2] };

/// A point, and how often the tree holds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaf {
    pub(crate) parent: u16,
    pub(crate) mass: u16,
}

impl Tree {
    /// A tree for so many points, with none.
    pub(crate) fn new(capacity: u16, dimensions: usize, width: usize) -> Self {
        Self {
            root: NONE,
            capacity,
            dimensions,
            leaves: vec![Leaf { parent: NONE, mass: 0 }; capacity.into()],
            cuts: vec![UNUSED; capacity.into()],
            bounds: Rows::new((2 * capacity).into(), width),
            free_leaves: (capacity..2 * capacity).rev().collect(),
            free_cuts: (0..capacity - 1).rev().collect(),
        }
    }

    #[inline]
    pub(crate) fn is_leaf(&self, node: u16) -> bool {
        node >= self.capacity
    }

    #[inline]
    pub(crate) fn leaf(&self, node: u16) -> &Leaf {
        &self.leaves[usize::from(node - self.capacity)]
    }

    fn leaf_mut(&mut self, node: u16) -> &mut Leaf {
        &mut self.leaves[usize::from(node - self.capacity)]
    }

    #[inline]
    pub(crate) fn cut(&self, node: u16) -> &Cut {
        &self.cuts[usize::from(node)]
    }

    fn cut_mut(&mut self, node: u16) -> &mut Cut {
        &mut self.cuts[usize::from(node)]
    }

    #[inline]
    pub(crate) fn bounds(&self, node: u16) -> &[Lanes] {
        self.bounds.get(node)
    }

    /// The row of a node, whose length is known: `WIDTH`. With 0 it is not.
    #[inline]
    pub(crate) fn bounds_of<const WIDTH: usize>(&self, node: u16) -> &[Lanes] {
        self.bounds.get_of::<WIDTH>(node)
    }

    /// The child of an inner node that a point is in. Of a leaf it is any node.
    #[inline]
    pub(crate) fn below(&self, node: u16, coordinates: &[f32]) -> u16 {
        let cut = &self.cuts[usize::from(node.min(self.capacity - 1))];
        cut.children[usize::from(coordinates[usize::from(cut.dimension)] > cut.value)]
    }

    /// The leaf at the end of a point's way down from a node, and the number of cuts on it.
    #[inline]
    pub(crate) fn find(&self, mut node: u16, point: &[Lanes]) -> (u16, usize) {
        let coordinates = point.as_flattened();
        let mut depth = 0;
        while !self.is_leaf(node) {
            let cut = self.cut(node);
            node = cut.children[usize::from(coordinates[usize::from(cut.dimension)] > cut.value)];
            depth += 1;
        }
        (node, depth)
    }

    /// Adds a point, and returns its leaf.
    ///
    /// On its way down, each box is cut as if it had been drawn around the point too: if that cut
    /// separates the point from the box, it stays, with the point on its one side and all of the
    /// old box on the other; otherwise the node's own cut is as good as drawn (the paper's theorem 3).
    pub(crate) fn insert(&mut self, point: &[Lanes], random: &mut Random) -> u16 {
        if self.root == NONE {
            self.root = self.new_leaf(NONE, point);
            return self.root;
        }
        let mut node = self.root;
        loop {
            let outside = excess(self.bounds.get(node), point);
            let leaf = self.is_leaf(node);
            if outside > 0.0 {
                let range = if leaf { 0.0 } else { self.cut(node).range };
                let at = random.uniform() * f64::from(range + outside);
                if leaf || at < f64::from(outside) {
                    return self.split(node, point, at);
                }
                extend(self.bounds.get_mut(node), point);
                self.measure(node);
            } else if leaf {
                self.leaf_mut(node).mass += 1;
                return node;
            }
            let cut = self.cut(node);
            let coordinate = point.as_flattened()[usize::from(cut.dimension)];
            node = cut.children[usize::from(coordinate > cut.value)];
        }
    }

    /// Puts a cut above a node, `at` so far along the sides by which a point lies outside its box,
    /// and returns the point's new leaf.
    fn split(&mut self, node: u16, point: &[Lanes], at: f64) -> u16 {
        let (dimension, value, right) = separate(self.bounds.get(node), point, self.dimensions, at);
        let parent = self.parent(node);
        let inner = self.free_cuts.pop().expect("one inner node fewer than leaves");
        let leaf = self.new_leaf(inner, point);
        let children = if right { [node, leaf] } else { [leaf, node] };
        *self.cut_mut(inner) = Cut { value, range: 0.0, dimension, parent, children };
        self.replace(parent, node, inner);
        self.set_parent(node, inner);
        self.bounds.unite(inner, children);
        self.measure(inner);
        leaf
    }

    /// Takes one point of a leaf away.
    pub(crate) fn remove(&mut self, leaf: u16) {
        let Leaf { parent, mass } = self.leaf_mut(leaf);
        *mass -= 1;
        if *mass > 0 {
            return;
        }
        let parent = *parent;
        self.free_leaves.push(leaf);
        if parent == NONE {
            self.root = NONE;
            return;
        }
        let sibling = self.sibling(parent, leaf);
        let mut above = self.cut(parent).parent;
        self.free_cuts.push(parent);
        self.replace(above, parent, sibling);
        self.set_parent(sibling, above);
        // A box that was not drawn by the point ends the way up: none above it was.
        while above != NONE && self.bounds.unite(above, self.cut(above).children) {
            self.measure(above);
            above = self.cut(above).parent;
        }
    }

    /// The order of leaves by their points.
    pub(crate) fn compare(&self, a: u16, b: u16) -> Ordering {
        let coordinates = |leaf| self.bounds.get(leaf).as_flattened().iter();
        let mut pairs = coordinates(a).zip(coordinates(b)).map(|(a, b)| a.total_cmp(b));
        pairs.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// The memory that a tree of this capacity takes, with rows of so many bytes.
    pub(crate) fn memory_bytes(capacity: u64, row: u64) -> u64 {
        let free = size_of::<u16>() as u64;
        let leaf = size_of::<Leaf>() as u64 + row + free;
        let cut = size_of::<Cut>() as u64 + row + free;
        size_of::<Self>() as u64 + capacity * (leaf + cut) - free
    }

    fn new_leaf(&mut self, parent: u16, point: &[Lanes]) -> u16 {
        let leaf = self.free_leaves.pop().expect("no more points than the tree's capacity");
        *self.leaf_mut(leaf) = Leaf { parent, mass: 1 };
        self.bounds.get_mut(leaf).copy_from_slice(point);
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

    #[inline]
    pub(crate) fn parent(&self, node: u16) -> u16 {
        if self.is_leaf(node) { self.leaf(node).parent } else { self.cut(node).parent }
    }

    fn set_parent(&mut self, node: u16, parent: u16) {
        if self.is_leaf(node) {
            self.leaf_mut(node).parent = parent;
        } else {
            self.cut_mut(node).parent = parent;
        }
    }

    /// Puts a node in another's place below a parent, or at the root.
    fn replace(&mut self, parent: u16, old: u16, new: u16) {
        if parent == NONE {
            self.root = new;
        } else {
            let children = &mut self.cut_mut(parent).children;
            children[usize::from(children[1] == old)] = new;
        }
    }

    /// Adds up the sides of an inner node's box.
    fn measure(&mut self, node: u16) {
        self.cut_mut(node).range = range(self.bounds.get(node), self.dimensions);
    }
}

/// The cut that lies `at` so far along the sides by which a point lies outside a box: its
/// dimension, its value, and whether the point is on its right.
fn separate(bounds: &[Lanes], point: &[Lanes], dimensions: usize, at: f64) -> (u16, f32, bool) {
    let (bounds, point) = (bounds.as_flattened(), point.as_flattened());
    let mut left = at;
    let mut separating = None;
    for side in 0..2 * dimensions {
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
    let (dimension, right) =
        if side < dimensions { (side, false) } else { (side - dimensions, true) };
    let (low, high) =
        if right { (-bounds[side], -point[side]) } else { (point[side], bounds[side]) };
    let value = (f64::from(low) + along) as f32;
    // Up to, and not at, the higher of the two.
    (dimension as u16, value.clamp(low, high.next_down()), right)
}
