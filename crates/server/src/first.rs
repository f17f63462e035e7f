//! The first run: a library is made, or joined, from the page that opens where there is none.
//!
//! The recovery words are drawn here, shown once and asked back, and rest in this process's memory only. Invariant: a library
//! is made only with words of which some were typed back; what was typed is in no log, argument or file.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use safelight_library::folder::LibraryFolder;
use safelight_library::keys::{NewSlot, Strength, check_new_passphrase, strength};
use safelight_library::{
    Comparison, JoinBy, JoinRequest, Library, LibraryError, RecoveryWords, SyncOutcome, SyncRequest,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::asked::Asked;
use crate::connecting::credential_of;
use crate::failure::{Answer, Failed, Failure, More, WRONG_WORDS};
use crate::gallery::{Gallery, held};
use crate::guesses::try_passphrase;
use crate::jobs::{self, Ended, ShownJob, Watched};

/// So many words are asked back.
const ASKED: usize = 3;
/// What the slot of the passphrase is called.
const LABEL: &str = "passphrase";
/// What the place that was joined from is called when nobody says.
const ORIGIN: &str = "origin";

/// Words that were drawn and not used yet.
#[derive(Default)]
pub(crate) struct First {
    drawn: Mutex<Option<Drawn>>,
    /// Held while a library is made.
    making: tokio::sync::Mutex<()>,
}

struct Drawn {
    words: RecoveryWords,
    /// The positions that are asked back, counted from 0.
    asked: Vec<usize>,
}

impl First {
    fn draw(&self) -> WordsToWrite {
        let words = Library::draw_words();
        let list = words.words();
        let mut asked = Library::draw_positions(list.len(), ASKED);
        asked.sort_unstable();
        let told = WordsToWrite {
            words: list.iter().map(|word| (*word).to_owned()).collect(),
            ask: asked.iter().map(|position| position + 1).collect(),
        };
        *held(&self.drawn) = Some(Drawn { words, asked });
        told
    }

    /// The words, if those that were asked for were typed back.
    fn typed_back(&self, typed: &BTreeMap<usize, String>) -> Answer<RecoveryWords> {
        let drawn = held(&self.drawn);
        let drawn = drawn.as_ref().ok_or_else(|| {
            Failure::new(StatusCode::CONFLICT, "refused", "no recovery words were shown yet")
                .hint("have them shown, and write them down")
        })?;
        let list = drawn.words.words();
        let is_right = |position: &&usize| {
            let typed = typed.get(&(**position + 1)).map(|word| word.trim().to_lowercase());
            typed.as_deref() == list.get(**position).copied()
        };
        let wrong: Vec<usize> =
            drawn.asked.iter().filter(|position| !is_right(position)).map(|position| position + 1).collect();
        if wrong.is_empty() {
            return Ok(drawn.words.clone());
        }
        let failure = Failure::new(StatusCode::FORBIDDEN, WRONG_WORDS, "some of these are other words");
        let failure = failure.saying(More { wrong: Some(wrong), ..More::default() });
        Err(failure.hint("look at what you wrote down; no library was made"))
    }

    fn forget(&self) {
        *held(&self.drawn) = None;
    }
}

fn require_none(gallery: &Gallery) -> Answer<()> {
    match gallery.door.folder() {
        None => Ok(()),
        Some(_) => Err(Failure::new(StatusCode::CONFLICT, "refused", "there is a library here already")),
    }
}

fn require_length(passphrase: &str) -> Answer<()> {
    check_new_passphrase(passphrase)
        .map_err(|reason| Failure::new(StatusCode::CONFLICT, "refused", reason).hint("write a longer one"))
}

/// The recovery words of a library that is to be made.
#[derive(Serialize, ToSchema)]
pub(crate) struct WordsToWrite {
    /// All 24, in their order.
    words: Vec<String>,
    /// Which of them are asked back, counted from 1.
    ask: Vec<usize>,
}

/// Draws the recovery words of a new library, to be written down. Whoever asks again gets others.
#[utoipa::path(post, path = "/api/v1/first/words", tag = "first run",
    responses((status = 200, body = WordsToWrite), (status = 409, description = "there is a library already")))]
pub(crate) async fn draw_words(State(gallery): State<Arc<Gallery>>) -> Answer<Json<WordsToWrite>> {
    require_none(&gallery)?;
    Ok(Json(gallery.first.draw()))
}

/// A passphrase that is being chosen.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Chosen {
    passphrase: String,
}

/// What a passphrase is worth.
#[utoipa::path(post, path = "/api/v1/first/strength", tag = "first run", request_body = Chosen,
    responses((status = 200, body = Strength)))]
