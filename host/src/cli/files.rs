use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Context;
use tokio::sync::mpsc;

use super::input::{Events, InputEvent};
use crate::contract::Contract;

/// Reads all files in a thread of its own, no further ahead than is worked on.
pub(super) fn read(
    files: Vec<PathBuf>,
    contract: Option<Contract>,
) -> mpsc::Receiver<anyhow::Result<InputEvent>> {
    let (sender, receiver) = mpsc::channel(1);
    thread::spawn(move || {
        for file in files {
            let sent = match open(&file) {
                Err(error) => sender.blocking_send(Err(error)),
                Ok(Input { name, read, is_file }) => {
                    Events::new(&name, read, contract).of_file(is_file).try_for_each(|event| {
                        sender.blocking_send(event.with_context(|| name.clone()))
                    })
                }
            };
            // Nobody is left to read for.
            if sent.is_err() {
                return;
            }
        }
    });
    receiver
}

/// What events are read from.
struct Input {
    name: String,
    read: Box<dyn io::Read>,
    /// Whether it is the same when it is read again: no pipe, no device.
    is_file: bool,
}

fn open(file: &Path) -> anyhow::Result<Input> {
    if file == Path::new("-") {
        let name = "standard input".to_owned();
        return Ok(Input { name, read: Box::new(io::stdin()), is_file: false });
    }
    let name = file.display().to_string();
    let input = File::open(file).with_context(|| name.clone())?;
    let is_file = input.metadata().is_ok_and(|metadata| metadata.is_file());
    Ok(Input { name, read: Box::new(input), is_file })
}
