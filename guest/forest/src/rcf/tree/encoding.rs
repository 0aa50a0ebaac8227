//! A tree and its sample as bytes, all numbers little endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 2 | leaves |
//! | 8 | the time of the point that enters next; 0 if the sample is not full |
//! | | in preorder, a bit a node, 1 for an inner one, which its dimension follows, in as many bits as dimensions need |
//! | 4 an inner node | the value of its cut |
//! | 4 × dimensions a leaf | its point |
//! | 2 a leaf | its mass; not written if all are 1 |
//! | 4 a point | its key, leaf by leaf |
//!
//! Boxes are drawn anew.

use std::iter;

use crate::rcf::bits::{BitReader, BitWriter};
use crate::rcf::bounds::negated;
use crate::rcf::sampler::Sampler;
use crate::rcf::shingle::LIMIT;
use crate::rcf::snapshot::{Reader, SnapshotError};
use crate::rcf::steps::Cut;
use crate::rcf::tree::{NONE, Tree};

const INCONSISTENT: SnapshotError = SnapshotError::Inconsistent;

impl Tree {
    /// Appends the tree and its sample.
    pub(crate) fn write(&self, sampler: &Sampler, out: &mut Vec<u8>) {
        let (mut leaves, mut cuts) = (Vec::new(), Vec::new());
        leaves.reserve_exact(self.masses.len());
        cuts.reserve_exact(self.masses.len());
        let mut shape = BitWriter::default();
        let dimension_bits = dimension_bits(self.dimensions);
        let mut open = vec![self.root];
        while let Some(node) = open.pop() {
            if node == NONE {
                continue;
            }
            if self.is_leaf(node) {
                shape.write(0, 1);
                leaves.push(node);
            } else {
                let cut = self.cut(node);
                shape.write(1 | u64::from(cut.dimension) << 1, 1 + dimension_bits);
                cuts.push(cut.value);
                open.extend(cut.children.iter().rev());
            }
        }

        out.extend((leaves.len() as u16).to_le_bytes());
        out.extend(sampler.next.to_le_bytes());
        out.extend(shape.finish());
        write_numbers(out, &cuts);
        for &leaf in &leaves {
            write_numbers(out, &self.bounds(leaf).as_flattened()[..self.dimensions]);
        }
        if leaves.len() < sampler.keys.len() {
            out.extend(leaves.iter().flat_map(|&leaf| self.mass(leaf).to_le_bytes()));
        }
        write_numbers(out, &self.keys_by_leaf(sampler, &leaves));
    }

    /// The keys of a sample, those of the first leaf first, and those of a leaf ascending: in which
    /// order a sample holds them depends on what it was before.
    fn keys_by_leaf(&self, sampler: &Sampler, leaves: &[u16]) -> Vec<f32> {
        let mut places = vec![0; self.masses.len()];
        let mut place = 0;
        for &leaf in leaves {
            places[usize::from(leaf - self.capacity)] = place;
            place += usize::from(self.mass(leaf));
        }
        let mut keys = vec![0.0; sampler.keys.len()];
        for (&key, leaf) in sampler.keys.iter().zip(&sampler.leaves) {
            let place = &mut places[usize::from(leaf - self.capacity)];
            keys[*place] = key;
            *place += 1;
        }
        let mut rest = &mut *keys;
        for &leaf in leaves {
            let (of_leaf, others) = rest.split_at_mut(self.mass(leaf).into());
            of_leaf.sort_unstable_by(f32::total_cmp);
            rest = others;
        }
        keys
    }

    /// Reads what [`write`](Self::write) wrote into a tree and a sampler that are empty. `seen` is
    /// the number of points of which the sample is.
    pub(crate) fn read(
        &mut self,
        sampler: &mut Sampler,
        seen: u64,
        from: &mut Reader<'_>,
    ) -> Result<(), SnapshotError> {
        let points = seen.min(self.capacity.into()) as usize;
        let leaves = usize::from(u16::from_le_bytes(from.array()?));
        sampler.next = u64::from_le_bytes(from.array()?);
        let due = if points == usize::from(self.capacity) {
            sampler.next > seen
        } else {
            sampler.next == 0
        };
        if leaves > points || (leaves == 0) != (points == 0) || !due {
            return Err(INCONSISTENT);
        }
        if leaves == 0 {
            return Ok(());
        }

        self.read_shape(leaves, from)?;
        for (node, value) in (0..).zip(from.numbers(leaves - 1)?) {
            self.steps.set(node, Cut { value, ..self.cut(node) });
        }
        let mut coordinates = from.numbers(leaves * self.dimensions)?;
        let negated = negated(self.dimensions);
        let mut within = true;
        for leaf in 0..leaves as u16 {
            let row = self.bounds.get_mut::<0>(self.capacity + leaf).as_flattened_mut();
            let (least, rest) = row.split_at_mut(negated);
            let least = &mut least[..self.dimensions];
            for ((least, negated), number) in least.iter_mut().zip(rest).zip(&mut coordinates) {
                within &= number.abs() <= LIMIT;
                (*least, *negated) = (number, -number);
            }
        }
        if !within {
            return Err(INCONSISTENT);
        }
        self.draw_boxes(leaves - 1)?;
        self.read_sample(sampler, leaves, points, from)
    }

