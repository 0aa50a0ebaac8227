//! Detached signatures of rules: what `ssh-keygen -Y sign -n weir` makes (SSHSIG, as OpenSSH's
//! `PROTOCOL.sshsig` has it), over the component's bytes.

use std::time::SystemTime;

use ssh_key::{HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};

use super::scheme::{KINDS, NAMESPACE, is_held_by_hardware, is_supported};
use super::signers::{AllowedSigners, NotAllowed, Signer};

/// The longest signature that is looked at, in bytes: those of all keys are far shorter.
pub const MAX_SIGNATURE_BYTES: usize = 16 << 10;

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
    if armored.len() > MAX_SIGNATURE_BYTES {
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

/// How `ssh-key` says that something is too short. The error's type is of a crate below it.
const TOO_SHORT: &str = "length invalid";

/// A private key that signs rules.
#[derive(Debug)]
pub struct SigningKey(PrivateKey);

impl SigningKey {
    /// Reads a private key, as `ssh-keygen` keeps it.
    ///
    /// # Errors
    ///
    /// If it is encrypted, of a kind that cannot be used here, or no key.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidKey> {
        let key = PrivateKey::from_openssh(text).map_err(|error| match error {
            ssh_key::Error::Encoding(what) if what.to_string() == TOO_SHORT => InvalidKey::Short,
            error => InvalidKey::NotAKey(error.to_string()),
        })?;
        if key.is_encrypted() {
            return Err(InvalidKey::Encrypted);
        }
        if is_held_by_hardware(&key.algorithm()) {
            return Err(InvalidKey::Hardware(key.algorithm().to_string()));
        }
        if !is_supported(&key.algorithm()) {
            return Err(InvalidKey::Unsupported(key.algorithm().to_string()));
        }
        Ok(Self(key))
    }

    /// Signs a component. Answers with the content of a file `RULE.wasm.sig`, which `ssh-keygen -Y
    /// verify` takes as well. The same key and component give the same signature.
    ///
    /// # Errors
    ///
    /// If the key is damaged, so that no signature can be made with it.
    pub fn sign(&self, component: &[u8]) -> Result<String, InvalidKey> {
        self.0
            .sign(NAMESPACE, HashAlg::Sha512, component)
            .and_then(|signature| signature.to_pem(LineEnding::LF))
            .map_err(|error| InvalidKey::NotAKey(error.to_string()))
    }

    /// The fingerprint of its public key, as `ssh-keygen -l` shows it: `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }
}

