//! In how many places an original rests whole, how that is known, and since when.
//!
//! This device's folder is a place like any remote. Only what is sealed counts: a linked file is the user's own, may be
//! changed or gone tomorrow, and is named beside the places. A list believes what `device.db` remembers of this device;
//! what is shown of one photo was looked at.

use std::collections::{HashMap, HashSet};

use safelight_catalog::query::Bound;
use safelight_catalog::{AssetRow, CurrentContent, HowKnown, RemoteId, Shelf, SyncState};
use safelight_crypto::ContentHash;
use safelight_model::{Original, Storage};
use safelight_sync::{HAS_FREED, RestsAt, is_held, is_here_in, rests_at};
use serde::Serialize;

use crate::effects::now_millis;
use crate::error::Result;
use crate::library::Library;
use crate::linked;
use crate::objects::{are_parts_here, lies_sealed, newest, small_original};

/// Where an original rests whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ShownPlace {
    /// The remote; none is this device.
    pub remote: Option<String>,
    /// How that is known: `here`, `acknowledged` when it was put there, `found` there by name and size, `opened` after it
    /// was read back, `vouched` for by a checksum of the provider. Or `linked`: the file itself, which is no sealed place
    /// and is not counted. Of several parts the one that is known worst.
    pub how: &'static str,
    /// Since when, of several parts the longest ago: `2023-05-14T10:11:12Z`. None for this device.
    pub since: Option<String>,
}

impl ShownPlace {
    /// Whether it counts as a place.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.how != LINKED
    }

    /// `nas: opened 2023-05-14T10:11:12Z`
    #[must_use]
    pub fn line(&self) -> String {
        let place = self.remote.as_deref().unwrap_or("this device");
        let since = self.since.as_deref().unwrap_or_default();
        match self.how {
            "here" => format!("{place}: whole"),
            LINKED => format!("{place}: the file itself, not sealed"),
            "acknowledged" => format!("{place}: acknowledged {since}, not read back since"),
            "found" => format!("{place}: found there {since}, not read back since"),
            "opened" => format!("{place}: read back and opened {since}"),
            _ => format!("{place}: vouched for by its checksum {since}"),
        }
    }
}

const LINKED: &str = "linked";

/// `2023-05-14T10:11:12Z`
fn moment(millis: i64) -> Option<String> {
    let when = jiff::Timestamp::from_millisecond(millis).ok()?;
    Some(when.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn word(how: HowKnown) -> &'static str {
    match how {
        HowKnown::Acknowledged => "acknowledged",
        HowKnown::Found => "found",
        HowKnown::Opened => "opened",
        HowKnown::Vouched => "vouched",
    }
}

/// How well the photos of a library are kept.
#[derive(Debug, Default)]
pub(crate) struct Safety {
    /// Photos and videos that rest whole somewhere.
    pub(crate) safe: u64,
    /// In how many places each of these rests at least; none where there are none.
    pub(crate) places: Option<u64>,
    /// Those that rest sealed in fewer than two places.
    pub(crate) in_few_places: u64,
}

/// How an original stands to the remotes that were told of it.
type States = [(RemoteId, SyncState)];

/// What is recorded of where an original rests.
struct Resting<'a> {
    content: &'a ContentHash,
    is_linked: bool,
    states: &'a States,
}

impl Resting<'_> {
    /// Whether the standing to remotes says if a sealed copy is here. Of a linked one it says so of the file.
    fn says_what_is_here(&self) -> bool {
        !self.is_linked && !self.states.is_empty()
    }
}

/// The remotes that are places of their own and hold an original.
fn holding(states: &States, places: &HashSet<RemoteId>) -> Vec<RemoteId> {
    let holds = |(id, state): &&(RemoteId, SyncState)| is_held(*state) && places.contains(id);
    states.iter().filter(holds).map(|(id, _)| *id).collect()
}

