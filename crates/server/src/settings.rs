//! This device's own rules that no page of its own shows: when the library locks itself, and how many pictures are decoded at
//! once.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use safelight_library::{LocalChange, LocalSettings, cores};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::asked::{Asked, if_there};
use crate::failure::{Answer, Failed};
use crate::gallery::Gallery;

/// The rules of this device, and what holds in this gallery.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Settings {
    #[serde(flatten)]
    rules: LocalSettings,
    /// As this gallery was told when it began, which counts instead of the rule until it ends; in seconds.
    lock_after_told_seconds: Option<u64>,
    /// How many cores the machine has.
    cores: usize,
}

impl Settings {
    fn of(gallery: &Gallery, rules: LocalSettings) -> Self {
        let told = gallery.door.idle().as_told();
        Self { rules, lock_after_told_seconds: told.map(|told| told.as_secs()), cores: cores() }
    }
}

/// What is to change; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct ChangedSettings {
    /// After so many seconds without use the library locks itself; from 60 to 86,400.
    lock_after_seconds: Option<u64>,
    /// How many pictures are decoded at once, from 1 to 64; null is as many as the machine has cores.
    #[serde(default, deserialize_with = "if_there")]
    #[schema(value_type = Option<u64>)]
    workers: Option<Option<u64>>,
}

/// The rules of this device.
#[utoipa::path(get, path = "/api/v1/settings", tag = "settings", responses((status = 200, body = Settings)))]
pub(crate) async fn show_settings(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Settings>> {
    let rules = gallery.door.read(|library| Ok(library.local_settings()?)).await?;
    Ok(Json(Settings::of(&gallery, rules)))
}

/// Changes when the library locks itself, at once, and how many pictures are decoded at once, from the next work on.
#[utoipa::path(patch, path = "/api/v1/settings", tag = "settings", request_body = ChangedSettings,
    responses((status = 200, body = Settings), (status = 409, body = Failed, description = "`refused`: outside of what may be chosen")))]
pub(crate) async fn change_settings(
    State(gallery): State<Arc<Gallery>>,
    Asked(changed): Asked<ChangedSettings>,
) -> Answer<Json<Settings>> {
    let change = LocalChange {
        lock_after: changed.lock_after_seconds.map(Duration::from_secs),
        workers: changed.workers,
        ..LocalChange::default()
    };
    let rules = gallery.door.write(move |library| Ok(library.change_local_settings(&change)?)).await?;
    gallery.door.idle().rule(rules.lock_after_seconds);
    Ok(Json(Settings::of(&gallery, rules)))
}
