use arrow_array::cast::AsArray;

use super::*;
use crate::ordered::{Pool, Window};
use crate::progress::Counters;
use crate::scan::model::{Depth, Run, Source};
use crate::scan::options::ScanOptions;
use crate::scan::scan;

const SPEC: &str =
    r#"{"kind":"original","color":"auto","exif":false,"sixteen_bit":"reject","alpha":"drop","decode_limit":1000,"pixels":"pillow13"}"#;

/// The report of one source of these lines; a picture of one pixel lies below the root as `a.bmp`.
fn check(lines: &[&str], pixels: bool) -> CheckReport {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.jsonl");
    std::fs::write(&path, lines.join("\n")).unwrap();
    let mut bitmap = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0".to_vec();
    bitmap.resize(54, 0);
    bitmap.extend([7, 7, 7, 0]);
    std::fs::write(dir.path().join("a.bmp"), &bitmap).unwrap();
    let sources = vec![Source {
        name: "rows".to_owned(),
        path,
    }];
    let roots = [dir.path().to_owned()];
    let depth = if pixels { Depth::Pixels(&roots) } else { Depth::Rows };
    let run = Run {
        pool: Pool {
            threads: 2,
            window: Window { items: 8, bytes: 1 << 20 },
            monitor: &|| Ok(()),
        },
        chunk_bytes: 1 << 16,
        counters: &Counters::default(),
    };
    let spec = ImageSpec::from_json(SPEC).unwrap();
    let scanned = scan(sources, depth, &ScanOptions::new(spec.clone()), run).unwrap();
    CheckReport::new(scanned, spec)
}

fn row(images: &[&str], answer: &str) -> String {
    let question = "<image>".repeat(images.len()) + "What is it?";
    json!({"images": images, "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}).to_string()
}

#[test]
fn totals_count_what_was_seen() {
    let report = check(
        &[
            &row(&["a.bmp"], "x"),
            &row(&["A.bmp"], "x"),
            &row(&["no/b.png"], "x"),
            "{}",
            &row(&[], "x"),
        ],
        true,
    );
    let seen = report.summary();
    assert_eq!(
        (&seen["lines"], &seen["rows"], &seen["rejected"]),
        (&json!(5), &json!(3), &json!(2))
    );
    assert_eq!((&seen["names"], &seen["distinct_pictures"]), (&json!(3), &json!(1)));
    assert_eq!(seen["rows_per_picture"], json!(2.0));
    assert_eq!(seen["variants"], json!({"open": 3, "closed": 0, "closed_cot": 0, "chat": 0}));
    assert_eq!(
        (&seen["formats"], &seen["modes"], &seen["sizes"]),
        (&json!({"bmp": 1}), &json!({"RGB": 1}), &json!({"1x1": 1}))
    );
    assert_eq!(
        (&seen["decoded"], &seen["pictures_checked"], &seen["gray"]),
        (&json!(true), &json!(true), &json!(1))
    );
    assert_eq!(seen["missing_folders"], json!({"no": 1}));
    assert_eq!(seen["tokens"], Value::Null);
    let counts = json!({
        "images.missing": {"severity": "E", "count": 1},
        "images.resolved": {"severity": "W", "count": 1},
        "row.missing_field": {"severity": "E", "count": 1},
    });
    assert_eq!(seen["counts"], counts);
    assert_eq!(seen["sources"][0]["rejected"], json!(2));
    assert_eq!(report.findings(), 3);
}

#[test]
fn rows_alone_say_nothing_about_pictures() {
    let seen = check(&[&row(&["a.bmp"], "x")], false).summary();
    assert_eq!(
        (&seen["decoded"], &seen["pictures_checked"], &seen["gray"]),
        (&json!(false), &json!(false), &Value::Null)
    );
    assert_eq!(seen["roots"], json!([]));
    let empty = check(&[], true).summary();
    assert_eq!((&empty["lines"], &empty["rows_per_picture"]), (&json!(0), &json!(0.0)));
}

#[test]
fn findings_come_as_a_table_and_as_lines() {
    let report = check(&["{}", "[]"], false);
    let table = report.to_arrow().unwrap();
    let codes: Vec<_> = table["code"].as_string::<i32>().iter().flatten().collect();
    assert_eq!(codes, ["row.missing_field", "row.not_object"]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("findings.jsonl");
    report.write_jsonl(&path).unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[1]["source"], &lines[1]["line"], &lines[1]["byte"]),
        (&json!("rows"), &json!(2), &json!(3))
    );
    assert!(report.write_jsonl(dir.path()).is_err());
}
