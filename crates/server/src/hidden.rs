//! Hidden photos behind a second unlock: nothing of them is told before the passphrase was typed once more.
//!
//! They are told to all pages of this server until five minutes after the last request about them, or until somebody
//! closes them. What is a request about them, and what is left out meanwhile, the library knows; here is only for how long.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::asked::Asked;
use crate::failure::Answer;
use crate::gallery::{Gallery, held};
use crate::locking::Passphrase;

/// Until when hidden photos are told.
#[derive(Debug)]
pub(crate) struct Hidden {
    /// After so long without a request about them they are kept back again.
    idle: Duration,
    until: Mutex<Option<Instant>>,
}

impl Hidden {
    pub(crate) fn closed(idle: Duration) -> Self {
        Self { idle, until: Mutex::default() }
    }

    pub(crate) fn is_open(&self, now: Instant) -> bool {
        held(&self.until).is_some_and(|until| now < until)
    }

    pub(crate) fn open(&self, now: Instant) {
        *held(&self.until) = Some(now + self.idle);
    }

    /// Somebody was told of them: the time begins anew, if it is not over.
    pub(crate) fn touch(&self, now: Instant) {
        let mut until = held(&self.until);
        if until.is_some_and(|until| now < until) {
            *until = Some(now + self.idle);
        }
    }

    /// Keeps them back. Answers whether they were told until now.
    pub(crate) fn close(&self) -> bool {
        held(&self.until).take().is_some()
    }

    /// Keeps them back once their time is over. Answers whether it just ended.
    fn close_if_unused(&self, now: Instant) -> bool {
        held(&self.until).take_if(|until| now >= *until).is_some()
    }
}

impl Gallery {
    fn close_hidden(&self) {
        if self.door.hidden().close() {
            self.forget_hidden();
        }
    }

    /// Keeps hidden photos back when nobody has asked about them for long enough.
    pub(crate) fn close_hidden_if_unused(&self) {
        if self.door.hidden().close_if_unused(Instant::now()) {
            self.forget_hidden();
        }
    }

    fn forget_hidden(&self) {
        // What of them is watched ends; what else is begins anew.
        self.proxies.forget();
        self.timelines.forget();
        self.undone.forget_hidden();
        self.news.hidden(false);
    }
}

/// Whether hidden photos are told.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HiddenStanding {
    pub(crate) open: bool,
    /// After so long without a request about them they are kept back again.
    pub(crate) idle_seconds: u64,
}

impl HiddenStanding {
    pub(crate) fn of(gallery: &Gallery) -> Self {
        let hidden = gallery.door.hidden();
        Self { open: hidden.is_open(Instant::now()), idle_seconds: hidden.idle.as_secs() }
    }
}

/// Lets hidden photos be told, once the passphrase was typed again.
#[utoipa::path(post, path = "/api/v1/hidden/open", tag = "session", request_body = Passphrase,
    responses((status = 200, body = HiddenStanding), (status = 403, description = "`wrong-passphrase`"),
        (status = 429, description = "`too-many-guesses`: wait, as Retry-After says")))]
pub(crate) async fn open_hidden(
    State(gallery): State<Arc<Gallery>>,
    Asked(Passphrase { passphrase }): Asked<Passphrase>,
) -> Answer<Json<HiddenStanding>> {
    gallery.door.open_hidden(Zeroizing::new(passphrase)).await?;
    gallery.news.hidden(true);
    Ok(Json(HiddenStanding::of(&gallery)))
}

/// Keeps hidden photos back again.
#[utoipa::path(post, path = "/api/v1/hidden/close", tag = "session", responses((status = 200, body = HiddenStanding)))]
pub(crate) async fn close_hidden(State(gallery): State<Arc<Gallery>>) -> Json<HiddenStanding> {
    gallery.close_hidden();
    Json(HiddenStanding::of(&gallery))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_told_until_five_minutes_after_somebody_asked_last() {
        let hidden = Hidden::closed(Duration::from_secs(300));
        let now = Instant::now();
        let minutes = |count: u64| now + Duration::from_secs(60 * count);
        assert!(!hidden.is_open(now));
        hidden.touch(now);
        assert!(!hidden.is_open(now), "asking opens nothing");
        hidden.open(now);
        assert!(hidden.is_open(minutes(4)) && !hidden.is_open(minutes(5)));
        hidden.touch(minutes(4));
        assert!(hidden.is_open(minutes(8)));
        hidden.touch(minutes(9));
        assert!(!hidden.is_open(minutes(9)), "it was over");
        assert!(hidden.close_if_unused(minutes(9)) && !hidden.close_if_unused(minutes(9)));
        hidden.open(now);
        assert!(hidden.close() && !hidden.is_open(now));
    }
}
