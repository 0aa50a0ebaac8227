use std::array;
use std::hint::select_unpredictable;

use wide::bytemuck::cast;
use wide::u32x4;

use crate::rcf::bounds::LANES;

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

/// A node's cut, packed.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(crate) struct Step {
    /// Points up to here, on the dimension, are on the left.
    value: f32,
    /// The dimension, the left node and the right, from the lowest bit on.
    packed: u32,
}

impl Step {
    pub(crate) const NONE: Self = Self { value: 0.0, packed: 0 };

    /// The left node and the right.
    #[inline(always)]
    pub(crate) fn children(self) -> [u16; 2] {
        [DIMENSION_BITS, DIMENSION_BITS + NODE_BITS]
            .map(|bits| (self.packed >> bits & NODE_MASK) as u16)
    }
}

const DIMENSION_BITS: u32 = 10;
const DIMENSION_MASK: u32 = (1 << DIMENSION_BITS) - 1;
const NODE_BITS: u32 = 11;
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
        let step = self.step(node);
        let dimension = (step.packed & DIMENSION_MASK) as u16;
        Cut { dimension, value: step.value, children: step.children() }
    }

    #[inline(always)]
    pub(crate) fn step(&self, node: u16) -> Step {
        self.steps[usize::from(node)]
    }

    pub(crate) fn set(&mut self, node: u16, cut: Cut) {
        let Cut { dimension, value, children } = cut;
        assert!(children.iter().all(|&child| usize::from(child) < self.steps.len()));
        assert!(usize::from(dimension) < self.dimensions);
        self.steps[usize::from(node)] = Step { value, packed: pack(dimension, children) };
    }

    /// Sets the cuts of the first nodes, so many.
    pub(crate) fn set_first(&mut self, cuts: usize, parts: &Parts) {
        let Parts { values, dimensions, children } = parts;
        let fours = values.as_chunks().0.iter().zip(dimensions.as_chunks().0);
        let fours = fours.zip(children.as_chunks().0);
        let mut fours =
            fours.map(|((&values, &dimensions), &children)| (values, dimensions, children));
        let ends = [self.dimensions, self.steps.len()].map(|end| end as u32);
        let (steps, rest) = self.steps[..cuts].as_chunks_mut();
        let count = steps.len();
        for (steps, (values, dimensions, children)) in steps.iter_mut().zip(fours.clone()) {
            *steps = join(values, dimensions, children, ends);
        }
        if let Some((values, mut dimensions, mut children)) = fours.nth(count) {
            dimensions[rest.len()..].fill(0);
            children[rest.len()..].fill([0; 2]);
            let four = join(values, dimensions, children, ends);
            rest.copy_from_slice(&four[..rest.len()]);
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
        let dimension = packed & DIMENSION_MASK;
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

/// More inner nodes, or leaves, than a tree has, and a power of two: an index that is cut off by it
/// needs no check.
pub(crate) const MOST_CUTS: usize = 1 << (NODE_BITS - 1);

/// Many cuts, of which each part is by itself.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) values: [f32; MOST_CUTS],
    pub(crate) dimensions: [u16; MOST_CUTS],
    pub(crate) children: [[u16; 2]; MOST_CUTS],
}

impl Parts {
    pub(crate) fn new() -> Self {
        Self { values: [0.0; MOST_CUTS], dimensions: [0; MOST_CUTS], children: [[0; 2]; MOST_CUTS] }
    }

    /// Takes so many steps apart.
    pub(crate) fn take(&mut self, cuts: usize, steps: &[Step; MOST_CUTS]) {
        let parts = self.values.as_chunks_mut().0.iter_mut();
        let parts = parts.zip(self.dimensions.as_chunks_mut().0);
        let parts = parts.zip(self.children.as_chunks_mut().0);
        let steps = steps.as_chunks().0.iter().take(cuts.div_ceil(LANES));
        for (&steps, ((values, dimensions), children)) in steps.zip(parts) {
            (*values, *dimensions, *children) = apart(steps);
        }
    }
}

/// The parts of four steps.
#[inline(always)]
fn apart(steps: [Step; LANES]) -> ([f32; LANES], [u16; LANES], [[u16; 2]; LANES]) {
    let packed = u32x4::new(steps.map(|step| step.packed));
    let dimensions = packed & u32x4::splat(DIMENSION_MASK);
    let left = packed >> DIMENSION_BITS & u32x4::splat(NODE_MASK);
    let right = packed >> (DIMENSION_BITS + NODE_BITS) << u16::BITS;
    let children: [[u16; 2]; LANES] = cast((left | right).to_array().map(u32::to_le));
    (
        steps.map(|step| step.value),
        dimensions.to_array().map(|dimension| dimension as u16),
        children.map(|pair| pair.map(u16::from_le)),
    )
}

/// Four steps of their parts. Checks that there are more dimensions and nodes, so many.
#[inline(always)]
fn join(
    values: [f32; LANES],
    dimensions: [u16; LANES],
    children: [[u16; 2]; LANES],
    [dimensions_end, nodes_end]: [u32; 2],
) -> [Step; LANES] {
    let dimensions = u32x4::new(dimensions.map(u32::from));
    let children: [u32; LANES] = cast(children.map(|pair| pair.map(u16::to_le)));
    let children = u32x4::new(children.map(u32::from_le));
    let left = children & u32x4::splat(u16::MAX.into());
    let right = children >> u16::BITS;
    let are_nodes = left.max(right).simd_lt(u32x4::splat(nodes_end));
    assert!((are_nodes & dimensions.simd_lt(u32x4::splat(dimensions_end))).all());
    let nodes = left << DIMENSION_BITS | right << (DIMENSION_BITS + NODE_BITS);
    let packed = (dimensions | nodes).to_array();
    array::from_fn(|place| Step { value: values[place], packed: packed[place] })
}

fn pack(dimension: u16, [left, right]: [u16; 2]) -> u32 {
    let [left, right] = [left, right].map(u32::from);
    u32::from(dimension) | left << DIMENSION_BITS | right << (DIMENSION_BITS + NODE_BITS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NODES: u16 = 40;
    const DIMENSIONS: usize = 300;

    fn cuts() -> impl Strategy<Value = Vec<Cut>> {
        let cut = (0..DIMENSIONS as u16, -1e35..1e35_f32, [0..NODES, 0..NODES]);
        let cut = cut.prop_map(|(dimension, value, children)| Cut { dimension, value, children });
        prop::collection::vec(cut, 0..20)
    }

    proptest! {
        #[test]
        fn steps_are_those_of_the_parts_that_they_are_taken_apart_to(cuts in cuts()) {
            let (mut one, mut other) = (Steps::new(NODES, DIMENSIONS), Steps::new(NODES, DIMENSIONS));
            let mut steps = [Step::NONE; MOST_CUTS];
            for (node, &cut) in (0..).zip(&cuts) {
                one.set(node, cut);
                steps[usize::from(node)] = one.step(node);
            }
            let mut parts = Parts::new();
            parts.take(cuts.len(), &steps);
            for (place, cut) in cuts.iter().enumerate() {
                prop_assert_eq!(parts.values[place], cut.value);
                prop_assert_eq!(parts.dimensions[place], cut.dimension);
                prop_assert_eq!(parts.children[place], cut.children);
            }
            // What lies behind the last does not count.
            parts.children[cuts.len()] = [u16::MAX; 2];
            other.set_first(cuts.len(), &parts);
            for node in 0..NODES {
                let [one, other] = [&one, &other].map(|steps| steps.step(node));
                prop_assert_eq!((one.value, one.packed), (other.value, other.packed));
            }
        }
    }

    #[test]
    #[should_panic = "are_nodes"]
    fn a_step_leads_to_no_other_node() {
        let mut parts = Parts::new();
        parts.children[1] = [3, NODES];
        Steps::new(NODES, DIMENSIONS).set_first(2, &parts);
    }

    #[test]
    #[should_panic = "are_nodes"]
    fn a_step_has_no_other_dimension() {
        let mut parts = Parts::new();
        parts.dimensions[4] = DIMENSIONS as u16;
        Steps::new(NODES, DIMENSIONS).set_first(5, &parts);
    }
}
