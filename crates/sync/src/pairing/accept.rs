//! The side of the new device.

use std::collections::BTreeMap;

use safelight_crypto::{
    Ask, Closing, CryptoError, Device, Entropy, Fault, InboxWelcome, Offer, PairingCode, PairingId,
    PairingKey, PairingPlace, PairingPlaces, Reveal, Welcome, names, pairing_words,
};

use super::carrier::Carrier;
use super::{PairingRefusal, not_for_us};
use crate::error::Result;

/// A new device that has asked to be let in.
#[derive(Debug)]
#[must_use = "whoever asked waits for an answer"]
pub struct Asking {
    key: PairingKey,
    offer: Offer,
    ask: Ask,
    device: Device,
}

/// What a carrier has of invitations, for somebody with a code: the one that opens under it, or those that do not.
#[derive(Debug)]
#[must_use = "nobody hears of the device before it answers"]
pub struct FoundInvitation {
    opens: Option<(PairingKey, Offer)>,
    others: Vec<PairingKey>,
}

/// Looks for the invitation of a code where a carrier reaches, and asks to be let in as a device that is made for it.
///
/// # Errors
/// As [`find_invitation`] and [`FoundInvitation::answer`].
pub async fn answer_invitation(
    carrier: &dyn Carrier,
    code: &PairingCode,
    name: &str,
    now_millis: u64,
    entropy: &mut dyn Entropy,
) -> Result<Asking> {
    find_invitation(carrier, code, now_millis).await?.answer(carrier, name, entropy).await
}

/// Looks for the invitation of a code where a carrier reaches, and leaves nothing there.
///
/// # Errors
/// [`PairingRefusal::NoInvitation`], [`PairingRefusal::Expired`], and how the pairing of the code ended, where it did; what
/// the carrier answers.
pub async fn find_invitation(
    carrier: &dyn Carrier,
    code: &PairingCode,
    now_millis: u64,
) -> Result<FoundInvitation> {
    let (mut pairings, mut others) = (BTreeMap::<PairingId, Vec<String>>::new(), Vec::new());
    for (id, name) in carrier.messages().await? {
        pairings.entry(id).or_default().push(name);
    }
    for (id, names) in pairings {
        let key = PairingKey::derive(code, id);
        let has = |name: &str| names.iter().any(|known| known == name);
        let is_closed = has("closed");
        if is_closed
            && let Some(bytes) = carrier.message(&names::pairing_closed(&id)).await?
            && let Ok(closing) = Closing::open(&key, &bytes)
        {
            return Err(PairingRefusal::from(closing).into());
        }
        if !has("offer") {
            continue;
        }
        let Some(bytes) = carrier.message(&names::pairing_offer(&id)).await? else { continue };
        match Offer::open(&key, &bytes) {
            Ok(offer) if now_millis >= offer.expires_millis => return Err(PairingRefusal::Expired.into()),
            Ok(offer) => return Ok(FoundInvitation { opens: Some((key, offer)), others }),
            // Those that are closed hear nobody any more.
            Err(_) if is_closed => {}
            Err(_) => others.push(key),
        }
    }
    if others.is_empty() {
        return Err(PairingRefusal::NoInvitation { place: carrier.label().to_owned() }.into());
    }
    Ok(FoundInvitation { opens: None, others })
}

impl FoundInvitation {
    /// Whether one opens under the code.
    #[must_use]
    pub const fn opens(&self) -> bool {
        self.opens.is_some()
    }

    /// Asks to be let in. Where no invitation opens, whoever invited hears that somebody tries codes, and counts.
    ///
    /// # Errors
    /// [`PairingRefusal::WrongCode`]; what the carrier answers.
    pub async fn answer(
        self,
        carrier: &dyn Carrier,
        name: &str,
        entropy: &mut dyn Entropy,
    ) -> Result<Asking> {
        if let Some((key, offer)) = self.opens {
            return ask(carrier, key, offer, name, entropy).await;
        }
        for key in self.others {
            let object = names::pairing_ask(&key.id(), &PairingId::generate(entropy));
            let sealed = key.seal(&object, b"another code", entropy)?;
            if let Err(error) = carrier.leave(&object, sealed).await {
                tracing::debug!(%error, "the try could not be told");
            }
        }
        Err(PairingRefusal::WrongCode { place: carrier.label().to_owned() }.into())
    }
}

async fn ask(
    carrier: &dyn Carrier,
    key: PairingKey,
    offer: Offer,
    name: &str,
    entropy: &mut dyn Entropy,
) -> Result<Asking> {
    let device = Device::generate(entropy);
    let ask_name = PairingId::generate(entropy);
    let (ask, sealed) = Ask::seal(&key, &ask_name, &offer, &device, name, entropy)?;
    carrier.leave(&names::pairing_ask(&key.id(), &ask_name), sealed).await?;
    Ok(Asking { key, offer, ask, device })
}

impl Asking {
    /// What the device that invites is called.
    #[must_use]
    pub fn inviter_name(&self) -> &str {
        &self.offer.name
    }

