//! From near fingerprints to groups.
//!
//! Photos that may be the same are joined to sets; in each set the best photo is looked at with every other, and those that
//! show the same as it are a group, until none is left. So a group holds what is like the one to keep, and no chain of small
//! differences leads from one picture to another.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};

use safelight_crypto::ContentHash;
use safelight_model::view::AssetView;
use safelight_model::{AssetId, Field, MediaKind};

use super::looking::{Looked, Looker, Seen, Sight};
use super::nearness::{Print, each_near_pair};
use super::photo::Photo;
use super::{DuplicateKind, Group, Member, choice};
use crate::error::{LibraryError, Result};
use crate::item::Item;
use crate::library::Library;
use crate::monitor::Monitor;

/// Of photos with the very same fingerprints so many are tried with each other; more are of an empty wall.
const MOST_WITH_ONE_PRINT: usize = 64;
/// Photos whose thumbnails are taken at once: 16 MB of luma, and as much of those that are looked at meanwhile.
const PHOTOS_AT_ONCE: usize = 512;
/// Shots of one burst follow each other within so many milliseconds.
const BURST_GAP_MILLIS: u64 = 3000;
/// And their PDQ hashes are no further apart; those of any two pictures are by 128.
const BURST_PDQ_BITS: u32 = 90;
/// What shots of one second correlate no better than, and a copy with its original does.
const COPY_CORRELATION: f32 = 0.9985;
/// Copies that nobody retouched correlate so at least.
const UNTOUCHED_CORRELATION: f32 = 0.997;

/// Numbers that are joined to sets.
struct Sets(Vec<u32>);

impl Sets {
    fn of(count: usize) -> Self {
        Self((0_u32..).take(count).collect())
    }

    fn head(&mut self, mut at: usize) -> usize {
        while let Some(above) = self.0.get(at).map(|above| *above as usize).filter(|above| *above != at) {
            // Every step shortens the way of the next one.
            let next = self.0.get(above).copied().unwrap_or_default();
            if let Some(here) = self.0.get_mut(at) {
                *here = next;
            }
            at = above;
        }
        at
    }

    fn join(&mut self, one: usize, two: usize) {
        let (one, two) = (self.head(one), self.head(two));
        let (low, high) = (one.min(two), one.max(two));
        if let (Some(slot), Ok(low)) = (self.0.get_mut(high), u32::try_from(low)) {
            *slot = low;
        }
    }

    /// The sets of two and more, each in the order of its numbers.
    fn finish(mut self) -> Vec<Vec<usize>> {
        let mut sets = BTreeMap::<usize, Vec<usize>>::new();
        for at in 0..self.0.len() {
            let head = self.head(at);
            sets.entry(head).or_default().push(at);
        }
        sets.into_values().filter(|set| set.len() > 1).collect()
    }
}

/// The sets of photos that may be the same, by their numbers.
pub(super) fn candidates(photos: &[Photo]) -> Vec<Vec<usize>> {
    let mut printed: Vec<(Print, usize)> =
        photos.iter().enumerate().filter_map(|(at, photo)| Some((photo.print?, at))).collect();
    printed.sort_unstable();
    let classes: Vec<&[(Print, usize)]> = printed.chunk_by(|one, two| one.0 == two.0).collect();
    // Whichever pairs are joined first, the sets are the same.
    let sets = Mutex::new(Sets::of(photos.len()));
    let try_pair = |one: usize, two: usize| {
        if let (Some(first), Some(second)) = (photos.get(one), photos.get(two))
            && first.may_be(second)
        {
            sets.lock().unwrap_or_else(PoisonError::into_inner).join(one, two);
        }
    };
    for class in &classes {
        for (at, (_, one)) in class.iter().enumerate() {
            class.iter().skip(at + 1).take(MOST_WITH_ONE_PRINT).for_each(|(_, two)| try_pair(*one, *two));
        }
    }
    let prints: Vec<Print> = classes.iter().filter_map(|class| Some(class.first()?.0)).collect();
    let of_class = |class: usize| {
        classes.get(class).into_iter().flat_map(|class| class.iter().take(MOST_WITH_ONE_PRINT))
    };
    each_near_pair(&prints, |one, two| {
        for (_, first) in of_class(one) {
            of_class(two).for_each(|(_, second)| try_pair(*first, *second));
        }
    });
    sets.into_inner().unwrap_or_else(PoisonError::into_inner).finish()
}

