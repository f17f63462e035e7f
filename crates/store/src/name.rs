//! The names of objects in a place (SL1 §3).
//!
//! Invariant: an [`ObjectPath`] that exists is one of SL1's shapes: lower-case base32 and digits, at most
//! 120 characters, the right two-character shard, no `.`, no `..`, nothing to escape on any file system or
//! in any URL. So a path can be handed to every backend as it is, and what a backend lists can be trusted
//! to be one of ours once it has been parsed. The *logical* name that a key is bound to
//! (`safelight_crypto::names`) has neither shard nor generation.
//!
//! [`Key`] is the wider kind that the [`Remote`](crate::Remote) trait speaks, because the plain copy keeps
//! the user's own file names.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use safelight_crypto::{DeviceId, EpochId, LibraryId, ObjectName};

/// The longest [`ObjectPath`], in characters.
pub const MAX_PATH_CHARS: usize = 120;

/// The longest [`Key`], in bytes (the limit of S3 and Azure).
const MAX_KEY_BYTES: usize = 1024;

/// The longest part between two slashes of a [`Key`], in bytes (the limit of file systems).
const MAX_COMPONENT_BYTES: usize = 255;

/// The digits of a sequence number in a path.
const SEQUENCE_DIGITS: usize = 10;

/// A name that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} cannot be the name of an object: {rule}")]
pub struct NameError {
    /// The name as it was given, shortened.
    pub name: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

impl NameError {
    fn new(name: &str, rule: &'static str) -> Self {
        Self { name: name.chars().take(MAX_PATH_CHARS + 8).collect(), rule }
    }
}

/// An id or a name as a part of a path: lower-case base32 (`a`–`z`, `2`–`7`) without padding.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathPart(Arc<str>);

impl PathPart {
    /// Checks that `name` is 3 to 64 characters of lower-case base32.
    ///
    /// # Errors
    /// [`NameError`] with the rule that is broken.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        if !(3..=64).contains(&name.len()) {
            return Err(NameError::new(name, "a name has 3 to 64 characters"));
        }
        if !is_base32(name) {
            return Err(NameError::new(name, "a name is lower-case base32"));
        }
        Ok(Self(name.into()))
    }

    /// The characters of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first two characters, which say the folder the object is in.
    #[must_use]
    pub fn shard(&self) -> &str {
        self.0.get(..2).unwrap_or_default()
    }
}

impl From<ObjectName> for PathPart {
    fn from(name: ObjectName) -> Self {
        Self(name.to_string().into())
    }
}

impl From<DeviceId> for PathPart {
    fn from(device: DeviceId) -> Self {
        Self(device.to_string().into())
    }
}

impl From<LibraryId> for PathPart {
    fn from(words: LibraryId) -> Self {
        Self(words.to_string().into())
    }
}

impl From<EpochId> for PathPart {
    fn from(epoch: EpochId) -> Self {
        Self(epoch.to_string().into())
    }
}

impl fmt::Display for PathPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for PathPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PathPart({})", self.0)
    }
}

impl FromStr for PathPart {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::parse(name)
    }
}

/// Which upload of an object this is: 0 the first, n the n-th repair under the name with `-n` behind it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u32);

/// The kinds of objects, each under its own first part of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Area {
    /// `root/<words id>`: root cards.
    Root,
    /// `keys/<epoch>/<recipient>`: wrapped epoch secrets.
    Keys,
    /// `log/<device>/<seq>`: history segments.
    Log,
    /// `head/<device>`: hints at the newest segment; the only objects that are replaced.
    Head,
    /// `remote/<library id>`: the id of the place itself.
    RemoteId,
    /// `ckpt/<name>`: roots of checkpoints.
    Checkpoint,
    /// `page/<hh>/<name>`: pages of checkpoints.
    Page,
    /// `o/<hh>/<name>`: parts of originals.
    Original,
    /// `t/<hh>/<id>`: packs of thumbnails.
    Thumbnails,
    /// `p/<hh>/<id>`: packs of previews.
    Previews,
    /// `s/<hh>/<id>`: packs of tiny originals.
    Small,
    /// `pair/<pairing>/<message>`: what two devices say while one lets the other in; gone or closed after minutes.
    Pairing,
    /// `inbox/<device>/<id>`: uploads of paired phones.
    Inbox,
    /// `share/<id>/<name>`: what a link shows.
    Share,
    /// `local/<id>`: append-only packs of renditions; only in a library folder, never on a remote.
    Local,
}

