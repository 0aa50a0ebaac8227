use super::entry::Entry;

/// The most entries that SNS takes in one request.
const MAX_ENTRIES: usize = 10;

/// Packs entries into requests, in order: at most [`MAX_ENTRIES`] and `max_bytes` in each.
pub(super) fn pack(entries: Vec<Entry>, max_bytes: usize) -> Vec<Vec<Entry>> {
    let mut batches: Vec<Vec<Entry>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        bytes += entry.bytes;
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_ENTRIES && bytes <= max_bytes => batch.push(entry),
            _ => {
                bytes = entry.bytes;
                batches.push(vec![entry]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::alert;
    use super::*;

    fn packed(messages: &[usize], max_bytes: usize) -> Vec<Vec<usize>> {
        let entry = |(index, &length): (usize, &usize)| Entry {
            bytes: length,
            ..Entry::new(index, alert("m"), 1000).expect("an entry")
        };
        let entries = messages.iter().enumerate().map(entry).collect();
        let indices = |batch: &Vec<Entry>| batch.iter().map(|entry| entry.index).collect();
        pack(entries, max_bytes).iter().map(indices).collect()
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
    fn nothing_needs_no_request() {
        assert!(packed(&[], 100).is_empty());
    }
}