/// The groups of these sets, and the bursts.
pub(super) fn find(
    library: &Library,
    photos: &[Photo],
    sets: &[Vec<usize>],
    looker: &mut Looker<'_>,
    monitor: &dyn Monitor,
) -> Result<Vec<Group>> {
    let mut found = Found { library, groups: Vec::new(), going: HashSet::new(), other_shots: Vec::new() };
    let mut waiting: Vec<Vec<&Photo>> =
        sets.iter().map(|set| set.iter().filter_map(|at| photos.get(*at)).collect()).collect();
    std::thread::scope(|scope| {
        let see = |next| Together::begin(scope, next);
        let mut first = found.next_of(&mut waiting, looker)?.map(see);
        while let Some(Together { sets, seeing }) = first.take() {
            let next = found.next_of(&mut waiting, looker)?;
            looker.take(seeing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            first = next.map(see);
            for set in sets {
                let size = set.len() as u64;
                let rest = found.settle_best(set, looker)?;
                monitor.advance(size - rest.len() as u64, 0);
                if rest.len() > 1 {
                    waiting.push(rest);
                }
            }
            if first.is_none() {
                first = found.next_of(&mut waiting, looker)?.map(see);
            }
        }
        Ok::<_, LibraryError>(())
    })?;
    found.add_bursts(photos)?;
    let mut groups = found.groups;
    let newest: BTreeMap<AssetId, usize> =
        photos.iter().enumerate().map(|(at, photo)| (photo.asset, at)).collect();
    let first =
        |group: &Group| group.members.iter().filter_map(|member| newest.get(&member.asset)).min().copied();
    groups.sort_by_cached_key(|group| (group.kind, first(group)));
    Ok(groups)
}

/// The sets that are looked at next, and what is to be seen of them.
struct Next<'p, 'l> {
    sets: Vec<Vec<&'p Photo>>,
    sight: Sight<'l>,
}

/// Sets that are looked at together, the best photo of each first, while another thread sees their pictures.
struct Together<'s, 'p> {
    sets: Vec<Vec<&'p Photo>>,
    seeing: ScopedJoinHandle<'s, Result<HashMap<ContentHash, Seen>>>,
}

impl<'s, 'p> Together<'s, 'p> {
    fn begin<'l: 's>(scope: &'s Scope<'s, '_>, next: Next<'p, 'l>) -> Self {
        let Next { sets, sight } = next;
        Self { sets, seeing: scope.spawn(move || sight.see()) }
    }
}

struct Found<'a> {
    library: &'a Library,
    groups: Vec<Group>,
    /// Photos that a group proposes to put into the trash.
    going: HashSet<AssetId>,
    /// Pairs that are shots of one second rather than copies.
    other_shots: Vec<(AssetId, AssetId)>,
}

