//! Names that stand, names that nearly do, and folders that lead everywhere.

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

/// A folder whose entries link wherever they are told: name, target.
fn linked(files: &[&str], links: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tree(files);
    for (name, target) in links {
        std::os::unix::fs::symlink(target, dir.path().join(name)).unwrap();
    }
    dir
}

/// What a name comes to, and how many folders were listed for it.
fn steps(dir: &tempfile::TempDir, name: &str) -> (Resolved, usize) {
    let resolver = resolver(dir, &[]);
    let resolved = resolver.resolve(name).unwrap();
    let listed = resolver.listings.lock().unwrap().len();
    (resolved, listed)
}

fn is_missing(resolved: &Resolved) -> bool {
    matches!(resolved, Resolved::Fault(Code::ImagesMissing, _))
}

#[test]
fn however_links_stand_each_folder_is_entered_once() {
    for links in [
        &[("a", "."), ("A", ".")][..],
        &[("a", "."), ("A", "a"), ("aa", "A")],
        &[("b/a", ".."), ("b/A", ".."), ("a", "b"), ("A", "b")],
        &[("a", "loop"), ("loop", "a"), ("A", ".")],
    ] {
        let dir = linked(&["b/0.png", "0.png"], links);
        // The system follows 40 links of one path.
        for depth in [1, 2, 10, 18, 39, 60, 1000] {
            let (resolved, listed) = steps(&dir, &format!("{}none.png", "a/".repeat(depth)));
            assert!(is_missing(&resolved), "{links:?}, {depth}: {resolved:?}");
            assert!(listed <= 2, "{links:?}, {depth}: {listed}");
        }
    }
}

#[test]
fn a_file_that_two_links_lead_to_is_one_file() {
    let dir = linked(&["a/x.png"], &[("A", "a")]);
    assert_eq!(steps(&dir, "a/X.png"), (found("A/x.png", true), 2));
    let dir = linked(&["a/x.png", "A/x.png"], &[]);
    assert!(matches!(steps(&dir, "a/X.png").0, Resolved::Fault(Code::ImagesAmbiguous, _)));
}

/// So many spellings of one name of ten letters.
fn spellings(count: u32) -> Vec<String> {
    let spelt = |number: u32| (0..10).map(|bit| if number >> bit & 1 == 0 { 'a' } else { 'A' }).collect();
    (1..=count).map(spelt).collect()
}

#[test]
fn more_spellings_than_are_looked_at_are_said_so() {
    for (count, known) in [(MAX_WAYS as u32, true), (MAX_WAYS as u32 + 1, false), (500, false)] {
        let folders: Vec<String> = spellings(count).iter().map(|name| format!("{name}/x.png")).collect();
        let dir = tree(&folders.iter().map(String::as_str).collect::<Vec<_>>());
        let (resolved, listed) = steps(&dir, "aaaaaaaaaa/none.png");
        assert_eq!(is_missing(&resolved), known, "{resolved:?}");
        assert!(listed <= MAX_WAYS + 1);
        let files: Vec<String> = spellings(count).iter().map(|name| format!("{name}.png")).collect();
        let dir = tree(&files.iter().map(String::as_str).collect::<Vec<_>>());
        let (Resolved::Fault(Code::ImagesAmbiguous, message), 1) = steps(&dir, "aaaaaaaaaa.png") else {
            panic!()
        };
        assert_eq!(message.contains("more than 64"), !known, "{message}");
    }
}

#[test]
fn names_as_deep_as_a_path_may_be_are_resolved() {
    let folders = ["d"; 200].join("/");
    let dir = tree(&[&format!("{folders}/x.png")]);
    assert_eq!(
        steps(&dir, &format!("{folders}/X.jpg")),
        (found(&format!("{folders}/x.png"), true), 201)
    );
    for name in [format!("{}x.png", "d/".repeat(5000)), format!("{}x.png", "e/".repeat(100_000))] {
        let (resolved, listed) = steps(&dir, &name);
        assert!(is_missing(&resolved) && listed <= 202, "{listed}");
    }
}
