//! A tree and its sample as bytes, all numbers little endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 2 | leaves |
//! | 8 | the time of the point that enters next; 0 if the sample is not full |
//! | | level by level, a [bit](crate::rcf::bits) a node, 1 for an inner one |
//! | | the dimension of each inner node's cut: a bit a node for its lowest bit, then the same for each further one that dimensions need |
//! | 4 an inner node | the value of its cut |
//! | 4 × dimensions a leaf | its point |
//! | | if some leaf holds more than one: a bit a leaf, 1 for those that do, and the mass of each of these, in 2 bytes |
//! | 4 a point | its key, leaf by leaf |
//!
//! What is said of inner nodes, and of leaves, follows their order in the levels. So the children of
//! the inner node number n, from 0 on, are the nodes number 2 n + 1 and 2 n + 2. Boxes are drawn anew.
//!
//! Nodes are looked at without a decision between them, which the processor would guess wrong for
//! every second one, and eight at once where that can be. And each part has a function of its own,
//! whose loops keep what they need in registers.

use std::iter;

use wide::bytemuck::cast;
use wide::{f32x4, i16x8, i32x4};

use crate::rcf::bits;
use crate::rcf::bounds::{LANES, Lanes, mirror, negated, range_of_four};
use crate::rcf::sampler::Sampler;
use crate::rcf::shingle::LIMIT;
use crate::rcf::snapshot::{Reader, SnapshotError};
use crate::rcf::steps::NODE_BITS;
use crate::rcf::tree::{NONE, Tree};

const INCONSISTENT: SnapshotError = SnapshotError::Inconsistent;

/// More nodes than any tree has, a power of two: an index that is cut off by it needs no check.
const NODES: usize = 1 << NODE_BITS;

/// More inner nodes, or leaves, than any tree has.
const HALF: usize = NODES / 2;

/// What is needed for the time of writing or reading trees, one after another.
#[derive(Debug)]
pub(crate) struct Scratch {
    /// The nodes, level by level.
    nodes: [u16; NODES],
    /// Of these, the inner ones and the leaves. When trees are read, these have their numbers in order.
    cuts: [u16; HALF],
    leaves: [u16; HALF],
    /// The dimension of each cut.
    dimensions: [u16; HALF],
    /// The key of each leaf, by its place among their numbers.
    keys: [f32; HALF],
}

impl Scratch {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            nodes: [0; NODES],
            cuts: [0; HALF],
            leaves: [0; HALF],
            dimensions: [0; HALF],
            keys: [0.0; HALF],
        })
    }
}

impl Tree {
    /// At most so many bytes are written of a tree that holds a sample.
    pub(crate) fn most_bytes(&self, sampler: &Sampler) -> usize {
        let [leaves, points] = [self.leaves(), sampler.points().0.len()];
        let shape = bits::bytes(2 * leaves) + dimension_bits(self.dimensions) * bits::bytes(leaves);
        let masses = if leaves < points { bits::bytes(leaves) + 2 * leaves } else { 0 };
        10 + shape + 4 * leaves * (1 + self.dimensions) + masses + 4 * points
    }

    /// Appends the tree and its sample. With rows of `WIDTH`; 0 stands for any.
    pub(crate) fn write<const WIDTH: usize>(
        &self,
        sampler: &Sampler,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) {
        let leaves = self.leaves();
        out.extend((leaves as u16).to_le_bytes());
        out.extend(sampler.next.to_le_bytes());
        if leaves == 0 {
            return;
        }
        let cuts = leaves - 1;
        let plane = bits::bytes(cuts);
        let planes = dimension_bits(self.dimensions) * plane;
        let shape = bits::bytes(cuts + leaves);
        let (shape, rest) = appended(out, shape + planes + 4 * cuts).split_at_mut(shape);
        let (planes, values) = rest.split_at_mut(planes);
        self.order(values.as_chunks_mut().0, scratch);
        let capacity = i16x8::splat(self.capacity as i16);
        bits::write(&scratch.nodes[..cuts + leaves], shape, |node| node.simd_lt(capacity));
        for (bit, plane) in planes.chunks_exact_mut(plane.max(1)).enumerate() {
            let sign = i16::BITS as i32 - 1 - bit as i32;
            bits::write(&scratch.dimensions[..cuts], plane, |dimension| dimension << sign);
        }
        self.write_points::<WIDTH>(&scratch.leaves[..leaves], out);
        if leaves < sampler.points().0.len() {
            self.write_masses(&scratch.leaves[..leaves], out);
        }
        self.write_keys(sampler, leaves, scratch, out);
    }

