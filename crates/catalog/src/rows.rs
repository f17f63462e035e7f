//! Columns that are more than numbers and text.

use rusqlite::Row;
use rusqlite::types::{FromSqlError, Type, ValueRef};
use safelight_crypto::ContentHash;
use safelight_model::RenditionKind;

/// Reads a 32-byte content hash.
pub(crate) fn hash_column(row: &Row<'_>, at: usize) -> rusqlite::Result<ContentHash> {
    bytes_column::<32>(row, at).map(ContentHash::from_bytes)
}

/// Reads a 32-byte content hash that may be absent.
pub(crate) fn optional_hash_column(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<ContentHash>> {
    match row.get_ref(at)? {
        ValueRef::Null => Ok(None),
        _ => hash_column(row, at).map(Some),
    }
}

/// Reads a blob of a fixed length.
pub(crate) fn bytes_column<const N: usize>(row: &Row<'_>, at: usize) -> rusqlite::Result<[u8; N]> {
    let bytes = row.get_ref(at)?.as_blob().map_err(|error| conversion(at, Type::Blob, error))?;
    bytes.try_into().map_err(|_| {
        conversion(at, Type::Blob, FromSqlError::InvalidBlobSize { expected_size: N, blob_size: bytes.len() })
    })
}

/// The number under which a kind of rendition is stored.
pub(crate) fn kind_code(kind: RenditionKind) -> u16 {
    kind.code()
}

/// Reads a kind of rendition.
pub(crate) fn kind_column(row: &Row<'_>, at: usize) -> rusqlite::Result<RenditionKind> {
    row.get(at).map(RenditionKind::from_code)
}

fn conversion(at: usize, kind: Type, error: FromSqlError) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(at, kind, Box::new(error))
}
