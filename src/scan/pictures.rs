//! The second pass: every distinct name is resolved, read, hashed, probed and, for `check`, decoded.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::error::Result;
use crate::finding::{Code, Finding, quote};
use crate::jsonl::rules::check_name;
use crate::ordered::budget::Budget;
use crate::ordered::{self, Turn};
use crate::picture::{Alpha, Fault, Format, KEPT_BUFFER_BYTES, Preparer, Probe, keep_at_most, probe};
use crate::progress::{Counters, Stage};
use crate::scan::findings::{Collector, Located};
use crate::scan::model::{NameOutcome, Picture, Run, Scan};
use crate::scan::options::ScanOptions;
use crate::store::read::{self, Found};
use crate::store::resolve::Resolver;
use crate::store::{self, Store};

/// A file that a name came to.
struct Seen {
    found: Found,
    probe: Probe,
    /// Set by whichever name came first to these bytes: the channels, or why they cannot be decoded.
    decoded: Option<std::result::Result<u32, Fault>>,
}

/// What a worker keeps.
#[derive(Default)]
struct Scratch {
    bytes: Vec<u8>,
    preparer: Option<Preparer>,
}

/// What looking at any name needs.
struct Looking<'a> {
    resolver: Resolver,
    options: &'a ScanOptions,
    decode: bool,
    /// Hashes of pictures that some name has come to first.
    claimed: Mutex<HashSet<[u8; 32]>>,
    /// What the workers may take for pixels together.
    budget: Budget,
    counters: &'a Counters,
}

/// What the names came to, put together in their order.
#[derive(Default)]
struct Gathered {
    outcomes: Vec<NameOutcome>,
    pictures: Vec<Picture>,
    numbers: HashMap<[u8; 32], u32>,
    /// Pictures that cannot be decoded.
    broken: HashMap<u32, Fault>,
    /// Names that were found as others.
    renamed: HashMap<u32, String>,
}

fn is_well_formed(name: &str, options: &ScanOptions) -> bool {
    check_name(options.rows.strip(name)).is_ok()
}

/// Looks at every well-formed name of `scan`, and says what is wrong with the pictures; `decode`: with their pixels, too.
pub(super) fn scan_pictures(
    scan: &mut Scan,
    roots: &[PathBuf],
    decode: bool,
    options: &ScanOptions,
    run: Run<'_>,
    said: &mut Collector<'_, '_>,
) -> Result<()> {
    let mut stores: Vec<(PathBuf, Box<dyn Store>)> = Vec::new();
    for root in roots {
        stores.push((root.clone(), store::open::root(root, options.follow_links)?));
    }
    let well_formed = scan.names.iter().filter(|name| is_well_formed(name, options));
    let looking = Looking {
        resolver: Resolver::new(stores, well_formed.map(|name| options.rows.strip(name)))?,
        options,
        decode,
        claimed: Mutex::default(),
        budget: Budget::new(run.pool.window.bytes),
        counters: run.counters,
    };
    run.counters.enter(Stage::Pictures, scan.names.len() as u64);
    let mut gathered = Gathered::default();
    ordered::map(
        run.pool,
        scan.names.iter(),
        |_| Turn::InOrder(1 << 20),
        Scratch::default,
        |scratch, name| looking.look(name, scratch),
        |seen| {
            gathered.push(seen?);
            Ok(())
        },
    )?;
    gathered.spread_faults();
    say(scan, &gathered, options, said)?;
    scan.outcomes = gathered.outcomes;
    scan.pictures = gathered.pictures;
    scan.resolver = Some(looking.resolver);
    scan.decoded = decode;
    Ok(())
}

impl Looking<'_> {
    /// One name: its file, its bytes, its header. A name with a fault of its own is no picture's: its rows were told about the fault.
    fn look(&self, name: &str, scratch: &mut Scratch) -> Result<std::result::Result<Seen, Fault>> {
        let seen = if is_well_formed(name, self.options) {
            self.read(self.options.rows.strip(name), scratch)?
        } else {
            Err(Fault {
                code: Code::ImagesBadName,
                message: String::new(),
            })
        };
        keep_at_most(KEPT_BUFFER_BYTES, &mut scratch.bytes);
        Counters::add(&self.counters.done, 1);
        Counters::add(&self.counters.pictures, 1);
        Ok(seen)
    }

    fn read(&self, name: &str, scratch: &mut Scratch) -> Result<std::result::Result<Seen, Fault>> {
        Ok(match read::find(&self.resolver, name, &mut scratch.bytes)? {
            Ok(found) => {
                Counters::add(&self.counters.bytes, found.read);
                self.judge(name, found, scratch)
            }
            Err((code, message)) => Err(Fault { code, message }),
        })
    }

    /// What the bytes of a file are.
    fn judge(&self, name: &str, found: Found, scratch: &mut Scratch) -> std::result::Result<Seen, Fault> {
        let named = |fault: Fault| Fault {
            code: fault.code,
            message: format!("{}: {}", quote(name), fault.message),
        };
        let header = probe(&scratch.bytes).map_err(named)?;
        self.options.spec.admit(&header).map_err(named)?;
        let first = self.decode && self.claimed.lock().unwrap_or_else(PoisonError::into_inner).insert(found.hash);
        let decoded = first.then(|| {
            Counters::add(&self.counters.decoded, 1);
            let preparer = scratch.preparer.get_or_insert_with(Preparer::new);
            let _share = self.budget.take(self.options.spec.working_bytes(&header));
            preparer.decode_only(&scratch.bytes, &header, &self.options.spec).map_err(named)
        });
        Ok(Seen {
            found,
            probe: header,
            decoded,
        })
    }
}

