//! Changing what goes to a remote: its settings as people type them. Switches by hand are in `switch.rs`.
//!
//! Invariant: nothing changes before all words are understood, and nothing that exposes more than a person agreed to.
//! A change is applied at once to every original that the remote knows: what is no longer wanted no longer waits.

use safelight_catalog::{
    AgeBy, Exposure, OLDER_DEFAULT_DAYS, PolicyKind, Query, RemoteId, RemotePolicy, SyncState, Wanted,
};
use safelight_store::{PriceTable, Tier};
use safelight_sync::{DAILY_CAP, apply_policy, newly_exposed, wanted};
use serde::Serialize;

use super::at::{AddedRemote, RemoteRequest, Surroundings};
use super::cost::PRICE;
use super::standing::Judge;
use super::terms::{LIMIT, QUIET, kept};
use crate::edit::pointed;
use crate::effects::now_millis;
use crate::error::{LibraryError, Result};
use crate::library::Library;

/// The setting that holds the tier of originals.
pub(super) const TIER: &str = "tier";

/// The setting that holds how many more originals were consented to.
const CONSENTED: &str = "consented";

/// What can be set, for messages.
const KNOWN: &str =
    "policy, only, older, by, unmetered, expose, tier, limit, quiet, daily and price.… can be set";

/// What a change of a remote's policy comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct PolicyChange {
    /// The remote.
    pub remote: String,
    /// Its policy now.
    pub policy: &'static str,
    /// Originals that go there now and did not before.
    pub newly_exposed: u64,
    /// Their bytes.
    pub newly_exposed_bytes: u64,
    /// Originals that wait to be sent now.
    pub waiting_originals: u64,
}

/// What a change would newly send to a remote, beyond what needs nobody's consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct Exposes {
    /// The remote.
    pub remote: String,
    /// Originals that would newly go there.
    pub originals: u64,
    /// Their bytes.
    pub bytes: u64,
    /// So many may newly go without consent.
    pub most: u64,
}

/// The settings of a remote as words change them.
struct Settings {
    policy: RemotePolicy,
    tier: Option<Option<Tier>>,
    /// Those that are kept as they are written: prices, limit, quiet hours, daily cap.
    plain: Vec<(String, Option<String>)>,
    /// The word that first spoke of each, to point at.
    only_word: Option<String>,
    age_word: Option<String>,
    unmetered_word: Option<String>,
}

impl Settings {
    /// Takes in one word, as `only=album:Family rating:>=4`.
    fn take(&mut self, word: &str) -> Result<()> {
        self.understand(word).map_err(|error| about_setting(word, error))
    }

