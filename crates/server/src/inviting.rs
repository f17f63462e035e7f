//! Letting a new device in by a code: the invitation that is open, what pages see of it, and what somebody answers.
//!
//! One at a time. It runs in an open library of its own beside everything else, as other work may go on while it only waits.
//! Its code is as good as a key while it is open: it is told to whoever asks with a session, and to nobody by an event; it ends
//! when the door shuts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use qrcode::{Color, EcLevel, QrCode};
use safelight_library::{
    InviteAs, LibraryError, Monitor, PairedDevice, PairingTalk, Problem, ShownInvitation, Task,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::asked::Asked;
use crate::failure::{Answer, Failed, Failure};
use crate::gallery::{Gallery, held};

/// How long somebody may take to compare the words.
const MOST_COMPARING: Duration = Duration::from_secs(600);
/// What is taken in on one day of a device that may only upload; the command line can say other numbers.
const UPLOADER: InviteAs = InviteAs::Uploader { items_a_day: 5_000, bytes_a_day: 100_000_000_000 };
/// How often it is looked whether somebody called it off.
const LISTEN: Duration = Duration::from_millis(200);

/// How far an invitation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// It is being put where both devices reach it.
    Opening,
    /// Its code is shown, and nobody has come.
    Waiting,
    /// A device has come: are the words the same?
    Comparing,
    /// It is let in.
    Admitting,
    /// It was let in.
    Done,
    /// Nobody was let in.
    Ended,
}

/// An invitation as the page shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Invitation {
    stage: Stage,
    /// Whether the device may only upload.
    upload_only: bool,
    /// Eight words to type on the new device; none once they are of no use.
    words: Option<String>,
    /// What a picture (QR code) of them says.
    says: Option<String>,
    /// That picture: a line of `0` and `1` for each row of it, dark where 1 stands.
    picture: Vec<String>,
    /// Where the library rests, which goes with the words.
    address: Option<String>,
    /// Where this device listens on the local network, as `lan:192.168.1.5:41234`; there the words alone are enough. None
    /// where it does not listen.
    lan: Vec<String>,
    /// Whether a new device finds this one there; else it is told the address.
    lan_announced: bool,
    /// Why nobody comes in over the local network, though it was to be.
    lan_trouble: Option<String>,
    /// How many tries with other codes are left on the local network, where none is left, the invitation is over there; none
    /// while nobody tried any.
    near_tries_left: Option<usize>,
    /// Whether a device that was let in has yet to read so over the local network.
    waits: bool,
    /// Seconds for which the code is good.
    seconds_left: u64,
    /// How many tries with other codes are left; none while nobody tried any.
    tries_left: Option<usize>,
    /// What the device calls itself that has come.
    other: Option<String>,
    /// The six words that both screens must show.
    six_words: Option<String>,
    /// The device that was let in.
    device: Option<PairedDevice>,
    /// Why nobody was let in; none where somebody called it off.
    error: Option<Failure>,
}

impl Invitation {
    fn opening(upload_only: bool) -> Self {
        Self {
            stage: Stage::Opening,
            upload_only,
            words: None,
            says: None,
            picture: Vec::new(),
            address: None,
            lan: Vec::new(),
            lan_announced: false,
            lan_trouble: None,
            near_tries_left: None,
            waits: false,
            seconds_left: 0,
            tries_left: None,
            other: None,
            six_words: None,
            device: None,
            error: None,
        }
    }
}

/// One invitation, and whoever answers for it.
struct Open {
    gallery: Arc<Gallery>,
    /// Without its code.
    shown: Mutex<Invitation>,
    /// The code, and until when it is good; gone once it is of no use.
    code: Mutex<Option<(ShownInvitation, Instant)>>,
    /// Whether the words are the same, once somebody said so.
    answer: Mutex<Option<bool>>,
    answered: Condvar,
    stop: AtomicBool,
}

/// The invitation that is open, or was last.
#[derive(Default)]
pub(crate) struct Inviting(Mutex<Option<Arc<Open>>>);

impl Inviting {
    fn newest(&self) -> Option<Arc<Open>> {
        held(&self.0).clone()
    }

    /// Calls off what is open. Where a device is being let in, what came of it is still to be shown.
    fn call_off(&self) {
        let mut place = held(&self.0);
        match place.as_ref() {
            Some(open) if open.is_admitting() => open.call_off(),
            _ => {
                if let Some(open) = place.take() {
                    open.call_off();
                }
            }
        }
    }

    /// Calls off what is open, and forgets it.
    pub(crate) fn forget(&self) {
        if let Some(open) = held(&self.0).take() {
            open.call_off();
        }
    }
}

