//! The instructions of the hot path, counted by valgrind's callgrind, beside the figures that are
//! kept in `figures.json`:
//!
//! ```console
//! $ cargo bench --package weir --no-default-features --features default-rule --bench instructions
//! ```
//!
//! Time on a shared machine cannot be checked, instructions can: the toolchain is pinned, valgrind
//! shows every x86-64 processor with AVX2 as the same one, so what picks its code by the processor
//! picks the same everywhere, and the system's libraries are not counted.
//!
//! A count that left its figure by more than [`TOLERANCE`] fails, in either direction: one that
//! fell much is to be kept, so that it stays there. `BLESS=1` writes the figures as counted.

#[path = "../workload/mod.rs"]
mod workload;

mod scenarios;

mod callgrind;

mod figures;

use std::env;
use std::process::ExitCode;

use figures::Figures;
use scenarios::SCENARIOS;

/// How far a count may be from its figure, as a share of it. Two runs of a program differ by less
/// than a thousandth, by the seeds of hash maps. The rest is for changes elsewhere that move what
/// the compiler inlines; a check that is added to every byte or record is more.
const TOLERANCE: f64 = 0.03;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match arguments.iter().position(|argument| argument == callgrind::COUNT) {
        Some(place) => scenarios::run(arguments.get(place + 1).map_or("", String::as_str)),
        None => check(),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Counts every scenario and compares it with its figure.
fn check() -> Result<ExitCode, String> {
    if !callgrind::is_comparable() {
        eprintln!("skipped: the figures are of Linux on an x86-64 processor with AVX2");
        return Ok(ExitCode::SUCCESS);
    }
    let bless = env::var_os("BLESS").is_some();
    let mut figures = Figures::read()?;
    let mut outside = 0;
    println!("{:<24} {:>14} {:>14} {:>8}", "instructions", "counted", "kept", "");
    for (name, _) in SCENARIOS {
        let count = callgrind::count(name)?;
        let kept = figures.get(name);
        let change = kept.map(|kept| count as f64 / kept as f64 - 1.0);
        let fits = change.is_some_and(|change| change.abs() <= TOLERANCE);
        outside += usize::from(!fits);
        let kept = kept.map_or("none".to_owned(), |kept| kept.to_string());
        let change = change.map(|change| format!("{:+.2}%", change * 100.0)).unwrap_or_default();
        println!("{name:<24} {count:>14} {kept:>14} {change:>8}{}", if fits { "" } else { "  !" });
        figures.set(name, count);
    }
    if bless {
        figures.write()?;
        return Ok(ExitCode::SUCCESS);
    }
    if outside > 0 {
        return Err(format!(
            "{outside} left their figure by more than {:.0}%; if that is meant, the same command with \
             BLESS=1 before it writes the new ones",
            TOLERANCE * 100.0
        ));
    }
    Ok(ExitCode::SUCCESS)
}
