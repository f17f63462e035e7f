//! Whether the checkpoints that this device wrote are still in a place.

use std::collections::HashMap;

use safelight_store::{Area, ObjectPath, StoreError};

use crate::error::Result;
use crate::here::{Here, RemotePlace};
use crate::problem::Problem;
use crate::verify::VerifyReport;

/// Replicas that are looked at between two questions whether to stop.
const AT_ONCE: usize = 1000;

/// Looks for roots and pages that this device knows to have been put. One that is gone, or of another size, is named and
/// forgotten, so that the next checkpoint puts it again.
pub(crate) async fn forget_missing(
    here: &mut Here<'_>,
    at: &RemotePlace,
    report: &mut VerifyReport,
) -> Result<()> {
    for area in [Area::Checkpoint, Area::Page] {
        let Some(listed) = list(at, area).await? else { continue };
        let (prefix, mut after) = (format!("{}/", area.as_str()), String::new());
        loop {
            here.stop.check()?;
            let replicas = here.device.replicas_after(at.id, &prefix, &after, AT_ONCE)?;
            let Some(last) = replicas.last() else { break };
            after.clone_from(&last.object);
            for replica in replicas {
                report.expected_objects += 1;
                let found = match listed.get(&replica.object) {
                    Some(length) => Some(*length),
                    // Listings may be stale.
                    None => length_of(at, &replica.object).await?,
                };
                let object = replica.object.clone();
                let problem = match found {
                    Some(length) if length == replica.sealed_bytes => {
                        report.present_objects += 1;
                        continue;
                    }
                    Some(length) => {
                        let reason = format!("it has {length} bytes instead of {}", replica.sealed_bytes);
                        Problem::Damaged { object, reason }
                    }
                    None => Problem::Missing { object },
                };
                here.note(&mut report.problems, problem);
                here.device.forget_replicas(at.id, [replica.object.as_str()])?;
            }
        }
    }
    Ok(())
}

/// The names and lengths in an area; nothing where the credential may not list.
async fn list(at: &RemotePlace, area: Area) -> Result<Option<HashMap<String, u64>>> {
    let (mut listed, mut after) = (HashMap::new(), None);
    loop {
        let page = match at.store.list(area, after.as_ref()).await {
            Ok(page) => page,
            Err(StoreError::Denied { .. } | StoreError::Unsupported { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        listed.extend(page.objects.iter().map(|one| (one.key.as_str().to_owned(), one.length_bytes)));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(Some(listed)),
        }
    }
}

async fn length_of(at: &RemotePlace, object: &str) -> Result<Option<u64>> {
    let path = ObjectPath::parse(object).map_err(StoreError::from)?;
    match at.store.head(&path).await {
        Ok(info) => Ok(Some(info.length_bytes)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
