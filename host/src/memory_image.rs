//! The images that the linear memories of instances begin as.

use std::io;
use std::thread;
use std::time::Duration;

use backon::{BlockingRetryable, ExponentialBuilder};

use crate::code::Code;

/// How often an image is made again while the kernel holds a page of it.
const RETRIES: usize = 5;

/// The pause before the first of them; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// Makes the images of a rule's memories, which the engine would do when the rule is first
/// instantiated. After that, no instance fails for them.
///
/// On Linux an image is a file in memory that the engine seals against writing (`memfd_create(2)`,
/// `F_SEAL_WRITE` in `fcntl(2)`). The kernel answers `EBUSY` if somebody holds one of its pages, as the
/// kernel itself does while it moves or reclaims pages (`memfd_wait_for_pins` in its `mm/memfd.c`).
/// That says nothing of the rule, and passes: the image is made again.
///
/// # Errors
///
/// If the system has no memory or no file descriptor for it, or stays busy.
pub(crate) fn make(code: &Code) -> wasmtime::Result<()> {
    let make = || match code {
        Code::Component(component) => component.initialize_copy_on_write_image(),
        Code::CoreModule(module) => module.initialize_copy_on_write_image(),
    };
    while_busy(make, thread::sleep)
}

/// Attempts again, after a pause, what fails only because the system is busy.
fn while_busy<T>(
    attempt: impl FnMut() -> wasmtime::Result<T>,
    sleep: impl Fn(Duration) + 'static,
) -> wasmtime::Result<T> {
    let pauses = ExponentialBuilder::default().with_min_delay(FIRST_PAUSE).with_max_times(RETRIES);
    attempt
        .retry(pauses)
        .sleep(sleep)
        .when(is_busy)
        .notify(|error, pause| {
            tracing::debug!(?pause, "a memory image is made again: {error:#}");
        })
        .call()
}

fn is_busy(error: &wasmtime::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::ResourceBusy)
}

#[cfg(test)]
mod tests {
    use wasmtime::Error;

    use super::*;

    /// An error as the engine has it: that of the system is its cause.
    #[derive(Debug, thiserror::Error)]
    #[error("cannot add seals to the memfd")]
    struct AddSeals(#[source] io::Error);

    fn fails(kind: io::ErrorKind) -> Error {
        Error::new(AddSeals(kind.into())).context("cannot instantiate")
    }

    /// What comes of attempts that fail so often with an error of a kind, and how many there were.
    fn attempt(failures: usize, kind: io::ErrorKind) -> (wasmtime::Result<usize>, usize) {
        let mut attempts = 0;
        let attempt = || {
            attempts += 1;
            if attempts <= failures { Err(fails(kind)) } else { Ok(attempts) }
        };
        (while_busy(attempt, |_| {}), attempts)
    }

    #[test]
    fn what_is_busy_for_a_moment_is_attempted_again() {
        for failures in 0..=RETRIES {
            let (result, attempts) = attempt(failures, io::ErrorKind::ResourceBusy);
            assert_eq!(result.expect("an attempt that went well"), attempts);
            assert_eq!(attempts, failures + 1);
        }
    }

    #[test]
    fn what_stays_busy_fails_with_its_error() {
        let (result, attempts) = attempt(RETRIES + 1, io::ErrorKind::ResourceBusy);
        let error = format!("{:#}", result.expect_err("it stayed busy"));
        assert_eq!(error, format!("{:#}", fails(io::ErrorKind::ResourceBusy)));
        assert_eq!(attempts, RETRIES + 1);
    }

    #[test]
    fn whatever_else_fails_is_not_attempted_again() {
        let (result, attempts) = attempt(1, io::ErrorKind::OutOfMemory);
        assert!(result.is_err());
        assert_eq!(attempts, 1);
    }

    /// The kernel's number for it is what the engine hands on.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_systems_own_error_is_known() {
        let busy = io::Error::from_raw_os_error(rustix::io::Errno::BUSY.raw_os_error());
        assert!(is_busy(&Error::new(AddSeals(busy))));
    }
}
