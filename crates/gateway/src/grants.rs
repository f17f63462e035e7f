//! What was granted, read back from the remote: by whoever has the gateway's public key and may read there.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use safelight_crypto::VerifyingKey;
use safelight_store::{Key, Prefix, Remote, StoreError};

use crate::error::GatewayError;
use crate::ledger::{BlockReader, GrantBlock};
use crate::place::{Upstream, connected};

/// The longest object that is read; none of a gateway's is.
const MOST_BYTES: u64 = 64 << 20;

/// What gateways wrote down in a remote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantsFound {
    /// What can be believed, run by run, the oldest block first.
    pub blocks: Vec<GrantBlock>,
    /// What cannot.
    pub problems: Vec<GrantProblem>,
}

/// An object that cannot be believed, or that does not follow the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantProblem {
    /// The object.
    pub object: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Reads everything below `grants/`, and checks that it is signed by a gateway, whole and without gaps. The key is in hex.
///
/// # Errors
/// What the remote answers, and [`GatewayError::BadField`] for what is no key. What is damaged is in the answer.
pub async fn read_grants(upstream: Upstream, gateway: &str) -> Result<GrantsFound, GatewayError> {
    let key = HEXLOWER.decode(gateway.as_bytes()).ok().and_then(|key| key.try_into().ok());
    let key =
        key.ok_or(GatewayError::BadField { what: "a gateway's key", rule: "is 64 digits of small hex" })?;
    let remote = connected(upstream).await?;
    let mut found = GrantsFound::default();
    for (_, objects) in listed(&*remote, &mut found.problems).await? {
        read_run(&*remote, VerifyingKey::from_bytes(key), &objects, &mut found).await?;
    }
    Ok(found)
}

/// The objects of each run in their order.
async fn listed(
    remote: &dyn Remote,
    problems: &mut Vec<GrantProblem>,
) -> Result<BTreeMap<String, Vec<Key>>, GatewayError> {
    let prefix = Prefix::below("grants").map_err(StoreError::Name)?;
    let (mut runs, mut after) = (BTreeMap::<String, Vec<Key>>::new(), None);
    loop {
        let page = remote.list(&prefix, after.as_ref()).await?;
        for object in page.objects {
            match object.key.as_str().split('/').collect::<Vec<_>>().as_slice() {
                [_, run, _] => runs.entry((*run).to_owned()).or_default().push(object.key),
                _ => {
                    problems.push(problem(object.key.as_str(), "it is not named as a gateway's objects are"));
                }
            }
        }
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    for objects in runs.values_mut() {
        objects.sort();
    }
    Ok(runs)
}

async fn read_run(
    remote: &dyn Remote,
    gateway: VerifyingKey,
    objects: &[Key],
    found: &mut GrantsFound,
) -> Result<(), GatewayError> {
    let mut reader = BlockReader::of(gateway);
    for (at, object) in objects.iter().enumerate() {
        let bytes = match remote.get(object, MOST_BYTES).await {
            Err(error @ (StoreError::TooLarge { .. } | StoreError::NotFound { .. })) => {
                found.problems.push(problem(object.as_str(), error.to_string()));
                continue;
            }
            other => other?,
        };
        match reader.read(&bytes) {
            Ok(blocks) => {
                if !blocks.first().is_some_and(|block| is_named_after(object, block)) {
                    found.problems.push(problem(object.as_str(), "it is not named after what is in it"));
                }
                if at == 0 && blocks.first().is_some_and(|block| block.number != 0) {
                    found.problems.push(problem(object.as_str(), "what its run wrote before is missing"));
                }
                found.blocks.extend(blocks);
            }
            Err(fault) => {
                found.problems.push(problem(object.as_str(), fault.to_string()));
                // What is whole in itself is still told.
                let mut alone = BlockReader::of(gateway);
                if let Ok(blocks) = alone.read(&bytes) {
                    found.blocks.extend(blocks);
                }
                reader = alone;
            }
        }
    }
    Ok(())
}

/// Whether an object is called after the run and the number of its first block.
fn is_named_after(object: &Key, first: &GrantBlock) -> bool {
    object.as_str() == format!("grants/{}/{:010}", first.run, first.number)
}

fn problem(object: &str, reason: impl Into<String>) -> GrantProblem {
    GrantProblem { object: object.to_owned(), reason: reason.into() }
}
