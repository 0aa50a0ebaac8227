/// Why an alert, or a dead letter, is not confirmed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// It can never be published as it is.
    #[error("not published: {0}")]
    Rejected(String),
    /// The destination takes nothing until somebody mends it or the right to publish to it. Another
    /// attempt now is of no use; the record itself is not at fault.
    #[error("not published: {0}")]
    Refused(String),
    /// It may or may not have been published; another attempt may succeed.
    #[error("publishing was not confirmed: {0}")]
    Unconfirmed(String),
}

impl PublishError {
    /// Whether no other attempt can succeed, because of the alert itself.
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Rejected(_))
    }
}
