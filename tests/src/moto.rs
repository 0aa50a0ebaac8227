use std::process::Command;

use crate::{Process, python};

/// A server that speaks the AWS APIs and keeps everything in memory: topics and queues of one
/// server are unknown to another.
#[derive(Debug)]
pub struct Moto {
    url: String,
    _server: Process,
}

impl Moto {
    /// Starts one on a free port of 127.0.0.1 and waits until it takes requests.
    pub fn start() -> Self {
        let mut server = Process::start(
            Command::new(python::programs("moto").join("moto_server"))
                .args(["--host", "127.0.0.1", "--port", "0"])
                // The announcement is to come at once and without colours.
                .envs([("PYTHONUNBUFFERED", "1"), ("NO_COLOR", "1")]),
        );
        // It announces its address once the socket listens.
        let url = server.until_output(|output| {
            let (_, rest) = output.split_once("Running on ")?;
            let (url, _) = rest.split_once('\n')?;
            Some(url.trim().to_owned())
        });
        match url {
            Some(url) => Self { url, _server: server },
            None => panic!("moto_server ended:\n{}", server.output()),
        }
    }

    /// Its address, as `AWS_ENDPOINT_URL` takes it.
    pub fn url(&self) -> &str {
        &self.url
    }
}