    /// What the device that invites said.
    #[must_use]
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// The new device.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Looks once for what the other side had committed to: the six words that both screens show, if it is there.
    ///
    /// # Errors
    /// [`PairingRefusal::NotForUs`] for an answer to another ask or by another device, [`PairingRefusal::NoAnswer`] after the
    /// end, and how the pairing ended, where it did; what the carrier answers.
    pub async fn hear(&self, carrier: &dyn Carrier, now_millis: u64) -> Result<Option<String>> {
        let object = names::pairing_reveal(&self.key.id());
        let Some(bytes) = carrier.message(&object).await? else {
            return self.nothing_yet(carrier, now_millis).await;
        };
        match Reveal::open(&self.key, &self.offer, &self.ask, &bytes) {
            Ok(reveal) => Ok(Some(pairing_words(&self.offer, &self.ask, &reveal))),
            Err(error) => Err(does_not_open(carrier, object, error.fault())),
        }
    }

    /// Looks once whether the device was let in.
    ///
    /// # Errors
    /// As [`Asking::hear`].
    pub async fn be_welcomed(&self, carrier: &dyn Carrier, now_millis: u64) -> Result<Option<Welcome>> {
        let found = self.welcome(carrier).await?;
        if found.is_some() {
            return Ok(found);
        }
        match self.nothing_yet(carrier, now_millis).await {
            // It may have come between the two looks.
            Err(error) => self.welcome(carrier).await?.map_or(Err(error), |welcome| Ok(Some(welcome))),
            nothing => nothing,
        }
    }

    async fn welcome(&self, carrier: &dyn Carrier) -> Result<Option<Welcome>> {
        let object = names::pairing_welcome(&self.key.id());
        let Some(bytes) = carrier.message(&object).await? else { return Ok(None) };
        match Welcome::open(self.key.id(), &self.offer, &self.ask, self.device.kem_secret(), &bytes) {
            Ok(welcome) => Ok(Some(welcome)),
            Err(error) => Err(does_not_open(carrier, object, error.fault())),
        }
    }

    /// Looks once whether the device may upload: what it is told then.
    ///
    /// # Errors
    /// As [`Asking::hear`].
    pub async fn be_let_upload(
        &self,
        carrier: &dyn Carrier,
        now_millis: u64,
    ) -> Result<Option<InboxWelcome>> {
        let object = names::pairing_welcome(&self.key.id());
        let look = async || match carrier.message(&object).await? {
            Some(bytes) => {
                let key = self.device.kem_secret();
                let welcome = InboxWelcome::open(self.key.id(), &self.offer, &self.ask, key, &bytes);
                let refuse = |error: CryptoError| does_not_open(carrier, object.clone(), error.fault());
                welcome.map(Some).map_err(refuse)
            }
            None => Ok(None),
        };
        if let Some(welcome) = look().await? {
            return Ok(Some(welcome));
        }
        match self.nothing_yet(carrier, now_millis).await {
            // It may have come between the two looks.
            Err(error) => look().await?.map_or(Err(error), |welcome| Ok(Some(welcome))),
            nothing => nothing,
        }
    }

    /// Looks once for where the library rests, which stands beside the welcome on the local network: the first place is the
    /// one that the device was let into.
    ///
    /// # Errors
    /// As [`Asking::hear`].
    pub async fn learn_places(
        &self,
        carrier: &dyn Carrier,
        now_millis: u64,
    ) -> Result<Option<Vec<PairingPlace>>> {
        let object = names::pairing_places(&self.key.id());
        let Some(bytes) = carrier.message(&object).await? else {
            return self.nothing_yet(carrier, now_millis).await;
        };
        let key = self.device.kem_secret();
        match PairingPlaces::open(self.key.id(), &self.offer, &self.ask, key, &bytes) {
            Ok(places) => Ok(Some(places.places)),
            Err(error) => Err(does_not_open(carrier, object, error.fault())),
        }
    }

    async fn nothing_yet<T>(&self, carrier: &dyn Carrier, now_millis: u64) -> Result<Option<T>> {
        if let Some(bytes) = carrier.message(&names::pairing_closed(&self.key.id())).await?
            && let Ok(closing) = Closing::open(&self.key, &bytes)
        {
            return Err(PairingRefusal::from(closing).into());
        }
        if now_millis >= self.offer.expires_millis {
            return Err(PairingRefusal::NoAnswer.into());
        }
        Ok(None)
    }
}

fn does_not_open(carrier: &dyn Carrier, object: String, fault: Option<&Fault>) -> crate::SyncError {
    let reason = match fault {
        Some(Fault::BadField("ask")) | Some(Fault::WrongContext) => "it answers another device".to_owned(),
        Some(Fault::BadField("commitment")) => "it tells something else than was promised".to_owned(),
        Some(Fault::BadMagic) => {
            "one side said --upload-only, and the other did not: safelight join --upload-only answers \
             safelight device invite --upload-only"
                .to_owned()
        }
        Some(Fault::BadSignature) => "the device that invited did not write it".to_owned(),
        Some(fault) => fault.to_string(),
        None => "it cannot be read".to_owned(),
    };
    not_for_us(carrier.label(), object, reason)
}
