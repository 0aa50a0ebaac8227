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
                Ok((name, input)) => Events::new(&name, input, contract).try_for_each(|event| {
                    sender.blocking_send(event.with_context(|| name.clone()))
                }),
            };
            // Nobody is left to read for.
            if sent.is_err() {
                return;
            }
        }
    });
    receiver
}

fn open(file: &Path) -> anyhow::Result<(String, Box<dyn io::Read>)> {
    if file == Path::new("-") {
        return Ok(("standard input".to_owned(), Box::new(io::stdin())));
    }
    let name = file.display().to_string();
    let input = File::open(file).with_context(|| name.clone())?;
    Ok((name, Box::new(input)))
}
