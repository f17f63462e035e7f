//! What was searched for last on this device: kept in `device.db`, and synced nowhere.

use crate::error::Result;
use crate::library::Library;
use safelight_catalog::query::{Condition, State, Term};
use safelight_catalog::{ListOptions, Query};

const RECENT: &str = "searches/recent";
/// More than this are not remembered.
const MOST: usize = 20;
/// What is longer was pasted rather than searched for.
const LONGEST_BYTES: usize = 1000;

impl Library {
    /// The searches that were remembered last, newest first. While hidden photos are kept back, those that find nothing
    /// without them are left out: their words may name what was hidden since.
    ///
    /// # Errors
    /// Those of the databases.
    pub fn recent_searches(&self) -> Result<Vec<String>> {
        self.telling(self.all_searches()?)
    }

    /// All that are remembered.
    fn all_searches(&self) -> Result<Vec<String>> {
        let kept = self.device.setting(RECENT)?.unwrap_or_default();
        let all = String::from_utf8_lossy(&kept);
        // An earlier version remembered searches for hidden photos, too.
        Ok(all.lines().filter(|search| !asks_for_hidden(search)).map(str::to_owned).collect())
    }

    /// Remembers a search. What cannot be understood is not remembered, neither is what asks for hidden photos, and nothing
    /// is in a library that is read-only.
    ///
    /// # Errors
    /// Those of the database.
    pub fn remember_search(&mut self, search: &str) -> Result<Vec<String>> {
        let search = search.trim();
        let mut recent = self.all_searches()?;
        let is_one_line = !search.is_empty() && search.len() <= LONGEST_BYTES && search.lines().count() == 1;
        if !is_one_line || Query::parse(search).is_err() || asks_for_hidden(search) || self.is_read_only() {
            return self.telling(recent);
        }
        recent.retain(|known| known != search);
        recent.insert(0, search.to_owned());
        recent.truncate(MOST);
        self.keep_searches(recent)
    }

    /// Forgets one search, or all of them.
    ///
    /// # Errors
    /// Those of the database; a library that is read-only forgets nothing and says so.
    pub fn forget_searches(&mut self, only: Option<&str>) -> Result<Vec<String>> {
        self.folder.require_writable()?;
        let mut recent = self.all_searches()?;
        recent.retain(|known| only.is_some_and(|only| known != only.trim()));
        self.keep_searches(recent)
    }

    fn keep_searches(&mut self, recent: Vec<String>) -> Result<Vec<String>> {
        let kept = (!recent.is_empty()).then(|| recent.join("\n"));
        self.device.set_setting(RECENT, kept.as_deref().map(str::as_bytes))?;
        self.telling(recent)
    }

    /// Those among searches that tell nothing of what is kept back.
    fn telling(&self, searches: Vec<String>) -> Result<Vec<String>> {
        if !self.keeps_hidden_back() {
            return Ok(searches);
        }
        let mut told = Vec::with_capacity(searches.len());
        for search in searches {
            // One that cannot be asked any more is not offered either.
            if let Ok(query) = self.query(&search)
                && self.is_about_what_shows(&query)?
            {
                told.push(search);
            }
        }
        Ok(told)
    }

    /// Whether a search finds something, and so does every word that it leaves out.
    fn is_about_what_shows(&self, query: &Query) -> Result<bool> {
        let named = query.terms.iter().filter(|term| term.negated && names(&term.condition));
        let mut looked_for: Vec<Query> =
            named.map(|term| Query { terms: vec![Term { negated: false, ..term.clone() }] }).collect();
        looked_for.push(query.clone());
        for query in looked_for {
            let first = ListOptions { limit: 1, ..ListOptions::default() };
            if self.catalog().list(&query, &first)?.rows.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether a condition holds words that somebody gave to photos or that lie in them, or a place.
fn names(condition: &Condition) -> bool {
    matches!(
        condition,
        Condition::Text { .. } | Condition::Tag { .. } | Condition::Album { .. } | Condition::Near { .. }
    )
}

fn asks_for_hidden(search: &str) -> bool {
    Query::parse(search).is_ok_and(|query| query.asks_for(State::Hidden))
}

#[cfg(test)]
mod tests {
    use crate::testing::Place;

    #[test]
    fn the_newest_searches_are_remembered_once_each() {
        let place = Place::new();
        let mut library = place.library();
        for search in ["beach", " rating:5 ", "beach", "", "colour:red", "a\nb"] {
            library.remember_search(search).unwrap();
        }
        assert_eq!(library.recent_searches().unwrap(), ["beach", "rating:5"]);
        library.close().unwrap();
        let mut library = place.library();
        for number in 0..30 {
            library.remember_search(&format!("number{number}")).unwrap();
        }
        let recent = library.recent_searches().unwrap();
        assert_eq!((recent.len(), recent[0].as_str()), (20, "number29"));
        assert_eq!(library.forget_searches(Some("number29")).unwrap()[0], "number28");
        assert!(library.forget_searches(None).unwrap().is_empty());
        assert!(library.recent_searches().unwrap().is_empty());
    }

    #[test]
    fn searches_for_hidden_photos_are_not_remembered_nor_told() {
        let place = Place::new();
        let mut library = place.library();
        for search in ["is:hidden tag:secret", "IS:\"hidden\"", "-is:hidden", "beach"] {
            library.remember_search(search).unwrap();
        }
        assert_eq!(library.recent_searches().unwrap(), ["beach", "-is:hidden"]);
        library.device.set_setting(super::RECENT, Some(b"is:hidden tag:secret\nbeach")).unwrap();
        assert_eq!(library.recent_searches().unwrap(), ["beach"], "one that was remembered before");
    }

    #[test]
    fn a_library_that_is_only_looked_at_remembers_nothing() {
        let place = Place::new();
        let mut library =
            crate::Library::open_to_read(place.folder().to_look_only(), place.keys.clone(), &place.options)
                .unwrap();
        assert!(library.remember_search("beach").unwrap().is_empty());
        assert!(library.forget_searches(None).is_err());
    }
}
