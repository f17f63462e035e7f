//! The words of a change as people type them: `caption=At the harbour`, `tag+=sea`, `rotate-=90`.
//!
//! Pure. Whatever is wrong is shown with a mark under it, as a query is.

use std::ops::Range;

use crate::error::LibraryError;

/// So much of a word is shown when it is wrong.
const SHOWN_LETTERS: usize = 100;

/// What stands between a field and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// `=`
    Is,
    /// `+=`
    Plus,
    /// `-=`
    Minus,
}

/// A word taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) whole: &'a str,
    pub(super) field: &'a str,
    pub(super) sign: Sign,
    pub(super) value: &'a str,
}

impl<'a> Word<'a> {
    /// Takes a word apart; `None` if it is no change but an item: a change begins with letters only and a sign.
    pub(super) fn parse(whole: &'a str) -> Option<Self> {
        let (before, value) = whole.split_once('=')?;
        let (field, sign) = match before.strip_suffix('+') {
            Some(field) => (field, Sign::Plus),
            None => match before.strip_suffix('-') {
                Some(field) => (field, Sign::Minus),
                None => (before, Sign::Is),
            },
        };
        let is_name = !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_alphabetic());
        is_name.then_some(Self { whole, field, sign, value })
    }

    /// The error about the field's name.
    pub(super) fn wrong_field(&self, reason: &str) -> LibraryError {
        pointed(self.whole, 0..self.field.len(), reason)
    }

    /// The error about the sign.
    pub(super) fn wrong_sign(&self, reason: &str) -> LibraryError {
        pointed(self.whole, 0..self.whole.len() - self.value.len(), reason)
    }

    /// The error about the value, or a part of it.
    pub(super) fn wrong_value(&self, wrong: &Wrong) -> LibraryError {
        let start = self.whole.len() - self.value.len();
        let part = wrong.part.clone().unwrap_or(0..self.value.len());
        pointed(self.whole, start + part.start..start + part.end, &wrong.reason)
    }
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The bytes that are wrong; all of it if there are none.
    part: Option<Range<usize>>,
    reason: String,
}

impl Wrong {
    /// The whole value is wrong.
    pub(super) fn all(reason: impl Into<String>) -> Self {
        Self { part: None, reason: reason.into() }
    }

    /// A part of the value is wrong.
    pub(super) fn part(part: Range<usize>, reason: impl Into<String>) -> Self {
        Self { part: Some(part), reason: reason.into() }
    }
}

/// The word, a mark under what is wrong, and why.
pub(crate) fn pointed(word: &str, at: Range<usize>, reason: &str) -> LibraryError {
    let letters = |text: &str| text.chars().count();
    let mut flat: String = word
        .chars()
        .take(SHOWN_LETTERS)
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    if flat.len() < word.len() {
        flat.push('…');
    }
    let before = letters(word.get(..at.start).unwrap_or_default()).min(SHOWN_LETTERS);
    let within = letters(word.get(at).unwrap_or_default()).clamp(1, (SHOWN_LETTERS - before).max(1));
    let marks = format!("{}{}", " ".repeat(before), "^".repeat(within));
    LibraryError::Query { explained: format!("{flat}\n{marks}\n{reason}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_changes_only_if_letters_stand_before_the_sign() {
        let parts = |word| Word::parse(word).map(|word| (word.field, word.sign, word.value));
        assert_eq!(parts("caption=a=b"), Some(("caption", Sign::Is, "a=b")));
        assert_eq!(parts("tag+=sea"), Some(("tag", Sign::Plus, "sea")));
        assert_eq!(parts("tag-="), Some(("tag", Sign::Minus, "")));
        for item in ["size:<=200kB", "rating:>=4", "photos/a=b.jpg", "./a=b", "=", "-=x", "IMG_1=2.jpg"] {
            assert_eq!(parts(item), None, "{item}");
        }
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        let word = Word::parse("date=2023-13").unwrap();
        let error = word.wrong_value(&Wrong::part(5..7, "there are twelve months"));
        assert_eq!(error.to_string(), "date=2023-13\n          ^^\nthere are twelve months");
    }

    #[test]
    fn a_huge_word_is_shown_in_part() {
        let whole = format!("caption={}", "é\n".repeat(40_000));
        let error = Word::parse(&whole).unwrap().wrong_value(&Wrong::all("too long"));
        assert!(error.to_string().len() < 600, "{error}");
        assert_eq!(error.to_string().lines().count(), 3);
    }
}
