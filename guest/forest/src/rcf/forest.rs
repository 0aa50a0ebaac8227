use crate::rcf::attribution::{Attribution, attribute};
use crate::rcf::bounds::{Lanes, negated, width, with_width};
use crate::rcf::random::Random;
use crate::rcf::sampler::{Clock, Sampler};
use crate::rcf::score::Scale;
use crate::rcf::settings::{ForestSettings, SettingOutOfRange};
use crate::rcf::shingle::Shingle;
use crate::rcf::snapshot::{self, SnapshotError};
use crate::rcf::together::{self, Scratch};
use crate::rcf::tree::{Tree, encoding};

/// More records than any stream brings: a snapshot that tells of more is wrong.
const MAX_LEARNT: u64 = 1 << 60;

/// A Random Cut Forest.
///
/// ```
/// use weir_forest::rcf::{Forest, ForestSettings};
///
/// let mut forest = Forest::new(ForestSettings::new(2))?;
/// for n in 0..1000 {
///     forest.learn(&[f64::from(n % 7), f64::from(n % 11)]);
/// }
/// assert!(forest.score(&[3.0, 5.0]) < 1.0);
/// assert!(forest.score(&[3.0, 500.0]) > 3.0);
/// # Ok::<(), weir_forest::rcf::SettingOutOfRange>(())
/// ```
///
/// Coordinates are 32-bit floats, so numbers that differ from the eighth digit on are equal, and
/// those beyond ±10³⁵ are taken as ±10³⁵. What is not a number is taken as 0: a caller refuses it.
#[derive(Clone, Debug)]
pub struct Forest {
    settings: ForestSettings,
    learnt: u64,
    clock: Clock,
    random: Random,
    shingle: Shingle,
    trees: Vec<Tree>,
    samplers: Vec<Sampler>,
    /// No tree takes a point before the one of this number.
    due: u64,
    scale: Scale,
    scratch: Scratch,
}

impl Forest {
    /// A forest that knows nothing yet.
    ///
    /// # Errors
    ///
    /// If a setting is out of its range.
    pub fn new(settings: ForestSettings) -> Result<Self, SettingOutOfRange> {
        settings.check()?;
        let dimensions = settings.dimensions();
        let capacity = settings.sample_size as u16;
        let tree = Tree::new(capacity, dimensions, width(dimensions));
        let trees = settings.trees as usize;
        Ok(Self {
            settings,
            learnt: 0,
            clock: Clock::new(settings.time_decay),
            random: Random::new(settings.seed),
            shingle: Shingle::new(settings.columns as usize, settings.shingle as usize),
            trees: vec![tree; trees],
            samplers: (0..trees).map(|_| Sampler::new(capacity.into())).collect(),
            due: 0,
            scale: Scale::new(trees, capacity.into()),
            scratch: Scratch::new(capacity.into(), width(dimensions)),
        })
    }

    /// What the forest was made with.
    pub fn settings(&self) -> &ForestSettings {
        &self.settings
    }

    /// The records learnt.
    pub fn learnt(&self) -> u64 {
        self.learnt
    }

    /// The score of a record that follows on those learnt, and is not learnt (yet): 0 until
    /// `sample_size` records were learnt, and a whole shingle. Ordinary records have around 1, or less.
    ///
    /// # Panics
    ///
    /// If the record has not as many numbers as the forest has columns.
    pub fn score(&mut self, record: &[f64]) -> f64 {
        self.shingle.take(record);
        self.score_point()
    }

    /// The score of a record that follows on others than those learnt last: of a whole shingle, the
    /// numbers of the oldest record first.
    ///
    /// # Panics
    ///
    /// If there are not as many numbers as a shingle of records has.
    pub fn score_shingle(&mut self, records: &[f64]) -> f64 {
        self.shingle.take_whole(records);
        self.score_point()
    }

    /// Learns a record.
    ///
    /// # Panics
    ///
    /// If the record has not as many numbers as the forest has columns.
    pub fn learn(&mut self, record: &[f64]) {
        self.shingle.take(record);
        self.learn_point();
    }

    /// Scores a record, then learns it.
    ///
    /// # Panics
    ///
    /// If the record has not as many numbers as the forest has columns.
    pub fn score_and_learn(&mut self, record: &[f64]) -> f64 {
        self.shingle.take(record);
        let score = self.score_point();
        self.learn_point();
        score
    }

    /// What each column has to do with the score of a record. All 0 as long as the score is.
    ///
    /// # Panics
    ///
    /// If the record has not as many numbers as the forest has columns.
    pub fn attribution(&mut self, record: &[f64]) -> Vec<Attribution> {
        self.shingle.take(record);
        self.attribute_point()
    }

    /// What each column has to do with the score of a shingle of records, as
    /// [`score_shingle`](Self::score_shingle) takes it.
    ///
    /// # Panics
    ///
    /// If there are not as many numbers as a shingle of records has.
    pub fn attribution_of_shingle(&mut self, records: &[f64]) -> Vec<Attribution> {
        self.shingle.take_whole(records);
        self.attribute_point()
    }

    /// Appends the forest's state to `out`. It has no checksum: who keeps it where it may be damaged
    /// adds one.
    pub fn snapshot(&self, out: &mut Vec<u8>) {
        out.reserve(self.most_snapshot_bytes());
        snapshot::begin(&self.settings, out);
        out.extend(self.learnt.to_le_bytes());
        out.extend(self.random.state.to_le_bytes());
        out.extend(self.shingle.before.iter().flat_map(|number| number.to_le_bytes()));
        let mut scratch = encoding::Scratch::new();
        let width = width(self.settings.dimensions());
        for (tree, sampler) in self.trees.iter().zip(&self.samplers) {
            with_width!(width, WIDTH => tree.write::<WIDTH>(sampler, &mut scratch, out));
        }
    }

