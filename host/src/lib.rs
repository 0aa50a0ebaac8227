//! A filter for record streams, whose rules are WebAssembly components that import nothing.
//!
//! An event of a stream service goes in, the records that a rule flags are published, and every
//! record is answered.
//!
//! ```no_run
//! use weir::publish::{AlertFormat, AlertWriter};
//! use weir::{Engine, Limits, Pipeline, Request, Rule};
//!
//! # async fn process() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::new(Limits::default())?;
//! let rule = Rule::load(&engine, &std::fs::read("rule.wasm")?)?;
//! let filter = rule.open(r#"{"upper": 1.5}"#)?;
//!
//! // Anything that implements `Publisher`: this one writes, `publish::sns::SnsTopic` sends.
//! let publisher = AlertWriter::new(AlertFormat::Ndjson, std::io::stderr());
//! let pipeline = Pipeline::new(filter, publisher);
//! let event = std::fs::read("event.json")?;
//! let response = pipeline.process(Request { body: &event, ..Request::default() }).await?;
//! println!("{}", String::from_utf8(response.body)?);
//! # Ok(())
//! # }
//! ```
//!
//! The library alone needs neither the AWS SDK nor the wasm target. Its features: `sns` publishes to
//! Amazon SNS; `sqs` sends dead letters to Amazon SQS; `oci`, `https` and `s3` fetch rules from where
//! they say; `s3` and `dynamodb` keep the state of rules; `default-rule` embeds the threshold rule
//! and the forest rule; `cli` and `lambda` are the binary's.
//!
//! In the order of the flow:
//!
//! - [`contract`]: what the stream services send, and how each is answered
//! - [`Engine`]: runs rules within [`Limits`], and with no [`Grant`] unless it is told to
//! - [`source`]: where rules come from
//! - [`Rule`]: a component, checked to be one; [opened](Rule::open) with settings it is a [`Filter`]
//! - [`verify`]: the checks that a rule passes before it runs: signature, settings, golden records
//! - [`CodeCache`]: spares a rule from being compiled whenever it is loaded; [`Compiler`]: has it compiled
//!   in a process of its own, within bounds
//! - [`state`]: what a rule has learnt, kept for each partition of a stream
//! - [`Batch`]: the payloads of an event, as they go to the rule
//! - [`Outcome`]: what the rule answered, checked against the contract; [`Isolated`] from the records
//!   on which it failed
//! - [`live`]: the rule that serves, and how another takes its place
//! - [`Alert`] and [`publish`]: where flagged records go
//! - [`OnBadRecord`] and [`dead_letter`]: what becomes of records that can never be processed
//! - [`recording`]: a copy of the traffic, to try other rules on and to prove verdicts again
//! - [`Pipeline`]: the whole flow
//! - [`telemetry`]: what is counted on the way

pub mod contract;

mod bindings;

mod limits;

mod grant;

mod inert_wasi;

mod codegen;

mod compiler;

mod slots;

mod engine;

mod fault;

#[cfg(feature = "default-rule")]
mod embedded;

mod wrapper;

mod code;

mod digest;

pub mod source;

mod memory_image;

mod rule;

mod exports;

mod session;

mod filter;

pub mod verify;

mod turns;

mod by_use;

pub mod state;

mod printable;

mod own_thread;

mod same_file;

mod window;

mod batch;

mod outcome;

mod ruling;

mod isolate;

pub mod live;

mod pointer;

mod payload;

mod alert;

mod receipt;

#[cfg(feature = "sns")]
mod aws;

pub mod publish;

pub mod dead_letter;

mod bad_record;

mod response;

pub mod recording;

pub mod telemetry;

mod delivery;

mod pipeline;

#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;

#[cfg(feature = "cli")]
mod compile;

#[cfg(feature = "cli")]
pub mod config;

#[cfg(feature = "cli")]
pub mod cli;

#[cfg(feature = "default-rule")]
pub use crate::embedded::{DEFAULT_RULE, FOREST_RULE};

pub use crate::alert::Alert;
pub use crate::bad_record::OnBadRecord;
pub use crate::batch::{Batch, Encoding, Payloads};
pub use crate::code::{CodeCache, CodeOrigin};
pub use crate::compiler::Compiler;
pub use crate::digest::{Digest, InvalidDigest};
pub use crate::engine::{Engine, EngineError};
pub use crate::exports::INTERFACE;
pub use crate::fault::Fault;
pub use crate::filter::{Filter, Instances, RestoreError};
pub use crate::grant::{Grant, InvalidGrant};
pub use crate::isolate::{Isolated, Stop};
pub use crate::limits::{LimitExceeded, Limits};
pub use crate::outcome::{Bound, Cause, Failure, Flag, Outcome, Verdict};
pub use crate::pipeline::{DEFAULT_SUBJECT, Pipeline, Request};
pub use crate::pointer::{FieldPointer, InvalidPointer};
pub use crate::response::{Counts, FailedRecord, Response};
pub use crate::rule::{Description, LoadError, Rule};
pub use crate::ruling::Ruling;
pub use crate::session::{OpenError, SettingsError};
