//! What may stand behind `place:`, `camera:`, `lens:` and `format:`: the names that this library has, the commonest first.
//!
//! Gathering them takes longer than somebody who types may wait, so whoever completes keeps them and gathers them anew once the
//! library has changed. Places are those of all photos on the map. Cameras and lenses are read off a sample: photos in the
//! order of their hashes, which has nothing to do with what they show, so that a camera that took one photo in a hundred is as
//! good as never missed. Photos that are hidden or in the trash add nothing.

use std::collections::{BTreeSet, HashMap};

use safelight_catalog::{ListOptions, Query, Shelf};
use safelight_model::AssetId;
use safelight_model::view::AssetStatus;

use crate::complete::Choice;
use crate::error::Result;
use crate::library::Library;
use crate::map::MapPoints;

/// So many photos are looked at for cameras and lenses.
const SAMPLE: usize = 3000;

/// The names that may stand behind some keys of a query.
#[derive(Debug, Clone, Default)]
pub struct Offers {
    places: Vec<Offer>,
    cameras: Vec<Offer>,
    lenses: Vec<Offer>,
    formats: Vec<Offer>,
    /// What was hidden before they were gathered.
    hidden: BTreeSet<AssetId>,
}

#[derive(Debug, Clone)]
struct Offer {
    name: String,
    /// How many photos have it; none where only some photos were looked at.
    assets: Option<u64>,
}

impl Offers {
    /// The names behind a key; none where it is not one of these.
    fn of(&self, key: &str) -> Option<&[Offer]> {
        match key {
            "place" => Some(&self.places),
            "camera" => Some(&self.cameras),
            "lens" => Some(&self.lenses),
            "format" => Some(&self.formats),
            _ => None,
        }
    }

    /// What may stand behind a key that begins, or of which a word begins, as somebody typed.
    pub(crate) fn choices(&self, key: &str, begun: &str) -> Option<Vec<Choice>> {
        let begun = begun.to_lowercase();
        let fits = |offer: &&Offer| {
            let name = offer.name.to_lowercase();
            name.starts_with(&begun) || name.split_whitespace().any(|word| word.starts_with(&begun))
        };
        let offers = self.of(key)?.iter().filter(fits).take(crate::complete::MOST);
        Some(offers.map(|offer| crate::complete::called(key, &offer.name, offer.assets)).collect())
    }
}

/// Whether a key's values are gathered.
pub(crate) fn is_gathered(key: &str) -> bool {
    Offers::default().of(key).is_some()
}

impl Library {
    /// What is hidden now, to be asked for before [`Library::offers`] gathers from what is not.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn hidden_before_offers(&self) -> Result<BTreeSet<AssetId>> {
        let hidden = ListOptions { shelves: Some(vec![Shelf::Hidden]), ..ListOptions::default() };
        Ok(self.found(&Query::default(), hidden)?.into_iter().collect())
    }

    /// Whether something was hidden since these were gathered: they may name what only that has, and are not to be told.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn hid_since(&self, offers: &Offers) -> Result<bool> {
        Ok(!self.hidden_before_offers()?.is_subset(&offers.hidden))
    }

    /// Gathers what may stand behind `place:`, `camera:`, `lens:` and `format:`, from photos on the map and others, and keeps with them
    /// what was hidden before.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn offers(&self, points: &MapPoints, hidden: BTreeSet<AssetId>) -> Result<Offers> {
        let mut places: HashMap<String, u64> = HashMap::new();
        for place in points.places() {
            // A city may be called as its region is: the photos are the same.
            let mut names: Vec<String> = [place.city, place.region].into_iter().flatten().collect();
            names.dedup();
            for name in names {
                *places.entry(name).or_default() += place.assets;
            }
        }
        let (mut cameras, mut lenses, mut formats) = (HashMap::new(), HashMap::new(), HashMap::new());
        let sample = self.catalog().assets_after(None, SAMPLE)?;
        let is_all = sample.len() < SAMPLE;
        for (asset, _) in sample {
            let Some(item) = self.item(asset)? else { continue };
            let view = item.view();
            if view.hidden || view.status != AssetStatus::Live {
                continue;
            }
            let camera = camera(view.facts.camera_make.as_deref(), view.facts.camera_model.as_deref());
            let format = view.facts.format.as_ref().map(ToString::to_string);
            for (name, counted) in
                [(camera, &mut cameras), (view.facts.lens.clone(), &mut lenses), (format, &mut formats)]
            {
                if let Some(name) = name.filter(|name| name.chars().any(char::is_alphanumeric)) {
                    *counted.entry(name).or_default() += 1;
                }
            }
        }
        Ok(Offers {
            places: commonest(places, true),
            cameras: commonest(as_found(&cameras), is_all),
            lenses: commonest(as_found(&lenses), is_all),
            formats: commonest(as_found(&formats), is_all),
            hidden,
        })
    }
}

