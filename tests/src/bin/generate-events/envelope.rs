use std::io::{self, Write};

use clap::ValueEnum;

use crate::ids::{Ids, uuid};
use crate::vital_signs::VitalSigns;
use weir_tests::random::Random;

const REGION: &str = "us-east-1";
const ACCOUNT: &str = "123456789012";

/// What the records are wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contract {
    /// The output of an application of Kinesis Data Analytics.
    AnalyticsOutput,
    /// The data transformation of Firehose.
    Firehose,
    /// Nothing: one payload a line.
    Ndjson,
}

/// How an event is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layout {
    /// On one line.
    EventALine,
    /// Each record on a line of its own, so that a comparison of two files can be read.
    RecordALine,
}

/// Writes what stands before the records of an event.
pub(crate) fn open(
    contract: Contract,
    layout: Layout,
    random: &mut Random,
    out: &mut impl Write,
) -> io::Result<()> {
    let invocation = uuid(random);
    match contract {
        Contract::AnalyticsOutput => write!(
            out,
            r#"{{"invocationId":"{invocation}","applicationArn":"arn:aws:kinesisanalytics:{REGION}:{ACCOUNT}:application/vital-signs","records":["#
        )?,
        Contract::Firehose => write!(
            out,
            r#"{{"invocationId":"{invocation}","deliveryStreamArn":"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/vital-signs","region":"{REGION}","records":["#
        )?,
        Contract::Ndjson => return Ok(()),
    }
    break_line(layout, out)
}

/// Writes one record.
pub(crate) fn record(
    contract: Contract,
    payload: &VitalSigns,
    ids: &mut Ids,
    out: &mut impl Write,
) -> io::Result<()> {
    let payload = serde_json::to_string(payload)?;
    let data = base64_simd::STANDARD.encode_to_string(&payload);
    let id = ids.next();
    match contract {
        Contract::AnalyticsOutput => write!(
            out,
            r#"{{"recordId":"{id}","lambdaDeliveryRecordMetadata":{{"retryHint":0}},"data":"{data}"}}"#
        ),
        // Records that were put directly have six digits more.
        Contract::Firehose => write!(
            out,
            r#"{{"recordId":"{id}000000","approximateArrivalTimestamp":{},"data":"{data}"}}"#,
            id.arrival_ms
        ),
        Contract::Ndjson => writeln!(out, "{payload}"),
    }
}

/// Writes what stands between two records.
pub(crate) fn between(contract: Contract, layout: Layout, out: &mut impl Write) -> io::Result<()> {
    if contract == Contract::Ndjson {
        return Ok(());
    }
    out.write_all(b",")?;
    break_line(layout, out)
}

/// Writes what stands after the records of an event.
pub(crate) fn close(contract: Contract, layout: Layout, out: &mut impl Write) -> io::Result<()> {
    if contract == Contract::Ndjson {
        return Ok(());
    }
    break_line(layout, out)?;
    out.write_all(b"]}\n")
}

fn break_line(layout: Layout, out: &mut impl Write) -> io::Result<()> {
    match layout {
        Layout::EventALine => Ok(()),
        Layout::RecordALine => out.write_all(b"\n"),
    }
}
