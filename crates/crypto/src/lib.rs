//! The SL1 format's keys, envelope, signatures and wraps. No I/O, no clock; randomness comes in through
//! [`Entropy`]. Also builds for wasm32. The words are those of `docs/spec/sl1.md`, which fixes every byte.
//!
//! From the top down:
//! - [`RecoveryWords`] are the root of a library; a [`Device`] has its own keys; an [`Epoch`] has the
//!   secrets that everything is sealed under and named with.
//! - A [`Keyring`] holds what a device must keep, sealed under an [`UnlockKey`], which is sealed to each [`Slot`].
//! - [`OriginalSealer`] and [`OriginalOpener`] stream originals; [`seal`] and [`open`] handle what fits in
//!   memory; [`Opener`] opens ranges.

#![forbid(unsafe_code)]

mod card;
mod codec;
mod device;
mod entropy;
mod envelope;
mod epoch;
mod error;
mod good;
mod ids;
mod inbox;
mod kem;
mod keyring;
mod keys_file;
mod mac;
pub mod names;
mod pack;
mod pairing;
mod passkey;
mod passphrase;
mod primitive;
mod roster;
mod secret;
mod shares;
mod sign;
mod slot;
mod statement;
mod words;
mod wrap;

pub use card::{BASE_FORMAT, RootCard, statements_hash};
pub use device::{DEVICE_CARD_LEN, Device, DeviceCard};
#[cfg(not(target_arch = "wasm32"))]
pub use entropy::OsEntropy;
pub use entropy::{Entropy, SeededEntropy};
pub use envelope::{
    ENTRY_UNIT, Geometry, HEADER_LEN, Kind, MAX_CONTENT_LEN, MIN_CARRIED_LEN, MIN_ORIGINAL_LEN,
    ObjectContext, Opener, OriginalOpener, OriginalSealer, PART_LEN, PREFIX_LEN, PartSink, Prefix, Sealed,
    SealedOriginal, SealedPart, SegmentSize, open, open_from, open_original, original_part_names,
    original_parts, padded_original, padme, part_content_range, seal, seal_original, seal_to, seal_under,
    sealed_original_len,
};
pub use epoch::{Epoch, EpochSecrets, NamingKey, SealingSecret};
pub use error::{CryptoError, Fault, Result};
pub use ids::{
    ContentHash, DeviceId, EpochId, KeyId, LibraryId, ObjectName, PairingId, SlotId, base32, base32_decode,
};
pub use inbox::{
    INBOX_PIECE_LEN, InboxKey, InboxManifest, InboxName, InboxWelcome, MOST_INBOX_OBJECT, MOST_INBOX_PIECES,
    SignedInboxHead, UploadIdentity, further_pieces, open_inbox_piece, piece_range, seal_inbox_head,
    seal_inbox_piece,
};
pub use kem::{ENCAPSULATION_LEN, KEM_PUBLIC_LEN, KemPublic, KemSecret};
pub use keyring::{DatabaseKey, Keyring, UnlockKey};
pub use keys_file::{Recipient, open_keys_file, seal_keys_file};
pub use mac::MacKey;
pub use pack::{
    EntryName, EntryRecord, FRAME_LEN, FRAME_PROBE_LEN, LOCAL_PACK_HEADER, LocalEntry, LocalPackScan,
    PACK_TAIL_LEN, PackEntryPlace, PackIndex, PackTier, PackWriter, SealedEntry, SealedPack,
    entry_sealed_len, frame_of_stored, open_entry, pack_index_range, read_frame, scan_local_pack, seal_entry,
};
pub use pairing::{
    Ask, CODE_WORDS, Closing, Offer, PAIRING_TRIES, PairingCode, PairingKey, PairingPlace, PairingPlaces,
    Reveal, Welcome, pairing_words,
};
pub use passkey::{Passkey, PasskeyQuestion};
pub use passphrase::PassphraseCost;
pub use primitive::{Sha256, sha256};
pub use roster::{AnnouncedEpoch, Member, Roster, Standing};
pub use secret::SecretBytes;
pub use shares::{MOST_SHARES, SHARE_WORD_COUNT, Share};
pub use sign::{Domain, SIGNATURE_LEN, Signature, SigningKey, VerifyingKey};
pub use slot::{Slot, SlotKind, SlotSecret};
pub use statement::{Author, Statement, StatementBody, StatementId};
pub use words::{RecoveryWords, WORD_COUNT, WordsCard, number_of_word, word_of};
pub use wrap::{KeyWrap, StoreError};
