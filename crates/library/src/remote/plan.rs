//! What a sync would send, in numbers that a person can weigh.

use safelight_crypto::{original_parts, sealed_original_len};
use safelight_store::{PriceTable, Tier};
use safelight_sync::Plan;
use serde::Serialize;

use super::cost::{TierCost, costs_of};
use super::run::HeldBack;

/// How full the packs are that entries are counted into.
pub(super) const PACK_BYTES: [u64; 3] = [8 << 20, 16 << 20, 8 << 20];

/// What any sync asks: two listings, and what others wrote next and said of themselves.
const EACH_SYNC_REQUESTS: u64 = 4;

/// What the first sync puts and asks once: keys, the card, the id of the place, and whether another library rests there.
const FIRST_SYNC_REQUESTS: u64 = 9;

/// What publishing after each sort of packs takes: the look before it, a segment that names them, and the head.
const NAMING_REQUESTS: u64 = 3;

/// What a sync would send, from what is known here; no request is made for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SyncPlan {
    /// The remote.
    pub remote: String,
    /// Why nothing can be said of it; the numbers are then zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Segments of history.
    pub segments: u64,
    /// Thumbnails, previews and tiny originals, which travel in packs.
    pub small_objects: u64,
    /// Their sealed bytes.
    pub small_bytes: u64,
    /// Originals that are objects of their own.
    pub originals: u64,
    /// Their sealed bytes.
    pub original_bytes: u64,
    /// About how many requests that makes.
    pub requests: u64,
    /// The tier that originals are written into, where the place has tiers.
    pub tier: Option<&'static str>,
    /// What goes into each tier, and what that costs.
    pub costs: Vec<TierCost>,
    /// Whose prices these are; none where nobody publishes any and the user gave none.
    pub prices: Option<String>,
    /// Originals that would leave this device afterwards, each against a proof, because they are only archived there.
    pub leaving_originals: u64,
    /// Bytes of their contents.
    pub leaving_bytes: u64,
    /// What waits for your consent and is not counted.
    pub held: Option<HeldBack>,
}

impl SyncPlan {
    pub(super) fn of(remote: String, found: &Plan, tier: Option<Tier>, prices: Option<&PriceTable>) -> Self {
        let parts: u64 = found.original_sizes.iter().map(|size| u64::from(original_parts(*size))).sum();
        let packs: u64 =
            found.entries.iter().zip(PACK_BYTES).map(|((_, bytes), pack)| bytes.div_ceil(pack)).sum();
        let sorts = found.entries.iter().filter(|(count, _)| *count > 0).count() as u64;
        let once = if found.is_first { FIRST_SYNC_REQUESTS } else { 0 };
        Self {
            remote,
            error: None,
            segments: found.segments,
            small_objects: found.entries.iter().map(|(count, _)| count).sum(),
            small_bytes: found.entries.iter().map(|(_, bytes)| bytes).sum(),
            originals: found.original_sizes.len() as u64,
            original_bytes: found.original_sizes.iter().map(|size| sealed_original_len(*size)).sum(),
            requests: EACH_SYNC_REQUESTS + once + found.segments + parts + packs + NAMING_REQUESTS * sorts,
            tier: tier.map(Tier::word),
            costs: costs_of(found, prices, tier),
            prices: prices.map(|prices| prices.source.clone()),
            leaving_originals: 0,
            leaving_bytes: 0,
            held: found.held.map(HeldBack::of),
        }
    }
}
