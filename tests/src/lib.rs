//! Support for testing Weir from outside: the real binary against real servers.
//!
//! - [`weir`]: the binary, built once and run with a clean environment
//! - [`event`]: what is inside an event, read independently of Weir
//! - [`Moto`]: a server that speaks the AWS APIs, with [`sns`] topics and [`sqs`] queues
//! - [`ScriptedSns`]: one that answers `PublishBatch` as a test wants it
//! - [`RuntimeApi`]: the side of AWS Lambda that a function talks to
//! - [`python`]: the servers come from PyPI; installs them once
//! - [`Process`]: a server that ends when its test does
//!
//! Everything listens on loopback. Nothing here is optional: a server that cannot be installed or
//! started is a failing test.

mod target;

pub mod weir;

pub mod event;

mod moto;

mod aws;

pub mod sns;

mod scripted_sns;

pub mod sqs;

mod lambda;

pub mod python;

mod process;

pub use crate::lambda::{FunctionError, RuntimeApi};
pub use crate::moto::Moto;
pub use crate::process::Process;
pub use crate::scripted_sns::{Entry, Fate, ScriptedSns};
