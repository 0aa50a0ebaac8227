//! Reading from a repository of a registry, as the [OCI Distribution Specification] has it. Nothing is read
//! without a bound: what answers may be anybody by now.
//!
//! [OCI Distribution Specification]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md

use http_auth::ChallengeRef;
use http_auth::parser::ChallengeParser;
use oci_client::errors::{OciDistributionError, OciEnvelope};
use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE, OciManifest,
};
use oci_client::secrets::RegistryAuth;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use tokio::sync::Mutex;

use super::super::bounded::Bounded;
use super::super::error::FetchProblem;
use super::super::https;
use super::{SHOWN, denied, problem};
use crate::printable::cut;

/// The largest manifest, in bytes: the one that registries are to take at least.
///
/// Source: OCI Distribution Specification, "Pushing Manifests".
const MAX_MANIFEST_BYTES: usize = 4 << 20;

/// The largest answer that is neither a manifest nor a component, in bytes: a token, or what is wrong.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// What manifests are asked for as. Those of several artifacts are told what they are.
const MANIFESTS: [&str; 4] = [
    OCI_IMAGE_MEDIA_TYPE,
    OCI_IMAGE_INDEX_MEDIA_TYPE,
    IMAGE_MANIFEST_MEDIA_TYPE,
    IMAGE_MANIFEST_LIST_MEDIA_TYPE,
];

/// The header in which a registry says an object's digest.
const DIGEST: &str = "docker-content-digest";

/// A repository, and who reads from it.
pub(super) struct Repository {
    client: Client,
    registry: String,
    name: String,
    /// Where it is: `https://registry/v2/name`.
    url: String,
    credentials: RegistryAuth,
    /// What the registry takes, once it has asked for any.
    authorization: Mutex<Option<HeaderValue>>,
}

impl Repository {
    pub(super) fn new(
        scheme: &str,
        registry: &str,
        name: &str,
        credentials: RegistryAuth,
    ) -> Result<Self, FetchProblem> {
        Ok(Self {
            // Also where its tokens are.
            client: https::client(scheme == "https")?,
            registry: registry.to_owned(),
            name: name.to_owned(),
            url: format!("{scheme}://{registry}/v2/{name}"),
            credentials,
            authorization: Mutex::default(),
        })
    }

