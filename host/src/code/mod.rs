//! Native code of rules: where it comes from, and when it is taken for what it says it is.

mod artifact;

mod cache;

#[cfg(unix)]
mod place;

use std::fmt;

use wasmtime::component::Component;

use crate::digest::Digest;
use crate::engine::Engine;
use artifact::{Artifact, Key};

pub use cache::CodeCache;

/// Where a rule's native code came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeOrigin {
    /// It is part of this binary, as are Weir's own rules.
    Embedded,
    /// A file made ahead, by [`Rule::precompile`](crate::Rule::precompile).
    Packaged,
    /// The cache.
    Cached,
    /// It was compiled just now.
    Compiled,
}

impl fmt::Display for CodeOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Embedded => "embedded",
            Self::Packaged => "packaged",
            Self::Cached => "cached",
            Self::Compiled => "compiled",
        })
    }
}

/// The code of the component of a digest, as the content of a file for [`CodeCache::package`].
pub(crate) fn package(
    engine: &Engine,
    component: Digest,
    compiled: &Component,
) -> wasmtime::Result<Vec<u8>> {
    Ok(Artifact::new(&Key::new(&engine.wasmtime, component), &compiled.serialize()?).into_bytes())
}

/// Takes the embedded code, if the component is an embedded one.
#[cfg(feature = "default-rule")]
fn embedded(engine: &Engine, component: &[u8]) -> Option<Component> {
    let rule = crate::embedded::RULES.into_iter().find(|rule| rule.component == component)?;
    // SAFETY: the build script had wasmtime make these bytes, and they are part of this binary: who
    // can change them can change the code around them as well. Wasmtime checks that the processor
    // has what they need.
    let component = unsafe { Component::deserialize(&engine.wasmtime, rule.native_code) };
    let why = |error: &wasmtime::Error| {
        tracing::info!(rule = rule.name, "the embedded native code does not fit: {error:#}");
    };
    component.inspect_err(why).ok()
}

/// Takes the code of an artifact.
#[cfg(unix)]
fn load(engine: &Engine, artifact: &Artifact) -> wasmtime::Result<Component> {
    // SAFETY: an artifact is read from a trusted place only, where nobody writes but this user and
    // root; they can change this process as well. Its digest says that the bytes are whole, its key
    // that this version of wasmtime made them with these settings; wasmtime checks both again.
    unsafe { Component::deserialize(&engine.wasmtime, artifact.code()) }
}
