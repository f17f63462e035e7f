//! Videos that a browser does not play, made anew while they are watched: H.264 in pieces, out of a program in a sandbox.
//!
//! A session watches one at a time; the next one, or the same from elsewhere on, ends the one before. What was opened of a
//! sealed video stays in memory for a moment, so that seeking in it does not open it again.
//!
//! Invariant: a program runs only while somebody takes what it makes. It ends with its request, with the lock, when hidden
//! photos are closed, and when nobody has taken anything for [`LEFT_ALONE`]; what was opened for it goes then, too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use safelight_library::{OpenVideo, OriginalHere, Plays, Proxy, ProxyStop};
use serde::Deserialize;

use crate::asked::Parameters;
use crate::failure::{Answer, Failure};
use crate::gallery::{Gallery, held};
use crate::guard::SANDBOX;
use crate::media::{admit, not_here, nothing_moves};

/// So long a video that nobody takes anything of goes on: somebody has stopped the player, and may go on.
const LEFT_ALONE: Duration = Duration::from_secs(5 * 60);
/// So long one that has ended or was left lies open: somebody may seek in it.
const KEPT_OPEN: Duration = Duration::from_secs(30);

/// So much of sealed videos lies open in memory at once, of all sessions together: two of the largest.
const OPEN_BYTES: u64 = 2 << 30;

/// What each session watches.
#[derive(Debug, Default)]
pub(crate) struct Proxies(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    turns: u64,
    sessions: HashMap<String, Watching>,
}

#[derive(Debug)]
struct Watching {
    turn: u64,
    stop: ProxyStop,
    video: Option<Arc<OpenVideo>>,
    /// What of the memory it takes or is about to take.
    memory_bytes: u64,
    /// When something was taken of it, or when it ended.
    last: Instant,
    has_ended: bool,
}

/// One request for a video; what it began ends with it.
struct Turn {
    gallery: Arc<Gallery>,
    session: String,
    turn: u64,
    stop: ProxyStop,
}

impl Proxies {
    /// Ends what a session watches, and begins something else. Answers what still lies open.
    fn begin(&self, session: &str, now: Instant) -> (u64, ProxyStop, Option<Arc<OpenVideo>>) {
        let mut watched = held(&self.0);
        watched.turns += 1;
        let (turn, stop) = (watched.turns, ProxyStop::default());
        let next =
            Watching { turn, stop: stop.clone(), video: None, memory_bytes: 0, last: now, has_ended: false };
        let before = watched.sessions.insert(session.to_owned(), next);
        drop(watched);
        let video = before.and_then(|before| {
            before.stop.stop();
            before.video
        });
        (turn, stop, video)
    }

    /// Counts what a session is about to open; answers what may be taken for it. Videos that others have left go before one is
    /// refused.
    fn count(&self, session: &str, turn: u64, memory_bytes: u64) -> u64 {
        let free = || {
            let watched = held(&self.0);
            let others = watched.sessions.iter().filter(|(other, _)| *other != session);
            OPEN_BYTES.saturating_sub(others.map(|(_, watching)| watching.memory_bytes).sum())
        };
        self.with(session, turn, |watching| watching.memory_bytes = memory_bytes);
        if free() < memory_bytes {
            self.forget_if(|watching| watching.has_ended && watching.memory_bytes > 0);
        }
        free()
    }

    /// Does something with what a session watches, if it still is what began with that turn.
    fn with<T>(&self, session: &str, turn: u64, run: impl FnOnce(&mut Watching) -> T) -> Option<T> {
        held(&self.0).sessions.get_mut(session).filter(|watching| watching.turn == turn).map(run)
    }

    /// Ends and forgets what nobody watches any more.
    pub(crate) fn forget_unwatched(&self, now: Instant) {
        self.forget_if(|watching| {
            let most = if watching.has_ended { KEPT_OPEN } else { LEFT_ALONE };
            now.saturating_duration_since(watching.last) >= most
        });
    }

    /// Ends and forgets everything.
    pub(crate) fn forget(&self) {
        self.forget_if(|_| true);
    }

