//! What a policy asks for, and applying it: from settings, switches and the catalogue to originals that wait or stay.
//!
//! Invariants: history goes everywhere whatever the policy says; what is in a place stays there and keeps counting. A
//! plan is made anew only when something that it rests on changed, so nothing new costs nothing.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use safelight_catalog::query::Condition;
use safelight_catalog::{
    AgeBy, Catalog, DeviceDb, Exposure, LiveHalves, PolicyKind, Query, RemoteId, RemotePolicy, Renditions,
    Switched, SyncState, Wanted,
};
use safelight_crypto::ContentHash;
use safelight_model::{AlbumId, PackKind, PartRef};

use crate::error::{Result, SyncError};
use crate::originals::path_of_part;

const DAY_MILLIS: i64 = 86_400_000;

/// What of the small things goes to a place, in packs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goes {
    /// Thumbnails and previews.
    renditions: Renditions,
    /// Originals that are so small that they travel in packs: they go as originals do.
    tiny_originals: Renditions,
}

impl Goes {
    fn by(policy: &RemotePolicy, has_switches: bool) -> Self {
        let (renditions, tiny_originals) = match policy.kind {
            PolicyKind::Selective => (Renditions::OfWanted, Renditions::OfWanted),
            PolicyKind::Full if !has_switches => (Renditions::All, Renditions::All),
            _ if has_switches => (Renditions::NotSwitchedOff, Renditions::OfWanted),
            _ => (Renditions::All, Renditions::OfWanted),
        };
        Self { renditions, tiny_originals }
    }

    pub(crate) fn of(self, kind: PackKind) -> Renditions {
        if kind == PackKind::TinyOriginals { self.tiny_originals } else { self.renditions }
    }

    /// Whether everything goes, so that what no pack holds is all there is to send.
    pub(crate) fn is_everything(self) -> bool {
        self.renditions == Renditions::All && self.tiny_originals == Renditions::All
    }
}

/// A policy as it is applied now.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The policy.
    pub policy: RemotePolicy,
    /// What goes in packs.
    pub goes: Goes,
    /// What needs a person's consent, if anything does.
    pub held: Option<Exposure>,
    /// What the plan was made for.
    pub(crate) stamp: String,
}

/// What a policy with these switches asks for, as the catalogue stands. `is_unmetered` says that the link costs nothing.
///
/// # Errors
/// [`SyncError::Policy`] for a query that this version cannot read, and those of the databases.
pub fn wanted(
    catalog: &Catalog,
    device: &DeviceDb,
    remote: RemoteId,
    policy: &RemotePolicy,
    is_unmetered: bool,
    now_millis: i64,
) -> Result<Wanted> {
    wanted_with_switches(catalog, policy, &device.switches(remote)?, is_unmetered, now_millis)
}

/// What a policy would ask for if these were its switches.
///
/// # Errors
/// As [`wanted`].
pub fn wanted_with_switches(
    catalog: &Catalog,
    policy: &RemotePolicy,
    switches: &[(Switched, bool)],
    is_unmetered: bool,
    now_millis: i64,
) -> Result<Wanted> {
    let mut wanted = Wanted::default();
    let halves = Halves::of(catalog);
    match policy.kind {
        PolicyKind::Full => wanted.everything = true,
        PolicyKind::OnDemand => wanted.everything = policy.when_unmetered && is_unmetered,
        PolicyKind::Selective => {
            if let Some(text) = &policy.only {
                let query =
                    Query::parse(text).map_err(|error| SyncError::Policy { reason: error.render(text) })?;
                wanted.contents = catalog.contents_matching(&query)?;
                halves.add_to(&mut wanted.contents)?;
            }
        }
        PolicyKind::ArchiveOnly => {
            let before = now_millis.saturating_sub(i64::from(policy.older_days) * DAY_MILLIS);
            wanted.contents = match policy.age_by {
                AgeBy::Added => catalog.contents_added_before(u64::try_from(before).unwrap_or_default())?,
                AgeBy::Captured => catalog.contents_taken_before(before)?,
            };
        }
    }
    switch_by_hand(catalog, &halves, switches, &mut wanted)?;
    Ok(wanted)
}

/// The video halves of Live Photos, looked for when they are needed first, and once for a plan.
struct Halves<'a> {
    catalog: &'a Catalog,
    found: OnceCell<LiveHalves>,
}

