//! How figures are taken: side by side, in turns.
//!
//! The speed of a machine drifts, by other load and by its clock. So contestants work in turns of a
//! few milliseconds, and what is told is the median over the turns; a ratio is the median of the
//! ratios of each turn, whose figures were taken within moments of each other.
//!
//! Where waiting is no part of the work, it is the processor's time that counts: a contestant is not
//! charged for another process that got its core.

use std::hint::black_box;
use std::time::Duration;

use cpu_time::ProcessTime;

/// How long a contestant works in a turn, at the least.
const TURN: Duration = Duration::from_millis(2);

/// Before any turn counts, one in so many does not.
const WARM_UP: usize = 10;

/// One that does a turn's work and tells its figure, such as nanoseconds a record.
pub(crate) type Contestant<'a> = Box<dyn FnMut() -> f64 + 'a>;

/// A contestant that works on so many records at a time. Its figure is nanoseconds a record, of the
/// processor's time in all threads of this process.
pub(crate) fn per_record<'a, T>(
    records: usize,
    mut work: impl FnMut() -> T + 'a,
) -> Contestant<'a> {
    let mut times = 1;
    Box::new(move || {
        loop {
            let started = ProcessTime::now();
            for _ in 0..times {
                black_box(work());
            }
            let elapsed = started.elapsed();
            // In its first turns it finds out how often it has to work. The clock is not looked at in
            // between: it costs as much as a small batch.
            if elapsed < TURN {
                times *= 2;
                continue;
            }
            return elapsed.as_nanos() as f64 / times as f64 / records as f64;
        }
    })
}

/// The figures of contestants, turn by turn.
#[derive(Clone, Debug)]
pub(crate) struct Figures(Vec<Vec<f64>>);

/// Has contestants take so many turns.
pub(crate) fn take(turns: usize, contestants: &mut [Contestant<'_>]) -> Figures {
    let warm_up = turns.div_ceil(WARM_UP);
    let turns = (0..warm_up + turns).map(|turn| {
        let mut figures = vec![0.0; contestants.len()];
        for place in 0..contestants.len() {
            // Nobody is always the first.
            let index = (turn + place) % contestants.len();
            figures[index] = contestants[index]();
        }
        figures
    });
    Figures(turns.skip(warm_up).collect())
}

impl Figures {
    /// The median figure of a contestant.
    pub(crate) fn of(&self, index: usize) -> f64 {
        self.median(|turn| turn[index])
    }

    /// The median ratio of a contestant's figure to another's.
    pub(crate) fn ratio(&self, index: usize, to: usize) -> f64 {
        self.median(|turn| turn[index] / turn[to])
    }

    /// The median of what `figure` makes of each turn.
    pub(crate) fn median(&self, figure: impl Fn(&[f64]) -> f64) -> f64 {
        let mut values: Vec<_> = self.0.iter().map(|turn| figure(turn)).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }
}
