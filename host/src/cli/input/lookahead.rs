//! What was read of an input and not yet taken.

use std::io::{self, ErrorKind};

use super::Source;

/// Reads ahead in an input: what was read stays until it is passed.
pub(super) struct Lookahead<R> {
    input: R,
    buffer: Vec<u8>,
    /// Where in the buffer begins what is ahead, and where it ends.
    begin: usize,
    end: usize,
}

impl<R: Source> Lookahead<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, buffer: Vec::new(), begin: 0, end: 0 }
    }

    /// What was read and not yet passed.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.buffer[self.begin..self.end]
    }

    /// Passes so many bytes of what is ahead.
    pub(super) fn pass(&mut self, bytes: usize) {
        self.begin = self.end.min(self.begin.saturating_add(bytes));
    }

    /// Reads more behind what is ahead; the number of bytes is 0 at the end of the input.
    pub(super) fn fill(&mut self) -> io::Result<usize> {
        self.make_room();
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => {
                    let bytes = read?;
                    self.end += bytes;
                    return Ok(bytes);
                }
            }
        }
    }

    /// After the end of the input: whether another takes its place.
    pub(super) fn begins_anew(&mut self) -> io::Result<bool> {
        self.input.begins_anew()
    }

    /// Moves what is ahead only over as much that was passed, and grows twofold: so each byte is copied
    /// but a few times, however little a read yields.
    fn make_room(&mut self) {
        let ahead = self.end - self.begin;
        let size = self.input.room().max(2 * ahead);
        if ahead <= self.begin {
            self.buffer.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, ahead);
            self.buffer.resize(size, 0);
            self.buffer.shrink_to(size);
        } else if self.end == self.buffer.len() {
            self.buffer.resize(self.begin + size, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// Gives so many bytes a read, and asks for so much room.
    struct Drops {
        bytes: usize,
        room: usize,
    }

    impl Read for Drops {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let bytes = self.bytes.min(to.len());
            to[..bytes].fill(b'x');
            Ok(bytes)
        }
    }

    impl Source for Drops {
        fn room(&self) -> usize {
            self.room
        }
    }

    #[test]
    fn it_holds_what_is_ahead_and_the_room_that_the_input_asks_for() {
        let mut lookahead = Lookahead::new(Drops { bytes: 100, room: 1000 });
        for round in 1..=50 {
            assert_eq!(lookahead.fill().expect("bytes"), 100);
            assert_eq!(lookahead.ahead().len(), round * 100);
        }
        assert!(lookahead.buffer.capacity() <= 10_000, "{}", lookahead.buffer.capacity());
        lookahead.pass(4_990);
        assert_eq!(lookahead.ahead(), b"xxxxxxxxxx");
        lookahead.input.room = 10;
        assert_eq!(lookahead.fill().expect("bytes"), 10);
        assert_eq!(lookahead.ahead().len(), 20);
        assert!(lookahead.buffer.capacity() < 100, "{}", lookahead.buffer.capacity());
    }

    #[test]
    fn what_is_ahead_stays_in_its_place_while_little_is_passed() {
        let mut lookahead = Lookahead::new(Drops { bytes: 1_000, room: 1_000 });
        let mut moves = 0;
        for _ in 0..100 {
            lookahead.fill().expect("bytes");
        }
        for _ in 0..10_000 {
            let begin = lookahead.begin;
            lookahead.pass(10);
            if lookahead.ahead().len() < 50_000 {
                lookahead.fill().expect("bytes");
            }
            moves += usize::from(lookahead.begin < begin);
        }
        // Of 100,000 bytes that were passed: 50,000 are moved each time.
        assert!(moves <= 2, "{moves}");
    }
}
