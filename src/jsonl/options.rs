//! What lines and rows are judged by.

use serde::{Deserialize, Serialize};

/// The options about lines and rows: each is named and defaulted here, once. A manifest records all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RowOptions {
    /// Whether rows with pictures must have placeholders.
    pub placeholders: Placeholders,
    /// Cut off the front of names of pictures.
    pub strip_prefix: Option<String>,
    /// The longest line, in bytes.
    pub max_line_bytes: u64,
}

impl Default for RowOptions {
    fn default() -> Self {
        Self {
            placeholders: Placeholders::default(),
            strip_prefix: None,
            max_line_bytes: 16 << 20,
        }
    }
}

impl RowOptions {
    /// Whether a line of so many bytes is read.
    pub fn admits(&self, length: u64) -> bool {
        length <= self.max_line_bytes
    }

    /// `name` without the prefix that is to be cut off.
    pub fn strip<'n>(&self, name: &'n str) -> &'n str {
        self.strip_prefix
            .as_deref()
            .and_then(|prefix| name.strip_prefix(prefix))
            .unwrap_or(name)
    }
}

/// Whether rows with pictures must have placeholders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placeholders {
    /// One per image.
    #[default]
    Required,
    /// One per image, or none at all.
    Optional,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_cut_off() {
        let mut options = RowOptions::default();
        assert_eq!(options.strip("/data/x/a.jpg"), "/data/x/a.jpg");
        options.strip_prefix = Some("/data/x/".to_owned());
        assert_eq!(options.strip("/data/x/a.jpg"), "a.jpg");
        assert_eq!(options.strip("b/a.jpg"), "b/a.jpg");
    }

    #[test]
    fn every_option_has_its_name_and_its_default() {
        let options: RowOptions = serde_json::from_str("{}").unwrap();
        assert_eq!(options, RowOptions::default());
        assert!(options.admits(16 << 20) && !options.admits((16 << 20) + 1));
        let text = r#"{"placeholders":"optional","strip_prefix":"/x","max_line_bytes":5}"#;
        let options: RowOptions = serde_json::from_str(text).unwrap();
        let expected = RowOptions {
            placeholders: Placeholders::Optional,
            strip_prefix: Some("/x".to_owned()),
            max_line_bytes: 5,
        };
        assert_eq!(options, expected);
        assert_eq!(serde_json::to_string(&options).unwrap(), text);
    }
}