impl<'a> Halves<'a> {
    fn of(catalog: &'a Catalog) -> Self {
        Self { catalog, found: OnceCell::new() }
    }

    fn add_to(&self, contents: &mut HashSet<ContentHash>) -> Result<()> {
        if contents.is_empty() {
            return Ok(());
        }
        let found = match self.found.get() {
            Some(found) => found,
            None => {
                let found = self.catalog.live_halves()?;
                self.found.get_or_init(|| found)
            }
        };
        found.add_to(contents);
        Ok(())
    }
}

/// The video half of a Live Photo goes as its photo does. Photos go before albums, albums before the policy; an album's own switch goes before that of the one it lies in,
/// and of several albums one that is off decides.
fn switch_by_hand(
    catalog: &Catalog,
    halves: &Halves<'_>,
    switches: &[(Switched, bool)],
    wanted: &mut Wanted,
) -> Result<()> {
    if switches.is_empty() {
        return Ok(());
    }
    let mut albums: HashMap<AlbumId, bool> = HashMap::new();
    let mut assets = [Vec::new(), Vec::new()];
    for (switched, on) in switches.iter().copied() {
        match switched {
            Switched::Asset(asset) => assets[usize::from(on)].push(asset),
            Switched::Album(album) => drop(albums.insert(album, on)),
        }
    }
    if !albums.is_empty() {
        let tree = catalog.album_tree()?;
        for on in [true, false] {
            let switched = tree.switched(&albums, on);
            if switched.is_empty() {
                continue;
            }
            let query = Query::default().and(Condition::InAlbums(switched));
            let mut contents = catalog.contents_matching(&query)?;
            halves.add_to(&mut contents)?;
            contents.into_iter().for_each(|content| turn(wanted, content, on));
        }
    }
    let [off, on] = assets;
    let itself = [catalog.contents_of(off)?, catalog.contents_of(on)?];
    for on in [false, true] {
        let mut contents = itself[usize::from(on)].clone();
        halves.add_to(&mut contents)?;
        // A half may be switched by itself, too.
        let other = &itself[usize::from(!on)];
        contents
            .into_iter()
            .filter(|content| !other.contains(content))
            .for_each(|content| turn(wanted, content, on));
    }
    Ok(())
}

fn turn(wanted: &mut Wanted, content: ContentHash, on: bool) {
    if on {
        wanted.off.remove(&content);
        wanted.contents.insert(content);
    } else {
        wanted.contents.remove(&content);
        wanted.off.insert(content);
    }
}

/// From how many newly exposed originals on a plan needs consent; none where it never does.
pub(crate) fn most(policy: &RemotePolicy) -> Option<u64> {
    match policy.kind {
        PolicyKind::Selective | PolicyKind::OnDemand if !policy.when_unmetered => {
            Some(policy.expose_most.saturating_add(policy.consented))
        }
        _ => None,
    }
}

/// What the other remotes of this device wait for: what one alone holds must not go from here before they have it.
#[derive(Clone, Debug)]
pub struct AwaitedElsewhere(Vec<(RemoteId, Option<Wanted>)>);

impl AwaitedElsewhere {
    /// Asks the policies of all remotes but those `aside`. One that this version cannot read may ask for anything.
    ///
    /// # Errors
    /// Those of the databases.
    pub fn of(
        catalog: &Catalog,
        device: &DeviceDb,
        aside: impl Fn(RemoteId) -> bool,
        now_millis: i64,
    ) -> Result<Self> {
        let mut others = Vec::new();
        for row in device.remotes()?.into_iter().filter(|row| !aside(row.id)) {
            let policy = device.policy(row.id)?;
            let asked_for = match wanted(catalog, device, row.id, &policy, false, now_millis) {
                Ok(asked_for) => Some(asked_for),
                Err(SyncError::Policy { .. }) => None,
                Err(error) => return Err(error),
            };
            others.push((row.id, asked_for));
        }
        Ok(Self(others))
    }

