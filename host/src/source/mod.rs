//! Where rules come from: the binary itself, a file, a directory of versions, an OCI registry, an
//! HTTPS server, Amazon S3.
//!
//! A [`RuleSource`] says where; a [`Fetcher`] brings what is there, and later what is new there. It
//! checks that what it brings is whole, not too large, and what it was pinned to. Whether it is a rule,
//! and one to be trusted, is for others to say.

mod parse;

mod embedded;

mod error;

mod retry;

mod fetch;

mod store;

#[cfg(any(feature = "https", feature = "s3"))]
mod bounded;

mod local;

mod versions;

#[cfg(feature = "https")]
mod https;

#[cfg(feature = "oci")]
pub mod oci;

#[cfg(feature = "s3")]
mod s3;

pub use error::{FetchError, FetchProblem, InvalidSource};
pub use fetch::{FetchLimits, Fetched, Fetcher};
pub use parse::RuleSource;

/// What is added to the name of a rule's file for that of its detached signature.
pub const SIGNATURE_SUFFIX: &str = ".sig";
