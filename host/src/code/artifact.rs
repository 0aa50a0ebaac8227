use std::fmt;
use std::hash::{Hash, Hasher};

use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::wrapper;

/// Says what a file is, and in which layout: this line, the digest of all that follows it, the key,
/// the code.
const MAGIC: &[u8] = b"weir native code 1\n";

const DIGEST_BYTES: usize = 32;

/// What native code was made from: the component, the version of the engine, all settings that code
/// depends on, the features of the processor among them, and the wrappers that are known: they decide
/// what of a component is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key([u8; DIGEST_BYTES]);

/// How the names of files end that hold native code.
#[cfg(unix)]
const ENDING: &str = ".cwasm";

impl Key {
    pub(super) fn new(engine: &wasmtime::Engine, component: Digest) -> Self {
        let mut settings = HashOf(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut settings);
        let known = wrapper::KNOWN.as_flattened();
        let key = settings.0.chain_update(known).chain_update(component.as_bytes()).finalize();
        Self(key.into())
    }

    /// The name of the file for its code.
    #[cfg(unix)]
    pub(super) fn file_name(&self) -> String {
        format!("{self}{ENDING}")
    }

    /// Whether it is the name of the file of a key.
    #[cfg(unix)]
    pub(super) fn names(file_name: &str) -> bool {
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        file_name
            .strip_suffix(ENDING)
            .is_some_and(|key| key.len() == 2 * DIGEST_BYTES && key.bytes().all(is_digit))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Feeds what is hashed to SHA-256, of which no two machines that share an artifact differ.
struct HashOf(Sha256);

impl Hasher for HashOf {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash is longer than this: it is taken from the inside.
    fn finish(&self) -> u64 {
        unreachable!("nothing asks for the short hash")
    }
}

/// Native code as it lies in a file, known to be whole and to be that of a key.
#[derive(Debug)]
pub(super) struct Artifact(Vec<u8>);

impl Artifact {
    const CODE: usize = MAGIC.len() + 2 * DIGEST_BYTES;

    pub(super) fn new(key: &Key, code: &[u8]) -> Self {
        let digest = Sha256::new().chain_update(key.0).chain_update(code).finalize();
        Self([MAGIC, &digest[..], &key.0, code].concat())
    }

    /// Checks what was read from a file.
    pub(super) fn check(bytes: Vec<u8>, key: &Key) -> Result<Self, NotTheCode> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(NotTheCode::Foreign)?;
        let (digest, rest) = rest.split_at_checked(DIGEST_BYTES).ok_or(NotTheCode::Damaged)?;
        if Sha256::digest(rest)[..] != *digest {
            return Err(NotTheCode::Damaged);
        }
        if !rest.starts_with(&key.0) {
            return Err(NotTheCode::Stale);
        }
        Ok(Self(bytes))
    }

    pub(super) fn code(&self) -> &[u8] {
        &self.0[Self::CODE..]
    }

    /// As it goes to a file.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Why the content of a file is not the native code that was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotTheCode {
    #[error("it holds no native code of Weir's")]
    Foreign,
    #[error("it is damaged")]
    Damaged,
    #[error("it is of another rule, another version of Weir or another kind of machine")]
    Stale,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codegen;

    const KEY: Key = Key([7; DIGEST_BYTES]);

    fn key(config: &wasmtime::Config, component: &[u8]) -> Key {
        Key::new(&wasmtime::Engine::new(config).expect("an engine"), Digest::of(component))
    }

    #[test]
    fn a_key_is_that_of_the_component_and_of_the_settings() {
        let config = || codegen::config(None).expect("settings");
        assert_eq!(key(&config(), b"rule"), key(&config(), b"rule"));
        assert_ne!(key(&config(), b"rule"), key(&config(), b"another"));
        let mut other = config();
        other.epoch_interruption(false);
        assert_ne!(key(&config(), b"rule"), key(&other, b"rule"));
        other = config();
        other.cranelift_nan_canonicalization(false);
        assert_ne!(key(&config(), b"rule"), key(&other, b"rule"));
    }

    /// Or else code would be found that is of a core module whose wrapper is no longer known.
    #[test]
    fn a_key_is_that_of_the_wrappers_that_are_known() {
        let config = codegen::config(None).expect("settings");
        let engine = wasmtime::Engine::new(&config).expect("an engine");
        let mut settings = HashOf(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut settings);
        let component = Digest::of(b"rule");
        let without = settings.0.chain_update(component.as_bytes()).finalize();
        assert_ne!(Key::new(&engine, component), Key(without.into()));
    }

    /// Or else code that was compiled ahead would not be found on another machine.
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    #[test]
    fn a_key_is_the_same_on_every_machine_of_a_kind() {
        let here = codegen::config(None).expect("settings");
        let there = codegen::config(Some("x86_64-unknown-linux-gnu")).expect("settings");
        assert_eq!(key(&here, b"rule"), key(&there, b"rule"));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_of_a_key_is_known_by_its_name() {
        assert!(Key::names(&KEY.file_name()));
        assert!(!Key::names(&KEY.to_string()));
        assert!(!Key::names(&KEY.file_name()[1..]));
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = Artifact::new(&KEY, b"code").into_bytes();
        assert_eq!(Artifact::check(bytes, &KEY).expect("an artifact").code(), b"code");
    }

    #[test]
    fn no_bit_may_differ() {
        let bytes = Artifact::new(&KEY, b"code").into_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Artifact::check(flipped, &KEY).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn no_byte_may_be_missing() {
        let bytes = Artifact::new(&KEY, b"code").into_bytes();
        for length in 0..bytes.len() {
            assert!(Artifact::check(bytes[..length].to_vec(), &KEY).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn another_key_is_stale() {
        let bytes = Artifact::new(&KEY, b"code").into_bytes();
        let other = Key([8; DIGEST_BYTES]);
        assert_eq!(Artifact::check(bytes, &other).expect_err("stale"), NotTheCode::Stale);
    }
}
