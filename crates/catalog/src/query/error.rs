//! What is wrong with a query, and the word that it is about.

use super::Span;

/// A query that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct QueryError {
    /// The word that the problem is about.
    pub span: Span,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a word of a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A quotation mark has no partner.
    #[error("the quotation mark is never closed")]
    OpenQuote,
    /// A `-` with nothing behind it.
    #[error("`-` excludes the word that follows it without a space")]
    NothingToExclude,
    /// A word of punctuation only.
    #[error("there is no letter or digit here to look for")]
    NoLetters,
    /// A key that does not exist.
    #[error("there is no filter `{key}:`{}", suggestion(.meant.as_deref()))]
    UnknownKey {
        /// The key as typed.
        key: String,
        /// The key that was probably meant, with its colon.
        meant: Option<String>,
    },
    /// A key without a value.
    #[error("`{key}:` needs a value, such as `{example}`")]
    NoValue {
        /// The key.
        key: &'static str,
        /// A term that would be right.
        example: &'static str,
    },
    /// A word that the key does not know.
    #[error("`{key}:` knows {known}{}", suggestion(.meant.as_deref()))]
    UnknownWord {
        /// The key.
        key: &'static str,
        /// The words that it knows.
        known: String,
        /// The word that was probably meant.
        meant: Option<String>,
    },
    /// A value of the wrong shape.
    #[error("{expected}, such as `{example}`")]
    BadValue {
        /// What it should be.
        expected: &'static str,
        /// A term that would be right.
        example: &'static str,
    },
    /// A range whose end comes before its start.
    #[error("the range ends before it begins")]
    Backwards,
}

fn suggestion(meant: Option<&str>) -> String {
    meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default()
}

impl QueryError {
    pub(super) fn new(span: Span, problem: Problem) -> Self {
        Self { span, problem }
    }

    /// Shows the query, carets under the word in question, and the message: three lines.
    #[must_use]
    pub fn render(&self, text: &str) -> String {
        let flat: String =
            text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        let before = columns(text.get(..self.span.start).unwrap_or_default());
        let within = columns(text.get(self.span.clone()).unwrap_or_default()).max(1);
        format!("{flat}\n{}{}\n{}", " ".repeat(before), "^".repeat(within), self.problem)
    }
}

/// The columns that a terminal gives to a text: two for East Asian wide letters and emoji, none for
/// combining marks.
fn columns(text: &str) -> usize {
    text.chars()
        .map(|letter| match u32::from(letter) {
            0x0300..=0x036F | 0x200B..=0x200F | 0x20D0..=0x20FF | 0xFE00..=0xFE0F => 0,
            0x1100..=0x115F
            | 0x2E80..=0x303E
            | 0x3041..=0xA4CF
            | 0xAC00..=0xD7A3
            | 0xF900..=0xFAFF
            | 0xFE30..=0xFE6F
            | 0xFF00..=0xFF60
            | 0xFFE0..=0xFFE6
            | 0x1F300..=0x1F64F
            | 0x1F900..=0x1F9FF
            | 0x20000..=0x3FFFD => 2,
            _ => 1,
        })
        .sum()
}

/// The candidate that a misspelt word was probably meant to be.
pub(super) fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let allowed = match word.chars().count() {
        0..=2 => 1,
        3..=6 => 2,
        _ => 3,
    };
    candidates
        .into_iter()
        .map(|candidate| {
            let unfinished = word.len() >= 3 && candidate.starts_with(&word);
            (if unfinished { 0 } else { distance(&word, candidate) }, candidate)
        })
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Damerau's distance (insert, delete, replace, swap neighbours), optimal string alignment.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows = vec![vec![0; other.len() + 1]; one.len() + 1];
    for (at, row) in rows.iter_mut().enumerate() {
        row[0] = at;
    }
    for (at, cell) in rows[0].iter_mut().enumerate() {
        *cell = at;
    }
    for a in 1..=one.len() {
        for b in 1..=other.len() {
            let replaced = usize::from(one[a - 1] != other[b - 1]);
            let mut best = (rows[a - 1][b] + 1).min(rows[a][b - 1] + 1).min(rows[a - 1][b - 1] + replaced);
            if a > 1 && b > 1 && one[a - 1] == other[b - 2] && one[a - 2] == other[b - 1] {
                best = best.min(rows[a - 2][b - 2] + 1);
            }
            rows[a][b] = best;
        }
    }
    rows[one.len()][other.len()]
}
