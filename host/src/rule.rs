use std::fmt;
use std::sync::Arc;

use wasmtime::component::{Component, Linker};

use crate::bindings::{FilterPre, rule};
use crate::code::{self, Code, CodeCache, CodeOrigin};
use crate::compiler::NotCompiled;
use crate::digest::{Digest, Digested};
use crate::engine::Engine;
use crate::exports::{Exports, INTERFACE};
use crate::fault::Fault;
use crate::grant::Grant;
use crate::inert_wasi;
use crate::limits::Meter;
use crate::memory_image;
use crate::printable::cut;
use crate::verify::SettingsSchema;

/// A rule, compiled and checked: it imports nothing but what [its engine grants](Engine::granting), and
/// exports [`INTERFACE`].
///
/// [Open](Rule::open) it with settings to classify. A clone is the same rule.
#[derive(Clone)]
pub struct Rule {
    pub(crate) engine: Engine,
    pub(crate) exports: Exports,
    description: Arc<Description>,
    settings_schema: Arc<SettingsSchema>,
    code: CodeOrigin,
    digest: Digest,
}

/// What a rule says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The rule's name: 1 to 64 of the characters `a-z`, `0-9` and `-`.
    pub name: String,
    /// The rule's own version, of at most 128 bytes.
    pub version: String,
    /// The JSON Schema of its settings.
    pub settings_schema: String,
    /// Whether one batch's outcome depends on the batches before it.
    pub keeps_state: bool,
    /// Whether it may rewrite payloads.
    pub rewrites: bool,
}

impl Rule {
    /// Makes a rule of a component, in binary form: compiles it, and checks that it is one. Weir's
    /// own rules come with their native code, and need not be compiled.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it. Nothing of the component ran unless its imports are granted.
    pub fn load(engine: &Engine, component: &[u8]) -> Result<Self, LoadError> {
        Self::load_cached(engine, component, &CodeCache::default())
    }

    /// Does the same, and compiles the component only if its native code is not found in a cache.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load). What is wrong with the cache is none: then it compiles.
    pub fn load_cached(
        engine: &Engine,
        component: &[u8],
        cache: &CodeCache,
    ) -> Result<Self, LoadError> {
        Self::load_digested(engine, Digested::new(component), cache)
    }

    /// Does the same for a component whose digest is known.
    pub(crate) fn load_digested(
        engine: &Engine,
        component: Digested<'_>,
        cache: &CodeCache,
    ) -> Result<Self, LoadError> {
        let (rule, _) = Self::load_with_code(engine, component, cache)?;
        Ok(rule)
    }

    /// Compiles a rule ahead, after checking that it is one. Written to a file, it is what
    /// [`CodeCache::package`] looks for: on any machine of the same system and architecture, with
    /// the same version of this crate.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn precompile(engine: &Engine, component: &[u8]) -> Result<Vec<u8>, LoadError> {
        let component = Digested::new(component);
        let (rule, code) = Self::load_with_code(engine, component, &CodeCache::default())?;
        Ok(code::package(engine, rule.digest, &code).map_err(NotCompiled::from)?)
    }

    fn load_with_code(
        engine: &Engine,
        component: Digested<'_>,
        cache: &CodeCache,
    ) -> Result<(Self, Code), LoadError> {
        if !component.bytes().starts_with(COMPONENT_MAGIC) {
            return Err(LoadError::NotAComponent(what_it_is(component.bytes()).to_owned()));
        }
        if let Some(exceeded) = engine.limits().exceeded_by_tables(component.bytes()) {
            return Err(LoadError::Describe(exceeded.into()));
        }
        let (code, origin) = cache.load(engine, component)?;
        let (exports, description) = exports(engine, &code)?;
        let (description, schema) = check(description).map_err(LoadError::Description)?;
        let rule = Self {
            engine: engine.clone(),
            exports,
            description: Arc::new(description),
            settings_schema: Arc::new(schema),
            code: origin,
            digest: component.digest(),
        };
        Ok((rule, code))
    }

    /// What the rule says of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The schema of its settings, to check some against.
    pub(crate) fn settings_schema(&self) -> &SettingsSchema {
        &self.settings_schema
    }

    /// The digest of the component that it was loaded from.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Where its native code came from.
    pub fn code(&self) -> CodeOrigin {
        self.code
    }

    /// Whether its functions are called directly, which takes a fraction of the time. It is so where
    /// the component is wrapped as those that the SDK makes; all others are called through the engine's
    /// component model, to the same effect.
    pub fn is_called_directly(&self) -> bool {
        self.exports.are_called_directly()
    }

    /// The names of what the rule imports: only what [its engine grants](Engine::granting).
    pub fn imports(&self) -> Vec<String> {
        self.exports.imported(&self.engine)
    }

    /// The names of what the rule exports.
    pub fn exports(&self) -> Vec<String> {
        self.exports.exported(&self.engine)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("description", &self.description)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// The longest name that a rule may have, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// The longest version that a rule may have, in bytes: logs, messages and states are to have room for it.
const MAX_VERSION_BYTES: usize = 128;

/// The longest schema of settings that a rule may have, in bytes: what reading and checking it costs the host
/// is bounded.
pub(crate) const MAX_SCHEMA_BYTES: usize = 256 << 10;

/// How a component begins: the magic number of wasm, the version and layer of components.
const COMPONENT_MAGIC: &[u8] = b"\0asm\x0d\0\x01\0";

fn what_it_is(bytes: &[u8]) -> &'static str {
    if bytes.starts_with(b"\0asm\x01\0\0\0") {
        "it is a core module; wrap it as a component (wasm-tools component new)"
    } else if bytes.starts_with(b"\0asm") {
        "it is wasm of a version that this host does not know"
    } else {
        "it is not wasm"
    }
}

