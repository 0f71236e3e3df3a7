//! A shard of which one file holds any bytes: it is refused, or every row and picture that it counts can be reached.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use mmno_fast::builder::driver::{Request, build};
use mmno_fast::builder::options::Options;
use mmno_fast::dataset::manifest::Manifest;
use mmno_fast::dataset::view::View;
use mmno_fast::ordered::{Pool, Window};
use mmno_fast::picture::ImageSpec;
use mmno_fast::progress::Counters;
use mmno_fast::scan::model::{Run, Source};
use mmno_fast::scan::options::ScanOptions;
use mmno_fast::store::Store;
use mmno_fast::store::folder::FolderStore;

const FILES: [&str; 3] = ["rows.arrow", "pictures.arrow", "rgb.npy"];
const SPEC: &str = r#"{"kind":"resize","height":8,"width":8,"fit":"stretch","filter":"box","color":"rgb","exif":true,"sixteen_bit":"reject","alpha":"drop","decode_limit":100000,"pixels":"pillow13"}"#;
const PICTURE: &[u8] = include_bytes!("../seeds/picture/bmp-rgb");
const ROWS: &str = r#"{"messages": [{"role": "user", "content": "<image>Why?"}, {"role": "assistant", "content": "So."}], "images": ["a.bmp"], "meta": {"n": 1}}
{"messages": [{"role": "user", "content": "<image><image>Which?"}, {"role": "assistant", "content": "B"}], "images": ["b.bmp", "a.bmp"], "weight": 0.5}
"#;

/// A data set of one shard, as it was built.
struct Whole {
    folder: PathBuf,
    manifest: Manifest,
}

/// Takes the number of a file, and its bytes.
pub fn check(bytes: &[u8]) {
    static WHOLE: OnceLock<Mutex<Whole>> = OnceLock::new();
    let Some((file, content)) = bytes.split_first() else {
        return;
    };
    let whole = WHOLE
        .get_or_init(|| Mutex::new(built()))
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let mut record = whole.manifest.shards[0].clone();
    let name = FILES[usize::from(*file) % FILES.len()];
    let path = whole.folder.join(&record.folder).join(name);
    let before = fs::read(&path).expect("the file is there");
    fs::write(&path, content).expect("the file is written");
    if let Some(listed) = record.files.iter_mut().find(|listed| listed.name == name) {
        listed.bytes = content.len() as u64;
    }
    let store = FolderStore::new(&whole.folder).below(&record.folder);
    if let Ok(view) = View::open(&*store, &record, &whole.manifest.spec) {
        let pictures = view.pictures().all().len();
        assert_eq!(pictures as u64, record.pictures);
        for row in 0..record.rows as u32 {
            assert!(view.row(row).is_some());
            let own = view.pictures_of(row).expect("a row that is counted has its pictures");
            assert!(own.iter().all(|&picture| (picture as usize) < pictures));
        }
        for picture in 0..pictures as u32 {
            let (stored, pixels) = view.pictures().get(picture).expect("a picture that is counted has its pixels");
            assert_eq!(stored.bytes(), pixels.len() as u64);
        }
    }
    fs::write(&path, before).expect("the file is written");
}

fn built() -> Whole {
    let folder = tempfile::tempdir().expect("a temporary folder").keep();
    for name in ["a.bmp", "b.bmp"] {
        // A byte after the end of the picture makes it another file.
        fs::write(folder.join(name), [PICTURE, if name == "a.bmp" { b"" } else { b"b" }].concat()).expect("a picture is written");
    }
    fs::write(folder.join("rows.jsonl"), ROWS).expect("rows are written");
    let request = Request {
        sources: vec![Source {
            name: "rows.jsonl".to_owned(),
            path: folder.join("rows.jsonl"),
        }],
        roots: vec![folder.clone()],
        out: folder.join("out"),
        options: Options {
            scan: ScanOptions::new(ImageSpec::from_json(SPEC).expect("a spec")),
            shard_bytes: 1 << 20,
            shuffle_seed: None,
            update: false,
            trust_previous: false,
        },
    };
    let counters = Counters::default();
    let run = Run {
        pool: Pool {
            threads: 1,
            window: Window::default(),
            monitor: &|| Ok(()),
        },
        chunk_bytes: 1 << 20,
        counters: &counters,
    };
    let report = build(request, run).expect("a build");
    assert_eq!((report.rows, report.shards), (2, 1), "{report:?}");
    let folder = folder.join("out");
    let manifest = Manifest::open(&FolderStore::new(&folder)).expect("a manifest");
    Whole { folder, manifest }
}
