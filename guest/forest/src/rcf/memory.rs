//! What a forest takes, told before there is one.

use crate::rcf::bounds::row_bytes;
use crate::rcf::forest::Forest;
use crate::rcf::sampler::Sampler;
use crate::rcf::score::Scale;
use crate::rcf::settings::ForestSettings;
use crate::rcf::together::Scratch;
use crate::rcf::tree::Tree;

impl ForestSettings {
    /// The memory that a forest of these takes, in bytes. With all settings at their most it is
    /// many gigabytes, so a caller with a limit asks before it makes one.
    pub fn memory_bytes(&self) -> u64 {
        let [trees, sample, columns] = [self.trees, self.sample_size, self.columns].map(u64::from);
        let dimensions = columns * u64::from(self.shingle);
        let row = row_bytes(dimensions as usize) as u64;
        let tree = Tree::memory_bytes(sample, row) + Sampler::memory_bytes(sample);
        let rows = row + (dimensions - columns) * size_of::<f32>() as u64;
        size_of::<Forest>() as u64
            + trees * tree
            + rows
            + Scale::memory_bytes(sample)
            + Scratch::memory_bytes(sample, row)
    }
}