    /// How long a [`snapshot`](Self::snapshot) is at the most, in bytes.
    pub fn most_snapshot_bytes(&self) -> usize {
        let trees = self.trees.iter().zip(&self.samplers);
        let most = trees.map(|(tree, sampler)| tree.most_bytes(sampler)).sum::<usize>();
        snapshot::HEAD_BYTES + 4 * self.shingle.before.len() + most
    }

    /// The forest whose state a snapshot is. From here on it scores as the one that was not
    /// interrupted.
    ///
    /// # Errors
    ///
    /// If the bytes are not a whole snapshot of a forest of these settings. That some were altered is
    /// found only if no forest can have the state that they are then.
    pub fn restore(settings: ForestSettings, snapshot: &[u8]) -> Result<Self, SnapshotError> {
        let mut forest = Self::new(settings).map_err(SnapshotError::Settings)?;
        forest.take_over(snapshot)?;
        Ok(forest)
    }

    /// Takes over the state that a snapshot is, in place of what was learnt: as
    /// [`restore`](Self::restore), in the memory that the forest has.
    ///
    /// # Errors
    ///
    /// If the bytes are not a whole snapshot of a forest of these settings. What was learnt is lost
    /// then too.
    pub fn take_over(&mut self, snapshot: &[u8]) -> Result<(), SnapshotError> {
        let taken = self.read(snapshot);
        if taken.is_err() {
            *self = Self::new(self.settings).map_err(SnapshotError::Settings)?;
        }
        taken
    }

    fn read(&mut self, snapshot: &[u8]) -> Result<(), SnapshotError> {
        let mut reader = snapshot::open(&self.settings, snapshot)?;
        self.due = 0;
        self.learnt = u64::from_le_bytes(reader.array()?);
        self.random.state = u64::from_le_bytes(reader.array()?);
        self.shingle.read(&mut reader)?;
        if self.learnt > MAX_LEARNT {
            return Err(SnapshotError::Inconsistent);
        }
        let seen = (self.learnt + 1).saturating_sub(self.settings.shingle.into());
        self.clock = Clock::at(self.settings.time_decay, seen);
        let width = width(self.settings.dimensions());
        let mut scratch = encoding::Scratch::new();
        for (tree, sampler) in self.trees.iter_mut().zip(&mut self.samplers) {
            with_width!(width, WIDTH => {
                tree.read::<WIDTH>(sampler, seen, &mut scratch, &mut reader)?
            });
        }
        reader.finish()
    }

    /// The memory that the forest takes, in bytes: all that it will ever take.
    pub fn memory_bytes(&self) -> usize {
        self.settings.memory_bytes() as usize
    }

    /// Scores the point that was taken last.
    fn score_point(&mut self) -> f64 {
        if !self.is_warm() {
            return 0.0;
        }
        let point = self.shingle.point();
        together::sum(&self.trees, point, &self.scale, &mut self.scratch) * self.scale.factor
    }

    /// What each column has to do with the score of the point that was taken last.
    fn attribute_point(&mut self) -> Vec<Attribution> {
        let columns = self.settings.columns as usize;
        let mut attributions = vec![Attribution::default(); columns];
        if !self.is_warm() {
            return attributions;
        }
        let point = self.shingle.point();
        let dimensions = self.settings.dimensions();
        let mut sides = vec![0.0; point.as_flattened().len()];
        let factor = self.scale.factor;
        for tree in &self.trees {
            attribute(tree, point, &self.scale, &mut self.scratch.spare, &mut sides);
            let (low, high) = sides.split_at(negated(dimensions));
            for (dimension, (low, high)) in low.iter().zip(high).take(dimensions).enumerate() {
                let attribution = &mut attributions[dimension % columns];
                attribution.low += low * factor;
                attribution.high += high * factor;
            }
        }
        attributions
    }

    /// Learns the point of the record that was taken last.
    fn learn_point(&mut self) {
        self.learnt += 1;
        if self.learnt >= u64::from(self.settings.shingle) {
            if let Some(factor) = self.clock.tick() {
                for (tree, sampler) in self.trees.iter().zip(&mut self.samplers) {
                    sampler.scale(factor, |a, b| tree.compare(a, b).is_lt());
                }
            }
            if self.due <= self.clock.seen {
                self.learn_where_due();
            }
        }
        self.shingle.advance();
    }

    fn learn_where_due(&mut self) {
        let point = self.shingle.point();
        self.due = u64::MAX;
        for (tree, sampler) in self.trees.iter_mut().zip(&mut self.samplers) {
            if sampler.takes(&self.clock) {
                let leaf = with_width!(point.len(), WIDTH => {
                    replace::<WIDTH>(tree, sampler.leaving(), point, &mut self.random)
                });
                sampler
                    .take(leaf, &self.clock, &mut self.random, |a, b| tree.compare(a, b).is_lt());
            }
            self.due = self.due.min(sampler.next);
        }
    }

    fn is_warm(&self) -> bool {
        self.learnt >= u64::from(self.settings.sample_size.max(self.settings.shingle))
    }
}

/// Takes a point from a tree, if one leaves, and adds another, whose leaf is returned. With rows of
/// `WIDTH`; 0 stands for any.
fn replace<const WIDTH: usize>(
    tree: &mut Tree,
    leaving: Option<u16>,
    point: &[Lanes],
    random: &mut Random,
) -> u16 {
    if let Some(leaf) = leaving {
        tree.remove::<WIDTH>(leaf);
    }
    let point = if WIDTH == 0 { point } else { &point[..WIDTH] };
    tree.insert::<WIDTH>(point, random)
}
