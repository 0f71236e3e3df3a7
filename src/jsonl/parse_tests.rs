use std::borrow::Cow;

use proptest::prelude::*;

use super::*;

fn codes(line: &str) -> Vec<(&'static str, String)> {
    let mut findings = Vec::new();
    let row = parse(line.as_bytes(), 0, &mut findings);
    assert!(row.is_some() || !findings.is_empty(), "{line}");
    findings.into_iter().map(|f| (f.code.name(), f.pointer.into())).collect()
}

#[test]
fn a_row_comes_back_as_it_stood() {
    let line = r#"{"images": ["a/b (1).jpg"], "weight": 1e999, "messages": [{"role": "user", "content": "x\ny", "n/m": [1, 2]}], "meta": {"id":  1.50}}"#;
    let row = parse(line.as_bytes(), 0, &mut Vec::new()).unwrap();
    assert_eq!(row.images, ["a/b (1).jpg"]);
    assert_eq!(row.messages[0].content, "x\ny");
    assert_eq!(row.meta, Some(r#"{"id":  1.50}"#));
    assert_eq!(row.extra().unwrap(), r#"{"weight": 1e999, "/messages/0/n~1m": [1, 2]}"#);
}

#[test]
fn text_without_escapes_is_borrowed() {
    let line = br#"{"messages": [{"role": "user", "content": "plain"}], "images": ["a.jpg"]}"#;
    let row = parse(line, 0, &mut Vec::new()).unwrap();
    assert!(matches!(row.messages[0].content, Cow::Borrowed(_)));
    assert!(matches!(row.images[0], Cow::Borrowed(_)));
}

#[test]
fn each_fault_of_shape_has_its_code_and_pointer() {
    let table: &[(&str, &[(&str, &str)])] = &[
        ("[]", &[("row.not_object", "")]),
        ("3", &[("row.not_object", "")]),
        ("{}", &[("row.missing_field", "/messages")]),
        (
            r#"{"messages": 1, "images": "a"}"#,
            &[("row.wrong_type", "/messages"), ("row.wrong_type", "/images")],
        ),
        (r#"{"messages": [], "images": null}"#, &[("row.wrong_type", "/images")]),
        (r#"{"messages": [], "images": ["a", 1]}"#, &[("row.wrong_type", "/images/1")]),
        (r#"{"messages": [1]}"#, &[("row.wrong_type", "/messages/0")]),
        (
            r#"{"messages": [{"role": "user"}]}"#,
            &[("row.missing_field", "/messages/0/content")],
        ),
        (
            r#"{"messages": [{"role": 1e999, "content": []}]}"#,
            &[("row.wrong_type", "/messages/0/role"), ("row.wrong_type", "/messages/0/content")],
        ),
        (r#"{"messages": [], "meta": []}"#, &[("meta.wrong_type", "/meta")]),
        (r#"{"messages": [], "messages": []}"#, &[("json.duplicate_key", "")]),
        (r#"{"messages": [], "m\u0065ssages": []}"#, &[("json.duplicate_key", "")]),
        (
            r#"{"messages": [], "meta": {"a": {"b": 1, "b": 2}}}"#,
            &[("json.duplicate_key", "")],
        ),
        (r#"{"messages": [], "x": ["\udc00"]}"#, &[("json.syntax", "")]),
        (r#"{"messages": [], "x": 01}"#, &[("json.syntax", "")]),
        (r#"{"messages": []} 1"#, &[("json.syntax", "")]),
    ];
    for (line, expected) in table {
        let found = codes(line);
        let found: Vec<_> = found.iter().map(|(code, pointer)| (*code, pointer.as_str())).collect();
        assert_eq!(&found, expected, "{line}");
    }
}

#[test]
fn dialects_are_named() {
    let message = |line: &str| {
        let mut findings = Vec::new();
        parse(line.as_bytes(), 0, &mut findings);
        findings.iter().map(|f| f.message.to_string()).collect::<Vec<_>>().join("\n")
    };
    assert!(message(r#"{"conversations": []}"#).contains("ShareGPT"));
    assert!(message(r#"{"messages": [{"from": "human", "value": "x"}]}"#).contains("ShareGPT"));
    assert!(message(r#"{"messages": [{"role": "user", "content": [{"type": "text"}]}]}"#).contains("OpenAI"));
}

fn json_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("1e999".to_owned()),
        Just("\"\\ud83e\\udde0\"".to_owned()),
        Just("\"\\ud83e\"".to_owned()),
        "[a-z<>]{0,6}".prop_map(|s| format!("\"{s}\"")),
        "-?[0-9]{1,3}".prop_map(|s| s),
    ];
    let key = prop_oneof![
        Just("role"),
        Just("content"),
        Just("messages"),
        Just("images"),
        Just("meta"),
        Just("x"),
        Just("r\\u006fle")
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(" ,"))),
            prop::collection::vec((key.clone(), inner), 0..5).prop_map(|v| format!(
                "{{{}}}",
                v.iter().map(|(k, v)| format!("\"{k}\": {v}")).collect::<Vec<_>>().join(",")
            )),
        ]
    })
}

proptest! {
    /// Wherever the fast way gives a row, the slow way gives the same.
    #[test]
    fn the_fast_way_agrees_with_the_slow_one(messages in json_value(), images in json_value(), other in json_value()) {
        for line in [
            format!("{{\"messages\": [{{\"role\": \"user\", \"content\": {other}}}], \"images\": {images}, \"y\": {messages}}}"),
            format!("{{\"messages\": {messages}, \"images\": {images}, \"meta\": {other}}}"),
            format!("{{\"messages\": [{{\"role\": \"user\", \"content\": \"x\", \"y\": {messages}}}], \"x\": {other}}}"),
            other.clone(),
        ] {
            if let Some(fast) = row_fast::parse(&line) {
                prop_assert!(fast.messages_fit && fast.images_fit);
                let mut findings = Vec::new();
                prop_assert_eq!(Some(fast), row_slow::parse(&line, 0, &mut findings));
                prop_assert!(findings.is_empty());
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut findings = Vec::new();
        let row = parse(&line, 0, &mut findings).is_some();
        prop_assert!(row || !findings.is_empty());
        prop_assert!(findings.iter().all(|f| f.byte <= line.len() as u64));
    }
}
