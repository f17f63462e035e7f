//! Words that go on (`holid*`), without reading every posting of a common beginning.
//!
//! FTS5 merges all postings of a prefix in memory before the first hit, unless it has an index of that length
//! (2 and 3 letters here). A longer prefix mostly stands for a handful of words, so they are looked up, each
//! with one seek, and become an *or*, which FTS5 walks lazily. Only a prefix of very many words is left to
//! FTS5; each of these words is then rare.

use rusqlite::{Connection, OptionalExtension};

use super::plan::quoted;

/// The lengths, in letters, that the search index has a prefix index for.
const INDEXED_LETTERS: std::ops::RangeInclusive<usize> = 2..=3;
/// A prefix of more words than this is left to FTS5.
const MOST_WORDS: usize = 48;

/// The expression for text whose last word may go on; `None` if no word begins so.
pub(super) fn expressions(connection: &Connection, text: &str) -> rusqlite::Result<Option<String>> {
    let mut words: Vec<&str> = text.split(|letter: char| !is_in_words(letter)).collect();
    words.retain(|word| !word.is_empty());
    let native = format!("{} *", quoted(text));
    let [word] = words.as_slice() else { return Ok(Some(native)) };
    if INDEXED_LETTERS.contains(&word.chars().count()) {
        return Ok(Some(native));
    }
    let Some(folded) = folded_word(connection, word)? else { return Ok(Some(native)) };
    let found = words_that_begin(connection, &folded)?;
    Ok(match found {
        None => Some(native),
        Some(found) if found.is_empty() => None,
        Some(found) => {
            Some(format!("({})", found.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" OR ")))
        }
    })
}

/// Whether the tokenizer takes a letter into words: letters, digits, and marks that it takes off again.
fn is_in_words(letter: char) -> bool {
    letter.is_alphanumeric() || unicode_normalization::char::is_combining_mark(letter)
}

/// A word as the tokenizer writes it, if that can be known without asking it: plain letters and digits in
/// lower case. Words with accents are left to FTS5.
fn folded_word(_: &Connection, word: &str) -> rusqlite::Result<Option<String>> {
    Ok(word.is_ascii().then(|| word.to_ascii_lowercase()))
}

/// All words of the index that begin so; `None` if there are too many.
fn words_that_begin(connection: &Connection, prefix: &str) -> rusqlite::Result<Option<Vec<String>>> {
    connection.execute_batch(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.search_words USING fts5vocab(main, search, instance)",
    )?;
    let mut next =
        connection.prepare_cached("SELECT term FROM temp.search_words WHERE term >= ?1 LIMIT 1")?;
    let mut words = Vec::new();
    let mut from = prefix.to_owned();
    loop {
        let word: Option<String> = next.query_row([&from], |row| row.get(0)).optional()?;
        match word.filter(|word| word.starts_with(prefix)) {
            None => return Ok(Some(words)),
            Some(_) if words.len() == MOST_WORDS => return Ok(None),
            Some(word) => {
                // The least word after this one.
                from = format!("{word}\u{1}");
                words.push(word);
            }
        }
    }
}
