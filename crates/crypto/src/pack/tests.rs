use std::io::Cursor;

use super::*;
use crate::entropy::SeededEntropy;
use crate::epoch::Epoch;
use crate::error::Fault;
use crate::ids::{ContentHash, LibraryId};

const LIBRARY: LibraryId = LibraryId::from_bytes([6; 20]);

fn entries(epoch: &Epoch, count: u8, entropy: &mut SeededEntropy) -> Vec<(SealedEntry, Vec<u8>)> {
    (0..count)
        .map(|number| {
            let content = vec![number; 300 * usize::from(number) + 1];
            let name = EntryName { content: ContentHash::of(&[number]), kind: 1, recipe: 2 };
            (seal_entry(epoch, LIBRARY, name, &content, entropy).expect("seals"), content)
        })
        .collect()
}

#[test]
fn a_pack_gives_back_every_entry_and_has_a_padded_length() {
    let mut entropy = SeededEntropy::new(40);
    let (old, new) = (Epoch::generate(&mut entropy), Epoch::generate(&mut entropy));
    let mut sealed = entries(&old, 20, &mut entropy);
    sealed.extend(entries(&new, 3, &mut entropy));
    let mut writer = PackWriter::new(LIBRARY, &new);
    for (entry, _) in &sealed {
        writer.push(entry);
    }
    let pack = writer.finish(PackTier::Thumbnails, &mut entropy);
    let logical = PackTier::Thumbnails.logical(&pack.name);
    let bytes = pack.sealed.as_bytes();
    assert_eq!(crate::padme(bytes.len() as u64), bytes.len() as u64);

    let both = [old, new];
    let index = PackIndex::read(bytes, LIBRARY, &logical, both.as_slice()).expect("reads");
    assert_eq!(index, pack.index);
    assert_eq!(index.entries().len(), sealed.len());
    for (place, (entry, content)) in index.entries().iter().zip(&sealed) {
        assert_eq!(place.record, *entry.record());
        let range = usize::try_from(place.range.start).expect("fits")
            ..usize::try_from(place.range.end).expect("fits");
        let opened = open_entry(&bytes[range], LIBRARY, &place.record, both.as_slice()).expect("opens");
        assert_eq!(opened, *content);
    }
    let error = PackIndex::read(bytes, LIBRARY, "t/another", both.as_slice());
    assert!(error.is_err());
}

#[test]
fn an_entry_is_bound_to_what_it_is() {
    let mut entropy = SeededEntropy::new(41);
    let epoch = Epoch::generate(&mut entropy);
    let (entry, _) = entries(&epoch, 5, &mut entropy).remove(4);
    let open_as = |record: &EntryRecord| {
        open_entry(entry.as_bytes(), LIBRARY, record, &epoch).map_err(|error| error.fault().cloned())
    };
    let good = *entry.record();
    assert!(open_as(&good).is_ok());
    let renamed = EntryName { kind: 2, ..good.name };
    assert_eq!(open_as(&EntryRecord { name: renamed, ..good }), Err(Some(Fault::WrongContext)));
    let renamed = EntryName { recipe: 3, ..good.name };
    assert_eq!(open_as(&EntryRecord { name: renamed, ..good }), Err(Some(Fault::WrongContext)));
    assert_eq!(open_as(&EntryRecord { sha256: [0; 32], ..good }), Err(Some(Fault::ContentMismatch)));
    assert_eq!(
        open_as(&EntryRecord { content_len: good.content_len + 1, ..good }),
        Err(Some(Fault::WrongContext))
    );
}

fn local_pack(epoch: &Epoch, entries: &[(SealedEntry, Vec<u8>)]) -> Vec<u8> {
    let mut file = LOCAL_PACK_HEADER.to_vec();
    for (entry, _) in entries {
        file.extend_from_slice(&entry.frame(LIBRARY, epoch));
        file.extend_from_slice(entry.as_bytes());
    }
    file
}

