//! What may come next in a query. The names of places, cameras and lenses are kept: whoever types is offered those of a moment
//! ago rather than made to wait, and they are gathered anew beside that. Once something was hidden they are not told any more:
//! whoever types then waits.

#![expect(unused_qualifications, reason = "what describes the parameters writes whole paths")]

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use safelight_library::{Choice as Chosen, Offers, asks_for_offers};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::asked::Parameters;
use crate::failure::{Answer, Failure};
use crate::gallery::{Gallery, held};

/// The names that are offered, and the revision that they are of.
#[derive(Debug, Default)]
pub(crate) struct Offered(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    offers: Option<(u64, Arc<Offers>)>,
    /// When that ended, and how long it took.
    gathered: Option<(Instant, Duration)>,
    is_gathering: bool,
    /// How often all was forgotten: what was begun before is not kept.
    forgotten: u64,
}

impl Offered {
    fn known(&self) -> Option<(u64, Arc<Offers>)> {
        held(&self.0).offers.clone()
    }

    /// Whether to gather them anew: nobody does, and no more than a tenth of the time goes into that while a library grows.
    fn is_worth_it(&self) -> bool {
        let kept = held(&self.0);
        !kept.is_gathering && kept.gathered.is_none_or(|(ended, took)| ended.elapsed() >= took * 10)
    }

    fn begin(&self) -> u64 {
        let mut kept = held(&self.0);
        kept.is_gathering = true;
        kept.forgotten
    }

    fn end(&self, begun: u64, took: Duration, found: Option<(u64, Arc<Offers>)>) {
        let mut kept = held(&self.0);
        if kept.forgotten != begun {
            return;
        }
        kept.is_gathering = false;
        kept.gathered = Some((Instant::now(), took));
        if found.is_some() {
            kept.offers = found;
        }
    }

    pub(crate) fn forget(&self) {
        let mut kept = held(&self.0);
        *kept = Kept { forgotten: kept.forgotten + 1, ..Kept::default() };
    }
}

/// Gathers the names beside those who read.
async fn gather(gallery: &Arc<Gallery>) -> Answer<Arc<Offers>> {
    let (begun, began) = (gallery.offered.begin(), Instant::now());
    let shared = Arc::clone(gallery);
    let gathered = gallery.door.read_ahead(move |library| {
        let revision = library.revision()?;
        // Somebody else may have been as fast.
        if let Some((known, offers)) = shared.offered.known()
            && known == revision
        {
            return Ok((revision, offers));
        }
        let hidden = library.hidden_before_offers()?;
        let points = shared.points.newest(library)?;
        Ok((revision, Arc::new(library.offers(&points, hidden)?)))
    });
    let gathered = gathered.await;
    gallery.offered.end(begun, began.elapsed(), gathered.as_ref().ok().cloned());
    gathered.map(|(_, offers)| offers)
}

/// Does something to its end, also when whoever waits for it goes: who types on asks for something else.
async fn to_its_end<T: Send + 'static>(work: impl Future<Output = Answer<T>> + Send + 'static) -> Answer<T> {
    tokio::spawn(work).await.map_err(|_| Failure::broken())?
}

/// A query that is being typed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct BeingTyped {
    /// All of it.
    #[serde(default)]
    q: String,
    /// The byte at which somebody types; its end when left out.
    at: Option<usize>,
}

/// What may stand in the place of a word.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Completed {
    /// The first byte that a choice takes the place of.
    from: usize,
    /// The byte behind the last one.
    to: usize,
    choices: Vec<Choice>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
struct Choice {
    text: String,
    /// An example of what follows, or how many photos have it.
    note: String,
    /// How many photos have it, where that is known.
    photos: Option<u64>,
}

/// What may come next in a query.
#[utoipa::path(get, path = "/api/v1/complete", tag = "organising", params(BeingTyped),
    responses((status = 200, body = Completed)))]
pub(crate) async fn complete(
    State(gallery): State<Arc<Gallery>>,
    Parameters(BeingTyped { q, at }): Parameters<BeingTyped>,
) -> Answer<Json<Completed>> {
    let at = at.unwrap_or(q.len());
    let asks = asks_for_offers(&q, at);
    let mut known = gallery.offered.known();
    if asks && let Some((seen, offers)) = known.clone() {
        let tells_of_hidden = gallery
            .door
            .read(move |library| Ok(library.revision()? != seen && library.hid_since(&offers)?))
            .await?;
        known = known.filter(|_| !tells_of_hidden);
    }
    let offers = match &known {
        Some((_, offers)) => Arc::clone(offers),
        // Whoever begins to type will come to it.
        None if !asks => Arc::default(),
        None => {
            let shared = Arc::clone(&gallery);
            to_its_end(async move { gather(&shared).await }).await?
        }
    };
    let completed =
        gallery.door.read(move |library| Ok((library.complete(&q, at, &offers)?, library.revision()?)));
    let (completed, revision) = completed.await?;
    if known.is_none_or(|(seen, _)| seen != revision) && gallery.offered.is_worth_it() {
        tokio::spawn(async move { gather(&gallery).await.map(drop) });
    }
    let choices = completed.choices.into_iter();
    Ok(Json(Completed {
        from: completed.replaces.start,
        to: completed.replaces.end,
        choices: choices.map(|Chosen { text, note, photos }| Choice { text, note, photos }).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_gathered_is_gathered_to_its_end_also_when_whoever_asked_has_gone() {
        let offered = Arc::new(Offered::default());
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let kept = Arc::clone(&offered);
        let work = to_its_end(async move {
            let begun = kept.begin();
            drop(wait.await);
            kept.end(begun, Duration::ZERO, Some((7, Arc::default())));
            Ok(())
        });
        // It is begun, and then nobody waits for it any more.
        assert!(tokio::time::timeout(Duration::from_millis(20), work).await.is_err());
        assert!(!offered.is_worth_it(), "somebody does already");
        drop(go);
        while offered.known().is_none() {
            tokio::task::yield_now().await;
        }
        assert!(offered.is_worth_it());
    }

    #[test]
    fn what_was_gathered_for_a_library_that_was_locked_meanwhile_is_not_kept() {
        let offered = Offered::default();
        let begun = offered.begin();
        assert!(!offered.is_worth_it(), "somebody does already");
        offered.forget();
        offered.end(begun, Duration::ZERO, Some((7, Arc::default())));
        assert!(offered.known().is_none() && offered.is_worth_it());
        let begun = offered.begin();
        offered.end(begun, Duration::from_secs(3), Some((8, Arc::default())));
        assert_eq!(offered.known().unwrap().0, 8);
        assert!(!offered.is_worth_it(), "it took three seconds just now");
    }
}
