use crate::rcf::{Attribution, Forest, ForestSettings, row_bytes};
use crate::zscore::{ZScore, ZScoreSettings};

/// What a scorer is made with. Within their ranges, as the rule's settings are when they were read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ScorerSettings {
    Forest(ForestSettings),
    ZScore(ZScoreSettings),
}

impl ScorerSettings {
    /// About how much memory a scorer takes, in bytes. It is the same wherever it is computed, while
    /// what pointers take is not: how many scorers fit a budget must not depend on the host.
    pub(crate) fn memory_bytes(self) -> usize {
        match self {
            Self::Forest(ForestSettings { trees, sample_size, shingle, columns, .. }) => {
                // Leaves, and as many inner nodes: a box each, and 20 bytes to tie them together.
                let node = row_bytes(columns as usize * shingle as usize) + 20;
                let sample = sample_size as usize;
                trees as usize * (2 * sample * node + 256) + 64 * sample
            }
            Self::ZScore(ZScoreSettings { columns, .. }) => 64 + 32 * columns as usize,
        }
    }

    /// How many numbers are scored together: those of a record, or of a shingle of them.
    pub(crate) fn dimensions(self) -> usize {
        match self {
            Self::Forest(settings) => settings.dimensions(),
            Self::ZScore(ZScoreSettings { columns, .. }) => columns as usize,
        }
    }
}

/// What scores the records of a stream, or of one key.
#[derive(Clone, Debug)]
pub(crate) enum Scorer {
    Forest(Box<Forest>),
    ZScore(ZScore),
}

/// A score, and what each column has to do with it where that was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Scored {
    pub(crate) score: f64,
    pub(crate) parts: Vec<Part>,
}

/// What a column has to do with a score.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Part {
    pub(crate) score: f64,
    /// How clearly the value is high or low.
    pub(crate) strength: f64,
    pub(crate) is_high: bool,
}

/// What is to be done with a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// Say what each column has to do with the score.
    pub(crate) explain: bool,
    /// Learn the record, after it was scored.
    pub(crate) learn: bool,
}

impl Scored {
    /// What a record has that cannot be scored: 0, and 0 for each of so many columns.
    pub(crate) fn zero(columns: usize, work: Work) -> Self {
        let columns = if work.explain { columns } else { 0 };
        Self { score: 0.0, parts: vec![Part::default(); columns] }
    }
}

impl Scorer {
    pub(crate) fn new(settings: ScorerSettings) -> Self {
        match settings {
            ScorerSettings::Forest(settings) => {
                let forest = Forest::new(settings).expect("settings that were checked");
                Self::Forest(Box::new(forest))
            }
            ScorerSettings::ZScore(settings) => Self::ZScore(ZScore::new(settings)),
        }
    }

    /// Scores a record. Where nothing is learnt it may follow on any other records: then `point` is
    /// the whole of what is scored together, as [`Replay::point`](crate::replay::Replay::point)
    /// makes it.
    pub(crate) fn score(&mut self, point: &[f64], work: Work) -> Scored {
        match self {
            Self::Forest(forest) if work.learn && !work.explain => {
                Scored { score: forest.score_and_learn(point), parts: Vec::new() }
            }
            Self::Forest(forest) if work.learn => {
                let parts = forest.attribution(point).iter().map(Part::from).collect();
                Scored { score: forest.score_and_learn(point), parts }
            }
            Self::Forest(forest) => {
                let score = forest.score_shingle(point);
                let parts = match work.explain {
                    true => forest.attribution_of_shingle(point).iter().map(Part::from).collect(),
                    false => Vec::new(),
                };
                Scored { score, parts }
            }
            Self::ZScore(columns) => {
                let score = columns.score(point);
                let parts = match work.explain {
                    true => {
                        columns.attribution(point).into_iter().map(Part::of_deviation).collect()
                    }
                    false => Vec::new(),
                };
                if work.learn {
                    columns.learn(point);
                }
                Scored { score, parts }
            }
        }
    }

    /// Appends the state to `out`.
    pub(crate) fn snapshot(&self, out: &mut Vec<u8>) {
        match self {
            Self::Forest(forest) => forest.snapshot(out),
            Self::ZScore(columns) => columns.snapshot(out),
        }
    }

    /// How long a [`snapshot`](Self::snapshot) is at the most, in bytes.
    pub(crate) fn most_snapshot_bytes(&self) -> usize {
        match self {
            Self::Forest(forest) => forest.most_snapshot_bytes(),
            Self::ZScore(columns) => columns.snapshot_bytes(),
        }
    }

    /// The scorer whose state a snapshot is, or why it is none.
    pub(crate) fn restore(settings: ScorerSettings, snapshot: &[u8]) -> Result<Self, String> {
        let mut scorer = Self::new(settings);
        scorer.take_over(snapshot)?;
        Ok(scorer)
    }

    /// Takes over the state that a snapshot is, or says why it is none of this scorer, which is then
    /// not to be used on.
    pub(crate) fn take_over(&mut self, snapshot: &[u8]) -> Result<(), String> {
        match self {
            Self::Forest(forest) => forest.take_over(snapshot).map_err(|error| error.to_string()),
            Self::ZScore(columns) => {
                let restored = ZScore::restore(columns.settings(), snapshot);
                *columns = restored.map_err(|error| error.to_string())?;
                Ok(())
            }
        }
    }
}

impl From<&Attribution> for Part {
    fn from(attribution: &Attribution) -> Self {
        Self {
            score: attribution.score(),
            strength: attribution.strength(),
            is_high: attribution.is_high(),
        }
    }
}

impl Part {
    /// How many standard deviations a column is above its mean; below, if negative.
    fn of_deviation(deviation: f64) -> Self {
        Self { score: deviation.abs(), strength: deviation.abs(), is_high: deviation > 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forest_takes_about_what_is_said() {
        let settings = ForestSettings::new(3);
        for settings in [
            settings,
            ForestSettings { columns: 1, trees: 30, sample_size: 64, ..settings },
            ForestSettings { columns: 5, trees: 30, sample_size: 64, ..settings },
            ForestSettings { columns: 30, shingle: 8, ..settings },
            ForestSettings { columns: 2, sample_size: 1000, trees: 7, ..settings },
        ] {
            let said = ScorerSettings::Forest(settings).memory_bytes();
            let taken = Forest::new(settings).expect("settings in range").memory_bytes();
            assert!(taken <= said && said < taken * 4 / 3, "{said} for {taken}: {settings:?}");
        }
    }
}
