//! From a picture's name to one file: as it stands, else under another case or suffix (`images.resolved` in `docs/findings.md`).

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::finding::{Code, quote};
use crate::shown::Shown;
use crate::store::fault::is_of_the_file;
use crate::store::{FolderId, Store};

/// The suffixes that may stand for one another.
pub const SUFFIXES: [&str; 7] = ["jpg", "jpeg", "png", "bmp", "tif", "tiff", "webp"];

/// How many distinct names are tried before a root is taken to be nested.
const NAMES_TRIED: usize = 100;

/// How far down a nested root is followed.
const MAX_DESCENT: usize = 3;

/// In how many folders, and then as how many files, one name is looked for. Links and spellings could make these without end.
const MAX_WAYS: usize = 64;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// These roots hold a file of this name; their bytes must agree.
    Found {
        /// The file's name below those roots.
        name: String,
        /// The roots, by number.
        roots: Vec<usize>,
        /// Whether it is another name than the row gives.
        renamed: bool,
    },
    /// `images.missing` or `images.ambiguous`, and why.
    Fault(Code, String),
}

/// One root as given and as used.
pub struct Root {
    /// What the caller named.
    pub given: PathBuf,
    /// The store that is read: the one given, or a folder below it.
    pub store: Box<dyn Store>,
    /// That folder, one name a level; none: the one given.
    pub below: Vec<String>,
}

/// Looks names up below the roots. Shared by threads; listings are read once.
pub struct Resolver {
    roots: Vec<Root>,
    /// By root and folder, whatever links lead there: as many as there are folders.
    listings: Mutex<HashMap<(usize, FolderId), Arc<Listing>>>,
}

/// What one root holds of a name, case and suffix aside.
enum Alike {
    /// These files; perhaps none.
    Files(Vec<String>),
    /// More folders or files than are looked at.
    TooMany,
}

/// The entries of one folder: lower-cased name -> names, with whether each is a folder.
#[derive(Default)]
struct Listing(HashMap<String, Vec<(String, bool)>>);

impl Resolver {
    /// Takes the roots, descending into nested ones: where none of the first 100 of `names` is found, into the single sub-folder.
    pub fn new<'n>(roots: Vec<(PathBuf, Box<dyn Store>)>, names: impl Iterator<Item = &'n str>) -> Result<Self> {
        let names: Vec<&str> = names.take(NAMES_TRIED).collect();
        let roots = roots.into_iter().map(|(given, store)| descend(given, store, &names));
        Ok(Self {
            roots: roots.collect::<Result<_>>()?,
            listings: Mutex::default(),
        })
    }

    /// The roots as used.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// The store of a root.
    pub fn store(&self, root: usize) -> Option<&dyn Store> {
        self.roots.get(root).map(|root| &*root.store)
    }

    /// What `name`, which must be well-formed, stands for. An error means that the machine does not let it be known.
    pub fn resolve(&self, name: &str) -> Result<Resolved> {
        let mut roots: Vec<usize> = Vec::new();
        for (number, root) in self.roots.iter().enumerate() {
            if has(&*root.store, name)? {
                roots.push(number);
            }
        }
        if !roots.is_empty() {
            return Ok(Resolved::Found {
                name: name.to_owned(),
                roots,
                renamed: false,
            });
        }
        let mut candidates: Vec<(String, Vec<usize>)> = Vec::new();
        for root in 0..self.roots.len() {
            let Alike::Files(files) = self.candidates(root, name)? else {
                let message = format!(
                    "no file {}, and more than {MAX_WAYS} folders or files differ from it only in case or suffix",
                    quote(name)
                );
                return Ok(Resolved::Fault(Code::ImagesAmbiguous, message));
            };
            for candidate in files {
                match candidates.iter_mut().find(|(known, _)| *known == candidate) {
                    Some((_, roots)) => roots.push(root),
                    None => candidates.push((candidate, vec![root])),
                }
            }
        }
        candidates.sort();
        Ok(match candidates.pop() {
            None => {
                let places: Vec<String> = self
                    .roots
                    .iter()
                    .map(|root| Shown::path(&root.store.label("")).to_string())
                    .collect();
                Resolved::Fault(Code::ImagesMissing, format!("no file {} below {}", quote(name), places.join(", ")))
            }
            Some((name, roots)) if candidates.is_empty() => Resolved::Found {
                name,
                roots,
                renamed: true,
            },
            Some((last, _)) => {
                let first = candidates.first().map_or("", |(name, _)| name);
                Resolved::Fault(
                    Code::ImagesAmbiguous,
                    format!("no file {}, and both {} and {} would do", quote(name), quote(first), quote(&last)),
                )
            }
        })
    }

    /// Files of a root that differ from `name` only in case (in any component), in the last suffix, or in both.
    ///
    /// Each folder is entered once, by the first of the ways that lead there: links to a parent would double the ways with every component.
    fn candidates(&self, root: usize, name: &str) -> Result<Alike> {
        let components: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let Some((file, folders)) = components.split_last() else {
            return Ok(Alike::Files(Vec::new()));
        };
        let mut reached = self.entered(root, vec![String::new()])?;
        for folder in folders {
            let ways = reached.iter().flat_map(|(at, listing)| listing.alike(at, folder, true));
            let ways: Vec<String> = ways.take(MAX_WAYS + 1).collect();
            if ways.len() > MAX_WAYS {
                return Ok(Alike::TooMany);
            }
            reached = self.entered(root, ways)?;
        }
        let stem = file.rsplit_once('.').filter(|(_, suffix)| is_suffix(suffix)).map(|(stem, _)| stem);
        let wanted = match stem {
            Some(stem) => SUFFIXES.iter().map(|suffix| format!("{stem}.{suffix}")).collect(),
            None => vec![(*file).to_owned()],
        };
        let found = reached
            .iter()
            .flat_map(|(at, listing)| wanted.iter().flat_map(|file| listing.alike(at, file, false)));
        let mut found: Vec<String> = found.take(MAX_WAYS + 1).collect();
        found.sort();
        if found.len() > MAX_WAYS {
            return Ok(Alike::TooMany);
        }
        let mut there = Vec::new();
        for candidate in found {
            if self.roots.get(root).map_or(Ok(false), |root| has(&*root.store, &candidate))? {
                there.push(candidate);
            }
        }
        Ok(Alike::Files(there))
    }

    /// The folders that these ways lead to, each once, with what is in them. A way that leads nowhere is left out.
    fn entered(&self, root: usize, ways: Vec<String>) -> Result<Vec<(String, Arc<Listing>)>> {
        let mut seen = HashSet::new();
        let mut reached = Vec::new();
        for way in ways {
            let Some(id) = self.roots.get(root).map_or(Ok(None), |root| identify(&*root.store, &way))? else {
                continue;
            };
            if seen.insert(id.clone()) {
                let listing = self.listing(root, id, &way)?;
                reached.push((way, listing));
            }
        }
        Ok(reached)
    }

    fn listing(&self, root: usize, id: FolderId, folder: &str) -> Result<Arc<Listing>> {
        let key = (root, id);
        let known = self.listings.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        // Two threads may read the same folder at once; both get the same.
        let listing = Arc::new(match self.roots.get(root) {
            Some(root) => Listing::read(&*root.store, folder)?,
            None => Listing::default(),
        });
        self.listings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, Arc::clone(&listing));
        Ok(listing)
    }
}

