//! A manifest: what is accepted names plain files, counts right, and says the same when it is written and read again.

use std::path::Path;

use mmno_fast::dataset::manifest::Manifest;
use mmno_fast::dataset::record::TOP_FILES;

const OWN: &[u8] = b"\"manifest_blake3\": \"";

/// Takes any bytes. Each text is also tried with a correct hash of its own, so that the checks after that one run.
pub fn check(bytes: &[u8]) {
    let path = Path::new("manifest.json");
    for text in [bytes.to_vec(), sealed(bytes)] {
        let Ok(manifest) = Manifest::parse(&text, path) else {
            continue;
        };
        for kind in TOP_FILES {
            assert!(manifest.file(kind).is_some(), "{} is listed", kind.plain);
        }
        let names = manifest.shards.iter().flat_map(|shard| &shard.files).chain(&manifest.files);
        for name in names
            .map(|file| &file.name)
            .chain(manifest.shards.iter().map(|shard| &shard.folder))
        {
            assert!(!name.contains('/') && name != ".." && !name.is_empty(), "{name:?} leads outside");
        }
        let rows: u64 = manifest.shards.iter().map(|shard| shard.rows).sum();
        assert_eq!(rows, manifest.totals.rows);
        let again = Manifest::parse(&sealed(&manifest.to_bytes()), path).expect("what was accepted is accepted again");
        assert!(again.is_of_the_same_data(&manifest));
    }
}

/// The same with its own hash made to agree, where it has a place for one.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut text = bytes.to_vec();
    let at = text.windows(OWN.len()).rposition(|part| part == OWN).map(|at| at + OWN.len());
    let Some(at) = at.filter(|at| at + 64 <= text.len()) else {
        return text;
    };
    text[at..at + 64].fill(b'0');
    let hash = blake3::hash(&text).to_hex();
    text[at..at + 64].copy_from_slice(hash.as_bytes());
    text
}
