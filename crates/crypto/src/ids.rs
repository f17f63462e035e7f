//! Names of things: content hashes, libraries, epochs, devices, keys, sealed objects.
//!
//! Each is its own type over a fixed number of bytes. As text an id is lower-case base32 (a content hash
//! hex, because that is how other tools print SHA-256); serde writes text to JSON and TOML and bytes to
//! CBOR. Parsing accepts exactly what printing makes. Spec: sl1.md §1.1.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::entropy::{Entropy, draw};
use crate::error::{CryptoError, Fault};

/// Lower-case RFC 4648 base32 without padding.
#[must_use]
pub fn base32(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

/// Reads what [`base32`] writes; `None` for anything else, upper case included.
#[must_use]
pub fn base32_decode(text: &str) -> Option<Vec<u8>> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok()
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn hex_decode(text: &str) -> Option<Vec<u8>> {
    HEXLOWER.decode(text.as_bytes()).ok()
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $what:literal, $encode:path, $decode:path) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// How many bytes it has.
            pub const LEN: usize = $len;

            /// Wraps the bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&$encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = CryptoError;

            fn from_str(text: &str) -> Result<Self, CryptoError> {
                $decode(text)
                    .and_then(|bytes| bytes.try_into().ok())
                    .map(Self)
                    .ok_or_else(|| Fault::BadField($what).of(text))
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = CryptoError;

            fn try_from(bytes: &[u8]) -> Result<Self, CryptoError> {
                bytes.try_into().map(Self).map_err(|_| Fault::BadField($what).of($what))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.serialize_str(&$encode(&self.0))
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Bytes;
                impl Visitor<'_> for Bytes {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, "{} of {} bytes", $what, $len)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }

                    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<$name, E> {
                        bytes.try_into().map($name).map_err(|_| E::invalid_length(bytes.len(), &self))
                    }
                }
                if deserializer.is_human_readable() {
                    deserializer.deserialize_str(Bytes)
                } else {
                    deserializer.deserialize_bytes(Bytes)
                }
            }
        }
    };
}

macro_rules! random_id {
    ($($name:ident),*) => {$(
        impl $name {
            /// Draws a fresh one.
            #[must_use]
            pub fn generate(entropy: &mut dyn Entropy) -> Self {
                Self(draw(entropy))
            }
        }
    )*};
}

id!(
    /// SHA-256 of an original's content: what a photo *is*, wherever it lies and whatever it is called.
    ContentHash, 32, "content hash", hex, hex_decode
);
id!(
    /// The id of recovery words: the first 20 bytes of SHA-256 over their two public keys. The words at
    /// a library's birth give the library its id.
    LibraryId, 20, "library id", base32, base32_decode
);
id!(
    /// A period under one set of secrets.
    EpochId, 16, "epoch id", base32, base32_decode
);
id!(
    /// One device of a library.
    DeviceId, 16, "device id", base32, base32_decode
);
id!(
    /// One way to unlock the keyring of this device.
    SlotId, 16, "slot id", base32, base32_decode
);
id!(
    /// Which secret an envelope is sealed under: an epoch, or a generation of the unlock key.
    KeyId, 16, "key id", base32, base32_decode
);
id!(
    /// One pairing of a new device, and the name of an ask in it.
    PairingId, 16, "pairing id", base32, base32_decode
);
id!(
    /// The 32 characters under which a sealed object rests, without shard, place or generation.
    ObjectName, 20, "object name", base32, base32_decode
);
random_id!(EpochId, DeviceId, SlotId, PairingId);

impl ContentHash {
    /// The hash of `content`.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self(crate::primitive::sha256(&[content]))
    }
}

impl ObjectName {
    /// The two characters of the folder that stores sort it into.
    #[must_use]
    pub fn shard(&self) -> String {
        let mut text = self.to_string();
        text.truncate(2);
        text
    }
}

impl From<EpochId> for KeyId {
    fn from(epoch: EpochId) -> Self {
        Self(epoch.0)
    }
}

impl From<PairingId> for KeyId {
    fn from(pairing: PairingId) -> Self {
        Self(pairing.0)
    }
}

impl From<KeyId> for EpochId {
    fn from(key: KeyId) -> Self {
        Self(key.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_text_in_json_and_reads_back() {
        let id = LibraryId::from_bytes([9; 20]);
        let json = serde_json::to_string(&id).expect("serializes");
        assert_eq!(json, format!("\"{}\"", "beeqscij".repeat(4)));
        assert_eq!(serde_json::from_str::<LibraryId>(&json).expect("parses"), id);
    }

    #[test]
    fn upper_case_and_wrong_lengths_are_refused() {
        let text = DeviceId::from_bytes([0xab; 16]).to_string();
        assert!(text.parse::<DeviceId>().is_ok());
        assert!(text.to_uppercase().parse::<DeviceId>().is_err());
        assert!(text[1..].parse::<DeviceId>().is_err());
        assert!("AA".repeat(32).parse::<ContentHash>().is_err());
    }
}
