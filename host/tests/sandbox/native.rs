use weir::{Batch, Encoding, Filter, Flag, Verdict};
use weir_guest::VerdictKind;

/// Panics unless a rule in its sandbox says the same of some payloads as the rule compiled natively,
/// which is in the same state. So many of them were classified before.
pub(crate) fn assert_agreement<R: weir_guest::Rule>(
    filter: &Filter,
    source: &mut R,
    encoding: Encoding,
    payloads: &[Vec<u8>],
    replayed: usize,
) {
    let mut batch = Batch::with_capacity(encoding, payloads.len(), 0);
    payloads.iter().for_each(|payload| batch.push(payload));
    let sandboxed = filter.classify(&batch.replayed(replayed)).expect("an outcome");
    let native = classify(source, encoding, payloads, replayed);

    let verdict = |kind| match kind {
        VerdictKind::Pass => Verdict::Pass,
        VerdictKind::Flag => Verdict::Flag,
        VerdictKind::Drop => Verdict::Drop,
        VerdictKind::Fail => Verdict::Fail,
    };
    let verdicts: Vec<_> = native.verdicts.iter().map(|kind| verdict(*kind)).collect();
    assert_eq!(sandboxed.verdicts, verdicts);
    let reasons = native.failed.iter().map(|(_, reason)| reason);
    assert!(sandboxed.failed.iter().map(|failure| &failure.reason).eq(reasons));
    let flag = |(index, flag): &(u32, weir_guest::Flag)| {
        (*index as usize, flag.score, flag.message.clone())
    };
    let sandboxed_flag = |flag: &Flag| (flag.index, flag.score, Some(flag.message.clone()));
    let flags = native.flagged.iter().map(flag);
    assert!(sandboxed.flagged.iter().map(sandboxed_flag).eq(flags));
    let rewritten = sandboxed.rewritten.expect("rewritten payloads");
    let (bytes, ends) = native.rewritten.expect("rewritten payloads");
    let mut start = 0;
    for (index, end) in ends.iter().enumerate() {
        let payload = &bytes[start..*end as usize];
        assert_eq!(rewritten.get(index), Some(payload));
        start = *end as usize;
    }
}

/// What the rule compiled natively says.
fn classify<R: weir_guest::Rule>(
    source: &mut R,
    encoding: Encoding,
    payloads: &[Vec<u8>],
    replayed: usize,
) -> weir_guest::Outcome {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for payload in payloads {
        bytes.extend_from_slice(payload);
        ends.push(bytes.len() as u32);
    }
    let payloads = weir_guest::Payloads { bytes: &bytes, ends: &ends };
    let encoding = match encoding {
        Encoding::Base64 => weir_guest::Encoding::Base64,
        Encoding::Plain => weir_guest::Encoding::Plain,
    };
    let replayed = replayed as u32;
    weir_guest::classify(source, weir_guest::Batch { payloads, encoding, replayed })
}
