//! The names of blobs: `<sha[0:2]>/<sha256>/<relative path>`.
//!
//! Invariant: a [`BlobName`] that exists can be held by every place, and its path has only plain components, none of them
//! empty, `.` or `..`: what a server lists under a hostile name is refused here and never becomes a path of this machine.
//!
//! Names of ordinary files stay as they are. What a place cannot hold is written as `%` and two capital hexadecimal digits, a
//! byte at a time: control characters, backslashes, bytes that are no UTF-8, U+FFFE and U+FFFF, and the last dot of a part.
//! A `%` becomes `%25` only where it would be read as such an escape, so `100%.jpg` and `a%20b.jpg` stay. A path that is
//! too long for a name is cut, and ends in `%~` and the beginning of its hash; the whole path then stands in the metadata.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use data_encoding::{HEXLOWER, HEXUPPER};
use safelight_store::Key;

use crate::content::sha256_of;
use crate::index::Sha256;

/// The longest name that every place takes, in bytes.
const MOST_NAME_BYTES: usize = 1024;
/// The longest part of a name, in bytes.
const MOST_PART_BYTES: usize = 255;
/// What a cut path ends in, before 16 digits of its hash.
const CUT: &str = "%~";
/// How many digits of the hash stand behind it.
const CUT_DIGITS: usize = 16;

/// Why a name is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameRefusal {
    /// It is not laid out as a plain copy is.
    #[error("its name is not of a plain copy")]
    Foreign,
    /// It would lead out of the folder.
    #[error("its name would lead out of the folder")]
    Escapes,
    /// No place can hold it.
    #[error("its path is too long")]
    TooLong,
}

/// The name of a blob, below the prefix of its place.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobName {
    sha256: Sha256,
    /// The path as it stands in the name, escaped.
    path: String,
}

impl BlobName {
    /// The name of a file with this content; `prefix_bytes` is how much of a name the place's own prefix takes.
    ///
    /// # Errors
    /// [`NameRefusal::Escapes`] for a path that is not relative and plain, [`NameRefusal::TooLong`] where a prefix leaves no
    /// room for a name.
    pub fn of(sha256: Sha256, relative: &Path, prefix_bytes: usize) -> Result<Self, NameRefusal> {
        let parts = plain_parts(relative)?;
        let escaped: Vec<String> = parts.iter().map(|part| escape(part)).collect();
        let path = escaped.join("/");
        let before = prefix_bytes + HEAD_BYTES;
        let fits = before + path.len() <= MOST_NAME_BYTES
            && escaped.iter().all(|part| part.len() <= MOST_PART_BYTES);
        if fits {
            return Ok(Self { sha256, path });
        }
        let room =
            MOST_NAME_BYTES.checked_sub(before).filter(|room| *room > 80).ok_or(NameRefusal::TooLong)?;
        Ok(Self { sha256, path: cut(relative, &escaped, room.min(MOST_PART_BYTES)) })
    }

    /// Reads a name as a place lists it, below its prefix.
    ///
    /// # Errors
    /// [`NameRefusal`] for anything else than the layout of a plain copy.
    pub fn parse(name: &str) -> Result<Self, NameRefusal> {
        let (shard, rest) = name.split_once('/').ok_or(NameRefusal::Foreign)?;
        let (hash, path) = rest.split_once('/').ok_or(NameRefusal::Foreign)?;
        let sha256 = Sha256::parse(hash).ok_or(NameRefusal::Foreign)?;
        if hash.get(..2) != Some(shard) || path.is_empty() {
            return Err(NameRefusal::Foreign);
        }
        let parsed = Self { sha256, path: path.to_owned() };
        plain_parts(&parsed.relative_unchecked())?;
        if path.split('/').any(str::is_empty) {
            return Err(NameRefusal::Escapes);
        }
        Ok(parsed)
    }

    /// The hash of the content.
    #[must_use]
    pub const fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// The relative path of the file; of a cut one only its remains ([`is_cut`](Self::is_cut)).
    #[must_use]
    pub fn relative(&self) -> PathBuf {
        self.relative_unchecked()
    }

    fn relative_unchecked(&self) -> PathBuf {
        let parts: Vec<Vec<u8>> = self.path.split('/').map(unescape).collect();
        PathBuf::from(std::ffi::OsString::from_vec(parts.join(&b'/')))
    }

