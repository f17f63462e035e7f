//! Settles groups: what people did with the copies goes to the one that stays, the copies go to the trash.
//!
//! Order: every original that stays is read back whole and compared with its hash; only when all of them are good, one
//! transaction merges fields and trashes copies. So whatever fails, nothing has gone. It is a change like any other, made of
//! ops, and is taken back as one.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use safelight_catalog::Change;
use safelight_model::view::{AssetStatus, AssetView, Origin, ShownDate, ShownPlace};
use safelight_model::{
    AssetId, AssetState, ContentState, Field, FieldCode, OpBody, SetName, TypedDate, TypedPlace, Value,
};
use serde::Serialize;

use super::closely::Close;
use super::{DuplicateKind, Duplicates, Group, Member};
use crate::edit::{Sort, push_all, read, written};
use crate::error::{LibraryError, Result};
use crate::library::Library;
use crate::monitor::{Monitor, Task};
use crate::objects::write_original;

/// What is said of a photo that is another one by now.
const CHANGED_MEANWHILE: &str = "some of them were changed or put away meanwhile, and stay as they are";

/// What a person chose for one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenGroup {
    /// The id of the photo that stays.
    pub keep: String,
    /// Those that go; others of the group stay too.
    pub drop: Vec<String>,
}

/// Photos to be shown as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenStack {
    /// The id of the photo that is shown.
    pub cover: String,
    /// Those that lie under it.
    pub items: Vec<String>,
}

/// What settling groups came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DedupeReport {
    /// The ids of photos that changed: those that got something, and those in the trash.
    pub changed: Vec<String>,
    /// How many were so already.
    pub unchanged: u64,
    /// Photos that stay.
    pub kept: u64,
    /// Photos that went to the trash.
    pub trashed: u64,
    /// Bytes of their originals; emptying the trash frees them.
    pub freed_bytes: u64,
    /// Originals that were read back and have their hashes.
    pub verified: u64,
    /// Groups of which nothing went, because the original that was to stay is damaged.
    pub damaged: u64,
    /// What could not be done, and why: one sentence each.
    pub notices: BTreeSet<String>,
    /// Whether it was only tried.
    pub dry_run: bool,
}

/// One group to be settled.
struct Settling<'a> {
    keep: &'a Member,
    drop: Vec<&'a Member>,
}

impl Library {
    /// Settles what a person chose, or all groups that are safe: each group's copies go to the trash once the one that stays
    /// is proven.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] for a choice that is no group, or is a burst; [`LibraryError::Damaged`] and what says that
    /// an original is not here, which name the photo; then nothing was changed. Of all that are safe, those whose photo is
    /// damaged are left and named in the notices.
    pub fn settle_duplicates(
        &mut self,
        found: &Duplicates,
        chosen: Option<&[ChosenGroup]>,
        dry_run: bool,
        monitor: &dyn Monitor,
    ) -> Result<DedupeReport> {
        let mut report = DedupeReport { dry_run, ..DedupeReport::default() };
        if !dry_run {
            self.folder.require_writable()?;
        }
        let settlings = match chosen {
            Some(chosen) => {
                chosen.iter().map(|chosen| chosen_of(found, chosen)).collect::<Result<Vec<_>>>()?
            }
            None => self.closely_alike(found, &mut report, monitor)?,
        };
        if dry_run {
            for settling in &settlings {
                report.kept += 1;
                settling.drop.iter().for_each(|member| report.count_trashed(member));
            }
            return Ok(report);
        }
        let settlings = self.proven(settlings, chosen.is_none(), &mut report, monitor)?;
        self.change_as(Some(Sort::Settling), |change| {
            let mut report = report;
            settlings.iter().try_for_each(|settling| settle(change, settling, &mut report))?;
            Ok(report)
        })
    }

    /// Takes back the last settling on this device: fields show again what they showed, and copies leave the trash.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] if there was none, or what it did was changed again since.
    pub fn undo_settling(&mut self) -> Result<crate::EditReport> {
        let last = self.last_settling()?.ok_or_else(|| LibraryError::Refused {
            reason: "no duplicates were settled on this device".to_owned(),
            hint: "safelight trash restore takes photos out of the trash".into(),
        })?;
        Ok(self.undo_changes(&last)?.pop().unwrap_or_default())
    }