    fn leaves(&self) -> usize {
        self.masses.len() - self.free_leaves.len()
    }

    /// Finds the nodes level by level, and the dimensions of cuts, of which there is one for each of
    /// their values, which are written.
    #[inline(never)]
    fn order(&self, values: &mut [[u8; 4]], scratch: &mut Scratch) {
        let Scratch { nodes, cuts, leaves, dimensions, .. } = scratch;
        // Each is taken for an inner node and for a leaf, and overwritten as what it is not.
        (nodes[0], cuts[0], leaves[0]) = (self.root, self.root, self.root);
        let mut next_cut = 1;
        let children = nodes[1..].as_chunks_mut::<2>().0;
        let found = values.iter_mut().zip(children).zip(dimensions);
        for (cut, ((value, children), dimension)) in found.enumerate() {
            let node = self.cut(cuts[cut % HALF]);
            *value = node.value.to_le_bytes();
            *dimension = node.dimension;
            *children = node.children;
            let [left, right] = node.children;
            cuts[next_cut % HALF] = left;
            leaves[(2 * cut + 1 - next_cut) % HALF] = left;
            next_cut += usize::from(!self.is_leaf(left));
            cuts[next_cut % HALF] = right;
            leaves[(2 * cut + 2 - next_cut) % HALF] = right;
            next_cut += usize::from(!self.is_leaf(right));
        }
    }

    /// Appends the points of leaves.
    #[inline(never)]
    fn write_points<const WIDTH: usize>(&self, leaves: &[u16], out: &mut Vec<u8>) {
        let bytes = 4 * self.dimensions;
        let units = self.bounds.half::<WIDTH>();
        // Whole units of a row are written. What is too much is overwritten by the next point, and
        // there is room for that of the last one.
        let room = units * size_of::<Lanes>() - bytes;
        let points = appended(out, bytes * leaves.len() + room);
        for (&leaf, start) in leaves.iter().zip((0..).step_by(bytes)) {
            let Some(to) = points.get_mut(start..start + units * size_of::<Lanes>()) else { return };
            let row = &self.bounds.get::<WIDTH>(leaf)[..units];
            for (to, unit) in to.as_chunks_mut().0.iter_mut().zip(row) {
                *to = cast::<[[u8; 4]; LANES], [u8; size_of::<Lanes>()]>(unit.map(f32::to_le_bytes));
            }
        }
        out.truncate(out.len() - room);
    }

    /// Appends the masses of leaves, one of which holds more than one point.
    #[inline(never)]
    fn write_masses(&self, order: &[u16], out: &mut Vec<u8>) {
        let masses: Vec<_> = order.iter().map(|&leaf| self.mass(leaf)).collect();
        let one = i16x8::splat(1);
        bits::write(&masses, appended(out, bits::bytes(masses.len())), |mass| mass.simd_gt(one));
        out.extend(masses.into_iter().filter(|&mass| mass > 1).flat_map(u16::to_le_bytes));
    }