impl Open {
    fn call_off(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.answered.notify_all();
    }

    fn is_running(&self) -> bool {
        !matches!(held(&self.shown).stage, Stage::Done | Stage::Ended)
    }

    fn is_admitting(&self) -> bool {
        held(&self.shown).stage == Stage::Admitting
    }

    fn is_off(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.gallery.door.is_locked()
    }

    fn change(&self, change: impl FnOnce(&mut Invitation)) {
        change(&mut held(&self.shown));
    }

    fn shown(&self) -> Invitation {
        let mut shown = held(&self.shown).clone();
        if let Some((code, until)) = &*held(&self.code) {
            shown.seconds_left = until.saturating_duration_since(Instant::now()).as_secs();
            shown.words = Some(code.words.to_string());
            shown.says = Some(code.qr.to_string());
            shown.picture = picture(&code.qr);
            shown.address = Some(code.address.clone());
            if shown.near_tries_left != Some(0) {
                shown.lan.clone_from(&code.lan);
            }
            shown.lan_announced = code.lan_announced;
            shown.lan_trouble.clone_from(&code.lan_trouble);
        }
        shown
    }

    fn end(&self, came_of_it: Answer<PairedDevice>) {
        let was_called_off = self.is_off();
        *held(&self.code) = None;
        self.change(|shown| match came_of_it {
            Ok(device) => (shown.stage, shown.device) = (Stage::Done, Some(device)),
            Err(failure) => {
                (shown.stage, shown.error) = (Stage::Ended, Some(failure).filter(|_| !was_called_off));
            }
        });
    }
}

impl PairingTalk for Open {
    fn invited(&self, invitation: &ShownInvitation) {
        *held(&self.code) = Some((invitation.clone(), Instant::now() + invitation.good_for));
        self.change(|shown| shown.stage = Stage::Waiting);
    }

    fn tried(&self, left: usize) {
        self.change(|shown| shown.tries_left = Some(left));
    }

    fn tried_near(&self, left: usize) {
        self.change(|shown| shown.near_tries_left = Some(left));
    }

    fn waits(&self) {
        self.change(|shown| shown.waits = true);
    }

    fn is_same(&self, other: &str, six_words: &str) -> Result<bool, LibraryError> {
        *held(&self.code) = None;
        self.change(|shown| {
            shown.stage = Stage::Comparing;
            (shown.other, shown.six_words) = (Some(other.to_owned()), Some(six_words.to_owned()));
        });
        let until = Instant::now() + MOST_COMPARING;
        let mut answer = held(&self.answer);
        while answer.is_none() {
            if self.is_off() || Instant::now() >= until {
                return Err(LibraryError::Cancelled);
            }
            let waited = self.answered.wait_timeout(answer, LISTEN).unwrap_or_else(PoisonError::into_inner);
            answer = waited.0;
        }
        let is_same = answer.unwrap_or_default();
        drop(answer);
        if is_same {
            self.change(|shown| shown.stage = Stage::Admitting);
        }
        Ok(is_same)
    }
}

impl Monitor for Open {
    fn begin(&self, _task: Task, _total: Option<u64>, _total_bytes: Option<u64>) {}

    fn advance(&self, _items: u64, _bytes: u64) {}

    fn problem(&self, problem: &Problem) {
        tracing::debug!(reason = %problem.reason, "met while a device was let in");
    }

    fn cancelled(&self) -> bool {
        self.is_off()
    }
}

/// The rows of a QR code, light and dark; none of a text that is too long for one.
fn picture(text: &str) -> Vec<String> {
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::L) else { return Vec::new() };
    let row = |row: &[Color]| row.iter().map(|color| color.select('1', '0')).collect();
    code.to_colors().chunks(code.width().max(1)).map(row).collect()
}

/// The invitation that is open, or was last, if there is one.
#[derive(Serialize, ToSchema)]
pub(crate) struct ShownInvite {
    invitation: Option<Invitation>,
    /// Whether a new device can be given a credential of its own to the storage, where one remote is meant.
    can_lend: bool,
}

/// How a device is invited.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ToInvite {
    /// The remote that the new device reaches as well; not needed where there is only one.
    remote: Option<String>,
    /// Whether it gets a credential of its own to that storage.
    #[serde(default)]
    with_storage: bool,
    /// Whether it may only upload, and open nothing.
    #[serde(default)]
    upload_only: bool,
}

/// Opens an invitation, and answers at once.
#[utoipa::path(post, path = "/api/v1/devices/invite", tag = "devices", request_body = ToInvite,
    responses((status = 200, body = ShownInvite), (status = 409, body = Failed, description = "`busy`")))]