    /// The digest of a tag's manifest, if the registry says it.
    pub(super) async fn digest(&self, tag: &str) -> Result<Option<String>, FetchProblem> {
        match self.ask(Method::HEAD, &format!("manifests/{tag}")).await {
            Ok(response) => Ok(announced(&response)),
            // Not each registry can be asked so: the manifest tells as well.
            Err(FetchProblem::Invalid(_)) => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// The manifest of a tag or a digest, with its digest.
    pub(super) async fn manifest(
        &self,
        reference: &str,
    ) -> Result<(OciManifest, String), FetchProblem> {
        let response = self.ask(Method::GET, &format!("manifests/{reference}")).await?;
        let announced = announced(&response);
        let body = Bounded::read(response, "its manifest", MAX_MANIFEST_BYTES).await?;
        // A tag has no colon.
        let asked = Some(reference).filter(|reference| reference.contains(':'));
        for expected in asked.into_iter().chain(announced.as_deref()) {
            check(&body, expected)?;
        }
        let manifest = serde_json::from_slice(&body).map_err(|error| {
            FetchProblem::Invalid(format!("{}: not a manifest: {error}", self.registry))
        })?;
        let digest = asked.map(str::to_owned).or(announced);
        Ok((manifest, digest.unwrap_or_else(|| crate::digest::Digest::of(&body).to_string())))
    }

    /// What has a digest, to be read and [checked](check).
    pub(super) async fn blob(&self, digest: &str) -> Result<Response, FetchProblem> {
        // It becomes part of an address.
        let digits = digest.split_once(':').map(|(_, digits)| digits).unwrap_or_default();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(not_a_digest(digest));
        }
        self.ask(Method::GET, &format!("blobs/{digest}")).await
    }

    /// Asks for something of the repository, again as somebody if the registry demands it.
    async fn ask(&self, method: Method, path: &str) -> Result<Response, FetchProblem> {
        let send = async || {
            let url = format!("{}/{path}", self.url);
            let mut request = self.client.request(method.clone(), url);
            request = request.header(ACCEPT, MANIFESTS.join(", "));
            if let Some(authorization) = self.authorization.lock().await.clone() {
                request = request.header(AUTHORIZATION, authorization);
            }
            request.send().await.map_err(|error| https::problem(&error))
        };
        let mut response = send().await?;
        // Whoever it redirects to is not the one to say where credentials go.
        let is_its_own =
            || Url::parse(&self.url).is_ok_and(|own| own.origin() == response.url().origin());
        if response.status() == StatusCode::UNAUTHORIZED && is_its_own() {
            let authorization = self.authorize(&response).await?;
            *self.authorization.lock().await = Some(authorization);
            response = send().await?;
        }
        match response.status() {
            StatusCode::OK => Ok(response),
            _ => Err(self.refusal(response).await),
        }
    }

    /// What the registry demands of whoever reads from the repository: a token, or else the credentials.
    async fn authorize(&self, refusal: &Response) -> Result<HeaderValue, FetchProblem> {
        let challenges = refusal.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenges = challenges.filter_map(|challenges| challenges.to_str().ok());
        let challenges = challenges.flat_map(ChallengeParser::new).filter_map(Result::ok);
        let challenges: Vec<ChallengeRef<'_>> = challenges.collect();
        let of = |scheme: &str| {
            challenges.iter().find(|challenge| challenge.scheme.eq_ignore_ascii_case(scheme))
        };
        let authorization = match (of("bearer"), of("basic"), &self.credentials) {
            (Some(challenge), ..) => format!("Bearer {}", self.token(challenge).await?),
            (None, Some(_), RegistryAuth::Basic(user, password)) => {
                let credentials = format!("{user}:{password}");
                format!("Basic {}", base64_simd::STANDARD.encode_to_string(credentials))
            }
            _ => return Err(denied(&self.registry)),
        };
        let mut authorization =
            HeaderValue::try_from(authorization).map_err(|_| denied(&self.registry))?;
        authorization.set_sensitive(true);
        Ok(authorization)
    }

    /// A token to read with.
    ///
    /// Source: CNCF Distribution, "Token Authentication Specification".
    async fn token(&self, challenge: &ChallengeRef<'_>) -> Result<String, FetchProblem> {
        let parameter = |name: &str| {
            let mut all = challenge.params.iter();
            all.find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.to_unescaped())
        };
        let invalid = |why: &str| FetchProblem::Invalid(format!("{}: {why}", self.registry));
        let realm = parameter("realm").and_then(|realm| Url::parse(&realm).ok());
        let mut url = realm
            .filter(|url| https::protected(url).is_ok())
            .ok_or_else(|| invalid("it says of no protected place to get a token at"))?;
        url.query_pairs_mut().append_pair("scope", &format!("repository:{}:pull", self.name));
        if let Some(service) = parameter("service") {
            url.query_pairs_mut().append_pair("service", &service);
        }
        let mut request = self.client.get(url);
        if let RegistryAuth::Basic(user, password) = &self.credentials {
            request = request.basic_auth(user, Some(password));
        }
        let response = request.send().await.map_err(|error| https::problem(&error))?;
        let status = response.status();
        if status != StatusCode::OK {
            let refusal = https::refusal(status.as_u16(), self.registry.clone());
            return Err(if refusal.is_transient() { refusal } else { denied(&self.registry) });
        }
        let body = Bounded::read(response, "its token", MAX_ANSWER_BYTES).await?;
        let Token { token, access_token } =
            serde_json::from_slice(&body).map_err(|_| invalid("its token cannot be read"))?;
        token.or(access_token).ok_or_else(|| invalid("it gives no token"))
    }

    /// Why there is not what was asked for, by the registry's own words if it has some.
    async fn refusal(&self, response: Response) -> FetchProblem {
        let (url, code) = (String::new(), response.status().as_u16());
        let said = match code {
            400..500 => Bounded::read(response, "its answer", MAX_ANSWER_BYTES).await.ok(),
            _ => None,
        };
        let envelope = said.and_then(|said| serde_json::from_slice::<OciEnvelope>(&said).ok());
        let error = match envelope.filter(|_| code != 401) {
            Some(envelope) => OciDistributionError::RegistryError { envelope, url },
            None => OciDistributionError::ServerError { code, url, message: String::new() },
        };
        problem(&error, &self.registry)
    }
}

/// What a server answers that gives tokens. Some say it twice.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// The digest that a registry says its answer has.
fn announced(response: &Response) -> Option<String> {
    Some(response.headers().get(DIGEST)?.to_str().ok()?.to_owned())
}

fn not_a_digest(text: &str) -> FetchProblem {
    FetchProblem::Invalid(format!("not a digest: {:?}", cut(text, SHOWN)))
}

