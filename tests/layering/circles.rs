//! Circles in a graph of files.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::tree::Use;

/// One circle for each group of files that all lead to each other: the files in order, the first one again at the end.
pub fn circles(uses: &BTreeSet<Use>) -> Vec<Vec<PathBuf>> {
    let mut graph: BTreeMap<&Path, Vec<&Path>> = BTreeMap::new();
    for each in uses {
        graph.entry(&each.from).or_default().push(&each.to);
    }
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for start in graph.keys() {
        if seen.contains(start) {
            continue;
        }
        if let Some(circle) = shortest(&graph, start) {
            seen.extend(circle.iter().copied());
            found.push(circle.into_iter().map(Path::to_owned).collect());
        }
    }
    found
}

/// The shortest way from a file back to itself.
fn shortest<'a>(graph: &BTreeMap<&'a Path, Vec<&'a Path>>, start: &'a Path) -> Option<Vec<&'a Path>> {
    let mut came_from: BTreeMap<&Path, &Path> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for next in graph.get(at).into_iter().flatten() {
            if *next == start {
                let mut back = vec![start, at];
                while let Some(before) = came_from.get(back[back.len() - 1]) {
                    back.push(before);
                }
                back.reverse();
                return Some(back);
            }
            if !came_from.contains_key(next) {
                came_from.insert(next, at);
                queue.push_back(next);
            }
        }
    }
    None
}
