//! The forest by its public interface: scores, attributions, and state as a value.

use proptest::prelude::*;
use weir_forest::rcf::{Forest, ForestSettings, SnapshotError};

/// Small enough to be quick, with more records than it holds.
fn settings() -> ForestSettings {
    ForestSettings {
        trees: 10,
        sample_size: 16,
        time_decay: 40,
        seed: 42,
        ..ForestSettings::new(2)
    }
}

fn forest(settings: ForestSettings) -> Forest {
    Forest::new(settings).expect("settings within their ranges")
}

/// Records that are much alike, with equal ones among them, and a stray now and then.
fn records(columns: u32) -> impl Iterator<Item = Vec<f64>> {
    (0_u32..).map(move |n| {
        let number = |column: u32| {
            let noise = n.wrapping_mul(2_654_435_761).wrapping_add(column * 40_503) >> 24;
            let stray = if n % 41 == 17 { 1000.0 } else { 0.0 };
            f64::from(noise % 37) * 0.5 + f64::from(column) * 100.0 + stray
        };
        (0..columns).map(number).collect()
    })
}

fn learnt(settings: ForestSettings, count: usize) -> Forest {
    let mut forest = forest(settings);
    records(settings.columns).take(count).for_each(|record| forest.learn(&record));
    forest
}

fn snapshot(forest: &Forest) -> Vec<u8> {
    let mut bytes = Vec::new();
    forest.snapshot(&mut bytes);
    bytes
}

#[test]
fn scores_are_zero_until_a_sample_is_learnt() {
    for shingle in [1, 4, 30] {
        let settings = ForestSettings { shingle, ..settings() };
        let mut forest = forest(settings);
        let first = records(2).position(|record| forest.score_and_learn(&record) != 0.0);
        assert_eq!(first, Some(settings.sample_size.max(shingle) as usize));
        assert_eq!(forest.learnt(), u64::from(settings.sample_size.max(shingle)) + 1);
    }
}

#[test]
fn the_highest_score_is_the_logarithm_of_the_sample_size() {
    let mut forest = forest(ForestSettings::new(1));
    (0..256).for_each(|_| forest.learn(&[20.0]));
    assert_eq!(forest.score(&[20.5]), 8.0);
    assert!((forest.score(&[20.0]) - 8.0 / 257.0).abs() < 1e-9);
}

#[test]
fn a_stray_has_a_higher_score_than_the_usual() {
    let mut forest = learnt(ForestSettings::new(3), 2000);
    let usual = forest.score(&[5.0, 105.0, 205.0]);
    let stray = forest.score(&[5.0, 105.0, -900.0]);
    assert!(usual < 1.5 && stray > 3.0, "{usual}, {stray}");
}

#[test]
fn scoring_leaves_no_trace() {
    let (mut scored, mut silent) = (learnt(settings(), 100), learnt(settings(), 100));
    for record in records(2).skip(100).take(100) {
        let before = snapshot(&scored);
        let score = scored.score(&record);
        scored.attribution(&record);
        assert!(snapshot(&scored) == before, "the state is another");
        assert_eq!(scored.score_and_learn(&record), score);
        silent.learn(&record);
        assert!(snapshot(&silent) == snapshot(&scored), "the state is another");
    }
}

#[test]
fn a_shingle_is_scored_whatever_was_learnt_last() {
    for shingle in [1, 3] {
        let settings = ForestSettings { shingle, ..settings() };
        let length = shingle as usize;
        let (mut forest, mut other) = (learnt(settings, 100), learnt(settings, 100));
        let all: Vec<_> = records(2).take(200).collect();
        for n in 100..200 {
            let records = all[n + 1 - length..=n].concat();
            assert_eq!(forest.score_shingle(&records), forest.score(&all[n]));
            assert_eq!(forest.attribution_of_shingle(&records), forest.attribution(&all[n]));
            // Another one, which leaves no trace.
            forest.score_shingle(&all[..length].concat());
            assert_eq!(forest.score_and_learn(&all[n]), other.score_and_learn(&all[n]));
        }
        assert!(snapshot(&forest) == snapshot(&other), "the state is another");
    }
}

#[test]
fn the_seed_decides_the_scores() {
    let scores = |seed| {
        let mut forest = forest(ForestSettings { seed, ..settings() });
        records(2).take(200).map(|record| forest.score_and_learn(&record)).collect::<Vec<_>>()
    };
    assert_eq!(scores(1), scores(1));
    assert_ne!(scores(1), scores(2));
}

#[test]
fn attributions_sum_to_the_score() {
    for shingle in [1, 3] {
        let mut forest = forest(ForestSettings { shingle, ..settings() });
        for record in records(2).take(300) {
            let sum: f64 = forest.attribution(&record).iter().map(|part| part.score()).sum();
            let score = forest.score_and_learn(&record);
            assert!((sum - score).abs() < 1e-5, "{sum}, {score}");
        }
    }
}

