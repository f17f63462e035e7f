//! Databases in memory: a copy is what a process finds that starts after another one was killed.

use crate::common::*;
use crate::history::verified;
use safelight_catalog::{Catalog, CatalogError, CheckDepth, DeviceDb, NewSource};
use safelight_crypto::{Device, SeededEntropy};
use safelight_model::{Life, OpBody};

fn added(number: u32, device: &Device) -> OpBody {
    let asset = asset(number);
    OpBody::AddAsset { asset, life: Life(0), original: original(asset.0, device, &format!("{number}.jpg")) }
}

#[test]
fn a_copy_in_memory_has_what_was_committed_and_nothing_else() {
    let mut entropy = SeededEntropy::new(1);
    let device = Device::generate(&mut entropy);
    let mut catalog = Catalog::create_in_memory(device.id(), &mut entropy).unwrap();
    catalog.append(NOW, vec![added(1, &device)]).unwrap();
    let cut_short = catalog.change(NOW, |change| {
        change.push(added(2, &device))?;
        Err::<(), _>(CatalogError::Missing { path: "killed here".into() })
    });
    assert!(cut_short.is_err());

    let mut copy = catalog.open_copy_in_memory(device.id(), &mut entropy).unwrap();
    assert_eq!(names(&copy, ""), ["1.jpg"]);
    assert_eq!(copy.state_hash().unwrap(), catalog.state_hash().unwrap());
    copy.append(NOW, vec![added(3, &device)]).unwrap();
    assert_eq!(names(&catalog, ""), ["1.jpg"]);
    assert_eq!(names(&copy, "").len(), 2);
    let copy = copy.reopen_in_memory(device.id(), &mut entropy).unwrap();
    assert_eq!(names(&copy, "").len(), 2);
    assert_eq!(copy.check(&key(), CheckDepth::Structure).unwrap(), Vec::<String>::new());
    copy.close().unwrap();
}

#[test]
fn a_catalogue_in_memory_folds_as_one_in_a_file() {
    let mut world = World::new(3);
    let mut catalog = Catalog::create_in_memory(world.device.id(), &mut world.entropy).unwrap();
    let ops: Vec<_> = (1..30).map(|number| added(number, &world.device)).collect();
    catalog.append(NOW, ops.clone()).unwrap();
    world.append(ops);
    let segments = world.close_segments();
    let mut joined = Catalog::create_in_memory(world.device.id(), &mut world.entropy).unwrap();
    for bytes in segments {
        joined.fold_segment(&verified(&world, &world.device, &bytes), NOW).unwrap();
    }
    assert_eq!(joined.state_hash().unwrap(), world.catalog.state_hash().unwrap());
    assert_eq!(names(&catalog, ""), names(&world.catalog, ""));
}

#[test]
fn a_device_database_is_copied_in_memory() {
    let mut database = DeviceDb::create_in_memory().unwrap();
    let new =
        NewSource { path: b"/photos", watched: false, link: false, remove_after_proof: false, now_millis: 1 };
    let known = database.add_source(&new).unwrap();
    let mut copy = database.open_copy_in_memory().unwrap();
    assert_eq!(copy.sources().unwrap(), [known]);
    copy.add_source(&NewSource { path: b"/other", ..new }).unwrap();
    assert_eq!(database.sources().unwrap().len(), 1);
}

#[test]
fn an_encrypted_database_is_not_copied_into_memory() {
    let mut world = World::new(4);
    let copy = world.catalog.open_copy_in_memory(world.device.id(), &mut world.entropy);
    assert!(matches!(copy, Err(CatalogError::Sqlite { .. })), "{copy:?}");
}