/// `Canon EOS 5D`, also where the model repeats who made it.
fn camera(make: Option<&str>, model: Option<&str>) -> Option<String> {
    let (make, model) = (make.map(str::trim).unwrap_or_default(), model.map(str::trim).unwrap_or_default());
    let repeats = model.to_lowercase().starts_with(&make.to_lowercase());
    let name = if repeats { model.to_owned() } else { format!("{make} {model}").trim().to_owned() };
    (!name.is_empty()).then_some(name)
}

/// As a search counts them: `camera:Apple` finds the cameras of which it is only one word, too.
fn as_found(counted: &HashMap<String, u64>) -> HashMap<String, u64> {
    let words = |name: &str| {
        let words = name.split(|letter: char| !letter.is_alphanumeric());
        words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect::<Vec<_>>()
    };
    let all: Vec<(Vec<String>, u64)> = counted.iter().map(|(name, assets)| (words(name), *assets)).collect();
    let found = |name: &str| {
        let wanted = words(name);
        let holds = |other: &[String]| other.windows(wanted.len().max(1)).any(|part| part == wanted);
        all.iter().filter(|(other, _)| holds(other)).map(|(_, assets)| assets).sum()
    };
    counted.keys().map(|name| (name.clone(), found(name))).collect()
}

fn commonest(counted: HashMap<String, u64>, is_all: bool) -> Vec<Offer> {
    let mut counted: Vec<(String, u64)> = counted.into_iter().collect();
    counted.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    counted.into_iter().map(|(name, assets)| Offer { name, assets: is_all.then_some(assets) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_is_called_once_by_who_made_it() {
        let called = |make, model| camera(make, model);
        assert_eq!(called(Some("Canon"), Some("Canon EOS 5D")).as_deref(), Some("Canon EOS 5D"));
        assert_eq!(called(Some("Apple"), Some("iPhone 12 ")).as_deref(), Some("Apple iPhone 12"));
        assert_eq!(called(Some("Apple"), None).as_deref(), Some("Apple"));
        assert_eq!(called(None, Some("X100")).as_deref(), Some("X100"));
        assert_eq!(called(Some(" "), None), None);
    }

    #[test]
    fn a_name_is_counted_as_a_search_for_it_finds_photos() {
        let counted =
            [("Apple", 1), ("Apple iPhone 12", 7), ("Canon EOS R6", 2), ("Canon EOS R6 Mark II", 3)];
        let counted: HashMap<String, u64> = counted.map(|(name, count)| (name.to_owned(), count)).into();
        let found = as_found(&counted);
        assert_eq!(
            ["Apple", "Apple iPhone 12", "Canon EOS R6", "Canon EOS R6 Mark II"].map(|name| found[name]),
            [8, 7, 5, 3]
        );
    }

    #[test]
    fn names_fit_by_each_of_their_words_the_commonest_first() {
        let places = [("New York", 2), ("York", 9), ("Paris", 30)];
        let places = places.map(|(name, assets)| (name.to_owned(), assets)).into();
        let offers = Offers { places: commonest(places, true), ..Offers::default() };
        let texts = |begun| -> Vec<String> {
            offers.choices("place", begun).unwrap().into_iter().map(|choice| choice.text).collect()
        };
        assert_eq!(texts(""), ["place:Paris", "place:York", "place:\"New York\""]);
        assert_eq!(texts("yo"), ["place:York", "place:\"New York\""]);
        assert_eq!(texts("PA"), ["place:Paris"]);
        assert!(offers.choices("rating", "").is_none());
    }
}