pub(crate) async fn show_strength(Asked(Chosen { passphrase }): Asked<Chosen>) -> Answer<Json<Strength>> {
    let passphrase = Zeroizing::new(passphrase);
    let found = tokio::task::spawn_blocking(move || strength(&passphrase));
    found.await.map(Json).map_err(|_| Failure::broken())
}

/// A library to make.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ToMake {
    /// What opens it on this device.
    passphrase: String,
    /// The words that are asked back, by their positions.
    words_back: BTreeMap<usize, String>,
}

/// A library that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadeLibrary {
    id: String,
    path: String,
}

/// Makes a library and opens it.
#[utoipa::path(post, path = "/api/v1/first/create", tag = "first run", request_body = ToMake,
    responses((status = 200, body = MadeLibrary), (status = 403, body = Failed, description = "`wrong-words`: the error says which"),
        (status = 409, body = Failed, description = "`refused`")))]
pub(crate) async fn create(
    State(gallery): State<Arc<Gallery>>,
    Asked(ToMake { passphrase, words_back }): Asked<ToMake>,
) -> Answer<Json<MadeLibrary>> {
    let passphrase = Zeroizing::new(passphrase);
    let _making = gallery.first.making.lock().await;
    require_none(&gallery)?;
    require_length(&passphrase)?;
    let words = gallery.first.typed_back(&words_back)?;
    let shared = Arc::clone(&gallery);
    let made = tokio::task::spawn_blocking(move || {
        let (path, options) = (shared.door.path(), shared.door.options());
        let slots = [NewSlot::passphrase(LABEL, passphrase.clone())];
        let id = Library::create(&path, &words, &slots, options, || Ok::<(), LibraryError>(()))?;
        move_in(&shared, &passphrase)?;
        Ok::<_, Failure>(MadeLibrary { id: id.to_string(), path: path.to_string_lossy().into_owned() })
    });
    let made = made.await.map_err(|_| Failure::broken())??;
    gallery.first.forget();
    tell_revision(&gallery).await;
    Ok(Json(made))
}

/// Opens the library that is there now.
fn move_in(gallery: &Gallery, passphrase: &str) -> Answer<()> {
    let folder = LibraryFolder::open(&gallery.door.path()).map_err(LibraryError::from)?;
    let keys = try_passphrase(&folder, passphrase).map_err(LibraryError::from)?;
    gallery.door.move_in(folder, keys);
    Ok(())
}

async fn tell_revision(gallery: &Arc<Gallery>) {
    if let Ok(revision) = gallery.door.read(|library| Ok(library.revision()?)).await {
        gallery.news.revision(revision);
    }
}

/// Recovery words, as somebody typed them.
#[derive(Deserialize, ToSchema)]
pub(crate) struct TypedWords {
    words: String,
}

/// Says whether recovery words can be right, by their list and checksum, before anything else is asked. Nothing is kept.
#[utoipa::path(post, path = "/api/v1/first/words/check", tag = "first run", request_body = TypedWords,
    responses((status = 204), (status = 400, body = Failed, description = "`not-understood`: the message says which word is none")))]
pub(crate) async fn check_words(
    State(gallery): State<Arc<Gallery>>,
    Asked(TypedWords { words }): Asked<TypedWords>,
) -> Answer<StatusCode> {
    require_none(&gallery)?;
    read_words(&Zeroizing::new(words)).map(|_| StatusCode::NO_CONTENT)
}

fn read_words(typed: &Zeroizing<String>) -> Answer<RecoveryWords> {
    RecoveryWords::parse(typed.trim()).map_err(|error| Failure::not_understood(error.to_string()))
}

/// A library to join.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ToJoin {
    /// Where it rests.
    address: String,
    /// What opens that place, as a credential file holds it.
    credential: Option<String>,
    /// The 24 recovery words.
    words: String,
    /// What will open the library on this device.
    passphrase: String,
    /// Six words that its history must contain, as they were written down.
    six_words: Option<String>,
    /// What the place shall be called here.
    name: Option<String>,
}

/// What a join came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JoinedLibrary {
    library: String,
    began_with_checkpoint: bool,
    first_thumbnails: u64,
    outcomes: Vec<SyncOutcome>,
    /// Why the first sync failed; the next one goes on.
    sync_error: Option<String>,
    /// `same`, `earlier`: the six words are of this history; `unknown`: it was not read to its end yet.
    six_words: Option<&'static str>,
}