    fn forget_if(&self, is_to_go: impl Fn(&Watching) -> bool) {
        let mut gone = Vec::new();
        held(&self.0).sessions.retain(|_, watching| {
            let goes = is_to_go(watching);
            if goes {
                gone.push(watching.stop.clone());
            }
            !goes
        });
        gone.iter().for_each(ProxyStop::stop);
    }
}

impl Turn {
    /// Refuses to go on once the same session watches something else, or everything was ended.
    fn check(&self) -> Answer<()> {
        self.gallery.door.require_open()?;
        self.gallery
            .proxies
            .with(&self.session, self.turn, |watching| watching.last = Instant::now())
            .ok_or_else(|| {
                Failure::new(StatusCode::CONFLICT, "another-video", "another video was begun meanwhile")
                    .hint("begin this one again")
            })
    }

    /// Opens a video, a stretch whenever the one before is open.
    async fn open(&self, here: OriginalHere) -> Answer<Arc<OpenVideo>> {
        let free_bytes = self.gallery.proxies.count(&self.session, self.turn, here.memory_bytes());
        let opening = self.gallery.door.read(move |library| Ok(library.open_video(here, free_bytes)?));
        let opened = opening.await;
        self.check()?;
        let mut video = opened?;
        while !video.is_whole() {
            self.check()?;
            video = self
                .gallery
                .door
                .read(move |library| {
                    library.open_further(&mut video)?;
                    Ok(video)
                })
                .await?;
        }
        Ok(Arc::new(video))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.stop.stop();
        self.gallery.proxies.with(&self.session, self.turn, |watching| {
            watching.has_ended = true;
            if watching.video.is_none() {
                watching.memory_bytes = 0;
            }
            watching.last = Instant::now();
        });
    }
}

/// From where on a video is asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct From {
    /// In whole seconds of its time; its own times count from there.
    #[serde(default)]
    from: u32,
    /// What of a photo moves, instead of a video.
    moving: Option<String>,
    /// The forms that the browser plays, `h264` and `vp8`, with a comma between them; both when left out.
    plays: Option<String>,
}

impl From {
    fn plays(&self) -> Plays {
        let Some(words) = &self.plays else { return Plays::ALL };
        let has = |form| words.split(',').any(|word| word == form);
        Plays { h264: has("h264"), vp8: has("vp8") }
    }
}

/// A video in a form that browsers play, while it is made.
pub(crate) async fn show_proxy(
    State(gallery): State<Arc<Gallery>>,
    Path((key, id)): Path<(String, String)>,
    Parameters(from): Parameters<From>,
    headers: HeaderMap,
) -> Answer<Response> {
    let id = admit(&gallery, &key, id, &headers)?;
    let (number, stop, before) = gallery.proxies.begin(&key, Instant::now());
    let turn = Turn { gallery: Arc::clone(&gallery), session: key, turn: number, stop };
    let is_moving = from.moving.is_some();
    let here = gallery.door.read(move |library| match is_moving {
        true => library.moving_here(&id).map_err(nothing_moves),
        false => library.original_here(&id).map_err(not_here),
    });
    let here = here.await?;
    let video = match before.filter(|video| video.is_of(&here)) {
        Some(video) => {
            gallery.proxies.with(&turn.session, turn.turn, |watching| {
                watching.memory_bytes = here.memory_bytes();
            });
            video
        }
        None => turn.open(here).await?,
    };
    turn.check()?;
    gallery.proxies.with(&turn.session, turn.turn, |watching| watching.video = Some(Arc::clone(&video)));
    let (making, stop, plays) = (Arc::clone(&video), turn.stop.clone(), from.plays());
    let proxy = tokio::task::spawn_blocking(move || making.proxy(from.from, plays, &stop));
    let begun = proxy.await.map_err(|_| Failure::broken())?;
    // A program that was ended because somebody watches something else has failed, but not at its video.
    turn.check()?;
    let proxy = begun?;
    let answer = [
        (header::CONTENT_TYPE, proxy.media_type().to_owned()),
        (header::CONTENT_SECURITY_POLICY, SANDBOX.to_owned()),
        (header::ACCEPT_RANGES, "none".to_owned()),
    ];
    Ok((answer, Body::from_stream(stream(turn, Arc::downgrade(&video), proxy))).into_response())
}