#[test]
fn attributions_name_the_column_and_the_direction() {
    let mut forest = learnt(ForestSettings::new(3), 1000);
    let [_, high, other] = forest.attribution(&[5.0, 900.0, 205.0])[..] else {
        panic!("three columns");
    };
    assert!(high.is_high() && high.strength() > 2.0, "{high:?}");
    assert!(high.score() > 5.0 * other.score(), "{high:?}, {other:?}");
    let low = forest.attribution(&[5.0, -900.0, 205.0])[1];
    assert!(!low.is_high() && low.strength() > 2.0, "{low:?}");
}

#[test]
fn attributions_of_a_shingle_are_its_records_columns() {
    let mut forest = learnt(ForestSettings { shingle: 4, ..ForestSettings::new(2) }, 1000);
    forest.learn(&[5.0, 7000.0]);
    // It stands in the shingles of the next three records too.
    let [still, high] = forest.attribution(&[5.0, 105.0])[..] else { panic!("two columns") };
    assert!(high.is_high() && high.score() > 3.0 * still.score(), "{high:?}, {still:?}");
}

#[test]
fn a_column_that_never_changes_has_no_part() {
    let mut forest = forest(settings());
    records(1).take(200).for_each(|record| forest.learn(&[record[0], 7.0]));
    let parts = forest.attribution(&[500.0, 7.0]);
    assert!(parts[0].score() > 2.0);
    assert_eq!(parts[1].score(), 0.0);
}

#[test]
fn settings_out_of_their_ranges_are_refused() {
    type Change = fn(&mut ForestSettings);
    let cases: [(Change, &str); 12] = [
        (|s| s.trees = 0, "trees is 0, not within 1 to 1000"),
        (|s| s.trees = 1001, "trees is 1001, not within 1 to 1000"),
        (|s| s.sample_size = 9, "sample_size is 9, not within 10 to 1000"),
        (|s| s.sample_size = 1001, "sample_size is 1001, not within 10 to 1000"),
        (|s| s.sample_size = 40, "sample_size is 40, not within 10 to 39"),
        (|s| s.time_decay = 0, "time_decay is 0, not within 1 to 2147483647"),
        (|s| s.time_decay = 1 << 31, "time_decay is 2147483648, not within 1 to 2147483647"),
        (|s| s.time_decay = 1, "sample_size is 16, not within 10 to 0"),
        (|s| s.shingle = 0, "shingle is 0, not within 1 to 30"),
        (|s| s.shingle = 31, "shingle is 31, not within 1 to 30"),
        (|s| s.columns = 0, "columns is 0, not within 1 to 30"),
        (|s| s.columns = 31, "columns is 31, not within 1 to 30"),
    ];
    for (change, message) in cases {
        let mut settings = settings();
        change(&mut settings);
        assert_eq!(Forest::new(settings).expect_err(message).to_string(), message);
        assert!(matches!(Forest::restore(settings, &[]), Err(SnapshotError::Settings(_))));
    }
}

#[test]
fn a_restored_forest_goes_on_as_if_nothing_had_happened() {
    let cases = [
        settings(),
        ForestSettings { columns: 1, ..settings() },
        ForestSettings { shingle: 5, columns: 3, ..settings() },
        ForestSettings { trees: 3, sample_size: 256, ..ForestSettings::new(3) },
    ];
    for settings in cases {
        // From none to so many that the base of the weights has moved on.
        for count in [0, 1, 4, 15, 16, 17, 100, 2000] {
            let mut one = learnt(settings, count);
            let bytes = snapshot(&one);
            let mut other = Forest::restore(settings, &bytes).expect("a snapshot");
            assert!(snapshot(&other) == bytes, "restored after {count} records");
            for record in records(settings.columns).skip(count).take(100) {
                assert_eq!(one.attribution(&record), other.attribution(&record));
                assert_eq!(one.score_and_learn(&record), other.score_and_learn(&record));
            }
        }
    }
}

#[test]
fn a_snapshot_of_the_default_forest_has_its_size() {
    // Points of which none equals another.
    let mut forest = forest(ForestSettings::new(3));
    (0..2000)
        .for_each(|n| forest.learn(&[0.0, 1.0, 2.0].map(|phase| (f64::from(n) + phase).sin())));
    let bytes = snapshot(&forest).len();
    assert!(bytes <= 530_000, "{bytes}");
}

#[test]
fn a_snapshot_is_appended() {
    let forest = learnt(settings(), 100);
    let mut bytes = b"before".to_vec();
    forest.snapshot(&mut bytes);
    assert_eq!(bytes[6..], snapshot(&forest));
}

