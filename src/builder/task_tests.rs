use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::picture::ImageSpec;

const SPEC: &str =
    r#"{"kind":"original","color":"auto","exif":true,"sixteen_bit":"reject","alpha":"drop","decode_limit":1000,"pixels":"pillow13"}"#;

/// A header of this mode, as it is written.
fn header(mode: &str) -> Header {
    Header {
        format: "png".to_owned(),
        mode: mode.to_owned(),
        width: 7,
        height: 5,
        orientation: 6,
        turns: Turns::try_from([Some(6), None]).unwrap(),
        transparent: true,
        animated: false,
        decoder_bytes: 0,
    }
}

fn picture(number: u8, root: u32) -> TaskPicture {
    let picture = Picture {
        root,
        file: format!("a/{number}.png").into(),
        hash: Hex([number; 32]),
        header: header("L"),
        names: vec![format!("a/{number}.png").into(), format!("A/{number}.PNG").into()],
    };
    picture.read().unwrap()
}

fn task() -> UnitTask {
    let source = |name: &str| Source {
        name: name.to_owned(),
        path: Path::new("/data").join(name),
    };
    let root = |below: &[&str]| TaskRoot {
        given: PathBuf::from("/pictures"),
        below: below.iter().map(ToString::to_string).collect(),
    };
    let mut rows = TaskRows::default();
    for (number, positions) in [(1u8, &[0u32, 1][..]), (2, &[]), (3, &[1])] {
        let row = TaskRow {
            source: u32::from(number % 2),
            record: u64::from(number),
            part: 0,
            place: RowPlace::Bytes {
                offset: 10 * u64::from(number),
                length: 9,
            },
            hash: [number; 16],
        };
        assert!(rows.push(row, positions));
    }
    let mut task = UnitTask {
        fingerprint: String::new(),
        setting: Arc::new(Setting {
            options: ScanOptions::new(ImageSpec::from_json(SPEC).unwrap()),
            sources: vec![source("a.jsonl"), source("b.jsonl")],
            roots: vec![root(&[]), root(&["Dataset", "x y"])],
        }),
        rows,
        pictures: vec![picture(1, 0), picture(2, 1)],
    };
    task.fingerprint = task.computed_fingerprint().unwrap();
    task
}

/// The body of a task, and how it is sealed again.
fn body() -> Value {
    let envelope: Value = serde_json::from_slice(&task().to_json().unwrap()).unwrap();
    envelope["task"].clone()
}

fn sealed(body: &Value) -> Vec<u8> {
    let text = body.to_string();
    format!(
        "{{\"version\":{VERSION},\"blake3\":\"{}\",\"task\":{text}}}",
        blake3::hash(text.as_bytes()).to_hex()
    )
    .into_bytes()
}

#[test]
fn a_task_comes_back_as_it_was() {
    let bytes = task().to_json().unwrap();
    assert_eq!(UnitTask::from_json(&bytes).unwrap(), task());
    assert_eq!(UnitTask::from_json(&sealed(&body())).unwrap(), task());
    assert_eq!(task().folder().len(), 16);
}

#[test]
fn every_mode_and_format_has_a_name_that_is_read() {
    for mode in Mode::ALL {
        let picture = Picture {
            root: 0,
            file: "a".into(),
            hash: Hex([0; 32]),
            header: header(mode.as_str()),
            names: Vec::new(),
        };
        assert_eq!(picture.read().unwrap().header.mode, mode);
    }
}

#[test]
fn what_leads_nowhere_is_refused_by_name() {
    let changes: [(&str, Value, &str); 16] = [
        ("/rows/0/0", json!(2), "source 2 of 2"),
        ("/rows/0/2", json!(1), "part 1"),
        ("/rows/0/3", json!({"bytes": {"offset": 0, "length": 1_u64 << 40}}), "bytes"),
        ("/rows/0/3", json!({"page": 1}), "page"),
        ("/rows/0/4", json!("00"), "32 hex digits"),
        ("/rows/0/5", json!([0, 2]), "picture 2 of 2"),
        ("/rows/0/5", json!([1, 0]), "fingerprint"),
        ("/pictures/0/root", json!(2), "root 2 of 2"),
        ("/pictures/0/file", json!("/etc/passwd"), "relative"),
        ("/pictures/0/file", json!("../a.png"), ".."),
        ("/pictures/0/hash", json!("g".repeat(64)), "64 hex digits"),
        ("/pictures/0/header/mode", json!("Q"), "Q"),
        ("/pictures/0/header/turns", json!([9, 1]), "orientation"),
        ("/pictures/0/header/width", json!(0), "size"),
        ("/roots/1/1/0", json!(".."), "name of a folder"),
        ("/options/spec/decode_limit", json!(3), "decode_limit"),
    ];
    for (pointer, value, named) in changes {
        let mut changed = body();
        *changed.pointer_mut(pointer).unwrap() = value;
        let error = UnitTask::from_json(&sealed(&changed)).unwrap_err().to_string();
        assert!(error.contains(named), "{pointer}: {error}");
    }
    let other = String::from_utf8(task().to_json().unwrap())
        .unwrap()
        .replace("\"version\":1", "\"version\":2");
    assert!(UnitTask::from_json(other.as_bytes()).unwrap_err().to_string().contains("version 1"));
}

/// Every value within a value, by pointer.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(name, value)| pointers(value, &format!("{at}/{name}"), all)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(i, value)| pointers(value, &format!("{at}/{i}"), all)),
        _ => {}
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!({})),
        Just(json!("")),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0u64..20).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(json!("f".repeat(32))),
        Just(json!("f".repeat(64))),
    ]
}

proptest! {
    #[test]
    fn a_byte_that_changed_is_an_error(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = task().to_json().unwrap();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        prop_assert!(UnitTask::from_json(&bytes).is_err());
    }

    #[test]
    fn a_task_that_was_cut_off_is_an_error(at in any::<prop::sample::Index>(), more in prop::collection::vec(any::<u8>(), 0..5)) {
        let mut bytes = task().to_json().unwrap();
        bytes.truncate(at.index(bytes.len()));
        prop_assert!(UnitTask::from_json(&bytes).is_err());
        bytes.extend(more);
        prop_assert!(UnitTask::from_json(&bytes).is_err());
    }

    /// One who seals it again, too, makes nothing panic, and cannot change what the fingerprint is of.
    #[test]
    fn a_value_that_was_exchanged_never_panics(at in any::<prop::sample::Index>(), value in any_value(), remove in any::<bool>()) {
        let mut changed = body();
        let mut all = Vec::new();
        pointers(&changed, "", &mut all);
        let pointer = at.get(&all).clone();
        match pointer.rsplit_once('/') {
            Some((parent, name)) if remove => match changed.pointer_mut(parent) {
                Some(Value::Object(members)) => drop(members.remove(name)),
                Some(Value::Array(items)) => drop(items.remove(name.parse().unwrap())),
                _ => {}
            },
            _ => *changed.pointer_mut(&pointer).unwrap() = value,
        }
        if let Ok(read) = UnitTask::from_json(&sealed(&changed)) {
            prop_assert_eq!(read.computed_fingerprint().unwrap(), task().fingerprint);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(UnitTask::from_json(&bytes).is_err());
    }
}
