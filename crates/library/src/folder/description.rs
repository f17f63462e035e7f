//! `library.toml`: which format the folder has and which library it is. Nothing in it is secret.
//!
//! It is written last when a library is made and read first when one is opened, so its presence means that
//! the rest is there. Its stamp is checked once the library is unlocked.

use std::path::Path;

use safelight_crypto::{Keyring, LibraryId};
use serde::{Deserialize, Serialize};

use crate::folder::FolderError;
use crate::folder::stamp::{looks_damaged, stamp, verified};

/// The file's name.
pub(crate) const DESCRIPTION: &str = "library.toml";
/// The newest format that this version reads and writes.
pub(crate) const FORMAT: u32 = 1;
/// What the stamp's key is for.
const PURPOSE: &str = "library.toml";
/// More than any description has.
const AT_MOST_BYTES: usize = 64 << 10;

/// What `library.toml` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Description {
    /// The version of the folder's format.
    pub(crate) format: u32,
    /// Which library this is.
    pub(crate) library: LibraryId,
    /// What a program must be able to do to touch the library.
    #[serde(default)]
    pub(crate) needs: Vec<String>,
}

/// Only this is read of a description before its format is known.
#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

impl Description {
    pub(crate) const fn new(library: LibraryId) -> Self {
        Self { format: FORMAT, library, needs: Vec::new() }
    }

    /// Reads a description without believing it yet, and says whether it is visibly damaged.
    ///
    /// A damaged stamp alone must not lock anybody out, so what can be read is read.
    pub(crate) fn parse(bytes: &[u8], folder: &Path) -> Result<(Self, bool), FolderError> {
        let damaged = |reason: String| FolderError::Damaged { path: folder.join(DESCRIPTION), reason };
        if bytes.len() > AT_MOST_BYTES {
            return Err(damaged("it is far too long".to_owned()));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| damaged(error.to_string()))?;
        let format =
            toml::from_str::<FormatOnly>(text).map_err(|error| damaged(error.message().to_owned()))?.format;
        if format > FORMAT {
            return Err(FolderError::NewerFormat { path: folder.to_owned(), found: format, known: FORMAT });
        }
        let description: Self = toml::from_str(text).map_err(|error| damaged(error.message().to_owned()))?;
        if let Some(feature) = description.needs.first() {
            return Err(FolderError::UnknownFeature { path: folder.to_owned(), feature: feature.clone() });
        }
        if format == 0 {
            return Err(damaged("there is no format 0".to_owned()));
        }
        Ok((description, looks_damaged(text)))
    }

    /// The file's text, guarded by a key of the keyring.
    pub(crate) fn to_text(&self, keyring: &Keyring) -> String {
        let body = format!(
            "# A Safelight library. Nothing in this file is secret; its last line guards it.\n\
             format = {}\nlibrary = \"{}\"\nneeds = []\n",
            self.format, self.library
        );
        stamp(&body, DESCRIPTION, self.library, &keyring.mac_key(PURPOSE))
    }

    /// Checks the stamp of the file's bytes.
    pub(crate) fn verify(bytes: &[u8], keyring: &Keyring) -> Result<(), String> {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        verified(text, DESCRIPTION, keyring.library(), &keyring.mac_key(PURPOSE))
            .map(drop)
            .map_err(|error| error.to_string())
    }
}

/// The library that a damaged description still names; to be proven by a key.
pub(crate) fn named_library(bytes: &[u8]) -> Option<LibraryId> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix("library = \"")?.strip_suffix('"')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use safelight_crypto::{RecoveryWords, SeededEntropy};

    use super::*;

    fn keyring() -> Keyring {
        let mut entropy = SeededEntropy::new(5);
        Keyring::create(&RecoveryWords::generate(&mut entropy), &mut entropy)
    }

    #[test]
    fn a_description_reads_back_and_is_guarded() {
        let keyring = keyring();
        let text = Description::new(keyring.library()).to_text(&keyring);
        let description = Description::parse(text.as_bytes(), Path::new("/l")).expect("reads back");
        assert_eq!(description, (Description::new(keyring.library()), false));
        assert_eq!(Description::verify(text.as_bytes(), &keyring), Ok(()));
        let altered = text.replace("needs = []", "needs = [ ]");
        let (_, is_suspect) =
            Description::parse(altered.as_bytes(), Path::new("/l")).expect("still plain TOML");
        assert!(is_suspect);
        assert!(Description::verify(altered.as_bytes(), &keyring).is_err());
    }

    #[test]
    fn newer_formats_and_unknown_needs_are_refused_with_the_next_step() {
        let text = Description::new(keyring().library()).to_text(&keyring());
        let newer = text.replace("format = 1", "format = 2\nsomething = \"new\"");
        let error = Description::parse(newer.as_bytes(), Path::new("/l")).expect_err("newer");
        assert!(matches!(error, FolderError::NewerFormat { found: 2, known: 1, .. }));
        assert!(error.hint().is_some_and(|hint| hint.contains("update")));
        let needs = text.replace("needs = []", "needs = [\"holograms\"]");
        let error = Description::parse(needs.as_bytes(), Path::new("/l")).expect_err("unknown need");
        assert!(matches!(error, FolderError::UnknownFeature { feature, .. } if feature == "holograms"));
        assert!(matches!(
            Description::parse(b"format = 0\n", Path::new("/l")),
            Err(FolderError::Damaged { .. })
        ));
        assert!(matches!(Description::parse(b"\xff\xfe", Path::new("/l")), Err(FolderError::Damaged { .. })));
    }
}