#[test]
fn a_snapshot_of_other_settings_is_refused() {
    type Change = fn(&mut ForestSettings);
    let cases: [(Change, &str, u64, u64); 6] = [
        (|s| s.trees = 11, "trees", 10, 11),
        (|s| s.sample_size = 17, "sample_size", 16, 17),
        (|s| s.time_decay = 41, "time_decay", 40, 41),
        (|s| s.shingle = 2, "shingle", 1, 2),
        (|s| s.columns = 3, "columns", 2, 3),
        (|s| s.seed = 43, "seed", 42, 43),
    ];
    let bytes = snapshot(&learnt(settings(), 100));
    for (change, setting, snapshot, here) in cases {
        let mut settings = settings();
        change(&mut settings);
        let error = Forest::restore(settings, &bytes).expect_err(setting);
        assert_eq!(error, SnapshotError::Differs { setting, snapshot, here });
        assert_eq!(
            error.to_string(),
            format!("the snapshot is of a forest whose {setting} is {snapshot}, here it is {here}")
        );
    }
}

#[test]
fn a_snapshot_that_is_cut_short_or_longer_is_refused() {
    let bytes = snapshot(&learnt(settings(), 100));
    for length in 0..bytes.len() {
        let error = Forest::restore(settings(), &bytes[..length]).expect_err("cut short");
        match length {
            0..4 => assert_eq!(error, SnapshotError::Foreign),
            _ => assert_eq!(error, SnapshotError::CutShort, "{length} bytes"),
        }
    }
    let longer = [&*bytes, &[0]].concat();
    assert_eq!(Forest::restore(settings(), &longer).err(), Some(SnapshotError::Inconsistent));
}

#[test]
fn a_snapshot_of_another_version_is_refused() {
    let mut bytes = snapshot(&learnt(settings(), 100));
    bytes[4] = 2;
    assert_eq!(Forest::restore(settings(), &bytes).err(), Some(SnapshotError::Version(2)));
}

#[test]
fn nodes_hang_together_as_a_snapshot_says_or_it_is_refused() {
    let settings = ForestSettings { trees: 1, sample_size: 10, ..ForestSettings::new(1) };
    let mut forest = forest(settings);
    (0..10).for_each(|n| forest.learn(&[f64::from(n)]));
    let bytes = snapshot(&forest);
    // Behind the settings, what was learnt and seen, the number of leaves and the next point's time.
    let shape = 4 + 2 + 5 * 4 + 3 * 8 + 2 + 8;
    // Of ten leaves and nine inner nodes, and what fills them up.
    for bits in (0..24).flat_map(|a| (0..=a).map(move |b| [a, b])) {
        let mut altered = bytes.clone();
        bits.into_iter().for_each(|bit| altered[shape + bit / 8] ^= 1 << (bit % 8));
        match Forest::restore(settings, &altered) {
            Ok(restored) => assert!(snapshot(&restored) == altered, "{bits:?}"),
            Err(error) => assert_eq!(error, SnapshotError::Inconsistent, "{bits:?}"),
        }
    }
}

#[test]
fn what_is_no_snapshot_is_refused() {
    for bytes in [&b""[..], b"{\"a\": 1}", b"\x7fELF\0\0\0\0\0\0\0\0\0\0\0\0"] {
        assert_eq!(Forest::restore(settings(), bytes).err(), Some(SnapshotError::Foreign));
    }
}

/// Any finite numbers, with those among them that are hard to compute with.
fn number() -> impl Strategy<Value = f64> {
    const HARD: &[f64] =
        &[0.0, -0.0, 1.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, f64::EPSILON, 1e35, 1e-45, 4e38];
    prop_oneof![
        4 => prop::sample::select(HARD),
        2 => prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL,
        1 => -10.0..10.0_f64,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_finite_numbers_have_scores_within_the_scale(
        records in prop::collection::vec(prop::collection::vec(number(), 2), 1..200),
        shingle in 1..4_u32,
    ) {
        let mut forest = forest(ForestSettings { shingle, ..settings() });
        for record in &records {
            let parts = forest.attribution(record);
            let score = forest.score_and_learn(record);
            prop_assert!((0.0..=4.0).contains(&score), "{score}");
            prop_assert!(parts.iter().all(|part| part.high >= 0.0 && part.low >= 0.0));
        }
        let bytes = snapshot(&forest);
        let restored = Forest::restore(*forest.settings(), &bytes).expect("a snapshot");
        prop_assert!(snapshot(&restored) == bytes);
    }

    #[test]
    fn a_hostile_snapshot_is_refused_or_can_be_worked_with(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        shingle in 1..3_u32,
    ) {
        let settings = ForestSettings { shingle, ..settings() };
        let mut bytes = snapshot(&learnt(settings, 60));
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(mut forest) = Forest::restore(settings, &bytes) {
            for record in records(2).take(50) {
                let score = forest.score_and_learn(&record);
                prop_assert!((0.0..=4.0).contains(&score), "{score}");
            }
        }
    }
}
