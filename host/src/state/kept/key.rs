use crate::digest::sha256_hex;

/// How much of a partition's name its key shows, in characters.
const MAX_READABLE: usize = 120;

/// The key of a partition's state: readable, as far as a store takes it, and unlike any other.
pub(super) fn key(rule: &str, partition: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let readable: Vec<char> =
        partition.chars().map(|c| if is_plain(c) { c } else { '-' }).collect();
    // What names the shard is at the end.
    let readable = &readable[readable.len().saturating_sub(MAX_READABLE)..];
    let digest = sha256_hex(partition);
    format!("{rule}.{}.{}", readable.iter().collect::<String>(), &digest[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_readable_and_fits_any_store() {
        let key_of = |partition: &str| key("forest", partition);
        let shard =
            key_of("kinesis arn:aws:kinesis:eu-west-1:1:stream/vitals shardId-000000000001");
        assert!(
            shard.starts_with("forest.kinesis-arn-aws-kinesis-eu-west-1-1-stream-vitals-shardId-0"),
            "{shard}"
        );
        assert_ne!(key_of("ndjson a/b"), key_of("ndjson a-b"));
        let long = key(&"r".repeat(64), &"ü".repeat(1000));
        assert!(long.len() <= 250 - ".refused-0123456789abcdef".len(), "{long}");
    }
}
