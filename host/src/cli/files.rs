use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Context;
use tokio::sync::mpsc::{self, error::SendError};

use super::followed::Followed;
use super::inflated::inflated;
use super::input::{Events, InputEvent, Source};
use crate::contract::Contract;

/// Reads all files in a thread of its own, one after the other, no further ahead than is worked on.
pub(super) fn read(files: Vec<PathBuf>, contract: Option<Contract>) -> Receiver {
    let (sender, receiver) = mpsc::channel(1);
    thread::spawn(move || {
        for file in files {
            // Nobody is left to read for.
            if send(open(&file), contract, &sender).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Reads all files at once, each in a thread of its own, and goes on as they grow.
pub(super) fn follow(files: Vec<PathBuf>, contract: Option<Contract>) -> Receiver {
    let (sender, receiver) = mpsc::channel(1);
    for file in files {
        let sender = sender.clone();
        thread::spawn(move || {
            let input = match file == Path::new("-") {
                true => open(&file),
                false => Ok(Input {
                    name: file.display().to_string(),
                    read: Box::new(Followed::new(file)),
                    is_file: true,
                }),
            };
            // If nobody is left to read for, it ends.
            let _ = send(input, contract, &sender);
        });
    }
    receiver
}

type Receiver = mpsc::Receiver<anyhow::Result<InputEvent>>;

type Sender = mpsc::Sender<anyhow::Result<InputEvent>>;

/// Sends the events of an input. An error if there is nobody to take them.
fn send(
    input: anyhow::Result<Input>,
    contract: Option<Contract>,
    to: &Sender,
) -> Result<(), SendError<anyhow::Result<InputEvent>>> {
    match input {
        Err(error) => to.blocking_send(Err(error)),
        Ok(Input { name, read, is_file }) => Events::new(&name, read, contract)
            .of_file(is_file)
            .try_for_each(|event| to.blocking_send(event.with_context(|| name.clone()))),
    }
}

/// What events are read from.
struct Input {
    name: String,
    read: Box<dyn Source>,
    /// Whether it is the same when it is read again: no pipe, no device.
    is_file: bool,
}

fn open(file: &Path) -> anyhow::Result<Input> {
    if file == Path::new("-") {
        let name = "standard input".to_owned();
        // Without the buffer that the standard library has before it: what is there is read at once.
        let input = io::stdin().as_fd().try_clone_to_owned().map(File::from);
        let read = input.and_then(inflated).with_context(|| name.clone())?;
        return Ok(Input { name, read, is_file: false });
    }
    let name = file.display().to_string();
    let input = File::open(file).with_context(|| name.clone())?;
    let is_file = input.metadata().is_ok_and(|metadata| metadata.is_file());
    let read = inflated(input).with_context(|| name.clone())?;
    Ok(Input { name, read, is_file })
}
