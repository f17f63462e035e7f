//! Making ops: one transaction in which states are read, ops pushed, and everything folded.
//!
//! Invariant: nothing that was pushed is in the library before [`Catalog::change`] returns, and all of it is
//! afterwards. Stamps go on from the last one that any process gave out or took in.

use rusqlite::{Connection, OptionalExtension as _, Params};
use safelight_model::{
    AssetId, AssetState, Author, ContentHash, ContentState, EntityId, Op, OpBody, OpId, Record,
};

use super::Catalog;
use super::fold::{
    Folder, Origin, device_number, holds, in_transaction, last_stamp, store_stamp, version_holders,
};
use super::labels::Labels;
use crate::database::Exclusive;
use crate::error::{CatalogError, Result};
use crate::search::last_op;

/// A transaction that adds ops.
///
/// What was pushed can be read back at once. Nothing is in the library before [`Catalog::change`] returns.
pub struct Change<'a> {
    pub(super) folder: Folder<'a>,
    author: &'a mut Author,
    device: i64,
    now_millis: u64,
}

impl Catalog {
    /// Makes ops and folds them, all or none, excluding other writers meanwhile.
    ///
    /// `run` may read states through the [`Change`], so an op can name the writes that it replaces. When this
    /// returns, the ops are durable (unless [`Catalog::set_durability`] says otherwise).
    ///
    /// # Errors
    /// What `run` reports; then nothing has changed. [`CatalogError::DiskFull`] and the like.
    pub fn change<T, E: From<CatalogError>>(
        &mut self,
        now_millis: u64,
        run: impl FnOnce(&mut Change<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let device = self.device;
        self.within(|connection, labels, author| {
            author.observe(last_stamp(connection).map_err(in_transaction)?, now_millis);
            let device = device_number(connection, device.as_bytes()).map_err(in_transaction)?;
            let folder = Folder::new(connection, labels, now_millis);
            let mut change = Change { folder, author, device, now_millis };
            let value = run(&mut change)?;
            change.finish()?;
            Ok(value)
        })
    }

    /// Makes one op of each body and folds them, in one transaction; returns their ids.
    ///
    /// # Errors
    /// As [`Catalog::change`].
    pub fn append(&mut self, now_millis: u64, bodies: Vec<OpBody>) -> Result<Vec<OpId>> {
        self.change(now_millis, |change| bodies.into_iter().map(|body| change.push(body)).collect())
    }

    /// Runs one transaction that excludes other writers.
    pub(super) fn within<T, E: From<CatalogError>>(
        &mut self,
        run: impl FnOnce(&Connection, &mut Labels, &mut Author) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let path = self.database.path().to_path_buf();
        let fail = |source| E::from(CatalogError::from_sqlite(&path, source));
        let transaction = Exclusive::begin(&self.database.connection).map_err(fail)?;
        let value = run(&transaction, &mut self.labels, &mut self.author);
        let value = match value {
            Ok(value) => transaction.commit().map(|()| value).map_err(fail),
            Err(error) => Err(error),
        };
        if value.is_err() {
            self.labels.forget();
        }
        value
    }
}

impl Change<'_> {
    /// Makes an op: gives it an id and a stamp, records it and folds it.
    ///
    /// # Errors
    /// [`CatalogError::Model`] for an op that nobody could read back.
    pub fn push(&mut self, mut body: OpBody) -> Result<OpId> {
        // What programs say of a content is about the life that it has now.
        if let OpBody::Derive { content, life, .. } | OpBody::Render { content, life, .. } = &mut body
            && let Some(known) = self.content(*content)?
        {
            *life = known.life();
        }
        let op = self.author.write(body, self.now_millis);
        self.folder.take(&op, &op.to_bytes()?, Origin { device: self.device, segment: None })?;
        Ok(op.id)
    }

    /// Reads the state of an asset; `None` if no op was ever about it.
    ///
    /// # Errors
    /// Those of the database.
    pub fn asset(&mut self, asset: AssetId) -> Result<Option<AssetState>> {
        let state = self.folder.known(&EntityId::Asset(asset))?;
        Ok(state.and_then(|state| state.as_asset().cloned()))
    }

    /// Reads the state of a content; `None` if no op was ever about it.
    ///
    /// # Errors
    /// Those of the database.
    pub fn content(&mut self, content: ContentHash) -> Result<Option<ContentState>> {
        let state = self.folder.known(&EntityId::Content(content))?;
        Ok(state.and_then(|state| state.as_content().cloned()))
    }

    /// Reads the record of an album or of the library; `None` if no op was ever about it.
    ///
    /// # Errors
    /// Those of the database.
    pub fn record(&mut self, entity: &EntityId) -> Result<Option<Record>> {
        let state = self.folder.known(entity)?;
        Ok(state.and_then(|state| state.as_record().cloned()))
    }

    /// The number of the newest op, those that were pushed included: ops of one transaction are numbered on.
    ///
    /// # Errors
    /// Those of the database.
    pub fn last_op(&mut self) -> Result<i64> {
        last_op(self.folder.connection).map_err(in_transaction)
    }

    /// Reads an op by its id; `None` if this catalogue does not hold it, or cannot read it.
    ///
    /// # Errors
    /// Those of the database.
    pub fn op(&mut self, id: OpId) -> Result<Option<Op>> {
        self.op_where("session = ?1 AND counter = ?2", (id.session.cast_signed(), id.counter))
    }

    /// Reads the op with a number, as [`Change::op`] does.
    ///
    /// # Errors
    /// Those of the database.
    pub fn op_numbered(&mut self, number: i64) -> Result<Option<Op>> {
        self.op_where("number = ?1", [number])
    }

    /// The number of an op; `None` if this catalogue does not hold it.
    ///
    /// # Errors
    /// Those of the database.
    pub fn number_of(&mut self, id: OpId) -> Result<Option<i64>> {
        self.folder
            .connection
            .prepare_cached("SELECT number FROM ops WHERE session = ?1 AND counter = ?2")
            .and_then(|mut select| {
                select.query_row((id.session.cast_signed(), id.counter), |row| row.get(0)).optional()
            })
            .map_err(in_transaction)
    }

    fn op_where(&self, condition: &str, values: impl Params) -> Result<Option<Op>> {
        let bytes: Option<Vec<u8>> = self
            .folder
            .connection
            .prepare_cached(&format!("SELECT bytes FROM ops WHERE {condition}"))
            .and_then(|mut select| select.query_row(values, |row| row.get(0)).optional())
            .map_err(in_transaction)?;
        Ok(bytes.and_then(|bytes| Op::from_bytes(&bytes).ok()))
    }

    /// Finds the asset that has, or had, a content; also in the trash, not if it was purged.
    ///
    /// # Errors
    /// Those of the database.
    pub fn asset_with(&mut self, content: ContentHash) -> Result<Option<AssetId>> {
        let mut candidates = vec![AssetId(content)];
        candidates.extend(version_holders(self.folder.connection, &content).map_err(in_transaction)?);
        for asset in candidates {
            if self.asset(asset)?.is_some_and(|state| holds(&state, &content)) {
                return Ok(Some(asset));
            }
        }
        Ok(None)
    }

    fn finish(mut self) -> Result<()> {
        self.folder.finish()?;
        store_stamp(self.folder.connection, self.author.clock().last()).map_err(in_transaction)
    }
}
