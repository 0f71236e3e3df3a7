//! `verify` asks nothing but a store: a data set that lies in no folder is read as well as one that does.
#![allow(clippy::unwrap_used, reason = "a test; whatever it cannot do is its failure")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Cursor, ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mmno_fast::builder::driver::{Request, build};
use mmno_fast::builder::options::Options;
use mmno_fast::dataset::verify::{Problem, verify_store};
use mmno_fast::ordered::{Pool, Window};
use mmno_fast::picture::ImageSpec;
use mmno_fast::progress::Counters;
use mmno_fast::scan::model::{Run, Source};
use mmno_fast::scan::options::ScanOptions;
use mmno_fast::store::{Entry, Region, Store};

const SPEC: &str =
    r#"{"kind":"original","color":"auto","exif":true,"sixteen_bit":"reject","alpha":"drop","decode_limit":1000,"pixels":"pillow13"}"#;

/// Files in memory, by name.
#[derive(Clone, Default)]
struct Memory {
    files: Arc<BTreeMap<String, Vec<u8>>>,
    /// What stands in front of every name; it ends with `/`.
    folder: String,
    /// A folder that may not be listed.
    closed: Option<&'static str>,
}

impl Memory {
    fn file(&self, name: &str) -> io::Result<&Vec<u8>> {
        let found = self.files.get(&format!("{}{name}", self.folder));
        found.ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl Store for Memory {
    fn has(&self, name: &str) -> io::Result<bool> {
        Ok(self.file(name).is_ok())
    }
    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        if self.closed == Some(folder) {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let within = self.below(folder).label("").display().to_string();
        let mut entries: Vec<Entry> = Vec::new();
        for name in self.files.keys().filter_map(|name| name.strip_prefix(&within)) {
            let (first, is_folder) = name.split_once('/').map_or((name, false), |(first, _)| (first, true));
            entries.push(Entry {
                name: first.into(),
                is_folder,
            });
        }
        entries.dedup();
        Ok(entries)
    }
    fn length(&self, name: &str) -> io::Result<u64> {
        Ok(self.file(name)?.len() as u64)
    }
    fn read(&self, name: &str, most: u64, into: &mut Vec<u8>) -> io::Result<()> {
        assert!(self.length(name)? <= most);
        self.file(name)?.clone_into(into);
        Ok(())
    }
    fn read_range(&self, name: &str, range: Range<u64>, into: &mut Vec<u8>) -> io::Result<()> {
        self.file(name)?[range.start as usize..range.end as usize].clone_into(into);
        Ok(())
    }
    fn stream(&self, name: &str) -> io::Result<(Box<dyn Read + Send>, u64)> {
        let bytes = self.file(name)?.clone();
        let length = bytes.len() as u64;
        Ok((Box::new(Cursor::new(bytes)), length))
    }
    #[expect(unsafe_code, reason = "the trait says so; nothing is mapped")]
    unsafe fn map(&self, name: &str, most: u64) -> io::Result<Region> {
        assert!(self.length(name)? <= most);
        Ok(Region::read(self.file(name)?.clone()))
    }
    fn below(&self, folder: &str) -> Box<dyn Store> {
        let end = if folder.is_empty() { "" } else { "/" };
        Box::new(Self {
            folder: format!("{}{folder}{end}", self.folder),
            ..self.clone()
        })
    }
    fn label(&self, name: &str) -> PathBuf {
        format!("{}{name}", self.folder).into()
    }
}

fn pool() -> Pool<'static> {
    Pool {
        threads: 2,
        window: Window { items: 8, bytes: 1 << 20 },
        monitor: &|| Ok(()),
    }
}

/// A small data set, by name.
fn built(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let rows = folder.join("rows.jsonl");
    let chat = r#"{"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]}"#;
    fs::write(&rows, format!("{chat}\n{chat}\nno JSON\n")).unwrap();
    let request = Request {
        sources: vec![Source {
            name: "rows".to_owned(),
            path: rows,
        }],
        roots: Vec::new(),
        out: folder.join("out"),
        options: Options {
            scan: ScanOptions::new(ImageSpec::from_json(SPEC).unwrap()),
            shard_bytes: 900,
            shuffle_seed: None,
            update: false,
            trust_previous: false,
        },
    };
    let run = Run {
        pool: pool(),
        chunk_bytes: 100,
        counters: &Counters::default(),
    };
    assert_eq!(build(request, run).unwrap().rows, 2);
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder.join("out")).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name().into_string().unwrap())).unwrap();
        if path.is_file() {
            files.insert(name, fs::read(path).unwrap());
            continue;
        }
        for file in fs::read_dir(path).unwrap() {
            let file = file.unwrap();
            let inner = file.file_name().into_string().unwrap();
            files.insert(format!("{name}/{inner}"), fs::read(file.path()).unwrap());
        }
    }
    files
}

fn problems(files: &BTreeMap<String, Vec<u8>>, closed: Option<&'static str>) -> Vec<(String, String)> {
    let store = Memory {
        files: Arc::new(files.clone()),
        closed,
        ..Memory::default()
    };
    let verdict = verify_store(&store, pool(), &Counters::default()).unwrap();
    let found = verdict.problems.into_iter();
    found.map(|Problem { path, message }| (path, message)).collect()
}

#[test]
fn a_data_set_in_memory_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let files = built(folder.path());
    assert!(files.len() > 5, "{:?}", files.keys());
    assert_eq!(problems(&files, None), []);
    for name in files.keys() {
        let mut damaged = files.clone();
        damaged.get_mut(name).unwrap()[5] ^= 1;
        assert_eq!(problems(&damaged, None)[0].0, *name);
        if name != "manifest.json" {
            damaged.remove(name);
            let found = problems(&damaged, None);
            assert!(
                found.len() == 1 && found[0].0 == *name && found[0].1.starts_with("the file is missing"),
                "{found:?}"
            );
        }
    }
    for name in ["stray", "0123456789abcdef/stray"] {
        let mut more = files.clone();
        more.insert(name.to_owned(), Vec::new());
        assert_eq!(problems(&more, None)[0].0, name.trim_end_matches("/stray"));
    }
    let closed = problems(&files, Some(""));
    assert!(
        closed.len() == 1 && closed[0].0 == "." && closed[0].1.contains("cannot list"),
        "{closed:?}"
    );
}
