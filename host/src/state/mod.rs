//! The state of rules that keep one: where it is kept, and when.
//!
//! A [`Keeper`] holds a session of the rule for each partition of the stream, remembers how far each
//! has learnt, and saves to a [`StateStore`]: a directory, Amazon S3, Amazon DynamoDB.

mod store;

mod memory;

mod file;

#[cfg(any(feature = "s3", feature = "dynamodb"))]
mod request;

#[cfg(feature = "s3")]
mod s3;

#[cfg(feature = "dynamodb")]
mod dynamodb;

mod storage;

mod flagged;

mod aftermath;

mod envelope;

mod save;

mod kept;

mod keeper;

#[cfg(all(test, feature = "default-rule"))]
mod fixture;

#[cfg(test)]
mod tests;

pub use file::FileStore;
pub use keeper::Keeper;
pub use memory::MemoryStore;
pub use storage::SaveEvery;
pub use store::{SaveError, StateStore, StoreError, Stored, Version};

#[cfg(feature = "dynamodb")]
pub use dynamodb::DynamoDbStore;
#[cfg(feature = "s3")]
pub use s3::S3Store;

pub(crate) use aftermath::{Aftermath, Lesson};
pub(crate) use keeper::Places;
