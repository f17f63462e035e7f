//! The keyring: everything secret that a device keeps — its own keys, the epochs, the catalogue's key — in
//! one sealed file under the unlock key. Also the public halves of the recovery words, because every new
//! epoch must be wrapped to them without anybody typing them.
//!
//! Spec: sl1.md §1.8.

use zeroize::Zeroizing;

use crate::codec::{Reader, Writer};
use crate::device::Device;
use crate::entropy::Entropy;
use crate::envelope::{Kind, ObjectContext, Sealed, open, seal_under};
use crate::epoch::{Epoch, EpochSecrets, SealingSecret};
use crate::error::{Fault, Result};
use crate::ids::{EpochId, KeyId, LibraryId};
use crate::kem::{KEM_PUBLIC_LEN, KemPublic, KemSecret};
use crate::keys_file::{read_epochs, write_epochs};
use crate::mac::MacKey;
use crate::names::KEYRING;
use crate::primitive::hkdf_expand;
use crate::secret::{Secret, key};
use crate::sign::{SigningKey, VerifyingKey};
use crate::words::{RecoveryWords, WordsCard};

key!(
    /// Opens the keyring of one device; sealed to each of its key slots.
    UnlockKey
);
key!(
    /// Opens one of the encrypted databases of a device.
    DatabaseKey
);

const MAGIC: &[u8; 4] = b"SLKR";
const VERSION: u16 = 1;

impl UnlockKey {
    /// Which unlock key this is, without telling it: the key id in the keyring's header and in the slots.
    #[must_use]
    pub fn generation(&self) -> KeyId {
        KeyId::from_bytes(hkdf_expand(self.as_bytes(), &[b"safelight/1 unlock generation"]))
    }

    /// A key to authenticate what is stored beside the keyring, one for each `purpose`.
    #[must_use]
    pub fn mac_key(&self, purpose: &str) -> MacKey {
        MacKey::derive(&self.0, purpose)
    }
}

impl EpochSecrets for UnlockKey {
    fn sealing_secret(&self, key: &KeyId) -> Option<SealingSecret> {
        (self.generation() == *key).then(|| SealingSecret(self.0.expand(b"safelight/1 unlock sealing")))
    }
}

/// What a device must keep secret.
#[derive(Debug, Clone)]
pub struct Keyring {
    library: LibraryId,
    words: WordsCard,
    device: Device,
    /// The newest last; never empty.
    epochs: Vec<Epoch>,
    catalog_key: Secret,
}

impl Keyring {
    /// The keyring of a library's first device, with its first epoch.
    #[must_use]
    pub fn create(words: &RecoveryWords, entropy: &mut dyn Entropy) -> Self {
        let card = words.card();
        Self {
            library: card.id(),
            words: card,
            device: Device::generate(entropy),
            epochs: vec![Epoch::generate(entropy)],
            catalog_key: Secret::generate(entropy),
        }
    }

    /// The keyring of a device that joins, or that the words restore: a new device with the epochs that a
    /// keys file gave.
    ///
    /// # Errors
    /// When there is no epoch.
    pub fn join(
        library: LibraryId,
        words: WordsCard,
        epochs: Vec<Epoch>,
        entropy: &mut dyn Entropy,
    ) -> Result<Self> {
        Self::join_as(library, words, Device::generate(entropy), epochs, entropy)
    }

    /// The same for a device whose keys were made before: that of a pairing, which was admitted already.
    ///
    /// # Errors
    /// When there is no epoch.
    pub fn join_as(
        library: LibraryId,
        words: WordsCard,
        device: Device,
        epochs: Vec<Epoch>,
        entropy: &mut dyn Entropy,
    ) -> Result<Self> {
        if epochs.is_empty() {
            return Err(Fault::BadField("epochs").of(KEYRING));
        }
        Ok(Self { library, words, device, epochs, catalog_key: Secret::generate(entropy) })
    }

    /// The library.
    #[must_use]
    pub fn library(&self) -> LibraryId {
        self.library
    }

    /// The public halves of the recovery words in force.
    #[must_use]
    pub fn words(&self) -> &WordsCard {
        &self.words
    }

    /// Takes note of new recovery words, after a root statement named them.
    pub fn set_words(&mut self, words: WordsCard) {
        self.words = words;
    }

