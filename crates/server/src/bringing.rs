//! When remotes are asked for pictures that are not here: one after the other, and not for a while once none answered. Who
//! leafs through photos without a network waits once, and pages keep their connections for what is here.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use safelight_library::{Brought, LibraryError};

use crate::failure::Answer;
use crate::gallery::held;

/// How long remotes are waited for with one picture.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a request waits, those before it included.
const WAIT: Duration = Duration::from_secs(12);
/// Whoever says no sooner holds nobody up.
const SLOW: Duration = Duration::from_secs(2);
/// How long remotes are asked for no other, once they were waited for in vain.
const SILENCE: Duration = Duration::from_secs(30);

/// Whether remotes are asked.
#[derive(Debug)]
pub(crate) struct Bringing {
    slow: Duration,
    silent_until: Mutex<Option<Instant>>,
}

impl Default for Bringing {
    fn default() -> Self {
        Self { slow: SLOW, silent_until: Mutex::default() }
    }
}

impl Bringing {
    /// Asks remotes for a picture, unless none answered lately.
    pub(crate) fn ask(
        &self,
        bring: impl FnOnce(Duration) -> Result<Brought, LibraryError>,
    ) -> Result<Option<Vec<u8>>, LibraryError> {
        if self.is_silent() {
            return Ok(None);
        }
        let begun = Instant::now();
        Ok(match bring(PATIENCE)? {
            Brought::Picture(picture) => Some(picture),
            Brought::Nowhere => None,
            Brought::Unanswered => {
                if begun.elapsed() >= self.slow {
                    self.fall_silent();
                }
                None
            }
        })
    }

    /// Waits for what was asked for, and no longer than anybody would.
    pub(crate) async fn wait(
        &self,
        brought: impl Future<Output = Answer<Option<Vec<u8>>>>,
    ) -> Answer<Option<Vec<u8>>> {
        if self.is_silent() {
            return Ok(None);
        }
        let Ok(brought) = tokio::time::timeout(WAIT, brought).await else {
            // A disk that hangs answers nobody; others who wait go on as well.
            self.fall_silent();
            return Ok(None);
        };
        brought
    }

    fn is_silent(&self) -> bool {
        held(&self.silent_until).is_some_and(|until| Instant::now() < until)
    }

    fn fall_silent(&self) {
        *held(&self.silent_until) = Some(Instant::now() + SILENCE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_none_answered_in_time_none_is_asked_for_a_while_and_what_is_nowhere_silences_nobody() {
        let quick = Bringing::default();
        assert_eq!(quick.ask(|_| Ok(Brought::Unanswered)).unwrap(), None);
        assert_eq!(quick.ask(|_| Ok(Brought::Picture(vec![1]))).unwrap(), Some(vec![1]));
        let bringing = Bringing { slow: Duration::ZERO, silent_until: Mutex::default() };
        let ask = |brought: Brought| bringing.ask(|_| Ok(brought)).unwrap();
        assert_eq!(ask(Brought::Picture(vec![1])), Some(vec![1]));
        assert_eq!(ask(Brought::Nowhere), None);
        assert_eq!(ask(Brought::Picture(vec![2])), Some(vec![2]));
        assert_eq!(ask(Brought::Unanswered), None);
        let mut was_asked = false;
        let silent = bringing.ask(|_| {
            was_asked = true;
            Ok(Brought::Nowhere)
        });
        assert_eq!((silent.unwrap(), was_asked), (None, false));
    }
}
