//! A device that lets another in by a code, and one that is let in.

use safelight_crypto::{
    Entropy as _, Keyring, PairingCode, Recipient, SeededEntropy, Welcome, names, seal_keys_file,
};
use safelight_store::SealedRemote;
use safelight_sync::{
    Admitted, Asked, Asking, Here, Invitation, Looked, RemotePlace, SyncError, answer_invitation,
    confirm_admission, find_library_as,
};

use super::{Broken, SimDevice, drive};
use crate::chance::Chance;

/// What a step of a pairing came to; none if whoever took it was killed at it.
pub(crate) type Stepped<T> = Option<Result<T, SyncError>>;

/// A new device that is not let in yet: it has a code, and keeps nothing on its disk.
pub(crate) struct Newcomer {
    entropy: SeededEntropy,
    now: u64,
    pub(crate) asking: Option<Asking>,
    pub(crate) words: Option<String>,
    pub(crate) welcome: Option<Welcome>,
}

impl Newcomer {
    pub(crate) fn new(chance: &mut Chance, now: u64) -> Self {
        let entropy = SeededEntropy::new(chance.next());
        Self { entropy, now, asking: None, words: None, welcome: None }
    }

    /// Asks to be let in.
    pub(crate) fn ask(
        &mut self,
        store: &SealedRemote,
        code: &PairingCode,
        polls: Option<u64>,
    ) -> Stepped<()> {
        let asked =
            drive(answer_invitation(store, code, "planted phone", self.now, &mut self.entropy), polls)?;
        Some(asked.map(|asking| self.asking = Some(asking)))
    }

    /// Looks for the words that both sides show, and after them for the welcome.
    pub(crate) fn listen(&mut self, store: &SealedRemote, polls: Option<u64>) -> Stepped<()> {
        let Some(asking) = &self.asking else { return Some(Ok(())) };
        if self.words.is_none() {
            let heard = drive(asking.hear(store, self.now), polls)?;
            return Some(heard.map(|words| self.words = words));
        }
        let welcomed = drive(asking.be_welcomed(store, self.now), polls)?;
        Some(welcomed.map(|welcome| self.welcome = welcome))
    }

    /// Finds the library as the device that was let in, and takes it in.
    pub(crate) fn come_in(
        &mut self,
        store: &SealedRemote,
        polls: Option<u64>,
    ) -> Result<Stepped<SimDevice>, Broken> {
        let (Some(asking), Some(welcome)) = (&self.asking, &self.welcome) else {
            return Err("nobody was welcomed".into());
        };
        let joining = match drive(find_library_as(store, asking, welcome), polls) {
            None => return Ok(None),
            Some(Err(error)) => return Ok(Some(Err(error))),
            Some(Ok(joining)) => joining,
        };
        let mut seed = [0; 8];
        self.entropy.fill(&mut seed);
        let (mut entropy, own) = (SeededEntropy::new(u64::from_le_bytes(seed)), asking.device().clone());
        let keyring = Keyring::join_as(
            joining.library,
            joining.words.clone(),
            own,
            joining.epochs.clone(),
            &mut entropy,
        )?;
        let mut device = SimDevice::make("paired".to_owned(), keyring, entropy, self.now)?;
        let came = device.with(store, polls, async |here: &mut Here<'_>, at: &RemotePlace| {
            joining.take_in(here, at).await?;
            confirm_admission(here, at).await
        })?;
        Ok(came.map(|result| result.map(|()| device)))
    }
}

impl SimDevice {
    /// Invites whoever has the code that comes with the invitation.
    pub(crate) fn invite(
        &mut self,
        store: &SealedRemote,
        polls: Option<u64>,
    ) -> Result<Stepped<Invitation>, Broken> {
        self.with(store, polls, async |here: &mut Here<'_>, at: &RemotePlace| {
            Invitation::open(here, at, "planted laptop").await
        })
    }

    /// Looks whether somebody asks.
    pub(crate) fn look_for_ask(
        &mut self,
        store: &SealedRemote,
        invitation: &mut Invitation,
        polls: Option<u64>,
    ) -> Result<Stepped<Looked>, Broken> {
        self.with(store, polls, async |here: &mut Here<'_>, at: &RemotePlace| {
            invitation.look(here, &at.store).await
        })
    }

    /// Lets in who asks.
    pub(crate) fn admit(
        &mut self,
        store: &SealedRemote,
        invitation: Invitation,
        asked: &Asked,
        polls: Option<u64>,
    ) -> Result<Stepped<Admitted>, Broken> {
        self.with(store, polls, async |here: &mut Here<'_>, at: &RemotePlace| {
            invitation.admit(here, at, asked, Vec::new()).await
        })
    }

    /// The mistake: a keys file for a device that only asks.
    pub(crate) fn wrap_for_who_asks(&mut self, asking: &Asking) -> Result<(), Broken> {
        let keyring = self.keyring.clone();
        let (recipient, key) = (Recipient::Device(asking.device().id()), asking.device().card().kem_public());
        let sealed = seal_keys_file(keyring.library(), keyring.epochs(), recipient, key, &mut self.entropy)?;
        self.put(&names::keys_file(&keyring.epoch().id(), &recipient), &sealed.into())
    }

    /// Whether its folder holds a keys file for a recipient.
    pub(crate) fn has_keys_for(&mut self, recipient: &Recipient) -> Result<bool, Broken> {
        let recipient = recipient.to_string();
        for found in self.opened()?.place.walk_below("keys")? {
            if found?.relative.file_name().is_some_and(|name| *name == *recipient) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
