//! `device.db` as the library uses it.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::collections::BTreeMap;
use std::path::Path;

use safelight_catalog::{
    CatalogError, CatalogKey, DeviceDb, FileRecord, FileStamp, FileState, HowKnown, NewRemote, NewSource,
    OriginalAtRemote, PackLocation, PackedEntry, PolicyKind, RemoteId, RemotePolicy, Replica, SWITCHED_OFF,
    SourceId, Switched, SyncState, Wanted, compare_entries,
};
use safelight_crypto::ContentHash;
use safelight_model::{AlbumId, AssetId, RenditionKind};

fn key() -> CatalogKey {
    CatalogKey::from_bytes([7; 32])
}

fn database(folder: &Path) -> DeviceDb {
    DeviceDb::create(&folder.join("device.db"), &key()).unwrap()
}

fn source(database: &mut DeviceDb, path: &[u8]) -> SourceId {
    let new = NewSource { path, watched: false, link: false, remove_after_proof: false, now_millis: 1 };
    database.add_source(&new).unwrap().id
}

fn content(number: u32) -> ContentHash {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    ContentHash::from_bytes(bytes)
}

fn file(path: &[u8], number: u32) -> FileRecord {
    FileRecord {
        path: path.to_vec(),
        stamp: FileStamp {
            size_bytes: u64::from(number),
            modified_nanos: -5,
            changed_nanos: i64::MAX,
            inode: u64::MAX,
            device: 1 << 63,
        },
        state: FileState::Imported,
        sampled: Some([3; 32]),
        content: Some(content(number)),
    }
}

#[test]
fn files_come_back_as_they_were_recorded_and_in_the_order_of_a_walk() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = database(folder.path());
    let photos = source(&mut database, b"/photos");
    let other = source(&mut database, b"/other");
    let paths: [&[u8]; 7] =
        [b"a.jpg", b"a/1.jpg", b"a/b/2.jpg", b"a0.jpg", b"line\nbreak.jpg", b"\xff\xfe.jpg", b"z"];
    let files: Vec<_> = paths.iter().zip(0..).map(|(path, number)| file(path, number)).collect();
    database.record_files(photos, files.iter().rev()).unwrap();
    database.record_files(other, [&file(b"b.jpg", 9)]).unwrap();

    let mut sorted = files.clone();
    sorted.sort_by(|one, two| one.path.cmp(&two.path));
    let mut found = Vec::new();
    loop {
        let after = found.last().map(|file: &FileRecord| file.path.clone());
        let page = database.files_after(photos, after.as_deref(), 2).unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found, sorted);
    assert_eq!(database.file(photos, b"\xff\xfe.jpg").unwrap().unwrap().stamp.inode, u64::MAX);
    assert_eq!(database.file(photos, b"missing").unwrap(), None);
}

#[test]
fn a_source_that_is_a_file_has_the_empty_path() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = database(folder.path());
    let photo = source(&mut database, b"/photos/a.jpg");
    database.record_files(photo, [&file(b"", 1)]).unwrap();
    assert_eq!(database.files_after(photo, None, 10).unwrap(), [file(b"", 1)]);
    assert_eq!(database.files_after(photo, Some(b""), 10).unwrap(), []);
}

#[test]
fn a_walk_that_sorts_with_compare_entries_meets_paths_in_byte_order() {
    let mut entries: Vec<(&[u8], bool)> =
        vec![(b"a", true), (b"a.jpg", false), (b"a-b", true), (b"a0", false), (b"B", false)];
    entries.sort_by(|one, other| compare_entries(*one, *other));
    let walked: Vec<Vec<u8>> = entries
        .iter()
        .map(|(name, is_directory)| if *is_directory { [*name, b"/x"].concat() } else { name.to_vec() })
        .collect();
    assert!(walked.is_sorted(), "{walked:?}");
}

