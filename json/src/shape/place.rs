//! Where the values are that a document is searched for.

/// Where a value begins and ends: the addresses.
pub(crate) type Place = (usize, usize);

/// The place of a value of a buffer, between two offsets.
#[inline(always)]
pub(super) fn place(buffer: &[u8], start: usize, end: usize) -> Place {
    let address = |at: usize| buffer.as_ptr().wrapping_add(at).addr();
    (address(start), address(end))
}

/// The places of the values that are looked for.
pub(super) trait Places {
    /// Notes one of them.
    fn note(&mut self, field: u8, place: Place);
}

impl Places for Place {
    #[inline(always)]
    fn note(&mut self, _: u8, place: Place) {
        *self = place;
    }
}

impl Places for &mut [Place] {
    #[inline(always)]
    fn note(&mut self, field: u8, place: Place) {
        self[usize::from(field)] = place;
    }
}
