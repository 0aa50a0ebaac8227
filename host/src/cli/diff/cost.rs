use std::time::{Duration, Instant};

use serde::Serialize;

use crate::batch::Batch;
use crate::filter::Filter;

/// On how many batches is measured, and in how many rounds on each.
const BATCHES: usize = 5;
const ROUNDS: usize = 25;

/// How long all of it may take.
const TIME: Duration = Duration::from_secs(2);

/// Measures what two rules cost, side by side, on the first batches: in each round either classifies
/// the same batch, in turns. Of the rounds on a batch the fastest counts, as what else the machine
/// does can only add to it.
///
/// The rules are opened anew for it: what they learn here is not what they are compared by.
pub(super) struct Meter {
    old: Filter,
    new: Filter,
    /// What a record took of each batch, in nanoseconds.
    batches: Vec<(f64, f64)>,
    spent: Duration,
}

/// What a record costs, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Cost {
    pub(super) old: f64,
    pub(super) new: f64,
    /// New by old.
    pub(super) ratio: f64,
}

impl Meter {
    pub(super) fn new(old: Filter, new: Filter) -> Self {
        Self { old, new, batches: Vec::new(), spent: Duration::ZERO }
    }

    /// Measures on a batch, unless it has been measured enough.
    pub(super) fn measure(&mut self, batch: &Batch) {
        if batch.is_empty() || self.batches.len() == BATCHES || self.spent > TIME {
            return;
        }
        let started = Instant::now();
        let mut fastest = (f64::INFINITY, f64::INFINITY);
        for _ in 0..ROUNDS {
            fastest.0 = time(&self.old, batch).min(fastest.0);
            fastest.1 = time(&self.new, batch).min(fastest.1);
            if self.spent + started.elapsed() > TIME {
                break;
            }
        }
        self.batches.push(fastest);
        self.spent += started.elapsed();
    }

    /// The mean of the batches. None if nothing was measured.
    pub(super) fn cost(&self) -> Option<Cost> {
        let mean = |of: fn(&(f64, f64)) -> f64| {
            self.batches.iter().map(of).sum::<f64>() / self.batches.len() as f64
        };
        let (old, new) = (mean(|batch| batch.0), mean(|batch| batch.1));
        (!self.batches.is_empty()).then_some(Cost { old, new, ratio: new / old })
    }
}

/// What a record takes, in nanoseconds. That the rule may be at fault makes no difference here.
fn time(filter: &Filter, batch: &Batch) -> f64 {
    let started = Instant::now();
    let _ = filter.classify(batch);
    started.elapsed().as_nanos().max(1) as f64 / batch.len() as f64
}
