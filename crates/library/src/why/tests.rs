use std::io;

use safelight_catalog::{NEEDS_CONSENT, PURGED, SWITCHED_OFF};
use safelight_crypto::{DeviceId, EpochId};
use safelight_media::NotMedia;
use safelight_model::history::Tip;
use safelight_model::{PlaceId, SegmentRoot, SegmentSeq};
use safelight_store::{Operation, StoreError};
use safelight_sync::{PairingRefusal, Problem, SyncError, WhyNot};

use super::*;
use crate::error::{LibraryError, with_causes};

/// The code of a sentence, and its values in the order of their names.
fn told(sentence: &dyn ToString) -> (String, Vec<String>) {
    let sentence = sentence.to_string();
    let why = Why::of(&sentence).unwrap_or_else(|| panic!("the book has no {sentence:?}"));
    (why.code.to_owned(), why.values.into_values().collect())
}

fn code(sentence: &dyn ToString) -> String {
    told(sentence).0
}

#[test]
fn every_phrase_is_read_as_itself_with_its_values() {
    for (code, phrase) in book() {
        let (mut sentence, mut names) = (phrase.to_string(), Vec::new());
        for part in phrase.split('{').skip(1) {
            let name = part.split_once('}').unwrap().0;
            sentence = sentence.replace(&format!("{{{name}}}"), &format!("<{name}:7>"));
            names.push(name);
        }
        let why = Why::of(&sentence).unwrap_or_else(|| panic!("{phrase}"));
        assert_eq!(why.code, code, "{sentence}");
        assert_eq!(why.values.len(), names.len(), "{phrase} names a value twice");
        for name in names {
            assert_eq!(why.values[name], format!("<{name}:7>"), "{sentence}");
        }
        assert!(code.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-'), "{code}");
    }
}

#[test]
fn every_code_stands_in_the_document_with_its_values() {
    let document = include_str!("../../../../docs/codes.md");
    for (code, phrase) in book().chain([("remote-failed", "{remote}{detail}"), ("undecodable", "{detail}")]) {
        let row = document.lines().find(|line| line.starts_with(&format!("| `{code}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/codes.md has no {code}"));
        for part in phrase.split('{').skip(1) {
            let name = part.split_once('}').unwrap().0;
            assert!(row.contains(&format!("`{name}`")), "docs/codes.md says nothing of {name} of {code}");
        }
    }
}

#[test]
fn what_the_book_does_not_know_has_no_code() {
    for other in
        ["", "it is", "it was not sent yet.", "the moon is full", "no folder at ", "something else: it broke"]
    {
        assert_eq!(Why::of(other), None, "{other}");
    }
}

#[test]
fn all_reasons_for_which_bytes_stay_have_codes() {
    use WhyNot::{
        ArchivedUnproven, Away, Braked, DamagedHere, FoundBad, HistoryHidden, Linked, MayBeOverwritten,
        Newer, NoProof, NotHere, NotThere, Pinned, Provisional, RenditionToMake, Small, StaleProof,
        StillWaited, UnknownPlace, Unpublished,
    };
    let all = [
        (NotHere, "not-here"),
        (Linked, "linked"),
        (Small, "small"),
        (Newer, "newer-version"),
        (Pinned, "pinned"),
        (RenditionToMake, "preview-to-make"),
        (DamagedHere, "damaged-here"),
        (NotThere, "not-there"),
        (StillWaited, "others-wait"),
        (NoProof, "no-proof"),
        (StaleProof, "stale-proof"),
        (ArchivedUnproven, "archived-unproven"),
        (FoundBad, "found-bad"),
        (MayBeOverwritten, "may-be-overwritten"),
        (Unpublished, "unpublished"),
        (UnknownPlace, "unknown-place"),
        (HistoryHidden, "history-hidden"),
        (Away, "away"),
        (Braked, "brake-on"),
        (Provisional, "provisional"),
    ];
    for (why, expected) in all {
        assert_eq!(code(&why), expected);
    }
}

#[test]
fn all_files_that_are_no_photos_have_codes() {
    use NotMedia::{AppleDouble, Audio, Disguised, OtherKind, Sidecar, Unrecognised};
    let all = [
        (Sidecar, "sidecar-alone"),
        (Audio, "sound"),
        (AppleDouble, "resource-fork"),
        (OtherKind, "other-kind"),
        (Disguised, "disguised"),
        (Unrecognised, "unrecognised"),
    ];
    for (kind, expected) in all {
        assert_eq!(code(&kind), expected);
    }
}

#[test]
fn what_a_place_answers_has_codes_with_and_without_what_the_system_said() {
    let (place, object) = (|| "sftp://me@nas".to_owned(), || "o/aa/aab".to_owned());
    let operation = Operation::Head;
    let source = || io::Error::other("the cable: it is out");
    let all = [
        (StoreError::NotFound { place: place(), object: object() }, "place-lacks"),
        (StoreError::AlreadyExists { place: place(), object: object() }, "place-has"),
        (StoreError::Unsupported { place: place(), operation, reason: "it has no tiers" }, "place-cannot"),
        (StoreError::Full { place: place(), operation, object: object(), source: source() }, "place-full"),
        (
            StoreError::ReadOnly { place: place(), operation, object: object(), source: source() },
            "place-read-only",
        ),
        (
            StoreError::Denied { place: place(), operation, object: object(), source: source() },
            "place-denied",
        ),
        (StoreError::Vanished { place: place() }, "place-gone"),
        (StoreError::NoPlace { path: "/mnt/nas".into(), source: source() }, "no-folder"),
        (StoreError::NoFile { path: "/mnt/nas".into(), source: source() }, "no-file"),
        (StoreError::NotACopy { place: place(), reason: "it does not begin as one" }, "not-a-copy"),
        (StoreError::Obstructed { place: place(), object: object() }, "obstructed"),
        (StoreError::Damaged { place: place(), object: object(), reason: "cut".into() }, "object-damaged"),
        (
            StoreError::TooLarge { place: place(), object: object(), length_bytes: 9, at_most_bytes: 5 },
            "object-too-large",
        ),
        (StoreError::Archived { place: place(), object: object() }, "object-archived"),
        (StoreError::Throttled { place: place(), wait: None }, "place-busy"),
        (
            StoreError::Throttled { place: place(), wait: Some(std::time::Duration::from_secs(3)) },
            "place-busy",
        ),
        (
            StoreError::Network { place: place(), operation, object: object(), source: source() },
            "place-unreachable",
        ),
        (
            StoreError::Refused { place: place(), operation, object: object(), source: source() },
            "place-refused",
        ),
        (StoreError::Io { place: place(), operation, object: object(), source: source() }, "place-failed"),
    ];
    for (error, expected) in all {
        let kept = Why::of(&error.to_string()).unwrap_or_else(|| panic!("{error}"));
        let said = Why::of(&with_causes(&error)).unwrap_or_else(|| panic!("{error}"));
        assert_eq!((kept.code, said.code), (expected, expected), "{error}");
        let (named, value) = match expected {
            "no-folder" | "no-file" => ("path", "/mnt/nas".to_owned()),
            _ => ("place", place()),
        };
        assert_eq!((&kept.values[named], &said.values[named]), (&value, &value), "{error}");
    }
}

#[test]
fn what_a_sync_tells_has_codes() {
    let (device, other) = (DeviceId::from_bytes([1; 16]), DeviceId::from_bytes([2; 16]));
    let object = || "log/ab/0000000007".to_owned();
    let reason = || "it is cut: 5 bytes".to_owned();
    let until = Tip { seq: SegmentSeq(9), root: SegmentRoot::default() };
    let all = [
        (Problem::Damaged { object: object(), reason: reason() }, "damaged"),
        (Problem::Missing { object: object() }, "missing"),
        (Problem::NotSent { object: "/a b/c: d.jpg".into(), reason: reason() }, "not-sent"),
        (Problem::NotThere { object: object() }, "not-in-place"),
        (Problem::Repaired { object: object(), was: "missing" }, "repaired"),
        (Problem::Rewritten { object: object() }, "rewritten"),
        (Problem::Needed { object: object() }, "still-needed"),
        (Problem::Lost { object: object() }, "lost-object"),
        (Problem::OwedByAnother { object: object(), device }, "owed-by-another"),
        (Problem::HurtHint { object: object(), device }, "hurt-hint"),
        (Problem::NotDeleted { object: object() }, "not-deleted"),
        (Problem::Stranger { object: object() }, "stranger"),
        (Problem::Withheld { device, seq: 7, until, named_by: "nas".into() }, "withheld"),
        (Problem::Forked { device, seq: 7, missing: None }, "forked"),
        (Problem::BranchKept { device, seq: 7 }, "branch-kept"),
        (Problem::WentOnAs { old: device, new: other, seq: 7 }, "went-on-as"),
        (Problem::Leftover { object: object(), device, reason: reason() }, "left-over"),
        (Problem::Quarantined { device, seq: 7 }, "quarantined"),
        (Problem::WordsReplaced { day: "2026-05-14".into() }, "words-are-new"),
        (Problem::WordsDoNotCount { day: "2026-05-14".into() }, "words-do-not-count"),
        (Problem::Unadmitted { device }, "unadmitted"),
        (Problem::NoKey { object: object(), epoch: EpochId::from_bytes([3; 16]) }, "no-key"),
        (Problem::WrongCheckpoint { signer: device, things: 3 }, "wrong-checkpoint"),
    ];
    for (problem, expected) in all {
        assert_eq!(code(&problem), expected, "{problem}");
    }
    let not_sent = Problem::NotSent { object: "/a b/c: d.jpg".into(), reason: reason() };
    assert_eq!(told(&not_sent).1, [reason(), "/a b/c: d.jpg".to_owned()]);
    let place = || "nas".to_owned();
    let errors = [
        (SyncError::RolledBack { place: place(), device, seq: 7 }, "gone-back"),
        (SyncError::AnotherLibrary { place: place() }, "another-library"),
        (SyncError::CopiedPlace { place: place() }, "copied-place"),
        (
            SyncError::AnotherPlace { place: place(), known: PlaceId([1; 16]), found: PlaceId([2; 16]) },
            "another-place",
        ),
        (SyncError::Emptied { place: place() }, "emptied"),
        (SyncError::NoBirth { place: place() }, "no-beginning"),
        (SyncError::NoLibrary { place: place() }, "no-library-there"),
        (SyncError::WordsReplaced { place: place(), day: "2026-05-14".into() }, "words-replaced"),
        (SyncError::NotHeld { object: object() }, "not-held"),
        (SyncError::Archived { object: object(), place: place() }, "archived-in"),
        (SyncError::Unbelievable { object: object(), place: place(), reason: reason() }, "not-believed"),
        (SyncError::NeedsNewerVersion { feature: "pages".into() }, "needs-newer"),
        (SyncError::Away { place: place() }, "away-from"),
        (SyncError::MayNotDelete { place: place() }, "may-not-delete"),
        (SyncError::Overtaken { place: place() }, "overtaken"),
        (PairingRefusal::NoInvitation { place: place() }.into(), "no-invitation"),
        (PairingRefusal::NobodyNear.into(), "nobody-near"),
        (PairingRefusal::WrongCode { place: place() }.into(), "wrong-code"),
        (PairingRefusal::Used.into(), "code-used"),
        (PairingRefusal::TooManyTries.into(), "code-tries"),
        (PairingRefusal::Expired.into(), "code-expired"),
        (PairingRefusal::CalledOff.into(), "invitation-off"),
        (PairingRefusal::Exchanged { object: object(), place: place() }.into(), "card-exchanged"),
        (
            PairingRefusal::NotForUs { object: object(), place: place(), reason: reason() }.into(),
            "no-answer-to-this",
        ),
        (PairingRefusal::NoAnswer.into(), "no-answer-in-time"),
        (PairingRefusal::InviterLeft { device }.into(), "inviter-left"),
        (PairingRefusal::WordsDiffer.into(), "words-differ"),
        (PairingRefusal::NotAdmitted.into(), "not-let-in"),
        (SyncError::Stopped, "interrupted"),
    ];
    for (error, expected) in errors {
        assert_eq!(code(&error), expected, "{error}");
    }
}

#[test]
fn what_is_asked_and_cannot_be_has_codes() {
    let all = [
        (LibraryError::NoSuchRemote { name: "nas".into() }, "no-such-remote"),
        (LibraryError::NoRemote, "no-remote"),
        (LibraryError::InRemotes { object: "a".into(), remotes: "nas, cloud".into() }, "in-remotes"),
        (
            LibraryError::Unreachable { object: "a".into(), remote: "nas".into(), reason: "off".into() },
            "unreachable",
        ),
        (LibraryError::NoSuchItem { item: "x".into() }, "no-such-item"),
        (LibraryError::NoSuchAlbum { album: "x".into() }, "no-such-album"),
        (LibraryError::HiddenClosed, "hidden-closed"),
        (LibraryError::AnotherSync, "another-sync"),
        (LibraryError::NotHere { object: "a".into() }, "not-on-device"),
        (LibraryError::LinkAbsent { path: "/a".into() }, "link-absent"),
        (LibraryError::LinkChanged { path: "/a".into() }, "link-no-longer"),
        (LibraryError::NoFfmpeg { name: "a.mov".into() }, "no-ffmpeg"),
        (
            LibraryError::CannotConvert { name: "a.mov".into(), reason: "odd".into(), hint: "no".into() },
            "cannot-convert",
        ),
        (LibraryError::NothingFollows { name: "a.mov".into(), second: 9 }, "nothing-follows"),
        (LibraryError::TilesGone { path: "/a".into(), reason: "away".into() }, "map-gone"),
        (LibraryError::NoTiles { path: "/a".into(), reason: "odd".into() }, "no-map"),
        (LibraryError::Cancelled, "interrupted"),
        (
            LibraryError::reading(std::path::Path::new("/a"), io::Error::other("the disk is away")),
            "file-unreadable",
        ),
        (
            LibraryError::writing(std::path::Path::new("/a"), io::Error::other("the disk is away")),
            "file-unwritable",
        ),
    ];
    for (error, expected) in all {
        assert_eq!(code(&with_causes(&error)), expected, "{error}");
    }
}

#[test]
fn every_reason_that_is_stored_has_a_code() {
    use crate::remote::WAITS_FOR_CONSENT;
    let stored = [
        (NEEDS_CONSENT, "needs-consent"),
        (WAITS_FOR_CONSENT, "needs-consent"),
        (SWITCHED_OFF, "switched-off"),
        (PURGED, "purged"),
    ];
    for (reason, expected) in stored {
        assert_eq!(code(&reason), expected);
    }
}

#[test]
fn what_a_change_refuses_has_codes() {
    let place = crate::testing::Place::new();
    let mut library = place.library();
    let mistakes = [
        ("rating=9", "rating-bounds"),
        ("date=2023-13", "month-bounds"),
        ("date=2023-02-31", "day-of-month"),
        ("date=soon", "date-shape"),
        ("date=2023-05-14 25:00", "time-shape"),
        ("date=2023 10:11", "time-needs-day"),
        ("date+=soon", "span-shape"),
        ("zone=here", "zone-shape"),
        ("zone=+19:00", "zone-bounds"),
        ("favourite=perhaps", "yes-or-no"),
        ("rotate=45", "turn-shape"),
        ("place=100,0", "degrees-bounds"),
        ("place=1,2,3,4", "place-shape"),
        ("tag+=a//b", "tag-shape"),
        ("tag+= ", "name-empty"),
    ];
    for (word, expected) in mistakes {
        let error = crate::Changes::parse(&[word.to_owned()], &[]).expect_err(word).to_string();
        assert_eq!(code(&error.lines().last().unwrap()), expected, "{word}: {error}");
    }
    let album = crate::NewAlbum { path: "Trips/Iceland", ..Default::default() };
    library.add_album(&album).unwrap();
    let refused = [
        (library.add_album(&album).unwrap_err(), "album-exists"),
        (library.move_album("Trips", Some("Iceland")).unwrap_err(), "album-into-itself"),
        (library.move_album("Trips", Some("Trips")).unwrap_err(), "album-is-itself"),
        (library.set_album_search("Trips", "rating:5").unwrap_err(), "album-not-empty"),
    ];
    for (error, expected) in refused {
        assert_eq!(code(&error), expected, "{error}");
    }
    assert_eq!(code(&crate::keys::check_new_passphrase("short").unwrap_err()), "passphrase-short");
    let mut entropy = safelight_crypto::OsEntropy;
    let mut share = || {
        let words = safelight_crypto::RecoveryWords::generate(&mut entropy);
        words.split(2, 2, &mut entropy).unwrap()[0].words().join(" ")
    };
    let (one, other) = (share(), share());
    for (words, expected) in [
        ("abandon", "words-count"),
        (&"abandon ".repeat(24), "words-checksum"),
        (&"abandon ".repeat(27), "share-checksum"),
        (&one, "shares-few"),
        (&format!("{one} {other}"), "shares-of-several"),
    ] {
        let error = safelight_crypto::RecoveryWords::parse(words.trim()).unwrap_err();
        assert_eq!(code(&error.to_string()), expected);
    }
}

#[test]
fn every_mistake_in_a_query_has_a_code() {
    let mistakes = [
        ("\"open", "open-quote"),
        ("- x", "nothing-excluded"),
        ("name:!!!", "no-letters"),
        ("tga:x", "no-such-filter-meant"),
        ("zzzzzz:x", "no-such-filter"),
        ("place:", "filter-needs-value"),
        ("is:favorit", "filter-knows-meant"),
        ("is:xyzzyxyzzy", "filter-knows"),
        ("date:soon", "bad-date"),
        ("size:huge", "bad-size"),
        ("rating:9", "bad-rating"),
        ("places:few", "bad-count"),
        ("proven:old", "bad-age"),
        ("near:here", "bad-position"),
        ("rating:4..2", "range-backwards"),
    ];
    for (query, expected) in mistakes {
        let mistake = crate::query_mistake(query).unwrap_or_else(|| panic!("{query} is no mistake"));
        assert_eq!(code(&mistake.message), expected, "{query}: {}", mistake.message);
    }
}
