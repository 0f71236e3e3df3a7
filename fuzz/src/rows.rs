//! A line as a row: a row or a finding, never neither; and what is taken for a row is JSON.

use std::collections::HashMap;

use mmno_fast::finding::Finding;
use mmno_fast::jsonl::inspect::inspect;
use mmno_fast::jsonl::judge::judge;
use mmno_fast::jsonl::options::RowOptions;
use serde_json::value::RawValue;

/// Takes any bytes.
pub fn check(bytes: &[u8]) {
    let options = RowOptions::default();
    let (mut findings, mut again) = (Vec::new(), Vec::new());
    let judged = judge(bytes, 7, &options, &mut findings);
    let is_row = judged.is_some();
    assert!(is_row || !findings.is_empty(), "a row, or a finding that says why not");
    assert_eq!(judge(bytes, 7, &options, &mut again).is_some(), is_row, "the same twice");
    assert_eq!(said(&findings), said(&again), "the same twice");
    let rejected = findings.iter().any(|finding| finding.code.rejects());
    if is_row && !rejected {
        // Numbers are kept as they stand, so one that no float holds is fine.
        let members: Result<HashMap<String, Box<RawValue>>, _> = serde_json::from_slice(bytes);
        assert!(members.is_ok(), "an accepted row is an object of JSON");
    }
    for finding in &findings {
        assert!((7..=7 + bytes.len() as u64).contains(&finding.byte), "{finding:?}");
        assert!(finding.message.len() < 4096, "a message is cut");
    }
    drop(inspect(bytes, &options).to_string());
}

fn said(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| format!("{finding:?}")).collect()
}