impl Gathered {
    /// Takes what the next name came to.
    fn push(&mut self, seen: std::result::Result<Seen, Fault>) {
        let name = self.outcomes.len() as u32;
        let outcome = seen.map(|seen| {
            let Found {
                hash, root, file, renamed, ..
            } = seen.found;
            if renamed {
                self.renamed.insert(name, file.clone());
            }
            let pictures = &mut self.pictures;
            let number = *self.numbers.entry(hash).or_insert_with(|| {
                pictures.push(Picture {
                    hash,
                    probe: seen.probe,
                    root,
                    file,
                    channels: 0,
                });
                pictures.len() as u32 - 1
            });
            match seen.decoded {
                Some(Ok(channels)) => self.pictures[number as usize].channels = channels,
                Some(Err(fault)) => {
                    self.broken.insert(number, fault);
                }
                None => {}
            }
            number
        });
        self.outcomes.push(outcome);
    }

    /// A picture that cannot be decoded is a fault of every name that came to it.
    fn spread_faults(&mut self) {
        for outcome in &mut self.outcomes {
            if let Ok(number) = outcome
                && let Some(fault) = self.broken.get(number)
            {
                *outcome = Err(fault.clone());
            }
        }
    }
}

/// The findings about pictures: faults for every row that needs the picture, warnings at the first row that names it.
fn say(scan: &Scan, gathered: &Gathered, options: &ScanOptions, said: &mut Collector<'_, '_>) -> Result<()> {
    let outcomes = &gathered.outcomes;
    let mut warned = vec![false; scan.names.len()];
    // Of each picture, the last row that named it, counted from 1: a row may name thousands.
    let mut named_by = vec![0usize; gathered.pictures.len()];
    for (row, number_of_row) in scan.rows.iter().zip(1..) {
        let names = scan.names_of(row);
        let mut refused = Ok(());
        let mut say = |i: usize, code: Code, message: String| {
            let finding = Finding {
                code,
                byte: row.offset,
                pointer: format!("/images/{i}").into(),
                message: message.into(),
            };
            let located = Located {
                source: row.source,
                line: row.line,
                finding,
            };
            if refused.is_ok() {
                refused = said.say(Some(number_of_row - 1), located);
            }
        };
        for (i, &name) in names.iter().enumerate() {
            let text = &*scan.names[name as usize];
            match &outcomes[name as usize] {
                Err(fault) if is_well_formed(text, options) => say(i, fault.code, fault.message.clone()),
                Err(_) => {}
                Ok(number) => {
                    if std::mem::replace(&mut named_by[*number as usize], number_of_row) == number_of_row {
                        say(
                            i,
                            Code::ImagesRepeated,
                            format!("{} is a picture that this row has already", quote(text)),
                        );
                    }
                    if !std::mem::replace(&mut warned[name as usize], true) {
                        let file = gathered.renamed.get(&name);
                        if let Some(file) = file {
                            say(i, Code::ImagesResolved, format!("{} was found as {}", quote(text), quote(file)));
                        }
                        // Of a file found under another suffix, that one counts: one fault, one code.
                        let name = file.map_or(text, String::as_str);
                        let header = &gathered.pictures[*number as usize].probe;
                        warn(header, name, options.spec.alpha, &mut |code, message| {
                            say(i, code, message);
                        });
                    }
                }
            }
        }
        refused?;
    }
    Ok(())
}

fn warn(probe: &Probe, name: &str, alpha: Alpha, say: &mut dyn FnMut(Code, String)) {
    let suffix = name.rfind('.').and_then(|dot| name.get(dot..)).unwrap_or_default();
    if Format::from_suffix(suffix) != Some(probe.format) {
        say(Code::PictureExtension, format!("{} holds {}", quote(name), probe.format.as_str()));
    }
    if probe.transparent {
        let fate = match alpha {
            Alpha::Drop => "dropped",
            Alpha::White => "laid over white",
        };
        say(
            Code::PictureTransparent,
            format!("{} has transparency, which is {fate}", quote(name)),
        );
    }
    if probe.animated {
        say(Code::PictureAnimated, format!("only the first frame of {} is used", quote(name)));
    }
}
