//! What one file says of modules: which ones it declares, and which paths it names.

use super::tokens::{Token, tokens};

/// A module, without what is for tests alone.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Module {
    /// The modules in it, in order.
    pub children: Vec<Child>,
    /// Every path that code names, from its first word.
    pub paths: Vec<Vec<String>>,
    /// Every path of a `use`, and the name that it gets: `*` for all that is there.
    pub imports: Vec<(Vec<String>, String)>,
}

/// A module within another one.
#[derive(Debug, PartialEq, Eq)]
pub struct Child {
    /// Its name.
    pub name: String,
    /// The file that `#[path]` names.
    pub path: Option<String>,
    /// Its content, if it stands in the same file.
    pub inline: Option<Module>,
    /// Whether it is for tests alone. Its content does not count.
    pub is_test: bool,
}

/// Reads a file.
pub fn read(text: &str) -> Module {
    let tokens = tokens(text);
    let mut parser = Parser { tokens: &tokens, at: 0 };
    parser.module()
}

/// What the attributes of an item say.
#[derive(Default)]
struct Attributes {
    is_test: bool,
    path: Option<String>,
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self, ahead: usize) -> Option<&'a Token> {
        self.tokens.get(self.at + ahead)
    }

    fn is_sign(&self, ahead: usize, sign: char) -> bool {
        self.peek(ahead) == Some(&Token::Sign(sign))
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        self.peek(ahead).is_some_and(|token| token.is_word(word))
    }

    /// Up to the brace that closes it, or to the end of the file.
    fn module(&mut self) -> Module {
        let mut module = Module::default();
        let mut attributes = Attributes::default();
        let mut depth = 0;
        while let Some(token) = self.peek(0) {
            if self.is_sign(0, '#') && (self.is_sign(1, '[') || self.is_sign(1, '!') && self.is_sign(2, '[')) {
                self.attribute(&mut attributes);
                continue;
            }
            if self.is_word(0, "pub") {
                // The path in `pub(in …)` is no use.
                self.at += 1;
                if self.is_sign(0, '(') {
                    self.skip_group();
                }
                continue;
            }
            let own = std::mem::take(&mut attributes);
            if self.is_word(0, "mod") && self.peek(1).is_some_and(|name| name.word().is_some()) {
                module.children.extend(self.child(own));
            } else if own.is_test {
                self.skip_item();
            } else if self.is_word(0, "use") && !self.is_sign(1, '<') {
                // `use<…>` in a bound says what a type captures.
                self.at += 1;
                self.tree(&[], &mut module.imports);
            } else if token.word().is_some() {
                self.path(&mut module.paths);
            } else {
                match token {
                    Token::Sign('{') => depth += 1,
                    Token::Sign('}') if depth == 0 => return module,
                    Token::Sign('}') => depth -= 1,
                    _ => {}
                }
                self.at += 1;
            }
        }
        module
    }

    fn attribute(&mut self, attributes: &mut Attributes) {
        while !self.is_sign(0, '[') {
            self.at += 1;
        }
        let start = self.at;
        self.skip_group();
        let content = &self.tokens[start + 1..self.at - 1];
        let has = |word: &str| content.iter().any(|token| token.is_word(word));
        match content {
            [first, ..] if first.is_word("cfg") => attributes.is_test |= has("test") && !has("not"),
            [first, _, Token::Text(path)] if first.is_word("path") => attributes.path = Some(path.clone()),
            _ => {}
        }
    }

    /// `mod name;` or `mod name { … }`.
    fn child(&mut self, attributes: Attributes) -> Option<Child> {
        let name = self.peek(1)?.word()?.to_owned();
        self.at += 2;
        let opens = self.is_sign(0, '{');
        let inline = if opens && attributes.is_test {
            self.skip_group();
            Some(Module::default())
        } else {
            self.at += 1;
            let inline = opens.then(|| self.module());
            self.at += usize::from(opens);
            inline
        };
        Some(Child {
            name,
            path: attributes.path,
            inline,
            is_test: attributes.is_test,
        })
    }

    /// From a bracket to behind the one that closes it.
    fn skip_group(&mut self) {
        let mut depth = 0;
        while let Some(token) = self.peek(0) {
            self.at += 1;
            match token {
                Token::Sign('(' | '[' | '{') => depth += 1,
                Token::Sign(')' | ']' | '}') => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// An item or a statement: to its semicolon or behind its body.
    fn skip_item(&mut self) {
        let is_use = self.is_word(0, "use");
        while let Some(token) = self.peek(0) {
            match token {
                Token::Sign(';' | ',') => {
                    self.at += 1;
                    return;
                }
                Token::Sign('}') => return,
                Token::Sign('(' | '[' | '{') => {
                    let is_body = self.is_sign(0, '{') && !is_use;
                    self.skip_group();
                    if is_body {
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    /// The paths of a `use`, groups within groups included, each behind `before`.
    fn tree(&mut self, before: &[String], imports: &mut Vec<(Vec<String>, String)>) {
        let mut path = before.to_vec();
        let mut name = None;
        while let Some(token) = self.peek(0) {
            match token {
                Token::Word(word) if word == "as" => {
                    name = self.peek(1).and_then(Token::word).map(str::to_owned);
                    self.at += 2;
                }
                Token::Sign('*') => {
                    name = Some("*".to_owned());
                    self.at += 1;
                }
                Token::Word(word) => {
                    if word != "self" || path.is_empty() {
                        path.push(word.clone());
                    }
                    self.at += 1;
                }
                Token::Sign('{') => {
                    self.at += 1;
                    while self.peek(0).is_some() && !self.is_sign(0, '}') && !self.is_sign(0, ';') {
                        self.tree(&path, imports);
                        if self.is_sign(0, ',') {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                Token::Sign(',' | '}' | ';') => break,
                _ => self.at += 1,
            }
        }
        let name = name.or_else(|| path.last().cloned()).unwrap_or_default();
        imports.push((path, name));
    }

    /// A path in code; a single word is none.
    fn path(&mut self, paths: &mut Vec<Vec<String>>) {
        // What follows a dot is a field or a method; what follows `::` has lost its beginning (`<T as X>::Y`).
        let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        let begins = !matches!(before, Some(Token::Separator | Token::Sign('.')));
        let mut path = Vec::new();
        while let Some(word) = self.peek(0).and_then(Token::word) {
            path.push(word.to_owned());
            self.at += 1;
            if self.peek(0) != Some(&Token::Separator) || self.peek(1).and_then(Token::word).is_none() {
                break;
            }
            self.at += 1;
        }
        if begins && path.len() > 1 {
            paths.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        read(text).paths.iter().map(|path| path.join("::")).collect()
    }

    fn imports(text: &str) -> Vec<String> {
        let name = |(path, name): &(Vec<String>, String)| format!("{} as {name}", path.join("::"));
        read(text).imports.iter().map(name).collect()
    }

    #[test]
    fn nested_groups_are_taken_apart() {
        assert_eq!(
            imports("use crate::{a::B, c::{self, d::{E as F, g::*}}}; pub(in crate::hidden) use super::super::h;"),
            [
                "crate::a::B as B",
                "crate::c as c",
                "crate::c::d::E as F",
                "crate::c::d::g as *",
                "super::super::h as h"
            ]
        );
    }

    #[test]
    fn paths_in_code_are_seen() {
        assert_eq!(
            paths("fn f(x: crate::a::B) -> Vec<super::C> { self.x.y(); child::g::<u8>(d::E); <T as crate::F>::h() }"),
            ["crate::a::B", "super::C", "child::g", "d::E", "crate::F"]
        );
    }

    #[test]
    fn what_is_for_tests_does_not_count() {
        let text = "#[cfg(test)] use crate::a::A; #[cfg(test)] fn f() { crate::b::c(); } #[cfg(not(test))] use crate::d::D;
            #[cfg(test)] mod tests { use crate::e::E; } #[cfg(test)] #[path = \"x_tests.rs\"] mod more; mod own { use super::g::G; }";
        assert_eq!((imports(text), paths(text)), (vec!["crate::d::D as D".to_owned()], vec![]));
        let children = read(text).children;
        let names: Vec<(&str, bool)> = children.iter().map(|child| (child.name.as_str(), child.is_test)).collect();
        assert_eq!(names, [("tests", true), ("more", true), ("own", false)]);
        assert_eq!(children[1].path.as_deref(), Some("x_tests.rs"));
        let own = children[2].inline.as_ref().map(|module| module.imports[0].0.join("::"));
        assert_eq!(own.as_deref(), Some("super::g::G"));
    }
}