    /// Reads how nodes hang together. They are numbered in preorder.
    fn read_shape(&mut self, leaves: usize, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let dimension_bits = dimension_bits(self.dimensions);
        let inner = leaves - 1;
        let bits = leaves + inner * (1 + dimension_bits as usize);
        let mut shape = BitReader::new(from.take(bits.div_ceil(8))?);
        let (mut next_leaf, mut next_cut) = (self.capacity, 0);
        // Inner nodes that lack children.
        let mut open = Vec::with_capacity(inner);
        for node in 0..leaves + inner {
            let parent = open.last().copied().unwrap_or(NONE);
            let is_cut = shape.read(1) == 1;
            let number = if is_cut { &mut next_cut } else { &mut next_leaf };
            let this = *number;
            *number += 1;
            if parent == NONE {
                if node > 0 {
                    return Err(INCONSISTENT);
                }
                self.root = this;
            } else {
                // A cut without children leads to itself.
                let mut cut = self.cut(parent);
                let lacks_left = cut.children[0] == parent;
                cut.children[usize::from(!lacks_left)] = this;
                self.steps.set(parent, cut);
                if !lacks_left {
                    open.pop();
                }
            }
            if is_cut {
                let dimension = shape.read(dimension_bits) as u16;
                if usize::from(this) == inner || usize::from(dimension) >= self.dimensions {
                    return Err(INCONSISTENT);
                }
                self.steps.set(this, Cut { dimension, ..self.cut(this) });
                open.push(this);
            } else {
                if usize::from(this - self.capacity) == leaves {
                    return Err(INCONSISTENT);
                }
                *self.mass_mut(this) = 1;
            }
            self.parents[usize::from(this)] = parent;
        }
        self.free_leaves.retain(|&leaf| leaf >= next_leaf);
        self.free_cuts.retain(|&cut| cut >= next_cut);
        if open.is_empty() { Ok(()) } else { Err(INCONSISTENT) }
    }

    /// Draws the boxes of inner nodes, of which there are so many, the children's first, and checks
    /// that their cuts separate them.
    fn draw_boxes(&mut self, inner: usize) -> Result<(), SnapshotError> {
        let negated = negated(self.dimensions);
        for node in (0..inner as u16).rev() {
            let Cut { dimension, value, children } = self.cut(node);
            self.bounds.unite::<0>(node, children);
            self.measure::<0>(node);
            let [left, right] = children.map(|child| self.bounds(child).as_flattened());
            let greatest_left = -left[negated + usize::from(dimension)];
            if !(greatest_left <= value && value < right[usize::from(dimension)]) {
                return Err(INCONSISTENT);
            }
        }
        Ok(())
    }

    fn read_sample(
        &mut self,
        sampler: &mut Sampler,
        leaves: usize,
        points: usize,
        from: &mut Reader<'_>,
    ) -> Result<(), SnapshotError> {
        if leaves < points {
            let masses = from.take(2 * leaves)?.as_chunks().0;
            let mut sum = 0;
            for (to, &mass) in self.masses.iter_mut().zip(masses) {
                *to = u16::from_le_bytes(mass);
                sum += usize::from(*to);
                if *to == 0 {
                    return Err(INCONSISTENT);
                }
            }
            if sum != points {
                return Err(INCONSISTENT);
            }
        }
        sampler.keys.extend(from.numbers(points)?);
        for leaf in self.capacity..self.capacity + leaves as u16 {
            let mass = self.mass(leaf).into();
            sampler.leaves.extend(iter::repeat_n(leaf, mass));
        }
        if sampler.keys.iter().any(|key| !(0.0..=f32::MAX).contains(key)) {
            return Err(INCONSISTENT);
        }
        if sampler.is_full() {
            sampler.heapify(|a, b| self.compare(a, b).is_lt());
        }
        Ok(())
    }
}

/// So many bits are needed to tell dimensions apart.
fn dimension_bits(dimensions: usize) -> u32 {
    usize::BITS - (dimensions - 1).leading_zeros()
}

fn write_numbers(out: &mut Vec<u8>, numbers: &[f32]) {
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}
