//! `plain lifecycle`: a rule that the provider itself follows, moving blobs to colder tiers as they age.
//!
//! It is only written, never set: that takes rights over a whole account, which a plain copy does not need. It covers what is
//! named by a hash and leaves manifests alone, so that a restore without an index finds them readable.

use safelight_store::RemoteAddress;
use serde_json::{Value, json};

/// The most prefixes that one rule of Azure takes.
const PREFIXES_A_RULE: usize = 10;
/// How soon S3 moves to its cool class at the earliest.
const S3_LEAST_COOL_DAYS: u32 = 30;
/// After how many days S3 forgets what an upload in blocks left.
const ABORT_AFTER_DAYS: u32 = 7;

/// After how many days blobs move on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lifecycle {
    /// To the cool tier.
    pub cool_after_days: Option<u32>,
    /// To the cold tier.
    pub cold_after_days: Option<u32>,
    /// To the archive tier.
    pub archive_after_days: Option<u32>,
}

/// Why there is no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LifecycleError {
    /// Nothing was asked for.
    #[error("say after how many days: --cool-after, --cold-after, --archive-after")]
    Nothing,
    /// A colder tier sooner than a warmer one.
    #[error("a colder tier comes later than a warmer one")]
    Order,
    /// Sooner than S3 does.
    #[error("S3 moves to its cool class after 30 days at the earliest")]
    TooSoon,
    /// A place without such rules.
    #[error("only Azure and S3 follow such rules")]
    NoSuchPlace,
}

impl Lifecycle {
    /// The rule as the place takes it: the policy of an Azure storage account, or the lifecycle configuration of a bucket.
    ///
    /// # Errors
    /// [`LifecycleError`].
    pub fn document(&self, address: &RemoteAddress) -> Result<Value, LifecycleError> {
        let steps: Vec<u32> = [self.cool_after_days, self.cold_after_days, self.archive_after_days]
            .into_iter()
            .flatten()
            .collect();
        if steps.is_empty() {
            return Err(LifecycleError::Nothing);
        }
        if !steps.is_sorted_by(|sooner, later| sooner < later) {
            return Err(LifecycleError::Order);
        }
        match address {
            RemoteAddress::Azure(azure) => Ok(self.azure(&azure.container, &azure.prefix)),
            RemoteAddress::S3(_) if self.cool_after_days.is_some_and(|days| days < S3_LEAST_COOL_DAYS) => {
                Err(LifecycleError::TooSoon)
            }
            RemoteAddress::S3(s3) => Ok(self.s3(&s3.prefix, s3.is_deep)),
            _ => Err(LifecycleError::NoSuchPlace),
        }
    }

    fn azure(&self, container: &str, prefix: &str) -> Value {
        let mut actions = serde_json::Map::new();
        let steps = [
            ("tierToCool", self.cool_after_days),
            ("tierToCold", self.cold_after_days),
            ("tierToArchive", self.archive_after_days),
        ];
        for (name, days) in steps {
            if let Some(days) = days {
                actions.insert(name.to_owned(), json!({ "daysAfterModificationGreaterThan": days }));
            }
        }
        let prefixes: Vec<String> = digits(prefix).map(|below| format!("{container}/{below}")).collect();
        let rules = prefixes.chunks(PREFIXES_A_RULE).enumerate().map(|(number, prefixes)| {
            json!({
                "name": format!("safelight-plain-{}", number + 1),
                "enabled": true,
                "type": "Lifecycle",
                "definition": {
                    "filters": { "blobTypes": ["blockBlob"], "prefixMatch": prefixes },
                    "actions": { "baseBlob": actions },
                },
            })
        });
        json!({ "rules": rules.collect::<Vec<_>>() })
    }

    fn s3(&self, prefix: &str, is_deep: bool) -> Value {
        let archive = if is_deep { "DEEP_ARCHIVE" } else { "GLACIER" };
        let steps = [
            (self.cool_after_days, "STANDARD_IA"),
            (self.cold_after_days, "GLACIER_IR"),
            (self.archive_after_days, archive),
        ];
        let steps = steps.into_iter().filter_map(|(days, class)| days.map(|days| (days, class)));
        let transitions: Vec<Value> =
            steps.map(|(days, class)| json!({ "Days": days, "StorageClass": class })).collect();
        let rules = digits(prefix).map(|below| {
            json!({
                "ID": format!("safelight-plain-{}", below.get(below.len().saturating_sub(3)..).unwrap_or_default().trim_end_matches('/')),
                "Status": "Enabled",
                "Filter": { "Prefix": below },
                "Transitions": transitions,
                "AbortIncompleteMultipartUpload": { "DaysAfterInitiation": ABORT_AFTER_DAYS },
            })
        });
        json!({ "Rules": rules.collect::<Vec<_>>() })
    }
}

/// What the names of blobs begin with: the prefix and the first two digits of each hash, as a folder, so that nothing else
/// below the prefix is meant.
fn digits(prefix: &str) -> impl Iterator<Item = String> {
    let above = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    (0..=u8::MAX).map(move |byte| format!("{above}{byte:02x}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> RemoteAddress {
        text.parse().unwrap()
    }

    const ALL: Lifecycle =
        Lifecycle { cool_after_days: Some(30), cold_after_days: Some(90), archive_after_days: Some(365) };

    #[test]
    fn a_policy_of_azure_covers_all_hashes_and_no_manifest() {
        let policy = ALL.document(&address("azure://acct/box/photos")).unwrap();
        let rules = policy["rules"].as_array().unwrap();
        let prefixes: Vec<&str> = rules
            .iter()
            .flat_map(|rule| rule["definition"]["filters"]["prefixMatch"].as_array().unwrap())
            .map(|prefix| prefix.as_str().unwrap())
            .collect();
        assert_eq!((rules.len(), prefixes.len()), (26, 256));
        assert!(prefixes.contains(&"box/photos/00/") && prefixes.contains(&"box/photos/fe/"));
        assert!(!prefixes.iter().any(|prefix| "box/photos/family/a.jpg".starts_with(prefix)));
        assert!(!prefixes.iter().any(|prefix| "box/photos/manifests/".starts_with(prefix)));
        let actions = &rules[1]["definition"]["actions"]["baseBlob"];
        assert_eq!(actions["tierToCold"]["daysAfterModificationGreaterThan"], 90);
    }

    #[test]
    fn rules_of_s3_name_its_classes() {
        let rules = ALL.document(&address("s3://bucket?archive=deep")).unwrap();
        assert_eq!(rules["Rules"].as_array().unwrap().len(), 256);
        assert_eq!(rules["Rules"][255]["Filter"]["Prefix"], "ff/");
        assert_eq!(rules["Rules"][255]["ID"], "safelight-plain-ff");
        assert_eq!(rules["Rules"][0]["Transitions"][2]["StorageClass"], "DEEP_ARCHIVE");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let azure = address("azure://acct/box");
        assert_eq!(Lifecycle::default().document(&azure), Err(LifecycleError::Nothing));
        let turned =
            Lifecycle { cool_after_days: Some(90), archive_after_days: Some(30), ..Lifecycle::default() };
        assert_eq!(turned.document(&azure), Err(LifecycleError::Order));
        let soon = Lifecycle { cool_after_days: Some(3), ..Lifecycle::default() };
        assert!(soon.document(&azure).is_ok());
        assert_eq!(soon.document(&address("s3://bucket")), Err(LifecycleError::TooSoon));
        assert_eq!(ALL.document(&address("folder:/mnt/x")), Err(LifecycleError::NoSuchPlace));
    }
}
