//! The kinds of places that can be connected, as a form offers them.

use serde::Serialize;

/// A kind of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct RemoteKind {
    /// What its addresses begin with.
    pub kind: &'static str,
    /// An address.
    pub example: &'static str,
    /// `needed`, `optional`, or none where nothing opens it but the machine's own rights.
    pub credential: Option<&'static str>,
    /// A credential, as a credential file holds it.
    pub credential_example: &'static str,
    /// Whether somebody signs in to it in a browser, which only the terminal does.
    pub sign_in: bool,
}

const fn kind(
    kind: &'static str,
    example: &'static str,
    credential: Option<&'static str>,
    credential_example: &'static str,
) -> RemoteKind {
    RemoteKind { kind, example, credential, credential_example, sign_in: false }
}

const fn cloud(kind: &'static str, example: &'static str) -> RemoteKind {
    RemoteKind { kind, example, credential: Some("needed"), credential_example: "", sign_in: true }
}

/// The kinds of places, those first that most people have.
pub const REMOTE_KINDS: [RemoteKind; 8] = [
    kind("folder", "folder:/media/disk/photos", None, ""),
    kind("azure", "azure://account/container", Some("optional"), "sv=…&sp=rcl&sig=…"),
    kind(
        "s3",
        "s3://bucket/photos?endpoint=https://s3.example",
        Some("needed"),
        "access_key_id = …\nsecret_access_key = …",
    ),
    kind("webdavs", "webdavs://host/photos", Some("needed"), "user = …\npassword = …"),
    kind("sftp", "sftp://user@host/photos", Some("optional"), "password = …"),
    cloud("dropbox", "dropbox:/Photos"),
    cloud("gdrive", "gdrive:/Photos"),
    cloud("onedrive", "onedrive:/Photos"),
];

/// The kind of an address, if it is known.
#[must_use]
pub fn remote_kind(address: &str) -> Option<RemoteKind> {
    let word = address.trim().split(':').next().unwrap_or_default();
    REMOTE_KINDS.into_iter().find(|kind| kind.kind == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::at::parse_address;

    #[test]
    fn every_example_is_an_address_that_can_be_connected() {
        for kind in REMOTE_KINDS {
            assert!(parse_address(kind.example).is_ok(), "{}", kind.example);
            assert_eq!(remote_kind(kind.example), Some(kind));
        }
        assert_eq!(remote_kind("gopher://host"), None);
    }
}
