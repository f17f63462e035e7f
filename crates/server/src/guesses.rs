//! What is tried to open the library with, and how often: whoever guesses waits longer and longer, by whichever way.

use std::time::{Duration, Instant, SystemTime};

use axum::http::StatusCode;
use safelight_library::folder::LibraryFolder;
use safelight_library::keys::UnlockedKeys;
use safelight_library::unlock::{self, UnlockError, UnlockSources};
use safelight_library::{OsEntropy, PasskeyQuestion, SlotKind};
use zeroize::Zeroizing;

use crate::failure::{Answer, Failure, WRONG_PASSKEY, WRONG_PASSPHRASE};

/// So many wrong ones are tried at once before each has to wait.
const FREE_GUESSES: u32 = 3;
/// The first wait after them; it doubles with every further one.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// What is to show that somebody may open the library.
pub(crate) enum WayIn {
    /// A passphrase, as typed.
    Passphrase(Zeroizing<String>),
    /// What an authenticator answered for the credential of this id.
    Passkey { credential: Vec<u8>, output: Zeroizing<[u8; 32]> },
}

impl WayIn {
    /// Whether it can open nothing, so that nothing need be tried.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Passphrase(passphrase) if passphrase.is_empty())
    }

    /// The keys that it opens.
    pub(crate) fn try_on(&self, folder: &LibraryFolder) -> Result<UnlockedKeys, UnlockError> {
        match self {
            Self::Passphrase(passphrase) => try_passphrase(folder, passphrase),
            Self::Passkey { credential, output } => try_passkey(folder, credential, output),
        }
    }

    /// That it opens nothing.
    pub(crate) fn refused(&self) -> Failure {
        let (code, message, hint) = match self {
            Self::Passphrase(_) => (
                WRONG_PASSPHRASE,
                "that passphrase does not open the library",
                "check the layout of the keyboard, then try again",
            ),
            Self::Passkey { .. } => (
                WRONG_PASSKEY,
                "that passkey does not open the library",
                "try another passkey, or type the passphrase",
            ),
        };
        Failure::new(StatusCode::FORBIDDEN, code, message).hint(hint)
    }
}

/// Whether what was tried is wrong, as opposed to something that is damaged or cannot be read.
pub(crate) fn opens_nothing(error: &UnlockError) -> bool {
    matches!(
        error,
        // Whoever was asked once and then not again has guessed wrong.
        UnlockError::WrongSecret { .. }
            | UnlockError::Locked { .. }
            | UnlockError::StoreSlot { .. }
            | UnlockError::NoStoreSlot { .. }
    )
}

/// The keys of a library that a passphrase opens.
pub(crate) fn try_passphrase(folder: &LibraryFolder, passphrase: &str) -> Result<UnlockedKeys, UnlockError> {
    // A person is asked again after a wrong answer; whoever asks over a network has one guess.
    let mut ask = |question: &unlock::Question<'_>| {
        Ok((!question.is_repeated).then(|| Zeroizing::new(passphrase.to_owned())))
    };
    open(folder, UnlockSources { prompt: Some(&mut ask), ..UnlockSources::default() })
}

/// The keys of a library that a passkey opens.
fn try_passkey(
    folder: &LibraryFolder,
    credential: &[u8],
    output: &[u8; 32],
) -> Result<UnlockedKeys, UnlockError> {
    let slots = folder.keys().slots()?.slots;
    let questions = slots.iter().filter_map(PasskeyQuestion::of_slot);
    let mut refusal = UnlockError::NoStoreSlot { kind: SlotKind::Passkey, path: folder.path().to_owned() };
    for question in questions.filter(|question| question.credential() == credential) {
        let passkey = question.answered(folder.library(), *output);
        match open(folder, UnlockSources { named_store: Some(&passkey), ..UnlockSources::default() }) {
            Err(error) if opens_nothing(&error) => refusal = error,
            other => return other,
        }
    }
    Err(refusal)
}

fn open(folder: &LibraryFolder, sources: UnlockSources<'_>) -> Result<UnlockedKeys, UnlockError> {
    Ok(unlock::unlock(folder, sources, SystemTime::now(), &mut OsEntropy)?.keys)
}

/// Wrong guesses since the last right one.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    wrong: u32,
    not_before: Option<Instant>,
}

impl Guesses {
    /// Refuses whoever must wait.
    pub(crate) fn may_try(&self, now: Instant) -> Answer<()> {
        match self.not_before {
            Some(then) if then > now => Err(too_many((then - now).as_secs() + 1)),
            _ => Ok(()),
        }
    }

    pub(crate) fn wrong(&mut self, now: Instant) {
        self.wrong = self.wrong.saturating_add(1);
        if let Some(further) = self.wrong.checked_sub(FREE_GUESSES) {
            let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(further.min(16)));
            self.not_before = Some(now + wait.min(LONGEST_WAIT));
        }
    }

    pub(crate) fn right(&mut self) {
        *self = Self::default();
    }
}

/// That somebody must wait so long.
pub(crate) fn too_many(seconds: u64) -> Failure {
    Failure::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too-many-guesses",
        "too many wrong passphrases or passkeys were tried",
    )
    .hint(if seconds == 1 { "wait a second".to_owned() } else { format!("wait {seconds} seconds") })
    .after(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_of_one_second_is_told_as_one() {
        let hint = |seconds| too_many(seconds).hint.unwrap_or_default();
        assert_eq!((hint(1), hint(2)), ("wait a second".to_owned(), "wait 2 seconds".to_owned()));
    }

    #[test]
    fn guesses_wait_longer_and_longer() {
        let mut guesses = Guesses::default();
        let mut now = Instant::now();
        let begun = now;
        let mut tried = 0;
        // Somebody who tries every second for a day.
        while now < begun + Duration::from_secs(86_400) {
            if guesses.may_try(now).is_ok() {
                tried += 1;
                guesses.wrong(now);
            }
            now += Duration::from_secs(1);
        }
        assert!((280..320).contains(&tried), "{tried}");
        guesses.right();
        assert!(guesses.may_try(now).is_ok());
    }
}