impl Area {
    /// All areas, in the order of SL1 §3.
    pub const ALL: [Self; 15] = [
        Self::Root,
        Self::Keys,
        Self::Log,
        Self::Head,
        Self::RemoteId,
        Self::Checkpoint,
        Self::Page,
        Self::Original,
        Self::Thumbnails,
        Self::Previews,
        Self::Small,
        Self::Pairing,
        Self::Inbox,
        Self::Share,
        Self::Local,
    ];

    /// The first part of the paths in this area.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Keys => "keys",
            Self::Log => "log",
            Self::Head => "head",
            Self::RemoteId => "remote",
            Self::Checkpoint => "ckpt",
            Self::Page => "page",
            Self::Original => "o",
            Self::Thumbnails => "t",
            Self::Previews => "p",
            Self::Small => "s",
            Self::Pairing => "pair",
            Self::Inbox => "inbox",
            Self::Share => "share",
            Self::Local => "local",
        }
    }

    const fn shape(self) -> Shape {
        match self {
            Self::Root | Self::Head | Self::RemoteId | Self::Checkpoint | Self::Local => Shape::Flat,
            Self::Keys | Self::Pairing | Self::Inbox | Self::Share => Shape::Owned,
            Self::Log => Shape::Sequence,
            Self::Page => Shape::Sharded { generations: false },
            Self::Original | Self::Thumbnails | Self::Previews | Self::Small => {
                Shape::Sharded { generations: true }
            }
        }
    }
}

/// How the rest of a path looks behind its area.
#[derive(Clone, Copy)]
enum Shape {
    /// `<name>`
    Flat,
    /// `<owner>/<name>`
    Owned,
    /// `<owner>/<ten digits>`
    Sequence,
    /// `<hh>/<name>[-<generation>]`
    Sharded { generations: bool },
}

/// The full name of an object in a place, for example `o/ab/abcdef…-2`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectPath {
    text: Arc<str>,
    area: Area,
}

impl ObjectPath {
    /// `<area>/<name>`, for root cards, heads, remote ids, checkpoints and local packs.
    ///
    /// # Errors
    /// [`NameError`] when paths of this area have another shape.
    pub fn flat(area: Area, name: &PathPart) -> Result<Self, NameError> {
        Self::parse(&format!("{}/{name}", area.as_str()))
    }

    /// `<area>/<owner>/<name>`, for keys, inbox items and shares.
    ///
    /// # Errors
    /// [`NameError`] when paths of this area have another shape.
    pub fn owned(area: Area, owner: &PathPart, name: &PathPart) -> Result<Self, NameError> {
        Self::parse(&format!("{}/{owner}/{name}", area.as_str()))
    }

    /// `<area>/<hh>/<name>[-<generation>]`, for originals, packs and pages.
    ///
    /// # Errors
    /// [`NameError`] when paths of this area have another shape or no generations.
    pub fn sharded(area: Area, name: &PathPart, generation: Generation) -> Result<Self, NameError> {
        let (area, shard) = (area.as_str(), name.shard());
        match generation {
            Generation(0) => Self::parse(&format!("{area}/{shard}/{name}")),
            Generation(n) => Self::parse(&format!("{area}/{shard}/{name}-{n}")),
        }
    }

    /// `o/<hh>/<name>`: a part of an original, first generation.
    #[must_use]
    pub fn original(name: ObjectName) -> Self {
        Self { text: format!("o/{}/{name}", name.shard()).into(), area: Area::Original }
    }

    /// `log/<device>/<sequence>`: a history segment. The number has ten digits, so that names sort.
    #[must_use]
    pub fn segment(device: DeviceId, sequence: u32) -> Self {
        Self { text: format!("log/{device}/{sequence:0SEQUENCE_DIGITS$}").into(), area: Area::Log }
    }

    /// Reads a path as a place lists it.
    ///
    /// # Errors
    /// [`NameError`] when it is not exactly one of SL1's shapes.
    pub fn parse(path: &str) -> Result<Self, NameError> {
        if path.len() > MAX_PATH_CHARS {
            return Err(NameError::new(path, "a path has at most 120 characters"));
        }
        let (first, rest) =
            path.split_once('/').ok_or_else(|| NameError::new(path, "a path begins with its area"))?;
        let area = Area::ALL
            .into_iter()
            .find(|area| area.as_str() == first)
            .ok_or_else(|| NameError::new(path, "the first part is not an area"))?;
        check_shape(area.shape(), rest).map_err(|rule| NameError::new(path, rule))?;
        Ok(Self { text: path.into(), area })
    }

