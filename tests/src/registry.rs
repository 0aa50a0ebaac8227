use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::{Process, debian};

/// Who may use a registry that asks for credentials.
pub const USER: &str = "ada";

/// With which password.
pub const PASSWORD: &str = "open sesame";

/// [`USER`] and [`PASSWORD`] as bcrypt has them.
const HTPASSWD: &str = "ada:$2b$04$XFRONXfHkC/ad6VNx5b4.ueoW87nQACtRUSY9U62kjYsmzJJeRNWG\n";

/// An OCI registry: Debian's `docker-registry`, with an empty store of its own.
#[derive(Debug)]
pub struct Registry {
    address: String,
    _server: Process,
    _folder: TempDir,
}

impl Registry {
    /// Starts one on a free port of 127.0.0.1, open to everybody.
    pub fn start() -> Self {
        Self::configured("")
    }

    /// Starts one that asks for [`USER`] and [`PASSWORD`].
    pub fn with_password() -> Self {
        Self::configured("auth: { htpasswd: { realm: rules, path: ./htpasswd } }\n")
    }

    fn configured(auth: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let configuration = format!(
            "version: 0.1\nlog: {{ level: info }}\nstorage: {{ filesystem: {{ rootdirectory: ./store \
             }} }}\nhttp: {{ addr: '127.0.0.1:0' }}\n{auth}"
        );
        fs::write(folder.path().join("config.yml"), configuration).expect("a configuration");
        fs::write(folder.path().join("htpasswd"), HTPASSWD).expect("a password file");
        let mut server = Process::start(
            Command::new(debian::program("docker-registry"))
                .args(["serve", "config.yml"])
                .current_dir(folder.path()),
        );
        // It announces its address once the socket listens.
        let address = server.until_output(|output| {
            let (_, rest) = output.split_once("listening on ")?;
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':')?;
            Some(rest[..end].to_owned())
        });
        match address {
            Some(address) => Self { address, _server: server, _folder: folder },
            None => panic!("docker-registry ended:\n{}", server.output()),
        }
    }

    /// Its host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How a rule source names something in it: `name:tag`, `name@sha256:…`.
    pub fn source(&self, name: &str) -> String {
        format!("oci://{}/{name}", self.address)
    }
}