/// Whether bytes have a digest.
///
/// # Errors
///
/// If they have not, or it is none that can be computed.
pub(super) fn check(bytes: &[u8], expected: &str) -> Result<(), FetchProblem> {
    let (algorithm, digits) = expected.split_once(':').unwrap_or_default();
    let hash = match algorithm {
        "sha256" => Sha256::digest(bytes).to_vec(),
        "sha384" => Sha384::digest(bytes).to_vec(),
        "sha512" => Sha512::digest(bytes).to_vec(),
        _ => return Err(not_a_digest(expected)),
    };
    let found: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    match found == digits {
        true => Ok(()),
        false => Err(FetchProblem::WrongDigest(format!(
            "expected {expected}, found {algorithm}:{found}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::{Arc, Mutex};
    use std::thread;

    use super::*;
    use crate::digest::Digest;

    /// How much an endless answer has, in bytes, if nobody hangs up: more than all that is read, with all
    /// that may lie between.
    const ENDLESS: usize = 1 << 28;

    const MANIFEST: &str =
        r#"{"schemaVersion":2,"config":{"mediaType":"a","digest":"b","size":1},"layers":[]}"#;

    /// What a registry answers.
    enum Answer {
        Whole(&'static str, String),
        Endless(&'static str),
    }

    /// A registry on a port of its own, that answers to the first line of a request and what it is
    /// authorized with.
    struct Scripted {
        address: String,
        /// The first lines of the requests.
        requests: Arc<Mutex<Vec<String>>>,
        /// Whether an endless answer was read to its end.
        read_endless: Arc<Mutex<bool>>,
    }

    impl Scripted {
        fn start(answer: impl Fn(&str, &str, &str) -> Answer + Send + 'static) -> Self {
            let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
            let address = listener.local_addr().expect("its address").to_string();
            let (requests, read_endless) = (Arc::default(), Arc::default());
            let started = Self { address, requests, read_endless };
            let (address, requests, read_endless) = (
                started.address.clone(),
                Arc::clone(&started.requests),
                Arc::clone(&started.read_endless),
            );
            thread::spawn(move || {
                for connection in listener.incoming().flatten() {
                    let (line, authorization) = request(&connection);
                    let answer = answer(&address, &line, &authorization);
                    requests.lock().expect("no test panics in it").push(line);
                    send(connection, answer, &read_endless);
                }
            });
            started
        }

        fn requests(&self) -> Vec<String> {
            self.requests.lock().expect("no test panics in it").clone()
        }

        fn repository(&self, credentials: RegistryAuth) -> Repository {
            let repository = Repository::new("http", &self.address, "rules/fever", credentials);
            repository.expect("a client")
        }
    }

    /// The first line of a request, and the header that authorizes it.
    fn request(connection: &TcpStream) -> (String, String) {
        let lines = BufReader::new(connection).lines().map_while(Result::ok);
        let mut lines = lines.take_while(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default();
        let authorization = lines.filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("authorization").then(|| value.to_owned())
        });
        (first, authorization.last().unwrap_or_default())
    }

    /// Notes whether an endless answer was taken whole, before whoever took it can know that it ends.
    fn send(mut connection: TcpStream, answer: Answer, read_endless: &Mutex<bool>) {
        let (head, body) = match &answer {
            Answer::Whole(head, body) => (head, body.as_str()),
            Answer::Endless(head) => (head, ""),
        };
        let head = format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{body}");
        let mut sent = connection.write_all(head.as_bytes());
        let Answer::Endless(_) = answer else { return };
        let chunk = [b' '; 1 << 16];
        for _ in 0..ENDLESS / chunk.len() {
            sent = sent.and_then(|()| connection.write_all(&chunk));
        }
        if sent.is_ok() {
            *read_endless.lock().expect("no test panics in it") = true;
        }
    }

    fn manifest(repository: &Repository) -> Result<(OciManifest, String), FetchProblem> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(repository.manifest("1"))
    }

    fn bearer(address: &str) -> Answer {
        let head = "401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"http://";
        let head = format!("{head}{address}/token?a=b\",service=\"s\"");
        Answer::Whole(head.leak(), String::new())
    }

    #[test]
    fn no_answer_is_read_without_a_bound() {
        let too_large = |part, maximum| FetchProblem::TooLarge { part, maximum };
        for (head, of_token, expected) in [
            ("200 OK", false, Some(too_large("its manifest", MAX_MANIFEST_BYTES))),
            ("200 OK", true, Some(too_large("its token", MAX_ANSWER_BYTES))),
            ("404 Not Found", false, None),
            ("400 Bad Request", true, None),
            ("500 Internal Server Error", false, None),
        ] {
            let registry = Scripted::start(move |address, line, _| {
                match of_token && !line.starts_with("GET /token") {
                    true => bearer(address),
                    false => Answer::Endless(head),
                }
            });
            let error = manifest(&registry.repository(RegistryAuth::Anonymous)).expect_err(head);
            assert!(expected.is_none_or(|expected| error == expected), "{head}: {error}");
            assert!(!*registry.read_endless.lock().expect("it runs"), "{head}, token: {of_token}");
        }
    }

    #[test]
    fn a_token_is_for_whoever_has_credentials_and_serves_until_it_is_refused() {
        let registry = Scripted::start(|address, line, authorization| match authorization {
            "Basic YWRhOm9wZW4=" if line.starts_with("GET /token?") => {
                Answer::Whole("200 OK", r#"{"token":"t","access_token":"t"}"#.to_owned())
            }
            "Bearer t" => Answer::Whole("200 OK", MANIFEST.to_owned()),
            _ => bearer(address),
        });
        let credentials = RegistryAuth::Basic("ada".to_owned(), "open".to_owned());
        let repository = registry.repository(credentials);
        let manifest = || manifest(&repository).expect("a manifest");
        for _ in 0..2 {
            assert_eq!(manifest().1, Digest::of(MANIFEST.as_bytes()).to_string());
        }
        let token = "GET /token?a=b&scope=repository%3Arules%2Ffever%3Apull&service=s HTTP/1.1";
        let get = "GET /v2/rules/fever/manifests/1 HTTP/1.1";
        assert_eq!(registry.requests(), [get, token, get, get]);
        *repository.authorization.blocking_lock() = Some(HeaderValue::from_static("Bearer old"));
        manifest();
        assert_eq!(registry.requests()[4..], [get, token, get]);
    }

    #[test]
    fn credentials_do_not_go_where_another_host_says() {
        let other = Scripted::start(|address, _, _| bearer(address));
        let elsewhere =
            format!("http://localhost:{}", other.address.rsplit(':').next().expect("a port"));
        let registry = Scripted::start(move |_, line, _| {
            let line = line.split(' ').nth(1).unwrap_or_default();
            let head = format!("307 Temporary Redirect\r\nLocation: {elsewhere}{line}");
            Answer::Whole(Box::leak(head.into_boxed_str()), String::new())
        });
        let credentials = RegistryAuth::Basic("ada".to_owned(), "open".to_owned());
        let error = manifest(&registry.repository(credentials)).expect_err("it is refused");
        assert!(matches!(error, FetchProblem::Denied(_)), "{error}");
        assert_eq!(other.requests(), ["GET /v2/rules/fever/manifests/1 HTTP/1.1"]);
    }

    #[test]
    fn a_layer_is_named_by_its_digest() {
        let registry = Scripted::start(|_, _, _| Answer::Whole("200 OK", String::new()));
        let repository = registry.repository(RegistryAuth::Anonymous);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        for digest in ["", "sha256", "sha256:", "sha256:../../../x?y"] {
            let error = runtime.block_on(repository.blob(digest)).expect_err("no digest");
            assert!(matches!(error, FetchProblem::Invalid(_)), "{error}");
        }
        assert_eq!(registry.requests(), [""; 0]);
    }

    #[test]
    fn credentials_go_nowhere_unprotected() {
        let registry = Scripted::start(|_, _, _| bearer("rules.example.com"));
        let credentials = RegistryAuth::Basic("ada".to_owned(), "open".to_owned());
        let error = manifest(&registry.repository(credentials)).expect_err("an unprotected realm");
        assert!(matches!(error, FetchProblem::Invalid(_)), "{error}");
    }

    #[test]
    fn what_is_read_has_its_digest() {
        let of_nothing = format!("sha512:cf83e1357eefb8bd{}", "0".repeat(112));
        for expected in [Digest::of(b"other").to_string(), of_nothing] {
            let error = check(b"", &expected).expect_err("another digest");
            assert!(matches!(error, FetchProblem::WrongDigest(_)), "{error}");
        }
        for expected in ["sha256", "md5:d41d8cd98f00b204e9800998ecf8427e", ""] {
            let error = check(b"", expected).expect_err("no digest");
            assert!(matches!(error, FetchProblem::Invalid(_)), "{error}");
        }
        assert_eq!(check(b"", &Digest::of(b"").to_string()), Ok(()));
    }
}