impl Found<'_> {
    /// What people did with a photo.
    fn work(&self, photo: &Photo) -> u64 {
        let item = self.library.item(photo.asset).ok().flatten();
        item.map(|item| work_of(&item.view())).unwrap_or_default()
    }

    /// The next sets that wait, the best photo of each first, and what is to be seen of them.
    fn next_of<'p, 'l>(
        &self,
        waiting: &mut Vec<Vec<&'p Photo>>,
        looker: &mut Looker<'l>,
    ) -> Result<Option<Next<'p, 'l>>> {
        let mut count = 0;
        let fit = waiting.iter().take_while(|set| {
            let fits = count == 0 || count + set.len() <= PHOTOS_AT_ONCE;
            count += set.len();
            fits
        });
        let fit = fit.count();
        let mut sets: Vec<Vec<&Photo>> = waiting.drain(..fit).collect();
        if sets.is_empty() {
            return Ok(None);
        }
        for set in &mut sets {
            self.put_best_first(set)?;
        }
        let sight = looker.sight(&sets)?;
        Ok(Some(Next { sets, sight }))
    }

    fn put_best_first(&self, set: &mut [&Photo]) -> Result<()> {
        if let Some((best, _)) = choice::best(set, |photo| self.work(photo)) {
            set.swap(0, best);
        }
        Ok(())
    }

    /// Makes a group of the first photo and what shows the same; answers the others.
    fn settle_best<'p>(&mut self, set: Vec<&'p Photo>, looker: &mut Looker<'_>) -> Result<Vec<&'p Photo>> {
        let mut set = set.into_iter();
        let Some(kept) = set.next() else { return Ok(Vec::new()) };
        let (mut like, mut rest) = (Vec::<(&Photo, Looked)>::new(), Vec::new());
        let mut stacks = HashSet::from([kept.stack]);
        for other in set {
            if !kept.may_be(other) {
                rest.push(other);
                continue;
            }
            let looked = looker.look(kept, other)?;
            match looked {
                Looked::Different => rest.push(other),
                Looked::Alike(likeness)
                    if likeness.correlation < COPY_CORRELATION
                        && !likeness.is_retouched()
                        && kept.may_be_another_shot(other) =>
                {
                    self.other_shots.push((kept.asset, other.asset));
                    rest.push(other);
                }
                // Of what lies in one stack, one is enough to compare with.
                _ if stacks.insert(other.stack) => like.push((other, looked)),
                _ => {}
            }
        }
        if !like.is_empty() {
            self.add_group(kept, &like)?;
        }
        Ok(rest)
    }

    fn add_group(&mut self, kept: &Photo, like: &[(&Photo, Looked)]) -> Result<()> {
        let others: Vec<&Photo> = like.iter().map(|(photo, _)| *photo).collect();
        let mut all = vec![kept];
        all.extend(&others);
        let reason =
            choice::best(&all, |photo| self.work(photo)).map_or(super::KeepReason::Added, |best| best.1);
        let is_exact = like.iter().all(|(_, looked)| *looked == Looked::Same);
        let reason = if is_exact { reason.of_the_same_pixels() } else { reason };
        let mut members = vec![member(kept, 100)];
        members.extend(like.iter().map(|(photo, looked)| member(photo, hundredths(looked))));
        self.going.extend(others.iter().map(|photo| photo.asset));
        self.groups.push(Group {
            kind: if is_exact { DuplicateKind::Exact } else { DuplicateKind::Near },
            members,
            reason,
            told: choice::told(reason, kept, &others),
            unsafe_because: self.doubt(kept, like)?,
        });
        Ok(())
    }

    /// Why a group is not settled without a person who looks at it.
    fn doubt(&self, kept: &Photo, like: &[(&Photo, Looked)]) -> Result<Option<String>> {
        for (photo, looked) in like {
            let doubt = doubt_of_pictures(kept, photo, looked);
            if let Some(doubt) = doubt {
                return Ok(Some(doubt.to_owned()));
            }
        }
        let items = self.items(std::iter::once(kept).chain(like.iter().map(|(photo, _)| *photo)))?;
        let Some((first, others)) = items.split_first() else { return Ok(None) };
        for other in others {
            if self.library.catalog().stack_of(other.asset)?.is_some() {
                return Ok(Some("one of them lies in a stack, which would come apart".into()));
            }
            if let Some(field) = words_that_would_be_lost(&first.view(), &other.view()) {
                return Ok(Some(format!("people wrote another {field} on each")));
            }
        }
        if self.library.original_here(&first.asset.to_string()).is_err() {
            return Ok(Some(
                "the original of the one to keep is not on this device, so it cannot be verified".into(),
            ));
        }
        Ok(None)
    }

    fn items<'p>(&self, photos: impl Iterator<Item = &'p Photo>) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        for photo in photos {
            items.extend(self.library.item(photo.asset)?);
        }
        Ok(items)
    }

    /// Adds shots of one moment that lie in no stack, and are no copies.
    fn add_bursts(&mut self, photos: &[Photo]) -> Result<()> {
        let mut sets = Sets::of(photos.len());
        let mut shots: Vec<usize> = (0..photos.len())
            .filter(|at| photos.get(*at).is_some_and(|photo| self.may_be_a_shot(photo)))
            .collect();
        let moment = |at: &usize| {
            let photo = photos.get(*at);
            photo.and_then(|photo| Some((photo.camera, photo.moment?.local_millis, photo.asset)))
        };
        shots.sort_by_cached_key(moment);
        for pair in shots.windows(2) {
            let [one, two] = pair else { continue };
            if let (Some(first), Some(second)) = (photos.get(*one), photos.get(*two))
                && follows(first, second)
            {
                sets.join(*one, *two);
            }
        }
        let numbers: BTreeMap<AssetId, usize> =
            shots.iter().filter_map(|at| Some((photos.get(*at)?.asset, *at))).collect();
        for (one, two) in &self.other_shots {
            if let Some((one, two)) = numbers.get(one).zip(numbers.get(two)) {
                sets.join(*one, *two);
            }
        }
        for set in sets.finish() {
            let shots: Vec<&Photo> = set.iter().filter_map(|at| photos.get(*at)).collect();
            self.add_burst(shots)?;
        }
        Ok(())
    }

    fn may_be_a_shot(&self, photo: &Photo) -> bool {
        photo.media != MediaKind::Video
            && photo.camera != 0
            && photo.moment.is_some()
            && !self.going.contains(&photo.asset)
    }

    fn add_burst(&mut self, mut shots: Vec<&Photo>) -> Result<()> {
        let mut alone = Vec::new();
        for photo in shots.drain(..) {
            // What lies in a stack, or was taken out of one, has been looked through.
            let is_stacked = self.library.catalog().stack_of(photo.asset)?.is_some();
            let item = self.library.item(photo.asset)?;
            if !is_stacked && item.is_some_and(|item| !item.view().is_unstacked) {
                alone.push(photo);
            }
        }
        let cover = |photo: &&&Photo| (photo.is_favourite, photo.rating, photo.size_bytes, photo.asset);
        let Some(best) = alone.iter().max_by_key(cover).copied() else { return Ok(()) };
        if alone.len() < 2 {
            return Ok(());
        }
        let told = if best.is_favourite || best.rating > 0 {
            "it is the one that somebody liked best"
        } else {
            "its file is the largest, which the sharpest often is"
        };
        let reason = if best.is_favourite || best.rating > 0 {
            super::KeepReason::Albums
        } else {
            super::KeepReason::Size
        };
        let bits = |photo: &Photo| {
            photo.print.zip(best.print).map_or(0, |(one, two)| 128 - one.pdq_bits(&two).min(128))
        };
        let mut members = vec![member(best, 100)];
        members.extend(
            alone
                .iter()
                .filter(|photo| photo.asset != best.asset)
                .map(|photo| member(photo, u8::try_from(bits(photo) * 100 / 128).unwrap_or(100))),
        );
        self.groups.push(Group {
            kind: DuplicateKind::Burst,
            members,
            reason,
            told: told.to_owned(),
            unsafe_because: Some("they are several shots; a stack shows them as one".into()),
        });
        Ok(())
    }
}