    fn understand(&mut self, word: &str) -> Result<()> {
        let Some((name, value)) = word.split_once('=') else {
            return Err(pointed(
                word,
                0..word.len(),
                &format!("a setting is a name, = and a value; {KNOWN}"),
            ));
        };
        let wrong = |reason: &str| Err(pointed(word, name.len() + 1..word.len(), reason));
        match name {
            "policy" => match PolicyKind::from_word(value) {
                Some(kind) => self.policy.kind = kind,
                None => return wrong("policies are full, selective, on-demand and archive-only"),
            },
            "only" => {
                check_query(value)?;
                self.policy.only = Some(value.trim().to_owned()).filter(|text| !text.is_empty());
                self.only_word = Some(word.to_owned());
            }
            "older" => {
                let Some(days) = days(value) else {
                    return wrong(
                        "an age is a number of days, months or years, such as older=400d, older=18m or older=2y",
                    );
                };
                self.policy.older_days = days;
                self.age_word = Some(word.to_owned());
            }
            "by" => {
                let Some(by) = AgeBy::from_word(value) else {
                    return wrong(
                        "an age counts from by=captured, when a photo was taken, or by=added, when it came in",
                    );
                };
                self.policy.age_by = by;
                self.age_word = Some(word.to_owned());
            }
            "unmetered" => {
                self.policy.when_unmetered = match value {
                    "yes" => true,
                    "no" => false,
                    _ => return wrong("it is yes or no"),
                };
                self.unmetered_word = Some(word.to_owned());
            }
            "expose" => match value.parse() {
                Ok(most) => self.policy.expose_most = most,
                Err(_) => return wrong("it is the number of originals that may newly go without --yes"),
            },
            "tier" => match (value, Tier::from_word(value)) {
                ("default", _) => self.tier = Some(None),
                (_, Some(tier)) => self.tier = Some(Some(tier)),
                _ => return wrong("tiers are hot, cool, cold and archive, or default"),
            },
            LIMIT | QUIET | DAILY_CAP => match kept(name, value) {
                Ok(kept) => self.plain.push((name.to_owned(), kept)),
                Err(reason) => return wrong(reason),
            },
            _ if name.starts_with(PRICE) => {
                let number = value.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
                if number.is_none() && value != "default" {
                    return wrong("a price is a number of US dollars, or default");
                }
                let price = name.strip_prefix(PRICE).unwrap_or_default();
                if !PriceTable::free().set(price, number.unwrap_or_default()) {
                    let known =
                        "prices are price.out and price.TIER.month, .writes, .reads, .retrieval and .days";
                    return Err(pointed(word, 0..name.len(), known));
                }
                self.plain.push((name.to_owned(), number.map(|number| number.to_string())));
            }
            _ => {
                return Err(pointed(
                    word,
                    0..name.len(),
                    &format!("a remote has no setting {name}; {KNOWN}"),
                ));
            }
        }
        Ok(())
    }

    /// Refuses settings that the policy would not look at.
    fn check(&self) -> Result<()> {
        let kind = self.policy.kind;
        let belongs = [
            (&self.only_word, PolicyKind::Selective),
            (&self.age_word, PolicyKind::ArchiveOnly),
            (&self.unmetered_word, PolicyKind::OnDemand),
        ];
        for (word, owner) in belongs {
            if let Some(word) = word.as_ref().filter(|_| kind != owner) {
                let end = word.find('=').unwrap_or(word.len());
                let reason =
                    format!("this belongs to policy={}, and the policy is {}", owner.word(), kind.word());
                return Err(about_setting(word, pointed(word, 0..end, &reason)));
            }
        }
        Ok(())
    }
}

/// Says which setting it is that cannot be understood.
fn about_setting(word: &str, error: LibraryError) -> LibraryError {
    match error {
        LibraryError::Query { explained } => {
            let setting = word.split('=').next().unwrap_or(word).to_owned();
            LibraryError::Setting { setting, explained }
        }
        other => other,
    }
}

/// A policy's query must be one, and must ask for nothing that syncing itself changes.
fn check_query(text: &str) -> Result<()> {
    let query = Query::parse(text).map_err(|error| LibraryError::Query { explained: error.render(text) })?;
    for term in query.terms {
        if term.condition.asks_where_it_rests() {
            return Err(pointed(text, term.span, "what goes to a remote cannot depend on what is there"));
        }
    }
    Ok(())
}

/// `400d`, `18m`, `2y`, `400`; months have 30 days, years 365.
fn days(text: &str) -> Option<u32> {
    let (number, unit) = match text.find(|letter: char| !letter.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "d"),
    };
    let days = match unit {
        "d" => 1,
        "m" => 30,
        "y" => OLDER_DEFAULT_DAYS,
        _ => return None,
    };
    number.parse::<u32>().ok()?.checked_mul(days)
}

impl Library {
    /// Changes the settings of a remote by words such as `policy=selective` and `only=album:Family`.
    ///
    /// # Errors
    /// [`LibraryError::Setting`] with a mark under what is wrong; [`LibraryError::NeedsConsent`] if more would newly be exposed
    /// than the remote's limit and `consent` is not given. Then nothing is changed.
    pub fn set_remote(&mut self, name: &str, words: &[String], consent: bool) -> Result<PolicyChange> {
        self.folder.require_writable()?;
        let id = self.remote_row(name)?.id;
        let before = self.device.policy(id)?;
        let settings = self.understand(id, before.clone(), words)?;
        let old = self.wanted_now(id, &before)?;
        self.change_policy(name, id, &settings, &old, consent)
    }

