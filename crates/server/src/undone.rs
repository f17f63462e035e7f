//! What takes changes back: random words, so that nobody finds one by trying, and forgotten when the library is locked.
//! What was done to hidden photos while they were told is taken back by nobody once they are kept back again.

use std::collections::VecDeque;
use std::sync::Mutex;

use safelight_library::{Made, Switchback};

use crate::gallery::held;
use crate::session::{Secret, draw, is_same};

/// Changes that can be taken back.
const KEPT_CHANGES: usize = 50;

/// The changes that were made last, and the words by which they are taken back.
#[derive(Debug, Default)]
pub(crate) struct Undone(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    word: Secret,
    back: Back,
    /// Whether it was about hidden photos that were told.
    is_of_hidden: bool,
}

/// How a change is taken back.
#[derive(Debug, Clone)]
pub(crate) enum Back {
    /// By writing what its operations replaced.
    Written(Made),
    /// By putting switches of a remote back.
    Switched(Switchback),
}

impl Undone {
    /// Answers the word that takes a change back; none for what changed nothing.
    pub(crate) fn keep(&self, back: Back, is_of_hidden: bool) -> Option<String> {
        if matches!(&back, Back::Written(made) if made.is_nothing()) {
            return None;
        }
        let word = draw();
        let told = word.to_string();
        let mut kept = held(&self.0);
        kept.push_back(Kept { word, back, is_of_hidden });
        if kept.len() > KEPT_CHANGES {
            kept.pop_front();
        }
        Some(told)
    }

    /// How the change of this word is taken back, and whether it was about hidden photos that were told.
    pub(crate) fn find(&self, word: &str) -> Option<(Back, bool)> {
        let kept = held(&self.0);
        let found = kept.iter().find(|kept| is_same(&kept.word, word));
        found.map(|kept| (kept.back.clone(), kept.is_of_hidden))
    }

    /// No change is taken back any more.
    pub(crate) fn forget(&self) {
        held(&self.0).clear();
    }

    /// The same of those about hidden photos.
    pub(crate) fn forget_hidden(&self) {
        held(&self.0).retain(|kept| !kept.is_of_hidden);
    }
}
