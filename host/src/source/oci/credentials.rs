use std::env;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;

use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::secrets::RegistryAuth;

use super::super::error::FetchProblem;

/// What Docker's configuration holds for a registry, or the credential helper that it names, or else
/// Podman's; nothing if there is nothing.
pub(super) fn credentials(registry: &str) -> Result<RegistryAuth, FetchProblem> {
    use CredentialRetrievalError as E;

    let server = match registry {
        // Where Docker keeps those of its own registry.
        "index.docker.io" => "https://index.docker.io/v1/",
        other => other,
    };
    let found = match docker_configuration()? {
        Some(file) => docker_credential::get_credential_from_reader(file, server),
        None => Err(E::NoCredentialConfigured),
    };
    let found = match found {
        // Whether there is none, or none that can be read, is not told.
        Err(E::NoCredentialConfigured) => docker_credential::get_podman_credential(registry)
            .map_err(|_| E::NoCredentialConfigured),
        found => found,
    };
    match found {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            Ok(RegistryAuth::Basic(user, password))
        }
        Ok(DockerCredential::IdentityToken(_)) => Err(FetchProblem::Denied(format!(
            "Docker's configuration has an identity token for {registry}, which is not supported: log \
             in with a user name and a password or an access token"
        ))),
        Err(E::NoCredentialConfigured) => Ok(RegistryAuth::Anonymous),
        // What helpers print that know nothing of a registry.
        Err(E::HelperFailure { stdout, .. })
            if stdout.trim() == "credentials not found in native keychain" =>
        {
            Ok(RegistryAuth::Anonymous)
        }
        // What else a helper prints may be a secret.
        Err(E::HelperFailure { helper, .. }) => {
            Err(FetchProblem::Denied(format!("the credential helper {helper} failed")))
        }
        Err(error) => {
            Err(FetchProblem::Denied(format!("Docker's configuration for {registry}: {error}")))
        }
    }
}

/// Docker's `config.json`, if there is one: in `$DOCKER_CONFIG` or `~/.docker`.
fn docker_configuration() -> Result<Option<BufReader<File>>, FetchProblem> {
    let folder = env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(env::home_dir()?.join(".docker")));
    let Some(path) = folder.map(|folder| folder.join("config.json")) else { return Ok(None) };
    match File::open(&path) {
        Ok(file) => Ok(Some(BufReader::new(file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FetchProblem::Denied(format!("{}: {error}", path.display()))),
    }
}
