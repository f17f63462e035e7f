//! The sentences that say why something is so, in a form that can be said in any language: a code, and the values in it.
//!
//! What a device keeps of a failure is its sentence, also that of an earlier version. So there is one book of sentences, and
//! a code is read out of a sentence in one way, whether it was kept or was said just now. A sentence that the book does not know
//! has no code, and is shown as it is.
//!
//! Invariant: a code never changes its meaning or the names of its values; a sentence may be worded anew, and its old words
//! stay here beside the new ones as long as they may be kept somewhere. Of two that fit, the one that is further up counts.

use std::collections::BTreeMap;

use serde::Serialize;

mod refusals;
use refusals::REFUSALS;

/// Why something is so, for whoever says it in other words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct Why {
    /// Which sentence it is, in kebab case; those that there are stand in `docs/codes.md`.
    pub code: &'static str,
    /// What differs from one to the next: names, numbers, and as `detail` what a system or a program reported.
    #[cfg_attr(feature = "schemas", schema(value_type = BTreeMap<String, String>))]
    pub values: BTreeMap<&'static str, String>,
}

/// A sentence that a job told, and its code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct SaidProblem {
    /// `failure`, or `notice` where nobody has to act.
    pub weight: &'static str,
    /// The sentence, without a full stop.
    pub reason: String,
    /// The same in a code.
    pub why: Option<Why>,
}

impl SaidProblem {
    /// What a job told: what went wrong, then what is merely worth knowing.
    #[must_use]
    pub fn all(problems: &[String], notices: &[String]) -> Vec<Self> {
        let say = |weight: &'static str| {
            move |reason: &String| Self { weight, reason: reason.clone(), why: Why::of(reason) }
        };
        problems.iter().map(say("failure")).chain(notices.iter().map(say("notice"))).collect()
    }
}

impl Why {
    /// A remote could not be used, for a reason of its own.
    pub(crate) fn remote_failed(remote: &str, detail: &str) -> Self {
        let values = [("remote", remote.to_owned()), ("detail", detail.to_owned())];
        Self { code: "remote-failed", values: values.into() }
    }

    /// Why no preview could be made of a photo: decoders say more than a book can hold.
    pub(crate) fn of_undecodable(reason: &str) -> Self {
        let unknown = || Self { code: "undecodable", values: [("detail", reason.to_owned())].into() };
        Self::of(reason).unwrap_or_else(unknown)
    }

    /// Reads a sentence; none when the book does not know it.
    #[must_use]
    pub fn of(sentence: &str) -> Option<Self> {
        book().find_map(|(code, phrase)| Some(Self { code, values: read(phrase, sentence)? }))
    }
}

/// The whole book, in the order in which it is read.
fn book() -> impl Iterator<Item = (&'static str, &'static str)> {
    // What cannot be read, and all that places answer, fits much.
    let wide = PHRASES.iter().position(|(code, _)| *code == "file-unreadable").unwrap_or(PHRASES.len());
    let (before, behind) = PHRASES.split_at(wide);
    before.iter().chain(REFUSALS).chain(behind).copied()
}

