/// SplitMix64: G. Steele, D. Lea and C. Flood, *Fast Splittable Pseudorandom Number Generators*,
/// OOPSLA 2014. Its state is one number, which a snapshot keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Random {
    pub(crate) state: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = self.state;
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform between 0 and 1, neither of which it reaches: 2⁵² values, each in the middle of its
    /// interval.
    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.next() >> 12) as f64 + 0.5) * (1.0 / (1_u64 << 52) as f64)
    }

    /// Exponentially distributed, with mean 1.
    pub(crate) fn exponential(&mut self) -> f64 {
        -libm::log(self.uniform())
    }
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::SplitMix64;
    use rand_xoshiro::rand_core::{Rng, SeedableRng};

    use super::*;

    #[test]
    fn numbers_are_those_of_another_implementation() {
        for seed in [0, 1, 42, u64::MAX] {
            let mut ours = Random::new(seed);
            let mut theirs = SplitMix64::from_seed(seed.to_le_bytes());
            for _ in 0..1000 {
                assert_eq!(ours.next(), theirs.next_u64());
            }
        }
    }

    #[test]
    fn uniform_numbers_have_the_moments_of_the_distribution() {
        let mut random = Random::new(7);
        let numbers: Vec<_> = (0..100_000).map(|_| random.uniform()).collect();
        let mean = numbers.iter().sum::<f64>() / 1e5;
        let variance = numbers.iter().map(|u| (u - mean).powi(2)).sum::<f64>() / 1e5;
        assert!((mean - 0.5).abs() < 0.004, "{mean}");
        assert!((variance - 1.0 / 12.0).abs() < 0.001, "{variance}");
        assert!(numbers.iter().all(|&u| 0.0 < u && u < 1.0));
    }

    #[test]
    fn exponential_numbers_have_the_moments_of_the_distribution() {
        let mut random = Random::new(8);
        let numbers: Vec<_> = (0..100_000).map(|_| random.exponential()).collect();
        let mean = numbers.iter().sum::<f64>() / 1e5;
        let square = numbers.iter().map(|e| e * e).sum::<f64>() / 1e5;
        assert!((mean - 1.0).abs() < 0.015, "{mean}");
        assert!((square - 2.0).abs() < 0.08, "{square}");
    }
}