    /// Whether the path was too long, so that the name holds only its beginning.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        let Some((_, behind)) = self.path.rsplit_once(CUT) else { return false };
        let digits = behind.split('.').next().unwrap_or_default();
        digits.len() == CUT_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// The name as a place takes it.
    ///
    /// # Errors
    /// [`NameRefusal`] for what was listed and cannot be asked for.
    pub fn key(&self) -> Result<Key, NameRefusal> {
        Key::parse(&self.to_string()).map_err(|_| NameRefusal::Foreign)
    }
}

/// `ab/<64 digits>/`
const HEAD_BYTES: usize = 3 + 65;

impl fmt::Display for BlobName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = self.sha256.to_string();
        write!(formatter, "{}/{hash}/{}", hash.get(..2).unwrap_or_default(), self.path)
    }
}

impl fmt::Debug for BlobName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BlobName({self})")
    }
}

/// The parts of a path that leads down and nowhere else.
pub(crate) fn plain_parts(relative: &Path) -> Result<Vec<&OsStr>, NameRefusal> {
    let bytes = relative.as_os_str().as_bytes();
    if bytes.is_empty() || bytes.contains(&0) || bytes.split(|byte| *byte == b'/').any(|part| part == b".") {
        return Err(NameRefusal::Escapes);
    }
    let part = |component: Component<'_>| matches!(component, Component::Normal(_));
    if !relative.components().all(part) {
        return Err(NameRefusal::Escapes);
    }
    Ok(relative.iter().collect())
}

/// A path as ASCII, for metadata and manifests: every byte that is not plain is escaped.
pub(crate) fn path_to_ascii(relative: &Path) -> String {
    let mut out = String::new();
    for byte in relative.as_os_str().as_bytes() {
        match byte {
            b' '..=b'~' if *byte != b'%' => out.push(char::from(*byte)),
            _ => push_escape(&mut out, *byte),
        }
    }
    out
}

/// What [`path_to_ascii`] wrote.
pub(crate) fn path_from_ascii(text: &str) -> Result<PathBuf, NameRefusal> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let escaped = if *first == b'%' {
            behind.get(..2).and_then(|digits| HEXUPPER.decode(digits).ok())
        } else {
            None
        };
        match escaped.as_deref() {
            Some([byte]) => {
                bytes.push(*byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    let path = PathBuf::from(std::ffi::OsString::from_vec(bytes));
    plain_parts(&path)?;
    Ok(path)
}

/// Whether a byte behind a `%` is one that is ever escaped.
const fn is_escapable(byte: u8) -> bool {
    matches!(byte, 0x01..=0x1f | b'%' | b'.' | b'\\' | 0x7f..=0xff)
}

fn escape_at(rest: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = rest else { return None };
    let byte = HEXUPPER.decode(&[*high, *low]).ok()?;
    byte.first().copied().filter(|byte| is_escapable(*byte))
}

fn push_escape(out: &mut String, byte: u8) {
    out.push('%');
    out.push_str(&HEXUPPER.encode(&[byte]));
}

fn escape(part: &OsStr) -> String {
    let bytes = part.as_bytes();
    let mut out = String::with_capacity(bytes.len());
    let mut offset = 0;
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            let end = offset + character.len_utf8();
            let is_refused = character.is_control()
                || matches!(character, '\\' | '\u{fffe}' | '\u{ffff}')
                || (character == '.' && end == bytes.len())
                || (character == '%' && is_read_as_escape(bytes.get(offset..).unwrap_or_default()));
            if is_refused {
                bytes
                    .get(offset..end)
                    .unwrap_or_default()
                    .iter()
                    .for_each(|byte| push_escape(&mut out, *byte));
            } else {
                out.push(character);
            }
            offset = end;
        }
        chunk.invalid().iter().for_each(|byte| push_escape(&mut out, *byte));
        offset += chunk.invalid().len();
    }
    out
}

/// Whether a `%` here would be taken for an escape, or for the mark of a cut path.
fn is_read_as_escape(rest: &[u8]) -> bool {
    escape_at(rest).is_some() || rest.starts_with(CUT.as_bytes())
}