#[test]
fn an_offline_source_keeps_its_files_and_a_gone_file_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = database(folder.path());
    let photos = source(&mut database, b"/photos");
    database.record_files(photos, [&file(b"a", 1), &file(b"b", 2)]).unwrap();
    database.set_source_offline(photos, true).unwrap();
    assert!(database.sources().unwrap()[0].offline);
    assert_eq!(database.count_files(photos).unwrap(), [2, 0, 0, 0]);

    database.finish_scan(photos, 99).unwrap();
    database.mark_gone(photos, [b"b".as_slice()]).unwrap();
    let found = database.source_by_path(b"/photos").unwrap().unwrap();
    assert!(!found.offline);
    assert_eq!(found.scanned_millis, Some(99));
    assert_eq!(database.count_files(photos).unwrap(), [1, 0, 0, 1]);
    let gone = database.file(photos, b"b").unwrap().unwrap();
    assert_eq!((gone.state, gone.content), (FileState::Gone, Some(content(2))));
}

#[test]
fn what_is_remembered_as_one_is_remembered_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut one = database(folder.path());
    let photos = source(&mut one, b"/photos");
    let both = |database: &mut DeviceDb| {
        database.begin_as_one()?;
        database.record_files(photos, [&file(b"a", 1)])?;
        database.record_files(photos, [&file(b"b", 2)])
    };
    let count = |database: &DeviceDb| database.count_files(photos).unwrap()[0];
    let failed = both(&mut one).and(Err(CatalogError::Exists { path: "/b".into() }));
    assert!(matches!(one.end_as_one::<(), CatalogError>(failed), Err(CatalogError::Exists { .. })));
    assert_eq!(count(&one), 0);

    both(&mut one).unwrap();
    assert!(matches!(one.begin_as_one(), Err(CatalogError::Sqlite { .. })));
    assert_eq!(count(&one), 2, "whoever remembers sees it already");
    let other = DeviceDb::open(&folder.path().join("device.db"), &key()).unwrap();
    assert_eq!(count(&other), 0, "nobody else does");
    // A process that is killed.
    drop(one);
    assert_eq!(count(&other), 0);

    let mut one = other;
    let done = both(&mut one);
    one.end_as_one(done).unwrap();
    drop(one);
    let again = DeviceDb::open(&folder.path().join("device.db"), &key()).unwrap();
    assert_eq!(count(&again), 2);
}

#[test]
fn files_that_were_not_taken_keep_their_reason() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = database(folder.path());
    let photos = source(&mut database, b"/photos");
    let mut refused = file(b"notes.txt", 1);
    refused.state = FileState::Refused("not a photo or video".into());
    refused.content = None;
    let mut unsettled = file(b"copying.mov", 2);
    unsettled.state = FileState::Unsettled("it changed while it was read".into());
    database.record_files(photos, [&refused, &unsettled, &file(b"x", 3)]).unwrap();
    assert_eq!(database.unsettled_files(photos, None, 10).unwrap(), [unsettled]);
    assert_eq!(database.unsettled_files(photos, Some(b"copying.mov"), 10).unwrap(), []);
    assert_eq!(database.file(photos, b"notes.txt").unwrap(), Some(refused));
}

#[test]
fn files_that_are_marked_keep_what_was_read_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = database(folder.path());
    let photos = source(&mut database, b"/photos");
    let (one, two) = (file(b"one.jpg", 1), file(b"two.jpg", 2));
    database.record_files(photos, [&one, &two]).unwrap();
    database.mark_unsettled(photos, [b"one.jpg".as_slice()], "cut short").unwrap();
    let marked = FileRecord { state: FileState::Unsettled("cut short".into()), ..one.clone() };
    assert_eq!(database.file(photos, b"one.jpg").unwrap(), Some(marked));
    assert_eq!(database.file(photos, b"two.jpg").unwrap(), Some(two));
    database.mark_gone(photos, [b"one.jpg".as_slice()]).unwrap();
    assert_eq!(
        database.file(photos, b"one.jpg").unwrap(),
        Some(FileRecord { state: FileState::Gone, ..one })
    );
}

#[test]
fn an_import_does_not_unwatch_a_watched_source() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = database(folder.path());
    let watched =
        NewSource { path: b"/p", watched: true, link: true, remove_after_proof: false, now_millis: 1 };
    let first = database.add_source(&watched).unwrap();
    let again = database.add_source(&NewSource { watched: false, now_millis: 5, ..watched }).unwrap();
    assert_eq!(first, again);
    assert!(database.remove_source(first.id).unwrap());
    assert!(!database.remove_source(first.id).unwrap());
}

