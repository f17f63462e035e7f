//! New recovery words: those in force put others in force, and what is sealed from then on is wrapped to the new ones.
//!
//! Invariant, at every moment at which the process may end: either nobody has heard of the new words, or the statement
//! that names them rests in the catalogue beside that of an epoch which they open, both in a segment that the words before
//! can still read; and their root card and that epoch's keys files rest in the library folder. So whoever has the words
//! before finds out that they were replaced, and whoever has the new ones finds everything. Ended before, it leaves a card
//! and keys files that nobody vouches for.
//!
//! Two devices may do so at once. The earlier statement counts everywhere; what was sealed meanwhile for the words that do
//! not count is given to those that do by one more epoch.
//!
//! Specified in sl1 §1.12.

use safelight_crypto::{
    Author, EpochId, LibraryId, Recipient, RecoveryWords, RootCard, Roster, Statement, StatementBody, names,
    statements_hash,
};
use safelight_store::{Outcome, Sealed};

use crate::epochs::{prepare_epoch, start_epoch};
use crate::error::{Result, SyncError};
use crate::here::{Here, newer_version_needed};
use crate::keys::{SMALL_BYTES, path_of};
use crate::problem::Problem;

/// The setting of this device that names the epochs of words that do not count, once others opened what was sealed under them.
const GIVEN: &str = "epochs-given-to-words";

/// Puts new words in force, which those in force sign, together with an epoch for them. Says nothing if they are in force
/// already. [`take_words_in_force`] ends what this begins.
///
/// # Errors
/// [`SyncError::Keys`] when `old` are not in force, when `new` were before, or when the keys cannot be kept;
/// [`SyncError::NeedsNewerVersion`]; what the databases answer.
pub fn state_new_words(here: &mut Here<'_>, old: &RecoveryWords, new: &RecoveryWords) -> Result<()> {
    let refuse = |reason: &str| SyncError::Keys { reason: reason.to_owned() };
    let roster = here.roster()?.ok_or_else(|| refuse("the beginning of the history is missing"))?;
    if let Some(feature) = newer_version_needed(&roster) {
        return Err(SyncError::NeedsNewerVersion { feature });
    }
    if *roster.words() == new.card() {
        return Ok(());
    }
    if roster.words_replaced(&new.library_id()).is_some() {
        return Err(refuse("these recovery words were in force before, and were replaced"));
    }
    let known = statements_hash(here.statements()?.iter().map(Statement::id));
    let root = StatementBody::Root(new.card());
    let prepared = prepare_epoch(here, Some((Author::Words(old), &root)))?;
    put_card(here, new, known)?;
    // Under the epoch before: whoever has nothing but the words before must be able to read that they were replaced.
    let keyring = here.keys.keyring().clone();
    let sealed_by = (keyring.library(), keyring.device(), keyring.epoch());
    Ok(here.catalog.append_and_close((here.now)(), prepared.bodies, sealed_by, here.entropy)?)
}

/// Puts the root card of new words into the library folder, unless an earlier attempt has.
fn put_card(here: &Here<'_>, words: &RecoveryWords, statements: [u8; 32]) -> Result<()> {
    let (library, id) = (here.library(), words.library_id());
    let path = path_of(&names::root_card(&id))?;
    let card = Sealed::from_root_card(RootCard::sign(words, library, statements, (here.now)()));
    let card = card.map_err(|error| SyncError::Keys { reason: error.to_string() })?;
    if here.place.put_new(&path, &card)? == Outcome::Created {
        return Ok(());
    }
    let there = here.place.open_object(&path)?.read_all(SMALL_BYTES)?;
    if RootCard::open(&there, &id).is_ok_and(|card| card.library() == library) {
        return Ok(());
    }
    here.place.remove_object(&path)?;
    match here.place.put_new(&path, &card)? {
        Outcome::Created => Ok(()),
        Outcome::Existed => Err(SyncError::Keys { reason: format!("{path} is there already") }),
    }
}

/// Takes note of the words that the statements put in force, if this device knew others: whatever it begins from then on
/// is for those. Tells what a person should know of it.
///
/// # Errors
/// [`SyncError::Keys`] when the keys cannot be kept; what the databases answer.
pub fn take_words_in_force(here: &mut Here<'_>) -> Result<Option<Problem>> {
    let known = here.keys.keyring().words().id();
    let Some(roster) = here.roster()?.filter(|roster| roster.words().id() != known) else { return Ok(None) };
    let names_known =
        |one: &Statement| matches!(one.body(), StatementBody::Root(words) if words.id() == known);
    if !here.statements()?.iter().any(names_known) {
        // This device knew more than the history that is here now says.
        return Ok(None);
    }
    let keep = |reason| SyncError::Keys { reason };
    if let Some(epoch) = roster.sealing_epoch().map(|announced| announced.epoch)
        && here.keys.keyring().epoch_by_id(&epoch).is_some()
    {
        here.keys.seal_under(&epoch).map_err(keep)?;
    }
    here.keys.take_words(roster.words()).map_err(keep)?;
    Ok(Some(match roster.words_replaced(&known) {
        Some(millis) => Problem::WordsReplaced { day: day_of(millis) },
        None => Problem::WordsDoNotCount { day: day_of(roster.words_since().unwrap_or_default()) },
    }))
}

/// Gives the words in force the secrets of epochs that were announced for words which never counted: two devices replaced
/// the words at once, and one of them sealed under its own epoch before it heard of the other. Each device that holds such
/// secrets does so once.
pub(crate) fn give_to_words_in_force(here: &mut Here<'_>) -> Result<()> {
    let Some(roster) = here.roster()? else { return Ok(()) };
    let keyring = here.keys.keyring();
    if !roster.recipients().contains(&Recipient::Device(keyring.device().id())) {
        return Ok(());
    }
    let mut given = here.device.setting(GIVEN)?.unwrap_or_default();
    let is_given = |given: &[u8], id: &EpochId| given.chunks(EpochId::LEN).any(|one| one == id.as_bytes());
    let held = roster.epochs().iter().filter(|announced| keyring.epoch_by_id(&announced.epoch).is_some());
    let lost: Vec<EpochId> = held
        .filter(|announced| announced.files.keys().any(|recipient| never_counted(&roster, recipient)))
        .map(|announced| announced.epoch)
        .filter(|epoch| !is_given(&given, epoch))
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    start_epoch(here, None)?;
    lost.iter().for_each(|epoch| given.extend_from_slice(epoch.as_bytes()));
    Ok(here.device.set_setting(GIVEN, Some(&given))?)
}

fn never_counted(roster: &Roster, recipient: &Recipient) -> bool {
    matches!(recipient, Recipient::Words(words)
        if *words != roster.words().id() && roster.words_replaced(words).is_none())
}

/// Refuses words that are not in force in a place.
pub(crate) fn require_in_force(roster: &Roster, words: &LibraryId, place: &str) -> Result<()> {
    if roster.words().id() == *words {
        return Ok(());
    }
    let place = place.to_owned();
    Err(match roster.words_replaced(words) {
        Some(millis) => SyncError::WordsReplaced { place, day: day_of(millis) },
        None => SyncError::Unbelievable {
            object: names::root_card(words),
            place,
            reason: "no statement puts these recovery words in force".to_owned(),
        },
    })
}

/// The day of a moment in milliseconds since 1970, UTC: `2026-05-14`.
fn day_of(millis: u64) -> String {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| "a day unknown".to_owned(), |when| when.strftime("%Y-%m-%d").to_string())
}
