//! From a picture's name to one file: as it stands, else under another case or suffix (`images.resolved` in `docs/findings.md`).

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::finding::Code;
use crate::store::Store;
use crate::store::fault::is_of_the_file;

/// The suffixes that may stand for one another.
pub const SUFFIXES: [&str; 7] = ["jpg", "jpeg", "png", "bmp", "tif", "tiff", "webp"];

/// How many distinct names are tried before a root is taken to be nested.
const NAMES_TRIED: usize = 100;

/// How far down a nested root is followed.
const MAX_DESCENT: usize = 3;

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
    listings: Mutex<HashMap<(usize, String), Arc<Listing>>>,
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
            for candidate in self.candidates(root, name)? {
                match candidates.iter_mut().find(|(known, _)| *known == candidate) {
                    Some((_, roots)) => roots.push(root),
                    None => candidates.push((candidate, vec![root])),
                }
            }
        }
        candidates.sort();
        Ok(match candidates.pop() {
            None => {
                let places: Vec<String> = self.roots.iter().map(|root| root.store.label("").display().to_string()).collect();
                Resolved::Fault(Code::ImagesMissing, format!("no file {name:?} below {}", places.join(", ")))
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
                    format!("no file {name:?}, and both {first:?} and {last:?} would do"),
                )
            }
        })
    }

    /// Files of a root that differ from `name` only in case (in any component), in the last suffix, or in both.
    fn candidates(&self, root: usize, name: &str) -> Result<Vec<String>> {
        let components: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let Some((file, folders)) = components.split_last() else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        let mut reached = vec![String::new()];
        for folder in folders {
            let mut next = Vec::new();
            for at in &reached {
                next.extend(self.alike(root, at, folder, true)?);
            }
            reached = next;
        }
        let stem = file.rsplit_once('.').filter(|(_, suffix)| is_suffix(suffix)).map(|(stem, _)| stem);
        let wanted = match stem {
            Some(stem) => SUFFIXES.iter().map(|suffix| format!("{stem}.{suffix}")).collect(),
            None => vec![(*file).to_owned()],
        };
        for at in &reached {
            for file in &wanted {
                found.extend(self.alike(root, at, file, false)?);
            }
        }
        found.sort();
        found.dedup();
        let mut there = Vec::new();
        for candidate in found {
            if self.roots.get(root).map_or(Ok(false), |root| has(&*root.store, &candidate))? {
                there.push(candidate);
            }
        }
        Ok(there)
    }

    /// Entries of a folder whose name is `name`, case aside.
    fn alike(&self, root: usize, folder: &str, name: &str, is_folder: bool) -> Result<Vec<String>> {
        let listing = self.listing(root, folder)?;
        let entries = listing.0.get(&name.to_lowercase()).into_iter().flatten();
        Ok(entries
            .filter(|entry| entry.1 == is_folder)
            .map(|entry| join(folder, &entry.0))
            .collect())
    }

    fn listing(&self, root: usize, folder: &str) -> Result<Arc<Listing>> {
        let key = (root, folder.to_owned());
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
mod tests {
    use std::fs;

    use super::*;
    use crate::store::folder::FolderStore;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        dir
    }

    fn resolver(dir: &tempfile::TempDir, names: &[&str]) -> Resolver {
        let store = FolderStore::open(dir.path(), true).unwrap();
        Resolver::new(vec![("x".into(), Box::new(store))], names.iter().copied()).unwrap()
    }

    fn found(name: &str, renamed: bool) -> Resolved {
        Resolved::Found {
            name: name.to_owned(),
            roots: vec![0],
            renamed,
        }
    }

    #[test]
    fn names_are_found_as_they_stand_then_by_case_or_suffix() {
        let dir = tree(&["a/B/one.JPG", "a/B/two.png", "a/B/both.jpg", "a/B/both.png", "a/B/Both.tif"]);
        let resolver = resolver(&dir, &[]);
        assert_eq!(resolver.resolve("a/B/one.JPG").unwrap(), found("a/B/one.JPG", false));
        assert_eq!(resolver.resolve("A/b/ONE.jpg").unwrap(), found("a/B/one.JPG", true));
        assert_eq!(resolver.resolve("a/B/two.jpeg").unwrap(), found("a/B/two.png", true));
        assert_eq!(resolver.resolve("a/B/both.jpg").unwrap(), found("a/B/both.jpg", false));
        assert!(matches!(
            resolver.resolve("a/B/both.bmp").unwrap(),
            Resolved::Fault(Code::ImagesAmbiguous, _)
        ));
        assert_eq!(resolver.resolve("a/b/TWO.jpeg").unwrap(), found("a/B/two.png", true));
        assert!(matches!(resolver.resolve("a/B").unwrap(), Resolved::Fault(Code::ImagesMissing, _)));
        assert!(matches!(
            resolver.resolve("a/B/two").unwrap(),
            Resolved::Fault(Code::ImagesMissing, _)
        ));
    }

    #[test]
    fn nested_archives_are_descended_into_and_said_so() {
        let dir = tree(&["Dataset/Dataset/a/1.jpg", "__MACOSX/x", ".hidden/y"]);
        for (names, descended) in [
            (&["a/1.jpg"][..], 2),
            (&["Dataset/Dataset/a/1.jpg"], 0),
            (&["b/1.jpg"], 0),
            (&[], 0),
        ] {
            assert_eq!(resolver(&dir, names).roots()[0].below.len(), descended, "{names:?}");
        }
        assert_eq!(resolver(&dir, &["a/1.jpg"]).resolve("a/1.jpg").unwrap(), found("a/1.jpg", false));
    }
}