impl Listing {
    fn read(store: &dyn Store, folder: &str) -> Result<Self> {
        let mut listing = Self::default();
        for entry in list(store, folder)? {
            let alike = listing.0.entry(entry.0.to_lowercase()).or_default();
            alike.push(entry);
        }
        Ok(listing)
    }

    /// Entries whose name is `name`, case aside, as paths. `folder` is the way to this one.
    fn alike<'l>(&'l self, folder: &'l str, name: &str, is_folder: bool) -> impl Iterator<Item = String> + use<'l> {
        let entries = self.0.get(&name.to_lowercase()).into_iter().flatten();
        entries
            .filter(move |entry| entry.1 == is_folder)
            .map(move |entry| join(folder, &entry.0))
    }
}

/// [`Store::has`], tried again where the machine is at fault.
fn has(store: &dyn Store, name: &str) -> Result<bool> {
    store.has(name).map_err(|error| Error::io("look for", &store.label(name), error))
}

/// The entries of a folder, likewise, and whether each is a folder. There are none where the folder is not there, or may not be read.
/// Names that are not UTF-8 are left out: no row can name them.
fn list(store: &dyn Store, folder: &str) -> Result<Vec<(String, bool)>> {
    let entries = match store.list(folder) {
        Err(error) if is_of_the_file(&error) => Vec::new(),
        entries => entries.map_err(|error| Error::io("list", &store.label(folder), error))?,
    };
    let named = entries
        .into_iter()
        .filter_map(|entry| Some((entry.name.into_string().ok()?, entry.is_folder)));
    Ok(named.collect())
}

/// What tells a folder from all others; `None` where it is not there, or may not be entered.
fn identify(store: &dyn Store, folder: &str) -> Result<Option<FolderId>> {
    match store.identity(folder) {
        Err(error) if is_of_the_file(&error) => Ok(None),
        found => found.map(Some).map_err(|error| Error::io("look at", &store.label(folder), error)),
    }
}

fn is_suffix(suffix: &str) -> bool {
    SUFFIXES.iter().any(|known| known.eq_ignore_ascii_case(suffix))
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// Follows a nested archive: `Dataset/Dataset/…` holds nothing but the next folder.
fn descend(given: PathBuf, store: Box<dyn Store>, names: &[&str]) -> Result<Root> {
    let mut chain: Vec<String> = Vec::new();
    while !names.is_empty() {
        let at = chain.join("/");
        let tried = Resolver {
            roots: vec![Root {
                given: given.clone(),
                store: store.below(&at),
                below: Vec::new(),
            }],
            listings: Mutex::default(),
        };
        for name in names {
            if matches!(tried.resolve(name)?, Resolved::Found { .. }) {
                let store = if chain.is_empty() { store } else { store.below(&at) };
                return Ok(Root {
                    given,
                    store,
                    below: chain,
                });
            }
        }
        if chain.len() == MAX_DESCENT {
            break;
        }
        let mut folders = list(&*store, &at)?
            .into_iter()
            .filter(|(name, is_folder)| *is_folder && name != "__MACOSX" && !name.starts_with('.'));
        match (folders.next(), folders.next()) {
            (Some((only, _)), None) => chain.push(only),
            _ => break,
        }
    }
    Ok(Root {
        given,
        store,
        below: Vec::new(),
    })
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
