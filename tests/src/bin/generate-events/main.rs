//! Makes input for Weir: vital signs of patients with the anomaly score that Kinesis Data Analytics
//! gave them, wrapped as AWS sends them.
//!
//! The same arguments make the same bytes, on every machine and in every year.

mod envelope;
mod ids;
mod vital_signs;

use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::envelope::{Contract, Layout};
use crate::ids::Ids;
use crate::vital_signs::{Share, VitalSigns};
use weir_tests::random::Random;

/// Writes events with made-up vital signs to standard output.
#[derive(Debug, Parser)]
#[command(name = "generate-events")]
struct Arguments {
    /// What the records are wrapped in; `ndjson` is one payload a line, without any event
    #[arg(long, value_enum, default_value_t = Contract::AnalyticsOutput)]
    contract: Contract,
    /// How many events to write
    #[arg(long, value_name = "N", default_value_t = 1)]
    events: u64,
    /// How many records an event has
    #[arg(long, value_name = "M", default_value_t = 500)]
    records: u64,
    /// Where the random numbers start
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// The share of records with a score far from the usual, from 0 to 1
    #[arg(long, value_name = "RATE", default_value = "0.02")]
    anomalies: Share,
    /// How an event is laid out
    #[arg(long, value_enum, default_value_t = Layout::EventALine)]
    layout: Layout,
}

fn main() -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&Arguments::parse(), &mut out).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("generate-events: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(arguments: &Arguments, out: &mut impl Write) -> io::Result<()> {
    let mut random = Random::new(arguments.seed);
    let mut ids = Ids::new(&mut random);
    for _ in 0..arguments.events {
        envelope::open(arguments.contract, arguments.layout, &mut random, out)?;
        for index in 0..arguments.records {
            let payload = VitalSigns::measure(&mut random, arguments.anomalies);
            if index > 0 {
                envelope::between(arguments.contract, arguments.layout, out)?;
            }
            envelope::record(arguments.contract, &payload, &mut ids, out)?;
        }
        envelope::close(arguments.contract, arguments.layout, out)?;
    }
    Ok(())
}
