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
//! Amazon SNS; `sqs` sends dead letters to Amazon SQS; `default-rule` embeds the threshold rule
//! and the forest rule; `cli` and `lambda` are the binary's.
//!
//! In the order of the flow:
//!
//! - [`contract`]: what the stream services send, and how each is answered
//! - [`Engine`]: runs rules within [`Limits`]
//! - [`Rule`]: a component, checked to be one; [opened](Rule::open) with settings it is a [`Filter`]
//! - [`CodeCache`]: spares a rule from being compiled whenever it is loaded
//! - [`Batch`]: the payloads of an event, as they go to the rule
//! - [`Outcome`]: what the rule answered, checked against the contract; [`Isolated`] from the records
//!   on which it failed
//! - [`Alert`] and [`publish`]: where flagged records go
//! - [`OnBadRecord`] and [`dead_letter`]: what becomes of records that can never be processed
//! - [`Pipeline`]: the whole flow
//! - [`telemetry`]: what is counted on the way

pub mod contract;

mod bindings;

mod limits;

mod codegen;

mod engine;

mod fault;

#[cfg(feature = "default-rule")]
mod embedded;

mod code;

mod digest;

mod rule;

mod filter;

mod batch;

mod outcome;

mod isolate;

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
pub use crate::digest::{Digest, InvalidDigest};
pub use crate::engine::{Engine, EngineError};
pub use crate::fault::Fault;
pub use crate::filter::{Filter, Instances, OpenError, RestoreError, SettingsError};
pub use crate::isolate::{Isolated, Stop};
pub use crate::limits::{LimitExceeded, Limits};
pub use crate::outcome::{Bound, Cause, Failure, Flag, Outcome, Verdict};
pub use crate::pipeline::{DEFAULT_SUBJECT, Pipeline, Request};
pub use crate::pointer::{FieldPointer, InvalidPointer};
pub use crate::response::{Counts, FailedRecord, Response};
pub use crate::rule::{Description, INTERFACE, LoadError, Rule};