    /// Puts photos under others, all or none.
    ///
    /// # Errors
    /// [`LibraryError::NoSuchItem`] for what is no photo here.
    pub fn stack_duplicates(&mut self, stacks: &[ChosenStack]) -> Result<crate::EditReport> {
        let mut values = Vec::new();
        for stack in stacks {
            let cover = self.select_ids(std::slice::from_ref(&stack.cover))?;
            let items = self.select_ids(&stack.items)?;
            if let Some(cover) = cover.assets().first() {
                values.extend(self.stacking(&items, *cover)?);
            }
        }
        self.write_stacks(&values, false)
    }

    /// The groups that are safe, without those in which a closer look finds what would be lost; they are named.
    fn closely_alike<'a>(
        &self,
        found: &'a Duplicates,
        report: &mut DedupeReport,
        monitor: &dyn Monitor,
    ) -> Result<Vec<Settling<'a>>> {
        let safe: Vec<&Group> = found.safe().collect();
        let looked = self.look_closely(&found.apart, &safe, monitor)?;
        let mut settlings = Vec::new();
        for (group, looked) in safe.into_iter().zip(looked) {
            let Some(settling) = Settling::whole(group) else { continue };
            let stay = match looked {
                Close::Alike => {
                    settlings.push(settling);
                    continue;
                }
                Close::Apart => {
                    "and its copies differ in a small place: all of them stay until the group is settled by itself"
                }
                Close::Unseen => {
                    "is not compared closely with its copies, so all of them stay until the group is settled by itself: not all previews are on this device"
                }
            };
            report.notices.insert(format!("{} {stay}", self.named(settling.keep)?));
        }
        Ok(settlings)
    }

    /// A photo in words.
    fn named(&self, member: &Member) -> Result<String> {
        let item = self.item(member.asset)?;
        let item = item.ok_or_else(|| LibraryError::NoSuchItem { item: member.asset.to_string() })?;
        Ok(format!("{} ({})", item.original()?.source.display(), short(member.asset)))
    }

    /// Reads back every original that stays. Where all that are safe are settled, a group whose photo is damaged is left as it
    /// is, and named; what a person chose is settled whole or not at all.
    fn proven<'a>(
        &mut self,
        settlings: Vec<Settling<'a>>,
        leaves_damaged: bool,
        report: &mut DedupeReport,
        monitor: &dyn Monitor,
    ) -> Result<Vec<Settling<'a>>> {
        let mut good = Vec::new();
        let mut proven = HashSet::new();
        monitor.begin(Task::Prove, Some(settlings.len() as u64), None);
        for settling in settlings {
            let size_bytes = settling.keep.size_bytes;
            if monitor.cancelled() {
                monitor.end();
                return Err(LibraryError::Cancelled);
            }
            let is_proven = proven.contains(&settling.keep.asset);
            match if is_proven { Ok(()) } else { self.prove_kept(settling.keep) } {
                Ok(()) => {
                    report.verified += u64::from(proven.insert(settling.keep.asset));
                    good.push(settling);
                }
                Err(LibraryError::Damaged { object, reason }) if leaves_damaged => {
                    report.damaged += 1;
                    report.notices.insert(format!("{object} is damaged, so its copies stay: {reason}"));
                }
                Err(LibraryError::Damaged { object, reason }) => {
                    monitor.end();
                    let reason = format!("{reason}; nothing went to the trash");
                    return Err(LibraryError::Damaged { object, reason });
                }
                Err(other) => {
                    monitor.end();
                    return Err(other);
                }
            }
            monitor.advance(1, size_bytes);
        }
        monitor.end();
        Ok(good)
    }

    fn prove_kept(&mut self, kept: &Member) -> Result<()> {
        let item = self.item(kept.asset)?;
        let item = item.ok_or_else(|| LibraryError::NoSuchItem { item: kept.asset.to_string() })?;
        let original = item.original()?;
        let named = format!("the original {} ({})", original.source.display(), short(kept.asset));
        if original.content != kept.content {
            return Err(LibraryError::Refused {
                reason: format!("{named} has changed since it was compared; nothing went to the trash"),
                hint: "look for duplicates again".into(),
            });
        }
        let read = write_original(&self.place, &self.device, self.keyring(), original, &mut std::io::sink());
        match read {
            Ok(()) => Ok(()),
            Err(error) if error.is_absence() => Err(self.rests_elsewhere(original)?.unwrap_or(error)),
            Err(error) if error.is_proven_damage() => {
                self.damaged.note(&mut self.device, &kept.content)?;
                Err(LibraryError::Damaged { object: named, reason: crate::with_causes(&error) })
            }
            Err(error) => Err(error),
        }
    }
}

