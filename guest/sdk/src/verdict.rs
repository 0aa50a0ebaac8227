/// A rule's answer for one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing to notice: the record goes on its way.
    Pass,
    /// To be published.
    Flag(Flag),
    /// To be left out of the stream, where the stream's contract knows how to.
    Drop,
    /// The record cannot be classified: why, for a person to read, without a word of the payload.
    Fail(String),
}

/// What to publish for a flagged record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flag {
    /// The score that made the rule flag it; finite.
    pub score: Option<f64>,
    /// The bound that the score crossed.
    pub crossed: Option<Bound>,
    /// The message's subject; the host's own where there is none.
    pub subject: Option<String>,
    /// The message; the decoded payload where there is none.
    pub message: Option<String>,
}

/// Which bound a score crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// The contract's numbers.
#[repr(u8)]
pub enum Bound {
    /// It is too high.
    Upper,
    /// It is too low.
    Lower,
}
