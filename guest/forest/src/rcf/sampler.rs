//! Which points a tree holds: a sample of all that were seen, weighted by their age.
//!
//! The method is of P. Efraimidis and P. Spirakis, *Weighted random sampling with a reservoir*,
//! Information Processing Letters 97, 2006. A point draws a key from the exponential distribution,
//! divided by its weight; the sample is the points of the least keys. The weight of a point grows
//! by a factor of e over `time_decay` points, which is to say that the older ones lose theirs. With
//! the paper's exponential jumps it is not each point that draws: drawn is the number of the next
//! point that enters, which is seldom.

use std::iter;

use wide::f32x4;

use crate::rcf::bounds::LANES;
use crate::rcf::random::Random;

/// Keys are divided by the weight of their time, relative to a base that moves on, by whole
/// octaves, before they become too small for `f32`. Scaled by a power of two they lose nothing.
const REBASE_OCTAVES: f64 = 32.0;

/// The time that weighs points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Clock {
    /// Points seen.
    pub(crate) seen: u64,
    /// The weight of the one that was seen last.
    weight: f64,
    /// Octaves of weight that the base has moved on.
    base: f64,
    time_decay: f64,
    /// By how much of itself, and to what, the weight grows with a point.
    growth: [f64; 2],
}

impl Clock {
    pub(crate) fn new(time_decay: u32) -> Self {
        Self::at(time_decay, 0)
    }

    /// The clock after so many points.
    pub(crate) fn at(time_decay: u32, seen: u64) -> Self {
        let time_decay = f64::from(time_decay);
        let growth = [libm::expm1, libm::exp].map(|grown| grown(1.0 / time_decay));
        let mut clock = Self { seen, weight: 1.0, base: 0.0, time_decay, growth };
        clock.base = libm::floor(clock.octaves() / REBASE_OCTAVES) * REBASE_OCTAVES;
        clock.weight = libm::exp2(clock.octaves());
        clock
    }

    /// Counts a point, and returns the factor that the keys of all samples are then to be scaled
    /// by, if any.
    pub(crate) fn tick(&mut self) -> Option<f32> {
        self.seen += 1;
        let moves = self.octaves() >= REBASE_OCTAVES;
        if moves {
            self.base += REBASE_OCTAVES;
        }
        self.weight = libm::exp2(self.octaves());
        moves.then(|| libm::exp2(REBASE_OCTAVES) as f32)
    }

    /// How much the weight has grown since the base.
    fn octaves(&self) -> f64 {
        self.seen as f64 / self.time_decay * std::f64::consts::LOG2_E - self.base
    }

    /// When the weights of the points from now on add up to `sum`.
    fn when(&self, sum: f64) -> u64 {
        // The sum of a geometric series, solved for its length.
        let [more, times] = self.growth;
        let growth = sum * more / (self.weight * times);
        let points = libm::ceil(libm::log1p(growth) * self.time_decay).max(1.0);
        self.seen.saturating_add(points as u64)
    }
}

/// So many keys are searched for the greatest when one of them is another. There are no more blocks
/// than that in a sample, and a bit for each in 32.
const BLOCK: usize = 32;

/// The sample of one tree. When it is full, the point of the greatest key leaves next.
#[derive(Clone, Debug)]
pub(crate) struct Sampler {
    /// The key of each point.
    keys: Vec<f32>,
    /// The leaf that holds it.
    leaves: Vec<u16>,
    /// The greatest key of each [`BLOCK`], once the sample is full. Behind them are zeros.
    tops: [f32; BLOCK],
    /// The place of the point that leaves next, once the sample is full.
    first: usize,
    capacity: usize,
    /// The time of the point that enters next, once the sample is full.
    pub(crate) next: u64,
}

