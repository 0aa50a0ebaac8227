use std::hint::select_unpredictable;

use wide::bytemuck::cast;
use wide::{f32x4, i16x8, i32x4};

use super::{Scratch, dimension_bits};
use crate::rcf::bits;
use crate::rcf::bounds::{LANES, Lanes, mirror, negated, range_of_four};
use crate::rcf::sampler::Sampler;
use crate::rcf::shingle::LIMIT;
use crate::rcf::snapshot::{Reader, SnapshotError};
use crate::rcf::steps::Parts;
use crate::rcf::tree::{NONE, Tree};

const INCONSISTENT: SnapshotError = SnapshotError::Inconsistent;

impl Tree {
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
        self.read_sample(sampler, leaves, points, scratch, from)
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
        assert!(self.bounds.are_of::<WIDTH>());
        let mut separate = true;
        let fours = inner - inner % 4;
        // SAFETY: these are nodes of the tree, or its steps could not have been set.
        unsafe {
            for node in (fours..inner).rev() {
                separate &= self.draw_box::<WIDTH>(node, parts);
            }
            for node in (0..fours).rev().step_by(4) {
                separate &= self.draw_box::<WIDTH>(node, parts);
                separate &= self.draw_box::<WIDTH>(node - 1, parts);
                separate &= self.draw_box::<WIDTH>(node - 2, parts);
                separate &= self.draw_box::<WIDTH>(node - 3, parts);
            }
        }
        self.parents[usize::from(self.root)] = NONE;
        if separate { Ok(()) } else { Err(INCONSISTENT) }
    }

    /// Draws the box of an inner node. Tells whether its cut separates its children.
    ///
    /// # Safety
    ///
    /// It is one of the tree's nodes, as its children are, and `WIDTH` is 0 or that of rows.
    #[inline(always)]
    unsafe fn draw_box<const WIDTH: usize>(&mut self, node: usize, parts: &Parts) -> bool {
        let (value, children) = (parts.values[node], parts.children[node]);
        let dimension = usize::from(parts.dimensions[node]);
        let negated = negated(self.dimensions);
        let [left, right] = children;
        // SAFETY: the caller's. There is a parent for each node.
        unsafe {
            *self.parents.get_unchecked_mut(usize::from(left)) = node as u16;
            *self.parents.get_unchecked_mut(usize::from(right)) = node as u16;
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
        let count = several.iter().map(|byte| byte.count_ones() as usize).sum::<usize>();
        let masses: &[[u8; 2]] = from.take(2 * count)?.as_chunks().0;
        let mut is_whole = bits::are_filled_up(several, leaves);
        is_whole &= masses.iter().all(|&mass| u16::from_le_bytes(mass) > 1);
        let (mut next, mut sum) = (0, 0);
        for (at, to) in self.masses[..leaves].iter_mut().enumerate() {
            let is_several = several[at / 8] >> (at % 8) & 1 == 1;
            let mass = masses.get(next).map_or(1, |&mass| u16::from_le_bytes(mass));
            *to = select_unpredictable(is_several, mass, 1);
            next += usize::from(is_several);
            sum += usize::from(*to);
        }
        if is_whole && sum == points { Ok(()) } else { Err(INCONSISTENT) }
    }

    fn read_sample(
        &self,
        sampler: &mut Sampler,
        leaves: usize,
        points: usize,
        scratch: &mut Scratch,
        from: &mut Reader<'_>,
    ) -> Result<(), SnapshotError> {
        let keys = from.take(4 * points)?.as_chunks().0;
        let all = self.capacity..self.capacity + leaves as u16;
        let before = |a, b| self.compare(a, b).is_lt();
        let are_keys = if leaves == points {
            sampler.replace(keys, all, before)
        } else {
            // Each leaf where its first key is, and then where its others are.
            let held_by = &mut scratch.leaves[..points];
            held_by.fill(0);
            let mut start = 0;
            for leaf in all {
                held_by[start] = leaf;
                start += usize::from(self.mass(leaf));
            }
            let mut last = 0;
            for leaf in &mut *held_by {
                last = last.max(*leaf);
                *leaf = last;
            }
            sampler.replace(keys, held_by.iter().copied(), before)
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
