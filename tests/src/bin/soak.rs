//! Runs millions of records through one process, which publishes what is flagged to a server beside it,
//! and shows what the process takes: its memory and its descriptors must not grow.

use std::fs;
use std::io::{BufRead, BufReader, Write, stdout};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use clap::Parser;
use weir_tests::{Fate, ScriptedSns};

/// How many records an event has.
const RECORDS_OF_AN_EVENT: u64 = 500;

/// Prints a line of figures after every tenth of the records.
#[derive(Debug, Parser)]
#[command(name = "soak")]
struct Arguments {
    /// The binary to run
    #[arg(long, value_name = "FILE", default_value = "target/release/weir")]
    weir: PathBuf,
    /// How many records to run through it
    #[arg(long, value_name = "N", default_value_t = 5_000_000)]
    records: u64,
}

fn main() -> ExitCode {
    let Arguments { weir, records } = Arguments::parse();
    let events = records.div_ceil(RECORDS_OF_AN_EVENT).max(10);
    let sns = ScriptedSns::start(|_, _| Fate::Confirmed);
    let generator =
        std::env::current_exe().expect("this program").with_file_name("generate-events");
    let mut generator = Command::new(generator)
        .args(["--events", &events.to_string()])
        .args(["--records", &RECORDS_OF_AN_EVENT.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("generate-events, beside this program");
    let mut run = Command::new(weir)
        .args(["run", "--upper", "1.5", "--topic", "arn:aws:sns:us-east-1:123456789012:soak"])
        .env("AWS_ENDPOINT_URL", sns.url())
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
        .stdin(generator.stdout.take().expect("a pipe was asked for"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("weir");

    let started = Instant::now();
    println!("    records  seconds  resident KiB  descriptors  published");
    let answers = BufReader::new(run.stdout.take().expect("a pipe was asked for"));
    let mut answered = 0;
    for answer in answers.lines() {
        answer.expect("an answer");
        answered += 1;
        if answered % (events / 10) == 0 {
            let process = format!("/proc/{}", run.id());
            let status = fs::read_to_string(format!("{process}/status")).unwrap_or_default();
            let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let resident = resident.unwrap_or("?").trim().trim_end_matches(" kB");
            let descriptors = fs::read_dir(format!("{process}/fd")).map_or(0, Iterator::count);
            let published: usize = sns.requests().iter().map(Vec::len).sum();
            println!(
                "{:>11}  {:>7.1}  {resident:>12}  {descriptors:>11}  {published:>9}",
                answered * RECORDS_OF_AN_EVENT,
                started.elapsed().as_secs_f64(),
            );
            // Whoever reads has enough: the run goes on.
            let _ = stdout().flush();
        }
    }
    let ended = run.wait().expect("weir ends").success() && generator.wait().is_ok();
    if ended && answered == events { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
