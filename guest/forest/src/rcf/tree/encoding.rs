//! A tree and its sample as bytes, all numbers little endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 2 | leaves |
//! | 8 | the time of the point that enters next; 0 if the sample is not full |
//! | | level by level, a [bit](crate::rcf::bits) a node below the root, 1 for an inner one |
//! | | the dimension of each inner node's cut: a bit a node for its lowest bit, then the same for each further one that dimensions need |
//! | 4 an inner node | the value of its cut |
//! | 4 × dimensions a leaf | its point |
//! | | if some leaf holds more than one: a bit a leaf, 1 for those that do, and the mass of each of these, in 2 bytes |
//! | 4 a point | its key, leaf by leaf |
//!
//! What is said of inner nodes, and of leaves, follows their order in the levels. So the children of
//! the inner node number n, from 0 on, are the nodes number 2 n and 2 n + 1 below the root. Boxes are
//! drawn anew.
//!
//! There are some 50,000 nodes in a forest, and for each there are a few nanoseconds. So nodes are
//! looked at without a decision between them, which the processor would guess wrong for every second
//! one; eight of them at once where that can be, and otherwise four in one turn of a loop, because in
//! its sandbox each turn looks at the time as well. And each part has a function of its own, whose
//! loop keeps what it needs in registers.

mod read;

mod write;

use crate::rcf::steps::{MOST_CUTS, Parts, Step};

/// What is needed for the time of writing or reading the trees of one forest.
#[derive(Debug)]
pub(crate) struct Scratch {
    /// The inner nodes, level by level.
    cuts: [u16; MOST_CUTS],
    /// Their steps.
    steps: [Step; MOST_CUTS],
    /// These, taken apart.
    parts: Parts,
    /// The leaves, level by level.
    leaves: [u16; MOST_CUTS],
    /// Their masses, and those that hold several points.
    masses: [u16; MOST_CUTS],
    several: [u16; MOST_CUTS],
    /// The key of each leaf, by its place among their numbers.
    keys: [f32; MOST_CUTS],
}

impl Scratch {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            cuts: [0; MOST_CUTS],
            steps: [Step::NONE; MOST_CUTS],
            parts: Parts::new(),
            leaves: [0; MOST_CUTS],
            masses: [0; MOST_CUTS],
            several: [0; MOST_CUTS],
            keys: [0.0; MOST_CUTS],
        })
    }
}

/// So many bits are needed to tell dimensions apart.
fn dimension_bits(dimensions: usize) -> usize {
    (usize::BITS - (dimensions - 1).leading_zeros()) as usize
}
