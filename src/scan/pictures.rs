//! The second pass: every distinct name is resolved, read, hashed, probed and, for `check`, decoded.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::jsonl::rules::{check_name, strip};
use crate::ordered::{self, Pool, Turn};
use crate::picture::{Alpha, Fault, Format, Preparer, Probe, probe};
use crate::progress::{Counters, Stage};
use crate::scan::{Located, Options, Picture, Scan};
use crate::store::resolve::{Resolved, Resolver};
use crate::store::{self, MAX_FILE_BYTES, Store};

/// A file that a name came to.
struct Seen {
    hash: [u8; 32],
    probe: Probe,
    root: usize,
    file: String,
    renamed: bool,
    /// Set by whichever name came first to these bytes: the channels, or why they cannot be decoded.
    decoded: Option<std::result::Result<u32, Fault>>,
}

/// What a worker keeps.
#[derive(Default)]
struct Scratch {
    bytes: Vec<u8>,
    preparer: Option<Preparer>,
}

/// Looks at every well-formed name of `scan`, and says what is wrong with the pictures.
pub fn scan_pictures(scan: &mut Scan, roots: &[PathBuf], options: &Options, pool: Pool<'_>, counters: &Counters) -> Result<()> {
    let mut stores: Vec<(String, Box<dyn Store>)> = Vec::new();
    for root in roots {
        stores.push((root.display().to_string(), store::open::root(root, options.follow_links)?));
    }
    let prefix = options.strip_prefix.as_deref();
    let well_formed = |name: &str| check_name(strip(name, prefix)).is_ok();
    let resolver = Resolver::new(
        stores,
        scan.names.iter().filter(|name| well_formed(name)).map(|name| strip(name, prefix)),
    );
    counters.enter(Stage::Pictures, scan.names.len() as u64);

    let claimed = Mutex::new(HashSet::new());
    let mut outcomes: Vec<std::result::Result<u32, Fault>> = Vec::with_capacity(scan.names.len());
    let mut numbers: HashMap<[u8; 32], u32> = HashMap::new();
    let mut pictures: Vec<Picture> = Vec::new();
    let mut broken: HashMap<u32, Fault> = HashMap::new();
    let mut renamed: HashMap<u32, String> = HashMap::new();
    ordered::map(
        pool,
        0..scan.names.len(),
        |_| Turn::InOrder(1 << 20),
        Scratch::default,
        |scratch, i| {
            let name = &*scan.names[i];
            let seen = if well_formed(name) {
                look(strip(name, prefix), &resolver, options, &claimed, scratch, counters)
            } else {
                Err(None)
            };
            Counters::add(&counters.done, 1);
            Counters::add(&counters.pictures, 1);
            seen
        },
        |seen| {
            let name = outcomes.len() as u32;
            outcomes.push(match seen {
                // A name with a fault of its own is no picture's; its rows are told about the fault already.
                Err(None) => Err(Fault {
                    code: Code::ImagesBadName,
                    message: String::new(),
                }),
                Err(Some(fault)) => Err(fault),
                Ok(seen) => {
                    if seen.renamed {
                        renamed.insert(name, seen.file.clone());
                    }
                    let number = *numbers.entry(seen.hash).or_insert_with(|| {
                        pictures.push(Picture {
                            hash: seen.hash,
                            probe: seen.probe,
                            root: seen.root,
                            file: seen.file,
                            channels: 0,
                        });
                        pictures.len() as u32 - 1
                    });
                    match seen.decoded {
                        Some(Ok(channels)) => pictures[number as usize].channels = channels,
                        Some(Err(fault)) => {
                            broken.insert(number, fault);
                        }
                        None => {}
                    }
                    Ok(number)
                }
            });
            Ok(())
        },
    )?;
    for outcome in &mut outcomes {
        if let Ok(number) = outcome
            && let Some(fault) = broken.get(number)
        {
            *outcome = Err(fault.clone());
        }
    }
    say(scan, &outcomes, &pictures, &renamed, options.spec.alpha, &well_formed);
    scan.outcomes = outcomes;
    scan.pictures = pictures;
    scan.resolver = Some(resolver);
    Ok(())
}