/// When the best proven of some remotes was proven to hold an original.
fn best_proof(held: &[RestsAt]) -> Option<i64> {
    held.iter().filter_map(RestsAt::proven_millis).max()
}

fn is_in(bound: Bound<u64>, value: u64) -> bool {
    bound.from.is_none_or(|from| value >= from) && bound.to.is_none_or(|to| value <= to)
}

impl Library {
    /// The places of an original, each looked at: this device's sealed copy is there part by part, or opens if it is
    /// small.
    pub(crate) fn places_of(&self, original: &Original) -> Result<Vec<ShownPlace>> {
        let mut places = Vec::new();
        if !self.damaged.has(&original.content) && self.is_sealed_here(original)? {
            places.push(ShownPlace { remote: None, how: "here", since: None });
        }
        if original.storage == Storage::Linked
            && linked::look(original, self.keyring().device().id(), &self.device).is_ok()
        {
            places.push(ShownPlace { remote: None, how: LINKED, since: None });
        }
        let states = self.states_of(&original.content)?;
        let remotes = self.device.remotes()?;
        for held in rests_at(&self.device, original, &holding(&states, &self.remotes_of_their_own()?))? {
            let remote = remotes.iter().find(|row| row.id == held.remote).map(|row| row.name.clone());
            if remote.is_some() {
                let (how, since) = (word(held.how), moment(held.since_millis));
                places.push(ShownPlace { remote, how, since });
            }
        }
        Ok(places)
    }

    /// Whether a sealed copy lies here whole: all parts of it, or an entry that opens.
    fn is_sealed_here(&self, original: &Original) -> Result<bool> {
        match original.storage {
            Storage::Packed => {
                Ok(small_original(&self.place, &self.device, self.keyring(), original).is_ok())
            }
            _ => are_parts_here(&self.place, original),
        }
    }

    pub(crate) fn states_of(&self, content: &ContentHash) -> Result<Vec<(RemoteId, SyncState)>> {
        let rows = self.device.original_at_remotes(content)?;
        Ok(rows.into_iter().map(|(id, row)| (id, row.state)).collect())
    }

    /// In how many places one of many originals rests, without opening anything: by what was recorded of its standing, and
    /// where that does not say whether it is here, by looking for its parts.
    fn count_places(
        &self,
        row: &Resting<'_>,
        original: Option<&Original>,
        places: &HashSet<RemoteId>,
    ) -> Result<u64> {
        let is_here = match original.filter(|_| !row.says_what_is_here()) {
            Some(original) => lies_sealed(&self.place, &self.device, original)?,
            None => row.says_what_is_here() && row.states.iter().all(|(_, state)| is_here_in(*state)),
        };
        let is_whole = is_here && !self.damaged.has(row.content);
        Ok(u64::from(is_whole) + holding(row.states, places).len() as u64)
    }

    /// In how many places a listed photo rests, and when the best proven of the remotes was proven to hold it.
    pub(crate) fn placing(
        &self,
        row: &AssetRow,
        states: &States,
        places: &HashSet<RemoteId>,
    ) -> Result<(u64, Option<String>)> {
        let resting = Resting { content: &row.content, is_linked: row.is_linked(), states };
        let holding = holding(states, places);
        let mut original = None;
        if !resting.says_what_is_here() || !holding.is_empty() {
            let state = self.catalog().asset_state(row.asset)?;
            original = state.and_then(|state| newest(state.current().contents(), &row.content).cloned());
        }
        let places = self.count_places(&resting, original.as_ref(), places)?;
        let held = match &original {
            Some(original) => rests_at(&self.device, original, &holding)?,
            None => Vec::new(),
        };
        Ok((places, best_proof(&held).and_then(moment)))
    }

    /// The remotes whose id was read: a copy of another one, or the same place under a second name, is none of its own.
    pub(crate) fn remotes_of_their_own(&self) -> Result<HashSet<RemoteId>> {
        let mut found = HashSet::new();
        for remote in self.device.remotes()? {
            if self.device.place_id(remote.id)?.is_some() {
                found.insert(remote.id);
            }
        }
        Ok(found)
    }

