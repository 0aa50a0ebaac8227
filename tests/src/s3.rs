//! Amazon S3: objects, as rules are fetched from there.

use crate::Moto;
use crate::aws::REGION;

/// A bucket of a [`Moto`] server.
#[derive(Debug)]
pub struct Bucket<'a> {
    moto: &'a Moto,
    name: String,
}

impl<'a> Bucket<'a> {
    /// Creates a bucket.
    pub fn create(moto: &'a Moto, name: &str) -> Self {
        let bucket = Self { moto, name: name.to_owned() };
        bucket.request("", b"");
        bucket
    }

    /// Puts an object into it, in the place of what was there.
    pub fn put(&self, key: &str, content: &[u8]) {
        self.request(&format!("/{key}"), content);
    }

    /// Moto checks no signature; it reads the service from its scope.
    fn request(&self, path: &str, content: &[u8]) {
        let url = format!("{}/{}{path}", self.moto.url(), self.name);
        let scope = format!("test/20200101/{REGION}/s3/aws4_request");
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none");
        ureq::put(&url)
            .header("authorization", authorization)
            .send(content)
            .unwrap_or_else(|error| panic!("{url}: {error}"));
    }
}