/// The pieces of a video as they are made, each for as long as whoever asked for it may see it. A player that has stopped asks for
/// none and lets nothing go, so what lies open is not held here.
fn stream(
    turn: Turn,
    video: Weak<OpenVideo>,
    proxy: Proxy,
) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    futures_util::stream::unfold(Some((turn, video, proxy)), |state| async {
        let (turn, video, proxy) = state?;
        match next(&turn, &video, proxy).await {
            Ok((piece, proxy)) => piece.map(|bytes| (Ok(bytes), Some((turn, video, proxy)))),
            Err(failure) => Some((Err(std::io::Error::other(failure.message)), None)),
        }
    })
}

async fn next(turn: &Turn, video: &Weak<OpenVideo>, mut proxy: Proxy) -> Answer<(Option<Bytes>, Proxy)> {
    turn.check()?;
    // Whoever plays a video is there.
    turn.gallery.door.touch();
    let watched = video.upgrade().ok_or_else(Failure::broken)?;
    turn.gallery.door.read(move |library| Ok(library.admit_video(&watched)?)).await?;
    let made = tokio::task::spawn_blocking(move || {
        let piece = proxy.next_piece();
        (piece, proxy)
    });
    let (piece, proxy) = made.await.map_err(|_| Failure::broken())?;
    let piece = piece.map_err(|error| Failure::new(StatusCode::BAD_GATEWAY, "failed", error.to_string()))?;
    Ok((piece.map(Bytes::from), proxy))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_watched(proxies: &Proxies, session: &str, turn: u64) -> bool {
        proxies.with(session, turn, |_| ()).is_some()
    }

    #[test]
    fn what_nobody_takes_goes_after_five_minutes_and_what_was_left_after_half_a_one() {
        let (proxies, begun) = (Proxies::default(), Instant::now());
        let (watched, ..) = proxies.begin("watched", begun);
        let (left, ..) = proxies.begin("left", begun);
        proxies.with("left", left, |watching| watching.has_ended = true);
        proxies.forget_unwatched(begun + Duration::from_secs(29));
        assert!(is_watched(&proxies, "watched", watched) && is_watched(&proxies, "left", left));
        proxies.forget_unwatched(begun + Duration::from_secs(30));
        assert!(is_watched(&proxies, "watched", watched) && !is_watched(&proxies, "left", left));
        proxies.with("watched", watched, |watching| watching.last = begun + Duration::from_secs(100));
        proxies.forget_unwatched(begun + Duration::from_secs(399));
        assert!(is_watched(&proxies, "watched", watched));
        proxies.forget_unwatched(begun + Duration::from_secs(400));
        assert!(!is_watched(&proxies, "watched", watched));
    }

    #[test]
    fn all_sessions_together_open_no_more_than_there_is_memory_for() {
        const GIB: u64 = 1 << 30;
        let (proxies, now) = (Proxies::default(), Instant::now());
        let (first, ..) = proxies.begin("first", now);
        assert_eq!(proxies.count("first", first, GIB), OPEN_BYTES);
        let (second, ..) = proxies.begin("second", now);
        assert_eq!(proxies.count("second", second, GIB), OPEN_BYTES - GIB);
        let (third, ..) = proxies.begin("third", now);
        assert_eq!(proxies.count("third", third, GIB), 0, "both are watched");
        // One that somebody has left goes before another is refused.
        proxies.with("first", first, |watching| watching.has_ended = true);
        proxies.begin("second", now);
        let (third, ..) = proxies.begin("third", now);
        assert_eq!(proxies.count("third", third, OPEN_BYTES), OPEN_BYTES);
        assert!(!is_watched(&proxies, "first", first));
    }
}
