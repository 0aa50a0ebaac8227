//! What a rule can do to its host: nothing. Rules of a few lines of WAT, and Weir's own rules.

mod guest;

mod loading;

mod verify;

mod determinism;

#[cfg(unix)]
mod code;

mod isolation;
mod limits;

mod parts;

mod answers;

mod calls;

mod pipeline;

mod state;

mod live;

mod keeper;

mod wasi;

#[cfg(feature = "default-rule")]
mod threshold;

#[cfg(feature = "default-rule")]
mod forest;

#[cfg(feature = "default-rule")]
mod native;

#[cfg(feature = "default-rule")]
mod agreement;
