//! Logical names: what an object's key binds. No shard, no place, no generation; stores add those to make
//! a path, so an object stays itself when it moves. Spec: sl1.md §3.1, §3.2.

use crate::ids::{DeviceId, EpochId, LibraryId, ObjectName, PairingId, base32};
use crate::inbox::InboxName;

/// Where a root card rests: `root/<words id>`.
#[must_use]
pub fn root_card(words: &LibraryId) -> String {
    format!("root/{words}")
}

/// A keys file: `keys/<epoch>/<recipient>`, the recipient being a device or the recovery words.
#[must_use]
pub fn keys_file(epoch: &EpochId, recipient: &crate::keys_file::Recipient) -> String {
    format!("keys/{epoch}/{recipient}")
}

/// A history segment: `log/<device>/<seq, ten digits>`.
#[must_use]
pub fn segment(device: &DeviceId, seq: u32) -> String {
    format!("log/{device}/{seq:010}")
}

/// A head hint: `head/<device>`.
#[must_use]
pub fn head(device: &DeviceId) -> String {
    format!("head/{device}")
}

/// The id of the remote that this object rests in: `remote/<library id>`.
#[must_use]
pub fn remote_id(library: &LibraryId) -> String {
    format!("remote/{library}")
}

/// A checkpoint: `ckpt/<name>`.
#[must_use]
pub fn checkpoint(name: &ObjectName) -> String {
    format!("ckpt/{name}")
}

/// A checkpoint page: `page/<name>`.
#[must_use]
pub fn page(name: &ObjectName) -> String {
    format!("page/{name}")
}

/// One part of an original: `o/<name>`.
#[must_use]
pub fn original(name: &ObjectName) -> String {
    format!("o/{name}")
}

/// What a device that invites says first: `pair/<pairing>/offer`.
#[must_use]
pub fn pairing_offer(pairing: &PairingId) -> String {
    format!("pair/{pairing}/offer")
}

/// What a new device answers: `pair/<pairing>/<a name of its own>`.
#[must_use]
pub fn pairing_ask(pairing: &PairingId, ask: &PairingId) -> String {
    format!("pair/{pairing}/{ask}")
}

/// What a device that invites had committed itself to: `pair/<pairing>/reveal`.
#[must_use]
pub fn pairing_reveal(pairing: &PairingId) -> String {
    format!("pair/{pairing}/reveal")
}

/// What a new device is told once it was let in: `pair/<pairing>/welcome`.
#[must_use]
pub fn pairing_welcome(pairing: &PairingId) -> String {
    format!("pair/{pairing}/welcome")
}

/// Where the library rests, for a new device that came over the local network: `pair/<pairing>/places`. It rests in no
/// place.
#[must_use]
pub fn pairing_places(pairing: &PairingId) -> String {
    format!("pair/{pairing}/places")
}

/// That a pairing ended: `pair/<pairing>/closed`.
#[must_use]
pub fn pairing_closed(pairing: &PairingId) -> String {
    format!("pair/{pairing}/closed")
}

/// A piece of an item that a device uploaded: `inbox/<device>/<u64(counter) ‖ u32(piece), in base32>`.
#[must_use]
pub fn inbox(name: &InboxName) -> String {
    let id = [name.counter.to_be_bytes().as_slice(), &name.piece.to_be_bytes()].concat();
    format!("inbox/{}/{}", name.device, base32(&id))
}

/// The keyring of a device, which never leaves it.
pub const KEYRING: &str = "keyring";