fn unescape(part: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        match escape_at(rest) {
            Some(byte) => {
                out.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    out
}

/// The beginning of a path that is too long, as one part, with its hash and its extension.
fn cut(relative: &Path, escaped: &[String], room: usize) -> String {
    let hash = HEXLOWER.encode(sha256_of(relative.as_os_str().as_bytes()).as_bytes());
    let mut tail = format!("{CUT}{}", hash.get(..CUT_DIGITS).unwrap_or_default());
    let extension = relative.extension().map(escape).filter(|extension| extension.len() <= 16);
    if let Some(extension) = extension.filter(|extension| !extension.is_empty()) {
        tail.push('.');
        tail.push_str(&extension);
    }
    let last = escaped.last().map_or("", String::as_str);
    let mut end = room.saturating_sub(tail.len()).min(last.len());
    // Neither a character nor an escape is cut in two.
    while end > 0 && !last.is_char_boundary(end) {
        end -= 1;
    }
    let kept = last.get(..end).unwrap_or_default();
    let torn = kept.char_indices().rev().take(2).find(|(_, character)| *character == '%').map(|(at, _)| at);
    format!("{}{tail}", kept.get(..torn.unwrap_or(kept.len())).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(path: &[u8]) -> BlobName {
        BlobName::of(sha256_of(b"x"), Path::new(OsStr::from_bytes(path)), 6).unwrap()
    }

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for path in [
            "a.jpg",
            "2024/05/Ä b+c&d.jpg",
            "100%.jpg",
            "a%20b.jpg",
            "a%2Fb",
            ".hidden/x",
            "日本/図.png",
            "x%zz",
        ] {
            let hash = sha256_of(b"x").to_string();
            assert_eq!(name(path.as_bytes()).to_string(), format!("2d/{hash}/{path}"));
        }
    }

    #[test]
    fn every_name_comes_back_and_can_be_held_by_every_place() {
        let odd: [&[u8]; 12] = [
            b"a\\b.jpg",
            b"line\nbreak\t.jpg",
            b"no utf8 \xff\xfe.jpg",
            b"dot./dots../x",
            b"a%25b",
            b"a%5Cb",
            b"a%~0123456789abcdef",
            b"%0A",
            "c1 \u{85} \u{ffff}".as_bytes(),
            b"\x7f",
            b"...",
            b"%2E%2E",
        ];
        for path in odd {
            let name = name(path);
            assert!(name.key().is_ok(), "{name}");
            assert_eq!(BlobName::parse(&name.to_string()), Ok(name.clone()));
            assert_eq!(name.relative().as_os_str().as_bytes(), path, "{name}");
            assert!(!name.is_cut(), "{name}");
        }
    }

    #[test]
    fn a_path_that_is_too_long_is_cut_and_keeps_its_kind() {
        let part = [0xff; 200];
        for path in [part.to_vec(), [&b"d/".repeat(600)[..], b"photo.jpg"].concat()] {
            let cut = name(&path);
            assert!(cut.is_cut() && cut.key().is_ok(), "{cut}");
            assert!(cut.to_string().len() + 6 <= MOST_NAME_BYTES);
            assert_ne!(cut, name(&[&path[..], b"x"].concat()));
            let ascii = path_to_ascii(Path::new(OsStr::from_bytes(&path)));
            assert_eq!(path_from_ascii(&ascii).unwrap().as_os_str().as_bytes(), path);
        }
        assert!(name(&[&b"d/".repeat(600)[..], b"photo.jpg"].concat()).to_string().ends_with(".jpg"));
    }

    #[test]
    fn names_that_lead_out_of_the_folder_are_refused() {
        let hash = sha256_of(b"x").to_string();
        let listed = |path: &str| BlobName::parse(&format!("2d/{hash}/{path}"));
        for path in
            ["..", "../x", "a/../../x", "/etc/passwd", "a//b", ".", "a/./b", "a/", "%2E%2E/x", "a/.%2E"]
        {
            assert_eq!(listed(path), Err(NameRefusal::Escapes), "{path}");
        }
        assert_eq!(BlobName::parse(&format!("00/{hash}/x")), Err(NameRefusal::Foreign));
        assert_eq!(BlobName::parse("2d/short/x"), Err(NameRefusal::Foreign));
        for path in ["/x", "../x", "a/../x", ""] {
            assert!(BlobName::of(sha256_of(b"x"), Path::new(path), 0).is_err(), "{path}");
        }
    }
}
