/// The containers that are open at a place: below the highest bit that is set one bit for each, the
/// innermost lowest, which is set for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Containers(u64);

impl Containers {
    /// None is open.
    pub(super) const NONE: Self = Self(1);

    /// Which are open is not told: more than there are bits for, or once were. No others equal these.
    pub(super) const UNKNOWN: Self = Self(0);

    /// With one more.
    pub(super) fn with(self, is_object: bool) -> Self {
        let has_room = self.0.leading_zeros() > 0 && self != Self::UNKNOWN;
        if has_room { Self(self.0 << 1 | u64::from(is_object)) } else { Self::UNKNOWN }
    }

    /// Without the innermost.
    pub(super) fn without(self) -> Self {
        Self(self.0 >> 1)
    }

    /// Whether the innermost is an object.
    pub(super) fn is_object(self) -> bool {
        self != Self::NONE && self.0 & 1 == 1
    }

    /// Whether the root is open, which is an object, and nothing else.
    pub(super) fn are_root_object(self) -> bool {
        self == Self::NONE.with(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_told_apart_down_to_a_depth() {
        let mut open = Containers::NONE;
        let mut seen = vec![open];
        for depth in 0..63 {
            let is_object = depth % 3 == 0;
            assert_ne!(open.with(is_object), open.with(!is_object));
            open = open.with(is_object);
            assert_eq!(open.is_object(), is_object);
            assert!(!seen.contains(&open));
            seen.push(open);
        }
        for expected in seen.iter().rev() {
            assert_eq!(open, *expected);
            open = open.without();
        }
        let deepest = *seen.last().expect("containers");
        let unknown = deepest.with(true);
        assert_eq!([unknown, unknown.with(false), unknown.without()], [Containers::UNKNOWN; 3]);
    }
}