/// Whether one shot follows another in a burst.
fn follows(one: &Photo, two: &Photo) -> bool {
    let is_soon = one
        .moment
        .zip(two.moment)
        .is_some_and(|(one, two)| one.local_millis.abs_diff(two.local_millis) <= BURST_GAP_MILLIS);
    let is_alike = one.burst != 0 && one.burst == two.burst
        || one.print.zip(two.print).is_some_and(|(one, two)| one.pdq_bits(&two) <= BURST_PDQ_BITS);
    one.camera == two.camera && is_soon && is_alike
}

fn member(photo: &Photo, likeness: u8) -> Member {
    Member { asset: photo.asset, content: photo.content, size_bytes: photo.size_bytes, likeness }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 100")]
fn hundredths(looked: &Looked) -> u8 {
    match looked {
        Looked::Same => 100,
        // Only the same pixels are alike in everything.
        Looked::Alike(likeness) => (likeness.correlation.clamp(0.0, 1.0) * 100.0).min(99.0) as u8,
        Looked::Unseen | Looked::Different => 90,
    }
}

/// What of two pictures a person should look at.
pub(super) fn doubt_of_pictures(kept: &Photo, other: &Photo, looked: &Looked) -> Option<&'static str> {
    if other.has_versions || kept.has_versions {
        return Some("one of them has several versions, or devices disagree about it");
    }
    if other.has_video && !kept.has_video {
        return Some("one of them has a video that the other lacks");
    }
    if other.media == MediaKind::Video {
        return Some("videos are compared by one picture and their length");
    }
    if other.media == MediaKind::Raw && kept.media != MediaKind::Raw {
        return Some("one of them is a RAW original");
    }
    match looked {
        Looked::Same => None,
        _ if kept.colours.zip(other.colours).is_some_and(|(one, two)| !one.are_like(two)) => {
            Some("their colours differ")
        }
        _ if kept.may_say_less_than(other) => {
            Some("one that would go is larger: less may have been lost in saving it")
        }
        Looked::Unseen => Some("one of them has no thumbnail on this device to compare"),
        Looked::Different => Some("they differ"),
        Looked::Alike(likeness) if likeness.is_part => Some("one of them shows only a part of the other"),
        Looked::Alike(likeness) if likeness.is_retouched() => {
            Some("one of them is brighter or darker: somebody may have retouched it")
        }
        Looked::Alike(likeness)
            if likeness.correlation < UNTOUCHED_CORRELATION || likeness.differs_in_a_place() =>
        {
            Some("they differ in places")
        }
        Looked::Alike(_) if kept.may_be_another_shot(other) => Some("they may be two shots of one second"),
        // What differs in a word or a number is too small to be told from what saving again changes.
        Looked::Alike(_) if !kept.is_of_a_camera() => {
            Some("no camera took the one that would stay: pages and screenshots can differ in one word")
        }
        Looked::Alike(_) => None,
    }
}

/// The first field in which people wrote something on both that is not the same.
fn words_that_would_be_lost(kept: &AssetView<'_>, other: &AssetView<'_>) -> Option<&'static str> {
    let fields = [Field::CAPTION, Field::TITLE, Field::DATE, Field::PLACE, Field::ROTATE];
    let differs = |field: &safelight_model::FieldCode| {
        let (one, two) = (kept.record().value(*field), other.record().value(*field));
        one.zip(two).is_some_and(|(one, two)| one != two)
    };
    fields.into_iter().find(differs).and_then(safelight_model::FieldCode::word)
}

fn work_of(view: &AssetView<'_>) -> u64 {
    let written = [view.favourite, view.caption.is_some(), view.title.is_some(), view.rating.is_some()];
    let written = written.into_iter().map(u64::from).sum::<u64>();
    written + view.albums.len() as u64 + view.tags.len() as u64
}
