use std::io;
use std::process::{self, ExitCode};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask a process to end. The first asks it to finish what it holds; a second one
/// ends it at once.
#[derive(Debug)]
pub(super) struct Shutdown {
    interrupt: Signal,
    terminate: Signal,
}

/// A signal that asked for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndedBy {
    /// `SIGINT`, as from Ctrl-C.
    Interrupt,
    /// `SIGTERM`, as from a service manager.
    Terminate,
}

impl Shutdown {
    /// From now on, the signals no longer end the process by themselves.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for a first signal; from then on, the next ends the process.
    pub(super) async fn requested(mut self) -> EndedBy {
        let first = self.next().await;
        tokio::spawn(async move {
            let second = self.next().await;
            process::exit(second.code().into());
        });
        first
    }

    async fn next(&mut self) -> EndedBy {
        tokio::select! {
            _ = self.interrupt.recv() => EndedBy::Interrupt,
            _ = self.terminate.recv() => EndedBy::Terminate,
        }
    }
}

impl EndedBy {
    /// The signal's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }

    /// What a shell calls the end by this signal: 128 and its number.
    fn code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }

    /// The exit code of a process that it ended.
    pub(super) fn exit_code(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}
