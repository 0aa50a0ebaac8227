//! Requests to the AWS APIs of a [`Moto`] server, without the SDK that Weir itself uses.

use crate::Moto;

/// The region of everything in these tests.
pub(crate) const REGION: &str = "us-east-1";

/// Calls `service`. Moto checks no signature; it reads the service and the region from its scope.
pub(crate) fn call(moto: &Moto, service: &str, headers: &[(&str, &str)], body: &str) -> String {
    let scope = format!("test/20200101/{REGION}/{service}/aws4_request");
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none");
    let mut request = ureq::post(moto.url()).header("authorization", authorization);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
        .send(body)
        .and_then(|mut answer| answer.body_mut().read_to_string())
        .unwrap_or_else(|error| panic!("{service}: {error}: {body}"))
}