#[test]
fn contents_are_found_wherever_they_were_seen() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = database(folder.path());
    let one = source(&mut database, b"/one");
    let two = source(&mut database, b"/two");
    database.record_files(one, [&file(b"a", 1), &file(b"b", 1), &file(b"c", 2)]).unwrap();
    database.record_files(two, [&file(b"d", 1)]).unwrap();
    let places: Vec<_> = database
        .files_of_content(&content(1))
        .unwrap()
        .into_iter()
        .map(|(source, file)| (source, file.path))
        .collect();
    assert_eq!(places, [(one, b"a".to_vec()), (one, b"b".to_vec()), (two, b"d".to_vec())]);
}

#[test]
fn a_job_that_fails_comes_back_later_and_is_given_up_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = database(folder.path());
    let kind = RenditionKind::Preview;
    database.queue_renditions([(content(1), kind, 2)], 0).unwrap();
    database.queue_renditions([(content(2), kind, 2)], 5).unwrap();
    database.queue_renditions([(content(1), kind, 2)], 0).unwrap();
    let due = database.due_renditions(0, 10).unwrap();
    assert_eq!(due.iter().map(|job| job.content).collect::<Vec<_>>(), [content(2), content(1)]);

    database.finish_renditions([(content(2), kind, 2)]).unwrap();
    let mut now = 0;
    let mut failures = 0;
    loop {
        let job = database.due_renditions(now, 1).unwrap().remove(0);
        failures += 1;
        if database.fail_rendition(&job, "the worker died", now).unwrap() {
            break;
        }
        assert_eq!(database.due_renditions(now, 1).unwrap(), []);
        now += 1_000_000_000;
    }
    assert_eq!(failures, 4);
    let queue = database.render_queue().unwrap();
    assert_eq!((queue.waiting_jobs, queue.given_up_jobs), (0, 1));
    assert_eq!(database.given_up_renditions(9).unwrap()[0].reason.as_deref(), Some("the worker died"));

    // Who asks for it gets one attempt more each time, at once.
    for _ in 0..2 {
        database.retry_renditions().unwrap();
        let job = database.due_renditions(0, 1).unwrap().remove(0);
        assert!(database.fail_rendition(&job, "the worker died", now).unwrap());
        assert_eq!(database.due_renditions(i64::MAX, 1).unwrap(), []);
    }

    database.queue_renditions([(content(1), kind, 2)], 0).unwrap();
    assert_eq!(database.due_renditions(0, 1).unwrap()[0].attempts, 0);
}

#[test]
fn of_what_was_purged_no_rendition_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = database(folder.path());
    let kind = RenditionKind::Preview;
    database.queue_renditions([(content(1), kind, 2), (content(2), kind, 2)], 0).unwrap();
    database.mark_purged(&[content(1)]).unwrap();
    let due = database.due_renditions(0, 10).unwrap();
    assert_eq!(due.iter().map(|job| job.content).collect::<Vec<_>>(), [content(2)]);
}

#[test]
fn what_was_purged_is_kept_here_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = database(folder.path());
    database.keep_here(&[content(1), content(2)]).unwrap();
    database.mark_purged(&[content(1)]).unwrap();
    assert!(!database.is_asked_for(&content(1)).unwrap());
    assert!(database.is_asked_for(&content(2)).unwrap());
}

