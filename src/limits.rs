//! Every limit that bounds what an input can make this program take, in one list. Each is named where it is used; nothing here decides anything.

use serde::Serialize;

use crate::dataset::manifest::MAX_MANIFEST_BYTES;
use crate::dataset::record::MAX_RECORD_BYTES;
use crate::error::Result;
use crate::jsonl::json::MAX_DEPTH;
use crate::jsonl::options::RowOptions;
use crate::load::gather::MAX_BATCH_BYTES;
use crate::ordered::WINDOW_BYTES;
use crate::picture::{DEFAULT_DECODE_LIMIT, ImageSpec, KEPT_BUFFER_BYTES, KEPT_BYTES, KEPT_WEIGHTS_BYTES, MAX_SIDE};
use crate::scan::findings::FINDINGS_KEPT;
use crate::store::MAX_FILE_BYTES;

/// One limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// Its stable name.
    pub name: &'static str,
    /// How much.
    pub value: u64,
    /// Of what: `bytes`, `pixels` and so on.
    pub unit: &'static str,
    /// What it bounds, and what happens beyond it.
    pub what: &'static str,
}

/// All limits, of pictures of at most so many pixels; `None`: as many as by default.
pub fn limits(decode_limit: Option<u64>) -> Result<Vec<Limit>> {
    let decode_limit = decode_limit.unwrap_or(DEFAULT_DECODE_LIMIT);
    let spec = ImageSpec::from_json(&format!(
        r#"{{"kind":"original","color":"auto","exif":true,"sixteen_bit":"scale","alpha":"drop","decode_limit":{decode_limit},"pixels":"pillow13"}}"#
    ))?;
    let limit = |name, value, unit, what| Limit { name, value, unit, what };
    Ok(vec![
        limit(
            "line_bytes",
            RowOptions::default().max_line_bytes,
            "bytes",
            "a line of a source, by default; a longer one is rejected",
        ),
        limit(
            "json_depth",
            MAX_DEPTH as u64,
            "brackets",
            "brackets that are open at once in a row; more reject it",
        ),
        limit(
            "findings_kept",
            FINDINGS_KEPT,
            "findings",
            "findings that a report keeps of each code and source; all are counted",
        ),
        limit(
            "file_bytes",
            MAX_FILE_BYTES,
            "bytes",
            "the file of a picture; a larger one is refused. Each worker reads one at a time",
        ),
        limit(
            "decode_limit",
            decode_limit,
            "pixels",
            "a picture, width times height; a larger one is refused",
        ),
        limit("side", MAX_SIDE.into(), "pixels", "a side of what pictures are resized to"),
        limit(
            "picture_bytes",
            spec.most_working_bytes(),
            "bytes",
            "memory for the pixels of one picture while they are made; one that would take more is refused. Grows with decode_limit, and with a target that is larger",
        ),
        limit(
            "window_bytes",
            WINDOW_BYTES,
            "bytes",
            "the same of all pictures that a job has under way, whatever its threads; one alone may take more, up to picture_bytes",
        ),
        limit(
            "worker_bytes",
            KEPT_BYTES + KEPT_WEIGHTS_BYTES + 2 * KEPT_BUFFER_BYTES,
            "bytes",
            "memory that each worker keeps from one picture to the next, at most",
        ),
        limit(
            "batch_bytes",
            MAX_BATCH_BYTES,
            "bytes",
            "the pictures of one batch; a larger one is an error",
        ),
        limit(
            "manifest_bytes",
            MAX_MANIFEST_BYTES,
            "bytes",
            "the file manifest.json; a larger one is refused",
        ),
        limit(
            "record_bytes",
            MAX_RECORD_BYTES,
            "bytes",
            "the record of a shard, unit.json; a larger one is refused",
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_a_name_of_its_own_and_grows_with_what_it_follows_from() {
        let (usual, small) = (limits(None).unwrap(), limits(Some(4_000_000)).unwrap());
        let names: std::collections::HashSet<_> = usual.iter().map(|limit| limit.name).collect();
        assert_eq!(names.len(), usual.len());
        let of = |limits: &[Limit], name: &str| limits.iter().find(|limit| limit.name == name).unwrap().value;
        assert_eq!(of(&usual, "decode_limit"), DEFAULT_DECODE_LIMIT);
        assert!(of(&small, "picture_bytes") < of(&usual, "picture_bytes"));
        assert!(limits(Some(0)).is_err());
    }
}
