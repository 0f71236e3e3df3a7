//! A row as it stands in the text: what later rules judge.

use std::borrow::Cow;

use crate::jsonl::json::unescape;

/// One chat with its pictures. Text is borrowed from the line wherever it holds no escape.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row<'a> {
    /// The names of the pictures, as given.
    pub images: Vec<Cow<'a, str>>,
    /// The turns.
    pub messages: Vec<Message<'a>>,
    /// The JSON of `meta` as it stood; `None` when absent.
    pub meta: Option<&'a str>,
    /// Members nobody knows, in the order of the line.
    pub unknown: Vec<Unknown<'a>>,
    /// Whether `messages` has the shape it must have; if not, it is empty here.
    pub messages_fit: bool,
    /// Whether `images` has; likewise.
    pub images_fit: bool,
}

/// One turn of a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// Who speaks.
    pub role: Cow<'a, str>,
    /// What is said.
    pub content: Cow<'a, str>,
}

/// A member that nobody knows: kept as it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown<'a> {
    /// The message it stands in; `None`: the row itself.
    pub message: Option<usize>,
    /// The key's text, quotes and escapes included.
    pub key: &'a str,
    /// The value's text.
    pub value: &'a str,
}

impl Row<'_> {
    /// `extra` as it is stored: every unknown member in one object's text, or `None` (see `docs/rows.md`).
    pub fn extra(&self) -> Option<String> {
        if self.unknown.is_empty() {
            return None;
        }
        let members = self.unknown.iter().map(|member| match member.message {
            None => format!("{}: {}", member.key, member.value),
            Some(_) => format!("{}: {}", serde_json::Value::from(member.pointer()), member.value),
        });
        Some(format!("{{{}}}", members.collect::<Vec<_>>().join(", ")))
    }
}

impl Unknown<'_> {
    /// The JSON pointer of this member.
    pub fn pointer(&self) -> String {
        let key = unescape(self.key)
            .unwrap_or(Cow::Borrowed(self.key))
            .replace('~', "~0")
            .replace('/', "~1");
        self.message.map_or_else(|| format!("/{key}"), |i| format!("/messages/{i}/{key}"))
    }
}
