//! The modules of a crate, and which file uses which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::paths::{Child, Module, read};

/// The texts of a crate's files, by path.
pub type Files = BTreeMap<PathBuf, String>;

/// A module's names from the root.
type Name = Vec<String>;

/// All modules of a crate, but for those that are for tests alone.
pub struct Tree {
    /// The file of each module.
    file: BTreeMap<Name, PathBuf>,
    /// The modules in each module, in order.
    children: BTreeMap<Name, Vec<String>>,
    /// What each module names, and what it imports.
    paths: BTreeMap<Name, Vec<Vec<String>>>,
    imports: BTreeMap<Name, Vec<(Vec<String>, String)>>,
    /// The files that are for tests alone.
    pub for_tests: BTreeSet<PathBuf>,
}

/// One file uses another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The file that uses.
    pub from: PathBuf,
    /// The file that is used.
    pub to: PathBuf,
    /// Whether what is used stands below: its module, or one that it is in, is declared after the user's.
    pub is_upward: bool,
}

impl Tree {
    /// Reads the crate whose root is this file.
    pub fn new(files: &Files, root: &Path) -> Self {
        let mut tree = Self {
            file: BTreeMap::new(),
            children: BTreeMap::new(),
            paths: BTreeMap::new(),
            imports: BTreeMap::new(),
            for_tests: BTreeSet::new(),
        };
        let folder = root.parent().unwrap_or(Path::new("")).to_owned();
        tree.add(files, &[], root, &folder, read(&files[root]));
        tree
    }

    /// The files of the modules.
    pub fn files(&self) -> BTreeSet<&Path> {
        self.file.values().map(PathBuf::as_path).collect()
    }

    /// `folder` is where the files of the module's children are.
    fn add(&mut self, files: &Files, name: &[String], file: &Path, folder: &Path, module: Module) {
        let names = module
            .children
            .iter()
            .filter(|child| !child.is_test)
            .map(|child| child.name.clone());
        self.children.insert(name.to_vec(), names.collect());
        self.paths.insert(name.to_vec(), module.paths);
        self.imports.insert(name.to_vec(), module.imports);
        self.file.insert(name.to_vec(), file.to_owned());
        for child in module.children {
            let child_name = [name, std::slice::from_ref(&child.name)].concat();
            let child_folder = folder.join(&child.name);
            if let Some(inline) = child.inline {
                if !child.is_test {
                    self.add(files, &child_name, file, &child_folder, inline);
                }
                continue;
            }
            let child_file = find(files, file, folder, &child);
            if child.is_test {
                self.for_tests.insert(child_file);
                continue;
            }
            let is_folder = child_file.ends_with("mod.rs");
            let own_folder = if is_folder || child.path.is_none() {
                child_folder
            } else {
                child_file.with_extension("")
            };
            self.add(files, &child_name, &child_file, &own_folder, read(&files[&child_file]));
        }
    }

    /// The module that a path leads to from this one: the last of its words that are modules of this crate. None for a path that
    /// leads elsewhere. `imported` are the modules that have a name of their own here.
    fn resolve(&self, from: &[String], path: &[String], imported: &BTreeMap<String, Name>) -> Option<Name> {
        let mut rest = path;
        let mut at = match rest.first()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => from.to_vec(),
            first if self.children[from].iter().any(|child| child == first) => from.to_vec(),
            first => {
                rest = &rest[1..];
                imported.get(first)?.clone()
            }
        };
        while let [first, tail @ ..] = rest
            && matches!(first.as_str(), "crate" | "self" | "super")
        {
            if first == "super" {
                at.pop()?;
            }
            rest = tail;
        }
        for word in rest {
            if !self.children[&at].contains(word) {
                break;
            }
            at.push(word.clone());
        }
        Some(at)
    }

    /// The modules that `use` gives a name in this one.
    fn imported(&self, module: &[String]) -> BTreeMap<String, Name> {
        let mut found = BTreeMap::new();
        for (path, name) in &self.imports[module] {
            let Some(target) = self.resolve(module, path, &BTreeMap::new()) else {
                continue;
            };
            let all = &self.children[&target];
            if name == "*" {
                found.extend(
                    all.iter()
                        .map(|child| (child.clone(), [&target[..], std::slice::from_ref(child)].concat())),
                );
            } else if target.last().is_some_and(|last| path.last() == Some(last)) {
                found.insert(name.clone(), target);
            }
        }
        found
    }

    /// Which file uses which other one.
    pub fn uses(&self) -> BTreeSet<Use> {
        let mut uses = BTreeSet::new();
        for (name, paths) in &self.paths {
            let imported = self.imported(name);
            let imports = self.imports[name].iter().map(|(path, _)| path);
            for target in imports.chain(paths).filter_map(|path| self.resolve(name, path, &imported)) {
                let (from, to) = (&self.file[name], &self.file[&target]);
                if from != to {
                    uses.insert(Use {
                        from: from.clone(),
                        to: to.clone(),
                        is_upward: self.is_below(&target, name),
                    });
                }
            }
        }
        uses
    }

    /// Whether, where the ways to the two part, `target` is declared after `user`. A module and one within it are in no such order.
    fn is_below(&self, target: &[String], user: &[String]) -> bool {
        let shared = target.iter().zip(user).take_while(|(a, b)| a == b).count();
        let (Some(target), Some(own)) = (target.get(shared), user.get(shared)) else {
            return false;
        };
        let order = &self.children[&user[..shared]];
        let place = |name: &String| order.iter().position(|child| child == name);
        place(target) > place(own)
    }
}

/// The file of a module that is declared in `file`.
fn find(files: &Files, file: &Path, folder: &Path, child: &Child) -> PathBuf {
    let candidates = match &child.path {
        Some(path) => vec![file.parent().unwrap_or(Path::new("")).join(path)],
        None => vec![folder.join(format!("{}.rs", child.name)), folder.join(&child.name).join("mod.rs")],
    };
    let found = candidates.iter().find(|path| files.contains_key(*path));
    found
        .unwrap_or_else(|| panic!("{} declares `mod {}`, expected one of {candidates:?}", file.display(), child.name))
        .clone()
}