/// The values of a sentence, if it is said with that phrase.
fn read(phrase: &'static str, sentence: &str) -> Option<BTreeMap<&'static str, String>> {
    let mut values = BTreeMap::new();
    let (first, mut phrase) =
        phrase.split_once('{').map_or((phrase, None), |(first, rest)| (first, Some(rest)));
    let mut sentence = sentence.strip_prefix(first)?;
    while let Some(rest) = phrase {
        let (name, rest) = rest.split_once('}')?;
        let (words, further) = rest.split_once('{').map_or((rest, None), |(words, rest)| (words, Some(rest)));
        let value = match further {
            // What stands last reaches to the end.
            None => sentence.strip_suffix(words)?,
            Some(_) => sentence.get(..sentence.find(words)?)?,
        };
        if value.is_empty() {
            return None;
        }
        sentence = sentence.get(value.len() + words.len()..)?;
        values.insert(name, value.to_owned());
        phrase = further;
    }
    sentence.is_empty().then_some(values)
}

/// The book. Values stand in braces.
const PHRASES: &[(&str, &str)] = &[
    // How an original stands to a remote.
    ("came-in", "it came in after the last sync"),
    ("not-sent-yet", "it was not sent yet"),
    ("daily-cap", "the daily cap of {cap} is reached: more goes from {until} on"),
    ("cannot-be-sent", "it cannot be sent"),
    ("not-selected", "the selection does not ask for it"),
    ("nobody-asked", "nobody asked for it: safelight sync on"),
    ("not-old-enough", "it is not old enough"),
    ("switched-off", "switched off by hand"),
    ("needs-consent", "it waits for your consent: safelight sync --yes"),
    ("needs-consent", "more came to be exposed at once than may go without consent: safelight sync --yes"),
    ("not-seen-there", "they are not on this device and were not seen in {remote} yet"),
    ("nowhere", "no place is known to hold it, and no other device ever had it: import its file again"),
    ("on-another-device", "another device has it, and it was not seen in {remote} yet"),
    (
        "device-keeps-it",
        "device {device} keeps it, as far as the history tells; it is not here and was not seen in {remote} yet",
    ),
    ("in-another-remote", "it rests in {holder} and not here: safelight remote replicate {from} {remote}"),
    (
        "archived-elsewhere",
        "it rests archived in {holder} and not here: safelight local thaw brings it back, and the next sync sends it",
    ),
    ("thawing-elsewhere", "it is being thawed in {holder}: the sync after that sends it"),
    ("lost-there", "{remote} was found to have lost them or holds them damaged"),
    (
        "lost-others-have-it",
        "it is {was} there; {others} should still have it: safelight remote replicate {from} {to}",
    ),
    (
        "lost-device-has-it",
        "it is {was} there; device {device} imported it and may still have it: safelight sync there",
    ),
    (
        "lost",
        "it is {was} there; a device that fetched it may still have it (safelight sync there), else import its file again",
    ),
    ("missing-there", "missing"),
    ("damaged-there", "damaged"),
    ("was-damaged-there", "it was damaged there"),
    ("dropped-there", "it was dropped from there"),
    ("purged", "it was purged"),
    ("newer-version", "a newer version of Safelight stores it"),
    ("archived", "it is archived; safelight local thaw asks for it"),
    ("thaw-asked", "asked for; the next sync fetches it when it is ready"),
    ("linked-elsewhere", "it is linked on another device"),
    ("link-unreadable", "{path} cannot be read: {detail}; connect its disk or folder"),
    ("link-changed", "{path} is no longer the file that was imported; import it again"),
    // Why the bytes of an original stay here.
    ("not-here", "not on this device"),
    ("linked", "linked: the file is yours and stays where it is"),
    ("small", "small: it lies in a pack with others, and a pack is not written anew for one"),
    ("newer-version", "stored by a newer version of Safelight"),
    ("pinned", "pinned"),
    ("preview-to-make", "its preview is still to be made"),
    ("damaged-here", "damaged here: fetch it first"),
    ("not-there", "not in the remote"),
    ("others-wait", "another remote still waits for it"),
    ("no-proof", "no proof that the remote holds it"),
    ("stale-proof", "the proof that the remote holds it is too old"),
    ("archived-unproven", "archived there without a proof, and it cannot be read before it is thawed"),
    ("found-bad", "missing or damaged in the remote: the next sync sends it again"),
    ("may-be-overwritten", "the remote cannot refuse to overwrite, and another device may write there"),
    ("unpublished", "not everything that this device did is published there yet"),
    (
        "unknown-place",
        "it is not known which place the remote is, or it is another one than before: run a sync",
    ),
    (
        "history-hidden",
        "the remote withholds history or shows two histories of one device: run a sync to see which",
    ),
    ("away", "this device was away for long and could not come back yet: run a sync"),
    ("brake-on", "the brake is on: safelight brake says why"),
    ("provisional", "history was not read to its end on this device yet: run a sync"),
    // What a file is that is no photo.
    ("sidecar-alone", "metadata beside a photo, not a photo"),
    ("sound", "sound without pictures"),
    ("resource-fork", "a macOS resource fork, not a photo"),
    ("other-kind", "a document, archive or program, not a photo or video"),
    (
        "disguised",
        "named like a photo or video, but its content is of another kind; if it is a damaged photo that you want to \
         keep, --all-files takes it",
    ),
    ("disguised", "named like a photo or video, but its content is of another kind"),
    ("unrecognised", "neither content nor name is of a photo or video"),
    // What an import tells of single files.
    ("own-folder", "this is the library's own folder"),
    ("a-library", "this is a Safelight library, not a folder of photos"),
    ("folder-unreadable", "the folder cannot be read: {detail}"),
    ("not-looked-at", "it cannot be looked at: {detail}"),
    ("unreadable-any-more", "it cannot be read any more: {detail}"),
    ("unreadable", "it cannot be read: {detail}"),
    ("link-to-folder", "a link to a folder; name the folder itself to import it"),
    ("link-to-no-photo", "a link to {what}, which holds no photo: left out"),
    ("broken-link", "a link that leads nowhere: {detail}"),
    ("no-photo", "{what}, which holds no photo: left out"),
    ("offline", "offline, nothing in it counts as deleted: {detail}"),
    ("offline-empty", "it is empty though it held photos before: offline, nothing in it counts as deleted"),
    (
        "purged-before",
        "it was removed from the library before (trash empty); a copy, or the file after touch, comes in as a new photo",
    ),
    (
        "still-changing",
        "it is still being written, so nothing of it was taken; import it again once it is complete",
    ),
    (
        "changed-unseen",
        "it was changed although its time was not, so it was not removed; the next import takes in what it holds now",
    ),
    ("not-removed", "it was not removed: {detail}"),
    ("sidecar-too-large", "the sidecar is too large"),
    ("same-content-failed", "the file with the same content failed"),
    ("replaced-damaged", "a damaged object lay in its place and was replaced: {detail}"),
    ("no-preview", "imported without a preview: {detail}"),
    ("cut-off", "it is cut off or damaged: {detail}; all that is there was imported"),
    ("ends-early", "it ends early: {bytes} of {stated} bytes; all that is there was imported"),
    ("still-damaged", "its sealed copy is still damaged: {detail}"),
    ("written-over", "it was linked and has been changed in place; what it held before is in no copy here"),
    (
        "link-replaced",
        "something else lies here now; what was linked here is in no copy that this library knows",
    ),
    ("render-later", "the machine could not render it now; it stays in the queue"),
    // What a place can do.
    ("not-tried", "not tried yet; remote check does"),
    // What a sync tells of single objects.
    ("not-sent", "{object} was not sent: {detail}; the next sync tries it again"),
    ("not-in-place", "{object} is not in this place: it rests in another one, or is lost"),
    ("repaired", "{object} was {was} and is whole again"),
    ("not-forgotten", "{place} may still hold what was forgotten: {detail}; the next sync tries it again"),
    (
        "rewritten",
        "{object} was missing or damaged before it was sent: what it says goes out in another segment",
    ),
    ("still-needed", "{object} is to leave, but is still needed here: connect its place, or fetch it"),
    (
        "lost-object",
        "{object} was found missing or damaged and is not on this device: the device that holds it sends it again",
    ),
    (
        "owed-by-another",
        "{object} is missing or damaged, and only device {device}, which it is for, has it: that device puts it there again \
         with a sync within a day, or at once with safelight verify --remote",
    ),
    (
        "hurt-hint",
        "{object} is damaged: it only says how far device {device} wrote, which writes it anew with its next change; nothing \
         is lost",
    ),
    ("not-deleted", "{object} is still there, although its deletion was reported done"),
    ("stranger", "{object} is not known to belong here"),
    (
        "withheld",
        "{object} is withheld or late: {device} knows of it; it comes with a later sync, from another place or from a \
         device that has it",
    ),
    (
        "forked",
        "device {device} has two different segments {seq}: a copy of it goes on by itself, and what it said before is \
         not here yet",
    ),
    (
        "branch-kept",
        "device {device} was copied or restored, and both copies published a segment {seq}: both are kept, nothing is \
         lost",
    ),
    (
        "went-on-as",
        "a copy of this device went on by itself from segment {seq} on: this one goes on as device {new} (it was {old})",
    ),
    (
        "left-over",
        "{object} cannot be read: {detail}. A copy of device {device} wrote it before it went on under another name: what \
         it says comes in the chain of that name, and is lost if that copy is gone. There is nothing to do; this is not \
         said again, except by safelight verify --remote and status",
    ),
    (
        "quarantined",
        "segment {seq} of device {device} came after the device was revoked or retired: it is not taken in, nor what follows it",
    ),
    (
        "braked",
        "device {device} trashed, removed or replaced {lost} of {known} photos within a day: nothing leaves this device or its \
         remotes until you have looked; safelight brake says more",
    ),
    (
        "words-are-new",
        "the recovery words were replaced on {day}: the older ones open nothing that is newer; keep the new ones where they \
         were, and see whether they are right: safelight key recovery test",
    ),
    (
        "words-do-not-count",
        "the recovery words that were made on this device do not count: another device replaced them before, on {day}; \
         destroy those from here and keep the others",
    ),
    ("unadmitted", "no statement admits device {device}; its history is not read"),
    (
        "no-key",
        "{object} is sealed under epoch {epoch}, for which this device has no key: it comes with a later sync, or this \
         device does not belong to the library any more",
    ),
    (
        "wrong-checkpoint",
        "the checkpoint of device {signer} says something else than the history about {things} things; history is \
         right: safelight doctor --fix catalog makes the catalogue anew from it",
    ),
    // What concerns a whole remote.
    ("gone-back", "{place} has gone back: segment {seq} of device {device} was there and is not any more"),
    ("another-place", "{place} is another place than before: its id is {found} and was {known}"),
    (
        "copied-place",
        "{place} carries the id of another remote of this device: it is a copy of that place, or the same place again",
    ),
    ("emptied", "{place} is empty: it held this library, and nothing of it is there any more"),
    ("no-beginning", "{place} does not hold the beginning of this library's history"),
    ("no-library-there", "{place} holds no library of these recovery words"),
    (
        "words-replaced",
        "these recovery words were replaced by others on {day}: what came into {place} since then opens with the newer ones \
         only",
    ),
    ("another-library", "{place} holds another library"),
    ("not-held", "no place that was asked holds {object}"),
    ("archived-in", "{object} is archived in {place} and must be thawed first"),
    ("not-believed", "{object} in {place} cannot be believed: {detail}"),
    ("needs-newer", "this library needs a newer version of Safelight: {detail}"),
    ("away-from", "this device was away from {place} for long; it must sync there first"),
    ("may-not-delete", "the credential of {place} may not delete objects"),
    ("overtaken", "{place} is busy: other copies of this device publish faster; try again"),
    // How a pairing comes to nothing.
    ("no-invitation", "{place} holds no invitation"),
    ("nobody-near", "no device on this network invites with this code"),
    (
        "wrong-code",
        "no invitation in {place} opens with this code: it is that of another one, or somebody exchanged the card",
    ),
    ("code-used", "this code was used already; it is good for one device"),
    ("code-tries", "the invitation was closed after three tries with wrong codes"),
    ("code-expired", "the invitation has expired"),
    ("invitation-off", "the invitation was called off on the device that invited"),
    (
        "card-exchanged",
        "{object} in {place} was exchanged: somebody else who may write there meddles with the pairing",
    ),
    ("no-answer-to-this", "{object} in {place} is no answer to this device: {detail}"),
    ("no-answer-in-time", "the device that invited did not answer in time"),
    ("inviter-left", "device {device}, which invited, does not belong to the library any more"),
    ("words-differ", "the two screens show different words: the devices do not speak with each other alone"),
    ("not-let-in", "no device that belongs to the library has let this one in"),
    ("interrupted", "interrupted"),
    // What is asked of the library and cannot be.
    ("no-such-remote", "there is no remote {name}"),
    ("no-remote", "this library has no remote"),
    ("in-remotes", "the original {object} is not on this device; it rests in {remotes}"),
    ("unreachable", "the original {object} is not on this device, and {remote} does not answer: {detail}"),
    ("no-such-item", "nothing in the library is called {item}"),
    ("no-such-album", "there is no album {album}"),
    ("hidden-closed", "hidden photos are told only once they were opened"),
    ("another-sync", "another sync of this library is running"),
    ("link-absent", "the linked original {path} is not there"),
    ("link-no-longer", "the linked file {path} no longer holds what was imported"),
    ("remote-name-taken", "there is a remote {name} already"),
    ("basket-empty", "nothing lies in the thaw basket"),
    ("basket-full", "the thaw basket holds {most} photos, and these would be {would}"),
    ("proof-too-old", "a proof is worth nothing after 30 days: others may have removed what it speaks of"),
    (
        "video-too-large",
        "{name} cannot be converted: it has {megabytes} MB, and a sealed video of more than {most} MB is not opened in memory",
    ),
    ("no-ffmpeg", "{name} can be played only through a conversion, and there is no ffmpeg on this computer"),
    (
        "no-memory",
        "{name} cannot be converted: it needs {megabytes} MB of memory, and {free} MB are free for it",
    ),
    ("nothing-follows", "{name} has nothing to show from second {second} on"),
    ("cannot-convert", "{name} cannot be converted: {detail}"),
    ("lock-after-bounds", "a gallery locks itself after 1 minute at the soonest and 24 hours at the latest"),
    ("too-many-connections", "too many programs and windows are connected to the gallery"),
    ("request-too-slow", "the request did not come whole in time"),
    ("request-too-long", "the request is longer than the gallery takes"),
    ("another-video", "another video was begun meanwhile"),
    ("workers-bounds", "1 to 64 pictures are decoded at once"),
    ("map-gone", "the map {path} is not there: {detail}"),
    ("map-file-gone", "{path} cannot be shown as a map: there is no such file"),
    ("map-file-closed", "{path} cannot be shown as a map: it may not be read"),
    ("map-no-file", "{path} cannot be shown as a map: it is no file"),
    ("map-path", "{path} cannot be shown as a map: its whole path is needed, which begins with /"),
    ("map-no-pmtiles", "{path} cannot be shown as a map: it does not begin as a PMTiles file of version 3"),
    ("map-version", "{path} cannot be shown as a map: it is a PMTiles file of another version than 3"),
    ("map-cut", "{path} cannot be shown as a map: it ends before its tiles do: it was not copied whole"),
    ("map-kind", "{path} cannot be shown as a map: its tiles are of a kind that is not known here"),
    ("map-empty", "{path} cannot be shown as a map: there is no tile in it"),
    (
        "map-packing",
        "{path} cannot be shown as a map: it is packed in a way that browsers do not unpack: only gzip is",
    ),
    ("no-map", "{path} cannot be shown as a map: {detail}"),
    ("file-unreadable", "{path} cannot be read: {detail}"),
    ("file-unwritable", "{path} cannot be written: {detail}"),
    // Why duplicates are not settled by themselves, or not dropped.
    ("several-versions", "one of them has several versions, or devices disagree about it"),
    ("video-lacking", "one of them has a video that the other lacks"),
    ("videos-by-one-picture", "videos are compared by one picture and their length"),
    ("one-is-raw", "one of them is a RAW original"),
    ("colours-differ", "their colours differ"),
    ("larger-goes", "one that would go is larger: less may have been lost in saving it"),
    ("no-thumbnail", "one of them has no thumbnail on this device to compare"),
    ("they-differ", "they differ"),
    ("only-a-part", "one of them shows only a part of the other"),
    ("retouched", "one of them is brighter or darker: somebody may have retouched it"),
    ("differ-in-places", "they differ in places"),
    ("differ-closely", "they differ in a small place, such as a word or a number"),
    ("two-shots", "they may be two shots of one second"),
    ("no-camera", "no camera took the one that would stay: pages and screenshots can differ in one word"),
    ("in-a-stack", "one of them lies in a stack, which would come apart"),
    ("other-words", "people wrote another {field} on each"),
    ("kept-not-here", "the original of the one to keep is not on this device, so it cannot be verified"),
    ("several-shots", "they are several shots; a stack shows them as one"),
    ("shots-are-stacked", "shots of one moment are stacked"),
    // Why a query is not understood.
    ("open-quote", "the quotation mark is never closed"),
    ("nothing-excluded", "`-` excludes the word that follows it without a space"),
    ("no-letters", "there is no letter or digit here to look for"),
    ("no-such-filter-meant", "there is no filter `{key}:`; did you mean `{meant}`?"),
    ("no-such-filter", "there is no filter `{key}:`"),
    ("filter-needs-value", "`{key}:` needs a value, such as `{example}`"),
    ("filter-knows-meant", "`{key}:` knows {known}; did you mean `{meant}`?"),
    ("filter-knows", "`{key}:` knows {known}"),
    ("bad-date", "a date is a year, a month or a day, or a range of them, such as `{example}`"),
    ("bad-size", "a size is a number with B, KB, MB, GB, KiB, MiB or GiB, such as `{example}`"),
    ("bad-rating", "a rating is a number from 0 to 5, such as `{example}`"),
    ("bad-count", "how many places is a whole number, such as `{example}`"),
    ("bad-age", "an age is a number with h, d, w or y for hours, days, weeks or years, such as `{example}`"),
    (
        "bad-position",
        "a position is latitude, longitude and a distance, with commas between, such as `{example}`",
    ),
    ("range-backwards", "the range ends before it begins"),
    // What a place answers. These fit much, so they stand behind all others.
    ("place-full", "{place} is full: could not {what}"),
    ("place-read-only", "{place} is read-only: could not {what}"),
    ("place-denied", "{place} does not permit to {what}"),
    ("place-unreachable", "{place} could not be reached: could not {what}"),
    ("place-refused", "{place} refused to {what}"),
    ("place-gone", "{place} is gone: the drive was removed, unmounted or replaced"),
    ("no-folder", "no folder at {path}: {detail}"),
    ("no-folder", "no folder at {path}"),
    ("no-file", "no file at {path}: {detail}"),
    ("no-file", "no file at {path}"),
    ("not-a-copy", "{place} is no sealed copy that can be used: {detail}"),
    ("obstructed", "{place}: {object} is not a plain file in plain folders (links are not followed)"),
    ("object-archived", "{place}: {object} is archived and must be thawed before it can be read"),
    ("object-too-large", "{place}: {object} has {bytes} bytes, more than the {most} that are allowed here"),
    ("object-damaged", "{place}: {object} is damaged: {detail}"),
    ("place-failed", "{place}: could not {what}"),
    ("place-has", "{place} already has an object {object}"),
    ("place-lacks", "{place} has no object {object}"),
    ("place-busy", "{place} asks to wait {wait}"),
    ("place-busy", "{place} asks to wait"),
    ("place-cannot", "{place} cannot open: {detail}"),
    ("place-cannot", "{place} cannot write: {detail}"),
    ("place-cannot", "{place} cannot read: {detail}"),
    ("place-cannot", "{place} cannot look up: {detail}"),
    ("place-cannot", "{place} cannot list: {detail}"),
    ("place-cannot", "{place} cannot delete: {detail}"),
    ("place-cannot", "{place} cannot change tiers: {detail}"),
    ("place-cannot", "{place} cannot grant uploads: {detail}"),
    ("place-cannot", "{place} cannot make durable: {detail}"),
    ("place-cannot", "{place} cannot sweep: {detail}"),
    ("damaged", "{object} is damaged: {detail}"),
    ("original-damaged", "the original {name} on this device is damaged"),
    ("not-on-device", "{object} is not on this device"),
    ("missing", "{object} is missing"),
];

#[cfg(test)]
mod tests;