/// Joins a library that rests in a place, opens it, and syncs with that place.
#[utoipa::path(post, path = "/api/v1/first/join", tag = "first run", request_body = ToJoin,
    responses((status = 200, body = ShownJob), (status = 400, body = Failed, description = "`not-understood`: the words, the credential"),
        (status = 409, body = Failed, description = "`refused`; `busy`")))]
pub(crate) async fn join(
    State(gallery): State<Arc<Gallery>>,
    Asked(asked): Asked<ToJoin>,
) -> Answer<Json<ShownJob>> {
    let (typed, passphrase) = (Zeroizing::new(asked.words), Zeroizing::new(asked.passphrase));
    require_none(&gallery)?;
    require_length(&passphrase)?;
    let words = read_words(&typed)?;
    let credential = credential_of(&asked.address, asked.credential)?;
    let floor = asked.six_words.map(|words| words.trim().to_owned()).filter(|words| !words.is_empty());
    if floor.as_deref().is_some_and(|floor| !Library::are_six_words(floor)) {
        return Err(Failure::not_understood("these are not six words of the list"));
    }
    let name = asked.name.filter(|name| !name.is_empty()).unwrap_or_else(|| ORIGIN.to_owned());
    let address = asked.address;
    jobs::begin_without(&gallery, "join", move |gallery, monitor| {
        let slots = [NewSlot::passphrase(LABEL, passphrase.clone())];
        let path = gallery.door.path();
        let request = JoinRequest {
            path: &path,
            address: &address,
            credential: credential.as_ref(),
            name: &name,
            by: JoinBy::Words(&words),
            slots: &slots,
            sync_follows: true,
        };
        let joined = Library::join(&request, gallery.door.options(), gallery.door.surroundings(), monitor)?;
        move_in(gallery, &passphrase)?;
        let mut report = JoinedLibrary {
            library: joined.library.to_string(),
            began_with_checkpoint: joined.began_with_checkpoint,
            first_thumbnails: joined.first_thumbnails,
            outcomes: Vec::new(),
            sync_error: None,
            six_words: None,
        };
        let failure = first_sync(gallery, &passphrase, floor.as_deref(), monitor, &mut report)?;
        Ended::with(report, failure)
    })
}

/// Syncs with the place that was joined from, and holds the history against six words.
fn first_sync(
    gallery: &Gallery,
    passphrase: &str,
    floor: Option<&str>,
    monitor: &Watched,
    report: &mut JoinedLibrary,
) -> Answer<Option<Failure>> {
    let folder = LibraryFolder::open(&gallery.door.path()).map_err(LibraryError::from)?;
    let keys = try_passphrase(&folder, passphrase).map_err(LibraryError::from)?;
    let mut library = Library::open(folder, keys, gallery.door.options())?;
    gallery.news.revision(library.revision()?);
    let synced = library.sync(&SyncRequest::default(), gallery.door.surroundings(), monitor);
    let error = match synced {
        Ok(run) => {
            report.outcomes = run.outcomes;
            run.first_error
        }
        Err(error) => Some(error),
    };
    // The library is joined; what is missing comes with the next sync.
    report.sync_error = error.map(|error| error.to_string());
    let compared = floor.map(|floor| library.compare_six_words(floor)).transpose();
    let is_read = report.sync_error.is_none() && !library.is_provisional()?;
    library.close()?;
    match compared {
        Ok(compared) => {
            report.six_words = compared.map(|compared| match compared {
                Comparison::Same => "same",
                Comparison::Earlier => "earlier",
            });
            Ok(None)
        }
        Err(LibraryError::BelowFloor) if !is_read => {
            report.six_words = Some("unknown");
            Ok(None)
        }
        Err(error) => Ok(Some(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_that_are_asked_for_must_be_typed_back() {
        let first = First::default();
        assert_eq!(first.typed_back(&BTreeMap::new()).unwrap_err().code, "refused");
        let told = first.draw();
        assert_eq!((told.words.len(), told.ask.len()), (24, ASKED));
        let mut typed: BTreeMap<usize, String> = told
            .ask
            .iter()
            .map(|position| (*position, format!(" {} ", told.words[position - 1].to_uppercase())))
            .collect();
        assert!(first.typed_back(&typed).is_ok());
        typed.insert(told.ask[1], "nonsense".into());
        let refused = first.typed_back(&typed).unwrap_err();
        assert_eq!((refused.code, refused.more.unwrap().wrong), ("wrong-words", Some(vec![told.ask[1]])));
        typed.remove(&told.ask[1]);
        assert!(first.typed_back(&typed).is_err());
        first.forget();
        assert!(first.typed_back(&typed).is_err());
    }
}
