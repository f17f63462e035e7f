//! The side of the device that invites.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use safelight_crypto::{
    Ask, Closing, DeviceId, Entropy, InboxKey, InboxWelcome, Offer, PAIRING_TRIES, PairingCode, PairingId,
    PairingKey, PairingPlace, PairingPlaces, Reveal, Welcome, names, pairing_words,
};
use safelight_model::history::SixWords;
use safelight_model::{EntityId, Target, Uploader};
use safelight_store::{SealedRemote, StoreError};

use super::admission::{Admitted, admit, require_membership};
use super::lan::Board;
use super::{PairingRefusal, clear_left_over, get, listed, put_new, remove};
use crate::error::{Result, SyncError};
use crate::here::{Here, RemotePlace};
use crate::history::{is_published, sync_history};
use crate::keys::path_of;

/// How long an invitation is open.
pub const PAIRING_MILLIS: u64 = 600_000;

/// An invitation that is open in a place. It ends with [`admit`](Self::admit) or [`close`](Self::close); one that is
/// forgotten ends by itself, for nobody but its maker admits anybody.
#[derive(Debug)]
#[must_use = "an invitation is open until it is closed"]
pub struct Invitation {
    code: PairingCode,
    key: PairingKey,
    offer: Offer,
    bytes: Bytes,
    nonce: [u8; 32],
    wrong: BTreeSet<PairingId>,
    /// The same of the local network: anybody there can leave what does not open.
    wrong_near: BTreeSet<PairingId>,
    /// Where the same is said to whoever is on the local network, and the places that a new device from there is told.
    lan: Option<(Arc<Board>, Vec<PairingPlace>)>,
}

/// What one look found.
#[derive(Debug)]
pub enum Looked {
    /// Nobody yet.
    Nothing,
    /// Somebody tried another code; so many tries are left.
    WrongTry {
        /// Tries that are left.
        left: usize,
    },
    /// The same on the local network. Where no try is left, the invitation is over there, and goes on in the place.
    WrongTryNear {
        /// Tries that are left.
        left: usize,
    },
    /// A device asks, and both sides can show the words now.
    Asked(Box<Asked>),
}

/// A device that asks to be let in.
#[derive(Debug)]
pub struct Asked {
    pub(super) ask: Ask,
    /// The words that its screen shows as well, if nobody stands between.
    pub six_words: String,
}

impl Asked {
    /// The device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.ask.device.id()
    }

    /// What it would be called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.ask.name
    }
}

impl Invitation {
    /// Puts an offer into a place, after the history there was read: a device that was revoked meanwhile invites nobody.
    ///
    /// # Errors
    /// [`PairingRefusal::InviterLeft`]; what the place and the databases answer.
    pub async fn open(here: &mut Here<'_>, at: &RemotePlace, name: &str) -> Result<Self> {
        let report = sync_history(here, at).await?;
        let roster = require_membership(here, &report)?;
        let now = (here.now)();
        clear_left_over(&at.store, now).await?;
        let code = PairingCode::generate(here.entropy);
        let key = PairingKey::derive(&code, PairingId::generate(here.entropy));
        let keyring = here.keys.keyring().clone();
        let ids = (keyring.library(), roster.words().id());
        let expires = now.saturating_add(PAIRING_MILLIS);
        let (offer, nonce, sealed) = Offer::seal(&key, ids, keyring.device(), expires, name, here.entropy)?;
        let bytes = Bytes::copy_from_slice(sealed.as_bytes());
        put_new(&at.store, &names::pairing_offer(&key.id()), sealed).await?;
        Ok(Self {
            code,
            key,
            offer,
            bytes,
            nonce,
            wrong: BTreeSet::new(),
            wrong_near: BTreeSet::new(),
            lan: None,
        })
    }

    /// The code that the new device needs.
    #[must_use]
    pub fn code(&self) -> &PairingCode {
        &self.code
    }

