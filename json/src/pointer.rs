use std::fmt;

/// A JSON Pointer (RFC 6901): where in a document a value is.
///
/// `/a/0` names the first element of what the root's member `a` holds. Within a token `~1` stands
/// for `/` and `~0` for `~`. The empty pointer names the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    text: String,
    tokens: Vec<Token>,
}

/// One step of a pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// The member that the step takes in an object.
    pub(crate) key: String,
    /// The element that the step takes in an array, if it can take any.
    pub(crate) index: Option<usize>,
}

impl Pointer {
    /// Reads a pointer as RFC 6901 writes it.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        let mut tokens = Vec::new();
        if let Some(steps) = text.strip_prefix('/') {
            let mut offset = 1;
            for step in steps.split('/') {
                tokens.push(Token::parse(step, offset)?);
                offset += step.len() + 1;
            }
        } else if !text.is_empty() {
            return Err(PointerError::NoSlash);
        }
        Ok(Self { text: text.to_owned(), tokens })
    }

    /// The pointer to the member `key` of the root.
    pub fn to_member(key: &str) -> Self {
        let index = index(key);
        let text = format!("/{}", key.replace('~', "~0").replace('/', "~1"));
        Self { text, tokens: vec![Token { key: key.to_owned(), index }] }
    }

    /// The key of the root's member that it leads to; none if it leads elsewhere.
    pub fn as_member(&self) -> Option<&str> {
        match &*self.tokens {
            [token] => Some(&token.key),
            _ => None,
        }
    }

    /// The pointer as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn tokens(&self) -> &[Token] {
        &self.tokens
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Token {
    /// Reads the token `step`, which begins at `offset` in its pointer.
    fn parse(step: &str, offset: usize) -> Result<Self, PointerError> {
        let mut key = step.to_owned();
        if step.contains('~') {
            for (at, _) in step.match_indices('~') {
                if !matches!(step.as_bytes().get(at + 1), Some(b'0' | b'1')) {
                    return Err(PointerError::Escape(offset + at));
                }
            }
            // In this order: `~01` is `~1`, not `/`.
            key = step.replace("~1", "/").replace("~0", "~");
        }
        let index = index(&key);
        Ok(Self { key, index })
    }
}

/// An array index: decimal digits without a leading zero.
fn index(key: &str) -> Option<usize> {
    let digits = key.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = key.len() > 1 && key.starts_with('0');
    if digits && !leading_zero { key.parse().ok() } else { None }
}

/// Why a text is not a JSON Pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointerError {
    /// The pointer is neither empty nor does it begin with `/`.
    NoSlash,
    /// The `~` at this offset, in bytes, is not followed by `0` or `1`.
    Escape(usize),
}

impl fmt::Display for PointerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSlash => f.write_str("a JSON Pointer begins with '/'"),
            Self::Escape(at) => {
                write!(f, "the '~' at byte {at} of the JSON Pointer is not followed by '0' or '1'")
            }
        }
    }
}

impl std::error::Error for PointerError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<String> {
        let pointer = Pointer::parse(text).expect("a pointer");
        assert_eq!(pointer.as_str(), text);
        assert_eq!(pointer.to_string(), text);
        pointer.tokens.into_iter().map(|token| token.key).collect()
    }

    #[test]
    fn splits_and_unescapes() {
        assert_eq!(keys(""), Vec::<String>::new());
        assert_eq!(keys("/"), [""]);
        assert_eq!(keys("/a//b"), ["a", "", "b"]);
        assert_eq!(keys("/a~1b/c~0d/~01"), ["a/b", "c~d", "~1"]);
    }

    #[test]
    fn leads_to_a_member() {
        for (key, text) in [("", "/"), ("pulse", "/pulse"), ("a/b~1", "/a~1b~01"), ("0", "/0")] {
            let pointer = Pointer::to_member(key);
            assert_eq!(Pointer::parse(text), Ok(pointer.clone()));
            assert_eq!(pointer.as_member(), Some(key));
        }
        for text in ["", "/a/b"] {
            assert_eq!(Pointer::parse(text).expect("a pointer").as_member(), None);
        }
    }

    #[test]
    fn knows_array_indices() {
        let index_of = |text| Pointer::parse(text).expect("a pointer").tokens[0].index;
        assert_eq!(index_of("/0"), Some(0));
        assert_eq!(index_of("/12"), Some(12));
        for text in ["/", "/00", "/01", "/+1", "/-", "/-1", "/1x", "/99999999999999999999999"] {
            assert_eq!(index_of(text), None, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_pointer() {
        assert_eq!(Pointer::parse("a"), Err(PointerError::NoSlash));
        assert_eq!(Pointer::parse("/a/~"), Err(PointerError::Escape(3)));
        assert_eq!(Pointer::parse("/~0/b~2"), Err(PointerError::Escape(5)));
    }
}
