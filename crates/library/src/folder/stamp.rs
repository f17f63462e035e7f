//! Small open text files whose every bit is guarded: `library.toml` and the key slots.
//!
//! Invariant: a stamped text ends with one line `# mac <64 hex digits> sum <16 hex digits>`. The first is a
//! code over the library, the file's name and every byte before that line, under a key of the keyring: a
//! flipped bit anywhere is found and the file named, and a file cannot be moved under another's name. The
//! second is a plain checksum of the same bytes, so that damage can be told from a wrong passphrase before
//! anybody has a key. The line is a comment: the rest stays plain TOML that anybody can read (SL1 §1.10).

use safelight_crypto::{LibraryId, MacKey, sha256};

/// The beginning of the last line.
const MARK: &str = "# mac ";
/// What stands between the two codes.
const MIDDLE: &str = " sum ";
/// A code in hex.
const CODE_CHARS: usize = 64;
/// A checksum in hex.
const SUM_CHARS: usize = 16;
/// The whole last line, its break included.
const LINE_CHARS: usize = MARK.len() + CODE_CHARS + MIDDLE.len() + SUM_CHARS + 1;

/// Why a stamp does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StampError {
    /// There is no well-formed last line, or its checksum is of other bytes.
    #[error("its content and its last line, which guards it, do not fit together")]
    Missing,
    /// The code is of other bytes.
    #[error("its content is not what was written")]
    Wrong,
}

/// Adds the guarding line to a text that ends in a line break.
pub(crate) fn stamp(body: &str, name: &str, library: LibraryId, key: &MacKey) -> String {
    let code = data_encoding::HEXLOWER.encode(&key.mac(&guarded(body, name, library)));
    format!("{body}{MARK}{code}{MIDDLE}{}\n", sum(body))
}

/// Whether a text shows damage to somebody without a key.
pub(crate) fn looks_damaged(text: &str) -> bool {
    unstamped(text).is_err()
}

fn sum(body: &str) -> String {
    let mut hex = data_encoding::HEXLOWER.encode(&sha256(&[body.as_bytes()]));
    hex.truncate(SUM_CHARS);
    hex
}

/// Takes the guarding line off, checking no more than its checksum.
fn unstamped(text: &str) -> Result<(&str, [u8; 32]), StampError> {
    let start = text.len().checked_sub(LINE_CHARS).ok_or(StampError::Missing)?;
    let (body, line) = text.split_at_checked(start).ok_or(StampError::Missing)?;
    let codes =
        line.strip_prefix(MARK).and_then(|rest| rest.strip_suffix('\n')).ok_or(StampError::Missing)?;
    let (code, found) = codes.split_once(MIDDLE).ok_or(StampError::Missing)?;
    let code = data_encoding::HEXLOWER.decode(code.as_bytes()).map_err(|_| StampError::Missing)?;
    let code = <[u8; 32]>::try_from(code).map_err(|_| StampError::Missing)?;
    if body.ends_with('\n') && found == sum(body) { Ok((body, code)) } else { Err(StampError::Missing) }
}

/// Checks the guarding line and takes it off.
pub(crate) fn verified<'a>(
    text: &'a str,
    name: &str,
    library: LibraryId,
    key: &MacKey,
) -> Result<&'a str, StampError> {
    let (body, code) = unstamped(text)?;
    key.verify(&guarded(body, name, library), &code).map_err(|_| StampError::Wrong)?;
    Ok(body)
}

fn guarded(body: &str, name: &str, library: LibraryId) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + name.len() + 32);
    bytes.extend_from_slice(library.as_bytes());
    bytes.extend_from_slice(&(name.len() as u64).to_be_bytes());
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(body.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use safelight_crypto::{SeededEntropy, UnlockKey};

    use super::*;

    #[test]
    fn every_flipped_bit_and_another_name_are_found() {
        let key = UnlockKey::generate(&mut SeededEntropy::new(1)).mac_key("test");
        let library = LibraryId::from_bytes([3; 20]);
        let text = stamp("format = 1\nname = \"x\"\n", "library.toml", library, &key);
        assert_eq!(verified(&text, "library.toml", library, &key), Ok("format = 1\nname = \"x\"\n"));
        assert_eq!(verified(&text, "other.toml", library, &key), Err(StampError::Wrong));
        assert_eq!(
            verified(&text, "library.toml", LibraryId::from_bytes([4; 20]), &key),
            Err(StampError::Wrong)
        );
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let flipped = String::from_utf8(bytes);
            let is_found = flipped.is_ok_and(|text| verified(&text, "library.toml", library, &key).is_ok());
            assert!(!is_found, "bit {bit} went unnoticed");
        }
        assert_eq!(verified("", "library.toml", library, &key), Err(StampError::Missing));
        assert_eq!(verified(&text[1..], "library.toml", library, &key), Err(StampError::Missing));
        assert_eq!(verified(&format!("{text}\n"), "library.toml", library, &key), Err(StampError::Missing));
    }
}
