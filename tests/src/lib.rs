//! Support for testing Weir from outside: the real binary against real servers.
//!
//! - [`weir`]: the binary, built once and run with a clean environment
//! - [`rule`]: rules that a test writes itself
//! - [`event`]: what is inside an event, read independently of Weir
//! - [`memory`]: what stays resident of a process
//! - [`Moto`]: a server that speaks the AWS APIs, with [`sns`] topics and [`sqs`] queues
//! - [`states`]: where states are kept on it
//! - [`ScriptedSns`]: one that answers `PublishBatch` as a test wants it
//! - [`FaultProxy`]: one between Weir and a [`Moto`] server, that does what networks do
//! - [`Registry`]: an OCI registry
//! - [`s3`]: buckets of a [`Moto`] server
//! - [`RuleServer`]: one that rules are fetched from, and that does what servers do
//! - [`stream_service`]: what calls Weir, and how it takes the answers
//! - [`RuntimeApi`]: the side of AWS Lambda that a function talks to
//! - [`TimedRuntime`]: one whose invocations have deadlines
//! - [`python`], [`node`], [`debian`]: what tests need of PyPI, npm and Debian; installs it once
//! - [`Process`]: a server that ends when its test does
//!
//! Everything listens on loopback. Nothing here is optional: a server that cannot be installed or
//! started is a failing test.

mod target;

mod tools;

pub mod weir;

pub mod rule;

pub mod event;

pub mod memory;

mod moto;

mod aws;

pub mod sns;

pub mod states;

mod http;

mod scripted_sns;

mod fault_proxy;

mod registry;

pub mod s3;

mod rule_server;

pub mod stream_service;

pub mod random;

pub mod sqs;

mod lambda;

mod timed_runtime;

pub mod python;

pub mod node;

pub mod debian;

mod process;

pub use crate::fault_proxy::FaultProxy;
pub use crate::lambda::{FunctionError, RuntimeApi};
pub use crate::moto::Moto;
pub use crate::process::Process;
pub use crate::registry::{PASSWORD, Registry, USER};
pub use crate::rule_server::{Fault, RuleServer};
pub use crate::scripted_sns::{Entry, Fate, ScriptedSns};
pub use crate::timed_runtime::TimedRuntime;
