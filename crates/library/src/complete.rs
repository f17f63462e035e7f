//! What may come next in a query that is being typed.

use std::ops::Range;

use safelight_catalog::Shelf;
use safelight_catalog::query::{keys, words_of};

use crate::error::Result;
use crate::library::Library;
use crate::offers::{Offers, is_gathered};

/// The most choices that are offered.
pub(crate) const MOST: usize = 20;

/// What may stand in the place of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The bytes of the query that a choice takes the place of.
    pub replaces: Range<usize>,
    /// What may be chosen, the likeliest first.
    pub choices: Vec<Choice>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The text.
    pub text: String,
    /// A few words about it: an example of what follows, or how many photos have it.
    pub note: String,
    /// How many photos have it, where that is known.
    pub photos: Option<u64>,
}

/// A word of a query in which somebody types.
struct Typed<'a> {
    replaces: Range<usize>,
    /// A minus, which stays.
    sign: &'a str,
    /// What stands before the colon, if there is one.
    key: Option<&'a str>,
    /// What stands behind it, without quotes.
    begun: &'a str,
}

/// Whether what may come next in a query is among what [`Library::offers`] gathers.
#[must_use]
pub fn asks_for_offers(query: &str, at: usize) -> bool {
    typed_at(query, at).key.is_some_and(|key| is_gathered(&key.to_ascii_lowercase()))
}

impl Library {
    /// What may come next in a query, at a byte of it; `offers` as they were gathered last.
    ///
    /// # Errors
    /// Those of the databases.
    pub fn complete(&self, query: &str, at: usize, offers: &Offers) -> Result<Completion> {
        let typed = typed_at(query, at);
        let mut choices = match typed.key.map(str::to_ascii_lowercase).as_deref() {
            None => self.beginnings(typed.begun)?,
            Some("tag") => self.tag_choices(typed.begun)?,
            Some("album") => self.album_choices(typed.begun)?,
            Some("date") => self.date_choices(typed.begun)?,
            Some("rating") => rating_choices(typed.begun),
            Some(key) if is_gathered(key) => offers.choices(key, typed.begun).unwrap_or_default(),
            Some(key) => {
                let mut words: Vec<String> =
                    words_of(key).unwrap_or_default().into_iter().map(str::to_owned).collect();
                if key == "sync" {
                    words
                        .extend(self.device.remotes()?.into_iter().map(|remote| format!("{}=", remote.name)));
                }
                let fitting = words.into_iter().filter(|word| begins(word, typed.begun));
                fitting
                    .map(|word| Choice { text: format!("{key}:{word}"), note: String::new(), photos: None })
                    .collect()
            }
        };
        choices.truncate(MOST);
        for choice in &mut choices {
            choice.text.insert_str(0, typed.sign);
        }
        Ok(Completion { replaces: typed.replaces, choices })
    }

    /// Filters, and what is called so.
    fn beginnings(&self, begun: &str) -> Result<Vec<Choice>> {
        let mut choices: Vec<Choice> = keys()
            .filter(|(key, _)| begins(key, begun))
            .map(|(key, example)| Choice { text: format!("{key}:"), note: example.to_owned(), photos: None })
            .collect();
        if !begun.is_empty() {
            choices.extend(self.tag_choices(begun)?);
            choices.extend(self.album_choices(begun)?);
            for word in words_of("is").unwrap_or_default().into_iter().filter(|word| begins(word, begun)) {
                choices.push(Choice { text: format!("is:{word}"), note: String::new(), photos: None });
            }
        }
        Ok(choices)
    }

    fn tag_choices(&self, begun: &str) -> Result<Vec<Choice>> {
        let fitting = self.catalog().tags_called(|name| begins(name, begun), MOST)?.into_iter();
        Ok(fitting.map(|label| named("tag", &label.name, label.assets)).collect())
    }

    fn album_choices(&self, begun: &str) -> Result<Vec<Choice>> {
        let fitting =
            self.albums_called(|album| begins(&album.name, begun) || begins(&album.path, begun), MOST)?;
        Ok(fitting.into_iter().map(|album| named("album", &album.name, album.assets)).collect())
    }

