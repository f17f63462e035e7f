//! What a new passphrase is worth: whether it is taken, and how long guessing it would take.

use serde::Serialize;

/// The fewest characters of a new passphrase: whoever has a copy of the library may try as many as they like.
const FEWEST_CHARS: usize = 8;
/// Guesses a second of somebody with a thousand machines: each Argon2 run of 256 MiB keeps a machine busy for about a tenth
/// of a second.
const GUESSES_A_SECOND_LOG10: f64 = 4.0;

/// What whoever guesses tries at once here: words for what is asked, and the example that everybody knows.
const EXPECTED: [&str; 9] = [
    "correct horse battery staple",
    "correcthorsebatterystaple",
    "safelight",
    "passphrase",
    "passwort",
    "kennwort",
    "motdepasse",
    "пароль",
    "photos",
];

/// What trying words twice or in another order costs.
const TWICE_LOG10: f64 = 1.0;

/// Why a passphrase is too short.
const TOO_SHORT: &str = "a passphrase needs at least 8 characters; several words are better than one";

/// What a passphrase is worth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct Strength {
    /// 0 is guessed at once, 4 is strong; below 2 a person should be warned.
    pub score: u8,
    /// Why it is not taken, in a sentence.
    pub refused: Option<&'static str>,
    /// The same in a word: `short`.
    pub refused_code: Option<&'static str>,
    /// About how many seconds guessing it takes, as a power of ten, for somebody with a thousand machines and a copy of the
    /// library.
    pub seconds_log10: f64,
}

/// Whether a new passphrase is long enough to be taken.
///
/// # Errors
/// A sentence that says why not.
pub fn check_new_passphrase(passphrase: &str) -> Result<(), &'static str> {
    if passphrase.chars().count() < FEWEST_CHARS { Err(TOO_SHORT) } else { Ok(()) }
}

/// Estimates what a passphrase is worth: by the words, names, dates and patterns that people choose (zxcvbn, USENIX
/// Security 2016).
#[must_use]
pub fn strength(passphrase: &str) -> Strength {
    let guesses = |text: &str| zxcvbn::zxcvbn(text, &EXPECTED).guesses_log10().max(0.0);
    // To say a word twice costs whoever guesses next to nothing.
    let guesses_log10 = guesses(passphrase).min(guesses(&each_word_once(passphrase)) + TWICE_LOG10);
    let refused = check_new_passphrase(passphrase).err();
    let seconds_log10 = guesses_log10 - GUESSES_A_SECOND_LOG10;
    // A minute, a day, a year, a thousand years.
    let score = [1.8, 4.9, 7.5, 10.5].into_iter().filter(|limit| seconds_log10 >= *limit).count();
    Strength {
        score: if refused.is_some() { 0 } else { u8::try_from(score).unwrap_or(4) },
        refused,
        refused_code: refused.map(|_| "short"),
        seconds_log10,
    }
}

/// The words of a text, each where it stands first.
fn each_word_once(text: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
        if !words.iter().any(|before| before.to_lowercase() == word.to_lowercase()) {
            words.push(word);
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_choose_first_is_weak_and_several_words_are_strong() {
        let score = |text: &str| strength(text).score;
        assert_eq!([score(""), score("1234567"), score("password1"), score("qwertyuiop")], [0, 0, 0, 0]);
        assert!(score("Summer2024!") < 2);
        assert_eq!(score("quartz lantern obey mosaic tundra"), 4);
        assert!(score("passphrase passphrase") < 2);
        assert!(score("correct horse battery staple") < 2);
        assert!(score("пароль пароль") < 2);
        assert!(score("quartz quartz quartz quartz") < 2);
        assert_eq!(strength("short").refused_code, Some("short"));
        assert_eq!(strength("password1").refused, None, "weak is no reason to refuse");
        assert!(check_new_passphrase("ääääääää").is_ok());
    }
}
