//! What a rule can do to its host: nothing. Rules of a few lines of WAT, and the default rule.

mod guest;

mod loading;

#[cfg(unix)]
mod code;

mod isolation;
mod limits;

mod answers;

mod pipeline;

mod state;

mod wasi;

#[cfg(feature = "default-rule")]
mod threshold;

#[cfg(feature = "default-rule")]
mod agreement;