/// Finds the functions of a rule and has it describe itself.
fn exports(engine: &Engine, code: &Code) -> Result<(Exports, rule::Description), LoadError> {
    let make_images =
        || memory_image::make(code).map_err(|error| LoadError::Memory(format!("{error:#}")));
    // What describes itself is gone when this is.
    let _slot = engine.slot(None).map_err(|why| LoadError::Describe(why.into()))?;
    let found = match code {
        Code::Component(component) => {
            let component = linked(engine, component)?;
            make_images()?;
            Exports::of_component(engine, &component)
        }
        // Its wrapper imports nothing, and exports what a rule does.
        Code::CoreModule(module) => {
            make_images()?;
            Exports::of_core_module(engine, module)
        }
    };
    found.map_err(|error| LoadError::Describe(Fault::of(&error, engine.limits())))
}

/// Gives a component what it imports, if it is granted, and checks what it exports.
fn linked(engine: &Engine, component: &Component) -> Result<FilterPre<Meter>, LoadError> {
    let ty = component.component_type();
    let mut linker = Linker::new(&engine.wasmtime);
    let mut refused = Vec::new();
    for (import, item) in ty.imports(&engine.wasmtime) {
        if engine.grants().contains(&Grant::InertWasi) && inert_wasi::is_wasi(import) {
            inert_wasi::define(&mut linker, &engine.wasmtime, import, &item.ty)
                .map_err(|error| LoadError::Granted(import.to_owned(), format!("{error:#}")))?;
        } else {
            refused.push(import.to_owned());
        }
    }
    if !refused.is_empty() {
        return Err(LoadError::Imports(refused));
    }
    let exports: Vec<_> = ty.exports(&engine.wasmtime).map(|(name, _)| name.to_owned()).collect();
    if !exports.iter().any(|name| name == INTERFACE) {
        return Err(other_contract(&exports).unwrap_or(LoadError::Exports(exports)));
    }
    linker
        .instantiate_pre(component)
        .and_then(FilterPre::new)
        .map_err(|error| LoadError::Interface(format!("{error:#}")))
}

/// The error for a rule that speaks another version of the contract.
fn other_contract(exports: &[String]) -> Option<LoadError> {
    let (interface, spoken) = INTERFACE.split_once('@')?;
    let version =
        exports.iter().find_map(|name| name.strip_prefix(interface)?.strip_prefix('@'))?;
    let parse = |version| semver::Version::parse(version).ok();
    let newer = parse(version) > parse(spoken);
    Some(LoadError::Contract { version: version.to_owned(), newer })
}

/// Checks what a rule says of itself, the lengths first, and compiles the schema of its settings.
fn check(description: rule::Description) -> Result<(Description, SettingsSchema), String> {
    let rule::Description { name, version, settings_schema, keeps_state, rewrites } = description;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !(1..=MAX_NAME_BYTES).contains(&name.len()) || !name.chars().all(allowed) {
        let found = cut(&name, MAX_NAME_BYTES);
        return Err(format!(
            "its name must be 1 to {MAX_NAME_BYTES} of a-z, 0-9 and -, found {found:?}"
        ));
    }
    if version.len() > MAX_VERSION_BYTES {
        return Err(format!("its version has over {MAX_VERSION_BYTES} bytes"));
    }
    if let Err(error) = semver::Version::parse(&version) {
        return Err(format!("its version is not a semantic version: {error}, found {version:?}"));
    }
    if settings_schema.len() > MAX_SCHEMA_BYTES {
        return Err(format!("its settings schema has over {MAX_SCHEMA_BYTES} bytes"));
    }
    let schema = SettingsSchema::parse(&settings_schema)
        .map_err(|error| format!("its settings schema: {error}"))?;
    Ok((Description { name, version, settings_schema, keeps_state, rewrites }, schema))
}

