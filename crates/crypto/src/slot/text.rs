//! A slot as text, for TOML and JSON files.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::{SEALED_LEN, Slot, SlotKind, VERSION, WRAPPED_LIMIT, slot_error};
use crate::error::{CryptoError, Fault};
use crate::ids::{KeyId, SlotId};
use crate::kem::KemPublic;
use crate::passphrase::PassphraseCost;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SlotText {
    version: u16,
    id: SlotId,
    kind: SlotKind,
    label: String,
    generation: KeyId,
    salt: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wrapped_secret: Option<String>,
    public_key: String,
    sealed: String,
    mac: String,
    // A table, so it comes last in TOML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cost: Option<PassphraseCost>,
}

impl From<Slot> for SlotText {
    fn from(slot: Slot) -> Self {
        Self {
            version: VERSION,
            id: slot.id,
            kind: slot.kind,
            label: slot.label,
            generation: slot.generation,
            salt: BASE64.encode(&slot.salt),
            wrapped_secret: slot.wrapped_secret.map(|wrapped| BASE64.encode(&wrapped)),
            public_key: BASE64.encode(slot.public_key.as_bytes()),
            sealed: BASE64.encode(slot.sealed.as_slice()),
            mac: BASE64.encode(&slot.mac),
            cost: slot.cost,
        }
    }
}

impl TryFrom<SlotText> for Slot {
    type Error = CryptoError;

    fn try_from(text: SlotText) -> Result<Self, CryptoError> {
        let id = text.id;
        parse(text).map_err(|fault| slot_error(id, fault))
    }
}

fn parse(text: SlotText) -> Result<Slot, Fault> {
    if text.version != VERSION {
        return Err(Fault::UnknownVersion(text.version));
    }
    if (text.kind == SlotKind::Passphrase) != text.cost.is_some() {
        return Err(Fault::BadField("cost"));
    }
    if text.kind.is_store() != text.wrapped_secret.is_some() {
        return Err(Fault::BadField("wrapped_secret"));
    }
    if let Some(cost) = text.cost {
        cost.check()?;
    }
    let wrapped_secret = text.wrapped_secret.as_deref().map(|wrapped| bytes("wrapped_secret", wrapped));
    let wrapped_secret = wrapped_secret.transpose()?;
    if wrapped_secret.as_ref().is_some_and(|wrapped| wrapped.len() > WRAPPED_LIMIT) {
        return Err(Fault::TooLarge);
    }
    Ok(Slot {
        id: text.id,
        kind: text.kind,
        label: text.label,
        generation: text.generation,
        cost: text.cost,
        salt: array("salt", &text.salt)?,
        public_key: KemPublic::from_bytes(&bytes("public_key", &text.public_key)?)?,
        wrapped_secret,
        sealed: Box::new(array::<SEALED_LEN>("sealed", &text.sealed)?),
        mac: array("mac", &text.mac)?,
    })
}

fn bytes(field: &'static str, text: &str) -> Result<Vec<u8>, Fault> {
    BASE64.decode(text.as_bytes()).map_err(|_| Fault::BadField(field))
}

fn array<const N: usize>(field: &'static str, text: &str) -> Result<[u8; N], Fault> {
    bytes(field, text)?.try_into().map_err(|_| Fault::BadField(field))
}
