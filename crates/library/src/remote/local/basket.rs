//! The thaw basket: archived photos that somebody collects before asking for them all at once.
//!
//! Kept in `device.db` as a list of ids, so that it outlives the page that it was filled on. Nothing is asked of a remote to
//! show it: how its photos stand is what was seen last.

use std::collections::HashSet;
use std::convert::Infallible;

use safelight_catalog::RemoteRow;
use safelight_crypto::ContentHash;
use safelight_model::{AssetId, Original};
use safelight_store::{RemoteAddress, Tier, Urgency};
use safelight_sync::is_held;
use serde::Serialize;

use super::thaw::ThawCost;
use crate::edit::Selection;
use crate::error::{LibraryError, Result};
use crate::library::Library;
use crate::monitor::Monitor;
use crate::objects::held_by;
use crate::remote::FetchReport;
use crate::remote::at::{Surroundings, parse_address};

const BASKET: &str = "thaw/basket";
/// The most photos that it holds: a list that a person still looks at.
const MOST: usize = 20_000;
/// So many of them are named.
const SHOWN: usize = 200;
const ID_BYTES: usize = 32;

/// Photos that are to be thawed together.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ThawBasket {
    /// How many photos lie in it.
    pub photos: u64,
    /// The first two hundred of them, in the order in which they were put in.
    pub items: Vec<BasketItem>,
    /// Photos in it that are archived and that nobody asked for.
    pub archived: u64,
    /// Bytes of their originals.
    pub archived_bytes: u64,
    /// Photos in it that are being thawed.
    pub thawing: u64,
    /// Bytes of their originals.
    pub thawing_bytes: u64,
    /// Photos in it that can be fetched at once.
    pub readable: u64,
    /// Originals of the library that are archived, as far as is known here.
    pub all_archived: u64,
    /// Those of them that are being thawed.
    pub all_thawing: u64,
    /// What asking for the archived ones would cost at standard priority, by remote.
    pub costs: Vec<ThawCost>,
    /// How soon they come, by priority; empty while nothing in it is archived.
    pub priorities: Vec<ThawPriority>,
}

/// A photo in the thaw basket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct BasketItem {
    /// The id.
    pub id: String,
    /// The file's name.
    pub name: String,
    /// Bytes of its originals.
    pub bytes: u64,
    /// `archived`, `thawing`, `cloud-only`: it can be fetched at once, `here`, or `missing`: no remote of this device is
    /// known to hold it.
    pub state: &'static str,
    /// The remote that holds it.
    pub remote: Option<String>,
}

/// How soon what was archived can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ThawPriority {
    /// `standard` or `high`.
    pub priority: &'static str,
    /// Within so many hours, by what the slowest of the providers says.
    pub up_to_hours: u32,
    /// Whether it costs more than the estimate says.
    pub dearer: bool,
}

/// How an original of the basket stands, and where.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stands {
    Missing,
    Here,
    Readable,
    Thawing,
    Archived,
}

impl Stands {
    fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Here => "here",
            Self::Readable => "cloud-only",
            Self::Thawing => "thawing",
            Self::Archived => "archived",
        }
    }
}

