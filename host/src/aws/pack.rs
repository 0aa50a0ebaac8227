use super::Entry;

/// The most entries that SNS and SQS take in one request.
const MAX_ENTRIES: usize = 10;

/// Packs entries into requests, in order: at most [`MAX_ENTRIES`] in each, and `max_bytes` unless
/// one entry alone has more.
pub(super) fn pack<E: Entry>(entries: Vec<E>, max_bytes: usize) -> Vec<Vec<E>> {
    let mut batches: Vec<Vec<E>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        bytes += entry.bytes();
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_ENTRIES && bytes <= max_bytes => batch.push(entry),
            _ => {
                bytes = entry.bytes();
                batches.push(vec![entry]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Weight(usize, usize);

    impl Entry for Weight {
        fn index(&self) -> usize {
            self.0
        }

        fn bytes(&self) -> usize {
            self.1
        }
    }

    fn packed(weights: &[usize], max_bytes: usize) -> Vec<Vec<usize>> {
        let entries = weights.iter().enumerate().map(|(index, &bytes)| Weight(index, bytes));
        let batches = pack(entries.collect(), max_bytes);
        batches.iter().map(|batch| batch.iter().map(Entry::index).collect()).collect()
    }

    #[test]
    fn at_most_ten_in_a_request() {
        let sizes: Vec<_> = packed(&[1; 21], 1000).iter().map(Vec::len).collect();
        assert_eq!(sizes, [10, 10, 1]);
    }

    #[test]
    fn at_most_the_limit_of_bytes_in_a_request() {
        assert_eq!(packed(&[40, 60, 1, 100, 100], 100), [vec![0, 1], vec![2], vec![3], vec![4]]);
    }

    #[test]
    fn what_is_larger_than_a_request_goes_alone() {
        assert_eq!(packed(&[1, 200, 1], 100), [vec![0], vec![1], vec![2]]);
    }

    #[test]
    fn nothing_needs_no_request() {
        assert!(packed(&[], 100).is_empty());
    }
}
