//! Which points a tree holds: a sample of all that were seen, weighted by their age.
//!
//! The method is of P. Efraimidis and P. Spirakis, *Weighted random sampling with a reservoir*,
//! Information Processing Letters 97, 2006. A point draws a key from the exponential distribution,
//! divided by its weight; the sample is the points of the least keys. The weight of a point grows
//! by a factor of e over `time_decay` points, which is to say that the older ones lose theirs. With
//! the paper's exponential jumps it is not each point that draws: drawn is the number of the next
//! point that enters, which is seldom.

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

/// The sample of one tree. When it is full it is a heap: the greatest key is the first, and its point
/// leaves next.
#[derive(Clone, Debug)]
pub(crate) struct Sampler {
    /// The key of each point.
    pub(crate) keys: Vec<f32>,
    /// The leaf that holds it.
    pub(crate) leaves: Vec<u16>,
    capacity: usize,
    /// The time of the point that enters next, once the sample is full.
    pub(crate) next: u64,
}

impl Sampler {
    pub(crate) fn new(capacity: usize) -> Self {
        let (keys, leaves) = (Vec::with_capacity(capacity), Vec::with_capacity(capacity));
        Self { keys, leaves, capacity, next: 0 }
    }

    /// Lets all points go.
    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.leaves.clear();
        self.next = 0;
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
        self.is_full().then(|| self.leaves[0])
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
            let bound = f64::from(self.keys[0]) * clock.weight;
            let drawn = -libm::log1p(random.uniform() * libm::expm1(-bound));
            (self.keys[0], self.leaves[0]) = ((drawn / clock.weight) as f32, leaf);
            self.sift_down(0, before);
        } else {
            self.keys.push((random.exponential() / clock.weight) as f32);
            self.leaves.push(leaf);
            if self.is_full() {
                self.heapify(before);
            }
        }
        if self.is_full() {
            self.next = clock.when(random.exponential() / f64::from(self.keys[0]));
        }
    }

    /// Makes a heap of what is in no order.
    pub(crate) fn heapify(&mut self, before: impl Fn(u16, u16) -> bool) {
        for place in (0..self.keys.len() / 2).rev() {
            self.sift_down(place, &before);
        }
    }

    /// Puts a point below those of greater keys. Among equal ones it is the leaf that decides, so
    /// that a sample that is restored in another order goes on alike.
    fn sift_down(&mut self, mut place: usize, before: impl Fn(u16, u16) -> bool) {
        let (keys, leaves) = (&mut *self.keys, &mut *self.leaves);
        let less = |(key_a, leaf_a): (f32, u16), (key_b, leaf_b): (f32, u16)| {
            key_a < key_b || (key_a == key_b && before(leaf_a, leaf_b))
        };
        let sifted = (keys[place], leaves[place]);
        while let Some(&key) = keys.get(2 * place + 1) {
            let mut below = 2 * place + 1;
            if let Some(&right) = keys.get(below + 1) {
                // Which is the greater is anyone's guess, so nothing is decided by it.
                below += usize::from(key < right);
                if key == right {
                    below += usize::from(before(leaves[below], leaves[below + 1]));
                }
            }
            let greatest = (keys[below], leaves[below]);
            if !less(sifted, greatest) {
                break;
            }
            (keys[place], leaves[place]) = greatest;
            place = below;
        }
        (keys[place], leaves[place]) = sifted;
    }

    pub(crate) fn scale(&mut self, factor: f32) {
        for key in &mut self.keys {
            *key = (*key * factor).min(f32::MAX);
        }
    }

    /// The memory that a sampler of this capacity takes.
    pub(crate) fn memory_bytes(capacity: u64) -> u64 {
        size_of::<Self>() as u64 + capacity * (size_of::<f32>() + size_of::<u16>()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rcf::tree::properties::chi_square;

    /// Runs so many points through a sampler. The leaf of a point is its place in the stream.
    fn sample(capacity: usize, time_decay: u32, points: u16, random: &mut Random) -> Vec<u16> {
        let mut sampler = Sampler::new(capacity);
        let mut clock = Clock::new(time_decay);
        for point in 0..points {
            if let Some(factor) = clock.tick() {
                sampler.scale(factor);
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
    fn equal_keys_leave_in_the_order_of_their_leaves() {
        let order = |leaves: [u16; 3]| {
            let mut sampler = Sampler::new(3);
            sampler.keys = vec![1.0; 3];
            sampler.leaves = leaves.to_vec();
            sampler.heapify(|a, b| a < b);
            sampler.leaving()
        };
        assert_eq!(order([0, 1, 2]), Some(2));
        assert_eq!(order([2, 0, 1]), Some(2));
    }
}
