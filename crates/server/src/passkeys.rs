//! Passkeys: what a browser must ask an authenticator to open the library, and what that answered.
//!
//! The answer itself opens a key slot, or does not; so nothing is signed, and no signature is checked
//! (docs/decisions/passkeys.md). What is asked is told to whoever has a session alone: every other page of this machine may
//! ask the same authenticator, and may be told which credential there is, but knows no salt: that alone protects.
//!
//! One is added in two steps. First somebody proves by a passphrase that they may, and is told a salt that was drawn for it;
//! then comes the answer to that salt. Invariant: a salt is taken once, within a time, and by whoever was told it; where the
//! library could not take what came with it, it stays good until then.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use data_encoding::BASE64URL_NOPAD;
use safelight_library::{
    Library, LibraryError, OsEntropy, PasskeyQuestion, PassphraseCost, Slot, SlotSecret,
};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::asked::Asked;
use crate::failure::{Answer, Failed, Failure};
use crate::gallery::{Gallery, held};
use crate::guesses::WayIn;
use crate::keys::ShownSlot;
use crate::locking::{Locked, Passphrase, open};

/// How long a person may take to make a passkey. Browsers give up sooner.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// What one is called when nobody says.
const LABEL: &str = "passkey";

/// The salt of the passkey that is being added.
#[derive(Default)]
pub(crate) struct Passkeys {
    drawn: Mutex<Option<(Zeroizing<[u8; 32]>, Instant)>>,
}

impl Passkeys {
    /// Draws a salt; the one before it is taken no more.
    fn draw(&self, now: Instant) -> Zeroizing<[u8; 32]> {
        let mut salt = Zeroizing::new([0; 32]);
        Library::draw_bytes(&mut *salt);
        *held(&self.drawn) = Some((salt.clone(), now + PATIENCE));
        salt
    }

    /// Takes the salt that was drawn, if it is this one. Whoever names another has ended that, too.
    fn take(&self, salt: &[u8; 32], now: Instant) -> Answer<Instant> {
        let drawn = held(&self.drawn).take();
        match drawn {
            Some((drawn, until)) if until > now && bool::from(drawn.ct_eq(salt)) => Ok(until),
            _ => Err(Failure::new(
                StatusCode::CONFLICT,
                "refused",
                "no passkey was being added, or for too long",
            )
            .hint("begin again")),
        }
    }

    /// Lets a salt that was taken be taken again, unless another was drawn meanwhile.
    fn give_back(&self, salt: &[u8; 32], until: Instant) {
        held(&self.drawn).get_or_insert_with(|| (Zeroizing::new(*salt), until));
    }

    pub(crate) fn forget(&self) {
        *held(&self.drawn) = None;
    }
}

/// A passkey that opens the library, as an authenticator is asked for it. Ids and salts are in base64url.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownPasskey {
    /// The way to unlock that it is.
    slot: String,
    /// The id of the credential.
    credential: String,
    /// What its output is taken over: `prf.eval.first`.
    salt: String,
}

impl ShownPasskey {
    fn of(slot: &Slot) -> Option<Self> {
        let question = PasskeyQuestion::of_slot(slot)?;
        Some(Self {
            slot: slot.id().to_string(),
            credential: BASE64URL_NOPAD.encode(question.credential()),
            salt: BASE64URL_NOPAD.encode(question.salt()),
        })
    }
}

/// The passkeys that open the library, also while it is locked: none before there is one.
#[utoipa::path(get, path = "/api/v1/passkeys", tag = "keys", responses((status = 200, body = [ShownPasskey])))]
pub(crate) async fn list_passkeys(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Vec<ShownPasskey>>> {
    let Some(folder) = gallery.door.folder() else { return Ok(Json(Vec::new())) };
    let list = tokio::task::spawn_blocking(move || folder.keys().slots());
    let list = list.await.map_err(|_| Failure::broken())?.map_err(LibraryError::from)?;
    Ok(Json(list.slots.iter().filter_map(ShownPasskey::of).collect()))
}

/// What an authenticator answered, in base64url.
#[derive(Deserialize, ToSchema)]
pub(crate) struct PasskeyAnswer {
    /// The id of the credential that answered.
    credential: String,
    /// The 32 bytes that it gave: `prf.results.first`.
    output: String,
}

impl PasskeyAnswer {
    fn read(self) -> Answer<(Vec<u8>, Zeroizing<[u8; 32]>)> {
        let output = Zeroizing::new(self.output);
        Ok((credential_of(&self.credential)?, read_32(&output)?))
    }
}

fn unreadable() -> Failure {
    Failure::not_understood("this is no answer of a passkey")
}

fn credential_of(text: &str) -> Answer<Vec<u8>> {
    BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| unreadable())
}

fn read_32(text: &str) -> Answer<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| unreadable())?);
    let bytes: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| unreadable())?;
    Ok(Zeroizing::new(*bytes))
}

