//! From a picture's name to one file: as it stands, else under another case or suffix (`design`: "Finding the file").

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::finding::Code;
use crate::store::Store;

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
    pub given: String,
    /// The store that is read: the one given, or a folder below it.
    pub store: Box<dyn Store>,
    /// How many folders below the one given.
    pub descended: usize,
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
    pub fn new<'n>(roots: Vec<(String, Box<dyn Store>)>, names: impl Iterator<Item = &'n str>) -> Self {
        let names: Vec<&str> = names.take(NAMES_TRIED).collect();
        let roots = roots.into_iter().map(|(given, store)| descend(given, store, &names)).collect();
        Self {
            roots,
            listings: Mutex::default(),
        }
    }

    /// The roots as used.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// The store of a root.
    pub fn store(&self, root: usize) -> Option<&dyn Store> {
        self.roots.get(root).map(|root| &*root.store)
    }

    /// What `name`, which must be well-formed, stands for.
    pub fn resolve(&self, name: &str) -> Resolved {
        let roots: Vec<usize> = (0..self.roots.len()).filter(|&i| self.roots[i].store.has(name)).collect();
        if !roots.is_empty() {
            return Resolved::Found {
                name: name.to_owned(),
                roots,
                renamed: false,
            };
        }
        let mut candidates: Vec<(String, Vec<usize>)> = Vec::new();
        for root in 0..self.roots.len() {
            for candidate in self.candidates(root, name) {
                match candidates.iter_mut().find(|(known, _)| *known == candidate) {
                    Some((_, roots)) => roots.push(root),
                    None => candidates.push((candidate, vec![root])),
                }
            }
        }
        candidates.sort();
        match candidates.pop() {
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
        }
    }

    /// Files of a root that differ from `name` only in case (in any component), in the last suffix, or in both.
    fn candidates(&self, root: usize, name: &str) -> Vec<String> {
        let components: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let Some((file, folders)) = components.split_last() else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let mut reached = vec![String::new()];
        for folder in folders {
            reached = reached.iter().flat_map(|at| self.alike(root, at, folder, true)).collect();
        }
        let stem = file.rsplit_once('.').filter(|(_, suffix)| is_suffix(suffix)).map(|(stem, _)| stem);
        let wanted = match stem {
            Some(stem) => SUFFIXES.iter().map(|suffix| format!("{stem}.{suffix}")).collect(),
            None => vec![(*file).to_owned()],
        };
        for at in &reached {
            found.extend(wanted.iter().flat_map(|file| self.alike(root, at, file, false)));
        }
        found.sort();
        found.dedup();
        found.retain(|candidate| self.roots.get(root).is_some_and(|root| root.store.has(candidate)));
        found
    }

    /// Entries of a folder whose name is `name`, case aside.
    fn alike(&self, root: usize, folder: &str, name: &str, is_folder: bool) -> Vec<String> {
        let listing = self.listing(root, folder);
        let entries = listing.0.get(&name.to_lowercase());
        entries
            .into_iter()
            .flatten()
            .filter(|entry| entry.1 == is_folder)
            .map(|entry| join(folder, &entry.0))
            .collect()
    }

    fn listing(&self, root: usize, folder: &str) -> Arc<Listing> {
        let key = (root, folder.to_owned());
        let known = self.listings.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        known.unwrap_or_else(|| {
            // Two threads may read the same folder at once; both get the same.
            let listing = Arc::new(
                self.roots
                    .get(root)
                    .map(|root| Listing::read(&*root.store, folder))
                    .unwrap_or_default(),
            );
            self.listings
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(key, Arc::clone(&listing));
            listing
        })
    }
}

impl Listing {
    fn read(store: &dyn Store, folder: &str) -> Self {
        let mut listing = Self::default();
        for entry in store.list(folder) {
            let alike = listing.0.entry(entry.name.to_lowercase()).or_default();
            alike.push((entry.name, entry.is_folder));
        }
        listing
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
fn descend(given: String, store: Box<dyn Store>, names: &[&str]) -> Root {
    let mut root = Root {
        given: given.clone(),
        store,
        descended: 0,
    };
    if names.is_empty() {
        return root;
    }
    let mut chain: Vec<String> = Vec::new();
    loop {
        let below = if chain.is_empty() {
            None
        } else {
            Some(root.store.below(&chain.join("/")))
        };
        let tried = Resolver {
            roots: vec![Root {
                given: given.clone(),
                store: below.unwrap_or_else(|| root.store.below("")),
                descended: 0,
            }],
            listings: Mutex::default(),
        };
        if names.iter().any(|name| matches!(tried.resolve(name), Resolved::Found { .. })) {
            if !chain.is_empty() {
                root = Root {
                    given,
                    store: root.store.below(&chain.join("/")),
                    descended: chain.len(),
                };
            }
            return root;
        }
        if chain.len() == MAX_DESCENT {
            return root;
        }
        let entries = root.store.list(&chain.join("/"));
        let mut folders = entries
            .into_iter()
            .filter(|e| e.is_folder && e.name != "__MACOSX" && !e.name.starts_with('.'));
        match (folders.next(), folders.next()) {
            (Some(only), None) => chain.push(only.name),
            _ => return root,
        }
    }
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
        Resolver::new(vec![("x".to_owned(), Box::new(store))], names.iter().copied())
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
        assert_eq!(resolver.resolve("a/B/one.JPG"), found("a/B/one.JPG", false));
        assert_eq!(resolver.resolve("A/b/ONE.jpg"), found("a/B/one.JPG", true));
        assert_eq!(resolver.resolve("a/B/two.jpeg"), found("a/B/two.png", true));
        assert_eq!(resolver.resolve("a/B/both.jpg"), found("a/B/both.jpg", false));
        assert!(matches!(
            resolver.resolve("a/B/both.bmp"),
            Resolved::Fault(Code::ImagesAmbiguous, _)
        ));
        assert_eq!(resolver.resolve("a/b/TWO.jpeg"), found("a/B/two.png", true));
        assert!(matches!(resolver.resolve("a/B"), Resolved::Fault(Code::ImagesMissing, _)));
        assert!(matches!(resolver.resolve("a/B/two"), Resolved::Fault(Code::ImagesMissing, _)));
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
            assert_eq!(resolver(&dir, names).roots()[0].descended, descended, "{names:?}");
        }
        assert_eq!(resolver(&dir, &["a/1.jpg"]).resolve("a/1.jpg"), found("a/1.jpg", false));
    }
}