/// Why a component was refused as a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It is no valid component.
    #[error("not a WebAssembly component: {0}")]
    NotAComponent(String),
    /// Compiling it takes more than [the compiler](crate::Compiler) may take.
    #[error(
        "compiling it takes {0}, more than rules of its size do; it can be compiled ahead (weir precompile)"
    )]
    Costly(String),
    /// [The compiler](crate::Compiler) fails on it.
    #[error("the compiler fails on it: {0}")]
    Compile(String),
    /// [The compiler](crate::Compiler) did not run. It is not the rule's fault.
    #[error("the compiler: {0}")]
    Compiler(String),
    /// It asks for something from outside.
    #[error("a rule imports nothing{}, this component imports {}", hint(.0), .0.join(", "))]
    Imports(Vec<String>),
    /// It is a rule, but of another version of the contract.
    #[error(
        "it speaks version {version} of the rule contract, this host {spoken}: {advice}",
        spoken = INTERFACE.rsplit('@').next().unwrap_or_default(),
        advice = if *newer { "run it with a newer weir" } else { "build it with this weir's SDK" }
    )]
    Contract {
        /// The version that it speaks.
        version: String,
        /// Whether that is newer than this host's.
        newer: bool,
    },
    /// What it asks for and is granted is not what goes by that name.
    #[error("its import {0} is another than this host's: {1}")]
    Granted(String, String),
    /// It does not export the interface of a rule.
    #[error("not a rule: it does not export {INTERFACE}, it exports {}", listed(.0))]
    Exports(Vec<String>),
    /// It exports an interface of that name, with other functions or types in it.
    #[error("not a rule: its {INTERFACE} is another than this host's: {0}")]
    Interface(String),
    /// The system cannot give what the memories of its instances begin as. It is not the rule's fault.
    #[error("the memory of its instances cannot be prepared: {0}")]
    Memory(String),
    /// It failed at describing itself.
    #[error("the rule does not describe itself: {0}")]
    Describe(Fault),
    /// Its description is not as the contract says.
    #[error("the rule's description is not valid: {0}")]
    Description(String),
}

impl From<NotCompiled> for LoadError {
    fn from(error: NotCompiled) -> Self {
        match error {
            NotCompiled::Invalid(why) => Self::NotAComponent(why),
            NotCompiled::Costly(what) => Self::Costly(what),
            NotCompiled::Failed(how) => Self::Compile(how),
            NotCompiled::Host(why) => Self::Compiler(why),
        }
    }
}

/// What to do about it: before the imports, which are many where there is an interpreter.
fn hint(imports: &[String]) -> &'static str {
    match imports.iter().all(|import| inert_wasi::is_wasi(import)) {
        true => " (WASI with nothing behind it can be granted: inert-wasi)",
        false => "",
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(name: String, version: String, settings_schema: &str) -> Result<(), String> {
        let settings_schema = settings_schema.to_owned();
        let (keeps_state, rewrites) = (false, false);
        check(rule::Description { name, version, settings_schema, keeps_state, rewrites }).map(drop)
    }

    #[test]
    fn what_a_rule_says_of_itself_is_as_long_as_allowed_and_no_longer() {
        let version = |bytes: usize| format!("1.0.0+{}", "a".repeat(bytes - 6));
        let name = |bytes: usize| "a".repeat(bytes);
        assert_eq!(described(name(64), version(128), "{}"), Ok(()));
        for (name, version) in [
            (name(1), version(129)),
            (name(1), version(10 << 20)),
            (name(65), version(9)),
            (name(10 << 20), version(9)),
        ] {
            let error = described(name, version, "{}").expect_err("too long");
            assert!(error.len() < 200, "{error}");
        }
    }

    #[test]
    fn a_settings_schema_is_one() {
        for schema in ["", r#"{"type": "numbre"}"#, r##"{"$ref": "#/$defs/missing"}"##] {
            let error = described("a".to_owned(), "1.0.0".to_owned(), schema);
            assert!(error.expect_err("no schema").starts_with("its settings schema: "), "{schema}");
        }
    }
}