    /// This device.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Goes on as another device, which the one before admitted; everything else stays.
    pub fn go_on_as(&mut self, device: Device) {
        self.device = device;
    }

    /// All epochs whose secrets are held, the newest last.
    #[must_use]
    pub fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }

    /// The epoch that new objects are sealed under.
    #[must_use]
    #[expect(clippy::expect_used, reason = "every constructor makes sure of an epoch")]
    pub fn epoch(&self) -> &Epoch {
        self.epochs.last().expect("BUG: a keyring has an epoch")
    }

    /// The epoch with this id.
    #[must_use]
    pub fn epoch_by_id(&self, id: &EpochId) -> Option<&Epoch> {
        self.epochs.iter().find(|epoch| epoch.id() == *id)
    }

    /// Adds an epoch as the newest, unless it is there already.
    pub fn add_epoch(&mut self, epoch: Epoch) {
        if self.epoch_by_id(&epoch.id()).is_none() {
            self.epochs.push(epoch);
        }
    }

    /// Keeps the secret of an epoch that nothing is sealed under yet, unless it is there already.
    pub fn hold_epoch(&mut self, epoch: Epoch) {
        if self.epoch_by_id(&epoch.id()).is_none() {
            let before_the_newest = self.epochs.len().saturating_sub(1);
            self.epochs.insert(before_the_newest, epoch);
        }
    }

    /// Seals what is new under this epoch from now on. Answers whether its secret is held.
    pub fn seal_under(&mut self, id: &EpochId) -> bool {
        self.epochs.sort_by_key(|epoch| epoch.id() == *id);
        self.epoch().id() == *id
    }

    /// The key of `catalog.db`.
    #[must_use]
    pub fn catalog_key(&self) -> DatabaseKey {
        DatabaseKey(self.catalog_key.expand(b"safelight/1 catalog.db"))
    }

    /// The key of `device.db`.
    #[must_use]
    pub fn device_database_key(&self) -> DatabaseKey {
        DatabaseKey(self.catalog_key.expand(b"safelight/1 device.db"))
    }

    /// A key to authenticate local files such as `library.toml`, one for each `purpose`.
    #[must_use]
    pub fn mac_key(&self, purpose: &str) -> MacKey {
        MacKey::derive(&self.catalog_key, purpose)
    }

    /// Seals the keyring under `unlock_key`.
    ///
    /// # Errors
    /// None that a keyring can cause; sealing is fallible by type.
    pub fn to_sealed(&self, unlock_key: &UnlockKey, entropy: &mut dyn Entropy) -> Result<Sealed> {
        let content = Zeroizing::new(self.to_bytes());
        let generation = unlock_key.generation();
        let secret = SealingSecret(unlock_key.0.expand(b"safelight/1 unlock sealing"));
        let context = ObjectContext::named(self.library, KEYRING);
        seal_under(Kind::Keyring, generation, &secret, &context, &content, entropy)
    }

    /// Opens the keyring of `library`.
    ///
    /// # Errors
    /// [`Fault::UnknownKey`] when it is sealed under another unlock key; the first rule that it breaks.
    pub fn open(sealed: &[u8], library: LibraryId, unlock_key: &UnlockKey) -> Result<Self> {
        let context = ObjectContext::named(library, KEYRING);
        let content = Zeroizing::new(open(sealed, Kind::Keyring, unlock_key, &context)?);
        let keyring = Self::from_bytes(&content).map_err(|fault| fault.of(KEYRING))?;
        if keyring.library == library { Ok(keyring) } else { Err(Fault::BadField("library").of(KEYRING)) }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let writer = Writer::new()
            .raw(MAGIC)
            .u16(VERSION)
            .raw(self.library.as_bytes())
            .raw(self.words.verifying_key.as_bytes())
            .raw(self.words.kem_public.as_bytes())
            .raw(self.device.signing_key().seed().as_bytes())
            .raw(self.device.kem_secret().seed().as_bytes())
            .raw(self.catalog_key.as_bytes());
        write_epochs(writer, &self.epochs).finish()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes);
        reader.magic(MAGIC)?;
        match reader.u16()? {
            VERSION => {}
            other => return Err(Fault::UnknownVersion(other)),
        }
        let library = LibraryId::from_bytes(reader.array()?);
        let words = WordsCard {
            verifying_key: VerifyingKey::from_bytes(reader.array()?),
            kem_public: KemPublic::from_bytes(reader.raw(KEM_PUBLIC_LEN)?)?,
        };
        let signing_key = SigningKey::from_seed(&Secret::from_bytes(reader.array()?));
        let kem_secret = KemSecret::from_seed(Secret::from_bytes(reader.array()?));
        let catalog_key = Secret::from_bytes(reader.array()?);
        let epochs = read_epochs(&mut reader)?;
        reader.finish()?;
        if epochs.is_empty() {
            return Err(Fault::BadField("epochs"));
        }
        Ok(Self { library, words, device: Device::from_keys(signing_key, kem_secret), epochs, catalog_key })
    }
}

