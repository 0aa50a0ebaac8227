use std::io;
use std::thread;

use tokio::sync::oneshot;

/// Does work that blocks on a thread of its own: those that tokio has for that may all be held by batches
/// that wait for just this.
///
/// # Errors
///
/// If there is no thread to be had, or the work panicked.
pub(crate) async fn run<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NotDone> {
    let (done, result) = oneshot::channel();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Perhaps nobody waits for it any more.
        let _ = done.send(work());
    })?;
    result.await.map_err(|_| NotDone::Panicked)
}

/// Why work was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotDone {
    #[error("no thread can be started: {0}")]
    NoThread(#[from] io::Error),
    #[error("it panicked")]
    Panicked,
}