impl DedupeReport {
    fn count_trashed(&mut self, member: &Member) {
        self.trashed += 1;
        self.freed_bytes += member.size_bytes;
    }
}

impl<'a> Settling<'a> {
    fn whole(group: &'a Group) -> Option<Self> {
        let (keep, drop) = group.members.split_first()?;
        Some(Self { keep, drop: drop.iter().collect() })
    }
}

/// Finds what a person chose among the groups.
fn chosen_of<'a>(found: &'a Duplicates, chosen: &ChosenGroup) -> Result<Settling<'a>> {
    let refused = |reason: String| LibraryError::Refused { reason, hint: "look for duplicates again".into() };
    let id =
        |text: &String| AssetId::parse(text).ok_or_else(|| LibraryError::NoSuchItem { item: text.clone() });
    let keep = id(&chosen.keep)?;
    let drop = chosen.drop.iter().map(id).collect::<Result<BTreeSet<_>>>()?;
    let holds = |group: &&Group| group.has(keep) && drop.iter().all(|asset| group.has(*asset));
    let groups: Vec<&Group> = found.groups.iter().filter(holds).collect();
    let is_burst = |group: &&&Group| group.kind == DuplicateKind::Burst;
    if drop.contains(&keep) {
        return Err(refused(format!("{} cannot stay and go", short(keep))));
    }
    let Some(group) = groups.iter().find(|group| !is_burst(group)) else {
        return Err(if groups.is_empty() {
            refused(format!("{} and what is to go for it are no duplicates", short(keep)))
        } else {
            LibraryError::Refused {
                reason: "these are several shots of one moment, not copies".into(),
                hint: "stack them; safelight trash takes single photos".into(),
            }
        });
    };
    let member = |asset: AssetId| group.members.iter().find(move |member| member.asset == asset);
    let keep = member(keep).ok_or_else(|| refused("there is no such group".into()))?;
    Ok(Settling { keep, drop: drop.into_iter().filter_map(member).collect() })
}

/// Merges and trashes one group, as its photos are now.
fn settle(change: &mut Change<'_>, settling: &Settling<'_>, report: &mut DedupeReport) -> Result<()> {
    let Some((kept, kept_content)) = standing(change, settling.keep)? else {
        report.notices.insert(CHANGED_MEANWHILE.to_owned());
        return Ok(());
    };
    let mut going = Vec::new();
    for member in &settling.drop {
        match standing(change, member)? {
            Some((state, content)) => going.push((*member, state, content)),
            None => drop(report.notices.insert(CHANGED_MEANWHILE.to_owned())),
        }
    }
    if going.is_empty() {
        report.unchanged += 1;
        return Ok(());
    }
    let asset = settling.keep.asset;
    let kept_view = AssetView::new(asset, &kept, kept_content.as_ref());
    let views: Vec<AssetView<'_>> = going
        .iter()
        .map(|(member, state, content)| AssetView::new(member.asset, state, content.as_ref()))
        .collect();
    let merged = merged(&kept, &kept_view, &views);
    report.kept += 1;
    if merged.is_empty() {
        report.unchanged += 1;
    } else {
        report.changed.push(asset.to_string());
    }
    push_all(change, merged)?;
    for (member, state, _) in &going {
        if let Some(body) = written(member.asset, state, Field::TRASHED, true.into()) {
            change.push(body)?;
            report.changed.push(member.asset.to_string());
            report.count_trashed(member);
        }
    }
    Ok(())
}

