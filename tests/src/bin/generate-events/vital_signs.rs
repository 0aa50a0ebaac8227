use std::str::FromStr;

use serde::Serialize;

use weir_tests::random::Random;

/// Devices: who makes them and what they are called.
const DEVICES: [(&str, &str); 5] = [
    ("Halden", "VS-200"),
    ("Halden", "VS-310"),
    ("Northmed", "Pulse 4"),
    ("Sørensen & Co", "Bedside/2"),
    ("Vita", "M1"),
];

/// Scores are made as whole numbers of this size, so that no rounding differs between machines.
const UNITS: u64 = 10_000_000_000;
/// One record in so many has no score yet.
const TRAINING: u64 = 100;

/// What a device measured, and how unusual `RANDOM_CUT_FOREST` found it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct VitalSigns {
    device_id: String,
    patient_id: String,
    manufacturer: &'static str,
    model: &'static str,
    pulse: u64,
    systolic: u64,
    diastolic: u64,
    #[serde(rename = "ANOMALY_SCORE")]
    anomaly_score: f64,
}

impl VitalSigns {
    /// Most scores lie between 0.6 and 1.3. Of those that do not, three in four lie between 1.5
    /// and 4, the others between 0.05 and 0.4. A scorer in training gives 0.
    pub(crate) fn measure(random: &mut Random, anomalies: Share) -> Self {
        let (manufacturer, model) = random.pick(&DEVICES);
        let unusual = anomalies.falls_on(random);
        let score = match unusual {
            true if random.between(0, 4) > 0 => random.between(UNITS * 3 / 2, UNITS * 4),
            true => random.between(UNITS / 20, UNITS * 2 / 5),
            false if random.between(0, TRAINING) == 0 => 0,
            false => bell(random, UNITS * 3 / 5, UNITS * 13 / 10),
        };
        let pulse = if unusual { random.between(28, 180) } else { bell(random, 55, 105) };
        Self {
            device_id: format!("device{:04}", random.between(0, 4500)),
            patient_id: format!("patient{:04}", random.between(0, 5000)),
            manufacturer,
            model,
            pulse,
            systolic: bell(random, 95, 165),
            diastolic: bell(random, 55, 100),
            anomaly_score: score as f64 / UNITS as f64,
        }
    }
}

/// A share of records, kept in millionths.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share(u64);

impl Share {
    const WHOLE: u64 = 1_000_000;

    fn falls_on(self, random: &mut Random) -> bool {
        random.between(0, Self::WHOLE) < self.0
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<f64>() {
            Ok(share) if (0.0..=1.0).contains(&share) => {
                Ok(Self((share * Self::WHOLE as f64).round() as u64))
            }
            _ => Err("a number from 0 to 1 is wanted".to_owned()),
        }
    }
}

/// A number from `low` up to `high`, the middle more likely than the ends.
fn bell(random: &mut Random, low: u64, high: u64) -> u64 {
    (0..3).map(|_| random.between(low, high)).sum::<u64>() / 3
}