    /// The whole path, with `/` between its parts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The kind of object.
    #[must_use]
    pub const fn area(&self) -> Area {
        self.area
    }

    /// The logical name: the last part without its generation, or the digits of a segment.
    #[must_use]
    pub fn name(&self) -> &str {
        let last = self.text.rsplit('/').next().unwrap_or_default();
        last.split_once('-').map_or(last, |(name, _)| name)
    }

    /// The upload that this is; 0 where the area has no generations.
    #[must_use]
    pub fn generation(&self) -> Generation {
        let last = self.text.rsplit('/').next().unwrap_or_default();
        Generation(last.split_once('-').and_then(|(_, digits)| digits.parse().ok()).unwrap_or(0))
    }

    /// The path without its last part, for example `o/ab`.
    #[must_use]
    pub fn folder(&self) -> &str {
        self.text.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for ObjectPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ObjectPath({})", self.text)
    }
}

impl FromStr for ObjectPath {
    type Err = NameError;

    fn from_str(path: &str) -> Result<Self, NameError> {
        Self::parse(path)
    }
}

fn check_shape(shape: Shape, rest: &str) -> Result<(), &'static str> {
    let name = |text: &str| match PathPart::parse(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.rule),
    };
    match (shape, rest.split_once('/')) {
        (Shape::Flat, None) => name(rest),
        (Shape::Owned, Some((owner, last))) => name(owner).and_then(|()| name(last)),
        (Shape::Sequence, Some((owner, digits))) => {
            name(owner)?;
            let ten_digits =
                digits.len() == SEQUENCE_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
            if ten_digits && digits.parse::<u32>().is_ok() {
                Ok(())
            } else {
                Err("a segment is numbered by ten digits, at most 4294967295")
            }
        }
        (Shape::Sharded { generations }, Some((shard, last))) => {
            let logical = match last.split_once('-') {
                Some(_) if !generations => return Err("objects of this area have no generations"),
                Some((logical, generation)) if is_generation(generation) => logical,
                Some(_) => return Err("a generation is a number from 1 without leading zeros"),
                None => last,
            };
            name(logical)?;
            if logical.get(..2) == Some(shard) {
                Ok(())
            } else {
                Err("the shard is not the beginning of the name")
            }
        }
        _ => Err("the path has too many or too few parts for its area"),
    }
}

fn is_base32(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
}

fn is_generation(digits: &str) -> bool {
    !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.parse::<u32>().is_ok()
}

/// A name that any [`Remote`](crate::Remote) can hold: UTF-8 parts between slashes, nothing empty, no `.`
/// or `..`, no control characters or backslashes, at most 1,024 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// Checks a name.
    ///
    /// # Errors
    /// [`NameError`] with the rule that is broken.
    pub fn parse(key: &str) -> Result<Self, NameError> {
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return Err(NameError::new(key, "a name has 1 to 1,024 bytes"));
        }
        if key.chars().any(|character| character.is_control() || character == '\\') {
            return Err(NameError::new(key, "a name has no control characters and no backslashes"));
        }
        for component in key.split('/') {
            match component {
                "" | "." | ".." => {
                    return Err(NameError::new(key, "no part of a name is empty, a dot or two dots"));
                }
                long if long.len() > MAX_COMPONENT_BYTES => {
                    return Err(NameError::new(key, "no part of a name is longer than 255 bytes"));
                }
                _ => {}
            }
        }
        Ok(Self(key.into()))
    }

    /// The name, with `/` between its parts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&ObjectPath> for Key {
    fn from(path: &ObjectPath) -> Self {
        Self(Arc::clone(&path.text))
    }
}

impl From<ObjectPath> for Key {
    fn from(path: ObjectPath) -> Self {
        Self(path.text)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({})", self.0)
    }
}

/// The beginning of names to list: nothing (everything), or whole parts such as `o` or `log/<device>`.
///
/// A prefix always ends at a slash, because a folder or a WebDAV collection cannot be listed by half a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Prefix(Option<Key>);

impl Prefix {
    /// All names.
    #[must_use]
    pub const fn everything() -> Self {
        Self(None)
    }

