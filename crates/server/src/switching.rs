//! Switches by hand: which photos and albums go to a remote, whatever its policy says.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use safelight_library::{Library, PolicyChange, SwitchStanding, SwitchSubject, Switching, Turn};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::asked::Asked;
use crate::failure::{Answer, Failed, Failure, HiddenClosed};
use crate::gallery::Gallery;
use crate::undone::Back;
use crate::writing::Which;

/// Photos, or one album as a whole.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct About {
    #[serde(flatten)]
    which: Which,
    /// An album, with whatever comes into it.
    switch_album: Option<String>,
}

impl About {
    fn subject(&self, library: &Library) -> Answer<SwitchSubject> {
        match &self.switch_album {
            Some(album) => Ok(library.switchable_album(album)?),
            None => Ok(SwitchSubject::Photos(self.which.select(library, None)?)),
        }
    }
}

/// How something is switched for every remote.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Looked {
    remotes: Vec<SwitchStanding>,
}

/// How photos, or an album, are switched, and what becomes of them.
#[utoipa::path(post, path = "/api/v1/sync/look", tag = "remotes", request_body = About,
    responses((status = 200, body = Looked), HiddenClosed))]
pub(crate) async fn look(
    State(gallery): State<Arc<Gallery>>,
    Asked(about): Asked<About>,
) -> Answer<Json<Looked>> {
    let remotes = gallery.door.read(move |library| {
        let subject = about.subject(library)?;
        Ok(library.look_at_switches(&subject)?)
    });
    remotes.await.map(|remotes| Json(Looked { remotes }))
}

/// What is to be switched.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Switch {
    #[serde(flatten)]
    about: About,
    /// The remote.
    remote: String,
    /// `on`, `off` or `auto`.
    turn: String,
    /// Whether more may newly be sent than needs no consent.
    #[serde(default)]
    consent: bool,
}

/// What switching came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Switched {
    /// The revision; switches are no part of it.
    revision: u64,
    /// The word that takes it back; none if everything stood so already.
    undo: Option<String>,
    /// How many switches were turned.
    changed: u64,
    #[serde(flatten)]
    change: PolicyChange,
}

/// Switches photos, or an album, for a remote.
#[utoipa::path(post, path = "/api/v1/sync/switch", tag = "remotes", request_body = Switch,
    responses((status = 200, body = Switched), (status = 409, body = Failed, description = "`needs-consent`"),
        HiddenClosed))]
pub(crate) async fn switch(
    State(gallery): State<Arc<Gallery>>,
    Asked(Switch { about, remote, turn, consent }): Asked<Switch>,
) -> Answer<Json<Switched>> {
    let turn = Turn::from_word(&turn)
        .ok_or_else(|| Failure::not_understood("a switch is turned on, off or to auto"))?;
    let shared = Arc::clone(&gallery);
    let switched = gallery.door.write(move |library| {
        let subject = about.subject(library)?;
        let Switching { change, changed, back } = library.switch_sync(&remote, &subject, turn, consent)?;
        let undo = back.and_then(|back| shared.undone.keep(Back::Switched(back), library.told_of_hidden()));
        Ok(Switched { revision: library.revision()?, undo, changed, change })
    });
    switched.await.inspect(|switched| gallery.news.revision(switched.revision)).map(Json)
}
