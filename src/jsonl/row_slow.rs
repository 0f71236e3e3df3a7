//! The slow way from a line to a row: it looks at one thing after the other, and has a name and a byte for every fault.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::finding::{Code, Finding, quote};
use crate::jsonl::json::{self, unescape};
use crate::jsonl::row::{Message, Row, Unknown};

/// The row of a text, or all that is wrong with its shape. `offset` is where its line begins.
pub(super) fn parse<'a>(text: &'a str, offset: u64, findings: &mut Vec<Finding>) -> Option<Row<'a>> {
    if let Err(fault) = json::check_grammar(text).and_then(|()| json::check_keys(text)) {
        findings.push(fault.into_finding(offset));
        return None;
    }
    Shape { text, offset, findings }.row(text.trim_matches(|c| matches!(c, ' ' | '\t' | '\r')))
}

/// The slow way's walk over values that are JSON by grammar.
struct Shape<'a, 'f> {
    text: &'a str,
    offset: u64,
    findings: &'f mut Vec<Finding>,
}

impl<'a> Shape<'a, '_> {
    /// Says `code` about `value`, which is a part of the line.
    fn fault(&mut self, code: Code, value: &str, pointer: String, message: String) {
        let at = (value.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        self.findings.push(Finding {
            code,
            byte: self.offset + at as u64,
            pointer: pointer.into(),
            message: message.into(),
        });
    }

    fn row(&mut self, value: &'a str) -> Option<Row<'a>> {
        let Some(members) = members(value) else {
            self.fault(
                Code::RowNotObject,
                value,
                String::new(),
                format!("expected an object, found {}", describe(value)),
            );
            return None;
        };
        let mut row = Row {
            images_fit: true,
            ..Row::default()
        };
        let (mut messages, mut said) = (None, false);
        for (key, value) in members {
            match unescape(key).as_deref() {
                Ok("messages") => {
                    said = true;
                    messages = self.messages(value, &mut row.unknown);
                }
                Ok("images") => {
                    let images = self.images(value);
                    row.images_fit = images.is_some();
                    row.images = images.unwrap_or_default();
                }
                Ok("meta") => {
                    if !(value.starts_with('{') || value == "null") {
                        let found = describe(value);
                        self.fault(
                            Code::MetaWrongType,
                            value,
                            "/meta".to_owned(),
                            format!("expected an object or null, found {found}"),
                        );
                    }
                    row.meta = Some(value);
                }
                _ => row.unknown.push(Unknown { message: None, key, value }),
            }
        }
        row.messages_fit = messages.is_some();
        row.messages = messages.unwrap_or_default();
        if !said {
            let sharegpt = row.unknown.iter().any(|member| member.key == "\"conversations\"");
            let hint = if sharegpt {
                "; this looks like ShareGPT: rename `conversations` to `messages`, from/value to role/content"
            } else {
                ""
            };
            self.fault(
                Code::RowMissingField,
                value,
                "/messages".to_owned(),
                format!("the row has no `messages`{hint}"),
            );
        }
        Some(row)
    }

    fn messages(&mut self, value: &'a str, unknown: &mut Vec<Unknown<'a>>) -> Option<Vec<Message<'a>>> {
        let Some(items) = items(value) else {
            let found = describe(value);
            self.fault(
                Code::RowWrongType,
                value,
                "/messages".to_owned(),
                format!("expected a list of messages, found {found}"),
            );
            return None;
        };
        let messages: Vec<_> = items
            .into_iter()
            .enumerate()
            .map(|(i, item)| self.message(i, item, unknown))
            .collect();
        messages.into_iter().collect()
    }

    fn message(&mut self, i: usize, value: &'a str, unknown: &mut Vec<Unknown<'a>>) -> Option<Message<'a>> {
        let Some(members) = members(value) else {
            let message = format!("expected an object with role and content, found {}", describe(value));
            self.fault(Code::RowWrongType, value, format!("/messages/{i}"), message);
            return None;
        };
        let (mut role, mut content) = (None, None);
        let own = unknown.len(); // those from here on are this message's
        for (key, value) in members {
            match unescape(key).as_deref() {
                Ok("role") => role = Some(self.string(value, format!("/messages/{i}/role"))),
                Ok("content") => content = Some(self.string(value, format!("/messages/{i}/content"))),
                _ => unknown.push(Unknown {
                    message: Some(i),
                    key,
                    value,
                }),
            }
        }
        for (name, other, found) in [("role", "\"from\"", &role), ("content", "\"value\"", &content)] {
            if found.is_none() {
                let sharegpt = unknown.iter().skip(own).any(|member| member.key == other);
                let hint = if sharegpt {
                    format!("; this looks like ShareGPT: rename {other} to \"{name}\"")
                } else {
                    String::new()
                };
                self.fault(
                    Code::RowMissingField,
                    value,
                    format!("/messages/{i}/{name}"),
                    format!("the message has no `{name}`{hint}"),
                );
            }
        }
        Some(Message {
            role: role??,
            content: content??,
        })
    }

    fn images(&mut self, value: &'a str) -> Option<Vec<Cow<'a, str>>> {
        let Some(items) = items(value) else {
            let found = describe(value);
            self.fault(
                Code::RowWrongType,
                value,
                "/images".to_owned(),
                format!("expected a list of names, found {found}"),
            );
            return None;
        };
        let names: Vec<_> = items
            .into_iter()
            .enumerate()
            .map(|(i, item)| self.string(item, format!("/images/{i}")))
            .collect();
        names.into_iter().collect()
    }

    fn string(&mut self, value: &'a str, pointer: String) -> Option<Cow<'a, str>> {
        if value.starts_with('"') {
            return unescape(value).ok();
        }
        let blocks = value.starts_with('[') && pointer.ends_with("/content");
        let hint = if blocks {
            "; this looks like OpenAI's blocks: write one text with `<image>` in it"
        } else {
            ""
        };
        self.fault(
            Code::RowWrongType,
            value,
            pointer,
            format!("expected a string, found {}{hint}", describe(value)),
        );
        None
    }
}

/// Keys and values of an object as they stand in the text; `None` for anything else.
fn members(value: &str) -> Option<Vec<(&str, &str)>> {
    struct Members<'a>(Vec<(&'a str, &'a str)>);
    impl<'de> Visitor<'de> for Members<'de> {
        type Value = Vec<(&'de str, &'de str)>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
            while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                self.0.push((key.get(), value.get()));
            }
            Ok(self.0)
        }
    }
    serde_json::Deserializer::from_str(value).deserialize_map(Members(Vec::new())).ok()
}

/// The items of a list as they stand in the text; `None` for anything else.
fn items(value: &str) -> Option<Vec<&str>> {
    let items: Vec<&RawValue> = serde_json::from_str(value).ok()?;
    Some(items.into_iter().map(RawValue::get).collect())
}

/// What a value is, in words.
fn describe(value: &str) -> String {
    match value.bytes().next() {
        Some(b'{') => "an object".to_owned(),
        Some(b'[') => "a list".to_owned(),
        Some(b'"') => format!("the string {}", quote(&unescape(value).unwrap_or_default())),
        Some(b'n') => "null".to_owned(),
        Some(b't' | b'f') => format!("the boolean {value}"),
        Some(_) => format!("the number {}", quote(value).trim_matches('"')),
        None => "nothing".to_owned(),
    }
}