#[test]
fn renditions_are_found_by_their_newest_recipe() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = database(folder.path());
    let place = |number, recipe, position| PackLocation {
        content: content(number),
        kind: RenditionKind::Thumbnail,
        recipe,
        pack: "t/1".into(),
        position,
        length: 100,
    };
    database.record_packed(&[place(1, 1, 0), place(1, 2, 200), place(2, 1, 100)]).unwrap();
    assert_eq!(database.packed(&content(1), RenditionKind::Thumbnail).unwrap(), Some(place(1, 2, 200)));
    assert_eq!(database.packed(&content(1), RenditionKind::Preview).unwrap(), None);
    let positions: Vec<_> = database.entries_of_pack("t/1").unwrap().iter().map(|at| at.position).collect();
    assert_eq!(positions, [0, 100, 200]);
    let packs = database.packs().unwrap();
    assert_eq!((packs[0].entries, packs[0].used_bytes, packs[0].end), (3, 300, 300));
    assert_eq!(database.end_of_pack("t/1").unwrap(), Some(300));
    assert_eq!(database.end_of_pack("t/2").unwrap(), None);
    database.forget_packed([&content(1)]).unwrap();
    assert_eq!(database.packs().unwrap()[0].entries, 1);
    database.forget_pack("t/1").unwrap();
    assert_eq!(database.packs().unwrap(), []);
}

#[test]
fn settings_are_kept_listed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = database(folder.path());
    database.set_setting("import.link", Some(b"1")).unwrap();
    database.set_setting("import.all", Some(b"0")).unwrap();
    database.set_setting("import.all", Some(b"1")).unwrap();
    database.set_setting("other", Some(b"x")).unwrap();
    let settings: BTreeMap<_, _> = database.settings("import.").unwrap().into_iter().collect();
    assert_eq!(settings.len(), 2);
    assert_eq!(settings["import.all"], b"1");
    database.set_setting("other", None).unwrap();
    assert_eq!(database.setting("other").unwrap(), None);
}

#[test]
fn what_was_written_is_there_after_closing_and_no_log_stays_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("device.db");
    let mut database = database(folder.path());
    let photos = source(&mut database, b"/photos");
    database.record_files(photos, [&file(b"a", 1)]).unwrap();
    assert!(folder.path().join("device.db-wal").exists());
    database.close().unwrap();
    let names: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["device.db"]);
    let database = DeviceDb::open(&path, &key()).unwrap();
    assert_eq!(database.files_after(photos, None, 10).unwrap().len(), 1);
    assert!(matches!(DeviceDb::create(&path, &key()), Err(CatalogError::Exists { .. })));
}

#[test]
fn a_hundred_thousand_files_stream_in_pages() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = database(folder.path());
    let photos = source(&mut database, b"/photos");
    let files: Vec<_> = (0..100_000)
        .map(|number| file(format!("{:03}/IMG_{number:06}.jpg", number / 500).as_bytes(), number))
        .collect();
    database.record_files(photos, &files).unwrap();
    let mut count = 0;
    let mut after: Option<Vec<u8>> = None;
    let start = std::time::Instant::now();
    loop {
        let page = database.files_after(photos, after.as_deref(), 4096).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.path.clone());
        count += page.len();
    }
    println!("100,000 rows of the stat cache in {:?}", start.elapsed());
    assert_eq!(count, 100_000);
}

fn remote(database: &mut DeviceDb, name: &str) -> RemoteId {
    let new = NewRemote {
        name,
        address: "somewhere",
        credential: Some(b"secret"),
        policy: "full",
        capabilities: None,
        now_millis: 1,
    };
    database.put_remote(&new).unwrap()
}

fn waiting(number: u32, position: i64) -> OriginalAtRemote {
    OriginalAtRemote {
        content: content(number),
        position,
        size_bytes: 10,
        state: SyncState::Waiting,
        reason: None,
        attempts: 0,
        next_try_millis: 0,
    }
}

