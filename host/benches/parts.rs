//! What each part of the flow costs: `cargo bench --package weir --bench parts`.
//!
//! For looking into one part. How parts compare is told by the bench `performance`, which measures
//! them in turns.

mod workload;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use weir::{Batch, Encoding};
use weir_guest::json::{self, Fields, FieldsScanner, PADDING, Pointer, Value};

use workload::records::{self, Likeness};
use workload::{ALERTING, RECORDS};

/// Bytes of the JSON of a record.
const SIZES: [usize; 2] = [200, 2000];

fn main() {
    divan::main();
}

/// One record, out of its base64.
#[divan::bench(args = SIZES)]
fn decode(bencher: Bencher<'_, '_>, bytes: usize) {
    let encoded = workload::records(1, bytes).remove(0);
    let mut decoded = Vec::new();
    bencher.counter(BytesCount::new(encoded.len())).bench_local(|| {
        weir_guest::base64::decode_into(encoded.as_bytes(), &mut decoded).expect("base64");
    });
}

/// One decoded record: validated whole, its score found.
#[divan::bench(args = SIZES)]
fn scan(bencher: Bencher<'_, '_>, bytes: usize) {
    let encoded = workload::records(1, bytes).remove(0);
    let document = base64_simd::STANDARD.decode_to_vec(encoded).expect("base64");
    let field = Pointer::parse("/ANOMALY_SCORE").expect("a pointer");
    bencher
        .counter(BytesCount::new(document.len()))
        .bench(|| json::scan(black_box(&document), &field).is_ok());
}

/// A record of eight numbers.
const READING: &[u8] = br#"{"sensor":"pump-7","a":61,"b":12.75,"c":-0.5,"d":1013.2,"e":0.004,"f":98,"g":7.25e-3,"h":440,"at":"2026-01-27T06:15:00Z"}"#;

fn columns() -> Fields {
    let pointer = |name: char| Pointer::parse(&format!("/{name}")).expect("a pointer");
    Fields::new(('a'..='h').map(pointer).collect()).expect("few fields")
}

fn number(value: Option<Value<'_>>) -> f64 {
    value.and_then(|value| value.as_f64()).unwrap_or_default()
}

/// Its numbers, by the whole grammar.
#[divan::bench]
fn fields(bencher: Bencher<'_, '_>) {
    let fields = columns();
    bencher.bench(|| {
        let mut sum = 0.0;
        let found = |_, value: Option<Value<'_>>| sum += number(value);
        json::scan_fields(black_box(READING), &fields, found).expect("a record");
        sum
    });
}

/// The same by its shape, once some records of it have come.
#[divan::bench]
fn fields_by_shape(bencher: Bencher<'_, '_>) {
    let mut scanner = FieldsScanner::new(columns());
    let buffer = [READING, &[0; PADDING]].concat();
    bencher.bench_local(|| {
        let mut sum = 0.0;
        let found = |_, value: Option<Value<'_>>| sum += number(value);
        scanner.scan_within(black_box(&buffer), READING.len(), found).expect("a record");
        sum
    });
}

/// A batch, by the rule compiled natively.
#[divan::bench(args = SIZES)]
fn native_batch(bencher: Bencher<'_, '_>, bytes: usize) {
    let classify = workload::native_rule(&workload::records(RECORDS, bytes));
    bencher.counter(ItemsCount::new(RECORDS)).bench_local(classify);
}

/// A call into the sandbox that has nothing to do there: a fresh instance, opened, and the way in
/// and out.
#[divan::bench]
fn empty_batch(bencher: Bencher<'_, '_>) {
    let filter = workload::filter(&workload::rule(), ALERTING);
    let batch = Batch::with_capacity(Encoding::Base64, 0, 0);
    bencher.bench(|| filter.classify(&batch).expect("an outcome"));
}

/// A batch in its sandbox.
#[divan::bench(args = SIZES)]
fn batch(bencher: Bencher<'_, '_>, bytes: usize) {
    batch_of(bencher, Likeness::Alike, bytes);
}

/// The same, of records of which some lack a member or two.
#[divan::bench(args = SIZES)]
fn varied_batch(bencher: Bencher<'_, '_>, bytes: usize) {
    batch_of(bencher, Likeness::Varied, bytes);
}

/// The same, of records that have no keys in common.
#[divan::bench(args = SIZES)]
fn unlike_batch(bencher: Bencher<'_, '_>, bytes: usize) {
    batch_of(bencher, Likeness::Unlike, bytes);
}

fn batch_of(bencher: Bencher<'_, '_>, likeness: Likeness, bytes: usize) {
    let filter = workload::filter(&workload::rule(), ALERTING);
    let batch = workload::batch(&records::of(likeness, RECORDS, bytes));
    bencher
        .counter(ItemsCount::new(RECORDS))
        .bench(|| filter.classify(&batch).expect("an outcome"));
}

/// An instance, opened with settings and dropped again.
#[divan::bench]
fn instance(bencher: Bencher<'_, '_>) {
    let rule = workload::rule();
    bencher.bench(|| workload::filter(&rule, ALERTING));
}

/// An event of so many bytes a record, with nothing to publish.
#[divan::bench(args = SIZES)]
fn pipeline(bencher: Bencher<'_, '_>, bytes: usize) {
    let pipeline = workload::pipeline();
    let event = workload::event(&workload::records(RECORDS, bytes));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    bencher.counter(ItemsCount::new(RECORDS)).bench_local(|| {
        let request = weir::Request { body: &event, ..weir::Request::default() };
        runtime.block_on(pipeline.process(request)).expect("an event")
    });
}
