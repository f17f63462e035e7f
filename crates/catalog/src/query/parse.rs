//! Gives each word of a query its meaning.

use super::error::{Problem, QueryError, closest};
use super::lexer::{Word, words};
use super::values;
use super::{Condition, Part, Query, State, SyncWord, Term, TextField, TypeFilter};

/// The keys, an example of each, and what reads its value.
const KEYS: &[(&str, &str, Reader)] = &[
    ("album", "album:\"Summer 2023\"", |word| named(word, |name, prefix| Condition::Album { name, prefix })),
    ("albumsize", "albumsize:<10GB", |word| values::size(word).map(Condition::AlbumSize)),
    ("camera", "camera:canon", |word| text(word, TextField::Camera)),
    ("caption", "caption:sunset", |word| text(word, TextField::Caption)),
    ("date", "date:2023-05..2023-07", |word| values::date(word).map(Condition::Date)),
    ("format", "format:heic", |word| Ok(Condition::Format(word.value.to_lowercase()))),
    ("has", "has:gps", |word| choose(word, "has", PARTS).map(Condition::Has)),
    ("is", "is:favourite", |word| choose(word, "is", STATES).map(Condition::Is)),
    ("lens", "lens:50mm", |word| text(word, TextField::Lens)),
    ("name", "name:IMG_1234", |word| text(word, TextField::Name)),
    ("near", "near:48.85,2.35,10km", values::near),
    ("path", "path:holidays", |word| text(word, TextField::Path)),
    ("place", "place:Paris", |word| text(word, TextField::Place)),
    ("places", "places:<2", |word| values::count(word).map(Condition::Places)),
    ("proven", "proven:<30d", |word| values::age(word).map(Condition::Proven)),
    ("rating", "rating:>=4", |word| values::rating(word).map(Condition::Rating)),
    ("size", "size:>5MB", |word| values::size(word).map(Condition::Size)),
    ("sync", "sync:waiting", sync),
    ("tag", "tag:beach", |word| named(word, |name, prefix| Condition::Tag { name, prefix })),
    ("type", "type:video", |word| choose(word, "type", TYPES).map(Condition::Type)),
];

/// The keys, and an example of each.
pub fn keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    KEYS.iter().map(|(name, example, _)| (*name, *example))
}

/// The words that a key knows, if those are all that may stand behind it.
#[must_use]
pub fn words_of(key: &str) -> Option<Vec<&'static str>> {
    fn names<T>(choices: &[(&'static str, T)]) -> Vec<&'static str> {
        choices.iter().map(|(name, _)| *name).collect()
    }
    match key {
        "has" => Some(names(PARTS)),
        "is" => Some(names(STATES)),
        "sync" => Some(names(&SyncWord::ALL)),
        "type" => Some(names(TYPES)),
        _ => None,
    }
}

/// Reads the value of a key.
type Reader = fn(&Word) -> Result<Condition, QueryError>;

const TYPES: &[(&str, TypeFilter)] = &[
    ("photo", TypeFilter::Photo),
    ("video", TypeFilter::Video),
    ("raw", TypeFilter::Raw),
    ("other", TypeFilter::Other),
    ("image", TypeFilter::Photo),
    ("movie", TypeFilter::Video),
];

const STATES: &[(&str, State)] = &[
    ("duplicate", State::Duplicate),
    ("favourite", State::Favourite),
    ("hidden", State::Hidden),
    ("undecodable", State::Undecodable),
    ("live", State::Live),
    ("motion", State::Motion),
    ("raw", State::Raw),
    ("linked", State::Linked),
    ("trashed", State::Trashed),
    ("undated", State::Undated),
    ("edited", State::Edited),
    ("conflicted", State::Conflicted),
    ("favorite", State::Favourite),
];

const PARTS: &[(&str, Part)] = &[
    ("gps", Part::Gps),
    ("place", Part::Place),
    ("caption", Part::Caption),
    ("tag", Part::Tag),
    ("album", Part::Album),
    ("rating", Part::Rating),
];

/// Parses a whole query.
pub(super) fn parse(text: &str) -> Result<Query, QueryError> {
    let terms = words(text)?.iter().map(term).collect::<Result<_, _>>()?;
    Ok(Query { terms })
}

/// The mark that closes a quotation, if `letter` opens one.
pub(super) fn closing_quote(letter: char) -> Option<char> {
    match letter {
        '"' => Some('"'),
        '“' => Some('”'),
        '„' => Some('“'),
        '«' => Some('»'),
        _ => None,
    }
}

fn term(word: &Word) -> Result<Term, QueryError> {
    let condition = match &word.key {
        None => text(word, TextField::Any)?,
        Some((typed, span)) => {
            let key = typed.to_ascii_lowercase();
            let Some((key, example, read)) = KEYS.iter().find(|(name, ..)| *name == key) else {
                let meant = closest(&key, KEYS.iter().map(|(name, ..)| *name));
                let meant = meant.map(|name| format!("{name}:"));
                let problem = Problem::UnknownKey { key: typed.clone(), meant };
                return Err(QueryError::new(span.clone(), problem));
            };
            if word.value.trim().is_empty() {
                return Err(QueryError::new(word.span.clone(), Problem::NoValue { key, example }));
            }
            read(word)?
        }
    };
    Ok(Term { span: word.span.clone(), negated: word.negated, condition })
}

fn text(word: &Word, field: TextField) -> Result<Condition, QueryError> {
    let (text, prefix) = split_star(word);
    if !text.chars().any(char::is_alphanumeric) {
        return Err(QueryError::new(word.value_span.clone(), Problem::NoLetters));
    }
    Ok(Condition::Text { field, text, prefix })
}

fn named(word: &Word, make: impl Fn(String, bool) -> Condition) -> Result<Condition, QueryError> {
    let (name, prefix) = split_star(word);
    if name.trim().is_empty() {
        return Err(QueryError::new(word.value_span.clone(), Problem::NoLetters));
    }
    Ok(make(name, prefix))
}

/// `sync:waiting`, or `sync:nas=waiting` for one remote.
fn sync(word: &Word) -> Result<Condition, QueryError> {
    let Some((remote, state)) = word.value.split_once('=') else {
        return Ok(Condition::Sync { remote: None, state: choose(word, "sync", &SyncWord::ALL)? });
    };
    let start = word.value_span.end - state.len();
    let state = Word { value: state.to_owned(), value_span: start..word.value_span.end, ..word.clone() };
    let state = choose(&state, "sync", &SyncWord::ALL)?;
    Ok(Condition::Sync { remote: Some(remote.to_owned()), state })
}

/// A star at the end asks for everything that begins so; in quotes it is a star.
fn split_star(word: &Word) -> (String, bool) {
    match word.value.strip_suffix('*') {
        Some(stem) if !word.quoted => (stem.to_owned(), true),
        _ => (word.value.clone(), false),
    }
}

fn choose<T: Copy>(word: &Word, key: &'static str, choices: &[(&'static str, T)]) -> Result<T, QueryError> {
    let value = word.value.to_lowercase();
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == value) {
        return Ok(*choice);
    }
    let meant = closest(&value, choices.iter().map(|(name, _)| *name)).map(str::to_owned);
    let known = choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    Err(QueryError::new(word.value_span.clone(), Problem::UnknownWord { key, known, meant }))
}
