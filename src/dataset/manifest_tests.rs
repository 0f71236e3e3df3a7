use super::*;
use crate::dataset::record::{INDEX, is_named_by_content};
use crate::jsonl::options::RowOptions;

/// A manifest of one shard whose numbers fit together.
fn whole() -> Manifest {
    let spec = ImageSpec::from_json(
        r#"{"kind":"original","color":"auto","exif":false,"sixteen_bit":"reject","alpha":"drop","decode_limit":178956970,"pixels":"pillow13"}"#,
    );
    let file = |name: &str| FileInfo {
        name: name.to_owned(),
        bytes: 1,
        blake3: "0".repeat(64),
    };
    Manifest {
        format: FORMAT,
        tool: Tool {
            name: "mmno_fast".to_owned(),
            version: "0".to_owned(),
        },
        spec: spec.unwrap(),
        pixels_version: PIXELS_VERSION,
        options: ManifestOptions {
            shard_bytes: 1,
            shuffle_seed: None,
            rows: RowOptions::default(),
        },
        trusted_previous: false,
        sources: vec![SourceRecord {
            name: "a.jsonl".to_owned(),
            bytes: 1,
            blake3: "0".repeat(64),
            lines: 5,
            rows: 3,
            rejected: 2,
        }],
        shards: vec![ShardRecord {
            folder: "0123456789abcdef".to_owned(),
            rows: 3,
            pictures: 2,
            gray: 0,
            rgb: 0,
            pixels: 2,
            files: vec![file("rows.arrow"), file("pictures.arrow")],
        }],
        totals: Totals {
            lines: 5,
            rows: 3,
            rejected: 2,
            pictures: 2,
            distinct_pictures: 2,
        },
        pictures_per_row: PicturesPerRow {
            largest: 1,
            histogram: BTreeMap::from([(0, 1), (1, 2)]),
        },
        files: TOP_FILES.map(|kind| file(&kind.name(FORMAT, &"0".repeat(64)))).to_vec(),
        manifest_blake3: "0".repeat(64),
    }
}

/// Its bytes, with a hash that agrees.
fn sealed(manifest: &Manifest) -> Vec<u8> {
    let mut sealed = manifest.clone();
    sealed.manifest_blake3 = "0".repeat(64);
    sealed.manifest_blake3 = blake3::hash(&sealed.to_bytes()).to_hex().to_string();
    sealed.to_bytes()
}

fn parsed(bytes: &[u8]) -> std::result::Result<Manifest, String> {
    Manifest::parse(bytes, Path::new("manifest.json")).map_err(|error| error.to_string())
}

#[test]
fn a_whole_manifest_is_read_and_any_changed_byte_is_seen() {
    let bytes = sealed(&whole());
    assert!(parsed(&bytes).is_ok());
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(parsed(&changed).is_err(), "byte {at}");
        assert!(parsed(&bytes[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn versions_names_and_sums_are_checked_behind_the_hash() {
    let changes: [(&str, fn(&mut Manifest)); 19] = [
        ("format 2", |m| m.format = [2, 0]),
        ("pixels of version", |m| m.pixels_version += 1),
        ("totals.lines", |m| m.totals.lines += 1),
        ("totals.rows", |m| m.totals.rows += 1),
        ("totals.rejected", |m| m.totals.rejected += 1),
        ("totals.pictures", |m| m.totals.pictures += 1),
        ("distinct", |m| m.totals.distinct_pictures = 3),
        ("a source", |m| m.sources[0].lines = 6),
        ("a source", |m| m.sources[0].rows = u64::MAX),
        ("totals.rows", |m| m.shards[0].rows = 4),
        ("of a shard", |m| m.shards[0].gray = 1),
        ("of a shard", |m| m.shards[0].rgb = u64::MAX),
        ("histogram", |m| *m.pictures_per_row.histogram.entry(0).or_default() = 9),
        ("largest", |m| m.pictures_per_row.largest = 9),
        ("one shard", |m| m.shards[0].folder = "../../../x".to_owned()),
        ("one file", |m| m.shards[0].files[0].name = "..".to_owned()),
        ("one file", |m| m.shards[0].files[0].name = "/etc/hostname".to_owned()),
        ("one file", |m| m.files.push(m.files[0].clone())),
        ("does not list rows.index.npy", |m| m.files.truncate(1)),
    ];
    for (wanted, change) in changes {
        let mut manifest = whole();
        change(&mut manifest);
        let message = parsed(&sealed(&manifest)).unwrap_err();
        assert!(message.contains(wanted), "{wanted}: {message}");
    }
    let mut newer = whole();
    newer.format = [1, 7];
    assert!(parsed(&sealed(&newer)).is_ok());
    let mut older = whole();
    older.format = [1, 0];
    assert!(
        parsed(&sealed(&older))
            .unwrap_err()
            .contains("under the name that format 1.0 gives it")
    );
    for (file, kind) in older.files.iter_mut().zip(TOP_FILES) {
        file.name = kind.plain.to_owned();
    }
    assert!(parsed(&sealed(&older)).is_ok());
    assert!(older.is_of_the_same_data(&whole()));
    older.files[0].blake3 = "1".repeat(64);
    assert!(!older.is_of_the_same_data(&whole()));
}

#[test]
fn names_follow_from_content() {
    let hash = "0123456789abcdef".repeat(4);
    assert_eq!(INDEX.name(FORMAT, &hash), "rows.index-0123456789abcdef.npy");
    assert_eq!(INDEX.name([1, 0], &hash), INDEX.plain);
    assert!(is_named_by_content("rows.index-0123456789abcdef.npy"));
    for name in [
        INDEX.plain,
        "rows.index-.npy",
        "rows.index-0123456789abcdeg.npy",
        "rejects-0123456789abcdef.npy",
    ] {
        assert!(!is_named_by_content(name), "{name}");
    }
}

#[test]
fn a_manifest_that_cannot_be_read_is_not_taken_for_none() {
    let dir = tempfile::tempdir().unwrap();
    let store = crate::store::folder::FolderStore::new(dir.path());
    assert_eq!(Manifest::open_if_there(&store, false).unwrap(), None);
    let path = dir.path().join(MANIFEST);
    std::os::unix::fs::symlink(MANIFEST, &path).unwrap();
    assert!(Manifest::open_if_there(&store, false).is_err(), "a link to itself");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(Manifest::open_if_there(&store, false).is_err(), "a folder");
}
