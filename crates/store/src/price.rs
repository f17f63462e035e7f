//! What places charge: public list prices, by tier, to show what a plan would cost before it is carried out.
//!
//! Never exact: a list price of one region at one day, without taxes, discounts, free amounts and what a provider
//! rounds up. Whoever pays other prices gives their own. Sources: the providers' public price lists, for the regions and at the
//! dates that each table names.

use crate::address::RemoteAddress;
use crate::remote::Tier;

/// A gigabyte, as providers count it when they bill.
const GB: f64 = (1_u64 << 30) as f64;

/// Prices in one tier, in US dollars.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct TierPrice {
    /// A gigabyte for a month.
    pub month: f64,
    /// Ten thousand writes; listings count as writes into the hot tier.
    pub writes: f64,
    /// Ten thousand reads.
    pub reads: f64,
    /// Reading a gigabyte, beside the way out.
    pub retrieval: f64,
    /// What is deleted sooner is charged for so many days all the same.
    pub least_days: u32,
}

/// Prices of a place.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct PriceTable {
    /// Whose prices they are, where, and since when; for people.
    pub source: String,
    /// A gigabyte on its way out of the provider's network.
    pub way_out: f64,
    tiers: [TierPrice; 4],
}

impl PriceTable {
    /// The public list prices of a kind of place; none where nobody publishes any, or they are the user's own.
    #[must_use]
    pub fn of(address: &RemoteAddress) -> Option<Self> {
        match address {
            RemoteAddress::Azure(_) => Some(Self::azure()),
            RemoteAddress::S3(s3) if s3.endpoint.is_none() => Some(Self::amazon()),
            _ => None,
        }
    }

    /// Nothing costs anything: what a person's own prices begin with where nobody publishes any.
    #[must_use]
    pub fn free() -> Self {
        Self {
            source: "prices that you gave".to_owned(),
            way_out: 0.0,
            tiers: [price(0.0, 0.0, 0.0, 0.0, 0); 4],
        }
    }

    fn azure() -> Self {
        Self {
            source: "list prices of Azure Blob Storage, LRS, East US 2, as known in 2025 \
                     (azure.microsoft.com/pricing/details/storage/blobs)"
                .to_owned(),
            way_out: 0.087,
            tiers: [
                price(0.0184, 0.05, 0.004, 0.0, 0),
                price(0.01, 0.10, 0.01, 0.01, 30),
                price(0.0036, 0.18, 0.10, 0.03, 90),
                price(0.002, 0.10, 5.00, 0.02, 180),
            ],
        }
    }

    fn amazon() -> Self {
        Self {
            source: "list prices of Amazon S3, us-east-1, as known in 2025 (aws.amazon.com/s3/pricing)"
                .to_owned(),
            way_out: 0.09,
            tiers: [
                price(0.023, 0.05, 0.004, 0.0, 0),
                price(0.0125, 0.10, 0.01, 0.01, 30),
                price(0.004, 0.20, 0.10, 0.03, 90),
                price(0.0036, 0.30, 0.50, 0.01, 90),
            ],
        }
    }

    /// The prices of a tier; a place without tiers has those of the hot one.
    #[must_use]
    pub fn tier(&self, tier: Tier) -> &TierPrice {
        let [hot, cool, cold, archive] = &self.tiers;
        match tier {
            Tier::Hot => hot,
            Tier::Cool => cool,
            Tier::Cold => cold,
            Tier::Archive => archive,
        }
    }

    /// Puts a person's price in place of one: `cool.month`, or `out`. Answers whether there is such a price.
    pub fn set(&mut self, name: &str, value: f64) -> bool {
        if name == "out" {
            self.way_out = value;
            return true;
        }
        let Some((tier, name)) = name.split_once('.') else { return false };
        let Some(tier) = Tier::ALL.iter().position(|known| known.word() == tier) else { return false };
        let Some(price) = self.tiers.get_mut(tier) else { return false };
        match name {
            "month" => price.month = value,
            "writes" => price.writes = value,
            "reads" => price.reads = value,
            "retrieval" => price.retrieval = value,
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "days are few; the cast saturates"
            )]
            "days" => price.least_days = value as u32,
            _ => return false,
        }
        true
    }

    /// Writing so many objects.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "nobody writes 2^53 objects")]
    pub fn write(&self, tier: Tier, objects: u64) -> f64 {
        objects as f64 / 10_000.0 * self.tier(tier).writes
    }

    /// Keeping so many bytes for a month.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "nobody keeps 2^53 bytes to the cent")]
    pub fn keep(&self, tier: Tier, bytes: u64) -> f64 {
        bytes as f64 / GB * self.tier(tier).month
    }

    /// Reading so many objects of so many bytes, and taking them home.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "nobody reads 2^53 bytes to the cent")]
    pub fn bring_back(&self, tier: Tier, objects: u64, bytes: u64) -> f64 {
        let price = self.tier(tier);
        objects as f64 / 10_000.0 * price.reads + bytes as f64 / GB * (price.retrieval + self.way_out)
    }
}

const fn price(month: f64, writes: f64, reads: f64, retrieval: f64, least_days: u32) -> TierPrice {
    TierPrice { month, writes, reads, retrieval, least_days }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(address: &str) -> Option<PriceTable> {
        PriceTable::of(&RemoteAddress::parse(address).unwrap().0)
    }

    #[test]
    fn colder_tiers_keep_for_less_and_give_back_for_more() {
        for table in ["azure://account/container", "s3://bucket"].map(|address| table(address).unwrap()) {
            for pair in Tier::ALL.windows(2) {
                let [warm, cold] = pair else { unreachable!() };
                assert!(table.keep(*warm, 1 << 40) > table.keep(*cold, 1 << 40), "{pair:?}");
                assert!(table.tier(*warm).least_days <= table.tier(*cold).least_days, "{pair:?}");
                assert!(table.tier(*warm).reads <= table.tier(*cold).reads, "{pair:?}");
            }
        }
    }

    #[test]
    fn a_terabyte_of_photos_costs_what_the_list_says() {
        let table = table("azure://account/container").unwrap();
        assert!((table.keep(Tier::Cool, 1 << 40) - 10.24).abs() < 1e-9);
        assert!((table.write(Tier::Cool, 300_000) - 3.0).abs() < 1e-9);
        assert!((table.bring_back(Tier::Cool, 300_000, 1 << 40) - (0.3 + 1024.0 * 0.097)).abs() < 1e-9);
    }

    #[test]
    fn nobody_publishes_prices_of_a_disk_or_a_look_alike_and_people_have_their_own() {
        assert_eq!(table("folder:/mnt/disk"), None);
        assert_eq!(table("s3://bucket?endpoint=https://s3.example"), None);
        let mut own = PriceTable::free();
        assert!(own.set("hot.month", 0.005) && own.set("out", 0.01) && own.set("archive.days", 60.0));
        assert!(!own.set("warm.month", 1.0) && !own.set("hot.year", 1.0) && !own.set("hot", 1.0));
        assert!((own.keep(Tier::Hot, 1 << 30) - 0.005).abs() < 1e-12);
        assert_eq!(own.tier(Tier::Archive).least_days, 60);
    }
}
