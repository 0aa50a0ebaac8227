/// The memory for the arguments of one call. All are released at once, and their memory serves the
/// next call: the arguments of one batch are as large as those of the other.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// In words, because nothing is aligned to more. Words are never read.
    block: Vec<u64>,
    /// How many bytes of the block are taken.
    taken: usize,
    /// What did not fit into the block.
    others: Vec<Vec<u64>>,
    /// How many bytes a block must have for all that could not be in the last one.
    wanted: usize,
}

/// How many bytes the first block has in addition to what was asked for, at the most.
const MOST_MORE: usize = 16 << 10;

impl Arguments {
    pub(crate) const fn new() -> Self {
        Self { block: Vec::new(), taken: 0, others: Vec::new(), wanted: 0 }
    }

    /// Memory of so many bytes, at a multiple of `align`, which is 8 at the most. It stays where it is
    /// until it is released.
    pub(crate) fn take(&mut self, bytes: usize, align: usize) -> *mut u8 {
        let start = self.taken.next_multiple_of(align);
        let end = start.saturating_add(bytes);
        if end <= size_of::<u64>() * self.block.capacity() {
            self.taken = end;
            return self.block.as_mut_ptr().cast::<u8>().wrapping_add(start);
        }
        if self.taken == 0 {
            // The old block goes first: the new one may take its place.
            self.block = Vec::new();
            // Behind the payloads of a batch comes where they end, which mostly is little beside them.
            let more = (bytes / 16).min(MOST_MORE);
            self.block = words(self.wanted.max(bytes.saturating_add(more)));
            self.taken = bytes;
            return self.block.as_mut_ptr().cast();
        }
        let mut other = words(bytes);
        let address = other.as_mut_ptr().cast();
        self.others.push(other);
        address
    }

    /// Where all can lie that is taken once these are released, if it is no more than so many bytes.
    pub(crate) fn room(&self) -> (usize, usize) {
        (self.block.as_ptr().expose_provenance(), size_of::<u64>() * self.block.capacity())
    }

    /// Releases all.
    pub(crate) fn release(&mut self) {
        if !self.others.is_empty() {
            let others = self.others.drain(..).map(|other| size_of::<u64>() * other.capacity());
            self.wanted = others.sum::<usize>() + self.taken.next_multiple_of(size_of::<u64>());
            self.block = Vec::new();
        }
        self.taken = 0;
    }
}

/// Memory of so many bytes.
fn words(bytes: usize) -> Vec<u64> {
    Vec::with_capacity(bytes.div_ceil(size_of::<u64>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Has so many bytes, each at a multiple of the number beside it, written and read back.
    fn take(arguments: &mut Arguments, sizes: &[(usize, usize)]) -> Vec<usize> {
        let addresses: Vec<_> =
            sizes.iter().map(|&(bytes, align)| arguments.take(bytes, align)).collect();
        for (n, (&address, &(bytes, align))) in addresses.iter().zip(sizes).enumerate() {
            assert!(address.addr().is_multiple_of(align), "{address:?} for {bytes} bytes");
            // SAFETY: it is memory of so many bytes.
            unsafe { address.write_bytes(n as u8, bytes) };
        }
        for (n, (&address, &(bytes, _))) in addresses.iter().zip(sizes).enumerate() {
            // SAFETY: it was written above, and nothing was released.
            let written = unsafe { std::slice::from_raw_parts(address, bytes) };
            assert!(written.iter().all(|&byte| byte == n as u8), "{n} of {sizes:?}");
        }
        addresses.iter().map(|address| address.addr()).collect()
    }

    #[test]
    fn arguments_lie_apart_and_aligned() {
        let mut arguments = Arguments::new();
        for sizes in [
            &[(13, 1)][..],
            &[(1001, 1), (40, 4)],
            &[(1001, 1), (400, 4)],
            &[(0, 1), (0, 4)],
            &[(0, 1), (17, 1), (3, 1), (8, 8), (5000, 4), (2, 2)],
            &[(7, 1), (40, 4)],
        ] {
            take(&mut arguments, sizes);
            arguments.release();
        }
    }

    #[test]
    fn their_memory_serves_the_next_call() {
        let mut arguments = Arguments::new();
        let sizes = [(1001, 1), (400, 4)];
        take(&mut arguments, &sizes);
        arguments.release();
        // Now one block is made that holds both.
        let second = take(&mut arguments, &sizes);
        arguments.release();
        assert!(arguments.others.is_empty() && arguments.block.capacity() > 0);
        assert_eq!(take(&mut arguments, &sizes), second);
        arguments.release();
        let smaller = take(&mut arguments, &[(500, 1), (20, 4)]);
        assert_eq!(smaller[0], second[0]);
    }

    #[test]
    fn there_is_room_where_the_next_arguments_would_lie() {
        let mut arguments = Arguments::new();
        assert_eq!(arguments.room().1, 0);
        for sizes in [&[(1001, 1), (400, 4)][..], &[(1001, 1), (400, 4)], &[(3, 1), (8, 4)]] {
            take(&mut arguments, sizes);
            arguments.release();
        }
        let (address, bytes) = arguments.room();
        assert!(address.is_multiple_of(8) && bytes >= 1404, "{bytes} bytes");
        assert_eq!(take(&mut arguments, &[(bytes, 1)]), [address]);
        assert!(arguments.others.is_empty());
    }
}
