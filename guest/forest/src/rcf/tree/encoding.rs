//! A tree and its sample as bytes, all numbers little endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 2 | leaves |
//! | 8 | the time of the point that enters next; 0 if the sample is not full |
//! | | level by level, a bit a node, 1 for an inner one |
//! | | the dimension of each inner node's cut, in as many bits as dimensions need |
//! | 4 an inner node | the value of its cut |
//! | 4 × dimensions a leaf | its point |
//! | | if some leaf holds more than one: a bit a leaf, 1 for those that do, and the mass of each of these, in 2 bytes |
//! | 4 a point | its key, leaf by leaf |
//!
//! Bits are filled up with zeros to whole bytes. What is said of inner nodes, and of leaves, follows
//! their order in the levels. So the children of the inner node number n, from 0 on, are the nodes
//! number 2 n + 1 and 2 n + 2. Boxes are drawn anew.
//!
//! Nodes are looked at without a decision between them, which the processor would guess wrong for
//! every second one. And each part has a function of its own, whose loops keep what they need in
//! registers.

use std::iter;

use crate::rcf::bits::{BitReader, BitWriter};
use crate::rcf::bounds::{is_within, mirror, negated};
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
        let [cuts, leaves] = self.write_shape(leaves, out);
        self.write_cuts(&cuts, out);
        self.write_points(&leaves, out);
        if leaves.len() < sampler.keys.len() {
            self.write_masses(&leaves, out);
        }
        self.write_keys(sampler, &leaves, out);
    }

    /// Appends how nodes hang together, of which so many are leaves, and returns the inner nodes and
    /// the leaves in order.
    #[inline(never)]
    fn write_shape(&self, leaves: usize, out: &mut Vec<u8>) -> [Vec<u16>; 2] {
        let inner = leaves - 1;
        // With room for what is written of the last, and does not count.
        let mut nodes = vec![self.root; leaves + inner + 2];
        let mut ordered = [vec![NONE; inner + 1], vec![NONE; leaves + 1]];
        let mut shape = BitWriter::new(appended(out, (leaves + inner).div_ceil(8)));
        let mut cuts = 0;
        for at in 0..leaves + inner {
            let node = nodes[at];
            let is_cut = usize::from(!self.is_leaf(node));
            shape.write(is_cut as u64, 1);
            nodes[2 * cuts + 1..][..2].copy_from_slice(&self.cut(node).children);
            (ordered[0][cuts], ordered[1][at - cuts]) = (node, node);
            cuts += is_cut;
        }
        shape.finish();
        ordered[0].truncate(inner);
        ordered[1].truncate(leaves);
        ordered
    }

    /// Appends the dimensions and the values of cuts.
    #[inline(never)]
    fn write_cuts(&self, cuts: &[u16], out: &mut Vec<u8>) {
        let dimension_bits = dimension_bits(self.dimensions);
        let bytes = (cuts.len() * dimension_bits as usize).div_ceil(8);
        let mut dimensions = BitWriter::new(appended(out, bytes));
        for &node in cuts {
            dimensions.write(self.cut(node).dimension.into(), dimension_bits);
        }
        dimensions.finish();
        let values = appended(out, 4 * cuts.len()).as_chunks_mut::<4>().0;
        for (to, &node) in values.iter_mut().zip(cuts) {
            *to = self.cut(node).value.to_le_bytes();
        }
    }

    /// Appends the points of leaves.
    #[inline(never)]
    fn write_points(&self, leaves: &[u16], out: &mut Vec<u8>) {
        let points = appended(out, 4 * self.dimensions * leaves.len());
        for (to, &leaf) in points.chunks_exact_mut(4 * self.dimensions).zip(leaves) {
            let coordinates = self.bounds(leaf).as_flattened();
            for (to, coordinate) in to.as_chunks_mut::<4>().0.iter_mut().zip(coordinates) {
                *to = coordinate.to_le_bytes();
            }
        }
    }

    /// Appends the masses of leaves, one of which holds more than one point.
    #[inline(never)]
    fn write_masses(&self, order: &[u16], out: &mut Vec<u8>) {
        let mut several = BitWriter::new(appended(out, order.len().div_ceil(8)));
        let masses = || order.iter().map(|&leaf| self.mass(leaf));
        masses().for_each(|mass| several.write((mass > 1).into(), 1));
        several.finish();
        out.extend(masses().filter(|&mass| mass > 1).flat_map(u16::to_le_bytes));
    }

    /// Appends the keys of a sample, those of the first leaf first, and those of a leaf ascending: in
    /// which order a sample holds them depends on what it was before.
    #[inline(never)]
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
        let children = self.read_shape(leaves, from)?;
        let cuts = self.read_cuts(&children, from)?;
        self.read_points::<WIDTH>(leaves, from)?;
        self.draw_boxes::<WIDTH>(&cuts)?;
        self.read_masses(leaves, points, from)?;
        self.read_sample(sampler, leaves, points, from)
    }

    /// Reads how nodes hang together: the children of the inner nodes. These are numbered in order,
    /// and so are leaves.
    fn read_shape(
        &mut self,
        leaves: usize,
        from: &mut Reader<'_>,
    ) -> Result<Vec<[u16; 2]>, SnapshotError> {
        let inner = leaves - 1;
        let nodes = leaves + inner;
        let shape = from.take(nodes.div_ceil(8))?;
        let ones = shape.iter().map(|byte| byte.count_ones() as usize).sum::<usize>();
        // The number of nodes is odd, so that the last byte is never full.
        let fill = shape.last().map_or(0, |last| last >> (nodes % 8));
        if ones != inner || fill != 0 {
            return Err(INCONSISTENT);
        }
        let mut shape = BitReader::new(shape);
        let mut next = [self.capacity, 0];
        self.root = next[usize::from(inner > 0)];
        next[usize::from(shape.read(1) == 1)] += 1;
        self.parents[usize::from(self.root)] = NONE;
        let mut children = vec![[NONE; 2]; inner];
        let mut is_whole = true;
        for (above, child) in children.as_flattened_mut().iter_mut().enumerate() {
            let parent = (above / 2) as u16;
            is_whole &= parent < next[1];
            let next = &mut next[usize::from(shape.read(1) == 1)];
            *child = *next;
            *next += 1;
            self.parents[usize::from(*child)] = parent;
        }
        self.masses[..leaves].fill(1);
        self.free_leaves.truncate(self.masses.len() - leaves);
        self.free_cuts.truncate(self.masses.len() - leaves);
        if is_whole { Ok(children) } else { Err(INCONSISTENT) }
    }

    /// Reads the cuts of the inner nodes that have these children.
    fn read_cuts(
        &self,
        children: &[[u16; 2]],
        from: &mut Reader<'_>,
    ) -> Result<Vec<Cut>, SnapshotError> {
        let dimension_bits = dimension_bits(self.dimensions);
        let bytes = (children.len() * dimension_bits as usize).div_ceil(8);
        let mut dimensions = BitReader::new(from.take(bytes)?);
        let values = from.numbers(children.len())?;
        let cuts = children.iter().zip(values).map(|(&children, value)| {
            let dimension = dimensions.read(dimension_bits) as u16;
            Cut { dimension, value, children }
        });
        let cuts: Vec<_> = cuts.collect();
        let exist = cuts.iter().all(|cut| usize::from(cut.dimension) < self.dimensions);
        if exist && dimensions.rest_is_zero() { Ok(cuts) } else { Err(INCONSISTENT) }
    }

    fn read_points<const WIDTH: usize>(
        &mut self,
        leaves: usize,
        from: &mut Reader<'_>,
    ) -> Result<(), SnapshotError> {
        let mut numbers = from.numbers(leaves * self.dimensions)?;
        let mut within = true;
        for leaf in self.capacity..self.capacity + leaves as u16 {
            let row = self.bounds.get_mut::<WIDTH>(leaf);
            for (to, number) in
                row.as_flattened_mut()[..self.dimensions].iter_mut().zip(&mut numbers)
            {
                *to = number;
            }
            mirror(row);
            within &= is_within(row, LIMIT);
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
        if sum == points && several.rest_is_zero() { Ok(()) } else { Err(INCONSISTENT) }
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

/// So many bytes more at the end.
fn appended(out: &mut Vec<u8>, bytes: usize) -> &mut [u8] {
    let start = out.len();
    out.resize(start + bytes, 0);
    &mut out[start..]
}