    /// When it ends, in milliseconds since 1970.
    #[must_use]
    pub fn expires_millis(&self) -> u64 {
        self.offer.expires_millis
    }

    /// Says everything on a board as well, for whoever is on the local network, and hears who asks there. A device that comes
    /// from there is told these places; the first has to be the one that the invitation is open in.
    pub fn also_on_board(&mut self, places: Vec<PairingPlace>) -> Arc<Board> {
        let board = Arc::new(Board::new(self.key.id()));
        board.say(names::pairing_offer(&self.key.id()), self.bytes.clone());
        self.lan = Some((Arc::clone(&board), places));
        board
    }

    /// Looks once whether somebody asks, in the place and on the local network, and answers the first ask that opens. Those
    /// that do not are counted, each way by itself: three in the place end the invitation, three on the network end it there.
    ///
    /// # Errors
    /// [`PairingRefusal::Expired`], [`PairingRefusal::TooManyTries`], [`PairingRefusal::Exchanged`]; then the invitation is
    /// closed. What the place answers.
    pub async fn look(&mut self, here: &mut Here<'_>, store: &SealedRemote) -> Result<Looked> {
        if (here.now)() >= self.offer.expires_millis {
            return self.refuse(store, Closing::Expired, PairingRefusal::Expired, here.entropy).await;
        }
        let object = names::pairing_offer(&self.key.id());
        if get(store, &object).await?.is_some_and(|there| there != self.bytes) {
            let refusal = PairingRefusal::Exchanged { object, place: store.label().to_owned() };
            return self.refuse(store, Closing::CalledOff, refusal, here.entropy).await;
        }
        for (id, path, _) in listed(store).await? {
            let Ok(name) = path.name().parse::<PairingId>() else { continue };
            if id != self.key.id() || self.wrong.contains(&name) {
                continue;
            }
            let Some(bytes) = get(store, path.as_str()).await? else { continue };
            return self.answer(here, store, (name, &bytes)).await;
        }
        self.look_near(here, store).await
    }

    /// The same on the local network, where one that opens comes before all that do not.
    async fn look_near(&mut self, here: &mut Here<'_>, store: &SealedRemote) -> Result<Looked> {
        let Some((board, _)) = self.lan.clone() else { return Ok(Looked::Nothing) };
        let mut wrong = None;
        for (name, bytes) in board.asks() {
            if self.wrong_near.contains(&name) {
                continue;
            }
            if let Ok(ask) = Ask::open(&self.key, &name, &self.offer, &bytes) {
                let looked = self.reveal(here, store, ask).await?;
                board.expect_reader(name);
                return Ok(looked);
            }
            wrong = wrong.or(Some(name));
        }
        let Some(name) = wrong else { return Ok(Looked::Nothing) };
        self.wrong_near.insert(name);
        let left = PAIRING_TRIES.saturating_sub(self.wrong_near.len());
        if left == 0 {
            let sealed = Closing::TooManyTries.seal(&self.key, here.entropy)?;
            let message = Bytes::copy_from_slice(sealed.as_bytes());
            self.say_on_board(&names::pairing_closed(&self.key.id()), message);
            self.lan = None;
        }
        Ok(Looked::WrongTryNear { left })
    }

    /// Answers an ask that opens, and counts one that does not.
    async fn answer(
        &mut self,
        here: &mut Here<'_>,
        store: &SealedRemote,
        (name, bytes): (PairingId, &[u8]),
    ) -> Result<Looked> {
        let Ok(ask) = Ask::open(&self.key, &name, &self.offer, bytes) else {
            self.wrong.insert(name);
            let left = PAIRING_TRIES.saturating_sub(self.wrong.len());
            if left == 0 {
                let refusal = PairingRefusal::TooManyTries;
                return self.refuse(store, Closing::TooManyTries, refusal, here.entropy).await;
            }
            return Ok(Looked::WrongTry { left });
        };
        self.reveal(here, store, ask).await
    }

