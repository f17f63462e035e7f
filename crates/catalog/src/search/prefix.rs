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
pub(super) fn expression(connection: &Connection, text: &str) -> rusqlite::Result<Option<String>> {
    let native = format!("({} *)", quoted(text));
    let text = text.trim();
    // Several words, or letters that the tokenizer folds in its own way, are left to FTS5.
    let is_plain_word = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_plain_word || INDEXED_LETTERS.contains(&text.len()) {
        return Ok(Some(native));
    }
    Ok(match words_that_begin(connection, &text.to_ascii_lowercase())? {
        None => Some(native),
        Some(words) if words.is_empty() => None,
        Some(words) => {
            let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
            Some(format!("({})", words.join(" OR ")))
        }
    })
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
