use anyhow::{Context, bail};
use clap::{Args, Command};
use serde_json::{Map, Value};

use super::options::{Options, finite};

/// The names of the Python functions that Weir replaces: there, the one score is compared
/// inclusively, the two thresholds are compared exclusively. `above` are the settings that win over them.
pub(super) fn original(
    environment: &impl Fn(&str) -> Option<String>,
    above: &Map<String, Value>,
) -> anyhow::Result<Options> {
    let number = |name| match environment(name) {
        None => Ok(None),
        Some(text) => finite(&text).map(Some).with_context(|| format!("variable {name}")),
    };
    let inclusive = number("ANOMALY_THRESHOLD_SCORE")?;
    let upper = number("UPPER_THRESHOLD")?;
    let lower = number("LOWER_THRESHOLD")?;
    let exclusive = upper.is_some() || lower.is_some();
    if inclusive.is_some() && exclusive {
        bail!(
            "variable ANOMALY_THRESHOLD_SCORE, whose bound is inclusive, is set beside \
             UPPER_THRESHOLD or LOWER_THRESHOLD, whose bounds are exclusive: set one or the other"
        );
    }
    let upper = inclusive.or(upper);
    // How a bound is compared counts for nothing once the bound itself does not.
    let counts = |bound: Option<f64>, name| bound.is_some() && !above.contains_key(name);
    let any_counts = counts(upper, "upper") || counts(lower, "lower");
    Ok(Options {
        topic: environment("SNS_TOPIC_ARN"),
        upper,
        lower,
        exclusive: any_counts.then_some(exclusive),
        ..Options::default()
    })
}

/// Every option by its own name: `--time-limit-ms` is `WEIR_TIME_LIMIT_MS`.
pub(super) fn weir(environment: &impl Fn(&str) -> Option<String>) -> anyhow::Result<Options> {
    let command = Options::augment_args(Command::new("weir"));
    let mut options = Options::default();
    for flag in command.get_arguments().filter_map(|argument| argument.get_long()) {
        let name = format!("WEIR_{}", flag.replace('-', "_").to_uppercase());
        if let Some(value) = environment(&name) {
            let one = Options::parse_from_flags(&[&format!("--{flag}={value}")])
                .map_err(|error| anyhow::anyhow!("{}", first_line(&error)))
                .with_context(|| format!("variable {name}"))?;
            options = one.over(options);
        }
    }
    Ok(options)
}

/// What is wrong, without the usage that clap shows below it.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
