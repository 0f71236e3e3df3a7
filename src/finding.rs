//! The catalogue of everything `check` can say about the data, and one such finding.
//!
//! A code is stable for ever. The order of the catalogue is the order in which the rules run; the codes of a rejected row are listed in it.

use serde::Serialize;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Severity {
    /// The row cannot be used: it is rejected.
    #[serde(rename = "E")]
    Error,
    /// The row is used; somebody should look.
    #[serde(rename = "W")]
    Warning,
}

impl Severity {
    /// `"E"` or `"W"`.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Error => "E",
            Self::Warning => "W",
        }
    }
}

/// One entry of the catalogue.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Entry {
    /// The stable name, as in `images.missing`.
    pub code: &'static str,
    /// Whether it rejects the row.
    pub severity: Severity,
    /// When it is said.
    pub when: &'static str,
    /// What to do about it.
    pub hint: &'static str,
    /// The codes (or families, `messages.*`) whose presence keeps this one quiet, because they read the same text.
    pub silenced_by: &'static str,
}

macro_rules! catalogue {
    ($($name:ident $code:literal $severity:ident $when:literal, $hint:literal, $silenced_by:literal;)*) => {
        /// The name of one kind of finding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Code {
            $(#[doc = $when] $name,)*
        }

        /// Every code, in the order in which the rules run.
        pub const CATALOGUE: &[Entry] = &[
            $(Entry { code: $code, severity: Severity::$severity, when: $when, hint: $hint, silenced_by: $silenced_by },)*
        ];

        impl Code {
            /// Every code, in catalogue order.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];
        }
    };
}

catalogue! {
    SourceNotLines "source.not_lines" Error "the whole file is one JSON array, or one object over several lines",
        "write one object per line, for example with `jq -c '.[]'`", "";
    LineTooLong "line.too_long" Error "the line is longer than `max_line_bytes`",
        "raise --max-line-bytes if the line is meant", "";
    JsonUtf8 "json.utf8" Error "the line is not UTF-8",
        "re-encode the file as UTF-8", "line.too_long";
    JsonDepth "json.depth" Error "more than 64 brackets are open at once",
        "flatten the value, or keep it as a string", "json.utf8";
    JsonSyntax "json.syntax" Error "the line is not JSON",
        "mend the line at the byte named; a cut-off line often means that a writer was killed", "json.utf8 json.depth";
    JsonDuplicateKey "json.duplicate_key" Error "an object has the same key twice",
        "keep one of the two: readers disagree about which one counts", "json.utf8 json.depth json.syntax";
    RowNotObject "row.not_object" Error "the line is JSON, but not an object",
        "write one object per line", "json.*";
    RowMissingField "row.missing_field" Error "a member that every row (or message) has is missing",
        "add the member", "json.* row.not_object";
    RowWrongType "row.wrong_type" Error "a member has another type than it must have",
        "write the type that is expected", "json.* row.not_object";
    RowUnknownField "row.unknown_field" Warning "a member that nobody knows; it is kept in `extra`",
        "nothing to do if it is meant", "json.* row.not_object";
    MetaWrongType "meta.wrong_type" Error "`meta` is neither an object nor null",
        "put the value into an object", "json.* row.not_object";
    ImagesAbsolute "images.absolute" Error "the name of a picture is an absolute path",
        "write names relative to --images, or cut the front off with --strip-prefix", "row.wrong_type";
    ImagesTraversal "images.traversal" Error "the name of a picture goes up with `..`",
        "write names below --images", "images.absolute";
    ImagesBadName "images.bad_name" Error "the name of a picture is empty, or has a backslash or a control character",
        "write names with `/` and visible characters", "images.absolute images.traversal";
    MessagesEmpty "messages.empty" Error "the chat has no turns",
        "remove the row", "row.missing_field row.wrong_type";
    MessagesRole "messages.role" Error "a role is not system, user or assistant",
        "rename the role (ShareGPT: human is user, gpt is assistant)", "row.missing_field row.wrong_type";
    MessagesOrder "messages.order" Error "the turns are not: at most one system turn first, then user and assistant in turn, assistant last",
        "put the turns in order", "messages.role";
    MessagesBlank "messages.blank" Error "a turn has no visible text",
        "write the text, or remove the row", "row.missing_field row.wrong_type";
    PlaceholderCount "placeholder.count" Error "the number of `<image>` in the user's turns differs from the number of images",
        "write one `<image>` per image (or none, with --placeholders optional)", "messages.* row.wrong_type";
    PlaceholderAssistant "placeholder.assistant" Error "`<image>` stands in an answer",
        "remove it: a trainer counts it as a picture", "messages.*";
    McqOptions "mcq.options" Error "fewer than two options, or a letter twice",
        "mend the block of options", "messages.* placeholder.*";
    McqOrder "mcq.order" Warning "the letters of the options have gaps, are out of order or go beyond E",
        "nothing to do if it is meant", "mcq.options";
    McqDuplicateOption "mcq.duplicate_option" Warning "two options say the same",
        "make the options differ", "mcq.options";
    McqAnswer "mcq.answer" Error "the answer of a closed question names no letter",
        "answer with the letter of an option", "messages.* placeholder.*";
    McqAnswerRange "mcq.answer_range" Error "the answer names a letter that is not offered",
        "answer with the letter of an option", "mcq.options mcq.answer cot.final";
    McqAnswerForm "mcq.answer_form" Warning "the answer is not just one capital letter; understood, text untouched",
        "nothing to do; write `D` if a trainer compares texts", "mcq.answer";
    CotFinal "cot.final" Error "a reasoned answer has no `Final: X`",
        "begin a line with `Final:` and the letter of an option", "messages.* placeholder.*";
    CotExplanation "cot.explanation" Error "a reasoned answer has no `Explanation:`, or an empty one",
        "begin a line with `Explanation:` and the reasons", "messages.* placeholder.*";
    CotForm "cot.form" Warning "`Final:` is not first, or not followed by just one capital letter; understood, text untouched",
        "nothing to do; write `Final: D` first if a trainer compares texts", "cot.final";
    ImagesMissing "images.missing" Error "no such file below any root",
        "check --images, or list the collection under --allow if its pictures may be missing", "images.absolute images.traversal images.bad_name";
    ImagesAmbiguous "images.ambiguous" Error "no file has this very name, and two or more differ from it only in case or suffix",
        "write the exact name", "images.absolute images.traversal images.bad_name";
    ImagesTwoRoots "images.two_roots" Error "two roots hold other bytes under this name",
        "remove one of the two files, or name one root only", "images.absolute images.traversal images.bad_name";
    ImagesResolved "images.resolved" Warning "the file was found under another case or suffix",
        "write the exact name: other readers will not find it", "images.missing images.ambiguous images.two_roots";
    ImagesRepeated "images.repeated" Warning "a row names the same picture twice",
        "nothing to do if it is meant", "images.*";
    PictureUnreadable "picture.unreadable" Error "the system refuses to read the file",
        "check the file's permissions and the disk", "images.*";
    PictureEmpty "picture.empty" Error "the file has no bytes",
        "fetch the file again", "images.*";
    PictureFormat "picture.format" Error "the content is of no supported format",
        "convert it to PNG or JPEG", "picture.empty";
    PictureTruncated "picture.truncated" Error "the data end early",
        "fetch the file again", "picture.format";
    PictureCorrupt "picture.corrupt" Error "the decoder refuses the data",
        "fetch the file again, or save it anew", "picture.format";
    PictureTooLarge "picture.too_large" Error "the picture has more pixels than `decode_limit`",
        "raise --decode-limit if the picture is meant", "picture.format";
    PictureMemory "picture.memory" Error "there is not the memory that the picture needs; a build or an epoch ends there, and rejects nothing",
        "give the process more memory, or lower --decode-limit", "picture.format";
    PictureSixteenBit "picture.sixteen_bit" Error "16-bit gray needs a choice: Pillow turns everything above 255 white",
        "say --sixteen-bit scale (the high byte) or --sixteen-bit pillow", "picture.format";
    PictureAspect "picture.aspect" Error "the model's size rule refuses a picture so long and thin",
        "cut or pad the picture, or leave it out under --allow", "picture.format";
    PictureExtension "picture.extension" Warning "the content is of another format than the name says; the content counts",
        "nothing to do here; rename it for other readers", "picture.*";
    PictureTransparent "picture.transparent" Warning "the picture has transparency: dropped, or laid over white, as `alpha` says",
        "nothing to do if that is meant", "picture.*";
    PictureAnimated "picture.animated" Warning "only the first frame is used",
        "nothing to do if it is meant", "picture.*";
}

