use crate::pointer::{Pointer, Token};
use crate::run::Watched;
use crate::{Kind, string};

/// The way along a pointer through the document that is being scanned.
///
/// The containers on the way are nested in each other, so one number tells how far the way is
/// open: the depth of the innermost of them.
pub(crate) struct Path<'p> {
    tokens: &'p [Token],
    /// The depth of the innermost open container on the way. 0: none is open.
    depth: u32,
    /// Elements to pass in that container, if it is an array, before the one on the way.
    pass: usize,
    /// The value that comes next is on the way.
    next: bool,
    /// The last value found at the way's end; a container that is still open has no end yet.
    found: Option<Span>,
}

/// Where a value is: `start..end`, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl<'p> Path<'p> {
    pub(crate) fn new(pointer: &'p Pointer) -> Self {
        Self { tokens: pointer.tokens(), depth: 0, pass: usize::MAX, next: true, found: None }
    }

    /// The key that is on the way in an object at `depth`, if there is one.
    #[inline(always)]
    pub(crate) fn watched(&self, depth: u32) -> Option<Watched<'p>> {
        let token = self.token().filter(|_| depth == self.depth)?;
        Some(Watched { key: token.key.as_bytes(), reaches: self.at_end() })
    }

    /// The value of a key on the way, a number that a run has passed.
    #[inline(always)]
    pub(crate) fn passed(&mut self, start: usize, end: usize) {
        self.found = Some(Span { kind: Kind::Number, start, end });
    }

    /// Whether an element of an array at `depth` may be on the way.
    #[inline(always)]
    pub(crate) fn watches(&self, depth: u32) -> bool {
        depth == self.depth && self.token().is_some()
    }

    /// A member's key, in an object at `depth`: the text between the quotes.
    #[inline(always)]
    pub(crate) fn key(&mut self, depth: u32, key: &[u8], escaped: bool) {
        if depth == self.depth
            && let Some(token) = self.token()
        {
            let same = if escaped {
                string::unescapes_to(key, token.key.as_bytes())
            } else {
                string::equal(key, token.key.as_bytes())
            };
            if same {
                // Of members with the same key the last one counts.
                self.found = None;
                self.next = true;
            }
        }
    }

    /// An element begins, in an array at `depth`.
    #[inline(always)]
    pub(crate) fn element(&mut self, depth: u32) {
        if depth == self.depth {
            self.next = self.pass == 0;
            self.pass = self.pass.wrapping_sub(1);
        }
    }

    /// A value that is no container.
    #[inline(always)]
    pub(crate) fn scalar(&mut self, kind: Kind, start: usize, end: usize) {
        if self.next {
            self.next = false;
            if self.at_end() {
                self.found = Some(Span { kind, start, end });
            }
        }
    }

    /// A container begins.
    #[inline(always)]
    pub(crate) fn open(&mut self, kind: Kind, start: usize) {
        if self.next {
            self.next = false;
            if self.at_end() {
                self.found = Some(Span { kind, start, end: start });
            }
            self.depth += 1;
            self.pass = self.token().and_then(|token| token.index).unwrap_or(usize::MAX);
        }
    }

    /// The container at `depth` ends.
    #[inline(always)]
    pub(crate) fn close(&mut self, depth: u32, end: usize) {
        if depth == self.depth {
            self.depth -= 1;
            if self.at_end()
                && let Some(found) = &mut self.found
            {
                found.end = end;
            }
            // In an array no other element is on the way.
            self.pass = usize::MAX;
        }
    }

    /// The value at the way's end, once the document has been scanned.
    pub(crate) fn found(&self) -> Option<Span> {
        self.found
    }

    /// Whether a value within the innermost open container on the way is at the way's end.
    #[inline(always)]
    fn at_end(&self) -> bool {
        self.depth as usize == self.tokens.len()
    }

    /// The step that leads on from the innermost open container. None beyond the way's end.
    #[inline(always)]
    fn token(&self) -> Option<&'p Token> {
        self.tokens.get((self.depth as usize).wrapping_sub(1))
    }
}