    /// Appends the keys of a sample, those of the first leaf first, and those of a leaf ascending: in
    /// which order a sample holds them depends on what it was before.
    #[inline(never)]
    fn write_keys(
        &self,
        sampler: &Sampler,
        leaves: usize,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) {
        let (keys, leaves_of_keys) = sampler.points();
        let order = &scratch.leaves[..leaves];
        let to = appended(out, 4 * keys.len()).as_chunks_mut::<4>().0;
        let place = |leaf: u16| usize::from(leaf - self.capacity);
        if leaves == keys.len() {
            // As a rule, a sample that never held a point twice holds the leaves in order.
            let ascending = leaves_of_keys.iter().zip(self.capacity..);
            let are_in_order = ascending.fold(0, |differ, (&leaf, other)| differ | (leaf ^ other)) == 0;
            let by_place = if are_in_order {
                keys
            } else {
                for (&key, &leaf) in keys.iter().zip(leaves_of_keys) {
                    scratch.keys[place(leaf) % HALF] = key;
                }
                &scratch.keys
            };
            let key = |leaf| by_place[place(leaf)].to_le_bytes();
            // Four at once: to look at whether time is up takes as long as a key.
            let (fours, rest) = to.as_chunks_mut::<4>();
            let (orders, rest_order) = order.as_chunks::<4>();
            for (to, &[a, b, c, d]) in fours.iter_mut().zip(orders) {
                *to = [key(a), key(b), key(c), key(d)];
            }
            for (to, &leaf) in rest.iter_mut().zip(rest_order) {
                *to = key(leaf);
            }
            return;
        }
        let mut ends = vec![0; self.masses.len()];
        let mut end = 0;
        for &leaf in order {
            ends[place(leaf)] = end;
            end += usize::from(self.mass(leaf));
        }
        for (&key, &leaf) in keys.iter().zip(leaves_of_keys) {
            let end = &mut ends[place(leaf)];
            to[*end] = key.to_le_bytes();
            *end += 1;
        }
        for &leaf in order.iter().filter(|&&leaf| self.mass(leaf) > 1) {
            let end = ends[place(leaf)];
            to[end - usize::from(self.mass(leaf))..end]
                .sort_unstable_by(|&a, &b| f32::from_le_bytes(a).total_cmp(&f32::from_le_bytes(b)));
        }
    }

    /// Reads what [`write`](Self::write) wrote, in place of what a tree and its sampler hold. `seen`
    /// is the number of points of which the sample is. With rows of `WIDTH`; 0 stands for any.
    pub(crate) fn read<const WIDTH: usize>(
        &mut self,
        sampler: &mut Sampler,
        seen: u64,
        scratch: &mut Scratch,
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
        self.number(leaves);
        if leaves > 0 {
            self.read_shape(leaves, scratch, from)?;
            self.read_dimensions(leaves - 1, scratch, from)?;
            let values = from.take(4 * (leaves - 1))?.as_chunks().0;
            let children = scratch.nodes[1..].as_chunks().0;
            self.steps.set_first(values, &scratch.dimensions, children);
            self.read_points::<WIDTH>(leaves, from)?;
            if !self.draw_boxes::<WIDTH>(values, scratch) {
                return Err(INCONSISTENT);
            }
            self.measure_all::<WIDTH>(leaves - 1);
            self.read_masses(leaves, points, from)?;
        }
        self.read_sample(sampler, leaves, points, from)
    }

    /// Takes the first numbers for so many leaves, and for as many inner nodes as they need.
    fn number(&mut self, leaves: usize) {
        let (capacity, leaves) = (self.capacity, leaves as u16);
        let cuts = leaves.saturating_sub(1);
        self.root = match leaves {
            0 => NONE,
            1 => capacity,
            _ => 0,
        };
        self.free_leaves.clear();
        self.free_leaves.extend((capacity + leaves..2 * capacity).rev());
        self.free_cuts.clear();
        self.free_cuts.extend((cuts..capacity - 1).rev());
        self.masses[..usize::from(leaves)].fill(1);
    }