    /// Whether one of them waits for a content that is here: to be sent it, or, where it was not asked since the content
    /// came here, by what its policy says.
    ///
    /// # Errors
    /// Those of the database.
    pub fn awaits(&self, device: &DeviceDb, content: &ContentHash) -> Result<bool> {
        let rows = device.original_at_remotes(content)?;
        Ok(self.0.iter().any(|(remote, asked_for)| {
            let state = rows.iter().find(|(id, _)| id == remote).map(|(_, row)| row.state);
            match state {
                Some(SyncState::Waiting | SyncState::Failed | SyncState::Held) => true,
                Some(
                    SyncState::Synced | SyncState::CloudOnly | SyncState::Thawing | SyncState::LocalOnly,
                ) => false,
                Some(SyncState::Off | SyncState::Elsewhere | SyncState::Lost) | None => {
                    asked_for.as_ref().is_none_or(|asked_for| asked_for.wants(content))
                }
            }
        }))
    }
}

/// Applies the policy of a remote to the originals that are known, if anything changed since it was applied last.
/// With `consent` nothing is held back. No request is made.
///
/// # Errors
/// As [`wanted`].
pub fn apply_policy(
    catalog: &Catalog,
    device: &mut DeviceDb,
    remote: RemoteId,
    is_unmetered: bool,
    consent: bool,
    now_millis: i64,
) -> Result<Planned> {
    let policy = device.policy(remote)?;
    let has_switches = !device.switches(remote)?.is_empty();
    let day = match policy.kind {
        PolicyKind::ArchiveOnly => now_millis.div_euclid(DAY_MILLIS),
        _ => 0,
    };
    let is_unmetered = policy.when_unmetered && is_unmetered;
    let (instance, last_op) = (catalog.instance()?, catalog.last_op()?);
    let stamp = format!("{instance}.{last_op}.{day}.{}", u8::from(is_unmetered));
    let (planned, _) = device.plan_stamps(remote)?;
    if planned.as_ref() != Some(&stamp) || consent && device.held(remote)?.is_held {
        let wanted = wanted(catalog, device, remote, &policy, is_unmetered, now_millis)?;
        let most = if consent { None } else { most(&policy) };
        device.apply_plan(remote, &wanted, most, &stamp)?;
    }
    let held = device.held(remote)?;
    Ok(Planned { goes: Goes::by(&policy, has_switches), held: held.is_held.then_some(held), policy, stamp })
}

/// What of the wanted contents neither waits nor is in the remote; and what of that was not `before`.
///
/// # Errors
/// Those of the databases.
pub fn newly_exposed(
    catalog: &Catalog,
    device: &DeviceDb,
    remote: RemoteId,
    wanted: &Wanted,
    before: &Wanted,
) -> Result<[Exposure; 2]> {
    let settled = device.settled_contents(remote)?;
    let mut exposed = [Exposure::default(); 2];
    for (content, size_bytes) in catalog.sizes_of_contents()? {
        if !wanted.wants(&content) || settled.contains(&content) {
            continue;
        }
        let count = if before.wants(&content) { 1 } else { 2 };
        for exposed in exposed.iter_mut().take(count) {
            exposed.originals += 1;
            exposed.bytes += size_bytes;
        }
    }
    Ok(exposed)
}

/// An original came here: where all of it is known to rest it is synced, elsewhere the policy decides anew.
///
/// # Errors
/// Those of the database.
pub fn came_here(device: &mut DeviceDb, content: &ContentHash, parts: &[PartRef]) -> Result<()> {
    for (remote, row) in device.original_at_remotes(content)? {
        let state = match row.state {
            SyncState::CloudOnly | SyncState::Thawing => SyncState::Synced,
            SyncState::Elsewhere | SyncState::Lost if rests_whole(device, remote, content, parts)? => {
                SyncState::Synced
            }
            SyncState::Elsewhere | SyncState::Lost => SyncState::Off,
            _ => continue,
        };
        device.set_original_states(remote, [(content, state, None)])?;
        if state == SyncState::Off {
            device.forget_plan(remote)?;
        }
    }
    Ok(())
}

/// Whether an original is known to rest whole in a remote: every one of its parts or, of a small one, which has none, a
/// pack with it.
pub(crate) fn rests_whole(
    device: &DeviceDb,
    remote: RemoteId,
    content: &ContentHash,
    parts: &[PartRef],
) -> Result<bool> {
    if parts.is_empty() {
        return Ok(device.small_original(content)?.packs.iter().any(|(id, _)| *id == remote));
    }
    for part in parts {
        let path = path_of_part(part, 0)?;
        if device.replica_in_any_generation(remote, path.as_str())?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}
