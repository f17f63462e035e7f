//! What every route has at hand.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use safelight_library::{ForgetPlan, FreePlan};

use crate::completing::Offered;
use crate::door::Door;
use crate::duplicates::Found;
use crate::events::News;
use crate::first::First;
use crate::guard::Site;
use crate::inviting::Inviting;
use crate::jobs::Jobs;
use crate::map::Points;
use crate::passkeys::Passkeys;
use crate::past::LookedAt;
use crate::plans::Plans;
use crate::proxies::Proxies;
use crate::reading::States;
use crate::session::Sessions;
use crate::timeline::Timelines;
use crate::undone::Undone;

/// One library, shown to one person.
pub(crate) struct Gallery {
    pub(crate) site: Site,
    pub(crate) sessions: Sessions,
    pub(crate) door: Door,
    pub(crate) timelines: Timelines,
    pub(crate) points: Points,
    pub(crate) offered: Offered,
    pub(crate) found: Found,
    pub(crate) undone: Undone,
    pub(crate) news: News,
    pub(crate) jobs: Jobs,
    pub(crate) plans: Plans<FreePlan>,
    pub(crate) forgets: Plans<ForgetPlan>,
    pub(crate) first: First,
    pub(crate) states: States,
    pub(crate) proxies: Proxies,
    pub(crate) inviting: Inviting,
    pub(crate) passkeys: Passkeys,
}

impl Gallery {
    /// An address that opens the gallery once, within a minute.
    pub(crate) fn address(&self) -> String {
        format!("{}/#t={}", self.site.origin(), *self.sessions.invite(Instant::now()))
    }

    /// Shuts the door, stops what runs, and tells every page. What goes on behind a door that shut by itself is let be.
    pub(crate) fn lock(&self) {
        if self.door.lock() {
            self.jobs.stop();
            self.forget();
        }
    }

    /// Shuts the door if nobody has asked for anything for long enough.
    pub(crate) fn lock_if_unused(&self) {
        if self.door.lock_if_unused() {
            self.forget();
        }
    }

    /// Another moment is looked at: what was read of the one before is forgotten, and every page begins anew.
    pub(crate) fn look_elsewhere(&self, past: Option<&LookedAt>) {
        self.forget_views();
        self.news.past(past);
    }

    fn forget_views(&self) {
        self.timelines.forget();
        self.points.forget();
        self.offered.forget();
        self.found.forget();
        self.plans.forget();
        self.forgets.forget();
        self.states.forget();
        self.proxies.forget();
    }

    /// What was read of the library goes with the keys.
    fn forget(&self) {
        self.forget_views();
        self.jobs.forget();
        self.inviting.forget();
        self.passkeys.forget();
        self.undone.forget();
        self.news.locked();
    }
}

/// A lock whose holder cannot leave anything half done.
pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