    /// The years that have photos, and the months of one that is typed.
    fn date_choices(&self, begun: &str) -> Result<Vec<Choice>> {
        let months = self.catalog().months(Shelf::Shown)?;
        let mut choices: Vec<(String, u64)> = Vec::new();
        for month in months {
            let whole = format!("{:04}-{:02}", month.year, month.month);
            let year = whole.get(..4).unwrap_or_default();
            let name = if begun.len() < 4 { year } else { &whole };
            if !whole.starts_with(begun) && !year.starts_with(begun) {
                continue;
            }
            match choices.last_mut().filter(|last| last.0 == name) {
                Some(last) => last.1 += month.assets,
                None => choices.push((name.to_owned(), month.assets)),
            }
        }
        Ok(choices.iter().map(|(name, assets)| called("date", name, Some(*assets))).collect())
    }

    /// The tags by their names as they are searched, and how many shown photos have each.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn list_tags(&self) -> Result<Vec<(String, u64)>> {
        Ok(self.catalog().tags()?.into_iter().map(|label| (label.name, label.assets)).collect())
    }
}

/// Stars and better, then stars alone.
fn rating_choices(begun: &str) -> Vec<Choice> {
    let words = [">=4", ">=3", "5", "4", "3", "2", "1", "0"];
    let fitting = words.into_iter().filter(|word| begins(word, begun));
    fitting.map(|word| Choice { text: format!("rating:{word}"), note: String::new(), photos: None }).collect()
}

fn named(key: &str, name: &str, assets: u64) -> Choice {
    called(key, name, Some(assets))
}

/// A value as it is typed behind its key, and how many photos have it, where that is known.
pub(crate) fn called(key: &str, name: &str, assets: Option<u64>) -> Choice {
    let is_plain =
        name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '/' | '.'));
    let text =
        if is_plain { format!("{key}:{name}") } else { format!("{key}:\"{}\"", name.replace('"', " ")) };
    let note = match assets {
        None => String::new(),
        Some(1) => "1 photo".to_owned(),
        Some(assets) => format!("{assets} photos"),
    };
    Choice { text, note, photos: assets }
}

fn begins(word: &str, begun: &str) -> bool {
    word.to_lowercase().starts_with(&begun.to_lowercase())
}

/// The word at a byte of a query; between words an empty one.
fn typed_at(query: &str, at: usize) -> Typed<'_> {
    let at = (0..=at.min(query.len())).rev().find(|at| query.is_char_boundary(*at)).unwrap_or_default();
    let (mut start, mut is_quoted) = (0, false);
    for (place, letter) in query.char_indices().take_while(|(place, _)| *place < at) {
        if letter == '"' {
            is_quoted = !is_quoted;
        } else if letter.is_whitespace() && !is_quoted {
            start = place + letter.len_utf8();
        }
    }
    let rest = query.get(at..).unwrap_or_default();
    let length =
        if is_quoted { rest.find('"').map(|quote| quote + 1) } else { rest.find(char::is_whitespace) };
    let end = at + length.unwrap_or(rest.len());
    let word = query.get(start..at).unwrap_or_default();
    let (sign, word) = word.strip_prefix('-').map_or(("", word), |word| ("-", word));
    let (key, begun) = match word.split_once(':') {
        Some((key, begun)) => (Some(key), begun.trim_start_matches('"')),
        None => (None, word.trim_start_matches('"')),
    };
    Typed { replaces: start..end, sign, key, begun }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(marked: &str) -> (Range<usize>, String, Option<String>, String) {
        let at = marked.find('|').unwrap();
        let query = marked.replace('|', "");
        let typed = typed_at(&query, at);
        (typed.replaces, typed.sign.to_owned(), typed.key.map(str::to_owned), typed.begun.to_owned())
    }

    #[test]
    fn the_word_under_the_cursor_is_meant() {
        let none = || None::<String>;
        assert_eq!(word("|"), (0..0, String::new(), none(), String::new()));
        assert_eq!(word("beach is:fa|"), (6..11, String::new(), Some("is".into()), "fa".into()));
        assert_eq!(word("-ta|g beach"), (0..4, "-".into(), none(), "ta".into()));
        assert_eq!(
            word("a album:\"Summer 20|23\" b"),
            (2..21, String::new(), Some("album".into()), "Summer 20".into())
        );
        assert_eq!(word("a | b"), (2..2, String::new(), none(), String::new()));
    }
}
