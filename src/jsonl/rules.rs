//! What a row means, and what is wrong with that (`docs/rows.md`, "The rules of meaning").

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::finding::{Code, Finding, quote};
use crate::jsonl::multiple_choice::{Choice, block, is_plain, letter_of, reasoned};
use crate::jsonl::options::{Placeholders, RowOptions};
use crate::jsonl::row::Row;

/// What stands in a text for a picture.
pub const PLACEHOLDER: &str = "<image>";

static FIND_PLACEHOLDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(PLACEHOLDER));

/// Letters up to here are usual; options beyond are worth a look.
const USUAL_OPTIONS: usize = 5;

/// What kind of question a row asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Variant {
    /// One question, one answer, free text.
    Open,
    /// Multiple choice, answered with a letter.
    Closed,
    /// Multiple choice, answered with a letter and the reasons.
    ClosedCot,
    /// Any other chat.
    Chat,
}

impl Variant {
    /// Every variant, in the order of the dictionary in `rows.arrow`.
    pub const ALL: [Self; 4] = [Self::Open, Self::Closed, Self::ClosedCot, Self::Chat];

    /// As files write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::ClosedCot => "closed_cot",
            Self::Chat => "chat",
        }
    }
}

/// What a row means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// The kind of question.
    pub variant: Variant,
    /// The block of options of a closed question.
    pub options: Option<Vec<Choice>>,
    /// The letter that the answer names.
    pub answer: Option<char>,
}

impl Meaning {
    /// What the option of the answer's letter says.
    pub fn answer_text(&self) -> Option<&str> {
        let letter = self.answer?;
        self.options
            .iter()
            .flatten()
            .find(|choice| choice.letter == letter)
            .map(|choice| choice.text.as_str())
    }
}

/// Reads the meaning of a row whose line begins at byte `offset`; what is wrong goes into `findings`, in the order of the catalogue.
pub fn read(row: &Row<'_>, offset: u64, options: &RowOptions, findings: &mut Vec<Finding>) -> Meaning {
    let mut report = Report { offset, findings };
    for (i, name) in row.images.iter().enumerate() {
        if let Err((code, message)) = check_name(options.strip(name)) {
            report.say(code, format!("/images/{i}"), message);
        }
    }
    let choices = row
        .messages
        .iter()
        .rfind(|turn| turn.role == "user")
        .and_then(|turn| block(&turn.content));
    let answer = row
        .messages
        .iter()
        .rfind(|turn| turn.role == "assistant")
        .map_or("", |turn| &turn.content);
    let variant = variant(row, choices.is_some(), answer);
    let mut meaning = Meaning {
        variant,
        options: choices,
        answer: None,
    };
    if row.messages_fit && check_messages(row, &mut report) && check_placeholders(row, options.placeholders, &mut report) {
        match variant {
            Variant::Closed => check_closed(&mut meaning, answer, &mut report),
            Variant::ClosedCot => check_reasoned(&mut meaning, answer, &mut report),
            Variant::Open | Variant::Chat => {}
        }
    }
    meaning
}

struct Report<'f> {
    offset: u64,
    findings: &'f mut Vec<Finding>,
}

impl Report<'_> {
    fn say(&mut self, code: Code, pointer: String, message: impl Into<Box<str>>) {
        self.findings.push(Finding {
            code,
            byte: self.offset,
            pointer: pointer.into(),
            message: message.into(),
        });
    }
}

