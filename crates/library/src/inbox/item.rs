//! An item that was fetched: sealed pieces in a file without a name, opened where they are read.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use safelight_crypto::{
    Entropy as _, Epoch, INBOX_PIECE_LEN, InboxName, LibraryId, OsEntropy, base32, open_inbox_piece,
};

/// What an item holds, a piece at a time. Nothing of it is ever written unsealed.
pub(super) struct OpenedItem {
    pub(super) library: LibraryId,
    pub(super) name: InboxName,
    pub(super) epoch: Epoch,
    pub(super) size_bytes: u64,
    /// The first piece, which came with the head.
    pub(super) first: Vec<u8>,
    pub(super) further: SealedPieces,
    /// The further piece that was read last.
    current: Option<(u64, Vec<u8>)>,
    position: u64,
}

/// Further pieces, sealed as they came.
#[derive(Default)]
pub(super) struct SealedPieces {
    file: Option<File>,
    /// Where each begins and how long it is.
    places: Vec<(u64, u64)>,
}

impl SealedPieces {
    /// Keeps one more piece, in a file that has no name.
    pub(super) fn push(&mut self, temporary: &Path, sealed: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(nameless(temporary)?),
        };
        let start = self.places.last().map_or(0, |(start, length)| start + length);
        file.write_all_at(sealed, start)?;
        self.places.push((start, sealed.len() as u64));
        Ok(())
    }

    fn read(&self, at: usize) -> io::Result<Vec<u8>> {
        let missing = || io::Error::other("a piece of it is missing");
        let (start, length) = *self.places.get(at).ok_or_else(missing)?;
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.file.as_ref().ok_or_else(missing)?.read_exact_at(&mut bytes, start)?;
        Ok(bytes)
    }
}

fn nameless(temporary: &Path) -> io::Result<File> {
    let mut name = [0; 10];
    OsEntropy.fill(&mut name);
    let path = temporary.join(format!("{}.inbox", base32(&name)));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

impl OpenedItem {
    pub(super) fn new(
        (library, name, epoch): (LibraryId, InboxName, Epoch),
        size_bytes: u64,
        first: Vec<u8>,
        further: SealedPieces,
    ) -> Self {
        Self { library, name, epoch, size_bytes, first, further, current: None, position: 0 }
    }

    /// The piece that holds a position, opened.
    fn piece(&mut self, piece: u64) -> io::Result<&[u8]> {
        if piece == 0 {
            return Ok(&self.first);
        }
        if self.current.as_ref().is_none_or(|(known, _)| *known != piece) {
            let number = u32::try_from(piece).map_err(io::Error::other)?;
            let sealed = self.further.read(number as usize - 1)?;
            let name = self.name.piece(number);
            let opened =
                open_inbox_piece(self.library, name, &self.epoch, &sealed).map_err(io::Error::other)?;
            self.current = Some((piece, opened));
        }
        Ok(self.current.as_ref().map_or(&[], |(_, opened)| opened.as_slice()))
    }
}

impl Read for OpenedItem {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.size_bytes || buffer.is_empty() {
            return Ok(0);
        }
        let (piece, within) = (self.position / INBOX_PIECE_LEN, self.position % INBOX_PIECE_LEN);
        let opened = self.piece(piece)?;
        let within = usize::try_from(within).map_err(io::Error::other)?;
        // A piece that ends early would read as the end of the file.
        let rest = opened
            .get(within..)
            .filter(|rest| !rest.is_empty())
            .ok_or_else(|| io::Error::other("a piece of it is too short"))?;
        let count = rest.len().min(buffer.len());
        if let (Some(into), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            into.copy_from_slice(from);
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for OpenedItem {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = match to {
            SeekFrom::Start(offset) => offset,
            SeekFrom::End(offset) => self.size_bytes.saturating_add_signed(offset),
            SeekFrom::Current(offset) => self.position.saturating_add_signed(offset),
        };
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use safelight_crypto::{Device, InboxKey, SeededEntropy, seal_inbox_piece};

    use super::*;

    #[test]
    fn a_file_of_two_pieces_is_read_from_anywhere_and_one_of_another_name_does_not_open() {
        let mut entropy = SeededEntropy::new(3);
        let (device, epoch) = (Device::generate(&mut entropy), Epoch::generate(&mut entropy));
        let library = LibraryId::from_bytes([2; LibraryId::LEN]);
        let name = InboxName { device: device.id(), counter: 9, piece: 0 };
        let content: Vec<u8> = (0..INBOX_PIECE_LEN + 5).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let (first, second) = content.split_at(usize::try_from(INBOX_PIECE_LEN).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let open = |number| {
            let key = InboxKey::of(&epoch);
            let mut entropy = SeededEntropy::new(4);
            let sealed = seal_inbox_piece(library, name.piece(number), &key, second, &mut entropy).unwrap();
            let mut further = SealedPieces::default();
            further.push(folder.path(), &sealed).unwrap();
            let size = content.len() as u64;
            OpenedItem::new((library, name, epoch.clone()), size, first.to_vec(), further)
        };
        let mut item = open(1);
        let mut read = Vec::new();
        item.read_to_end(&mut read).unwrap();
        assert!(read == content, "the whole");
        item.seek(SeekFrom::Start(INBOX_PIECE_LEN - 2)).unwrap();
        let mut around = [0; 4];
        item.read_exact(&mut around).unwrap();
        assert_eq!(around, content[first.len() - 2..first.len() + 2]);
        // Its sealed bytes rest in no file that has a name.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        open(2).read_to_end(&mut Vec::new()).unwrap_err();
    }
}
