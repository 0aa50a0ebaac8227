use std::error::Error;
use std::fmt;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use ureq::Agent;

use crate::{Process, python};

const FUNCTION: &str = "weir";

/// The side of AWS Lambda that a function talks to, as `cargo lambda watch` serves it: a function
/// asks it for the next event and hands it the answer, and whoever invokes the function gets that.
///
/// Where it is unlike AWS: the deadline it gives an invocation is always 600 seconds after the
/// epoch, and an invocation waits for a function that never comes.
#[derive(Debug)]
pub struct RuntimeApi {
    port: u16,
    agent: Agent,
    _server: Process,
}

/// The function answered an event with an error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionError {
    /// The kind of error.
    pub error_type: String,
    /// The cause.
    pub error_message: String,
}

impl RuntimeApi {
    /// Starts it on a free port of 127.0.0.1 and waits until it takes requests.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start() -> Self {
        let program = python::programs("lambda").join("cargo-lambda");
        // It does not choose a port itself, and one that was free a moment ago may be taken.
        let mut output = String::new();
        for _ in 0..8 {
            let port = free_port();
            let mut server = Process::start(
                Command::new(&program)
                    .args(["lambda", "watch", "--only-lambda-apis"])
                    .args(["--invoke-address", "127.0.0.1"])
                    .args(["--invoke-port", &port.to_string()])
                    // It wants to know a package, although it builds none.
                    .arg("--manifest-path")
                    .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")),
            );
            // It announces itself before it listens.
            let listens = server.until_output(|output| {
                let announced = output.contains("starting Runtime server");
                let listens =
                    || announced && TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
                listens().then_some(())
            });
            if listens.is_none() || !server.is_running() {
                output = server.output();
                continue;
            }
            let agent: Agent = Agent::config_builder()
                .http_status_as_error(false)
                // A guard against a function that never asks for its event.
                .timeout_global(Some(Duration::from_secs(60)))
                .build()
                .into();
            return Self { port, agent, _server: server };
        }
        panic!("cargo lambda watch does not start:\n{output}");
    }

    /// The environment that a function finds itself in.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_LAMBDA_RUNTIME_API", format!("http://127.0.0.1:{}/.rt/{FUNCTION}", self.port)),
            ("AWS_LAMBDA_FUNCTION_NAME", FUNCTION.to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".to_owned()),
        ]
    }

    /// Invokes the function with `event` and waits for its answer.
    ///
    /// # Errors
    ///
    /// If the function answers with an error.
    ///
    /// # Panics
    ///
    /// If no function answers within a minute.
    pub fn invoke(&self, event: &str) -> Result<String, FunctionError> {
        let url =
            format!("http://127.0.0.1:{}/2015-03-31/functions/{FUNCTION}/invocations", self.port);
        let mut answer = self.agent.post(url).send(event).expect("an answer of the function");
        let body = answer.body_mut().read_to_string().expect("an answer as text");
        if answer.status().is_success() {
            return Ok(body);
        }
        Err(serde_json::from_str(&body).unwrap_or_else(|_| panic!("{}: {body}", answer.status())))
    }
}

impl fmt::Display for FunctionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error_type, self.error_message)
    }
}

impl Error for FunctionError {}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port of 127.0.0.1")
        .port()
}