/// Whether a picture's name is one that may be looked for.
pub fn check_name(name: &str) -> Result<(), (Code, String)> {
    let bytes = name.as_bytes();
    let drive = matches!(bytes, [letter, b':', b'/' | b'\\', ..] if letter.is_ascii_alphabetic());
    if bytes.first() == Some(&b'/') || drive {
        return Err((
            Code::ImagesAbsolute,
            format!("expected a name relative to --images, found {}", quote(name)),
        ));
    }
    if name.split('/').any(|component| component == "..") {
        return Err((
            Code::ImagesTraversal,
            format!("expected a name below --images, found {}", quote(name)),
        ));
    }
    if name.is_empty() {
        return Err((Code::ImagesBadName, "the name is empty".to_owned()));
    }
    if let Some(bad) = name.chars().find(|&c| c == '\\' || c < ' ' || c == '\u{7f}') {
        return Err((Code::ImagesBadName, format!("{bad:?} stands in {}", quote(name))));
    }
    Ok(())
}

fn variant(row: &Row<'_>, has_block: bool, answer: &str) -> Variant {
    let turns = |role: &str| row.messages.iter().filter(|turn| turn.role == role).count();
    match has_block {
        true if reasoned(answer).is_some() => Variant::ClosedCot,
        true => Variant::Closed,
        false if turns("user") == 1 && turns("assistant") == 1 && row.messages.len() == 2 + turns("system") => Variant::Open,
        false => Variant::Chat,
    }
}

/// `messages.*`; whether nothing of it was said.
fn check_messages(row: &Row<'_>, report: &mut Report<'_>) -> bool {
    let before = report.findings.len();
    if row.messages.is_empty() {
        report.say(Code::MessagesEmpty, "/messages".to_owned(), "the list of messages is empty");
        return false;
    }
    for (i, turn) in row.messages.iter().enumerate() {
        if !matches!(&*turn.role, "system" | "user" | "assistant") {
            let message = format!("expected system, user or assistant, found {}", quote(&turn.role));
            report.say(Code::MessagesRole, format!("/messages/{i}/role"), message);
        }
    }
    let roles_known = report.findings.len() == before;
    if roles_known && let Some((i, message)) = order_fault(row) {
        report.say(Code::MessagesOrder, format!("/messages/{i}/role"), message);
    }
    for (i, turn) in row.messages.iter().enumerate() {
        if turn.content.trim().is_empty() {
            report.say(
                Code::MessagesBlank,
                format!("/messages/{i}/content"),
                format!("the {} turn has no visible text", turn.role),
            );
        }
    }
    report.findings.len() == before
}

/// The first turn that is out of order, and how.
fn order_fault(row: &Row<'_>) -> Option<(usize, String)> {
    let system = usize::from(row.messages.first().is_some_and(|turn| turn.role == "system"));
    for (i, turn) in row.messages.iter().enumerate().skip(system) {
        let expected = if (i - system) % 2 == 0 { "user" } else { "assistant" };
        if turn.role != expected {
            return Some((i, format!("expected the {expected}'s turn, found the {}'s", turn.role)));
        }
    }
    let last = row.messages.len().checked_sub(1)?;
    (row.messages.last()?.role != "assistant").then(|| (last, "expected the assistant to have the last turn".to_owned()))
}

/// `placeholder.*`; whether nothing of it was said.
fn check_placeholders(row: &Row<'_>, placeholders: Placeholders, report: &mut Report<'_>) -> bool {
    let before = report.findings.len();
    let finder = &*FIND_PLACEHOLDER;
    let count = |role: &str| -> usize {
        row.messages
            .iter()
            .filter(|turn| turn.role == role)
            .map(|turn| finder.find_iter(turn.content.as_bytes()).count())
            .sum()
    };
    let (found, expected) = (count("user"), row.images.len());
    if row.images_fit && found != expected && !(found == 0 && placeholders == Placeholders::Optional) {
        report.say(
            Code::PlaceholderCount,
            "/messages".to_owned(),
            format!("expected {expected} `<image>` in the user's turns, found {found}"),
        );
    }
    for (i, turn) in row.messages.iter().enumerate() {
        if turn.role == "assistant" && finder.find(turn.content.as_bytes()).is_some() {
            report.say(
                Code::PlaceholderAssistant,
                format!("/messages/{i}/content"),
                "`<image>` stands in an answer",
            );
        }
    }
    report.findings.len() == before
}

