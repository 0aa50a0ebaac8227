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
        if leaves == sampler.points().0.len() {
            self.write_keys(sampler, leaves, scratch, out);
        } else {
            let several = self.write_masses(leaves, scratch, out);
            self.write_keys_of_several(sampler, leaves, several, scratch, out);
        }
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

    /// Appends the masses of leaves, one of which holds more than one point. Returns how many do; the
    /// scratch has which.
    #[inline(never)]
    fn write_masses(&self, leaves: usize, scratch: &mut Scratch, out: &mut Vec<u8>) -> usize {
        let Scratch { leaves: order, masses, several, .. } = scratch;
        let masses = &mut masses[..leaves];
        let mut count = 0;
        for (to, &leaf) in masses.iter_mut().zip(&*order) {
            *to = self.mass(leaf);
            several[count % MOST_CUTS] = leaf;
            count += usize::from(*to > 1);
        }
        let one = i16x8::splat(1);
        bits::write(masses, appended(out, bits::bytes(leaves)), |mass| mass.simd_gt(one));
        for (to, &leaf) in appended(out, 2 * count).as_chunks_mut().0.iter_mut().zip(&*several) {
            *to = self.mass(leaf).to_le_bytes();
        }
        count
    }

    /// Appends the keys of a sample that holds no point twice, in the order of leaves.
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
        // If it never did, it has them in the order of their numbers.
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
        let (fours, last) = appended(out, 4 * keys.len()).as_chunks_mut().0.as_chunks_mut::<4>();
        let (fours_order, last_order) = order.as_chunks();
        for (to, &[a, b, c, d]) in fours.iter_mut().zip(fours_order) {
            *to = [key(a), key(b), key(c), key(d)];
        }
        for (to, &leaf) in last.iter_mut().zip(last_order) {
            *to = key(leaf);
        }
    }

    /// Appends the keys of a sample, those of the first leaf first, and those of a leaf ascending: in
    /// which order a sample holds them depends on what it was before. So many leaves have several.
    #[inline(never)]
    fn write_keys_of_several(
        &self,
        sampler: &Sampler,
        leaves: usize,
        several: usize,
        scratch: &Scratch,
        out: &mut Vec<u8>,
    ) {
        let (keys, held_by) = sampler.points();
        let to = appended(out, 4 * keys.len()).as_chunks_mut::<4>().0;
        let mut ends = [0; MOST_CUTS];
        let mut end = 0;
        for (&leaf, &mass) in scratch.leaves[..leaves].iter().zip(&scratch.masses) {
            ends[self.place(leaf) % MOST_CUTS] = end;
            end += usize::from(mass);
        }
        for (&key, &leaf) in keys.iter().zip(held_by) {
            let end = &mut ends[self.place(leaf) % MOST_CUTS];
            to[*end] = key.to_le_bytes();
            *end += 1;
        }
        for &leaf in &scratch.several[..several] {
            let end = ends[self.place(leaf) % MOST_CUTS];
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
