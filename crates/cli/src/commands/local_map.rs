//! `safelight local map`: the user's own map, which the gallery draws beneath the photos.

use std::path::PathBuf;

use clap::Args;
use safelight_library::{MapTiles, TileKind};

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{printable, printable_text, size};

/// Which map.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A PMTiles file of version 3, of vector tiles or of pictures
    #[arg(conflicts_with = "none")]
    file: Option<PathBuf>,
    /// Show none any more; the file stays
    #[arg(long)]
    none: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.file.is_none() && !arguments.none {
        let library = context.open_library_to_read()?;
        let tiles = library.map_tiles()?;
        library.close()?;
        return tell(context, tiles.as_ref());
    }
    context.refuse_dry_run("local map FILE", "safelight local map says which map is shown now")?;
    let mut library = context.open_library()?;
    let set = library.set_map_tiles(arguments.file.as_deref());
    library.close()?;
    tell(context, set?.as_ref())
}

fn tell(context: &Context, tiles: Option<&MapTiles>) -> Result<(), Failure> {
    if context.output.json() {
        return Ok(context.output.print_json(&serde_json::json!({ "tiles": tiles }))?);
    }
    let Some(tiles) = tiles else {
        context.output.talk("No map of your own is shown; safelight local map FILE shows one.");
        return Ok(());
    };
    for (name, value) in lines(tiles) {
        context.output.data(&format!("{name:>12}  {value}"))?;
    }
    if tiles.missing {
        context.output.warn("it cannot be read just now: connect the disk that it is on");
    }
    Ok(())
}

fn lines(tiles: &MapTiles) -> Vec<(&'static str, String)> {
    let kind = match tiles.kind {
        TileKind::Vector => "vector tiles",
        TileKind::Raster => "pictures",
    };
    let [west, south, east, north] = tiles.bounds;
    let mut lines = vec![
        ("map", printable(tiles.path.as_ref())),
        ("size", size(tiles.bytes)),
        ("tiles", format!("{kind}, zoom {} to {}", tiles.min_zoom, tiles.max_zoom)),
        ("shows", format!("{west:.2} to {east:.2} east, {south:.2} to {north:.2} north")),
    ];
    lines.extend(tiles.attribution.as_ref().map(|text| ("made by", printable_text(text))));
    lines
}
