use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use md5::{Digest, Md5};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::Registry;
use crate::http::Request;

/// How much an endless answer has, in bytes, if nobody hangs up.
const ENDLESS: usize = 1 << 30;

/// A server that rules are fetched from, and that does what servers do: what lies in a folder, with
/// `ETag`s, or what lies in a [`Registry`].
#[derive(Debug)]
pub struct RuleServer {
    address: String,
    state: Arc<Mutex<State>>,
}

/// What a server does to the requests that its fault is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is never an answer.
    Stall,
    /// The answer is this status.
    Status(u16),
    /// The answer sends the client to this address.
    Redirect(&'static str),
    /// The answer has another byte in its middle.
    Forge,
    /// The answer ends in its middle.
    Cut,
    /// The answer ends in its middle, and does not say how long it is.
    Half,
    /// The answer never ends.
    Endless,
}

#[derive(Debug, Default)]
struct State {
    /// What is done, to the requests whose first line has this in it, and how often.
    fault: Option<(Fault, &'static str, usize)>,
    /// The requests, with the status of the answer.
    requests: Vec<(String, u16)>,
}

#[derive(Clone, Debug)]
enum Content {
    Folder(PathBuf),
    Registry(String),
}

#[derive(Debug, Default)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl RuleServer {
    /// Serves a folder without TLS.
    pub fn folder(path: &Path) -> Self {
        Self::start(Content::Folder(path.to_owned()), None)
    }

    /// Serves a folder with TLS, as `localhost`, with a certificate of an authority of its own, whose
    /// certificate is written to a file.
    pub fn folder_with_tls(path: &Path, authority: &Path) -> Self {
        Self::start(Content::Folder(path.to_owned()), Some(Arc::new(certified(authority))))
    }

    /// Stands before a registry.
    pub fn before(registry: &Registry) -> Self {
        Self::start(Content::Registry(registry.address().to_owned()), None)
    }

    fn start(content: Content, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("its address").to_string();
        let state = Arc::new(Mutex::new(State::default()));
        let of_server = Arc::clone(&state);
        // Ends with the test's process; until then nobody else knows the port.
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (content, tls, state) = (content.clone(), tls.clone(), of_server.clone());
                // A client that hangs up early is its own affair.
                thread::spawn(move || match tls {
                    None => serve(connection, &content, &state),
                    Some(tls) => {
                        let tls = ServerConnection::new(tls).expect("a valid configuration");
                        serve(StreamOwned::<_, TcpStream>::new(tls, connection), &content, &state)
                    }
                });
            }
        });
        Self { address, state }
    }

    /// Its host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its port.
    pub fn port(&self) -> &str {
        self.address.rsplit_once(':').expect("an address has a port").1
    }

    /// From now on does this to requests whose first line holds a text, so many times.
    pub fn fault(&self, fault: Fault, requests: &'static str, times: usize) {
        self.state.lock().expect("no test panics in it").fault = Some((fault, requests, times));
    }

    /// The requests since this was last asked, each with the status of its answer.
    pub fn requests(&self) -> Vec<(String, u16)> {
        std::mem::take(&mut self.state.lock().expect("no test panics in it").requests)
    }
}

impl State {
    fn fault_of(&mut self, request: &Request) -> Option<Fault> {
        let (fault, requests, times) = self.fault.as_mut()?;
        if *times == 0 || !request.line.contains(*requests) {
            return None;
        }
        *times -= 1;
        Some(*fault)
    }
}

fn serve(mut connection: impl Read + Write, content: &Content, state: &Mutex<State>) -> Option<()> {
    let request = Request::read(&mut connection)?;
    let fault = state.lock().ok()?.fault_of(&request);
    let mut answer = match (fault, content) {
        (Some(Fault::Stall), _) => Answer::default(),
        (Some(Fault::Status(status)), _) => Answer { status, ..Answer::default() },
        (Some(Fault::Redirect(to)), _) => {
            let headers = vec![("Location".to_owned(), to.to_owned())];
            Answer { status: 302, headers, ..Answer::default() }
        }
        (_, Content::Folder(folder)) => file(folder, &request),
        (_, Content::Registry(address)) => forward(address, &request)?,
    };
    state.lock().ok()?.requests.push((request.line.clone(), answer.status));
    let length = answer.body.len();
    match fault {
        Some(Fault::Stall) => {
            // The client hangs up: then there is nothing more to read.
            return connection.read(&mut [0]).ok().map(drop);
        }
        Some(Fault::Forge) => {
            if let Some(byte) = answer.body.get_mut(length / 2) {
                *byte ^= 1;
            }
        }
        Some(Fault::Cut | Fault::Half) => answer.body.truncate(length / 2),
        Some(Fault::Status(_) | Fault::Redirect(_) | Fault::Endless) | None => {}
    }
    let mut head = format!("HTTP/1.1 {} Answer\r\nConnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !matches!(fault, Some(Fault::Half | Fault::Endless)) {
        head.push_str(&format!("Content-Length: {length}\r\n"));
    }
    connection.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    if !request.line.starts_with("HEAD ") {
        let times = if fault == Some(Fault::Endless) { ENDLESS / length.max(1) } else { 1 };
        for _ in 0..times {
            connection.write_all(&answer.body).ok()?;
        }
    }
    connection.flush().ok()
}

/// The file that a request names, unless its `ETag` is known.
fn file(folder: &Path, request: &Request) -> Answer {
    let path = request.line.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default().trim_start_matches('/');
    let Ok(body) = fs::read(folder.join(path)) else {
        return Answer { status: 404, ..Answer::default() };
    };
    let tag =
        format!("\"{:x}\"", Md5::digest(&body).iter().fold(0u128, |n, b| n << 8 | u128::from(*b)));
    let known = request.header("if-none-match") == Some(&tag);
    let headers = vec![("ETag".to_owned(), tag)];
    match known {
        true => Answer { status: 304, headers, body: Vec::new() },
        false => Answer { status: 200, headers, body },
    }
}

/// What the registry answers.
fn forward(address: &str, request: &Request) -> Option<Answer> {
    let mut words = request.line.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let url = format!("http://{address}{path}");
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let forwarded = match method {
        "HEAD" => agent.head(&url),
        _ => agent.get(&url),
    };
    let accept = request.header("accept").unwrap_or("*/*");
    let mut answer = forwarded.header("accept", accept).call().ok()?;
    let headers = ["content-type", "docker-content-digest"].into_iter().filter_map(|name| {
        Some((name.to_owned(), answer.headers().get(name)?.to_str().ok()?.to_owned()))
    });
    let headers = headers.collect();
    let body = answer.body_mut().with_config().limit(1 << 28).read_to_vec().ok()?;
    Some(Answer { status: answer.status().as_u16(), headers, body })
}

/// A certificate for `localhost`, of an authority whose own is written to a file.
fn certified(authority: &Path) -> ServerConfig {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new([]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    fs::write(authority, params.self_signed(&key).expect("a certificate").pem()).expect("a file");
    let issuer = Issuer::new(params, key);

    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("the key is the certificate's")
}
