//! Errors quote what was refused, which may be an address with a secret in it.

/// A text without the user, the password and the query of any address in it: what a server lets in those
/// who know it.
pub(super) fn without_secrets(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("://") {
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'');
        let (address, behind) = behind.split_at(behind.find(ends).unwrap_or(behind.len()));
        let (address, query) = address.split_at(address.find('?').unwrap_or(address.len()));
        let (host, path) = address.split_at(address.find(['/', '#']).unwrap_or(address.len()));
        let (user, host) = host.rsplit_once('@').unwrap_or(("", host));
        let user = if user.is_empty() { "" } else { "…@" };
        let query = if query.is_empty() { "" } else { "?…" };
        shown.extend([before, "://", user, host, path, query]);
        rest = behind;
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lets_in_is_left_out() {
        for (text, shown) in [
            ("no address", "no address"),
            ("", ""),
            ("'https://ada:secret@host/a?X-Sig=3'", "'https://…@host/a?…'"),
            ("https://secret@host", "https://…@host"),
            ("https://a:b@c@host?d=e@f://g", "https://…@host?…"),
            ("https://host?a@b", "https://host?…"),
            ("oci://host/name@sha256:0 and s3://a/b", "oci://host/name@sha256:0 and s3://a/b"),
            ("rule = \"https://a@b/\" https://c@d", "rule = \"https://…@b/\" https://…@d"),
            ("://", "://"),
        ] {
            assert_eq!(without_secrets(text), shown, "{text}");
        }
    }
}