impl Sampler {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            keys: Vec::with_capacity(capacity),
            leaves: Vec::with_capacity(capacity),
            tops: [0.0; BLOCK],
            first: 0,
            capacity,
            next: 0,
        }
    }

    /// The key of each point, and the leaf that holds it.
    pub(crate) fn points(&self) -> (&[f32], &[u16]) {
        (&self.keys, &self.leaves)
    }

    /// Takes these points, whose keys are little endian, in place of all that it has. `before` is as
    /// in [`take`](Self::take). Tells whether all keys are ones that a point can have.
    pub(crate) fn replace(
        &mut self,
        keys: &[[u8; 4]],
        leaves: impl Iterator<Item = u16>,
        before: impl Fn(u16, u16) -> bool,
    ) -> bool {
        self.keys.clear();
        self.keys.extend(keys.iter().map(|&key| f32::from_le_bytes(key)));
        self.leaves.clear();
        self.leaves.extend(leaves);
        let keys = if self.is_full() {
            self.search_all(before);
            &self.tops[..]
        } else {
            &self.keys
        };
        top(keys) <= f32::MAX.to_bits()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.keys.len() == self.capacity
    }

    /// Whether the point seen just now enters.
    #[inline]
    pub(crate) fn takes(&self, clock: &Clock) -> bool {
        self.next <= clock.seen
    }

    /// The leaf of the point that leaves when another enters.
    pub(crate) fn leaving(&self) -> Option<u16> {
        self.is_full().then(|| self.leaves[self.first])
    }

    /// Takes the point seen just now, in place of the one that leaves. `before` orders leaves,
    /// whatever their numbers.
    pub(crate) fn take(
        &mut self,
        leaf: u16,
        clock: &Clock,
        random: &mut Random,
        before: impl Fn(u16, u16) -> bool,
    ) {
        if self.is_full() {
            // Below the greatest key, or the point had not entered: the distribution is cut off.
            let bound = f64::from(self.keys[self.first]) * clock.weight;
            let drawn = -libm::log1p(random.uniform() * libm::expm1(-bound));
            self.keys[self.first] = (drawn / clock.weight) as f32;
            self.leaves[self.first] = leaf;
            let block = self.first / BLOCK;
            self.tops[block] = f32::from_bits(top(self.block(block)));
            self.first = self.search(before);
        } else {
            self.keys.push((random.exponential() / clock.weight) as f32);
            self.leaves.push(leaf);
            if self.is_full() {
                self.search_all(before);
            }
        }
        if self.is_full() {
            self.next = clock.when(random.exponential() / f64::from(self.keys[self.first]));
        }
    }

    /// Searches all blocks of a full sample.
    fn search_all(&mut self, before: impl Fn(u16, u16) -> bool) {
        for (top_of_block, block) in self.tops.iter_mut().zip(self.keys.chunks(BLOCK)) {
            *top_of_block = f32::from_bits(top(block));
        }
        self.first = self.search(before);
    }

    /// The place of the greatest key. Among equal ones it is the leaf that decides, so that a sample
    /// that is restored in another order goes on alike.
    fn search(&self, before: impl Fn(u16, u16) -> bool) -> usize {
        let greatest = f32::from_bits(top(&self.tops));
        let places = places(&self.tops, greatest).flat_map(|block| {
            let start = block * BLOCK;
            places(self.block(block), greatest).map(move |place| start + place)
        });
        let last = |a, b| if before(self.leaves[a], self.leaves[b]) { b } else { a };
        places.reduce(last).unwrap_or(0)
    }

    /// The keys of a block. None if there is no such block.
    fn block(&self, block: usize) -> &[f32] {
        let keys = self.keys.get(block * BLOCK..).unwrap_or_default();
        &keys[..keys.len().min(BLOCK)]
    }

    /// Scales all keys. `before` is as in [`take`](Self::take).
    pub(crate) fn scale(&mut self, factor: f32, before: impl Fn(u16, u16) -> bool) {
        for key in &mut self.keys {
            *key = (*key * factor).min(f32::MAX);
        }
        if self.is_full() {
            self.search_all(before);
        }
    }

    /// The memory that a sampler of this capacity takes.
    pub(crate) fn memory_bytes(capacity: u64) -> u64 {
        let points = capacity * (size_of::<f32>() + size_of::<u16>()) as u64;
        size_of::<Self>() as u64 + points
    }
}

/// The greatest of keys, none of which is negative, as bits: these have the keys' order, and what
/// is no key is greater.
#[inline(always)]
fn top(keys: &[f32]) -> u32 {
    let greater = |top: u32, key: &f32| top.max(key.to_bits());
    let (blocks, rest) = keys.as_chunks::<BLOCK>();
    let top = rest.iter().fold(0, greater);
    blocks.iter().fold(top, |top, block| top.max(block.iter().fold(0, greater)))
}