#[test]
fn originals_wait_newest_first_and_are_counted_by_state() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = database(folder.path());
    let (one, other) = (remote(&mut database, "one"), remote(&mut database, "other"));
    let rows: Vec<_> = (0..5).map(|number| waiting(number, 100 - i64::from(number))).collect();
    database.queue_originals(one, 77, 9, &rows).unwrap();
    assert_eq!(database.looked_at(one, 77).unwrap(), 9);
    assert_eq!(database.looked_at(one, 78).unwrap(), 0, "another catalogue numbers its ops anew");
    assert_eq!(database.looked_at(other, 77).unwrap(), 0);

    let first = database.originals_in(one, SyncState::Waiting, None, 2).unwrap();
    assert_eq!(first.iter().map(|row| row.content).collect::<Vec<_>>(), [content(4), content(3)]);
    let after = first.last().map(|row| (row.position, row.content));
    let rest = database.originals_in(one, SyncState::Waiting, after, 9).unwrap();
    assert_eq!(rest.len(), 3);

    database.set_original_states(one, [(&content(4), SyncState::Synced, None)]).unwrap();
    database.fail_original(one, &content(3), "the network", 1000).unwrap();
    database.queue_originals(one, 77, 10, &rows).unwrap();
    let count = |state| {
        let totals = database.sync_totals(one).unwrap();
        totals.iter().find(|(known, _)| *known == state).unwrap().1.originals
    };
    assert_eq!([SyncState::Waiting, SyncState::Synced, SyncState::Failed].map(count), [3, 1, 1]);
    assert_eq!(database.count_remotes_holding(&content(4)).unwrap(), 1);
    assert_eq!(database.retry_originals(one, 1001).unwrap(), 0, "not yet");
    assert_eq!(database.retry_originals(one, 100_000).unwrap(), 1);
    let held = database.original_at_remotes(&content(3)).unwrap();
    assert_eq!((held[0].0, held[0].1.state, held[0].1.attempts), (one, SyncState::Waiting, 1));
}

#[test]
fn a_replica_is_found_in_whatever_generation_it_is_and_a_bad_name_never_counts_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = database(folder.path());
    let id = remote(&mut database, "one");
    let replica = |object: &str, proven_millis| Replica {
        object: object.to_owned(),
        sealed_bytes: 5,
        placed_millis: 1,
        proven_millis,
        how: HowKnown::Acknowledged,
    };
    let all = [replica("o/ab/abcd", Some(3)), replica("o/ab/abcde", None)];
    database.record_replicas(id, &all).unwrap();
    database.record_replicas(id, [&replica("o/ab/abcd", None)]).unwrap();
    assert_eq!(database.replica(id, "o/ab/abcd").unwrap().unwrap().proven_millis, Some(3), "proof stays");
    let found = |database: &DeviceDb, object: &str| {
        database.replica_in_any_generation(id, object).unwrap().map(|replica| replica.object)
    };
    assert_eq!(found(&database, "o/ab/abcd").as_deref(), Some("o/ab/abcd"));
    database.mark_bad(id, "o/ab/abcd").unwrap();
    assert_eq!(found(&database, "o/ab/abcd"), None);
    assert!(database.is_bad(id, "o/ab/abcd").unwrap());
    let known = |database: &DeviceDb| database.replicas_by_folder(id).unwrap();
    let (before, lying) = (known(&database), database.leaving(id).unwrap());
    assert_eq!(lying, (1, 5), "what is bad lies there until it is deleted");
    database.void_objects(id, ["o/ab/abcd", "o/ab/never"]).unwrap();
    assert_eq!((known(&database), database.leaving(id).unwrap()), (before.clone(), lying));
    database.record_left(id, ["o/ab/abcd"]).unwrap();
    database.void_objects(id, ["o/ab/abcd"]).unwrap();
    assert_eq!(database.leaving(id).unwrap(), (0, 0), "and is not counted again");
    let [(_, objects, bytes)] = before.as_slice() else { panic!("{before:?}") };
    assert_eq!(known(&database), [("o".to_owned(), objects - 1, bytes - 5)]);
    database.record_replicas(id, &[replica("o/ab/abcd-2", None), replica("o/ab/abcd-10", None)]).unwrap();
    assert_eq!(found(&database, "o/ab/abcd").as_deref(), Some("o/ab/abcd-10"));
    assert_eq!(database.count_replicas(id).unwrap(), (3, 15));
    assert!(!format!("{:?}", database.remotes().unwrap()).contains("secret"));
    database.remove_remote(id).unwrap();
    assert_eq!((database.remotes().unwrap().len(), database.count_replicas(id).unwrap()), (0, (0, 0)));
}

fn off(number: u32) -> OriginalAtRemote {
    OriginalAtRemote { state: SyncState::Off, ..waiting(number, i64::from(number)) }
}

