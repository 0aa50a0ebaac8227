use std::array;
use std::hint::select_unpredictable;

use wide::u32x4;

/// The cuts of a tree, packed for the way down: eight bytes a node, leaves among them, which lead
/// to themselves.
///
/// What is written is checked: every way leads to a node of the tree, by a dimension that points
/// have. So a reader need not check again.
#[derive(Clone, Debug)]
pub(crate) struct Steps {
    steps: Vec<Step>,
    dimensions: usize,
}

#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
struct Step {
    /// Points up to here, on the dimension, are on the left.
    value: f32,
    /// The dimension, the left node and the right, from the lowest bit on.
    packed: u32,
}

const DIMENSION_BITS: u32 = 10;
/// Nodes have numbers of so many bits.
pub(crate) const NODE_BITS: u32 = 11;
const NODE_MASK: u32 = (1 << NODE_BITS) - 1;

/// A cut of a tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) dimension: u16,
    /// Points up to here, on the dimension, are on the left.
    pub(crate) value: f32,
    /// The left and the right.
    pub(crate) children: [u16; 2],
}

impl Steps {
    /// So many nodes, each of which leads to itself.
    pub(crate) fn new(nodes: u16, dimensions: usize) -> Self {
        assert!(nodes <= 1 << NODE_BITS && dimensions <= 1 << DIMENSION_BITS);
        let leaf = |node| Step { value: 0.0, packed: pack(0, [node; 2]) };
        Self { steps: (0..nodes).map(leaf).collect(), dimensions }
    }

    pub(crate) fn get(&self, node: u16) -> Cut {
        let Step { value, packed } = self.steps[usize::from(node)];
        let node = |bits: u32| (packed >> bits & NODE_MASK) as u16;
        Cut {
            dimension: (packed & ((1 << DIMENSION_BITS) - 1)) as u16,
            value,
            children: [node(DIMENSION_BITS), node(DIMENSION_BITS + NODE_BITS)],
        }
    }

    pub(crate) fn set(&mut self, node: u16, cut: Cut) {
        let Cut { dimension, value, children } = cut;
        assert!(children.iter().all(|&child| usize::from(child) < self.steps.len()));
        assert!(usize::from(dimension) < self.dimensions);
        self.steps[usize::from(node)] = Step { value, packed: pack(dimension, children) };
    }

    /// Sets the cuts of the first nodes, one for each value, which is little endian. What is given
    /// beyond these is left alone.
    pub(crate) fn set_first(
        &mut self,
        values: &[[u8; 4]],
        dimensions: &[u16],
        children: &[[u16; 2]],
    ) {
        let cuts = values.len();
        let (dimensions, children) = (&dimensions[..cuts], &children[..cuts]);
        let greatest = |numbers: &[u16]| numbers.iter().fold(0, |greatest, &n| n.max(greatest));
        assert!(usize::from(greatest(children.as_flattened())) < self.steps.len());
        assert!(usize::from(greatest(dimensions)) < self.dimensions);
        let (fours, rest) = self.steps[..cuts].as_chunks_mut::<4>();
        let some = values.as_chunks::<4>().0.iter().zip(dimensions.as_chunks::<4>().0);
        let some = some.zip(children.as_chunks::<4>().0);
        for (steps, ((values, dimensions), &children)) in fours.iter_mut().zip(some) {
            // As `pack` does.
            let dimensions = u32x4::new(dimensions.map(u32::from));
            let children = u32x4::new(children.map(|[left, right]| u32::from(left) | u32::from(right) << u16::BITS));
            let left = (children & u32x4::splat(u16::MAX.into())) << DIMENSION_BITS;
            let right = (children >> u16::BITS) << (DIMENSION_BITS + NODE_BITS);
            let packed = (dimensions | left | right).to_array();
            let values = values.map(f32::from_le_bytes);
            *steps = array::from_fn(|place| Step { value: values[place], packed: packed[place] });
        }
        let start = cuts - rest.len();
        for (place, step) in rest.iter_mut().enumerate() {
            let cut = start + place;
            let packed = pack(dimensions[cut], children[cut]);
            *step = Step { value: f32::from_le_bytes(values[cut]), packed };
        }
    }

    /// The node that a point comes to from another.
    ///
    /// # Safety
    ///
    /// The node is one of the tree's, and the point has the tree's dimensions.
    #[inline(always)]
    pub(crate) unsafe fn follow(&self, node: u32, coordinates: &[f32]) -> u32 {
        debug_assert!((node as usize) < self.steps.len());
        debug_assert!(coordinates.len() >= self.dimensions);
        // SAFETY: the caller's.
        let Step { value, packed } = unsafe { *self.steps.get_unchecked(node as usize) };
        let dimension = packed & ((1 << DIMENSION_BITS) - 1);
        // SAFETY: `set` takes no other dimension than those that points have.
        let coordinate = unsafe { *coordinates.get_unchecked(dimension as usize) };
        let left = packed >> DIMENSION_BITS & NODE_MASK;
        let right = packed >> (DIMENSION_BITS + NODE_BITS);
        select_unpredictable(coordinate > value, right, left)
    }

    /// The memory that so many nodes take.
    pub(crate) fn memory_bytes(nodes: u64) -> u64 {
        nodes * size_of::<Step>() as u64
    }
}

fn pack(dimension: u16, [left, right]: [u16; 2]) -> u32 {
    let [left, right] = [left, right].map(u32::from);
    u32::from(dimension) | left << DIMENSION_BITS | right << (DIMENSION_BITS + NODE_BITS)
}
