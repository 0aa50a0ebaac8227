//! Native code of rules: where it comes from, and when it is taken for what it says it is.

mod artifact;

mod cache;

mod serve;

#[cfg(unix)]
mod place;

#[cfg(unix)]
mod pruning;

use std::fmt;

use wasmtime::component::Component;
use wasmtime::{Module, Precompiled};

use crate::digest::Digest;
use crate::engine::Engine;
use crate::exports::core_module;
use crate::wrapper;
use artifact::{Artifact, Key};

pub use cache::CodeCache;

/// Where a rule's native code came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

/// The native code of a rule.
pub(crate) enum Code {
    /// Of a component as it is.
    Component(Component),
    /// Of the core module of a component whose [wrapper] is known.
    CoreModule(Module),
}

impl Code {
    /// Compiles a component.
    fn compile(engine: &wasmtime::Engine, component: &[u8]) -> wasmtime::Result<Self> {
        let module = wrapper::core_module(component)
            .and_then(|module| Module::from_binary(engine, module).ok())
            .filter(core_module::fits);
        Ok(match module {
            Some(module) => Self::CoreModule(module),
            None => Self::Component(Component::from_binary(engine, component)?),
        })
    }

    /// Takes code that was compiled before.
    ///
    /// # Safety
    ///
    /// Wasmtime has made it, of a rule.
    unsafe fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Self> {
        let kind = wasmtime::Engine::detect_precompiled(code);
        // SAFETY: as the caller says. Wasmtime checks that it fits this version of it, these settings
        // and this processor.
        unsafe {
            Ok(match kind {
                Some(Precompiled::Module) => {
                    Self::CoreModule(Module::deserialize(&engine.wasmtime, code)?)
                }
                _ => Self::Component(Component::deserialize(&engine.wasmtime, code)?),
            })
        }
    }

    /// What [`deserialize`](Self::deserialize) takes.
    fn serialize(&self) -> wasmtime::Result<Vec<u8>> {
        match self {
            Self::Component(component) => component.serialize(),
            Self::CoreModule(module) => module.serialize(),
        }
    }
}

/// The code of the component of a digest, as the content of a file for [`CodeCache::package`].
pub(crate) fn package(
    engine: &Engine,
    component: Digest,
    compiled: &Code,
) -> wasmtime::Result<Vec<u8>> {
    Ok(Artifact::new(&Key::new(&engine.wasmtime, component), &compiled.serialize()?).into_bytes())
}

/// Takes the embedded code, if the component is an embedded one.
#[cfg(feature = "default-rule")]
fn embedded(engine: &Engine, component: &[u8]) -> Option<Code> {
    let rule = crate::embedded::RULES.into_iter().find(|rule| rule.component == component)?;
    // SAFETY: the build script had wasmtime make these bytes, and they are part of this binary: who
    // can change them can change the code around them as well.
    let code = unsafe { Code::deserialize(engine, rule.native_code) };
    let why = |error: &wasmtime::Error| {
        tracing::info!(rule = rule.name, "the embedded native code does not fit: {error:#}");
    };
    code.inspect_err(why).ok()
}

/// Takes the code of an artifact.
fn load(engine: &Engine, artifact: &Artifact) -> wasmtime::Result<Code> {
    // SAFETY: an artifact is read from a trusted place only, where nobody writes but this user and
    // root; they can change this process as well. Or a process of the compiler's made it, a program that
    // is trusted as this one is. Its digest says that the bytes are whole, its key that this version of
    // wasmtime made them with these settings.
    unsafe { Code::deserialize(engine, artifact.code()) }
}
