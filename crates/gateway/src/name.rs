//! The names that plain uploads get: `<prefix>/<user>/<YYYY/MM/DD/HHMMSS>-<file>`, as the existing iPhone client knows them.
//!
//! Invariant: nothing that a phone says can leave the prefix. Users and files are made of `A`–`Z`, `a`–`z`, digits, `_` and `-`,
//! with single dots between them; folders in front of a file's name are dropped, whichever slash they are written with.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use safelight_store::{Key, NameError};

/// The longest user id, in characters.
pub const MOST_USER_CHARS: usize = 64;
/// The longest file name, in characters.
pub const MOST_FILE_CHARS: usize = 128;

/// Who uploads plain files: a part of their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserId(String);

/// The last part of a plain file's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileName(String);

impl UserId {
    /// Checks a user id; answers the rule that it breaks.
    ///
    /// # Errors
    /// The rule.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "has 1 to 64 characters of A-Z, a-z, 0-9, dot, dash and underscore, and neither begins nor ends with a dot";
        let is_fine = text.len() <= MOST_USER_CHARS && is_in_pieces(text);
        if is_fine { Ok(Self(text.to_owned())) } else { Err(RULE) }
    }

    /// Its characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FileName {
    /// Drops folders, and checks what is left.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "has 1 to 128 characters of A-Z, a-z, 0-9, dash and underscore, in pieces with single dots between them";
        let bare = text.rsplit(['/', '\\']).next().unwrap_or_default();
        let is_fine = bare.len() <= MOST_FILE_CHARS && is_in_pieces(bare);
        if is_fine { Ok(Self(bare.to_owned())) } else { Err(RULE) }
    }
}

/// Whether a text is one piece or several with single dots between them, each of letters, digits, `_` and `-`.
fn is_in_pieces(text: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    text.split('.').all(|piece| !piece.is_empty() && piece.bytes().all(is_known))
}

/// A prefix as it may stand in front of all names: parts of a name with slashes between them.
pub(crate) fn is_prefix(text: &str) -> bool {
    text.len() <= 256 && text.split('/').all(is_in_pieces)
}

/// The name that a file gets which is granted at some moment.
pub(crate) fn blob_name(
    prefix: &str,
    user: &UserId,
    file: &FileName,
    now: Timestamp,
) -> Result<Key, NameError> {
    let moment = now.to_zoned(TimeZone::UTC).strftime("%Y/%m/%d/%H%M%S");
    Key::parse(&format!("{prefix}/{}/{moment}-{}", user.0, file.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_as_the_existing_client_expects() {
        let user = UserId::parse("anna.b_c-1").unwrap();
        let file = FileName::parse("IMG_0001.HEIC").unwrap();
        let now: Timestamp = "2026-03-04T05:06:07.9Z".parse().unwrap();
        let name = blob_name("mobile-import", &user, &file, now).unwrap();
        assert_eq!(name.as_str(), "mobile-import/anna.b_c-1/2026/03/04/050607-IMG_0001.HEIC");
    }

    #[test]
    fn folders_are_dropped_whichever_slash_they_are_written_with() {
        for text in ["../../etc/a.jpg", "/a.jpg", "C:\\Users\\x\\a.jpg", "a\\../a.jpg"] {
            assert_eq!(FileName::parse(text), Ok(FileName("a.jpg".to_owned())), "{text}");
        }
    }

    #[test]
    fn what_could_leave_the_prefix_or_confuse_is_refused() {
        for text in
            ["", ".", "..", "a/", "a..jpg", ".jpg", "a.", "a b.jpg", "a\u{e4}.jpg", "a%2f.jpg", "a\0", "a\n"]
        {
            assert!(FileName::parse(text).is_err(), "{text:?}");
        }
        for text in ["", ".", "..", "a/b", "a\\b", ".a", "a.", "a b", "\u{e4}", "a\n"] {
            assert!(UserId::parse(text).is_err(), "{text:?}");
        }
        assert!(UserId::parse(&"a".repeat(64)).is_ok() && UserId::parse(&"a".repeat(65)).is_err());
        assert!(FileName::parse(&"a".repeat(128)).is_ok() && FileName::parse(&"a".repeat(129)).is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_taken_stays_below_the_prefix_and_the_user(user in "\\PC{0,70}", file in "\\PC{0,140}") {
            let (Ok(user), Ok(file)) = (UserId::parse(&user), FileName::parse(&file)) else { return Ok(()) };
            let name = blob_name("mobile-import", &user, &file, Timestamp::UNIX_EPOCH).unwrap();
            let parts: Vec<&str> = name.as_str().split('/').collect();
            prop_assert_eq!(parts.len(), 6);
            prop_assert_eq!(parts[..2].to_vec(), vec!["mobile-import", user.as_str()]);
        }
    }
}
