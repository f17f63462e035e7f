//! What may come next in a query that is being typed.

use std::ops::Range;

use safelight_catalog::query::{keys, words_of};

use crate::error::Result;
use crate::library::Library;

/// The most choices that are offered.
const MOST: usize = 20;

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
    /// A few words about it.
    pub note: String,
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

impl Library {
    /// What may come next in a query, at a byte of it.
    ///
    /// # Errors
    /// Those of the databases.
    pub fn complete(&self, query: &str, at: usize) -> Result<Completion> {
        let typed = typed_at(query, at);
        let mut choices = match typed.key.map(str::to_ascii_lowercase).as_deref() {
            None => self.beginnings(typed.begun)?,
            Some("tag") => self.tag_choices(typed.begun)?,
            Some("album") => self.album_choices(typed.begun)?,
            Some(key) => {
                let mut words: Vec<String> =
                    words_of(key).unwrap_or_default().into_iter().map(str::to_owned).collect();
                if key == "sync" {
                    words
                        .extend(self.device.remotes()?.into_iter().map(|remote| format!("{}=", remote.name)));
                }
                let fitting = words.into_iter().filter(|word| begins(word, typed.begun));
                fitting.map(|word| Choice { text: format!("{key}:{word}"), note: String::new() }).collect()
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
            .map(|(key, example)| Choice { text: format!("{key}:"), note: example.to_owned() })
            .collect();
        if !begun.is_empty() {
            choices.extend(self.tag_choices(begun)?);
            choices.extend(self.album_choices(begun)?);
            for word in words_of("is").unwrap_or_default().into_iter().filter(|word| begins(word, begun)) {
                choices.push(Choice { text: format!("is:{word}"), note: String::new() });
            }
        }
        Ok(choices)
    }

    fn tag_choices(&self, begun: &str) -> Result<Vec<Choice>> {
        let fitting = self.list_tags()?.into_iter().filter(|(name, _)| begins(name, begun));
        Ok(fitting.map(|(name, assets)| named("tag", &name, assets)).collect())
    }

    fn album_choices(&self, begun: &str) -> Result<Vec<Choice>> {
        // `album:` means who lies in an album; in a smart one nobody does.
        let albums = self.albums_as_kept()?.into_iter().filter(|album| album.query.is_none());
        let fitting = albums.filter(|album| begins(&album.name, begun) || begins(&album.path, begun));
        Ok(fitting.map(|album| named("album", &album.name, album.assets)).collect())
    }

    /// The tags by their names as they are searched, and how many shown photos have each.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn list_tags(&self) -> Result<Vec<(String, u64)>> {
        Ok(self.catalog().tags()?.into_iter().map(|label| (label.name, label.assets)).collect())
    }
}

fn named(key: &str, name: &str, assets: u64) -> Choice {
    let is_plain =
        name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '/' | '.'));
    let text =
        if is_plain { format!("{key}:{name}") } else { format!("{key}:\"{}\"", name.replace('"', " ")) };
    let note = if assets == 1 { "1 photo".to_owned() } else { format!("{assets} photos") };
    Choice { text, note }
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
