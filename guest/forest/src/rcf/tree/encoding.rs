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
use crate::rcf::steps::{NODE_BITS, Parts, Step};
use crate::rcf::tree::{NONE, Tree};

const INCONSISTENT: SnapshotError = SnapshotError::Inconsistent;

/// More inner nodes, or leaves, than any tree has, a power of two: an index that is cut off by it
/// needs no check.
const MOST: usize = 1 << (NODE_BITS - 1);

/// What is needed for the time of writing or reading trees, one after another.
///
/// In this order: where parts that are used together lie a multiple of 4096 bytes apart, a processor
/// takes what was written to the one for what is read from the other, and waits.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Scratch {
    /// The inner nodes and the leaves, level by level. When trees are read, inner nodes have the first
    /// numbers.
    cuts: [u16; MOST],
    leaves: [u16; MOST],
    /// The steps of inner nodes, by their numbers.
    copy: [Step; MOST],
    /// The key of each leaf, by its place among their numbers.
    keys: [f32; MOST],
    /// The steps of inner nodes, level by level.
    steps: [Step; MOST],
    /// These, taken apart.
    parts: Parts,
}

impl Scratch {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            cuts: [0; MOST],
            leaves: [0; MOST],
            copy: [Step::NONE; MOST],
            keys: [0.0; MOST],
            steps: [Step::NONE; MOST],
            parts: Parts::new(),
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
        self.order(leaves - 1, scratch);
        self.write_cuts(leaves - 1, &mut scratch.parts, &scratch.steps, out);
        self.write_points::<WIDTH>(&scratch.leaves[..leaves], out);
        if leaves < sampler.points().0.len() {
            self.write_masses(&scratch.leaves[..leaves], out);
        }
        self.write_keys(sampler, leaves, scratch, out);
    }

    fn leaves(&self) -> usize {
        self.masses.len() - self.free_leaves.len()
    }

    /// Finds the nodes level by level, of which so many are inner ones.
    #[inline(never)]
    fn order(&self, inner: usize, scratch: &mut Scratch) {
        let Scratch { copy, cuts, steps, leaves, .. } = scratch;
        // A level waits for the one above it: so what it waits for had better be near.
        self.steps.copy_first(copy);
        // Each is taken for an inner node and for a leaf, and overwritten as what it is not.
        (cuts[0], leaves[0]) = (self.root, self.root);
        let mut next = 1;
        // Four at once. What comes behind the last is not looked at.
        let fours = steps.as_chunks_mut::<4>().0.iter_mut().take(inner.div_ceil(4));
        for (four, steps) in fours.enumerate() {
            for (place, to) in steps.iter_mut().enumerate() {
                let cut = 4 * four + place;
                let step = copy[usize::from(cuts[cut % MOST]) % MOST];
                *to = step;
                let [left, right] = step.children();
                cuts[next % MOST] = left;
                leaves[(2 * cut + 1 - next) % MOST] = left;
                next += usize::from(!self.is_leaf(left));
                cuts[next % MOST] = right;
                leaves[(2 * cut + 2 - next) % MOST] = right;
                next += usize::from(!self.is_leaf(right));
            }
        }
    }

    /// Appends which nodes are inner ones, and their cuts.
    #[inline(never)]
    fn write_cuts(&self, inner: usize, parts: &mut Parts, steps: &[Step; MOST], out: &mut Vec<u8>) {
        parts.take(inner, steps);
        let (shape, plane) = (bits::bytes(2 * inner), bits::bytes(inner));
        let planes = dimension_bits(self.dimensions) * plane;
        let (shape, rest) = appended(out, shape + planes + 4 * inner).split_at_mut(shape);
        let (planes, values) = rest.split_at_mut(planes);
        let capacity = i16x8::splat(self.capacity as i16);
        let children = parts.children[..inner].as_flattened();
        bits::write(children, shape, |child| child.simd_lt(capacity));
        for (bit, plane) in planes.chunks_exact_mut(plane.max(1)).enumerate() {
            let sign = i16::BITS as i32 - 1 - bit as i32;
            bits::write(&parts.dimensions[..inner], plane, |dimension| dimension << sign);
        }
        for (to, value) in values.as_chunks_mut().0.iter_mut().zip(parts.values) {
            *to = value.to_le_bytes();
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
        let mut points = appended(out, bytes * leaves.len() + room);
        let whole = units * size_of::<Lanes>();
        let write = |leaf: u16, to: &mut [u8]| {
            let row = &self.bounds.get::<WIDTH>(leaf)[..units];
            for (to, unit) in to[..whole].as_chunks_mut().0.iter_mut().zip(row) {
                *to = cast::<[[u8; 4]; LANES], [u8; size_of::<Lanes>()]>(unit.map(f32::to_le_bytes));
            }
        };
        let (fours, rest) = leaves.as_chunks::<4>();
        for &[a, b, c, d] in fours {
            write(a, points);
            write(b, &mut points[bytes..]);
            write(c, &mut points[2 * bytes..]);
            write(d, &mut points[3 * bytes..]);
            points = &mut points[4 * bytes..];
        }
        for &leaf in rest {
            write(leaf, points);
            points = &mut points[bytes..];
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
                    scratch.keys[place(leaf) % MOST] = key;
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
            self.read_cuts(leaves - 1, &mut scratch.parts, from)?;
            self.steps.set_first(leaves - 1, &scratch.parts);
            self.read_points::<WIDTH>(leaves, from)?;
            self.draw_boxes::<WIDTH>(leaves - 1, &scratch.parts)?;
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

    /// Reads the children of so many inner nodes, and their cuts.
    #[inline(never)]
    fn read_cuts(
        &self,
        inner: usize,
        parts: &mut Parts,
        from: &mut Reader<'_>,
    ) -> Result<(), SnapshotError> {
        let shape = from.take(bits::bytes(2 * inner))?;
        let mut is_whole = bits::are_filled_up(shape, 2 * inner);
        let last = i16x8::splat(2 * inner as i16 - 1);
        let mut cuts = 1;
        let children = parts.children.as_flattened_mut().as_chunks_mut::<8>().0;
        for ((&byte, children), at) in shape.iter().zip(children).zip((0..).step_by(8)) {
            let at = i16x8::splat(at) + i16x8::new([0, 1, 2, 3, 4, 5, 6, 7]);
            // The next number of an inner node. There are two children to each before it.
            let cut = i16x8::splat(cuts) + bits::ones_before(byte);
            is_whole &= at.min(last).simd_lt(cut + cut).all();
            let leaf = at + i16x8::splat(self.capacity as i16 + 1) - cut;
            let number = bits::spread(byte).bitselect(cut, leaf);
            *children = number.to_array().map(|number| number as u16);
            cuts += byte.count_ones() as i16;
        }
        is_whole &= cuts as usize == inner.max(1);

        let planes = dimension_bits(self.dimensions);
        let bytes = bits::bytes(inner);
        let planes = from.take(planes * bytes)?.chunks_exact(bytes.max(1));
        is_whole &= planes.clone().all(|plane| bits::are_filled_up(plane, inner));
        for (byte, to) in (0..bytes).zip(parts.dimensions.as_chunks_mut::<8>().0) {
            let mut dimensions = i16x8::ZERO;
            for (bit, plane) in planes.clone().enumerate() {
                dimensions |= bits::spread(plane[byte]) & i16x8::splat(1 << bit);
            }
            is_whole &= dimensions.simd_lt(i16x8::splat(self.dimensions as i16)).all();
            *to = dimensions.to_array().map(|dimension| dimension as u16);
        }

        let values = from.take(4 * inner)?.as_chunks().0;
        for (to, &value) in parts.values.iter_mut().zip(values) {
            *to = f32::from_le_bytes(value);
        }
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
        let bytes = 4 * dimensions;
        let mut points = from.rest();
        from.take(bytes * leaves)?;
        let limit = f32x4::splat(LIMIT);
        let mut within = true;
        let mut read = |row: &mut [Lanes], from: &[u8]| {
            for (place, (to, unit)) in row.iter_mut().zip(from[..whole].as_chunks().0).enumerate() {
                let lanes = lanes(unit, dimensions - LANES * place);
                within &= lanes.abs().simd_le(limit).all();
                *to = lanes.to_array();
            }
            mirror(row);
        };
        let mut rows = self.bounds.rows_mut::<WIDTH>(self.capacity).take(leaves);
        while points.len() >= 3 * bytes + whole && rows.len() >= 4 {
            let [Some(a), Some(b), Some(c), Some(d)] = [(); 4].map(|()| rows.next()) else { break };
            read(a, points);
            read(b, &points[bytes..]);
            read(c, &points[2 * bytes..]);
            read(d, &points[3 * bytes..]);
            points = &points[4 * bytes..];
        }
        for row in rows {
            // A snapshot may end with fewer keys than that.
            match points.get(..whole) {
                Some(points) => read(row, points),
                None => read(row, &[points, &[0; size_of::<Lanes>()]].concat()),
            }
            points = &points[bytes..];
        }
        if within { Ok(()) } else { Err(INCONSISTENT) }
    }

    /// Ties nodes together and draws the boxes of inner ones, so many, the children's first. Checks
    /// that their cuts separate their children.
    #[inline(never)]
    fn draw_boxes<const WIDTH: usize>(
        &mut self,
        inner: usize,
        parts: &Parts,
    ) -> Result<(), SnapshotError> {
        let mut separate = true;
        let whole = inner - inner % 4;
        for node in (whole..inner).rev() {
            separate &= self.draw_box::<WIDTH>(node, parts);
        }
        for node in (0..whole).rev().step_by(4) {
            separate &= self.draw_box::<WIDTH>(node, parts);
            separate &= self.draw_box::<WIDTH>(node - 1, parts);
            separate &= self.draw_box::<WIDTH>(node - 2, parts);
            separate &= self.draw_box::<WIDTH>(node - 3, parts);
        }
        self.parents[usize::from(self.root)] = NONE;
        if separate { Ok(()) } else { Err(INCONSISTENT) }
    }

    /// Draws the box of an inner node. Tells whether its cut separates its children.
    #[inline(always)]
    fn draw_box<const WIDTH: usize>(&mut self, node: usize, parts: &Parts) -> bool {
        let (value, children) = (parts.values[node], parts.children[node]);
        let dimension = usize::from(parts.dimensions[node]);
        for child in children {
            self.parents[usize::from(child)] = node as u16;
        }
        let negated = negated(self.dimensions);
        let [left, right] = children;
        // SAFETY: these are nodes of the tree, or the steps had not been set, and `WIDTH` is its.
        unsafe {
            self.bounds.unite_unchecked::<WIDTH>(node as u16, children);
            let left = self.bounds.get_unchecked::<WIDTH>(left).as_flattened();
            let right = self.bounds.get_unchecked::<WIDTH>(right).as_flattened();
            (-left[negated + dimension] <= value) & (value < right[dimension])
        }
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