#[test]
fn a_scan_finds_every_entry_of_a_local_pack() {
    let mut entropy = SeededEntropy::new(42);
    let epoch = Epoch::generate(&mut entropy);
    let sealed = entries(&epoch, 9, &mut entropy);
    let file = local_pack(&epoch, &sealed);
    let scan = scan_local_pack(&mut Cursor::new(&file), LIBRARY, &epoch).expect("scans");
    assert_eq!((scan.end, scan.len), (file.len() as u64, file.len() as u64));
    assert!(scan.damaged.is_empty());
    let records: Vec<_> = scan.entries.iter().map(|entry| entry.record).collect();
    assert_eq!(records, sealed.iter().map(|(entry, _)| *entry.record()).collect::<Vec<_>>());
    for (found, (_, content)) in scan.entries.iter().zip(&sealed) {
        let range = usize::try_from(found.range.start).expect("fits")
            ..usize::try_from(found.range.end).expect("fits");
        assert_eq!(open_entry(&file[range], LIBRARY, &found.record, &epoch).expect("opens"), *content);
    }
}

#[test]
fn a_torn_end_is_cut_and_damage_in_the_middle_costs_one_entry() {
    let mut entropy = SeededEntropy::new(43);
    let epoch = Epoch::generate(&mut entropy);
    let sealed = entries(&epoch, 5, &mut entropy);
    let file = local_pack(&epoch, &sealed);
    let whole = scan_local_pack(&mut Cursor::new(&file), LIBRARY, &epoch).expect("scans");

    let last = whole.entries[4].range.start;
    for cut in [last - 128 + 1, last - 1, last, last + 31, last + 500] {
        let torn = &file[..usize::try_from(cut).expect("fits")];
        let scan = scan_local_pack(&mut Cursor::new(torn), LIBRARY, &epoch).expect("scans");
        assert_eq!(scan.entries, whole.entries[..4]);
        assert_eq!((scan.end, scan.damaged.len()), (whole.entries[3].range.end, 0));
    }

    let mut damaged = file.clone();
    let frame = usize::try_from(whole.entries[1].range.start).expect("fits") - 60;
    damaged[frame] ^= 1;
    let scan = scan_local_pack(&mut Cursor::new(&damaged), LIBRARY, &epoch).expect("scans");
    assert_eq!(scan.entries.len(), 4);
    assert_eq!(scan.damaged, vec![whole.entries[0].range.end..whole.entries[1].range.end]);

    damaged = file;
    damaged[0] ^= 1;
    let scan = scan_local_pack(&mut Cursor::new(&damaged), LIBRARY, &epoch).expect("scans");
    assert_eq!(scan.entries.len(), 5);
    assert_eq!((scan.damaged.first(), scan.damaged.len()), (Some(&(0..8)), 1));
}

#[test]
fn a_local_pack_of_another_library_holds_nothing() {
    let mut entropy = SeededEntropy::new(44);
    let epoch = Epoch::generate(&mut entropy);
    let file = local_pack(&epoch, &entries(&epoch, 3, &mut entropy));
    let scan =
        scan_local_pack(&mut Cursor::new(&file), LibraryId::from_bytes([5; 20]), &epoch).expect("scans");
    assert!(scan.entries.is_empty());
}

#[test]
fn a_file_full_of_false_markers_is_scanned_in_one_pass() {
    let mut entropy = SeededEntropy::new(45);
    let epoch = Epoch::generate(&mut entropy);
    let good = local_pack(&epoch, &entries(&epoch, 2, &mut entropy));
    let mut file = LOCAL_PACK_HEADER.to_vec();
    file.extend_from_slice(&b"SLLF".repeat(200_000));
    // A marker that straddles two reads of the search must be found as well.
    file.extend_from_slice(&vec![0; (256 << 10) - 3]);
    file.extend_from_slice(&good[LOCAL_PACK_HEADER.len()..]);
    let scan = scan_local_pack(&mut Cursor::new(&file), LIBRARY, &epoch).expect("scans");
    assert_eq!(scan.entries.len(), 2);
    assert_eq!(scan.end, file.len() as u64);
}