/// The block of options; whether it can be answered.
fn check_options(options: &[Choice], report: &mut Report<'_>) -> bool {
    let twice = options
        .iter()
        .enumerate()
        .find(|(i, choice)| options.iter().take(*i).any(|other| other.letter == choice.letter))
        .map(|(_, choice)| choice);
    if let Some(choice) = twice {
        report.say(
            Code::McqOptions,
            "/messages".to_owned(),
            format!("the letter {} stands twice in the options", choice.letter),
        );
    } else if options.len() < 2 {
        report.say(
            Code::McqOptions,
            "/messages".to_owned(),
            format!("expected two options or more, found {}", options.len()),
        );
    } else {
        let letters: String = options.iter().map(|choice| choice.letter).collect();
        if options.len() > USUAL_OPTIONS || !('A'..='Z').take(options.len()).eq(letters.chars()) {
            report.say(
                Code::McqOrder,
                "/messages".to_owned(),
                format!("expected the letters A, B, C … up to E, found {letters}"),
            );
        }
        // No letter stands twice, so there are 26 at most.
        let texts: Vec<String> = options.iter().map(|choice| choice.text.to_lowercase()).collect();
        let twice = (0..texts.len()).find(|&i| texts.iter().take(i).any(|text| *text == texts[i]));
        if let Some(choice) = twice.and_then(|i| options.get(i)) {
            report.say(
                Code::McqDuplicateOption,
                "/messages".to_owned(),
                format!("two options say {}", quote(&choice.text)),
            );
        }
        return true;
    }
    false
}

fn check_range(meaning: &Meaning, report: &mut Report<'_>) {
    if let Some(letter) = meaning.answer
        && meaning.answer_text().is_none()
    {
        let offered: String = meaning.options.iter().flatten().map(|choice| choice.letter).collect();
        report.say(
            Code::McqAnswerRange,
            "/messages".to_owned(),
            format!("the answer names {letter}; the options are {offered}"),
        );
    }
}

fn check_closed(meaning: &mut Meaning, answer: &str, report: &mut Report<'_>) {
    let answerable = check_options(meaning.options.as_deref().unwrap_or_default(), report);
    meaning.answer = letter_of(answer);
    if meaning.answer.is_none() {
        report.say(
            Code::McqAnswer,
            "/messages".to_owned(),
            format!("expected the letter of an option, found {}", quote(answer)),
        );
        return;
    }
    if answerable {
        check_range(meaning, report);
    }
    if !is_plain(answer) {
        report.say(
            Code::McqAnswerForm,
            "/messages".to_owned(),
            format!("expected one capital letter, found {}", quote(answer)),
        );
    }
}

fn check_reasoned(meaning: &mut Meaning, answer: &str, report: &mut Report<'_>) {
    let answerable = check_options(meaning.options.as_deref().unwrap_or_default(), report);
    let Some(parts) = reasoned(answer) else {
        return;
    };
    meaning.answer = parts.last_word.and_then(letter_of);
    if answerable {
        check_range(meaning, report);
    }
    if meaning.answer.is_none() {
        let found = parts.last_word.map_or_else(|| "no such line".to_owned(), |word| quote(word.trim()));
        report.say(
            Code::CotFinal,
            "/messages".to_owned(),
            format!("expected `Final:` and the letter of an option, found {found}"),
        );
    }
    if !parts.explained {
        report.say(
            Code::CotExplanation,
            "/messages".to_owned(),
            "expected `Explanation:` and the reasons",
        );
    }
    if let Some(word) = parts.last_word
        && meaning.answer.is_some()
        && !(is_plain(word) && parts.final_first)
    {
        report.say(
            Code::CotForm,
            "/messages".to_owned(),
            format!("expected `Final: D` on the first line, found {}", quote(word.trim())),
        );
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
