//! Plans that were shown to somebody and are carried out by their word, once: what was seen is what is done.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::http::StatusCode;

use crate::failure::{Answer, Failure};
use crate::gallery::held;

/// A plan is carried out within this time, or made again.
const PLAN_LIFE: Duration = Duration::from_secs(10 * 60);

/// The plan of one kind that was shown last.
#[derive(Debug)]
pub(crate) struct Plans<P>(Mutex<Drawn<P>>);

#[derive(Debug)]
struct Drawn<P> {
    next: u64,
    plan: Option<(u64, Instant, P)>,
}

impl<P> Default for Plans<P> {
    fn default() -> Self {
        Self(Mutex::new(Drawn { next: 0, plan: None }))
    }
}

impl<P> Plans<P> {
    pub(crate) fn keep(&self, plan: P, now: Instant) -> String {
        let mut drawn = held(&self.0);
        drawn.next += 1;
        let word = drawn.next;
        drawn.plan = Some((word, now, plan));
        word.to_string()
    }

    /// The plan of a word, once, and when it was made.
    pub(crate) fn take(&self, word: &str, now: Instant) -> Answer<(Instant, P)> {
        let mut drawn = held(&self.0);
        let is_it = |(known, made, _): &mut (u64, Instant, P)| {
            known.to_string() == word && now.saturating_duration_since(*made) < PLAN_LIFE
        };
        match drawn.plan.take_if(is_it) {
            Some((_, made, plan)) => Ok((made, plan)),
            None => {
                Err(Failure::new(StatusCode::CONFLICT, "stale", "that plan is too old, or was carried out")
                    .hint("look again at what may go"))
            }
        }
    }

    /// Takes back a plan that was not begun, unless another was shown since.
    pub(crate) fn give_back(&self, word: &str, (made, plan): (Instant, P)) {
        let mut drawn = held(&self.0);
        if let Ok(number) = word.parse()
            && number == drawn.next
        {
            drawn.plan = Some((number, made, plan));
        }
    }

    pub(crate) fn forget(&self) {
        held(&self.0).plan = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safelight_library::FreePlan;

    #[test]
    fn a_plan_is_good_once_and_not_for_long() {
        let plans = Plans::<FreePlan>::default();
        let now = Instant::now();
        let first = plans.keep(FreePlan::default(), now);
        let second = plans.keep(FreePlan::default(), now);
        assert_eq!(plans.take(&first, now).unwrap_err().code, "stale", "another was shown since");
        assert_eq!(plans.take(&second, now + PLAN_LIFE).unwrap_err().code, "stale");
        assert!(plans.take(&second, now).is_ok());
        assert_eq!(plans.take(&second, now).unwrap_err().code, "stale", "it was carried out");
        let third = plans.keep(FreePlan::default(), now);
        let taken = plans.take(&third, now).unwrap();
        plans.give_back(&third, taken.clone());
        assert!(plans.take(&third, now).is_ok(), "it was not begun");
        plans.give_back(&second, taken.clone());
        assert!(plans.take(&second, now).is_err(), "another was shown since");
        plans.give_back(&third, taken);
        plans.forget();
        assert!(plans.take(&third, now).is_err());
    }
}