impl Code {
    /// This code's entry in the catalogue.
    pub fn entry(self) -> &'static Entry {
        &CATALOGUE[self as usize]
    }

    /// The stable name, as in `images.missing`.
    pub fn name(self) -> &'static str {
        self.entry().code
    }

    /// Whether it rejects the row.
    pub fn severity(self) -> Severity {
        self.entry().severity
    }

    /// Whether it rejects the row.
    pub fn rejects(self) -> bool {
        self.severity() == Severity::Error
    }

    /// The code of this name.
    ///
    /// ```
    /// use mmno_fast::finding::Code;
    /// assert_eq!(Code::from_name("images.missing"), Some(Code::ImagesMissing));
    /// assert_eq!(Code::from_name("images.mising"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// One thing to say about one place in the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which kind.
    pub code: Code,
    /// Bytes from the start of the source: of the very place where it is known, else of the line.
    pub byte: u64,
    /// JSON pointer into the row, as in `/messages/1/content`; empty for the whole line.
    pub pointer: Box<str>,
    /// What was expected and what was found, in lower case.
    pub message: Box<str>,
}

/// The longest piece of the data that a message quotes, in characters.
pub const QUOTE_CHARS: usize = 80;

/// The same of a `data:` address, whose beginning says all: a picture stands where a file's name is expected.
const DATA_CHARS: usize = 60;

/// `text` in quotes for a message: escaped, and cut to [`QUOTE_CHARS`].
pub fn quote(text: &str) -> String {
    let is_data = text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    let mut chars = text.chars();
    let head: String = chars.by_ref().take(if is_data { DATA_CHARS } else { QUOTE_CHARS }).collect();
    if chars.next().is_some() {
        format!("{head:?}…")
    } else {
        format!("{head:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_in_catalogue_order() {
        for (i, code) in Code::ALL.iter().enumerate() {
            assert_eq!(*code as usize, i);
            assert_eq!(Code::from_name(code.name()), Some(*code));
        }
        assert_eq!(Code::ALL.len(), CATALOGUE.len());
    }

    #[test]
    fn quotes_are_cut_and_escaped() {
        assert_eq!(quote("a\n\"b"), "\"a\\n\\\"b\"");
        assert!(quote(&"x".repeat(500)).chars().count() <= QUOTE_CHARS + 3);
        let data = format!("data:image/png;base64,{}", "A".repeat(500));
        assert_eq!(quote(&data), format!("{:?}…", &data[..60]));
        assert_eq!(quote("data:,"), "\"data:,\"");
    }
}