pub(crate) async fn invite(
    State(gallery): State<Arc<Gallery>>,
    Asked(ToInvite { remote, with_storage, upload_only }): Asked<ToInvite>,
) -> Answer<Json<ShownInvite>> {
    gallery.door.require_open()?;
    let open = Arc::new(Open {
        gallery: Arc::clone(&gallery),
        shown: Mutex::new(Invitation::opening(upload_only)),
        code: Mutex::default(),
        answer: Mutex::default(),
        answered: Condvar::new(),
        stop: AtomicBool::new(false),
    });
    {
        let mut place = held(&gallery.inviting.0);
        if place.as_ref().is_some_and(|open| open.is_running()) {
            let failure = Failure::new(StatusCode::CONFLICT, "busy", "an invitation is open already");
            return Err(failure.hint("call it off, or wait until it has ended"));
        }
        *place = Some(Arc::clone(&open));
    }
    let (shared, talks) = (Arc::clone(&gallery), Arc::clone(&open));
    tokio::spawn(async move {
        let invited = shared.door.invite(move |library, surroundings| {
            let own =
                library.devices()?.into_iter().find(|device| device.is_this).and_then(|device| device.name);
            let own = own.unwrap_or_else(safelight_library::machine_name);
            let (remote, talk) = (remote.as_deref(), &*talks);
            let invite_as = if upload_only { UPLOADER } else { InviteAs::Member };
            let paired = library.invite(remote, &own, (invite_as, with_storage), talk, surroundings, talk)?;
            Ok((paired, library.revision()?))
        });
        let came_of_it = invited.await.map(|(paired, revision)| {
            shared.news.revision(revision);
            paired
        });
        open.end(came_of_it);
    });
    show_now(&gallery, false)
}

/// The invitation that is open, or was last.
#[utoipa::path(get, path = "/api/v1/devices/invite", tag = "devices", responses((status = 200, body = ShownInvite)))]
pub(crate) async fn show_invitation(State(gallery): State<Arc<Gallery>>) -> Answer<Json<ShownInvite>> {
    gallery.door.require_open()?;
    let can_lend = match gallery.inviting.newest() {
        Some(_) => false,
        // Where several remotes are meant, or none is there, there is nothing to ask yet.
        None => gallery.door.read(|library| Ok(library.can_lend_storage(None).unwrap_or(false))).await?,
    };
    show_now(&gallery, can_lend)
}

/// What somebody says of the six words.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Compared {
    /// Whether the other screen shows the same.
    same: bool,
}

/// Says whether both screens show the same words.
#[utoipa::path(post, path = "/api/v1/devices/invite/compared", tag = "devices", request_body = Compared,
    responses((status = 200, body = ShownInvite), (status = 409, body = Failed, description = "`stale`: nobody asked")))]
pub(crate) async fn compared(
    State(gallery): State<Arc<Gallery>>,
    Asked(Compared { same }): Asked<Compared>,
) -> Answer<Json<ShownInvite>> {
    gallery.door.require_open()?;
    let open = gallery.inviting.newest();
    let asks = |open: &Arc<Open>| held(&open.shown).stage == Stage::Comparing;
    let Some(open) = open.filter(asks) else {
        return Err(Failure::new(StatusCode::CONFLICT, "stale", "no device waits for an answer any more"));
    };
    *held(&open.answer) = Some(same);
    open.answered.notify_all();
    show_now(&gallery, false)
}

/// Calls the invitation off, or puts away what came of it.
#[utoipa::path(delete, path = "/api/v1/devices/invite", tag = "devices", responses((status = 200, body = ShownInvite)))]
pub(crate) async fn call_off(State(gallery): State<Arc<Gallery>>) -> Answer<Json<ShownInvite>> {
    gallery.door.require_open()?;
    gallery.inviting.call_off();
    show_now(&gallery, false)
}

fn show_now(gallery: &Gallery, can_lend: bool) -> Answer<Json<ShownInvite>> {
    let invitation = gallery.inviting.newest().map(|open| open.shown());
    Ok(Json(ShownInvite { invitation, can_lend }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_square_and_has_its_three_corners() {
        let rows = picture("safelight-pair 1 one two three four five six seven eight folder:/a/place");
        assert!(rows.len() >= 21 && rows.iter().all(|row| row.len() == rows.len()), "{rows:?}");
        let last = rows.len() - 1;
        assert!(rows[0].starts_with("11111110") && rows[0].ends_with("01111111"), "{}", rows[0]);
        assert!(rows[last].starts_with("11111110"), "{}", rows[last]);
        assert_eq!(picture(&"x".repeat(4000)), Vec::<String>::new(), "too long for a picture");
    }
}