    /// Reads how nodes hang together: which numbers they have, level by level.
    #[inline(never)]
    fn read_shape(
        &self,
        leaves: usize,
        scratch: &mut Scratch,
        from: &mut Reader<'_>,
    ) -> Result<(), SnapshotError> {
        let count = 2 * leaves - 1;
        let shape = from.take(bits::bytes(count))?;
        let ones = shape.iter().map(|byte| byte.count_ones() as usize).sum::<usize>();
        if ones != leaves - 1 || !bits::are_filled_up(shape, count) {
            return Err(INCONSISTENT);
        }
        let last = i16x8::splat(count as i16 - 1);
        let capacity = i16x8::splat(self.capacity as i16);
        let mut at = i16x8::new([0, 1, 2, 3, 4, 5, 6, 7]);
        let mut cuts = i16x8::ZERO;
        let mut lacks_parent = i16x8::ZERO;
        for (&byte, nodes) in shape.iter().zip(scratch.nodes.as_chunks_mut::<8>().0) {
            let before = cuts + bits::ones_before(byte);
            // Two children for each cut, and the root.
            lacks_parent |= at.min(last).simd_gt(before + before);
            let number = bits::spread(byte).bitselect(before, at - before + capacity);
            *nodes = number.to_array().map(|number| number as u16);
            cuts += i16x8::splat(byte.count_ones() as i16);
            at += i16x8::splat(8);
        }
        if lacks_parent.any() { Err(INCONSISTENT) } else { Ok(()) }
    }

    /// Reads the dimensions of so many cuts.
    #[inline(never)]
    fn read_dimensions(
        &self,
        cuts: usize,
        scratch: &mut Scratch,
        from: &mut Reader<'_>,
    ) -> Result<(), SnapshotError> {
        scratch.dimensions.fill(0);
        let mut is_whole = true;
        for bit in 0..dimension_bits(self.dimensions) {
            let plane = from.take(bits::bytes(cuts))?;
            is_whole &= bits::are_filled_up(plane, cuts);
            let bit = i16x8::splat(1 << bit);
            for (&byte, to) in plane.iter().zip(scratch.dimensions.as_chunks_mut::<8>().0) {
                let dimensions = i16x8::new(to.map(|dimension| dimension as i16));
                let dimensions = dimensions | (bits::spread(byte) & bit);
                *to = dimensions.to_array().map(|dimension| dimension as u16);
            }
        }
        let dimensions = &scratch.dimensions[..cuts];
        let greatest = dimensions.iter().fold(0, |greatest, &dimension| dimension.max(greatest));
        is_whole &= usize::from(greatest) < self.dimensions;
        if is_whole { Ok(()) } else { Err(INCONSISTENT) }
    }

    #[inline(never)]
    fn read_points<const WIDTH: usize>(
        &mut self,
        leaves: usize,
        from: &mut Reader<'_>,
    ) -> Result<(), SnapshotError> {
        let dimensions = self.dimensions;
        // Whole units of a row are read, which end behind the point.
        let whole = self.bounds.half::<WIDTH>() * size_of::<Lanes>();
        let mut points = from.rest();
        from.take(4 * dimensions * leaves)?;
        let limit = f32x4::splat(LIMIT);
        let mut within = f32x4::splat(f32::from_bits(u32::MAX));
        let mut read = |row: &mut [Lanes], whole: &[u8]| {
            for (place, (to, unit)) in row.iter_mut().zip(whole.as_chunks().0).enumerate() {
                let lanes = lanes(unit, dimensions - LANES * place);
                within &= lanes.abs().simd_le(limit);
                *to = lanes.to_array();
            }
            mirror(row);
        };
        let mut rows = self.bounds.rows_mut::<WIDTH>(self.capacity).take(leaves);
        while let Some(whole) = points.get(..whole) {
            let Some(row) = rows.next() else { break };
            read(row, whole);
            points = &points[4 * dimensions..];
        }
        // The last of a snapshot that ends with fewer keys than that.
        for row in rows {
            let mut filled_up = points.to_vec();
            filled_up.resize(whole, 0);
            read(row, &filled_up);
            points = &points[4 * dimensions..];
        }
        if within.all() { Ok(()) } else { Err(INCONSISTENT) }
    }