    /// The settings of a remote that is to be added, before anything is connected.
    ///
    /// # Errors
    /// [`LibraryError::Setting`] with a mark under what is wrong.
    pub fn check_remote_settings(words: &[String]) -> Result<()> {
        let mut settings = Settings::new(RemotePolicy::default());
        words.iter().try_for_each(|word| settings.take(word))?;
        settings.check()
    }

    /// Connects a place with its first settings; where those are refused the place is not remembered.
    ///
    /// # Errors
    /// As [`Library::add_remote`] and [`Library::set_remote`].
    pub fn connect_remote(
        &mut self,
        request: &RemoteRequest<'_>,
        settings: &[String],
        consent: bool,
        surroundings: &Surroundings,
    ) -> Result<AddedRemote> {
        Self::check_remote_settings(settings)?;
        let added = self.add_remote(request, surroundings)?;
        if let Err(error) = self.begin_remote(request.name, settings, consent) {
            // A remote whose policy was refused would be one to which everything goes.
            self.remove_remote(request.name)?;
            return Err(error);
        }
        Ok(added)
    }

    /// Gives a remote that was just added its first settings. Nothing went there before.
    ///
    /// # Errors
    /// As [`Library::set_remote`].
    fn begin_remote(&mut self, name: &str, words: &[String], consent: bool) -> Result<PolicyChange> {
        let id = self.remote_row(name)?.id;
        let settings = self.understand(id, RemotePolicy::default(), words)?;
        // Who adds a remote without a word about what goes there has everything go there.
        let old = Wanted { everything: settings.policy.kind == PolicyKind::Full, ..Wanted::default() };
        self.change_policy(name, id, &settings, &old, consent)
    }

    fn understand(&self, id: RemoteId, policy: RemotePolicy, words: &[String]) -> Result<Settings> {
        let mut settings = Settings::new(policy);
        words.iter().try_for_each(|word| settings.take(word))?;
        settings.check()?;
        if let Some(only) = settings.policy.only.as_deref().filter(|_| settings.only_word.is_some()) {
            self.refuse_smart_albums_in(only).map_err(|error| about_setting("only", error))?;
            // What this would newly send is told: a question about hidden photos by another name.
            if let Ok(query) = Query::parse(only) {
                self.admit_query(&query)?;
            }
        }
        if let Some(Some(tier)) = settings.tier {
            self.check_tier(id, tier)?;
        }
        Ok(settings)
    }

    fn change_policy(
        &mut self,
        name: &str,
        id: RemoteId,
        settings: &Settings,
        old: &Wanted,
        consent: bool,
    ) -> Result<PolicyChange> {
        let mut policy = settings.policy.clone();
        let wanted = self.wanted_now(id, &policy)?;
        let [all, new] = newly_exposed(&self.catalog(), &self.device, id, &wanted, old)?;
        refuse_exposure(name, new, policy.expose_most, consent)?;
        let before = self.device.policy(id)?;
        // Under a policy that never asks, what was wanted was free to go.
        let (was_asking, consented) = (asks(&before), before.consented);
        policy.consented = consented + if was_asking { new.originals } else { all.originals };
        let nothing = Wanted::default();
        let old = if was_asking { old } else { &nothing };
        self.device.set_policy(id, &policy)?;
        if let Some(tier) = settings.tier {
            self.device.set_remote_setting(id, TIER, tier.map(Tier::word))?;
        }
        for (setting, value) in &settings.plain {
            self.device.set_remote_setting(id, setting, value.as_deref())?;
        }
        self.replan(name, id, new, old, consented)
    }