    /// Tells the device that asks what was promised to it.
    async fn reveal(&self, here: &mut Here<'_>, store: &SealedRemote, ask: Ask) -> Result<Looked> {
        let device = here.keys.keyring().device().clone();
        let (reveal, sealed) = Reveal::seal(&self.key, &ask, self.nonce, &device, here.entropy)?;
        let object = names::pairing_reveal(&self.key.id());
        self.say(store, object, sealed, here.entropy).await?;
        let six_words = pairing_words(&self.offer, &ask, &reveal);
        Ok(Looked::Asked(Box::new(Asked { ask, six_words })))
    }

    /// Lets the device in whose words a person found to be the same: it is admitted, gets a keys file with the secrets of all
    /// epochs, both are published, and it is told so. `storage` is a credential for it, if it shall have one from here.
    ///
    /// # Errors
    /// [`PairingRefusal::Expired`], [`PairingRefusal::InviterLeft`]; what the place and the databases answer.
    pub async fn admit(
        self,
        here: &mut Here<'_>,
        at: &RemotePlace,
        asked: &Asked,
        storage: Vec<u8>,
    ) -> Result<Admitted> {
        if (here.now)() >= self.offer.expires_millis {
            return self.refuse(&at.store, Closing::Expired, PairingRefusal::Expired, here.entropy).await;
        }
        let report = sync_history(here, at).await?;
        if let Err(error) = require_membership(here, &report) {
            self.close(&at.store, Closing::CalledOff, here.entropy).await?;
            return Err(error);
        }
        let (epoch, keys_file, admitted) = admit(here, asked)?;
        sync_history(here, at).await?;
        if !is_published(here, at)? {
            let reason =
                "the admission could not be published; the new device is to be invited again".to_owned();
            return Err(SyncError::Keys { reason });
        }
        let history = SixWords::of(here.library(), &here.catalog.ends()?).to_string();
        self.tell_places(here, asked)?;
        let welcome = Welcome::new(&asked.ask, epoch, keys_file, history, storage);
        let device = here.keys.keyring().device().clone();
        let sealed = welcome.seal(self.key.id(), &asked.ask, &device, here.entropy)?;
        let object = names::pairing_welcome(&self.key.id());
        self.say(&at.store, object, sealed, here.entropy).await?;
        self.close(&at.store, Closing::Used, here.entropy).await?;
        Ok(admitted)
    }

    /// Lets the device in that may only upload: it is given the public inbox key and no secret of the library, and the library
    /// says who it is, with how much of it is taken in on one day.
    ///
    /// # Errors
    /// As [`Invitation::admit`].
    pub async fn admit_to_upload(
        self,
        here: &mut Here<'_>,
        at: &RemotePlace,
        asked: &Asked,
        (items_a_day, bytes_a_day): (u64, u64),
        storage: Vec<u8>,
    ) -> Result<DeviceId> {
        if (here.now)() >= self.offer.expires_millis {
            return self.refuse(&at.store, Closing::Expired, PairingRefusal::Expired, here.entropy).await;
        }
        let report = sync_history(here, at).await?;
        let roster = match require_membership(here, &report) {
            Ok(roster) => roster,
            Err(error) => {
                self.close(&at.store, Closing::CalledOff, here.entropy).await?;
                return Err(error);
            }
        };
        let announced = roster.sealing_epoch().map(|announced| announced.epoch);
        let epoch = announced.and_then(|epoch| here.keys.keyring().epoch_by_id(&epoch).cloned());
        let epoch = epoch.ok_or_else(|| SyncError::Keys {
            reason: "the keys of the newest epoch are not here yet: sync first".to_owned(),
        })?;
        let now = (here.now)();
        let card = asked.ask.device.clone();
        let device = card.id();
        let uploader = Uploader { card, since_millis: now, items_a_day, bytes_a_day };
        let record = here.catalog.record(&EntityId::Library)?.unwrap_or_default();
        let body = record.write_field(Target::Library, Uploader::field(device), uploader.to_value());
        here.catalog.append(now, vec![body])?;
        sync_history(here, at).await?;
        if !is_published(here, at)? {
            let reason = "that it may upload could not be published; the device is to be invited again";
            return Err(SyncError::Keys { reason: reason.to_owned() });
        }
        self.tell_places(here, asked)?;
        let welcome = InboxWelcome::new(&asked.ask, InboxKey::of(&epoch), storage);
        let own = here.keys.keyring().device().clone();
        let sealed = welcome.seal(self.key.id(), &asked.ask, &own, here.entropy)?;
        self.say(&at.store, names::pairing_welcome(&self.key.id()), sealed, here.entropy).await?;
        self.close(&at.store, Closing::Used, here.entropy).await?;
        Ok(device)
    }

