//! The fast way from a line to a row: `serde` builds it straight from the text.
//!
//! It knows one answer besides the row, "look again": the slow way then decides, and says what is wrong.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::jsonl::json::{self, unescape};
use crate::jsonl::row::{Message, Row, Unknown};

/// Unknown members beyond this are left to the slow way, whose search for twins is not quadratic.
const FEW_UNKNOWN: usize = 16;

/// The fast way; `None` says nothing but "look again".
pub(super) fn parse(text: &str) -> Option<Row<'_>> {
    let mut row = Row {
        messages_fit: true,
        images_fit: true,
        ..Row::default()
    };
    let mut parser = serde_json::Deserializer::from_str(text);
    RowSeed(&mut row).deserialize(&mut parser).ok()?;
    parser.end().ok()?;
    if let Some(meta) = row.meta {
        if !(meta.starts_with('{') || meta == "null") {
            return None;
        }
        json::check_keys(meta).ok()?;
    }
    for (i, member) in row.unknown.iter().enumerate() {
        json::check_keys(member.value).ok()?;
        let twin = |other: &&Unknown<'_>| other.message == member.message && unescape(other.key).ok() == unescape(member.key).ok();
        if row.unknown.len() > FEW_UNKNOWN || row.unknown.iter().take(i).find(twin).is_some() {
            return None;
        }
    }
    Some(row)
}

/// The fast way's visitors. They refuse, without a reason, whatever is not exactly the expected shape.
struct RowSeed<'s, 'a>(&'s mut Row<'a>);

impl<'a> DeserializeSeed<'a> for RowSeed<'_, 'a> {
    type Value = ();
    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for RowSeed<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut messages, mut images) = (false, false);
        while let Some(key) = map.next_key::<&RawValue>()? {
            match key.get() {
                "\"messages\"" if !messages => {
                    messages = true;
                    map.next_value_seed(MessagesSeed(self.0))?;
                }
                "\"images\"" if !images => {
                    images = true;
                    self.0.images = map.next_value::<Names<'a>>()?.0;
                }
                "\"meta\"" if self.0.meta.is_none() => self.0.meta = Some(map.next_value::<&RawValue>()?.get()),
                known @ ("\"messages\"" | "\"images\"" | "\"meta\"") => {
                    return Err(A::Error::custom(known));
                }
                escaped if json::has_escape(escaped) => {
                    return Err(A::Error::custom("an escape in a key"));
                }
                key => self.0.unknown.push(Unknown {
                    message: None,
                    key,
                    value: map.next_value::<&RawValue>()?.get(),
                }),
            }
        }
        if messages { Ok(()) } else { Err(A::Error::custom("no messages")) }
    }
}

struct MessagesSeed<'s, 'a>(&'s mut Row<'a>);

impl<'a> DeserializeSeed<'a> for MessagesSeed<'_, 'a> {
    type Value = ();
    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'a> Visitor<'a> for MessagesSeed<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of messages")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(MessageSeed(self.0))?.is_some() {}
        Ok(())
    }
}

struct MessageSeed<'s, 'a>(&'s mut Row<'a>);

impl<'a> DeserializeSeed<'a> for MessageSeed<'_, 'a> {
    type Value = ();
    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for MessageSeed<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut role, mut content) = (None, None);
        let i = self.0.messages.len();
        while let Some(key) = map.next_key::<&RawValue>()? {
            match key.get() {
                "\"role\"" if role.is_none() => role = Some(map.next_value::<Text<'a>>()?.0),
                "\"content\"" if content.is_none() => content = Some(map.next_value::<Text<'a>>()?.0),
                known @ ("\"role\"" | "\"content\"") => return Err(A::Error::custom(known)),
                escaped if json::has_escape(escaped) => {
                    return Err(A::Error::custom("an escape in a key"));
                }
                key => self.0.unknown.push(Unknown {
                    message: Some(i),
                    key,
                    value: map.next_value::<&RawValue>()?.get(),
                }),
            }
        }
        match (role, content) {
            (Some(role), Some(content)) => self.0.messages.push(Message { role, content }),
            _ => return Err(A::Error::custom("no role or no content")),
        }
        Ok(())
    }
}

/// A string, borrowed where it can be (`Cow`'s own `Deserialize` always owns).
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A list of strings, borrowed likewise.
struct Names<'a>(Vec<Cow<'a, str>>);

impl<'de> serde::Deserialize<'de> for Names<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names: Vec<Text<'de>> = serde::Deserialize::deserialize(deserializer)?;
        Ok(Self(names.into_iter().map(|name| name.0).collect()))
    }
}