type Standing = (AssetState, Option<ContentState>);

/// The state of a photo that is still what it was when it was compared, and in the timeline.
fn standing(change: &mut Change<'_>, member: &Member) -> Result<Option<Standing>> {
    let Some((state, content)) = read(change, member.asset, true)? else { return Ok(None) };
    let is_same = AssetView::content_of(&state) == Some(member.content);
    let is_shown = AssetView::new(member.asset, &state, None).status == AssetStatus::Live;
    Ok((is_same && is_shown).then_some((state, content)))
}

/// The ops that give the photo that stays what the others have and it lacks.
fn merged(state: &AssetState, kept: &AssetView<'_>, others: &[AssetView<'_>]) -> Vec<OpBody> {
    let mut fields = BTreeMap::<FieldCode, Value>::new();
    let mut sets = BTreeSet::<(SetName, Value)>::new();
    for other in others {
        for (field, value) in lacking(kept, other) {
            fields.entry(field).or_insert(value);
        }
        sets.extend(other.albums.iter().map(|album| (SetName::ALBUMS, Value::Album(*album))));
        let words = other.tags.iter().chain(&other.keywords).filter(|word| !kept.keywords.contains(word));
        sets.extend(words.map(|word| (SetName::TAGS, Value::from(word.clone()))));
    }
    let rating = |view: &AssetView<'_>| view.rating.as_ref().map(|rating| rating.value);
    if let Some(best) = others.iter().filter_map(rating).max().filter(|best| Some(*best) > rating(kept)) {
        fields.insert(Field::RATING, i64::from(best).into());
    }
    let asset = kept.asset;
    let fields = fields.into_iter().filter_map(|(field, value)| written(asset, state, field, value));
    fields.chain(sets.into_iter().filter_map(|(set, element)| state.put_in(asset, set, element))).collect()
}

/// The fields of another photo that the one that stays has not, or that nobody corrected on it.
fn lacking(kept: &AssetView<'_>, other: &AssetView<'_>) -> Vec<(FieldCode, Value)> {
    let mut lacking = Vec::new();
    let is_typed = |origin: Origin| matches!(origin, Origin::Typed { .. });
    if other.favourite && !kept.favourite {
        lacking.push((Field::FAVOURITE, true.into()));
    }
    for (field, one, two) in
        [(Field::CAPTION, &kept.caption, &other.caption), (Field::TITLE, &kept.title, &other.title)]
    {
        // An empty text that a person typed hides what the file says.
        let is_said = kept.record().value(field).is_some_and(|value| value.as_text().is_some());
        if let (None, Some(shown), false) = (one, two, is_said) {
            lacking.push((field, shown.value.clone().into()));
        }
    }
    if let Some(date) = &other.date {
        let known = kept.date.as_ref().map(|date| date.origin).filter(|origin| *origin != Origin::File);
        let is_better = match known {
            None => date.origin != Origin::File,
            Some(known) => is_typed(date.origin) && !is_typed(known),
        };
        lacking.extend(is_better.then(|| (Field::DATE, typed_date(&date.value).into())));
    }
    if let Some(place) = &other.place {
        let is_better =
            kept.place.as_ref().is_none_or(|known| is_typed(place.origin) && !is_typed(known.origin));
        lacking.extend(is_better.then(|| (Field::PLACE, typed_place(&place.value).into())));
    }
    if other.rotate != 0 && kept.record().value(Field::ROTATE).is_none() {
        lacking.push((Field::ROTATE, i64::from(other.rotate).into()));
    }
    lacking
}

fn typed_date(date: &ShownDate) -> TypedDate {
    TypedDate {
        local_seconds: date.local_millis.div_euclid(1000),
        offset_minutes: date.offset_minutes,
        precision: date.precision,
    }
}

fn typed_place(place: &ShownPlace) -> TypedPlace {
    TypedPlace { position: place.position, name: place.name.clone() }
}

fn short(asset: AssetId) -> String {
    asset.to_string().chars().take(10).collect()
}
