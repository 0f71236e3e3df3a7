use serde_json::json;

use super::*;
use crate::jsonl::parse::parse;

fn codes_of(value: &serde_json::Value) -> Vec<&'static str> {
    codes_with(value, Placeholders::Required)
}

fn codes_with(value: &serde_json::Value, placeholders: Placeholders) -> Vec<&'static str> {
    let line = value.to_string();
    let mut findings = Vec::new();
    let row = parse(line.as_bytes(), 0, &mut findings).unwrap();
    let options = RowOptions {
        placeholders,
        ..RowOptions::default()
    };
    read(&row, 0, &options, &mut findings);
    assert!(
        findings.windows(2).all(|pair| pair[0].code <= pair[1].code),
        "not in catalogue order: {findings:?}"
    );
    findings.iter().map(|finding| finding.code.name()).collect()
}

fn chat(question: &str, answer: &str) -> serde_json::Value {
    json!({"images": ["a.jpg"], "messages": [{"role": "user", "content": format!("<image>{question}")}, {"role": "assistant", "content": answer}]})
}

const CLOSED: &str = "Which?\nOptions:\nA. glioma\nB. meningioma\n\nAnswer with the letter.";

#[test]
fn good_rows_are_silent() {
    for row in [
        chat("What is it?", "A glioma."),
        chat(CLOSED, "B"),
        chat(CLOSED, "Final: A\nExplanation: bright rim"),
        json!({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}),
    ] {
        assert!(codes_of(&row).is_empty(), "{row}");
    }
}

#[test]
fn one_fault_gives_one_code() {
    let turns = |roles: &[&str]| json!({"messages": roles.iter().map(|r| json!({"role": r, "content": "x"})).collect::<Vec<_>>()});
    let named = |name: &str| json!({"images": [name], "messages": chat("q", "a")["messages"]});
    for (row, code) in [
        (turns(&[]), "messages.empty"),
        (turns(&["user", "gpt"]), "messages.role"),
        (turns(&["assistant", "user"]), "messages.order"),
        (turns(&["user"]), "messages.order"),
        (turns(&["system"]), "messages.order"),
        (turns(&["user", "assistant", "system"]), "messages.order"),
        (chat("q", " \n\u{a0}"), "messages.blank"),
        (chat("<image>", "a"), "placeholder.count"),
        (chat(CLOSED, "C\n<image>"), "placeholder.assistant"),
        (chat("Q\nOptions:\nA. x\nA. y", "B"), "mcq.options"),
        (chat("Q\nOptions:\nA. x", "A"), "mcq.options"),
        (chat(CLOSED, "the second one"), "mcq.answer"),
        (chat(CLOSED, "C"), "mcq.answer_range"),
        (chat(CLOSED, "b"), "mcq.answer_form"),
        (chat(CLOSED, "Explanation: x"), "cot.final"),
        (chat(CLOSED, "Final: maybe\nExplanation: x"), "cot.final"),
        (chat(CLOSED, "Final: A"), "cot.explanation"),
        (chat(CLOSED, "Final: Y\nExplanation: x"), "mcq.answer_range"),
        (chat(CLOSED, "Final: A.\nExplanation: x"), "cot.form"),
        (chat(CLOSED, "Explanation: x\nFinal: A"), "cot.form"),
        (chat("Q\nOptions:\nA. x\nC. y", "A"), "mcq.order"),
        (chat("Q\nOptions:\nA. x\nB. X", "A"), "mcq.duplicate_option"),
        (named("/a.jpg"), "images.absolute"),
        (named("C:\\a.jpg"), "images.absolute"),
        (named("a/../b.jpg"), "images.traversal"),
        (named("a\\b.jpg"), "images.bad_name"),
        (named(""), "images.bad_name"),
        (named("a\tb.jpg"), "images.bad_name"),
    ] {
        assert_eq!(codes_of(&row), [code], "{row}");
    }
}

#[test]
fn placeholders_may_be_optional() {
    let mut none = chat("q", "a");
    none["messages"][0]["content"] = json!("q");
    assert_eq!(codes_of(&none), ["placeholder.count"]);
    assert!(codes_with(&none, Placeholders::Optional).is_empty());
    assert_eq!(codes_with(&chat("<image>", "a"), Placeholders::Optional), ["placeholder.count"]);
}

#[test]
fn variants_and_answers_are_read() {
    let meaning = |value: serde_json::Value| {
        let line = value.to_string();
        let row = parse(line.as_bytes(), 0, &mut Vec::new()).unwrap();
        let meaning = read(&row, 0, &RowOptions::default(), &mut Vec::new());
        (meaning.variant, meaning.answer, meaning.answer_text().map(ToOwned::to_owned))
    };
    assert_eq!(meaning(chat("q", "a")), (Variant::Open, None, None));
    assert_eq!(
        meaning(chat(CLOSED, "(b) meningioma")),
        (Variant::Closed, Some('B'), Some("meningioma".to_owned()))
    );
    assert_eq!(meaning(chat(CLOSED, "Final: **A**\nExplanation: x")).1, Some('A'));
    let twice = json!({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}, {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]});
    assert_eq!(meaning(twice).0, Variant::Chat);
}
