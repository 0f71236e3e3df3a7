//! The files of the crate use each other in no circle, and a module uses only what is declared above it.
//!
//! A use is a path that leads to another file, in `use` or in code; one through a module that re-exports leads to that module's file. A
//! declaration (`mod child;`) is no use. What is for tests alone does not count: `#[cfg(test)]`, and files named `…_tests.rs`.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test; whatever it cannot read is its failure, and its modules are private"
)]

mod circles;
mod paths;
mod tokens;
mod tree;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use circles::circles;
use tree::{Files, Tree, Use};

/// Uses that stand although they should not, as (user, used). One that is no longer needed is a failure, too.
const KNOWN: &[(&str, &str)] = &[];

/// Every Rust file in a folder.
fn files_in(folder: &Path, files: &mut Files) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_in(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.insert(path.clone(), fs::read_to_string(&path).unwrap());
        }
    }
}

fn crate_files() -> Files {
    let mut files = Files::new();
    files_in(Path::new("src"), &mut files);
    files
}

fn own_tree() -> Tree {
    Tree::new(&crate_files(), Path::new("src/lib.rs"))
}

fn is_known(each: &Use) -> bool {
    KNOWN
        .iter()
        .any(|(from, to)| each.from == Path::new(from) && each.to == Path::new(to))
}

/// Upward uses and circles, each as a line.
fn faults(uses: &BTreeSet<Use>) -> Vec<String> {
    let upward = uses.iter().filter(|each| each.is_upward);
    let upward = upward.map(|each| format!("{} uses {}, which is declared below it", each.from.display(), each.to.display()));
    let name = |path: &PathBuf| path.display().to_string();
    let circles = circles(uses).into_iter();
    let circles = circles.map(|circle| format!("circle: {}", circle.iter().map(name).collect::<Vec<_>>().join(" -> ")));
    upward.chain(circles).collect()
}

#[test]
fn modules_use_only_what_stands_above_them() {
    let mut uses = own_tree().uses();
    assert!(uses.len() > 100, "the uses are read: {}", uses.len());
    uses.retain(|each| !is_known(each));
    let faults = faults(&uses);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_is_known_is_still_needed() {
    let all = own_tree().uses();
    for (from, to) in KNOWN {
        let own: Vec<&Use> = all
            .iter()
            .filter(|each| each.from == Path::new(from) && each.to == Path::new(to))
            .collect();
        let mut others = all.clone();
        others.retain(|each| !is_known(each));
        others.extend(own.iter().copied().cloned());
        assert!(
            !own.is_empty() && !faults(&others).is_empty(),
            "remove {from} -> {to} from the list"
        );
    }
}

#[test]
fn every_file_is_a_module_of_the_crate() {
    let (files, tree) = (crate_files(), own_tree());
    let modules = tree.files();
    let lost: Vec<&PathBuf> = files
        .keys()
        .filter(|path| !modules.contains(path.as_path()) && !tree.for_tests.contains(*path))
        .collect();
    assert!(lost.is_empty(), "no `mod` leads to {lost:?}");
}

/// A crate of these files; the first one is its root.
fn faults_of(files: &[(&str, &str)]) -> Vec<String> {
    let root = Path::new(files[0].0);
    let files = files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
    faults(&Tree::new(&files, root).uses())
}

#[test]
fn a_use_of_what_stands_above_is_no_fault() {
    let files = [
        ("lib.rs", "pub mod a; mod b; pub use b::B;"),
        ("a.rs", "pub struct A;"),
        ("b/mod.rs", "mod c; mod d; pub use d::D;"),
        ("b/c.rs", "use crate::a::A; use std::fs;"),
        ("b/d.rs", "use super::c::C; #[cfg(test)] mod tests { use super::super::D; }"),
    ];
    assert_eq!(faults_of(&files), Vec::<String>::new());
}

#[test]
fn an_upward_use_is_seen() {
    for text in [
        "use crate::b::B;",
        "use super::b::B;",
        "use crate::{b::{self, B}};",
        "use crate::b as x;",
        "fn f() { crate::b::g() }",
        "mod inline { use super::super::b::B; }",
    ] {
        let files = [("lib.rs", "mod a; mod b;"), ("a.rs", text), ("b.rs", "")];
        assert_eq!(faults_of(&files), ["a.rs uses b.rs, which is declared below it"], "{text}");
    }
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a/mod.rs", "mod c;"),
        ("a/c.rs", "mod d;"),
        ("a/c/d.rs", "use super::super::super::b::e::E;"),
        ("b/mod.rs", "pub mod e;"),
        ("b/e.rs", ""),
    ];
    assert_eq!(faults_of(&files), ["a/c/d.rs uses b/e.rs, which is declared below it"]);
}

#[test]
fn a_use_of_a_lower_sibling_is_seen() {
    let files = [
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "mod b; mod c;"),
        ("a/b.rs", "use super::c::{D, E};"),
        ("a/c.rs", ""),
    ];
    assert_eq!(faults_of(&files), ["a/b.rs uses a/c.rs, which is declared below it"]);
}

#[test]
fn a_circle_is_seen() {
    let siblings = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::c::C;"),
        ("b.rs", "use crate::a::A;"),
        ("c.rs", "use crate::b::B;"),
    ];
    assert_eq!(
        faults_of(&siblings),
        ["a.rs uses c.rs, which is declared below it", "circle: a.rs -> c.rs -> b.rs -> a.rs"]
    );
}

#[test]
fn a_parent_and_its_child_can_be_a_circle() {
    for parent in ["mod b; pub use b::B;", "mod b; fn f() { b::g() }", "mod b; use self::b::B;"] {
        let files = [("lib.rs", "mod a;"), ("a.rs", parent), ("a/b.rs", "use super::A;")];
        assert_eq!(faults_of(&files), ["circle: a/b.rs -> a.rs -> a/b.rs"], "{parent}");
    }
    let declared_only = [("lib.rs", "mod a;"), ("a.rs", "pub(super) mod b;"), ("a/b.rs", "use super::*;")];
    assert_eq!(faults_of(&declared_only), Vec::<String>::new());
}

#[test]
fn a_circle_through_what_a_parent_exports_again_is_seen() {
    let files = [
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "mod b; mod c; pub use b::B; pub use c::C;"),
        ("a/b.rs", ""),
        ("a/c.rs", "use crate::a::B;"),
    ];
    assert_eq!(faults_of(&files), ["circle: a/c.rs -> a/mod.rs -> a/c.rs"]);
}

#[test]
fn what_is_used_through_an_imported_module_is_seen() {
    for (import, code) in [
        ("use crate::a;", "a::c::f()"),
        ("use crate::a as x;", "x::c::f()"),
        ("use crate::a::c;", "c::f()"),
        ("use crate::a::*;", "c::f()"),
        ("use super::{a};", "a::c::f()"),
    ] {
        let text = format!("{import} fn g() {{ {code} }}");
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "pub mod c;"),
            ("a/c.rs", "use crate::b::B;"),
            ("b.rs", &text),
        ];
        let expected = ["a/c.rs uses b.rs, which is declared below it", "circle: a/c.rs -> b.rs -> a/c.rs"];
        assert_eq!(faults_of(&files), expected, "{text}");
    }
}

#[test]
fn a_file_with_a_path_of_its_own_is_followed() {
    let files = [
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a.rs", "#[path = \"elsewhere/x.rs\"] mod c;"),
        ("src/elsewhere/x.rs", "use crate::b::B;"),
        ("src/b.rs", ""),
    ];
    assert_eq!(faults_of(&files), ["src/elsewhere/x.rs uses src/b.rs, which is declared below it"]);
}
