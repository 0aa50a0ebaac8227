use std::future::pending;
use std::io;
use std::process::{self, ExitCode};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch::{self, Receiver};

/// Listens for the signals that ask a process to end. The first asks it to finish what it holds; a
/// second one ends it at once, whatever it waits for.
#[derive(Clone, Debug)]
pub(super) struct Shutdown(Receiver<Option<EndedBy>>);

/// The signals.
struct Signals {
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
    /// From now on, the signals no longer end the process by themselves. The first one is told when it
    /// comes.
    pub(super) fn listen(tell: impl FnOnce(EndedBy) + Send + 'static) -> io::Result<Self> {
        let mut signals = Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        };
        let (first, requested) = watch::channel(None);
        // On its own: whoever has to finish something may wait for long, as may whoever tells.
        tokio::spawn(async move {
            let signal = signals.next().await;
            first.send_replace(Some(signal));
            tokio::task::spawn_blocking(move || tell(signal));
            let second = signals.next().await;
            process::exit(second.code().into());
        });
        Ok(Self(requested))
    }

    /// Waits for the first signal.
    pub(super) async fn requested(mut self) -> EndedBy {
        match self.0.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(signal)) => *signal,
            // The runtime ends.
            _ => pending().await,
        }
    }

    /// The first signal, if it has come.
    pub(super) fn ended_by(&self) -> Option<EndedBy> {
        *self.0.borrow()
    }
}

impl Signals {
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