impl Library {
    /// What lies in the thaw basket, as it was seen last.
    ///
    /// # Errors
    /// Those of the databases and of the folder.
    pub fn thaw_basket(&self) -> Result<ThawBasket> {
        let assets = self.basket()?;
        let rows = self.device.remotes()?;
        let (all_archived, all_thawing) = self.device.count_archived()?;
        let mut basket =
            ThawBasket { photos: assets.len() as u64, all_archived, all_thawing, ..ThawBasket::default() };
        for asset in assets {
            let row = self.catalog().asset(asset)?;
            if row.as_ref().is_some_and(|row| self.is_kept_back(row)) {
                basket.photos -= 1;
                continue;
            }
            let Some(state) = self.catalog().asset_state(asset)? else {
                basket.photos -= 1;
                continue;
            };
            // Of several versions the one that is furthest away.
            let (mut worst, mut at, mut bytes) = (Stands::Missing, None, 0);
            for original in held_by(&state) {
                let (stands, row) = self.stands_in_basket(&original, &rows)?;
                bytes += original.size_bytes;
                if stands >= worst {
                    (worst, at) = (stands, row);
                }
                if let (Stands::Archived, Some(row)) = (stands, row) {
                    basket.count_cost(row, &original);
                }
            }
            match worst {
                Stands::Archived => {
                    basket.archived += 1;
                    basket.archived_bytes += bytes;
                }
                Stands::Thawing => {
                    basket.thawing += 1;
                    basket.thawing_bytes += bytes;
                }
                Stands::Readable => basket.readable += 1,
                Stands::Here | Stands::Missing => {}
            }
            if basket.items.len() < SHOWN {
                let name = row.map(|row| String::from_utf8_lossy(row.file_name()).into_owned());
                basket.items.push(BasketItem {
                    id: asset.to_string(),
                    name: name.unwrap_or_default(),
                    bytes,
                    state: worst.word(),
                    remote: at.map(|row| row.name.clone()),
                });
            }
        }
        for cost in &mut basket.costs {
            let Some(row) = rows.iter().find(|row| row.name == cost.remote) else { continue };
            let prices = self.prices(row)?;
            cost.usd =
                prices.as_ref().map(|prices| prices.bring_back(Tier::Archive, cost.objects, cost.bytes));
            cost.prices = prices.map(|prices| prices.source);
        }
        basket.priorities = priorities(&rows, &basket.costs);
        Ok(basket)
    }

    /// Puts photos into the thaw basket, or takes them out.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] for more than it holds, and those of the database.
    pub fn put_into_basket(&mut self, selection: &Selection, put: bool) -> Result<()> {
        self.folder.require_writable()?;
        if !put {
            return self.take_out_of_basket(&selection.assets().iter().copied().collect());
        }
        let change = self.device.change_setting(BASKET, |kept| {
            let mut assets = assets_in(&kept);
            let mut known: HashSet<AssetId> = assets.iter().copied().collect();
            assets.extend(selection.assets().iter().copied().filter(|asset| known.insert(*asset)));
            if assets.len() > MOST { Err(assets.len()) } else { Ok(bytes_of(&assets)) }
        })?;
        change.map_err(|would_be| LibraryError::Refused {
            reason: format!("the thaw basket holds {MOST} photos, and these would be {would_be}"),
            hint: "thaw what is in it first, or ask for everything at once: safelight local thaw --all"
                .into(),
        })
    }

    /// What somebody else puts in meanwhile stays.
    fn take_out_of_basket(&mut self, out: &HashSet<AssetId>) -> Result<()> {
        let Ok(()) = self.device.change_setting(BASKET, |kept| {
            let mut assets = assets_in(&kept);
            assets.retain(|asset| !out.contains(asset));
            Ok::<_, Infallible>(bytes_of(&assets))
        })?;
        Ok(())
    }

    /// Takes everything out of the thaw basket. What is kept back nobody sees in it, and stays.
    ///
    /// # Errors
    /// Those of the databases.
    pub fn empty_basket(&mut self) -> Result<()> {
        self.folder.require_writable()?;
        let out = self.without_kept_back(self.basket()?)?;
        self.take_out_of_basket(&out.into_iter().collect())
    }

