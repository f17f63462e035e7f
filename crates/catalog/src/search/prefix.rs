//! Words that go on (`holid*`), without reading every posting of a common beginning.
//!
//! FTS5 merges all postings of a prefix in memory before the first hit, unless it has an index of that length
//! (2, 4 and 6 letters here). Any other prefix stands for the few beginnings of the next such length, or, past
//! the longest, for a handful of words: they are looked up, each with one seek, and become an *or*, which FTS5
//! walks lazily. Only a long prefix of very many words is left to FTS5; each of these words is then rare.

use rusqlite::{Connection, OptionalExtension};

use super::plan::quoted;

/// The lengths, in letters, that the search index has a prefix index for.
const INDEXED_LETTERS: [usize; 3] = [2, 4, 6];
/// A prefix that goes on in more ways than this is left to FTS5. One more letter or digit is 37 ways.
const MOST_WAYS: usize = 48;

/// The expression for text whose last word may go on; `None` if no word begins so.
pub(super) fn expression(connection: &Connection, text: &str) -> rusqlite::Result<Option<String>> {
    let text = text.trim();
    // Several words, or letters that the tokenizer folds in its own way, are left to FTS5.
    let is_plain_word = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_plain_word || INDEXED_LETTERS.contains(&text.len()) {
        return Ok(Some(begins(text)));
    }
    let next_length = INDEXED_LETTERS.into_iter().find(|length| *length > text.len());
    Ok(match ways_on(connection, &text.to_ascii_lowercase(), next_length)? {
        None => Some(begins(text)),
        Some(ways) if ways.is_empty() => None,
        Some(ways) => Some(format!("({})", ways.join(" OR "))),
    })
}

fn begins(text: &str) -> String {
    format!("({} *)", quoted(text))
}

/// An expression for each way in which words of the index begin so: the first `length` letters of a word, or
/// the whole of a shorter one. `None` if there are too many.
fn ways_on(
    connection: &Connection,
    prefix: &str,
    length: Option<usize>,
) -> rusqlite::Result<Option<Vec<String>>> {
    connection.execute_batch(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.search_words USING fts5vocab(main, search, instance)",
    )?;
    let mut next =
        connection.prepare_cached("SELECT term FROM temp.search_words WHERE term >= ?1 LIMIT 1")?;
    let mut ways = Vec::new();
    let mut from = prefix.to_owned();
    loop {
        let word: Option<String> = next.query_row([&from], |row| row.get(0)).optional()?;
        let Some(word) = word.filter(|word| word.starts_with(prefix)) else { return Ok(Some(ways)) };
        if ways.len() == MOST_WAYS {
            return Ok(None);
        }
        let last = length.and_then(|length| word.char_indices().nth(length - 1));
        match last.and_then(|(at, letter)| word.get(..at + letter.len_utf8())) {
            Some(beginning) => {
                ways.push(begins(beginning));
                // Behind every word that begins so: no word holds this character.
                from = format!("{beginning}\u{10FFFF}");
            }
            None => {
                ways.push(quoted(&word));
                // The least word after this one.
                from = format!("{word}\u{1}");
            }
        }
    }
}