fn states(database: &DeviceDb, remote: RemoteId, numbers: std::ops::Range<u32>) -> Vec<SyncState> {
    numbers
        .map(|number| database.original_at_remotes(&content(number)).unwrap())
        .map(|rows| rows.iter().find(|(id, _)| *id == remote).unwrap().1.state)
        .collect()
}

fn wanting(numbers: impl IntoIterator<Item = u32>) -> Wanted {
    Wanted { contents: numbers.into_iter().map(content).collect(), ..Wanted::default() }
}

#[test]
fn a_plan_moves_what_waits_and_leaves_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = database(folder.path());
    let id = remote(&mut database, "one");
    database.queue_originals(id, 1, 1, &[off(0), off(1), off(2), off(3), off(4)]).unwrap();
    let exposed = database.apply_plan(id, &wanting([0, 1, 2]), Some(3), "a").unwrap();
    assert_eq!((exposed.originals, exposed.bytes, exposed.is_held), (3, 30, false));
    use SyncState::{Failed, Off, Synced, Waiting};
    assert_eq!(states(&database, id, 0..5), [Waiting, Waiting, Waiting, Off, Off]);
    database.set_original_states(id, [(&content(0), Synced, None)]).unwrap();
    database.fail_original(id, &content(1), "the network", 1).unwrap();
    // Nothing is wanted any more: what is there stays there and counts, the rest no longer waits.
    database.apply_plan(id, &wanting([]), Some(3), "b").unwrap();
    assert_eq!(states(&database, id, 0..5), [Synced, Off, Off, Off, Off]);
    assert_eq!(database.count_remotes_holding(&content(0)).unwrap(), 1);
    // Everything but what was switched off by hand.
    let wanted = Wanted { everything: true, off: [content(4)].into(), ..Wanted::default() };
    database.apply_plan(id, &wanted, None, "c").unwrap();
    assert_eq!(states(&database, id, 0..5), [Synced, Waiting, Waiting, Waiting, Off]);
    let reason = |number| database.original_at_remotes(&content(number)).unwrap()[0].1.reason.clone();
    assert_eq!(reason(4).as_deref(), Some(SWITCHED_OFF));
    assert_eq!(database.plan_stamps(id).unwrap().0.as_deref(), Some("c"));
    assert_ne!(states(&database, id, 1..2), [Failed]);
}

#[test]
fn what_a_plan_exposes_beyond_the_limit_is_held_until_somebody_consents() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = database(folder.path());
    let id = remote(&mut database, "one");
    database.queue_originals(id, 1, 1, &(0..5).map(off).collect::<Vec<_>>()).unwrap();
    let policy = RemotePolicy { kind: PolicyKind::Selective, consented: 2, ..RemotePolicy::default() };
    database.set_policy(id, &policy).unwrap();
    assert_eq!(database.policy(id).unwrap(), policy);
    let exposed = database.apply_plan(id, &wanting(0..4), Some(3), "a").unwrap();
    assert!(exposed.is_held);
    assert_eq!(database.held(id).unwrap(), exposed);
    assert_eq!(database.policy(id).unwrap().consented, 2, "not used up");
    // Narrowed down it needs nobody; what is not wanted is not held either.
    database.apply_plan(id, &wanting(0..3), Some(3), "b").unwrap();
    use SyncState::{Off, Waiting};
    assert_eq!(states(&database, id, 0..5), [Waiting, Waiting, Waiting, Off, Off]);
    assert_eq!(database.policy(id).unwrap().consented, 0, "used up");
    database.apply_plan(id, &wanting(0..5), Some(1), "c").unwrap();
    assert_eq!(database.held(id).unwrap().originals, 2);
    database.apply_plan(id, &wanting(0..5), None, "c").unwrap();
    assert_eq!(states(&database, id, 0..5), [Waiting; 5]);
    // Probing the place anew or changing its credential leaves its policy alone.
    remote(&mut database, "one");
    assert_eq!(database.policy(id).unwrap().kind, PolicyKind::Selective);
}