    /// Brings here what can be read of photos of the thaw basket, and takes out what is on this device then.
    ///
    /// # Errors
    /// As [`Library::fetch`].
    pub fn fetch_from_basket(
        &mut self,
        selection: &Selection,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<FetchReport> {
        let fetched = self.fetch(selection, surroundings, monitor);
        self.take_what_came_out_of_basket()?;
        fetched
    }

    fn take_what_came_out_of_basket(&mut self) -> Result<()> {
        let mut out = HashSet::new();
        for asset in self.basket()? {
            if self.is_all_here(asset)? {
                out.insert(asset);
            }
        }
        self.take_out_of_basket(&out)
    }

    fn is_all_here(&self, asset: AssetId) -> Result<bool> {
        let Some(state) = self.catalog().asset_state(asset)? else { return Ok(true) };
        for original in held_by(&state) {
            if !self.is_whole_here(&original)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Brings here what can be read of the thaw basket, and takes out of it what came.
    ///
    /// # Errors
    /// Those of [`Library::select_basket`] and of [`Library::fetch`]; what came before one is taken out all the same.
    pub fn fetch_basket(
        &mut self,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<FetchReport> {
        let selection = self.select_basket()?;
        self.fetch_from_basket(&selection, surroundings, monitor)
    }

    /// The photos in the thaw basket, to do something with all of them.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] when it is empty, and those of the database.
    pub fn select_basket(&self) -> Result<Selection> {
        let assets = self.without_kept_back(self.basket()?)?;
        if assets.is_empty() {
            return Err(LibraryError::Refused {
                reason: "nothing lies in the thaw basket".into(),
                hint:
                    "put photos into it that are archived: sync:cloud-only finds what is not on this device"
                        .into(),
            });
        }
        Ok(Selection::of(assets))
    }

    fn basket(&self) -> Result<Vec<AssetId>> {
        Ok(assets_in(&self.device.setting(BASKET)?.unwrap_or_default()))
    }

    fn stands_in_basket<'a>(
        &self,
        original: &Original,
        rows: &'a [RemoteRow],
    ) -> Result<(Stands, Option<&'a RemoteRow>)> {
        if self.is_whole_here(original)? {
            return Ok((Stands::Here, None));
        }
        let archived = self.device.archived_at(&original.content)?;
        let at_remotes = self.device.original_at_remotes(&original.content)?;
        // Where it can be had soonest.
        let mut best: Option<(Stands, &RemoteRow)> = None;
        for row in rows {
            let is_there = at_remotes.iter().any(|(id, there)| *id == row.id && is_held(there.state));
            let stands = match archived.iter().find(|one| one.remote == row.id) {
                Some(one) if one.asked_millis.is_some() => Stands::Thawing,
                Some(_) => Stands::Archived,
                None if is_there => Stands::Readable,
                None => continue,
            };
            if best.is_none_or(|(known, _)| stands < known) {
                best = Some((stands, row));
            }
        }
        Ok(best.map_or((Stands::Missing, None), |(stands, row)| (stands, Some(row))))
    }
}

fn assets_in(kept: &[u8]) -> Vec<AssetId> {
    kept.as_chunks::<ID_BYTES>().0.iter().map(|id| AssetId(ContentHash::from_bytes(*id))).collect()
}

fn bytes_of(assets: &[AssetId]) -> Vec<u8> {
    assets.iter().flat_map(|asset| *asset.0.as_bytes()).collect()
}

impl ThawBasket {
    fn count_cost(&mut self, row: &RemoteRow, original: &Original) {
        if self.costs.iter().all(|cost| cost.remote != row.name) {
            self.costs.push(ThawCost { remote: row.name.clone(), ..ThawCost::default() });
        }
        for cost in self.costs.iter_mut().filter(|cost| cost.remote == row.name) {
            cost.originals += 1;
            cost.objects += original.parts.len() as u64;
            cost.bytes += original.parts.iter().map(|part| part.sealed_bytes).sum::<u64>();
        }
    }
}

/// How soon the slowest remote that is asked gives what it holds.
fn priorities(rows: &[RemoteRow], costs: &[ThawCost]) -> Vec<ThawPriority> {
    let asked: Vec<RemoteAddress> = rows
        .iter()
        .filter(|row| costs.iter().any(|cost| cost.remote == row.name))
        .filter_map(|row| parse_address(&row.address).ok())
        .collect();
    if asked.is_empty() {
        return Vec::new();
    }
    let urgencies = [("standard", Urgency::Standard), ("high", Urgency::High)];
    let each = urgencies.into_iter().filter_map(|(priority, urgency)| {
        let hours: Option<Vec<u32>> = asked.iter().map(|address| hours_to_thaw(address, urgency)).collect();
        let up_to_hours = hours?.into_iter().max()?;
        Some(ThawPriority { priority, up_to_hours, dearer: urgency == Urgency::High })
    });
    each.collect()
}

/// What providers say of how long it takes: Azure of the archive tier (high priority: of objects below 10 GB), Amazon of
/// Glacier and of Deep Archive, which has no faster way.
fn hours_to_thaw(address: &RemoteAddress, urgency: Urgency) -> Option<u32> {
    match (address, urgency) {
        (RemoteAddress::S3(bucket), Urgency::Standard) => Some(if bucket.is_deep { 12 } else { 5 }),
        (RemoteAddress::S3(bucket), Urgency::High) => (!bucket.is_deep).then_some(1),
        (_, Urgency::Standard) => Some(15),
        (_, Urgency::High) => Some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Place;

    fn ids(from: u32, count: u32) -> Selection {
        let id = |number: u32| {
            let mut bytes = [0; ID_BYTES];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            AssetId(ContentHash::from_bytes(bytes))
        };
        Selection::of((from..from + count).map(id))
    }

    #[test]
    fn what_two_programs_do_with_the_basket_at_once_is_both_done() {
        let place = Place::new();
        let (mut page, mut worker) = (place.library(), place.library());
        page.put_into_basket(&ids(0, 3), true).unwrap();
        let came: HashSet<AssetId> = ids(0, 2).assets().iter().copied().collect();
        // Between looking which photos came and taking them out, somebody puts in another.
        page.put_into_basket(&ids(2, 2), true).unwrap();
        worker.take_out_of_basket(&came).unwrap();
        assert_eq!(page.basket().unwrap(), ids(2, 2).assets());
        worker.put_into_basket(&ids(3, 1), false).unwrap();
        assert_eq!(page.basket().unwrap(), ids(2, 1).assets());
        assert_eq!(page.thaw_basket().unwrap().photos, 0, "nobody knows a photo of that id");
        page.empty_basket().unwrap();
        assert!(worker.select_basket().is_err());
    }

    #[test]
    fn a_basket_that_would_be_too_full_is_left_as_it_was() {
        let place = Place::new();
        let mut library = place.library();
        let most = u32::try_from(MOST).unwrap();
        library.put_into_basket(&ids(0, most - 1), true).unwrap();
        let refused = library.put_into_basket(&ids(most - 2, 3), true).unwrap_err().to_string();
        assert!(refused.contains("these would be 20001"), "{refused}");
        assert_eq!(library.basket().unwrap().len(), MOST - 1);
        // Those that lie in it already are no more.
        library.put_into_basket(&ids(0, most), true).unwrap();
        assert_eq!(library.basket().unwrap().len(), MOST);
    }

    #[test]
    fn the_slowest_of_the_providers_says_when() {
        let row = |name: &str, address: &str| {
            let (address, _) = RemoteAddress::parse(address).unwrap();
            (name.to_owned(), address)
        };
        let azure = row("azure", "azure://account/container").1;
        let glacier = row("s3", "s3://bucket").1;
        let deep = row("deep", "s3://bucket?archive=deep").1;
        assert_eq!(
            [&azure, &glacier, &deep].map(|at| hours_to_thaw(at, Urgency::Standard)),
            [Some(15), Some(5), Some(12)]
        );
        assert_eq!(
            [&azure, &glacier, &deep].map(|at| hours_to_thaw(at, Urgency::High)),
            [Some(1), Some(1), None]
        );
    }
}
