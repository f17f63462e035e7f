//! A new library for unit tests, in a folder of its own: unlocked by a key file, without a program that decodes.

use safelight_crypto::SlotSecret;
use tempfile::TempDir;

use crate::doctor::WorkerProgram;
use crate::error::LibraryError;
use crate::folder::LibraryFolder;
use crate::keys::{NewSlot, UnlockedKeys};
use crate::library::{Library, LibraryOptions};

/// The folder of a library, and photos beside it.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
    pub(crate) keys: UnlockedKeys,
    pub(crate) options: LibraryOptions,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        // It is there, and the system refuses to start it.
        let program = directory.path().join("worker");
        std::fs::write(&program, "no program").unwrap();
        let worker = WorkerProgram { program, arguments: Vec::new() };
        let options = LibraryOptions { worker };
        let path = directory.path().join("library");
        let slots = [NewSlot::key_file("key", vec![7; 64].into())];
        let words = Library::draw_words();
        Library::create(&path, &words, &slots, &options, || Ok::<(), LibraryError>(())).unwrap();
        std::fs::create_dir(directory.path().join("photos")).unwrap();
        let folder = LibraryFolder::open(&path).unwrap();
        let secret = SlotSecret::KeyFile(&[7; 64]);
        let slot = folder.keys().find_slot("key").unwrap().id();
        let keys = folder.keys().test_slot(slot, &secret).unwrap();
        Self { directory, keys, options }
    }

    pub(crate) fn folder(&self) -> LibraryFolder {
        LibraryFolder::open(&self.directory.path().join("library")).unwrap()
    }

    pub(crate) fn library(&self) -> Library {
        Library::open(self.folder(), self.keys.clone(), &self.options).unwrap()
    }
}
