//! `safelight remote privacy`: what whoever keeps a remote can see there.

use safelight_library::{RemotePrivacy, SeenSort};

use super::plain_place::{Known, copies_known_here};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{counted, grouped, printable_text, size};

pub(super) fn run(context: &Context, name: Option<&str>) -> Result<(), Failure> {
    let library = context.open_library_to_read()?;
    let seen = library.remote_privacy(name);
    library.close()?;
    let seen = seen?;
    if context.output.json() {
        return Ok(context.output.print_json(&seen)?);
    }
    for place in &seen {
        for line in lines(place) {
            context.output.data(&line)?;
        }
    }
    let copies = if name.is_none() { copies_known_here(context) } else { Vec::new() };
    if seen.is_empty() && copies.is_empty() {
        context.output.talk("No remote is connected: nobody else sees anything.");
    }
    for copy in &copies {
        context.output.red_data(&plain_line(copy))?;
    }
    Ok(())
}

/// A plain copy is no part of the library, and hides nothing.
fn plain_line(copy: &Known) -> String {
    let files = counted(copy.files, "file", "files");
    format!(
        "plain copy  {}  {files}, NOT ENCRYPTED: whoever keeps it can read all of it",
        printable_text(&copy.place)
    )
}

fn lines(place: &RemotePrivacy) -> Vec<String> {
    let mut lines = vec![format!("{}  {}", printable_text(&place.remote), printable_text(&place.address))];
    if place.objects == 0 {
        lines.push("  nothing rests there".to_owned());
        return lines;
    }
    let objects = counted(place.objects, "sealed object", "sealed objects");
    let objects = if place.is_whole { objects } else { format!("at least {objects}") };
    lines.push(format!(
        "  {objects}, {}: their names, which mean nothing, their sizes and times",
        size(place.bytes)
    ));
    lines
        .push(format!("  about how many photos and videos there are: {} whole there", rest_originals(place)));
    lines.extend(place.sorts.iter().map(sort_line));
    if place.leaving_objects > 0 {
        lines.push(format!(
            "  {} of these, {}, {} dropped and {} until collected, 30 days at least",
            grouped(place.leaving_objects),
            size(place.leaving_bytes),
            if place.leaving_objects == 1 { "was" } else { "were" },
            if place.leaving_objects == 1 { "lies there" } else { "lie there" },
        ));
    }
    for device in &place.devices {
        let segments = counted(device.segments, "segment", "segments");
        let own = if device.own { ", this one" } else { "" };
        lines.push(format!("  device {}: {segments} of history{own}", device.device));
    }
    if !place.also_in.is_empty() {
        let others = printable_text(&place.also_in.join(", "));
        lines.push(format!("  by the names of objects: that the same library rests in {others}"));
    }
    lines.push(
        "  by sizes and times: which are Live Photos or RAW with JPEG, about how long a video is, what is deleted, when a \
         device is let in or shut out, that two devices have one photo"
            .to_owned(),
    );
    lines.push(
        "  never: a picture, a name, a date, a place, a caption, an album, a tag, or which photos are whose"
            .to_owned(),
    );
    lines
}

fn rest_originals(place: &RemotePrivacy) -> String {
    let rest = if place.originals == 1 { "rests" } else { "rest" };
    format!("{} {rest}", counted(place.originals, "original", "originals"))
}

/// `       96  originals and parts of originals (o/), 135 MB`
fn sort_line(sort: &SeenSort) -> String {
    let what = match sort.sort {
        "originals" => "originals, the large ones in parts",
        "small-originals" => "packs of small originals",
        "previews" => "packs of previews",
        "thumbnails" => "packs of thumbnails",
        "history" => "segments of history",
        "heads" => "heads: how far the history of each device goes",
        "checkpoints" => "checkpoints",
        "checkpoint-pages" => "pages of checkpoints",
        "keys" => "files of wrapped keys",
        "cards" => "cards by which the recovery words find the library",
        _ => "id of the place",
    };
    let least = |is_least: bool| if is_least { "at least " } else { "" };
    let count = format!("{}{}", least(sort.is_least), grouped(sort.objects));
    format!("  {count:>9}  {what} ({}/), {}{}", sort.folder, least(!sort.is_whole), size(sort.bytes))
}