#[test]
fn switches_are_kept_for_each_remote_and_undone() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = database(folder.path());
    let (one, other) = (remote(&mut database, "one"), remote(&mut database, "other"));
    let asset = Switched::Asset(AssetId(content(1)));
    let album = Switched::Album(AlbumId([7; 16]));
    database.apply_plan(one, &wanting([]), None, "a").unwrap();
    database.switch(one, [&asset, &album], Some(true), 0).unwrap();
    assert_eq!(database.plan_stamps(one).unwrap().0, None, "a switch asks for a new plan");
    database.switch(one, [&asset], Some(false), 0).unwrap();
    assert_eq!(database.switches(one).unwrap(), [(asset, false), (album, true)]);
    database.switch(one, [&album], None, 0).unwrap();
    assert_eq!(database.switches(one).unwrap(), [(asset, false)]);
    assert!(database.switches(other).unwrap().is_empty());
    database.remove_remote(one).unwrap();
    let again = remote(&mut database, "one");
    assert!(database.switches(again).unwrap().is_empty());
}

fn replica(object: &str, how: HowKnown) -> Replica {
    Replica { object: object.to_owned(), sealed_bytes: 9, placed_millis: 5, proven_millis: None, how }
}

#[test]
fn objects_are_found_in_all_remotes_at_once_each_under_its_newest_generation() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = database(folder.path());
    let (one, other) = (remote(&mut database, "one"), remote(&mut database, "other"));
    let there = ["o/aa/aab", "o/aa/aab-2", "o/aa/aab-10", "o/aa/aabc", "o/bb/bbc"];
    let replicas = there.map(|object| replica(object, HowKnown::Acknowledged));
    database.record_replicas(one, &replicas).unwrap();
    database.record_replicas(other, &replicas[..1]).unwrap();
    let found = database.replicas_of_objects(&["o/aa/aab", "o/cc/ccd", "o/bb/bbc"]).unwrap();
    let found: Vec<_> = found.iter().map(|(id, index, found)| (*id, *index, found.object.as_str())).collect();
    assert_eq!(found, [(one, 0, "o/aa/aab-10"), (one, 2, "o/bb/bbc"), (other, 0, "o/aa/aab")]);
    assert_eq!(database.replicas_of_objects(&[]).unwrap(), []);
}

#[test]
fn a_small_original_rests_in_the_packs_that_hold_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = database(folder.path());
    let (one, other) = (remote(&mut database, "one"), remote(&mut database, "other"));
    let entry = |number, kind| PackedEntry { content: content(number), kind, recipe: 0 };
    let held = [entry(1, RenditionKind::Original), entry(2, RenditionKind::Original)];
    database.record_packed_entries("s/aab", &held).unwrap();
    database.record_packed_entries("s/bbc", &held[..1]).unwrap();
    database.record_packed_entries("t/ccd", &[entry(3, RenditionKind::Thumbnail)]).unwrap();
    let packs = ["s/aa/aab", "s/aa/aab-1", "s/bb/bbc", "t/cc/ccd"].map(|pack| replica(pack, HowKnown::Found));
    database.record_replicas(one, &packs[..3]).unwrap();
    database.record_replicas(other, &packs).unwrap();
    database.forget_replicas(other, ["s/bb/bbc"]).unwrap();
    let names = |number| {
        let found = database.small_original(&content(number)).unwrap();
        (found.is_here, found.packs.into_iter().map(|(id, pack)| (id, pack.object)).collect::<Vec<_>>())
    };
    let pack = |id, name: &str| (id, name.to_owned());
    assert_eq!(
        names(1),
        (false, vec![pack(one, "s/aa/aab-1"), pack(one, "s/bb/bbc"), pack(other, "s/aa/aab-1")])
    );
    assert_eq!(names(2), (false, vec![pack(one, "s/aa/aab-1"), pack(other, "s/aa/aab-1")]));
    assert_eq!(names(3), (false, vec![]), "a thumbnail is no original");
    let location = PackLocation {
        content: content(2),
        kind: RenditionKind::Original,
        recipe: 0,
        pack: "local/x".into(),
        position: 0,
        length: 9,
    };
    database.record_packed(&[location]).unwrap();
    assert!(database.small_original(&content(2)).unwrap().is_here);
}