/// Opens the library with what a passkey answered.
#[utoipa::path(post, path = "/api/v1/passkeys/unlock", tag = "session", request_body = PasskeyAnswer,
    responses((status = 200, body = Locked), (status = 403, body = Failed, description = "`wrong-passkey`"),
        (status = 429, description = "`too-many-guesses`: wait, as Retry-After says")))]
pub(crate) async fn unlock_by_passkey(
    State(gallery): State<Arc<Gallery>>,
    Asked(answered): Asked<PasskeyAnswer>,
) -> Answer<Json<Locked>> {
    let (credential, output) = answered.read()?;
    open(&gallery, WayIn::Passkey { credential, output }).await
}

/// What a new passkey is made for.
#[derive(Serialize, ToSchema)]
pub(crate) struct BegunPasskey {
    /// What its output is to be taken over, in base64url; it comes back with the answer.
    salt: String,
}

/// Begins to add a passkey.
#[utoipa::path(post, path = "/api/v1/passkeys/begin", tag = "keys", request_body = Passphrase,
    responses((status = 200, body = BegunPasskey), (status = 403, body = Failed, description = "`wrong-passphrase`"),
        (status = 409, body = Failed), (status = 429, body = Failed)))]
pub(crate) async fn begin_passkey(
    State(gallery): State<Arc<Gallery>>,
    Asked(Passphrase { passphrase }): Asked<Passphrase>,
) -> Answer<Json<BegunPasskey>> {
    gallery.door.prove(WayIn::Passphrase(Zeroizing::new(passphrase))).await?;
    // Nobody shall make a passkey for a library that cannot take it.
    gallery
        .door
        .write(|library| Ok(library.keys().0.require_writable().map_err(LibraryError::from)?))
        .await?;
    Ok(Json(BegunPasskey { salt: BASE64URL_NOPAD.encode(&*gallery.passkeys.draw(Instant::now())) }))
}

/// A passkey to add.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewPasskey {
    /// The salt that was drawn for it.
    salt: String,
    /// The id of the credential.
    credential: String,
    /// What it gave over the salt: 32 bytes.
    output: String,
    /// What to call it.
    label: String,
}

/// Adds a passkey that was made.
#[utoipa::path(post, path = "/api/v1/passkeys", tag = "keys", request_body = NewPasskey,
    responses((status = 200, body = ShownSlot), (status = 400, body = Failed),
        (status = 409, body = Failed, description = "`refused`: nobody has begun, or too long ago")))]
pub(crate) async fn add_passkey(
    State(gallery): State<Arc<Gallery>>,
    Asked(NewPasskey { salt, credential, output, label }): Asked<NewPasskey>,
) -> Answer<Json<ShownSlot>> {
    let (credential, output) = PasskeyAnswer { credential, output }.read()?;
    let salt = read_32(&salt)?;
    gallery.door.require_open()?;
    let until = gallery.passkeys.take(&salt, Instant::now())?;
    let question = PasskeyQuestion::new(credential, *salt).map_err(|_| unreadable())?;
    let added = gallery.door.write(move |library| {
        let (folder, keys) = library.keys();
        let passkey = question.answered(folder.library(), *output);
        let label = if label.trim().is_empty() { LABEL } else { label.trim() };
        let secret = SlotSecret::Store(&passkey);
        let slot = folder.keys().add_slot(keys, label, &secret, PassphraseCost::DESKTOP, &mut OsEntropy);
        Ok(ShownSlot::of(&slot.map_err(LibraryError::from)?))
    });
    let added = added.await;
    if added.is_err() && !gallery.door.is_locked() {
        gallery.passkeys.give_back(&salt, until);
    }
    added.map(Json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salt_is_taken_once_within_a_time_and_by_whoever_was_told_it() {
        let passkeys = Passkeys::default();
        let now = Instant::now();
        assert!(passkeys.take(&[0; 32], now).is_err(), "nobody began");
        let salt = passkeys.draw(now);
        assert!(passkeys.take(&[0; 32], now).is_err(), "another one");
        assert!(passkeys.take(&salt, now).is_err(), "that ended it");
        let salt = passkeys.draw(now);
        assert!(passkeys.take(&salt, now + PATIENCE).is_err(), "too late");
        let (before, salt) = (passkeys.draw(now), passkeys.draw(now));
        assert!(passkeys.take(&salt, now).is_ok());
        assert!(passkeys.take(&salt, now).is_err() && passkeys.take(&before, now).is_err(), "it was taken");
        passkeys.give_back(&salt, now + PATIENCE);
        assert!(passkeys.take(&salt, now).is_ok(), "the library could not take it");
        passkeys.draw(now);
        passkeys.forget();
        assert!(held(&passkeys.drawn).is_none(), "nothing stays behind a locked door");
    }
}
