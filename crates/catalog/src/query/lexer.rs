//! Cuts a query into words: what stands between spaces, with quotes kept together.

use super::error::{Problem, QueryError};
use super::{Span, parse};

/// A word of the query, its quotes and escapes resolved.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Word {
    /// The whole of it, with sign and key.
    pub(super) span: Span,
    pub(super) negated: bool,
    /// The key in front of the colon, as typed, with its place.
    pub(super) key: Option<(String, Span)>,
    /// What follows the key, or the word itself.
    pub(super) value: String,
    pub(super) value_span: Span,
    /// Whether the value was put in quotes.
    pub(super) quoted: bool,
}

/// Splits the text into words.
pub(super) fn words(text: &str) -> Result<Vec<Word>, QueryError> {
    let mut words = Vec::new();
    let mut cursor = Cursor { text, at: 0 };
    loop {
        cursor.skip_while(char::is_whitespace);
        if cursor.peek().is_none() {
            return Ok(words);
        }
        words.push(cursor.word()?);
    }
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..).and_then(|rest| rest.chars().next())
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    fn skip_while(&mut self, accept: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&accept) {
            self.next();
        }
    }

    fn word(&mut self) -> Result<Word, QueryError> {
        let start = self.at;
        let negated = self.peek() == Some('-');
        if negated {
            self.next();
            if self.peek().is_none_or(char::is_whitespace) {
                return Err(QueryError::new(start..self.at, Problem::NothingToExclude));
            }
        }
        let key = self.key();
        let value_start = self.at;
        let (value, quoted) = self.value()?;
        Ok(Word { span: start..self.at, negated, key, value, value_span: value_start..self.at, quoted })
    }

    /// Takes letters and a colon, unless they begin an address (`https://…`).
    fn key(&mut self) -> Option<(String, Span)> {
        let rest = self.text.get(self.at..)?;
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let after = rest.get(letters..)?.strip_prefix(':')?;
        if letters == 0 || after.starts_with("//") {
            return None;
        }
        let span = self.at..self.at + letters;
        self.at += letters + 1;
        Some((self.text.get(span.clone())?.to_owned(), span))
    }

    fn value(&mut self) -> Result<(String, bool), QueryError> {
        let mut value = String::new();
        let mut quoted = false;
        while let Some(letter) = self.peek() {
            if letter.is_whitespace() {
                break;
            }
            let start = self.at;
            self.next();
            match parse::closing_quote(letter) {
                Some(close) => {
                    quoted = true;
                    self.quoted(start, letter, close, &mut value)?;
                }
                None => value.push(letter),
            }
        }
        Ok((value, quoted))
    }

    fn quoted(
        &mut self,
        start: usize,
        open: char,
        close: char,
        value: &mut String,
    ) -> Result<(), QueryError> {
        while let Some(letter) = self.next() {
            match letter {
                letter if letter == close => return Ok(()),
                '\\' => match self.next() {
                    Some(escaped) if escaped == close || escaped == '\\' => value.push(escaped),
                    Some(other) => value.extend(['\\', other]),
                    None => break,
                },
                letter => value.push(letter),
            }
        }
        Err(QueryError::new(start..start + open.len_utf8(), Problem::OpenQuote))
    }
}
