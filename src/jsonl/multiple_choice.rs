//! Multiple choice in plain text: the block of options in a question, and the letter in an answer (`docs/rows.md`).

use std::sync::LazyLock;

use memchr::memmem::Finder;

static FIND_OPTIONS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("Options:"));

/// One option of a closed question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// `A` to `Z`.
    pub letter: char,
    /// What it says, trimmed; continuation lines behind `\n`.
    pub text: String,
}

/// The block of options in a user's turn, if there is one.
///
/// ```
/// use mmno_fast::jsonl::multiple_choice::block;
/// let choices = block("Which tumour?\nOptions:\nA. Glioma\nB. Meningioma,\natypical\n\nAnswer with the letter.").unwrap();
/// assert_eq!(choices[1].letter, 'B');
/// assert_eq!(choices[1].text, "Meningioma,\natypical");
/// ```
pub fn block(question: &str) -> Option<Vec<Choice>> {
    // Most open questions never say the word: one search instead of a walk over the lines.
    FIND_OPTIONS.find(question.as_bytes())?;
    let lines: Vec<&str> = question.split('\n').map(str::trim).collect();
    let start = lines
        .windows(2)
        .position(|pair| pair[0] == "Options:" && lettered(pair[1]).is_some())?
        + 1;
    let mut choices: Vec<Choice> = Vec::new();
    for line in lines.iter().skip(start) {
        if let Some((letter, text)) = lettered(line) {
            choices.push(Choice {
                letter,
                text: text.to_owned(),
            });
        } else if line.is_empty() || line.starts_with("Answer") {
            break;
        } else if let Some(last) = choices.last_mut() {
            if !last.text.is_empty() {
                last.text.push('\n');
            }
            last.text.push_str(line);
        }
    }
    Some(choices)
}

/// `(A) text`, `A) text` or `A. text`, in a trimmed line.
fn lettered(line: &str) -> Option<(char, &str)> {
    let (letter, rest) = if let Some(inner) = line.strip_prefix('(') {
        let (letter, rest) = first_letter(inner)?;
        (letter, rest.strip_prefix(')')?)
    } else {
        let (letter, rest) = first_letter(line)?;
        (letter, rest.strip_prefix([')', '.'])?)
    };
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then(|| (letter, rest.trim()))
}

/// The ASCII letter at the start, as a capital, and what follows it.
fn first_letter(text: &str) -> Option<(char, &str)> {
    let letter = text.chars().next().filter(char::is_ascii_alphabetic)?;
    Some((letter.to_ascii_uppercase(), text.get(1..)?))
}

/// The letter that a text names: `\(?([A-Za-z])\)?[.:]?` alone, or `\(?([A-Za-z])[).:]`, a blank and more.
///
/// ```
/// use mmno_fast::jsonl::multiple_choice::letter_of;
/// assert_eq!(letter_of(" **d.** "), Some('D'));
/// assert_eq!(letter_of("(D) Glioma"), Some('D'));
/// assert_eq!(letter_of("the second one"), None);
/// ```
pub fn letter_of(text: &str) -> Option<char> {
    let text = text.trim_matches(|c: char| c == '*' || c.is_whitespace());
    let (letter, rest) = first_letter(text.strip_prefix('(').unwrap_or(text))?;
    let bare = rest.strip_prefix(')').unwrap_or(rest);
    let alone = matches!(bare, "" | "." | ":");
    // Trimmed, so whatever follows a blank is not empty.
    let with_text = rest
        .strip_prefix([')', '.', ':'])
        .is_some_and(|behind| behind.starts_with(char::is_whitespace));
    (alone || with_text).then_some(letter)
}

/// Whether a text, blanks aside, is just one capital: the form that needs no understanding.
pub fn is_plain(text: &str) -> bool {
    matches!(text.trim().as_bytes(), [letter] if letter.is_ascii_uppercase())
}

/// The parts of a reasoned answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reasoned<'a> {
    /// What follows `Final:` on the first line that begins with it.
    pub last_word: Option<&'a str>,
    /// Whether that line is the first that holds something.
    pub final_first: bool,
    /// Whether something visible follows the first `Explanation:`, up to the end or the next line that begins with `Final:`.
    pub explained: bool,
}

/// Reads a reasoned answer; `None` when no line begins with `Final:` or `Explanation:`.
pub fn reasoned(answer: &str) -> Option<Reasoned<'_>> {
    let lines: Vec<&str> = answer.split('\n').map(str::trim_start).collect();
    let final_at = lines.iter().position(|line| line.starts_with("Final:"));
    let explanation_at = lines.iter().position(|line| line.starts_with("Explanation:"));
    if final_at.is_none() && explanation_at.is_none() {
        return None;
    }
    let explained = explanation_at.is_some_and(|at| {
        let same_line = lines.get(at).and_then(|line| line.strip_prefix("Explanation:")).unwrap_or_default();
        let behind = lines.iter().skip(at + 1).take_while(|line| !line.starts_with("Final:"));
        std::iter::once(&same_line).chain(behind).any(|line| !line.trim().is_empty())
    });
    Some(Reasoned {
        last_word: final_at.and_then(|at| lines.get(at)?.strip_prefix("Final:")),
        final_first: final_at.is_some_and(|at| lines.iter().take(at).all(|line| line.is_empty())),
        explained,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_begin_and_end_where_they_should() {
        let letters = |text: &str| block(text).map(|choices| choices.iter().map(|c| c.letter).collect::<String>());
        assert_eq!(letters("Q\nOptions:\nA. a\nB) b\n(c) c"), Some("ABC".to_owned()));
        assert_eq!(letters("Q Options: none are given."), None);
        assert_eq!(letters("Options:\n\nA. a\nB. b"), None);
        assert_eq!(letters("Options:\nOptions:\nA. a\n\nB. b"), Some("A".to_owned()));
        assert_eq!(letters(" Options: \r\nA.\nB.x\nAnswer it\nC. c"), Some("A".to_owned()));
        assert_eq!(block("Options:\nA.\nx\ny").unwrap()[0].text, "x\ny");
        assert_eq!(letters("Options:\nÄ. a"), None);
    }

    #[test]
    fn letters_are_read_as_the_table_says() {
        for (text, expected) in [
            ("D", Some('D')),
            ("d", Some('D')),
            ("D.", Some('D')),
            ("(D)", Some('D')),
            ("(D", Some('D')),
            ("D)", Some('D')),
            ("(D):", Some('D')),
            ("* D *", Some('D')),
            ("D. Glioma", Some('D')),
            ("D:\nGlioma", Some('D')),
            ("D) x", Some('D')),
            ("(D) x", Some('D')),
            ("", None),
            ("*", None),
            ("Glioma", None),
            ("D Glioma", None),
            ("D.Glioma", None),
            ("(D). Glioma", None),
            ("4", None),
            ("D..", None),
            ("É", None),
        ] {
            assert_eq!(letter_of(text), expected, "{text:?}");
        }
    }

    #[test]
    fn reasoned_answers_have_two_parts() {
        let plain = reasoned("Final: D\nExplanation: because").unwrap();
        assert_eq!((plain.last_word, plain.final_first, plain.explained), (Some(" D"), true, true));
        let turned = reasoned("Explanation:\nbecause\nFinal: D").unwrap();
        assert_eq!((turned.last_word, turned.final_first, turned.explained), (Some(" D"), false, true));
        assert!(!reasoned("Explanation: \nFinal: D\nx").unwrap().explained);
        assert!(!reasoned("Final: D").unwrap().explained);
        assert_eq!(reasoned("Finally: D"), None);
    }
}
