//! What signatures of rules are: those of OpenSSH, for one purpose and with keys of some kinds.

use ssh_key::Algorithm;

/// What signatures of rules are made for, so that none made for anything else is taken for one:
/// `ssh-keygen -Y sign -n weir`.
pub const NAMESPACE: &str = "weir";

/// The kinds of keys whose signatures can be checked, for a person to read.
pub(super) const KINDS: &str = "ed25519 or ecdsa (P-256, P-384)";

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

/// Whether the secret half of such a key cannot leave its token.
pub(super) fn is_held_by_hardware(algorithm: &Algorithm) -> bool {
    matches!(algorithm, Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256)
}
