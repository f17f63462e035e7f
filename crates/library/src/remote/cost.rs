//! What a remote costs: what rests there by the month, what the next sync adds, what getting everything back takes.
//!
//! Estimates from list prices or from the user's own, and from what this device knows of the remote; never exact, and said so.

use safelight_catalog::RemoteRow;
use safelight_crypto::original_parts;
use safelight_store::{PriceTable, Tier};
use safelight_sync::Plan;
use serde::Serialize;

use super::at::{Surroundings, parse_address};
use super::plan::{PACK_BYTES, SyncPlan};
use super::run::SyncRequest;
use crate::error::Result;
use crate::library::Library;

/// What settings of prices begin with.
pub(super) const PRICE: &str = "price.";

/// What goes into, or rests in, one tier, and what that costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct TierCost {
    /// The tier; none in a place without tiers.
    pub tier: Option<&'static str>,
    /// Objects.
    pub objects: u64,
    /// Their sealed bytes.
    pub bytes: u64,
    /// US dollars for writing them; 0 for what rests there already.
    pub write_usd: f64,
    /// US dollars a month for keeping them.
    pub month_usd: f64,
    /// US dollars for reading all of them once and taking them home.
    pub return_usd: f64,
    /// What is deleted sooner than after so many days is charged for them all the same.
    pub least_days: u32,
}

/// What a remote costs, as well as can be said.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct RemoteCost {
    /// The remote.
    pub remote: String,
    /// Whose prices, of where and when; none where nobody publishes any and the user gave none.
    pub prices: Option<String>,
    /// Always true: nobody but the provider knows exactly.
    pub estimated: bool,
    /// What rests there, as far as this device knows.
    pub resting: Vec<TierCost>,
    /// What the next sync adds.
    pub next_sync: Vec<TierCost>,
}

impl Library {
    /// What remotes cost; no request is made.
    ///
    /// # Errors
    /// As [`Library::plan_sync`].
    pub fn remote_costs(
        &mut self,
        remote: Option<&str>,
        surroundings: &Surroundings,
    ) -> Result<Vec<RemoteCost>> {
        let request = SyncRequest { remote, ..SyncRequest::default() };
        let plans = self.plan_sync(&request, surroundings)?;
        let mut costs = Vec::new();
        for (row, plan) in self.remote_rows(remote)?.into_iter().zip(plans) {
            costs.push(self.remote_cost(&row, plan)?);
        }
        Ok(costs)
    }

    /// What all remotes cost; nothing where there is none.
    ///
    /// # Errors
    /// Those of the databases.
    pub fn costs_of_all_remotes(&mut self, surroundings: &Surroundings) -> Result<Vec<RemoteCost>> {
        let rows = self.device.remotes()?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        // Where none is connected now, what rests there costs the same.
        self.remote_costs(None, surroundings)
            .or_else(|_| rows.iter().map(|row| self.remote_cost(row, SyncPlan::default())).collect())
    }

    fn remote_cost(&self, row: &RemoteRow, plan: SyncPlan) -> Result<RemoteCost> {
        let prices = self.prices(row)?;
        let has_tiers = plan.tier.is_some();
        let tiers = [if has_tiers { self.originals_tier(row)? } else { Tier::Hot }, Tier::Hot];
        let resting =
            tiers.into_iter().zip(self.device.replica_totals(row.id)?).map(|(tier, (objects, bytes))| {
                TierCost { write_usd: 0.0, ..cost(prices.as_ref(), tier, has_tiers, objects, bytes) }
            });
        Ok(RemoteCost {
            remote: row.name.clone(),
            prices: prices.as_ref().map(|prices| prices.source.clone()),
            estimated: true,
            resting: resting.filter(|cost| cost.objects > 0).collect(),
            next_sync: plan.costs,
        })
    }

    /// The prices of a remote: the public ones, with the user's own in their place.
    pub(in crate::remote) fn prices(&self, row: &RemoteRow) -> Result<Option<PriceTable>> {
        let mut prices = PriceTable::of(&parse_address(&row.address)?);
        for (name, value) in self.device.remote_settings(row.id, PRICE)? {
            let name = name.strip_prefix(PRICE).unwrap_or(&name);
            if let Ok(value) = value.parse() {
                let prices = prices.get_or_insert_with(PriceTable::free);
                prices.set(name, value);
                if !prices.source.contains("you gave") {
                    prices.source.push_str(", and prices that you gave");
                }
            }
        }
        Ok(prices)
    }
}

/// What a plan puts into each tier.
pub(super) fn costs_of(found: &Plan, prices: Option<&PriceTable>, tier: Option<Tier>) -> Vec<TierCost> {
    let packs = |kinds: &[usize]| -> (u64, u64) {
        kinds.iter().fold((0, 0), |(objects, bytes), kind| {
            let (entries, pack) = (found.entries[*kind].1, PACK_BYTES[*kind]);
            (objects + entries.div_ceil(pack), bytes + entries)
        })
    };
    let (tiny_packs, tiny_bytes) = packs(&[2]);
    let (packs, pack_bytes) = packs(&[0, 1]);
    let parts: u64 = found.original_sizes.iter().map(|size| u64::from(original_parts(*size))).sum();
    let bytes: u64 =
        found.original_sizes.iter().map(|size| safelight_crypto::sealed_original_len(*size)).sum();
    let has_tiers = tier.is_some();
    let of_originals = tier.unwrap_or(Tier::Hot);
    let costs = [
        cost(prices, of_originals, has_tiers, parts + tiny_packs, bytes + tiny_bytes),
        cost(prices, Tier::Hot, has_tiers, packs + 2 * found.segments, pack_bytes),
    ];
    costs.into_iter().filter(|cost| cost.objects > 0).collect()
}

fn cost(prices: Option<&PriceTable>, tier: Tier, has_tiers: bool, objects: u64, bytes: u64) -> TierCost {
    let usd = |price: &dyn Fn(&PriceTable) -> f64| prices.map_or(0.0, price);
    TierCost {
        tier: has_tiers.then(|| tier.word()),
        objects,
        bytes,
        write_usd: usd(&|prices| prices.write(tier, objects)),
        month_usd: usd(&|prices| prices.keep(tier, bytes)),
        return_usd: usd(&|prices| prices.bring_back(tier, objects, bytes)),
        least_days: prices.map_or(0, |prices| prices.tier(tier).least_days),
    }
}
