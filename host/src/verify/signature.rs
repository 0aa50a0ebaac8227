//! Detached signatures of rules: what `ssh-keygen -Y sign -n weir` makes (SSHSIG, as OpenSSH's
//! `PROTOCOL.sshsig` has it), over the component's bytes.

use std::time::SystemTime;

use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};

use super::signers::{AllowedSigners, NotAllowed, Signer};

/// What signatures of rules are made for, so that none made for anything else is taken for one:
/// `ssh-keygen -Y sign -n weir`.
pub const NAMESPACE: &str = "weir";

/// The longest signature that is looked at, in bytes: those of all keys are far shorter.
const MAX_BYTES: usize = 16 << 10;

/// Checks a component's signature. Answers with who made it.
pub(super) fn verify(
    component: &[u8],
    signature: Option<&[u8]>,
    signers: &AllowedSigners,
) -> Result<Signer, SignatureError> {
    verify_at(component, signature, signers, SystemTime::now())
}

fn verify_at(
    component: &[u8],
    signature: Option<&[u8]>,
    signers: &AllowedSigners,
    now: SystemTime,
) -> Result<Signer, SignatureError> {
    let armored = signature.ok_or(SignatureError::Unsigned)?;
    if armored.len() > MAX_BYTES {
        return Err(SignatureError::Damaged("it is too long".to_owned()));
    }
    let signature =
        SshSig::from_pem(armored).map_err(|error| SignatureError::Damaged(error.to_string()))?;
    if signature.namespace() != NAMESPACE {
        return Err(SignatureError::Namespace(signature.namespace().to_owned()));
    }
    let key = PublicKey::from(signature.public_key().clone());
    let signer = signers.find(&key, now)?;
    // A crate that cannot check a signature and one that does not match are the same to it.
    key.verify(NAMESPACE, component, &signature).map_err(|_| SignatureError::OtherBytes)?;
    Ok(signer)
}

/// Why a component's signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SignatureError {
    #[error(
        "it is not signed, and signers are demanded: `weir sign` makes RULE.wasm.sig beside it"
    )]
    Unsigned,
    #[error("the signature is damaged or not one of OpenSSH's: {0}")]
    Damaged(String),
    #[error("it is signed for {0:?}, not for {NAMESPACE:?} (ssh-keygen -Y sign -n {NAMESPACE})")]
    Namespace(String),
    #[error("{0}")]
    NotAllowed(#[from] NotAllowed),
    #[error("it does not match: the rule was changed since it was signed, or is not whole")]
    OtherBytes,
}

/// Signs a component with a private key as `ssh-keygen` keeps it. Answers with the content of a file
/// `RULE.wasm.sig`, which `ssh-keygen -Y verify` takes as well.
///
/// # Errors
///
/// If the key is encrypted, of a kind that cannot be used here, or no key.
pub fn sign(component: &[u8], private_key: &[u8]) -> Result<String, SignError> {
    let unreadable = |error: ssh_key::Error| SignError::NotAKey(error.to_string());
    let key = PrivateKey::from_openssh(private_key).map_err(unreadable)?;
    if key.is_encrypted() {
        return Err(SignError::Encrypted);
    }
    if !is_supported(&key.algorithm()) || is_held_by_hardware(&key.algorithm()) {
        return Err(SignError::Unsupported(key.algorithm().to_string()));
    }
    key.sign(NAMESPACE, HashAlg::Sha512, component)
        .and_then(|signature| signature.to_pem(LineEnding::LF))
        .map_err(unreadable)
}

/// Whether signatures of such keys can be checked.
pub(super) fn is_supported(algorithm: &Algorithm) -> bool {
    use ssh_key::EcdsaCurve::{NistP256, NistP384};
    matches!(
        algorithm,
        Algorithm::Ed25519
            | Algorithm::SkEd25519
            | Algorithm::SkEcdsaSha2NistP256
            | Algorithm::Ecdsa { curve: NistP256 | NistP384 }
    )
}

fn is_held_by_hardware(algorithm: &Algorithm) -> bool {
    matches!(algorithm, Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256)
}

/// Why a component could not be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The key needs its passphrase.
    #[error(
        "the key is encrypted; ssh-keygen asks for its passphrase, or an agent that holds it: \
         `ssh-keygen -Y sign -n {NAMESPACE} -f KEY RULE.wasm` makes the same signature"
    )]
    Encrypted,
    /// It is of a kind that cannot be used here.
    #[error(
        "keys of the kind {0} cannot sign here: use ed25519 or ecdsa; what a hardware token holds \
         signs with `ssh-keygen -Y sign -n {NAMESPACE} -f KEY RULE.wasm`"
    )]
    Unsupported(String),
    /// It is no private key.
    #[error("not a private key of OpenSSH's: {0}")]
    NotAKey(String),
}