    pub(super) fn wanted_now(&self, id: RemoteId, policy: &RemotePolicy) -> Result<Wanted> {
        Ok(wanted(&self.catalog(), &self.device, id, policy, true, now_millis())?)
    }

    /// Applies a change at once. Consent is to what this change newly exposes, and to no other original: what waited for
    /// consent before goes on waiting for it. `consented` is what was left of earlier consent.
    pub(super) fn replan(
        &mut self,
        name: &str,
        id: RemoteId,
        new: Exposure,
        old: &Wanted,
        consented: u64,
    ) -> Result<PolicyChange> {
        let catalog = self.catalog.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        let planned = apply_policy(catalog, &mut self.device, id, false, false, now_millis())?;
        let mut waiting = self.device.contents_in(id, &[SyncState::Waiting])?.len() as u64;
        // What came in since the last sync was not seen by that plan: the next one still may send what this change asks for.
        let row = self.remote_row(name)?;
        let (judge, mut unseen, mut unseen_new) = (Judge::of(self, row.clone())?, 0_u64, 0_u64);
        for added in self.unasked(&row)? {
            let content = added.original.content;
            if judge.unasked(self, &content)? == SyncState::Waiting {
                unseen += 1;
                unseen_new += u64::from(!old.wants(&content));
            }
        }
        let left = (consented + unseen_new).min(unseen);
        self.device.set_remote_setting(id, CONSENTED, (left > 0).then(|| left.to_string()).as_deref())?;
        waiting += unseen;
        Ok(PolicyChange {
            remote: name.to_owned(),
            policy: planned.policy.kind.word(),
            newly_exposed: new.originals,
            newly_exposed_bytes: new.bytes,
            waiting_originals: waiting,
        })
    }
}

impl Settings {
    fn new(policy: RemotePolicy) -> Self {
        Self { policy, tier: None, plain: Vec::new(), only_word: None, age_word: None, unmetered_word: None }
    }
}

/// Whether a policy holds back what it comes to expose until somebody consents.
fn asks(policy: &RemotePolicy) -> bool {
    matches!(policy.kind, PolicyKind::Selective | PolicyKind::OnDemand) && !policy.when_unmetered
}

/// Whether so many that newly come to be exposed are held back.
pub(super) fn holds_back(policy: &RemotePolicy, originals: u64) -> bool {
    asks(policy) && originals > policy.expose_most.saturating_add(policy.consented)
}

pub(super) fn refuse_exposure(name: &str, new: Exposure, most: u64, consent: bool) -> Result<()> {
    if consent || new.originals <= most {
        return Ok(());
    }
    Err(LibraryError::NeedsConsent(Exposes {
        remote: name.to_owned(),
        originals: new.originals,
        bytes: new.bytes,
        most,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_days_months_or_years() {
        assert_eq!(
            ["400", "400d", "18m", "2y", "2w", "y", "", "99999999999"].map(days),
            [Some(400), Some(400), Some(540), Some(730), None, None, None, None]
        );
    }

    fn said(words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Library::check_remote_settings(&words).map_or_else(|error| error.to_string(), |()| "well".to_owned())
    }

    #[test]
    fn what_is_wrong_is_marked_below_its_word() {
        assert_eq!(said(&["policy=selective", "only=album:Family -is:hidden size:<2GB"]), "well");
        for (words, mark) in [
            (&["only=rating:9"][..], "rating:9\n       ^"),
            (&["policy=selective", "only=beach sync:waiting"], "beach sync:waiting\n      ^^^^^^^^^^^^"),
            (&["only=beach"], "only=beach\n^^^^\n"),
            (&["policy=some"], "policy=some\n       ^^^^\n"),
            (&["policy=archive-only", "older=2w"], "older=2w\n      ^^\n"),
            (&["colour=red"], "colour=red\n^^^^^^\n"),
            (&["policy"], "policy\n^^^^^^\n"),
        ] {
            let told = said(words);
            assert!(told.contains(mark), "{words:?}: {told}");
        }
    }
}
