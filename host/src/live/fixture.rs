//! What tests have to do with: a source that holds a rule, and a thread for what blocks that can be held up.

use std::sync::mpsc;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::supply::Supply;
use crate::code::CodeCache;
use crate::engine::Engine;
use crate::source::{FetchLimits, Fetcher, RuleSource};
use crate::verify::Policy;

/// Brings the embedded rule, opened with these settings. It needs no thread to fetch it.
pub(super) fn supply(engine: &Engine, settings: &str) -> Supply {
    let source = RuleSource::embedded_default().expect("a rule");
    let fetcher = Fetcher::new(source, FetchLimits::default());
    Supply::new(fetcher, Policy::default(), engine.clone(), settings, CodeCache::default())
}

/// A runtime with one thread for what blocks.
pub(super) fn runtime() -> Runtime {
    let mut runtime = Builder::new_current_thread();
    runtime.enable_time().max_blocking_threads(1).build().expect("a runtime")
}

/// Holds up that thread, once what was begun before has ended.
pub(super) struct Gate {
    pub(super) reached: oneshot::Receiver<()>,
    _opened: mpsc::Sender<()>,
}

impl Gate {
    /// One that is open when it is dropped.
    pub(super) fn closed() -> Self {
        let (reaches, reached) = oneshot::channel();
        let (_opened, opened) = mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || {
            // Whoever waits for it may not be interested.
            let _ = reaches.send(());
            opened.recv()
        });
        Self { reached, _opened }
    }
}