    /// Ties nodes together and draws the boxes of inner ones, the children's first. Tells whether
    /// their cuts, whose values these are, separate their children.
    #[inline(never)]
    fn draw_boxes<const WIDTH: usize>(&mut self, values: &[[u8; 4]], scratch: &Scratch) -> bool {
        let negated = negated(self.dimensions);
        let children = scratch.nodes[1..].as_chunks::<2>().0;
        let cuts = values.iter().zip(children).zip(&scratch.dimensions).enumerate();
        let mut separate = true;
        for (node, ((&value, &children), &dimension)) in cuts.rev() {
            let (node, value) = (node as u16, f32::from_le_bytes(value));
            for child in children {
                self.parents[usize::from(child)] = node;
            }
            let dimension = usize::from(dimension);
            let [left, right] = children;
            // SAFETY: these are nodes of the tree, or the steps had not been set, and `WIDTH` is its.
            unsafe {
                self.bounds.unite_unchecked::<WIDTH>(node, children);
                let left = self.bounds.get_unchecked::<WIDTH>(left).as_flattened();
                let right = self.bounds.get_unchecked::<WIDTH>(right).as_flattened();
                separate &= (-left[negated + dimension] <= value) & (value < right[dimension]);
            }
        }
        self.parents[usize::from(self.root)] = NONE;
        separate
    }

    /// Adds up the sides of the boxes of the first inner nodes, so many.
    #[inline(never)]
    fn measure_all<const WIDTH: usize>(&mut self, cuts: usize) {
        let (fours, rest) = self.ranges[..cuts].as_chunks_mut();
        for (ranges, node) in fours.iter_mut().zip((0..).step_by(LANES)) {
            let get = |node| self.bounds.get::<WIDTH>(node);
            let four = [get(node), get(node + 1), get(node + 2), get(node + 3)];
            *ranges = range_of_four(four).to_array();
        }
        for node in (cuts - rest.len()) as u16..cuts as u16 {
            self.measure::<WIDTH>(node);
        }
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
        let several = from.take(bits::bytes(leaves))?;
        let mut is_whole = bits::are_filled_up(several, leaves);
        let mut sum = 0;
        for (at, mass) in self.masses[..leaves].iter_mut().enumerate() {
            if several[at / 8] >> (at % 8) & 1 == 1 {
                *mass = u16::from_le_bytes(from.array()?);
                is_whole &= *mass > 1;
            }
            sum += usize::from(*mass);
        }
        if is_whole && sum == points { Ok(()) } else { Err(INCONSISTENT) }
    }

    fn read_sample(
        &self,
        sampler: &mut Sampler,
        leaves: usize,
        points: usize,
        from: &mut Reader<'_>,
    ) -> Result<(), SnapshotError> {
        let keys = from.take(4 * points)?.as_chunks().0;
        let all = self.capacity..self.capacity + leaves as u16;
        let before = |a, b| self.compare(a, b).is_lt();
        let are_keys = if leaves == points {
            sampler.replace(keys, all, before)
        } else {
            let of_leaf = |leaf| iter::repeat_n(leaf, self.mass(leaf).into());
            sampler.replace(keys, all.flat_map(of_leaf), before)
        };
        if are_keys { Ok(()) } else { Err(INCONSISTENT) }
    }
}

/// The first numbers of a row's unit, so many, and zeros.
#[inline(always)]
fn lanes(unit: &[u8; size_of::<Lanes>()], count: usize) -> f32x4 {
    let numbers: [[u8; 4]; LANES] = cast(*unit);
    let lanes = f32x4::new(numbers.map(f32::from_le_bytes));
    let is_one = i32x4::new([0, 1, 2, 3]).simd_lt(i32x4::splat(count as i32));
    lanes & cast::<i32x4, f32x4>(is_one)
}

/// So many bits are needed to tell dimensions apart.
fn dimension_bits(dimensions: usize) -> usize {
    (usize::BITS - (dimensions - 1).leading_zeros()) as usize
}

/// So many bytes more at the end.
fn appended(out: &mut Vec<u8>, bytes: usize) -> &mut [u8] {
    let start = out.len();
    out.resize(start + bytes, 0);
    &mut out[start..]
}