    /// Ends the invitation: the card that says so first, then what is open is removed, where the place can.
    ///
    /// # Errors
    /// What the place answers.
    pub async fn close(
        &self,
        store: &SealedRemote,
        closing: Closing,
        entropy: &mut dyn Entropy,
    ) -> Result<()> {
        let sealed = closing.seal(&self.key, entropy)?;
        let object = names::pairing_closed(&self.key.id());
        self.say_on_board(&object, Bytes::copy_from_slice(sealed.as_bytes()));
        put_new(store, &object, sealed).await?;
        for (id, path, _) in listed(store).await? {
            // Whoever was let in may read its words only now: where nobody compares, the end comes at once.
            let stays = ["closed", "reveal", "welcome"].contains(&path.name()) && closing == Closing::Used
                || path.name() == "closed";
            if id == self.key.id() && !stays {
                remove(store, &path).await?;
            }
        }
        Ok(())
    }

    /// Tells a device on the local network where the library rests, before it is welcomed.
    fn tell_places(&self, here: &mut Here<'_>, asked: &Asked) -> Result<()> {
        let Some((board, places)) = &self.lan else { return Ok(()) };
        let (id, device) = (self.key.id(), here.keys.keyring().device().clone());
        let places = PairingPlaces::new(&asked.ask, places.clone())?;
        let sealed = places.seal(id, &asked.ask, &device, here.entropy)?;
        board.say(names::pairing_places(&id), Bytes::copy_from_slice(sealed.as_bytes()));
        Ok(())
    }

    fn say_on_board(&self, object: &str, message: Bytes) {
        if let Some((board, _)) = &self.lan {
            board.say(object.to_owned(), message);
        }
    }

    /// Puts a message where nothing of somebody else's may lie, and on the board.
    async fn say(
        &self,
        store: &SealedRemote,
        object: String,
        sealed: safelight_crypto::Sealed,
        entropy: &mut dyn Entropy,
    ) -> Result<()> {
        let ours = Bytes::copy_from_slice(sealed.as_bytes());
        match store.put(&path_of(&object)?, &sealed.into(), None).await {
            Ok(_) => {
                self.say_on_board(&object, ours);
                Ok(())
            }
            // A reply that was lost.
            Err(StoreError::AlreadyExists { .. })
                if get(store, &object).await?.is_some_and(|there| there == ours) =>
            {
                self.say_on_board(&object, ours);
                Ok(())
            }
            Err(StoreError::AlreadyExists { .. }) => {
                let refusal = PairingRefusal::Exchanged { object, place: store.label().to_owned() };
                self.refuse(store, Closing::CalledOff, refusal, entropy).await
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn refuse<T>(
        &self,
        store: &SealedRemote,
        closing: Closing,
        refusal: PairingRefusal,
        entropy: &mut dyn Entropy,
    ) -> Result<T> {
        self.close(store, closing, entropy).await?;
        Err(refusal.into())
    }
}
