//! Files on an HTTPS server.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use reqwest::header::{ETAG, IF_NONE_MATCH};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Client, StatusCode, Url};

use super::SIGNATURE_SUFFIX;
use super::bounded::Bounded;
use super::error::FetchProblem;
use super::store::{Object, Part, Store};

/// How long a connection may take, and how long a server may be silent, before it is given up and
/// tried again.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What Weir calls itself.
pub(super) const USER_AGENT: &str = concat!("weir/", env!("CARGO_PKG_VERSION"));

/// The address of a file on a server. A query is part of it and may be a secret, as in a presigned
/// URL: it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct RuleUrl(Url);

impl RuleUrl {
    /// The last segment of its path.
    pub(super) fn file_name(&self) -> &str {
        self.0.path_segments().and_then(|mut all| all.next_back()).unwrap_or_default()
    }

    /// The address of a part of what is there.
    fn of(&self, part: Part) -> Self {
        let Self(mut url) = self.clone();
        if part == Part::Signature {
            url.set_path(&format!("{}{SIGNATURE_SUFFIX}", url.path()));
        }
        Self(url)
    }
}

impl FromStr for RuleUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
        protected(&url).map_err(|unprotected| unprotected.to_string())?;
        let host = url.host_str().unwrap_or_default();
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!(
                "a URL with a password in it ends up in logs: let {host} take a presigned URL, or \
                 use oci:// or s3://, which find credentials where they are kept"
            ));
        }
        Ok(Self(url))
    }
}

impl fmt::Display for RuleUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        shown.set_query(None);
        write!(f, "{shown}")
    }
}

/// What comes without TLS, and not from this machine.
#[derive(Debug, thiserror::Error)]
#[error(
    "http:// is for this machine alone, a rule from {host} would come unprotected: use https://"
)]
pub(super) struct Unprotected {
    host: String,
}

/// Whether a rule may come from an address, and credentials may go there.
pub(super) fn protected(url: &Url) -> Result<(), Unprotected> {
    let host = url.host_str().unwrap_or_default();
    match url.scheme() == "http" && !is_loopback(host) {
        true => Err(Unprotected { host: host.to_owned() }),
        false => Ok(()),
    }
}

/// Goes where it would go if it were told so.
fn redirected(attempt: Attempt<'_>) -> Action {
    match protected(attempt.url()) {
        Ok(()) => Policy::default().redirect(attempt),
        Err(unprotected) => attempt.error(unprotected),
    }
}

/// Whether a host is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
}

/// What rules are read with: it gives up a server that is silent, and goes nowhere without protection.
pub(super) fn client(https_only: bool) -> Result<Client, FetchProblem> {
    Client::builder()
        .user_agent(USER_AGENT)
        // The query of an address may be a secret.
        .referer(false)
        .connect_timeout(PATIENCE)
        .read_timeout(PATIENCE)
        .redirect(Policy::custom(redirected))
        // Also where a server redirects to.
        .https_only(https_only)
        .build()
        .map_err(|error| problem(&error))
}

/// A file on a server, with its signature beside it.
pub(super) struct HttpsStore {
    client: Client,
    url: RuleUrl,
}

impl HttpsStore {
    pub(super) fn new(url: RuleUrl) -> Result<Self, FetchProblem> {
        Ok(Self { client: client(url.0.scheme() == "https")?, url })
    }
}

impl Store for HttpsStore {
    fn name(&self) -> String {
        self.url.to_string()
    }

    async fn get(
        &self,
        part: Part,
        tag: Option<&str>,
        maximum: usize,
    ) -> Result<Object, FetchProblem> {
        let url = self.url.of(part);
        let mut request = self.client.get(url.0.clone());
        if let Some(tag) = tag {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let response = request.send().await.map_err(|error| problem(&error))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if tag.is_some() => return Ok(Object::Unchanged),
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(Object::Missing),
            // Who may not list what there is, is told so of what there is not.
            StatusCode::FORBIDDEN if part == Part::Signature => return Ok(Object::Missing),
            status => return Err(refusal(status.as_u16(), url.to_string())),
        }
        let tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let bytes = Bounded::read(response, part.name(), maximum).await?;
        Ok(Object::Found { bytes, tag })
    }
}

/// What a status means that is no success.
pub(super) fn refusal(status: u16, what: String) -> FetchProblem {
    let said = format!("{what}: the server answered with status {status}");
    match status {
        401 | 403 => FetchProblem::Denied(said),
        404 | 410 => FetchProblem::NotFound(said),
        408 | 429 | 500.. => FetchProblem::Unavailable(said),
        _ => FetchProblem::Invalid(said),
    }
}

/// What it means that no answer came. The address is left out: its query may be a secret.
pub(super) fn problem(error: &reqwest::Error) -> FetchProblem {
    // The client's own words are "error sending request for url (…)".
    let what = match error {
        _ if error.is_timeout() => "the server does not answer",
        _ if error.is_connect() => "no connection",
        _ if error.is_body() || error.is_decode() => "the answer ended early",
        _ if error.is_redirect() => {
            // What else is said holds the address.
            let why = error.source().and_then(|cause| cause.downcast_ref::<Unprotected>());
            let why = why.map(|why| format!("redirected: {why}"));
            return FetchProblem::Invalid(
                why.unwrap_or_else(|| "redirected too often, or away from https://".to_owned()),
            );
        }
        _ => "the request failed",
    };
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let text = causes.fold(what.to_owned(), |text, cause| format!("{text}: {cause}"));
    match error.is_connect() && text.contains("certificate") {
        true => FetchProblem::Untrusted(text),
        false => FetchProblem::Unavailable(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for url in ["http://127.0.0.1:80/a", "http://[::1]/a", "http://localhost/a", "https://b/a"]
        {
            assert!(url.parse::<RuleUrl>().is_ok(), "{url}");
        }
        for url in ["http://b/a", "http://127.0.0.1.b/a", "http://localhost.b/a", "https://"] {
            assert!(url.parse::<RuleUrl>().is_err(), "{url}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let url: RuleUrl = "https://host/fever.wasm?X-Signature=secret".parse().expect("a URL");
        assert_eq!(url.to_string(), "https://host/fever.wasm");
        let error = "https://ada:secret@host/a".parse::<RuleUrl>().err().expect("a password");
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn a_status_says_whether_to_come_again() {
        for (status, transient) in
            [(401, false), (404, false), (400, false), (429, true), (503, true)]
        {
            assert_eq!(refusal(status, String::new()).is_transient(), transient, "{status}");
        }
    }
}
