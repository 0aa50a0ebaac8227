use wide::bytemuck::cast;
use wide::i16x8;

use super::{Scratch, dimension_bits};
use crate::rcf::bits;
use crate::rcf::bounds::Lanes;
use crate::rcf::sampler::Sampler;
use crate::rcf::steps::{MOST_CUTS, Parts, Step};
use crate::rcf::tree::Tree;

impl Tree {
    /// At most so many bytes are written of a tree that holds a sample.
    pub(crate) fn most_bytes(&self, sampler: &Sampler) -> usize {
        let [leaves, points] = [self.leaves(), sampler.points().0.len()];
        let shape = bits::bytes(2 * leaves) + dimension_bits(self.dimensions) * bits::bytes(leaves);
        let masses = if leaves < points { bits::bytes(leaves) + 2 * leaves } else { 0 };
        let numbers = leaves * (1 + self.dimensions) + points;
        10 + shape + masses + 4 * numbers + size_of::<Lanes>()
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
        let Scratch { cuts, steps, leaves, .. } = scratch;
        // Each is taken for an inner node and for a leaf, and overwritten as what it is not.
        (cuts[0], leaves[0]) = (self.root, self.root);
        let mut next = 1;
        // Four at once. What comes behind the last is not looked at.
        let fours = steps.as_chunks_mut::<4>().0.iter_mut().take(inner.div_ceil(4));
        for (four, steps) in fours.enumerate() {
            for (place, to) in steps.iter_mut().enumerate() {
                let cut = 4 * four + place;
                let step = self.steps.step(cuts[cut % MOST_CUTS]);
                *to = step;
                let [left, right] = step.children();
                cuts[next % MOST_CUTS] = left;
                leaves[(2 * cut + 1 - next) % MOST_CUTS] = left;
                next += usize::from(!self.is_leaf(left));
                cuts[next % MOST_CUTS] = right;
                leaves[(2 * cut + 2 - next) % MOST_CUTS] = right;
                next += usize::from(!self.is_leaf(right));
            }
        }
    }

    /// Appends which nodes are inner ones, and their cuts.
    #[inline(never)]
    fn write_cuts(
        &self,
        inner: usize,
        parts: &mut Parts,
        steps: &[Step; MOST_CUTS],
        out: &mut Vec<u8>,
    ) {
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
        let whole = units * size_of::<Lanes>();
        // Whole units of a row are written. What is too much is overwritten by the next point, and
        // there is room for that of the last one.
        let mut points = appended(out, bytes * leaves.len() + (whole - bytes));
        let write = |leaf: u16, to: &mut [u8]| {
            let row = &self.bounds.get::<WIDTH>(leaf)[..units];
            for (to, unit) in
                to[..whole].as_chunks_mut::<{ size_of::<Lanes>() }>().0.iter_mut().zip(row)
            {
                *to = cast(unit.map(f32::to_le_bytes));
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
        out.truncate(out.len() - (whole - bytes));
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
        let (keys, held_by) = sampler.points();
        let order = &scratch.leaves[..leaves];
        let to = appended(out, 4 * keys.len()).as_chunks_mut::<4>().0;
        if leaves < keys.len() {
            self.write_keys_of_several(keys, held_by, order, to);
            return;
        }
        // A sample that never held a point twice has the leaves in order.
        let differ = held_by.iter().zip(self.capacity..).fold(0, |all, (a, b)| all | (a ^ b));
        let by_leaf = if differ == 0 {
            keys
        } else {
            for (&key, &leaf) in keys.iter().zip(held_by) {
                scratch.keys[self.place(leaf) % MOST_CUTS] = key;
            }
            &scratch.keys
        };
        let key = |leaf| by_leaf[self.place(leaf)].to_le_bytes();
        let (fours, last) = to.as_chunks_mut::<4>();
        let (fours_order, last_order) = order.as_chunks();
        for (to, &[a, b, c, d]) in fours.iter_mut().zip(fours_order) {
            *to = [key(a), key(b), key(c), key(d)];
        }
        for (to, &leaf) in last.iter_mut().zip(last_order) {
            *to = key(leaf);
        }
    }

    /// Writes the keys of a sample where some leaf has more than one.
    fn write_keys_of_several(
        &self,
        keys: &[f32],
        held_by: &[u16],
        order: &[u16],
        to: &mut [[u8; 4]],
    ) {
        let mut ends = vec![0; self.masses.len()];
        let mut end = 0;
        for &leaf in order {
            ends[self.place(leaf)] = end;
            end += usize::from(self.mass(leaf));
        }
        for (&key, &leaf) in keys.iter().zip(held_by) {
            let end = &mut ends[self.place(leaf)];
            to[*end] = key.to_le_bytes();
            *end += 1;
        }
        for &leaf in order.iter().filter(|&&leaf| self.mass(leaf) > 1) {
            let end = ends[self.place(leaf)];
            to[end - usize::from(self.mass(leaf))..end]
                .sort_unstable_by(|&a, &b| f32::from_le_bytes(a).total_cmp(&f32::from_le_bytes(b)));
        }
    }

    /// The place of a leaf among their numbers.
    fn place(&self, leaf: u16) -> usize {
        usize::from(leaf - self.capacity)
    }
}

/// So many bytes more at the end.
fn appended(out: &mut Vec<u8>, bytes: usize) -> &mut [u8] {
    let start = out.len();
    out.resize(start + bytes, 0);
    &mut out[start..]
}
