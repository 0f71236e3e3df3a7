//! What a scan is to do, as one value.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::finding::quote;
use crate::jsonl::options::RowOptions;
use crate::picture::ImageSpec;

/// What a scan is to do. An option about pictures is named here, one about lines and rows in [`RowOptions`]; nobody else names them all.
///
/// As JSON it is one flat object. `spec` must be there; whatever else is left out has its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanOptions {
    /// What will be made of the pictures; its limits decide what is refused.
    pub spec: ImageSpec,
    /// How lines and rows are judged.
    #[serde(flatten)]
    pub rows: RowOptions,
    /// Whether links may leave the roots.
    #[serde(default = "yes")]
    pub follow_links: bool,
}

fn yes() -> bool {
    true
}

impl ScanOptions {
    /// The defaults for this spec.
    pub fn new(spec: ImageSpec) -> Self {
        Self {
            spec,
            rows: RowOptions::default(),
            follow_links: yes(),
        }
    }

    /// The options that this JSON text holds. A member that nobody knows is an error.
    pub fn from_json(text: &str) -> Result<Self> {
        let refuse = |what: String| Error::usage(format!("the options of a scan cannot be used: {what}"));
        let given: Value = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
        let options = Self::deserialize(&given).map_err(|error| refuse(error.to_string()))?;
        // `deny_unknown_fields` does not go with `flatten`; what is known is what is written again.
        let known = options.to_value()?;
        let unknown = given.as_object().into_iter().flatten().find(|(name, _)| known.get(name).is_none());
        match unknown {
            Some((name, _)) => Err(refuse(format!("expected options that are known, found {}", quote(name)))),
            None => Ok(options),
        }
    }

    /// These options as JSON.
    pub fn to_value(&self) -> Result<Value> {
        serde_json::to_value(self).map_err(|error| Error::internal(format!("options are no JSON: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonl::options::Placeholders;

    const SPEC: &str =
        r#"{"kind":"original","color":"auto","exif":false,"sixteen_bit":"reject","alpha":"drop","decode_limit":1000,"pixels":"pillow13"}"#;

    #[test]
    fn what_is_left_out_has_its_default() {
        let options = ScanOptions::from_json(&format!("{{\"spec\":{SPEC}}}")).unwrap();
        assert_eq!(options, ScanOptions::new(ImageSpec::from_json(SPEC).unwrap()));
        let text = options.to_value().unwrap().to_string();
        assert_eq!(ScanOptions::from_json(&text).unwrap(), options);
    }

    #[test]
    fn options_are_flat() {
        let text = format!("{{\"spec\":{SPEC},\"placeholders\":\"optional\",\"strip_prefix\":\"/x\",\"follow_links\":false}}");
        let options = ScanOptions::from_json(&text).unwrap();
        assert_eq!((options.rows.placeholders, options.follow_links), (Placeholders::Optional, false));
        assert_eq!(options.rows.strip("/xa"), "a");
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (members, named) in [
            (r#""spec":3"#.to_owned(), "options of a scan"),
            (r#""follow_links":true"#.to_owned(), "spec"),
            (format!("\"spec\":{SPEC},\"placeholders\":\"some\""), "some"),
            (format!("\"spec\":{SPEC},\"strip_prefix\":-1"), "-1"),
            (format!("\"spec\":{SPEC},\"decode\":true"), "decode"),
        ] {
            let error = ScanOptions::from_json(&format!("{{{members}}}")).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
        assert!(ScanOptions::from_json("").is_err());
    }
}
