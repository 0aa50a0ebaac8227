use std::sync::mpsc::{self, Receiver, Sender};

/// Hands out turns, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    last: Option<Receiver<()>>,
}

/// A turn: it comes when what was made of the one before is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    before: Option<Receiver<()>>,
    ended: Sender<()>,
}

impl Turns {
    pub(crate) fn next(&mut self) -> Turn {
        let (ended, end) = mpsc::channel();
        Turn { before: self.last.replace(end), ended }
    }
}

impl Turn {
    /// Waits until it comes. It ends when what is returned is dropped.
    pub(crate) fn wait(self) -> Sender<()> {
        if let Some(before) = self.before {
            // It ends by being dropped: nothing is ever sent.
            let _ = before.recv();
        }
        self.ended
    }
}