impl EpochSecrets for Keyring {
    fn sealing_secret(&self, key: &KeyId) -> Option<SealingSecret> {
        self.epochs.as_slice().sealing_secret(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn a_keyring_opens_under_its_unlock_key_and_under_no_other() {
        let mut entropy = SeededEntropy::new(8);
        let words = RecoveryWords::generate(&mut entropy);
        let mut keyring = Keyring::create(&words, &mut entropy);
        keyring.add_epoch(Epoch::generate(&mut entropy));
        let unlock_key = UnlockKey::generate(&mut entropy);
        let sealed = keyring.to_sealed(&unlock_key, &mut entropy).expect("seals");

        let opened = Keyring::open(sealed.as_bytes(), keyring.library(), &unlock_key).expect("opens");
        assert_eq!(opened.device().card(), keyring.device().card());
        assert_eq!(opened.epoch().id(), keyring.epoch().id());
        assert_eq!(opened.epochs().len(), 2);
        assert_eq!(opened.catalog_key().as_bytes(), keyring.catalog_key().as_bytes());
        assert_ne!(opened.catalog_key().as_bytes(), keyring.device_database_key().as_bytes());

        let other = UnlockKey::generate(&mut entropy);
        let error = Keyring::open(sealed.as_bytes(), keyring.library(), &other).expect_err("another key");
        assert!(error.is_wrong_key(), "{error}");
        let error = Keyring::open(sealed.as_bytes(), LibraryId::from_bytes([0; 20]), &unlock_key);
        assert_eq!(error.expect_err("another library").fault(), Some(&Fault::WrongContext));
    }

    #[test]
    fn an_epoch_is_held_before_anything_is_sealed_under_it() {
        let mut entropy = SeededEntropy::new(10);
        let mut keyring = Keyring::create(&RecoveryWords::generate(&mut entropy), &mut entropy);
        let first = keyring.epoch().id();
        let next = Epoch::generate(&mut entropy);
        for _ in 0..2 {
            keyring.hold_epoch(next.clone());
            assert_eq!((keyring.epoch().id(), keyring.epochs().len()), (first, 2));
        }
        assert!(keyring.seal_under(&next.id()));
        assert_eq!(keyring.epoch().id(), next.id());
        assert!(!keyring.seal_under(&EpochId::from_bytes([9; 16])), "its secret is not here");
        assert_eq!(keyring.epoch().id(), next.id());
        assert!(keyring.seal_under(&first));
        assert_eq!(keyring.epochs().iter().map(Epoch::id).collect::<Vec<_>>(), [next.id(), first]);
    }

    #[test]
    fn nothing_secret_is_printed() {
        let mut entropy = SeededEntropy::new(9);
        let words = RecoveryWords::generate(&mut entropy);
        let keyring = Keyring::create(&words, &mut entropy);
        let unlock_key = UnlockKey::generate(&mut entropy);
        let printed = format!("{words:?} {keyring:?} {unlock_key:?} {:?}", keyring.catalog_key());
        let first = |bytes: &[u8]| {
            [data_encoding::HEXLOWER.encode(&bytes[..4]), format!("{}, {}, {}", bytes[0], bytes[1], bytes[2])]
        };
        let device = keyring.device();
        let secrets = [
            *unlock_key.as_bytes(),
            *keyring.epoch().secret().as_bytes(),
            *device.signing_key().seed().as_bytes(),
            *device.kem_secret().seed().as_bytes(),
            *keyring.catalog_key().as_bytes(),
        ];
        for text in secrets.iter().flat_map(|secret| first(secret)) {
            assert!(!printed.contains(&text), "{text} in {printed}");
        }
        assert!(words.words().iter().all(|word| !printed.contains(&format!(" {word} "))));
    }
}
