//! The ways to unlock the library, and its recovery words on paper.
//!
//! Whoever adds a way or takes one away types a passphrase that opens the library: a page that was left open is not enough.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use safelight_library::keys::check_new_passphrase;
use safelight_library::{
    KitSecret, LibraryError, OsEntropy, PassphraseCost, RecoveryWords, Slot, SlotKind, SlotSecret,
    WordsStanding,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::asked::Asked;
use crate::failure::{Answer, Failed, Failure, WRONG_WORDS};
use crate::gallery::Gallery;
use crate::guesses::WayIn;
use crate::locking::Passphrase;

/// A way to unlock.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownSlot {
    id: String,
    /// `passphrase`, `key-file`, `recovery`, `keystore`, `pkcs11`, `tpm`, `vault`, `passkey`.
    kind: &'static str,
    /// What people call it.
    label: String,
}

impl ShownSlot {
    pub(crate) fn of(slot: &Slot) -> Self {
        Self { id: slot.id().to_string(), kind: slot.kind().as_str(), label: slot.label().to_owned() }
    }
}

/// The ways to unlock the library; as `safelight key list --json`.
#[utoipa::path(get, path = "/api/v1/keys", tag = "keys", responses((status = 200, body = [ShownSlot])))]
pub(crate) async fn list_keys(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Vec<ShownSlot>>> {
    let list = gallery.door.read(|library| {
        let (folder, _) = library.keys();
        let list = folder.keys().slots().map_err(LibraryError::from)?;
        Ok(list.slots.iter().map(ShownSlot::of).collect())
    });
    list.await.map(Json)
}

/// A passphrase to add.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewKey {
    /// One that opens the library now.
    passphrase: String,
    new_passphrase: String,
    /// What to call it.
    label: String,
}

/// Adds a passphrase.
#[utoipa::path(post, path = "/api/v1/keys", tag = "keys", request_body = NewKey,
    responses((status = 200, body = ShownSlot), (status = 403, body = Failed, description = "`wrong-passphrase`"),
        (status = 409, body = Failed, description = "`refused`: it is too short"), (status = 429, body = Failed)))]
pub(crate) async fn add_key(
    State(gallery): State<Arc<Gallery>>,
    Asked(NewKey { passphrase, new_passphrase, label }): Asked<NewKey>,
) -> Answer<Json<ShownSlot>> {
    let new = Zeroizing::new(new_passphrase);
    check_new_passphrase(&new)
        .map_err(|reason| Failure::new(StatusCode::CONFLICT, "refused", reason).hint("write a longer one"))?;
    gallery.door.prove(WayIn::Passphrase(Zeroizing::new(passphrase))).await?;
    let added = gallery.door.write(move |library| {
        let (folder, keys) = library.keys();
        folder.require_writable().map_err(LibraryError::from)?;
        let label = if label.trim().is_empty() { "passphrase" } else { label.trim() };
        let secret = SlotSecret::Passphrase(&new);
        let slot = folder.keys().add_slot(keys, label, &secret, PassphraseCost::DESKTOP, &mut OsEntropy);
        Ok(ShownSlot::of(&slot.map_err(LibraryError::from)?))
    });
    added.await.map(Json)
}

/// Takes a way to unlock away; the last one that works stays, and the last that a person can open.
#[utoipa::path(post, path = "/api/v1/keys/{id}/remove", tag = "keys", request_body = Passphrase,
    params(("id" = String, Path, description = "the way to unlock")),
    responses((status = 200, body = ShownSlot), (status = 403, body = Failed, description = "`wrong-passphrase`"),
        (status = 404, body = Failed), (status = 409, body = Failed, description = "`refused`: it is the last one"),
        (status = 429, body = Failed)))]
pub(crate) async fn remove_key(
    State(gallery): State<Arc<Gallery>>,
    Path(id): Path<String>,
    Asked(Passphrase { passphrase }): Asked<Passphrase>,
) -> Answer<Json<ShownSlot>> {
    gallery.door.prove(WayIn::Passphrase(Zeroizing::new(passphrase))).await?;
    let removed = gallery.door.write(move |library| {
        let (folder, keys) = library.keys();
        let slot = folder.keys().find_slot(&id).map_err(LibraryError::from)?;
        if matches!(slot.kind(), SlotKind::Keystore | SlotKind::Pkcs11 | SlotKind::Tpm) {
            // What the store keeps is taken out of it, too, which only the command line can do.
            let reason = "a key store is taken away by the command line, which also empties it".to_owned();
            return Err(
                Failure::new(StatusCode::CONFLICT, "refused", reason).hint("safelight key remove does it")
            );
        }
        folder.keys().remove_slot(keys, slot.id()).map_err(LibraryError::from)?;
        Ok(ShownSlot::of(&slot))
    });
    removed.await.map(Json)
}

/// A page to print, with lines for the recovery words: where the photos rest, and how they come back.
#[utoipa::path(get, path = "/api/v1/recovery/kit", tag = "keys",
    responses((status = 200, content_type = "application/pdf", description = "one page, A4")))]
pub(crate) async fn show_kit(State(gallery): State<Arc<Gallery>>) -> Answer<Response> {
    let kit = gallery.door.read(|library| Ok(library.recovery_kit()?)).await?;
    let page = kit.to_pdf(KitSecret::Lines).to_vec();
    let headers = [
        (header::CONTENT_TYPE, "application/pdf"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"safelight-recovery-kit.pdf\""),
    ];
    Ok((headers, page).into_response())
}

/// Recovery words, or shares of them, as somebody wrote them down.
#[derive(Deserialize, ToSchema)]
pub(crate) struct WrittenDown {
    words: String,
}

/// Tries out what was written down, and remembers that it is right.
#[utoipa::path(post, path = "/api/v1/recovery/test", tag = "keys", request_body = WrittenDown,
    responses((status = 204), (status = 400, body = Failed, description = "`not-understood`: no recovery words"),
        (status = 403, body = Failed, description = "`wrong-words`: those of another library")))]
pub(crate) async fn test_recovery(
    State(gallery): State<Arc<Gallery>>,
    Asked(WrittenDown { words }): Asked<WrittenDown>,
) -> Answer<StatusCode> {
    let typed = Zeroizing::new(words);
    let words = RecoveryWords::parse(&typed).map_err(|error| Failure::not_understood(error.to_string()))?;
    let refuse = |message: String| Failure::new(StatusCode::FORBIDDEN, WRONG_WORDS, message);
    match gallery.door.write(move |library| Ok(library.test_recovery(&words)?)).await? {
        WordsStanding::InForce => Ok(StatusCode::NO_CONTENT),
        WordsStanding::Replaced(since) => {
            Err(refuse(format!("these recovery words were replaced by others on {since}"))
                .hint("type those that replaced them"))
        }
        WordsStanding::Others => Err(refuse("these are not the recovery words of this library".to_owned())
            .hint("type those that were shown when it was made")),
    }
}
