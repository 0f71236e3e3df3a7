//! What one line holds, and what is wrong with it, as JSON: for tests, and for looking at one row.

use serde_json::{Value, json};

use crate::finding::{Code, Finding};
use crate::jsonl::json::is_blank;
use crate::jsonl::judge::judge;
use crate::jsonl::options::RowOptions;
use crate::jsonl::row::Row;
use crate::jsonl::rules::Meaning;

/// `codes` that reject the row, `warnings`, and the `row` if nothing rejects it. Each code stands once, in the order of the catalogue.
pub fn inspect(line: &[u8], options: &RowOptions) -> Value {
    let mut findings = Vec::new();
    let held = if is_blank(line) {
        None
    } else {
        judge(line, 0, options, &mut findings)
    };
    if held.as_ref().is_some_and(|(row, _)| !row.unknown.is_empty()) {
        findings.push(Finding {
            code: Code::RowUnknownField,
            byte: 0,
            pointer: "".into(),
            message: "".into(),
        });
    }
    let mut codes: Vec<Code> = findings.iter().map(|finding| finding.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let (rejecting, warnings): (Vec<Code>, Vec<Code>) = codes.into_iter().partition(|code| code.rejects());
    let row = held.filter(|_| rejecting.is_empty()).map(|(row, meaning)| describe(&row, &meaning));
    json!({"codes": rejecting, "warnings": warnings, "row": row})
}

fn describe(row: &Row<'_>, meaning: &Meaning) -> Value {
    let options = meaning.options.as_ref().map(|choices| {
        choices
            .iter()
            .map(|choice| json!({"letter": choice.letter, "text": choice.text}))
            .collect::<Vec<_>>()
    });
    json!({
        "messages": row.messages.iter().map(|turn| json!({"role": turn.role, "content": turn.content})).collect::<Vec<_>>(),
        "images": row.images,
        "meta": row.meta,
        "extra": row.extra(),
        "variant": meaning.variant.as_str(),
        "options": options,
        "answer": meaning.answer,
        "answer_text": meaning.answer_text(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_row_or_codes() {
        let options = RowOptions::default();
        let good = br#"{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "x": 1}"#;
        let seen = inspect(good, &options);
        assert_eq!(seen["codes"], json!([]));
        assert_eq!(seen["warnings"], json!(["row.unknown_field"]));
        assert_eq!(seen["row"]["variant"], "open");
        assert_eq!(seen["row"]["extra"], r#"{"x": 1}"#);
        let bad = br#"{"messages": [{"role": "user", "content": "<image>"}]}"#;
        let seen = inspect(bad, &options);
        assert_eq!(seen["codes"], json!(["messages.order"]));
        assert_eq!(seen["row"], Value::Null);
        assert_eq!(inspect(b" \t", &options), json!({"codes": [], "warnings": [], "row": null}));
        assert_eq!(inspect(b"[]", &options)["codes"], json!(["row.not_object"]));
    }
}
