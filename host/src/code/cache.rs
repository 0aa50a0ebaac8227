use std::path::PathBuf;
#[cfg(unix)]
use std::{ffi::OsStr, io, path::Path};

#[cfg(unix)]
use super::artifact::NotTheCode;
use super::artifact::{Artifact, Key};
#[cfg(unix)]
use super::place::{Place, PlaceError};
#[cfg(unix)]
use super::pruning;
use super::{Code, CodeOrigin};
use crate::compiler::NotCompiled;
use crate::digest::Digested;
use crate::engine::Engine;

/// Where native code of rules is looked for, and kept: what is found need not be compiled.
///
/// Code is found by what it was made from: the component, byte for byte, the version of the engine,
/// its settings and the features of the processor. So it is never stale, only not found. Since it is
/// run outside the sandbox, it is trusted only where nobody but this user and root can have written:
/// files and all directories above them are checked, and what is damaged is not used. Without a
/// place that can be trusted, rules are compiled, and the log says why.
///
/// The default looks nowhere and keeps nothing, as does any on a system that is no Unix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeCache {
    package: Option<PathBuf>,
    directory: Option<PathBuf>,
}

impl CodeCache {
    /// Looks first at a file that [`Rule::precompile`](crate::Rule::precompile) made. It is never
    /// written to.
    #[must_use]
    pub fn package(self, file: impl Into<PathBuf>) -> Self {
        Self { package: Some(file.into()), ..self }
    }

    /// Keeps what had to be compiled in a directory, which is made if there is none. What it holds
    /// can be deleted at any time; when it is more than 1 GiB, what was used longest ago is.
    #[must_use]
    pub fn directory(self, path: impl Into<PathBuf>) -> Self {
        Self { directory: Some(path.into()), ..self }
    }

    /// The code of a component, compiled if it is not found.
    pub(crate) fn load(
        &self,
        engine: &Engine,
        component: Digested<'_>,
    ) -> Result<(Code, CodeOrigin), NotCompiled> {
        #[cfg(feature = "default-rule")]
        if let Some(code) = super::embedded(engine, component.bytes()) {
            return Ok((code, CodeOrigin::Embedded));
        }
        #[cfg(unix)]
        if *self != Self::default() {
            return self.find_or_compile(engine, component);
        }
        compile(engine, component)
    }
}

fn compile(engine: &Engine, component: Digested<'_>) -> Result<(Code, CodeOrigin), NotCompiled> {
    let code = match engine.compiler() {
        None => Code::compile(&engine.wasmtime, component.bytes())?,
        Some(compiler) => {
            let key = Key::new(&engine.wasmtime, component.digest());
            let artifact = Artifact::check(compiler.compile(component.bytes())?, &key);
            super::load(engine, &artifact.map_err(|error| compiler.is_none(error))?)?
        }
    };
    Ok((code, CodeOrigin::Compiled))
}

#[cfg(unix)]
impl CodeCache {
    fn find_or_compile(
        &self,
        engine: &Engine,
        component: Digested<'_>,
    ) -> Result<(Code, CodeOrigin), NotCompiled> {
        let key = Key::new(&engine.wasmtime, component.digest());
        if let Some(file) = &self.package
            && let Some(code) = used(file, packaged(engine, file, &key))
        {
            return Ok((code, CodeOrigin::Packaged));
        }
        let Some(directory) = &self.directory else { return compile(engine, component) };
        let Some(place) = used(directory, Place::create(directory).map_err(NotUsed::from)) else {
            return compile(engine, component);
        };
        let name = key.file_name();
        let file = directory.join(&name);
        if let Some(code) = used(&file, kept(engine, &place, name.as_ref(), &key)) {
            if let Err(error) = place.touch(name.as_ref()) {
                tracing::debug!(file = %file.display(), %error, "native code may be kept shorter");
            }
            return Ok((code, CodeOrigin::Cached));
        }
        let compiled = compile(engine, component)?;
        let artifact = Artifact::new(&key, &compiled.0.serialize()?).into_bytes();
        if let Err(error) = place.write(name.as_ref(), &artifact) {
            tracing::debug!(file = %file.display(), %error, "native code is not kept");
        } else if let Err(error) = pruning::prune(&place, name.as_ref(), pruning::KEPT_BYTES) {
            tracing::debug!(path = %directory.display(), %error, "the cache is not pruned");
        }
        Ok(compiled)
    }
}

#[cfg(unix)]
fn packaged(engine: &Engine, file: &Path, key: &Key) -> Result<Code, NotUsed> {
    let folder = file.parent().filter(|folder| *folder != Path::new(""));
    let name = file.file_name().ok_or(io::Error::from(io::ErrorKind::IsADirectory))?;
    kept(engine, &Place::open(folder.unwrap_or(Path::new(".")))?, name, key)
}

#[cfg(unix)]
fn kept(engine: &Engine, place: &Place, name: &OsStr, key: &Key) -> Result<Code, NotUsed> {
    let artifact = Artifact::check(place.read(name)?, key)?;
    super::load(engine, &artifact).map_err(NotUsed::Engine)
}

/// What can be used; says in the log what cannot.
#[cfg(unix)]
fn used<T>(path: &Path, result: Result<T, NotUsed>) -> Option<T> {
    match result {
        Ok(used) => return Some(used),
        // Mostly there is none yet, or no place for any.
        Err(NotUsed::Place(PlaceError::Io(error))) => {
            tracing::debug!(path = %path.display(), %error, "no native code");
        }
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "native code is not used");
        }
    }
    None
}

/// Why native code is not used.
#[cfg(unix)]
#[derive(Debug, thiserror::Error)]
enum NotUsed {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Content(#[from] NotTheCode),
    #[error("{0:#}")]
    Engine(wasmtime::Error),
}

#[cfg(unix)]
impl From<io::Error> for NotUsed {
    fn from(error: io::Error) -> Self {
        Self::Place(PlaceError::Io(error))
    }
}
