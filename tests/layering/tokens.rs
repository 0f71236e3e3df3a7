//! The words of Rust code: no comments, and no text that only looks like code.

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A name, a keyword or a number.
    Word(String),
    /// The content of a string.
    Text(String),
    /// `::`
    Separator,
    /// Any other character.
    Sign(char),
}

impl Token {
    /// Whether it is this name or keyword.
    pub fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own == word)
    }

    /// The name or keyword.
    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// The tokens of a file.
pub fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut reader = Reader { chars: &chars, at: 0 };
    std::iter::from_fn(|| reader.next()).collect()
}

struct Reader<'a> {
    chars: &'a [char],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(ahead, c)| self.peek(ahead) == Some(c))
    }

    /// The next token; none at the end.
    fn next(&mut self) -> Option<Token> {
        loop {
            let first = self.peek(0)?;
            if self.starts_with("//") {
                while self.peek(0).is_some_and(|c| c != '\n') {
                    self.at += 1;
                }
            } else if self.starts_with("/*") {
                self.skip_comment();
            } else if first == '\'' {
                self.skip_character_or_lifetime();
            } else if first.is_whitespace() {
                self.at += 1;
            } else if self.starts_with("::") {
                self.at += 2;
                return Some(Token::Separator);
            } else if first == '"' {
                return Some(self.text());
            } else if first.is_alphanumeric() || first == '_' {
                return Some(self.word());
            } else {
                self.at += 1;
                return Some(Token::Sign(first));
            }
        }
    }

    /// Comments of this kind may hold others.
    fn skip_comment(&mut self) {
        let mut depth = 0;
        while self.peek(0).is_some() {
            if self.starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if self.starts_with("*/") {
                depth -= 1;
                self.at += 2;
            } else {
                self.at += 1;
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn text(&mut self) -> Token {
        self.at += 1;
        let mut content = String::new();
        while let Some(c) = self.peek(0) {
            self.at += 1;
            match c {
                '"' => break,
                '\\' => self.at += 1,
                _ => content.push(c),
            }
        }
        Token::Text(content)
    }

    /// `'a'` and `'\''`, but `'a` alone is a lifetime.
    fn skip_character_or_lifetime(&mut self) {
        self.at += 1;
        if self.peek(0) == Some('\\') {
            self.at += 2;
            while self.peek(0).is_some_and(|c| c != '\'') {
                self.at += 1;
            }
            self.at += 1;
        } else if self.peek(1) == Some('\'') {
            self.at += 2;
        } else {
            self.at += 1;
        }
    }

    /// A word, or the string that it is the prefix of.
    fn word(&mut self) -> Token {
        let mut word = String::new();
        while let Some(c) = self.peek(0).filter(|c| c.is_alphanumeric() || *c == '_') {
            word.push(c);
            self.at += 1;
        }
        match (word.as_str(), self.peek(0)) {
            ("b" | "c", Some('"')) => self.text(),
            ("b", Some('\'')) => {
                self.skip_character_or_lifetime();
                Token::Text(String::new())
            }
            ("r" | "br" | "cr", Some('"' | '#')) => self.raw_text(),
            _ => Token::Word(word),
        }
    }

    /// `r"…"` and `r#"…"#`; `r#name` is a name.
    fn raw_text(&mut self) -> Token {
        let mut hashes = 0;
        while self.peek(hashes) == Some('#') {
            hashes += 1;
        }
        self.at += hashes;
        if self.peek(0) != Some('"') {
            return self.word();
        }
        self.at += 1;
        let end = format!("\"{}", "#".repeat(hashes));
        let mut content = String::new();
        while let Some(c) = self.peek(0).filter(|_| !self.starts_with(&end)) {
            content.push(c);
            self.at += 1;
        }
        self.at += end.len();
        Token::Text(content)
    }
}

#[test]
fn what_is_no_code_gives_no_words() {
    let text = r##"
        use a::b; // crate::comment
        /* crate::one /* crate::two */ */
        let x = ("crate::text", r#"crate::"raw" "#, b"crate::bytes", '"', '\'', b'"', r#type);
        fn f<'a>(x: &'a str) {}
    "##;
    let words: Vec<String> = tokens(text).iter().filter_map(|token| token.word().map(str::to_owned)).collect();
    assert_eq!(words, ["use", "a", "b", "let", "x", "type", "fn", "f", "x", "str"]);
}