/// The places of a key among so many as a block has at the most.
#[inline(always)]
fn places(keys: &[f32], key: f32) -> impl Iterator<Item = usize> {
    let mut places = 0;
    if let Some(block) = keys.as_array::<BLOCK>() {
        for (four, &keys) in block.as_chunks().0.iter().enumerate() {
            places |= f32x4::new(keys).simd_eq(f32x4::splat(key)).to_bitmask() << (LANES * four);
        }
    } else {
        for (place, &other) in keys.iter().enumerate() {
            places |= u32::from(other == key) << place;
        }
    }
    iter::from_fn(move || {
        let place = places.trailing_zeros();
        places &= places.wrapping_sub(1);
        (place < u32::BITS).then_some(place as usize)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rcf::chi_square::chi_square;

    /// Runs so many points through a sampler. The leaf of a point is its place in the stream.
    fn sample(capacity: usize, time_decay: u32, points: u16, random: &mut Random) -> Vec<u16> {
        let mut sampler = Sampler::new(capacity);
        let mut clock = Clock::new(time_decay);
        for point in 0..points {
            if let Some(factor) = clock.tick() {
                sampler.scale(factor, |a, b| a < b);
            }
            assert_eq!(clock, Clock::at(time_decay, clock.seen));
            if sampler.takes(&clock) {
                sampler.take(point, &clock, random, |a, b| a < b);
            }
        }
        sampler.leaves
    }

    /// Counts, over many samples of one, which point is held: each with the probability of its
    /// weight, by the sum of all weights.
    fn samples_are_weighted_by_age(time_decay: u32, points: u16, bins: u16) {
        let mut random = Random::new(11);
        let mut counts = vec![0; bins.into()];
        let mut probabilities = vec![0.0; bins.into()];
        let bin = |point: u16| usize::from((points - 1 - point).min(bins - 1));
        for point in 0..points {
            probabilities[bin(point)] += (f64::from(point) / f64::from(time_decay)).exp();
        }
        let sum: f64 = probabilities.iter().sum();
        probabilities.iter_mut().for_each(|probability| *probability /= sum);
        for _ in 0..10_000 {
            counts[bin(sample(1, time_decay, points, &mut random)[0])] += 1;
        }
        // Of 19 degrees of freedom, 99.9% lie below.
        assert_eq!(bins, 20);
        let statistic = chi_square(&counts, &probabilities);
        assert!(statistic < 43.8, "{statistic}: {counts:?}");
    }

    #[test]
    fn older_points_are_held_less_often() {
        samples_are_weighted_by_age(25, 60, 20);
    }

    #[test]
    fn points_are_held_alike_if_age_hardly_weighs() {
        samples_are_weighted_by_age(1_000_000, 20, 20);
    }

    #[test]
    fn weights_hold_when_their_base_moves_on() {
        // Over 300 points a weight grows by 72 octaves.
        samples_are_weighted_by_age(6, 300, 20);
    }

    #[test]
    fn a_sample_is_full_with_its_capacity_and_stays_so() {
        let mut random = Random::new(3);
        for points in [1, 9, 10, 11, 500] {
            let mut held = sample(10, 20, points, &mut random);
            held.sort_unstable();
            held.dedup();
            assert_eq!(held.len(), usize::from(points.min(10)));
        }
    }

    #[test]
    fn the_greatest_key_leaves() {
        let mut random = Random::new(5);
        for capacity in [10, 31, 32, 33, 100] {
            let mut sampler = Sampler::new(capacity);
            let mut clock = Clock::new(capacity as u32 + 1);
            for point in 0..1000 {
                clock.tick();
                if sampler.takes(&clock) {
                    sampler.take(point, &clock, &mut random, |a, b| a < b);
                }
                let Some(leaving) = sampler.leaving() else { continue };
                let (keys, leaves) = sampler.points();
                let greatest = keys.iter().zip(leaves).max_by(|a, b| a.0.total_cmp(b.0));
                assert_eq!(greatest.map(|(_, &leaf)| leaf), Some(leaving));
            }
        }
    }

    #[test]
    fn equal_keys_leave_in_the_order_of_their_leaves() {
        let order = |leaves: [u16; 70]| {
            let mut sampler = Sampler::new(leaves.len());
            assert!(sampler.replace(&[1_f32.to_le_bytes(); 70], leaves.into_iter(), |a, b| a < b));
            sampler.leaving()
        };
        let ascending = std::array::from_fn(|leaf| leaf as u16);
        let mut other = ascending;
        other.rotate_left(35);
        assert_eq!([ascending, other].map(order), [Some(69), Some(69)]);
    }

    #[test]
    fn what_no_point_can_have_is_no_key() {
        let takes = |key: f32| {
            let mut sampler = Sampler::new(10);
            sampler.replace(&[1.0, key].map(f32::to_le_bytes), 0..2, |a, b| a < b)
        };
        assert!(takes(0.0) && takes(f32::MAX));
        assert!(![-0.0, -1.0, f32::INFINITY, f32::NAN, -f32::NAN].into_iter().any(takes));
    }
}
