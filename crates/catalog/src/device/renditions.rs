//! Renditions that lie in a local pack by the index and cannot be read there, until they lie somewhere else.

use super::DeviceDb;
use super::packs::{PackLocation, read_location};
use crate::error::Result;
use crate::rows::kind_code;

impl DeviceDb {
    /// Remembers renditions that cannot be read where the index says that they lie.
    ///
    /// # Errors
    /// Those of the database.
    pub fn record_lost<'a>(&mut self, lost: impl IntoIterator<Item = &'a PackLocation>) -> Result<()> {
        self.write(|transaction| {
            let mut statement = transaction.prepare_cached(
                "INSERT OR REPLACE INTO lost_renditions (content, kind, recipe, pack, position)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            lost.into_iter().try_for_each(|lost| {
                let (content, kind) = (lost.content.as_bytes(), kind_code(lost.kind));
                statement.execute((content, kind, lost.recipe, &lost.pack, lost.position)).map(drop)
            })
        })
    }

    /// Those of them that the index still points to: what was fetched or drawn again lies elsewhere, and is forgotten here.
    ///
    /// # Errors
    /// Those of the database.
    pub fn lost_renditions(&mut self) -> Result<Vec<PackLocation>> {
        let is_any: bool = self.database.read(|connection| {
            connection.prepare_cached("SELECT 1 FROM lost_renditions LIMIT 1")?.exists([])
        })?;
        if !is_any {
            return Ok(Vec::new());
        }
        self.write(|transaction| {
            transaction
                .prepare_cached(
                    "DELETE FROM lost_renditions AS l WHERE NOT EXISTS (SELECT 1 FROM packs AS p
                         WHERE p.content = l.content AND p.kind = l.kind AND p.recipe = l.recipe
                             AND p.pack = l.pack AND p.position = l.position)",
                )?
                .execute([])?;
            transaction
                .prepare_cached(
                    "SELECT p.content, p.kind, p.recipe, p.pack, p.position, p.length
                     FROM lost_renditions AS l JOIN packs AS p
                         ON p.content = l.content AND p.kind = l.kind AND p.recipe = l.recipe
                     ORDER BY p.content, p.kind, p.recipe",
                )?
                .query_map([], read_location)?
                .collect()
        })
    }

    /// Forgets a rendition that cannot be read: another one is used in its place, or it is made when it is asked for.
    ///
    /// # Errors
    /// Those of the database.
    pub fn give_up_lost(&mut self, lost: &PackLocation) -> Result<()> {
        self.write(|transaction| {
            transaction
                .prepare_cached(
                    "DELETE FROM packs WHERE content = ?1 AND kind = ?2 AND recipe = ?3 AND pack = ?4
                         AND position = ?5",
                )?
                .execute((
                    lost.content.as_bytes(),
                    kind_code(lost.kind),
                    lost.recipe,
                    &lost.pack,
                    lost.position,
                ))
                .map(drop)
        })
    }
}

#[cfg(test)]
mod tests {
    use safelight_crypto::ContentHash;
    use safelight_model::RenditionKind;

    use super::*;

    #[test]
    fn what_lies_somewhere_else_is_lost_no_more() {
        let mut device = DeviceDb::create_in_memory().unwrap();
        let at = |pack: &str, position| PackLocation {
            content: ContentHash::from_bytes([1; 32]),
            kind: RenditionKind::Preview,
            recipe: 2,
            pack: pack.to_owned(),
            position,
            length: 10,
        };
        device.record_packed([&at("local/one", 8)]).unwrap();
        device.record_lost([&at("local/one", 8)]).unwrap();
        assert_eq!(device.lost_renditions().unwrap(), [at("local/one", 8)]);
        device.record_packed([&at("local/two", 8)]).unwrap();
        assert!(device.lost_renditions().unwrap().is_empty());
        device.record_lost([&at("local/two", 8)]).unwrap();
        device.give_up_lost(&at("local/two", 8)).unwrap();
        assert!(device.lost_renditions().unwrap().is_empty());
    }
}
