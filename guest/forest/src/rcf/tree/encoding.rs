//! A tree and its sample as bytes, all numbers little endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 2 | leaves |
//! | 8 | the time of the point that enters next; 0 if the sample is not full |
//! | | in preorder, a bit a node, 1 for an inner one, which its dimension follows, in as many bits as dimensions need |
//! | 4 an inner node | the value of its cut |
//! | 4 × dimensions a leaf | its point |
//! | | if some leaf holds more than one: a bit a leaf, 1 for those that do, and the mass of each of these, in 2 bytes |
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
        let leaves = self.masses.len() - self.free_leaves.len();
        out.extend((leaves as u16).to_le_bytes());
        out.extend(sampler.next.to_le_bytes());
        if leaves == 0 {
            return;
        }
        let order = self.write_nodes(leaves, out);
        if leaves < sampler.keys.len() {
            self.write_masses(&order, out);
        }
        self.write_keys(sampler, &order, out);
    }

    /// Appends all nodes, of which so many are leaves, and returns the leaves in order.
    fn write_nodes(&self, leaves: usize, out: &mut Vec<u8>) -> Vec<u16> {
        let dimension_bits = dimension_bits(self.dimensions);
        let shape_bytes = shape_bits(leaves, dimension_bits).div_ceil(8);
        let (shape, numbers) =
            appended(out, shape_bytes + 4 * (leaves - 1 + self.dimensions * leaves))
                .split_at_mut(shape_bytes);
        let (values, points) = numbers.as_chunks_mut::<4>().0.split_at_mut(leaves - 1);
        let mut points = points.chunks_exact_mut(self.dimensions);
        let mut values = values.iter_mut();
        let mut shape = BitWriter::new(shape);
        let mut order = Vec::with_capacity(leaves);
        // What is on the right of inner nodes that were written.
        let mut open = Vec::with_capacity(leaves);
        open.push(self.root);
        while let Some(mut node) = open.pop() {
            while !self.is_leaf(node) {
                let Cut { dimension, value, children: [left, right] } = self.cut(node);
                shape.write(1 | u64::from(dimension) << 1, 1 + dimension_bits);
                values.by_ref().take(1).for_each(|to| *to = value.to_le_bytes());
                open.push(right);
                node = left;
            }
            shape.write(0, 1);
            let coordinates = self.bounds(node).as_flattened();
            for (to, coordinate) in points.by_ref().take(1).flatten().zip(coordinates) {
                *to = coordinate.to_le_bytes();
            }
            order.push(node);
        }
        shape.finish();
        order
    }

    fn write_masses(&self, order: &[u16], out: &mut Vec<u8>) {
        let mut several = BitWriter::new(appended(out, order.len().div_ceil(8)));
        let masses = || order.iter().map(|&leaf| self.mass(leaf));
        masses().for_each(|mass| several.write((mass > 1).into(), 1));
        several.finish();
        out.extend(masses().filter(|&mass| mass > 1).flat_map(u16::to_le_bytes));
    }

    /// Appends the keys of a sample, those of the first leaf first, and those of a leaf ascending: in
    /// which order a sample holds them depends on what it was before.
    fn write_keys(&self, sampler: &Sampler, order: &[u16], out: &mut Vec<u8>) {
        let keys = appended(out, 4 * sampler.keys.len()).as_chunks_mut::<4>().0;
        let mut places = vec![0; self.masses.len()];
        let mut place = 0;
        for &leaf in order {
            places[usize::from(leaf - self.capacity)] = place;
            place += usize::from(self.mass(leaf));
        }
        for (key, leaf) in sampler.keys.iter().zip(&sampler.leaves) {
            let place = &mut places[usize::from(leaf - self.capacity)];
            keys[*place] = key.to_le_bytes();
            *place += 1;
        }
        // Now each is behind the leaf's last.
        for &leaf in order.iter().filter(|&&leaf| self.mass(leaf) > 1) {
            let end = places[usize::from(leaf - self.capacity)];
            keys[end - usize::from(self.mass(leaf))..end]
                .sort_unstable_by(|&a, &b| f32::from_le_bytes(a).total_cmp(&f32::from_le_bytes(b)));
        }
    }

    /// Reads what [`write`](Self::write) wrote, in place of what a tree and its sampler hold. `seen`
    /// is the number of points of which the sample is. With rows of `WIDTH`; 0 stands for any.
    pub(crate) fn read<const WIDTH: usize>(
        &mut self,
        sampler: &mut Sampler,
        seen: u64,
        from: &mut Reader<'_>,
    ) -> Result<(), SnapshotError> {
        self.clear();
        sampler.clear();
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
        let mut cuts = self.read_shape(leaves, from)?;
        for (cut, value) in cuts.iter_mut().zip(from.numbers(leaves - 1)?) {
            cut.value = value;
        }
        self.read_points::<WIDTH>(leaves, from)?;
        self.draw_boxes::<WIDTH>(&cuts)?;
        self.read_masses(leaves, points, from)?;
        self.read_sample(sampler, leaves, points, from)
    }

    /// Reads how nodes hang together: the cuts, as yet without their values. Inner nodes and leaves
    /// are numbered in preorder.
    fn read_shape(
        &mut self,
        leaves: usize,
        from: &mut Reader<'_>,
    ) -> Result<Vec<Cut>, SnapshotError> {
        let inner = leaves - 1;
        let dimension_bits = dimension_bits(self.dimensions);
        let bits = shape_bits(leaves, dimension_bits);
        let mut shape = BitReader::new(from.take(bits.div_ceil(8))?);
        let mut cuts = Vec::<Cut>::with_capacity(inner);
        let end = self.capacity + leaves as u16;
        let mut next_leaf = self.capacity;
        // Inner nodes that lack what is on their right.
        let mut open = Vec::with_capacity(inner);
        // Where the next node belongs.
        let (mut parent, mut side) = (NONE, 0);
        self.root = if inner > 0 { 0 } else { self.capacity };
        loop {
            let is_cut = shape.read(1) == 1;
            let this = if is_cut { cuts.len() as u16 } else { next_leaf };
            if usize::from(this) == inner || this == end {
                return Err(INCONSISTENT);
            }
            if let Some(cut) = cuts.get_mut(usize::from(parent)) {
                cut.children[side] = this;
            }
            self.parents[usize::from(this)] = parent;
            if is_cut {
                let dimension = shape.read(dimension_bits) as u16;
                if usize::from(dimension) >= self.dimensions {
                    return Err(INCONSISTENT);
                }
                cuts.push(Cut { dimension, value: 0.0, children: [this; 2] });
                open.push(this);
                (parent, side) = (this, 0);
            } else {
                *self.mass_mut(this) = 1;
                next_leaf += 1;
                match open.pop() {
                    Some(lacking) => (parent, side) = (lacking, 1),
                    None => break,
                }
            }
        }
        self.free_leaves.truncate(self.masses.len() - leaves);
        self.free_cuts.truncate(self.masses.len() - leaves);
        if next_leaf == end { Ok(cuts) } else { Err(INCONSISTENT) }
    }

    fn read_points<const WIDTH: usize>(
        &mut self,
        leaves: usize,
        from: &mut Reader<'_>,
    ) -> Result<(), SnapshotError> {
        let negated = negated(self.dimensions);
        let mut coordinates = from.numbers(leaves * self.dimensions)?;
        let mut within = true;
        for leaf in self.capacity..self.capacity + leaves as u16 {
            let row = self.bounds.get_mut::<WIDTH>(leaf).as_flattened_mut();
            let (least, negated) = row.split_at_mut(negated);
            let sides = least.iter_mut().zip(negated).take(self.dimensions);
            for ((least, negated), number) in sides.zip(&mut coordinates) {
                within &= number.abs() <= LIMIT;
                (*least, *negated) = (number, -number);
            }
        }
        if within { Ok(()) } else { Err(INCONSISTENT) }
    }

    /// Draws the boxes of inner nodes, the children's first, and checks that their cuts separate
    /// them.
    fn draw_boxes<const WIDTH: usize>(&mut self, cuts: &[Cut]) -> Result<(), SnapshotError> {
        let negated = negated(self.dimensions);
        for (node, &cut) in (0..cuts.len() as u16).zip(cuts).rev() {
            let Cut { dimension, value, children } = cut;
            self.steps.set(node, cut);
            self.bounds.unite::<WIDTH>(node, children);
            self.measure::<WIDTH>(node);
            let [left, right] =
                children.map(|child| self.bounds.get::<WIDTH>(child).as_flattened());
            let greatest_left = -left[negated + usize::from(dimension)];
            if !(greatest_left <= value && value < right[usize::from(dimension)]) {
                return Err(INCONSISTENT);
            }
        }
        Ok(())
    }

    fn read_masses(
        &mut self,
        leaves: usize,
        points: usize,
        from: &mut Reader<'_>,
    ) -> Result<(), SnapshotError> {
        if leaves == points {
            return Ok(());
        }
        let mut several = BitReader::new(from.take(leaves.div_ceil(8))?);
        let mut sum = 0;
        for mass in &mut self.masses[..leaves] {
            if several.read(1) == 1 {
                *mass = u16::from_le_bytes(from.array()?);
                if *mass < 2 {
                    return Err(INCONSISTENT);
                }
            }
            sum += usize::from(*mass);
        }
        if sum == points { Ok(()) } else { Err(INCONSISTENT) }
    }

    fn read_sample(
        &mut self,
        sampler: &mut Sampler,
        leaves: usize,
        points: usize,
        from: &mut Reader<'_>,
    ) -> Result<(), SnapshotError> {
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

/// So many bits tell how the nodes of a tree with so many leaves hang together.
fn shape_bits(leaves: usize, dimension_bits: u32) -> usize {
    leaves + (leaves - 1) * (1 + dimension_bits as usize)
}

/// So many bytes more at the end.
fn appended(out: &mut Vec<u8>, bytes: usize) -> &mut [u8] {
    let start = out.len();
    out.resize(start + bytes, 0);
    &mut out[start..]
}