    /// How the originals of all photos stand, the trash included.
    fn each_resting(&self, mut each: impl FnMut(&CurrentContent, &Resting<'_>) -> Result<()>) -> Result<()> {
        let mut states: HashMap<ContentHash, Vec<(RemoteId, SyncState)>> = HashMap::new();
        for row in self.device.remotes()? {
            for state in SyncState::ALL {
                for content in self.device.contents_in(row.id, &[state])? {
                    states.entry(content).or_default().push((row.id, state));
                }
            }
        }
        let current = self.catalog().current_contents()?;
        for current in current {
            let states = states.get(&current.content).map_or(&[][..], Vec::as_slice);
            each(&current, &Resting { content: &current.content, is_linked: current.is_linked, states })?;
        }
        Ok(())
    }

    /// In how many places one of all photos rests.
    fn count_of_one(&self, resting: &Resting<'_>, places: &HashSet<RemoteId>) -> Result<u64> {
        let original = if resting.says_what_is_here() { None } else { self.original_of(resting.content)? };
        self.count_places(resting, original.as_ref(), places)
    }

    /// The contents that rest in so many places, for a query.
    pub(super) fn contents_in_places(&self, bound: Bound<u64>) -> Result<HashSet<ContentHash>> {
        let (mut found, places) = (HashSet::new(), self.remotes_of_their_own()?);
        self.each_resting(|current, resting| {
            if is_in(bound, self.count_of_one(resting, &places)?) {
                found.insert(current.content);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The contents that were freed here and rest in no place any more: where an import meets their bytes it takes them in
    /// again, be the file unchanged.
    pub(crate) fn freed_and_lost(&self) -> Result<HashSet<ContentHash>> {
        if self.device.setting(HAS_FREED)?.is_none() {
            return Ok(HashSet::new());
        }
        let (mut found, places) = (HashSet::new(), self.remotes_of_their_own()?);
        self.each_resting(|current, resting| {
            if !resting.is_linked && self.count_of_one(resting, &places)? == 0 {
                found.insert(current.content);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The contents that some remote was proven to hold so many milliseconds ago, for a query.
    pub(super) fn contents_proven(&self, bound: Bound<u64>) -> Result<HashSet<ContentHash>> {
        let now = now_millis();
        let (mut found, places) = (HashSet::new(), self.remotes_of_their_own()?);
        self.each_resting(|current, resting| {
            let holding = holding(resting.states, &places);
            let original = if holding.is_empty() { None } else { self.original_of(resting.content)? };
            let Some(original) = original else { return Ok(()) };
            let proven = best_proof(&rests_at(&self.device, &original, &holding)?);
            // A proof from a future that the clock has left is none.
            let age = proven.and_then(|proven| u64::try_from(now.saturating_sub(proven)).ok());
            if age.is_some_and(|age| is_in(bound, age)) {
                found.insert(current.content);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// How well the photos are kept, the trash aside and those of the hidden album where it is closed. Linked files that
    /// are not there count as kept only where a sealed copy rests.
    pub(crate) fn safety(&self, absent: &HashSet<ContentHash>) -> Result<Safety> {
        let (mut safety, places) = (Safety::default(), self.remotes_of_their_own()?);
        let keeps_back = self.keeps_hidden_back();
        self.each_resting(|current, resting| {
            if current.shelf == Shelf::Trashed || keeps_back && current.shelf == Shelf::Hidden {
                return Ok(());
            }
            let sealed = self.count_of_one(resting, &places)?;
            safety.in_few_places += u64::from(sealed < 2);
            let file = u64::from(resting.is_linked && sealed == 0 && !absent.contains(resting.content));
            if sealed + file > 0 {
                safety.safe += 1;
                safety.places = Some(safety.places.map_or(sealed + file, |least| least.min(sealed + file)));
            }
            Ok(())
        })?;
        Ok(safety)
    }
}