/// One name: its file, its bytes, its header.
fn look(
    name: &str,
    resolver: &Resolver,
    options: &Options,
    claimed: &Mutex<HashSet<[u8; 32]>>,
    scratch: &mut Scratch,
    counters: &Counters,
) -> std::result::Result<Seen, Option<Fault>> {
    let (file, roots, renamed) = match resolver.resolve(name) {
        Resolved::Found { name, roots, renamed } => (name, roots, renamed),
        Resolved::Fault(code, message) => return Err(Some(Fault { code, message })),
    };
    let mut hash = None;
    // Backwards, so that the first root's bytes are the ones left in the buffer.
    for &root in roots.iter().rev() {
        let Some(store) = resolver.store(root) else { continue };
        if let Err(error) = store.read(&file, MAX_FILE_BYTES, &mut scratch.bytes) {
            return Err(Some(Fault {
                code: Code::PictureUnreadable,
                message: format!("{file:?}: {error}"),
            }));
        }
        Counters::add(&counters.bytes, scratch.bytes.len() as u64);
        let found = *blake3::hash(&scratch.bytes).as_bytes();
        if hash.is_some_and(|other| other != found) {
            return Err(Some(Fault {
                code: Code::ImagesTwoRoots,
                message: format!("two roots hold other bytes under {file:?}"),
            }));
        }
        hash = Some(found);
    }
    let named = |mut fault: Fault| {
        fault.message = format!("{name:?}: {}", fault.message);
        Some(fault)
    };
    let header = probe(&scratch.bytes).map_err(named)?;
    options.spec.admit(&header).map_err(named)?;
    let hash = hash.unwrap_or_default();
    let first = options.decode && claimed.lock().unwrap_or_else(PoisonError::into_inner).insert(hash);
    let decoded = first.then(|| {
        Counters::add(&counters.decoded, 1);
        scratch
            .preparer
            .get_or_insert_with(Preparer::new)
            .decode_only(&scratch.bytes, &header, &options.spec)
            .map_err(|mut fault| {
                fault.message = format!("{name:?}: {}", fault.message);
                fault
            })
    });
    Ok(Seen {
        hash,
        probe: header,
        root: roots.first().copied().unwrap_or(0),
        file,
        renamed,
        decoded,
    })
}

/// The findings about pictures: faults for every row that needs the picture, warnings at the first row that names it.
fn say(
    scan: &mut Scan,
    outcomes: &[std::result::Result<u32, Fault>],
    pictures: &[Picture],
    renamed: &HashMap<u32, String>,
    alpha: Alpha,
    well_formed: &dyn Fn(&str) -> bool,
) {
    let mut findings = Vec::new();
    let mut warned = vec![false; scan.names.len()];
    for row in &scan.rows {
        let names = scan.names_of(row);
        let mut say = |i: usize, code: Code, message: String| {
            let finding = Finding {
                code,
                byte: row.offset,
                pointer: format!("/images/{i}").into(),
                message: message.into(),
            };
            findings.push(Located {
                source: row.source,
                line: row.line,
                finding,
            });
        };
        for (i, &name) in names.iter().enumerate() {
            let text = &*scan.names[name as usize];
            match &outcomes[name as usize] {
                Err(fault) if well_formed(text) => say(i, fault.code, fault.message.clone()),
                Err(_) => {}
                Ok(number) => {
                    if names
                        .iter()
                        .take(i)
                        .any(|&other| outcomes[other as usize].as_ref().ok() == Some(number))
                    {
                        say(i, Code::ImagesRepeated, format!("{text:?} is a picture that this row has already"));
                    }
                    if !std::mem::replace(&mut warned[name as usize], true) {
                        let file = renamed.get(&name);
                        if let Some(file) = file {
                            say(i, Code::ImagesResolved, format!("{text:?} was found as {file:?}"));
                        }
                        // Of a file found under another suffix, that one counts: one fault, one code.
                        let name = file.map_or(text, String::as_str);
                        warn(&pictures[*number as usize].probe, name, alpha, &mut |code, message| {
                            say(i, code, message);
                        });
                    }
                }
            }
        }
    }
    scan.findings.append(&mut findings);
}

fn warn(probe: &Probe, name: &str, alpha: Alpha, say: &mut dyn FnMut(Code, String)) {
    let suffix = name.rfind('.').and_then(|dot| name.get(dot..)).unwrap_or_default();
    if Format::from_suffix(suffix) != Some(probe.format) {
        say(Code::PictureExtension, format!("{name:?} holds {}", probe.format.as_str()));
    }
    if probe.transparent {
        let fate = match alpha {
            Alpha::Drop => "dropped",
            Alpha::White => "laid over white",
        };
        say(Code::PictureTransparent, format!("{name:?} has transparency, which is {fate}"));
    }
    if probe.animated {
        say(Code::PictureAnimated, format!("only the first frame of {name:?} is used"));
    }
}
