//! A module uses only what stands above it in `lib.rs`.
#![allow(clippy::unwrap_used, reason = "a test; whatever it cannot read is its failure")]

use std::fs;
use std::path::Path;

/// The modules of `lib.rs`, in order.
fn modules() -> Vec<String> {
    let text = fs::read_to_string("src/lib.rs").unwrap();
    let names = text.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "));
    names.map(|name| name.trim_end_matches(';').to_owned()).collect()
}

/// Every `crate::name` in a file, comments aside.
fn uses(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let paths = code.flat_map(|line| line.split("crate::").skip(1));
    paths
        .map(|path| path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .collect()
}

/// Upward uses of the files below `folder`, as `file uses module`.
fn upward(folder: &Path, order: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(upward(&path, order));
            continue;
        }
        let inner = path.strip_prefix("src").unwrap();
        let module = inner
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_string_lossy()
            .trim_end_matches(".rs")
            .to_owned();
        let Some(own) = order.iter().position(|name| *name == module) else {
            continue;
        };
        for used in uses(&fs::read_to_string(&path).unwrap()) {
            if order.iter().position(|name| *name == used).is_some_and(|at| at > own) {
                found.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    found
}

#[test]
fn modules_use_only_what_stands_above_them() {
    let order = modules();
    assert!(order.len() > 5 && order.last().is_some_and(|last| last == "python"), "{order:?}");
    assert_eq!(upward(Path::new("src"), &order), Vec::<String>::new());
}

#[test]
fn an_upward_use_is_seen() {
    let reversed: Vec<String> = modules().into_iter().rev().collect();
    assert!(
        upward(Path::new("src"), &reversed)
            .iter()
            .any(|line| line.starts_with("src/builder"))
    );
    assert_eq!(
        uses("use crate::scan::Scan;\n// crate::nothing\nfn f(x: crate::error::Error) {}"),
        ["scan", "error"]
    );
}
