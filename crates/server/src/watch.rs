//! What the server looks at by itself: whether anybody is still there or watches a video, and whether the library has changed.
//!
//! Other programs change the library too, and what is connected to it. Asking for its revision costs one look into an index, so it is asked for
//! every second rather than listened for: that finds the same on every file system.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

use crate::gallery::Gallery;

/// How often.
const EVERY: Duration = Duration::from_secs(1);

/// Looks until it is dropped.
pub(crate) async fn watch(gallery: &Arc<Gallery>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = None;
    let mut connected = None;
    loop {
        ticks.tick().await;
        gallery.lock_if_unused();
        gallery.close_hidden_if_unused();
        gallery.proxies.forget_unwatched(Instant::now());
        // A library that is locked or does not answer has nothing to tell.
        let looked = gallery.door.read(|library| {
            Ok((library.revision()?, library.local_settings()?, library.connected_places()?))
        });
        let Ok((revision, rules, places)) = looked.await else { continue };
        gallery.door.idle().rule(rules.lock_after_seconds);
        gallery.news.saw(revision);
        if told.is_some_and(|told| told != revision) {
            gallery.news.revision(revision);
        }
        told = Some(revision);
        if connected.as_ref().is_some_and(|connected| *connected != places) {
            gallery.news.places();
        }
        connected = Some(places);
    }
}