    /// All names below `folder`, which has no slash at its end.
    ///
    /// # Errors
    /// [`NameError`] when it cannot be the beginning of a name.
    pub fn below(folder: &str) -> Result<Self, NameError> {
        Key::parse(folder).map(|key| Self(Some(key)))
    }

    /// All objects of an area.
    #[must_use]
    pub fn area(area: Area) -> Self {
        Self(Some(Key(area.as_str().into())))
    }

    /// The folder, empty for everything.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_ref().map_or("", Key::as_str)
    }

    /// Whether a name is below this prefix.
    #[must_use]
    pub fn covers(&self, key: &Key) -> bool {
        self.0.as_ref().is_none_or(|folder| {
            key.as_str().strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_the_layout_is_read_back_as_written() {
        let object: ObjectName = "abcdefghijklmnopqrstuvwxyz234567".parse().expect("valid");
        let name = PathPart::from(object);
        let device = PathPart::from(DeviceId::from_bytes([7; 16]));
        let paths = [
            ObjectPath::original(object),
            ObjectPath::segment(DeviceId::from_bytes([7; 16]), u32::MAX),
            ObjectPath::flat(Area::Root, &name).expect("flat"),
            ObjectPath::flat(Area::Local, &name).expect("flat"),
            ObjectPath::flat(Area::RemoteId, &name).expect("flat"),
            ObjectPath::owned(Area::Keys, &device, &name).expect("owned"),
            ObjectPath::sharded(Area::Page, &name, Generation(0)).expect("sharded"),
            ObjectPath::sharded(Area::Thumbnails, &name, Generation(4_000_000_000)).expect("sharded"),
        ];
        for path in paths {
            assert_eq!(ObjectPath::parse(path.as_str()).expect("own shape"), path);
        }
        let repaired = ObjectPath::sharded(Area::Original, &name, Generation(7)).expect("sharded");
        assert_eq!(repaired.as_str(), "o/ab/abcdefghijklmnopqrstuvwxyz234567-7");
        assert_eq!((repaired.name(), repaired.generation()), (name.as_str(), Generation(7)));
        assert_eq!(repaired.folder(), "o/ab");
    }

    #[test]
    fn names_that_could_leave_the_place_or_collide_are_refused() {
        for bad in [
            "",
            "o",
            "o/",
            "/o/ab/abcd",
            "o/ab/../abcd",
            "o/ab/abcd/",
            "o/ac/abcd",
            "o/ab/ABCD",
            "o/ab/ab1d",
            "o/ab/abcd-0",
            "o/ab/abcd-01",
            "o/ab/abcd--1",
            "o/ab/abcd-4294967296",
            "page/ab/abcd-1",
            "q/ab/abcd",
            "log/device/1",
            "log/device/9999999999",
            "log/device/000000000a",
            "root/abc/def",
            "keys/abc",
            "o/ab/abcd\0",
            "tmp/abc",
        ] {
            assert!(ObjectPath::parse(bad).is_err(), "{bad:?} must be refused");
        }
        let long = format!("keys/{}/{}", "a".repeat(60), "b".repeat(60));
        assert!(ObjectPath::parse(&long).is_err(), "121 characters and more are refused");
    }

    #[test]
    fn a_generation_cannot_be_given_to_an_area_without_generations() {
        let name = PathPart::parse("abcd").expect("valid");
        assert!(ObjectPath::sharded(Area::Page, &name, Generation(1)).is_err());
        assert!(ObjectPath::flat(Area::Original, &name).is_err());
    }

    #[test]
    fn keys_keep_the_users_names_but_not_escapes() {
        assert!(Key::parse("ab/sha/Ferien 2024/Bild ä.jpg").is_ok());
        for bad in ["", "a//b", "a/./b", "a/../b", "/a", "a/", "a\\b", "a\nb", "a\u{7f}b"] {
            assert!(Key::parse(bad).is_err(), "{bad:?} must be refused");
        }
        assert!(Key::parse(&"x".repeat(256)).is_err());
    }

    #[test]
    fn a_prefix_covers_whole_parts_only() {
        let prefix = Prefix::below("log/abc").expect("valid");
        assert!(prefix.covers(&Key::parse("log/abc/0000000001").expect("valid")));
        assert!(!prefix.covers(&Key::parse("log/abcd/0000000001").expect("valid")));
        assert!(!prefix.covers(&Key::parse("log/abc").expect("valid")));
        assert!(Prefix::everything().covers(&Key::parse("x").expect("valid")));
    }
}
