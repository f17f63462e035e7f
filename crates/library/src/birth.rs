//! The first things that are said in a library: which words it has, which device it began on, which epoch.
//!
//! Order: keys files and root card are durable before the statements that name them are recorded, so a
//! bucket that holds the history holds what opens it (SL1 §1).

use std::path::Path;

use safelight_catalog::{Catalog, DeviceDb};
use safelight_crypto::{
    Author, Keyring, OsEntropy, Recipient, RecoveryWords, RootCard, Statement, StatementBody, StatementId,
    names, seal_keys_file, sha256,
};
use safelight_model::OpBody;
use safelight_store::{ObjectPath, Sealed, StoreError};

use crate::effects::now_stamp_millis;
use crate::error::{LibraryError, Result};
use crate::folder::LibraryFolder;
use crate::library::{Library, catalog_key, device_key};

/// Makes the two empty databases.
pub(crate) fn create_databases(folder: &LibraryFolder, keyring: &Keyring) -> Result<()> {
    let device = keyring.device().id();
    Catalog::create(&folder.catalog_path(), &catalog_key(keyring), device, &mut OsEntropy)?.close()?;
    DeviceDb::create(&folder.device_path(), &device_key(keyring))?.close()?;
    for path in [folder.catalog_path(), folder.device_path()] {
        keep_private(&path)?;
    }
    Ok(())
}

/// Lets only the owner read and write a database; its logs take over its permissions.
pub(crate) fn keep_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|source| LibraryError::writing(path, source))
}

/// States the words, the device and the epoch, and writes the root card and the keys files.
pub(crate) fn begin_history(library: &mut Library, words: &RecoveryWords) -> Result<()> {
    let now = now_stamp_millis();
    let keyring = library.keyring().clone();
    let (id, device, epoch) = (keyring.library(), keyring.device(), keyring.epoch());
    let recipients = [
        (Recipient::Words(words.library_id()), words.kem_key().public().clone()),
        (Recipient::Device(device.id()), device.card().kem_public().clone()),
    ];
    let mut files = Vec::new();
    for (recipient, key) in recipients {
        let sealed = seal_keys_file(id, keyring.epochs(), recipient, &key, &mut OsEntropy)?;
        files.push((recipient, sha256(&[sealed.as_bytes()])));
        put(library, &names::keys_file(&epoch.id(), &recipient), &sealed.into())?;
    }
    files.sort_unstable_by_key(|(recipient, _)| *recipient);

    let state = |author, after: &[StatementId], body| Statement::sign(author, id, now, after, &body);
    let root = state(Author::Words(words), &[], StatementBody::Root(words.card()))?;
    let admit = state(Author::Words(words), &[root.id()], StatementBody::Admit(device.card().clone()))?;
    let announce =
        state(Author::Device(device), &[admit.id()], StatementBody::Epoch { epoch: epoch.id(), files })?;
    let statements = [root, admit, announce];

    let hash = safelight_crypto::statements_hash(statements.iter().map(Statement::id));
    let card = RootCard::sign(words, id, hash, now);
    let card = Sealed::from_root_card(card).map_err(|error| broken_card(&error.to_string()))?;
    put(library, &names::root_card(&id), &card)?;

    let mut bodies: Vec<OpBody> =
        statements.iter().map(|statement| OpBody::Statement(statement.as_bytes().to_vec())).collect();
    bodies.push(OpBody::Note { event: "library made".into(), details: Vec::new() });
    library.record(bodies)?;
    library.close_segment()
}

fn put(library: &Library, name: &str, sealed: &Sealed) -> Result<()> {
    let path = ObjectPath::parse(name).map_err(StoreError::from)?;
    match library.place.put_new(&path, sealed)? {
        safelight_store::Outcome::Created => Ok(()),
        safelight_store::Outcome::Existed => Err(LibraryError::Damaged {
            object: name.to_owned(),
            reason: "it exists already in a library that is being made".into(),
        }),
    }
}

fn broken_card(reason: &str) -> LibraryError {
    LibraryError::Damaged { object: "the root card".into(), reason: reason.to_owned() }
}