/// Why a key cannot sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// The key needs its passphrase.
    #[error(
        "the key is encrypted; ssh-keygen asks for its passphrase, or an agent that holds it: \
         `ssh-keygen -Y sign -n {NAMESPACE} -f KEY RULE.wasm` makes the same signature"
    )]
    Encrypted,
    /// A hardware token holds it.
    #[error(
        "keys of the kind {0} are held by a hardware token, which signs with `ssh-keygen -Y sign -n \
         {NAMESPACE} -f KEY RULE.wasm`"
    )]
    Hardware(String),
    /// Signatures of its kind cannot be checked.
    #[error("keys of the kind {0} cannot sign rules: use {KINDS}")]
    Unsupported(String),
    /// Its number begins with zeros, and is written without them: `ssh-key` does not read such keys.
    #[error(
        "the key is cut off, or one of the ECDSA keys, 1 in 256, that cannot be read here: make another, \
         or sign with `ssh-keygen -Y sign -n {NAMESPACE} -f KEY RULE.wasm`"
    )]
    Short,
    /// It is no private key.
    #[error("not a private key of OpenSSH's, {KINDS}: {0}")]
    NotAKey(String),
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ssh_key::private::Ed25519Keypair;

    use super::*;

    const RULE: &[u8] = b"a rule";

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
    }

    fn signature(seed: u8, namespace: &str) -> String {
        let signed = key(seed).sign(namespace, HashAlg::Sha256, RULE).expect("a signature");
        signed.to_pem(LineEnding::LF).expect("text")
    }

    /// A file that allows the key of seed 1, with options.
    fn signers(options: &str) -> AllowedSigners {
        let public = key(1).public_key().to_openssh().expect("text");
        AllowedSigners::parse(&format!("ada@example.org {options} {public}")).expect("signers")
    }

    /// At the beginning of 2026.
    fn verify_rule(
        component: &[u8],
        signature: Option<&str>,
        signers: &AllowedSigners,
    ) -> Result<Signer, SignatureError> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        verify_at(component, signature.map(str::as_bytes), signers, now)
    }

    fn refused(component: &[u8], signature: Option<&str>, options: &str) -> String {
        let refused = verify_rule(component, signature, &signers(options));
        refused.expect_err("a signature that does not count").to_string()
    }

    #[test]
    fn a_signature_of_an_allowed_key_counts_and_names_the_signer() {
        let signer = verify_rule(RULE, Some(&signature(1, NAMESPACE)), &signers(""));
        let fingerprint = key(1).fingerprint(HashAlg::Sha256).to_string();
        let expected = Signer { principals: "ada@example.org".to_owned(), fingerprint };
        assert_eq!(signer, Ok(expected));
    }

    #[test]
    fn what_is_not_signed_is_refused_where_signers_are() {
        assert!(refused(RULE, None, "").contains("weir sign"));
    }

    #[test]
    fn a_signature_of_another_key_is_refused_by_its_fingerprint() {
        let error = refused(RULE, Some(&signature(2, NAMESPACE)), "");
        let fingerprint = key(2).fingerprint(HashAlg::Sha256).to_string();
        assert!(error.contains(&fingerprint) && error.contains("not among the signers"), "{error}");
    }

    #[test]
    fn a_signature_over_other_bytes_is_refused() {
        let signature = signature(1, NAMESPACE);
        for other in [&b"another rule"[..], &RULE[..RULE.len() - 1], b""] {
            let error = verify_rule(other, Some(&signature), &signers(""));
            assert_eq!(error, Err(SignatureError::OtherBytes));
        }
    }

    /// One that claims the allowed key, and was made by another.
    #[test]
    fn a_signature_under_the_name_of_another_key_is_refused() {
        let made = key(2).sign(NAMESPACE, HashAlg::Sha256, RULE).expect("a signature");
        let public = key(1).public_key().key_data().clone();
        let forged =
            SshSig::new(public, NAMESPACE, HashAlg::Sha256, made.signature().clone()).expect("one");
        let forged = forged.to_pem(LineEnding::LF).expect("text");
        let error = verify_rule(RULE, Some(&forged), &signers(""));
        assert_eq!(error, Err(SignatureError::OtherBytes));
    }

    #[test]
    fn a_signature_for_something_else_is_refused() {
        let error = refused(RULE, Some(&signature(1, "git")), "");
        assert!(error.contains("\"git\"") && error.contains("-n weir"), "{error}");
    }

    #[test]
    fn a_damaged_signature_is_refused_wherever_it_is_cut() {
        let (whole, signers) = (signature(1, NAMESPACE), signers(""));
        for length in 0..whole.trim_end().len() {
            let error = verify_rule(RULE, Some(&whole[..length]), &signers);
            assert!(matches!(error, Err(SignatureError::Damaged(_))), "{length}: {error:?}");
        }
        let long = whole + &"x".repeat(MAX_SIGNATURE_BYTES);
        assert!(refused(RULE, Some(&long), "").contains("too long"));
    }

    #[test]
    fn a_key_counts_while_it_is_valid() {
        let signature = signature(1, NAMESPACE);
        let check = |options| verify_rule(RULE, Some(&signature), &signers(options));
        for options in [
            "valid-after=\"20260101Z\"",
            "valid-before=\"20260101000000Z\"",
            "valid-after=\"20251231Z\",valid-before=\"202601010001Z\"",
        ] {
            assert!(check(options).is_ok(), "{options}");
        }
        let expired = refused(RULE, Some(&signature), "valid-before=\"20251231235959Z\"");
        assert!(expired.contains("ada@example.org"), "{expired}");
        assert!(expired.ends_with("may not sign after 20251231235959Z"), "{expired}");
        let early = refused(RULE, Some(&signature), "valid-after=\"20260101000001Z\"");
        assert!(early.ends_with("may not sign before 20260101000001Z"), "{early}");
    }

    #[test]
    fn a_key_counts_for_the_namespaces_of_its_line() {
        let signature = signature(1, NAMESPACE);
        let check = |options| verify_rule(RULE, Some(&signature), &signers(options));
        assert!(check("namespaces=\"git,weir\"").is_ok());
        let error = refused(RULE, Some(&signature), "namespaces=\"git,file\"");
        assert!(error.contains("only for git, file"), "{error}");
    }

    #[test]
    fn a_key_signs() {
        let text = key(1).to_openssh(LineEnding::LF).expect("text");
        let signing = SigningKey::parse(text.as_bytes()).expect("a key");
        let signature = signing.sign(RULE).expect("a signature");
        let signer = verify_rule(RULE, Some(&signature), &signers("")).expect("its own signature");
        assert_eq!(signer.fingerprint, signing.fingerprint());
    }

    #[test]
    fn what_is_no_private_key_is_refused() {
        let public = key(1).public_key().to_openssh().expect("text");
        for text in ["", "-----BEGIN OPENSSH PRIVATE KEY-----", &public] {
            let error = SigningKey::parse(text.as_bytes()).expect_err("no private key");
            assert!(matches!(error, InvalidKey::NotAKey(_)), "{text}: {error}");
        }
    }
}
