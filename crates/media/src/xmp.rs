//! Reads XMP packets, wherever they stand, and XMP sidecars.
//!
//! Invariant: only top-level properties count (an ingredient's history inside the packet describes
//! another picture); names are compared by namespace, so unusual prefixes do not hide them; broken XML
//! yields what stood before the break. (XMP part 1, ISO 16684-1; Google's motion photo format 1.0.)

use std::borrow::Cow;

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use crate::dates;
use crate::error::MediaError;
use crate::facts::{DateSource, GpsSource, Sidecar};
use crate::settle::{self, Finds};

/// Longer packets are cut: even face regions and edit histories stay below.
pub(crate) const MOST_BYTES: usize = 8 << 20;
const MOST_EVENTS: usize = 100_000;
const MOST_PROPERTIES: usize = 5_000;
const MOST_DEPTH: usize = 64;
const MOST_VALUE_BYTES: usize = 64 << 10;

/// Namespaces that matter, with the prefixes that this module calls them by.
const NAMESPACES: [(&str, &str); 19] = [
    ("http://www.w3.org/1999/02/22-rdf-syntax-ns#", "rdf"),
    ("adobe:ns:meta/", "x"),
    ("http://purl.org/dc/elements/1.1/", "dc"),
    ("http://ns.adobe.com/xap/1.0/", "xmp"),
    ("http://ns.adobe.com/tiff/1.0/", "tiff"),
    ("http://ns.adobe.com/exif/1.0/", "exif"),
    ("http://cipa.jp/exif/1.0/", "exifEX"),
    ("http://ns.adobe.com/exif/1.0/aux/", "aux"),
    ("http://ns.adobe.com/photoshop/1.0/", "photoshop"),
    ("http://ns.adobe.com/lightroom/1.0/", "lr"),
    ("http://ns.adobe.com/camera-raw-settings/1.0/", "crs"),
    ("http://ns.adobe.com/xmp/note/", "xmpNote"),
    ("http://www.digikam.org/ns/1.0/", "digiKam"),
    ("http://ns.microsoft.com/photo/1.0/", "MicrosoftPhoto"),
    ("http://ns.microsoft.com/photo/1.0", "MicrosoftPhoto"),
    ("http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/", "iptc"),
    ("http://ns.google.com/photos/1.0/camera/", "GCamera"),
    ("http://ns.google.com/photos/1.0/container/", "Container"),
    ("http://ns.google.com/photos/1.0/container/item/", "Item"),
];

/// What XMP claims about an embedded video.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MotionClaim {
    /// `GCamera:MicroVideoOffset`: bytes from the video's start to the end of the file.
    pub(crate) micro_video_bytes: Option<u64>,
    /// Bytes from the video's start to the end of the file, by `Container:Directory`.
    pub(crate) container_bytes: Option<u64>,
    /// The video's own length, by `Container:Directory`.
    pub(crate) container_length: Option<u64>,
    /// The moment of the still.
    pub(crate) presentation_micros: Option<i64>,
    /// Whether it says that this is a motion photo at all.
    pub(crate) claimed: bool,
}

/// A packet's top-level properties in order, with `prefix:name` as in [`NAMESPACES`].
#[derive(Debug, Default)]
pub(crate) struct Packet {
    properties: Vec<(String, String)>,
    items: Vec<Item>,
}

/// An item of a `Container:Directory`.
#[derive(Debug, Default)]
struct Item {
    semantic: String,
    mime: String,
    length: u64,
    padding: u64,
}

impl Packet {
    /// Reads a packet; what cannot be understood is missing.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = decode(bytes.get(..MOST_BYTES.min(bytes.len())).unwrap_or_default());
        let mut walk = Walk::default();
        let mut reader = Reader::from_str(text.trim_end_matches('\0'));
        let config = reader.config_mut();
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        config.allow_dangling_amp = true;
        for _ in 0..MOST_EVENTS {
            match reader.read_event() {
                Ok(Event::Start(start)) => walk.open(&start),
                Ok(Event::Empty(start)) => {
                    walk.open(&start);
                    walk.close();
                }
                Ok(Event::End(_)) => walk.close(),
                Ok(Event::Text(text)) => walk.text(&text.into_inner()),
                Ok(Event::CData(data)) => walk.text(&data.into_inner()),
                Ok(Event::GeneralRef(reference)) => {
                    let letter = reference.resolve_char_ref().ok().flatten();
                    let named =
                        || quick_xml::escape::resolve_predefined_entity(&reference).map(str::to_owned);
                    walk.text(&letter.map(String::from).or_else(named).unwrap_or_default());
                }
                Ok(Event::Eof) | Err(_) => break,
                Ok(_) => {}
            }
        }
        walk.packet
    }

    /// Whether nothing at all was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.properties.is_empty() && self.items.is_empty()
    }

    /// The first value of a property.
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        self.properties.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn first_of(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.first(name))
    }

    fn number(&self, name: &str) -> Option<f64> {
        fraction(self.first(name)?)
    }

    /// Hands everything over that is understood.
    pub(crate) fn apply(&self, finds: &mut Finds) {
        self.apply_words(finds);
        for name in ["exif:DateTimeOriginal", "photoshop:DateCreated"] {
            finds.written(self.first(name).and_then(dates::parse), DateSource::XmpOriginal);
        }
        for name in ["xmp:CreateDate", "exif:DateTimeDigitized"] {
            finds.written(self.first(name).and_then(dates::parse), DateSource::XmpCreate);
        }
        let coordinate = |name: &str| self.first(name).and_then(coordinate);
        if let (Some(latitude), Some(longitude)) =
            (coordinate("exif:GPSLatitude"), coordinate("exif:GPSLongitude"))
        {
            let below = self.first("exif:GPSAltitudeRef") == Some("1");
            let altitude =
                self.number("exif:GPSAltitude").map(|metres| if below { -metres.abs() } else { metres });
            finds.position(latitude, longitude, altitude, GpsSource::Xmp);
        }
        settle::offer(&mut finds.probe.burst_id, self.first("GCamera:BurstID"));
        let probe = &mut finds.xmp;
        settle::offer(&mut probe.make, self.first("tiff:Make"));
        settle::offer(&mut probe.model, self.first("tiff:Model"));
        settle::offer(&mut probe.lens, self.first_of(&["exifEX:LensModel", "aux:Lens"]));
        settle::offer(&mut probe.software, self.first("xmp:CreatorTool"));
        let positive = |name: &str| self.number(name).filter(|value| *value > 0.0);
        probe.exposure_seconds = probe.exposure_seconds.or_else(|| positive("exif:ExposureTime"));
        probe.aperture = probe.aperture.or_else(|| positive("exif:FNumber"));
        probe.focal_millimetres = probe.focal_millimetres.or_else(|| positive("exif:FocalLength"));
        let iso = self.first_of(&["exif:ISOSpeedRatings", "exifEX:PhotographicSensitivity"]);
        probe.iso = probe.iso.or_else(|| iso?.parse().ok().filter(|iso| *iso > 0));
        if finds.xmp_orientation.is_none() {
            let value = self.first("tiff:Orientation").and_then(|value| value.trim().parse().ok());
            finds.xmp_orientation = value.filter(|value| (1..=8).contains(value));
        }
        self.apply_motion(finds);
    }

    fn apply_words(&self, finds: &mut Finds) {
        let words = &mut finds.probe.words;
        if let Some(rating) = self.number("xmp:Rating") {
            settle::rating(words, rating);
        }
        settle::offer(&mut words.label, self.first_of(&["xmp:Label", "photoshop:Urgency"]));
        settle::offer(&mut words.title, self.first_of(&["dc:title", "photoshop:Headline"]));
        // XMP is what people edit; the EXIF text is often the camera's own ("OLYMPUS DIGITAL CAMERA").
        if let Some(description) =
            self.first_of(&["dc:description", "exif:UserComment"]).and_then(settle::text)
        {
            words.description = Some(description);
        }
        settle::offer(&mut words.creator, self.first("dc:creator"));
        settle::offer(&mut words.city, self.first("photoshop:City"));
        settle::offer(&mut words.region, self.first("photoshop:State"));
        settle::offer(&mut words.country, self.first("photoshop:Country"));
        for word in self.all("dc:subject").chain(self.all("MicrosoftPhoto:LastKeywordXMP")) {
            settle::keyword(&mut words.keywords, word);
        }
        for path in self.all("lr:hierarchicalSubject") {
            settle::keyword(&mut words.hierarchical, path);
        }
        for path in self.all("digiKam:TagsList") {
            settle::keyword(&mut words.hierarchical, &path.replace('/', "|"));
        }
    }

    fn apply_motion(&self, finds: &mut Finds) {
        let claim = &mut finds.motion_claim;
        let whole = |name: &str| self.first(name).and_then(|value| value.trim().parse::<i64>().ok());
        if whole("GCamera:MicroVideo") == Some(1) {
            claim.claimed = true;
            let offset = whole("GCamera:MicroVideoOffset").and_then(|offset| u64::try_from(offset).ok());
            claim.micro_video_bytes = claim.micro_video_bytes.or(offset);
        }
        claim.claimed |= whole("GCamera:MotionPhoto") == Some(1);
        let moment = whole("GCamera:MotionPhotoPresentationTimestampUs")
            .or_else(|| whole("GCamera:MicroVideoPresentationTimestampUs"));
        claim.presentation_micros = claim.presentation_micros.or(moment.filter(|micros| *micros >= 0));
        let video = self
            .items
            .iter()
            .position(|item| item.semantic == "MotionPhoto" || item.mime.starts_with("video/"));
        if let Some(video) = video {
            let from_here = self.items.get(video..).unwrap_or_default();
            let bytes = from_here.iter().map(|item| item.length.saturating_add(item.padding));
            claim.container_bytes = Some(bytes.fold(0, u64::saturating_add));
            claim.container_length = from_here.first().map(|item| item.length);
        }
    }
}

/// Reads a sidecar (`IMG_0001.xmp`, `IMG_0001.JPG.xmp`).
///
/// # Errors
/// [`MediaError::Sidecar`] when the bytes hold no XMP property at all.
pub fn sidecar(bytes: &[u8]) -> Result<Sidecar, MediaError> {
    if bytes.len() > MOST_BYTES {
        return Err(MediaError::Sidecar { reason: format!("longer than {MOST_BYTES} bytes") });
    }
    let packet = Packet::parse(bytes);
    if packet.is_empty() {
        return Err(MediaError::Sidecar { reason: "no property found".into() });
    }
    let mut finds = Finds::default();
    packet.apply(&mut finds);
    let orientation = finds.xmp_orientation;
    let probe = finds.finish();
    Ok(Sidecar {
        words: probe.words,
        taken: probe.taken.map(|taken| crate::facts::Taken { source: DateSource::Sidecar, ..taken }),
        gps: probe.gps.map(|gps| crate::facts::Gps { source: GpsSource::Sidecar, ..gps }),
        orientation,
        raw_file_name: packet.first("crs:RawFileName").and_then(settle::text),
    })
}

/// UTF-8 as it should be, UTF-16 as it may be, Latin-1 as it is at times.
fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let wide = |big: bool| {
        let units: Vec<u16> = bytes
            .chunks_exact(2)
            .map(|pair| {
                if big {
                    u16::from_be_bytes([pair[0], pair[1]])
                } else {
                    u16::from_le_bytes([pair[0], pair[1]])
                }
            })
            .collect();
        Cow::Owned(String::from_utf16_lossy(&units).trim_start_matches('\u{feff}').to_owned())
    };
    match bytes {
        [0xfe, 0xff, ..] | [0, b'<', ..] => wide(true),
        [0xff, 0xfe, ..] | [b'<', 0, ..] => wide(false),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text.trim_start_matches('\u{feff}')),
            Err(_) => Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()),
        },
    }
}

/// `1/125` or `0.008`.
fn fraction(text: &str) -> Option<f64> {
    let text = text.trim();
    let value = match text.split_once('/') {
        Some((top, bottom)) => top.trim().parse::<f64>().ok()? / bottom.trim().parse::<f64>().ok()?,
        None => text.parse().ok()?,
    };
    value.is_finite().then_some(value)
}

/// `48,51.5N`, `48,51,30N`, or plain degrees.
fn coordinate(text: &str) -> Option<f64> {
    let text = text.trim();
    let (number, sign) = match text.chars().last()?.to_ascii_uppercase() {
        'N' | 'E' => (text.get(..text.len() - 1)?, 1.0),
        'S' | 'W' => (text.get(..text.len() - 1)?, -1.0),
        _ => (text, 1.0),
    };
    let mut value = 0.0;
    let mut unit = 1.0;
    for part in number.split(',').take(3) {
        value += fraction(part)? / unit;
        unit *= 60.0;
    }
    Some(value * sign)
}

/// A walk through the elements, flattening RDF.
#[derive(Default)]
struct Walk {
    packet: Packet,
    namespaces: Vec<(String, &'static str)>,
    stack: Vec<String>,
    /// How deep in elements beyond [`MOST_DEPTH`].
    beyond: usize,
    text: String,
}

impl Walk {
    fn open(&mut self, start: &BytesStart<'_>) {
        self.flush();
        if self.stack.len() >= MOST_DEPTH {
            self.beyond += 1;
            return;
        }
        let attributes: Vec<(String, String)> = start
            .attributes()
            .with_checks(false)
            .flatten()
            .take(512)
            .map(|attribute| (attribute.key.0.to_owned(), unescape(&attribute.value)))
            .collect();
        for (key, value) in &attributes {
            if let Some(prefix) = key.strip_prefix("xmlns:")
                && let Some((_, canonical)) = NAMESPACES.iter().find(|(uri, _)| uri == value)
            {
                self.namespaces.retain(|(known, _)| known != prefix);
                self.namespaces.push((prefix.to_owned(), canonical));
            }
        }
        let name = self.canonical(start.name().0);
        self.stack.push(name);
        let first = self.named().next();
        let in_container = first == Some("Container:Directory");
        let top_level = first.is_none();
        let last = self.stack.last().map_or("", String::as_str);
        let new_item = in_container && (last == "Container:Item" || last == "rdf:li");
        if new_item && self.packet.items.len() < 64 {
            self.packet.items.push(Item::default());
        }
        for (key, value) in attributes {
            let key = self.canonical(&key);
            if key.starts_with("xmlns")
                || key.starts_with("xml:")
                || key.starts_with("rdf:")
                || key.starts_with("x:")
            {
                continue;
            }
            if in_container {
                self.item(&key, &value);
            } else if top_level {
                self.property(key, value);
            }
        }
    }

    fn close(&mut self) {
        self.flush();
        if self.beyond > 0 {
            self.beyond -= 1;
        } else {
            self.stack.pop();
        }
    }

    fn text(&mut self, text: &str) {
        if self.beyond == 0 && self.text.len() + text.len() <= MOST_VALUE_BYTES {
            self.text.push_str(text);
        }
    }

    /// Ends the text of an element, and files it under the property that the element belongs to.
    fn flush(&mut self) {
        let text = std::mem::take(&mut self.text);
        let value = text.trim();
        if value.is_empty() {
            return;
        }
        let mut names = self.named().map(str::to_owned);
        let (first, last) = (names.next(), names.next_back());
        drop(names);
        match (first, last) {
            (Some(only), None) => self.property(only, value.to_owned()),
            (Some(first), Some(last)) if first == "Container:Directory" => self.item(&last, value),
            _ => {}
        }
    }

    fn property(&mut self, name: String, value: String) {
        if self.packet.properties.len() < MOST_PROPERTIES && value.len() <= MOST_VALUE_BYTES {
            self.packet.properties.push((name, value));
        }
    }

    fn item(&mut self, key: &str, value: &str) {
        // An old form has one directory entry per item with the same names.
        let Some(item) = self.packet.items.last_mut() else { return };
        match key.rsplit(':').next().unwrap_or_default() {
            "Semantic" => value.clone_into(&mut item.semantic),
            "Mime" => value.clone_into(&mut item.mime),
            "Length" => item.length = value.trim().parse().unwrap_or(0),
            "Padding" => item.padding = value.trim().parse().unwrap_or(0),
            _ => {}
        }
    }

    /// The elements on the way here that are properties, outermost first.
    fn named(&self) -> impl DoubleEndedIterator<Item = &str> {
        let frame = |name: &str| name.starts_with("rdf:") || name.starts_with("x:") || name == "xmpmeta";
        self.stack.iter().map(String::as_str).filter(move |name| !frame(name))
    }

    fn canonical(&self, name: &str) -> String {
        let Some((prefix, local)) = name.split_once(':') else { return name.to_owned() };
        match self.namespaces.iter().find(|(known, _)| known == prefix) {
            Some((_, canonical)) => format!("{canonical}:{local}"),
            None => name.to_owned(),
        }
    }
}

fn unescape(value: &str) -> String {
    quick_xml::escape::unescape(value).map_or_else(|_| value.to_owned(), Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: &str = r#"<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:basic="http://ns.adobe.com/xap/1.0/" basic:Rating="4" basic:Label="Red"
  xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
  xmlns:lr="http://ns.adobe.com/lightroom/1.0/" exif:GPSLatitude="48,51.5N" exif:GPSLongitude="2,21,7W"
  exif:DateTimeOriginal="2023-05-14T10:11:12+02:00">
 <dc:title><rdf:Alt><rdf:li xml:lang="x-default">Fish &amp; chips &#233;t&#xe9;</rdf:li></rdf:Alt></dc:title>
 <dc:subject><rdf:Bag><rdf:li>sea</rdf:li><rdf:li>food</rdf:li><rdf:li>sea</rdf:li></rdf:Bag></dc:subject>
 <lr:hierarchicalSubject><rdf:Bag><rdf:li>Places|Brighton</rdf:li></rdf:Bag></lr:hierarchicalSubject>
 <dc:description>A <![CDATA[<plate>]]></dc:description>
 <xmpMM:Pantry xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"><rdf:Bag><rdf:li><rdf:Description>
   <basic:CreateDate>1999-01-01</basic:CreateDate></rdf:Description></rdf:li></rdf:Bag></xmpMM:Pantry>
</rdf:Description></rdf:RDF></x:xmpmeta>"#;

    #[test]
    fn words_date_and_place_come_out_of_a_sidecar() {
        let sidecar = sidecar(PACKET.as_bytes()).unwrap();
        assert_eq!(sidecar.words.rating, Some(4));
        assert_eq!(sidecar.words.label.as_deref(), Some("Red"));
        assert_eq!(sidecar.words.title.as_deref(), Some("Fish & chips été"));
        assert_eq!(sidecar.words.description.as_deref(), Some("A <plate>"));
        assert_eq!(sidecar.words.keywords, ["sea", "food"]);
        assert_eq!(sidecar.words.hierarchical, ["Places|Brighton"]);
        let taken = sidecar.taken.unwrap();
        assert_eq!(
            (taken.local.to_string().as_str(), taken.offset_minutes),
            ("2023-05-14T10:11:12", Some(120))
        );
        assert_eq!(taken.source, DateSource::Sidecar);
        let gps = sidecar.gps.unwrap();
        assert!((gps.latitude - 48.858_333).abs() < 1e-5 && (gps.longitude + 2.351_944).abs() < 1e-5);
    }

    #[test]
    fn dates_of_ingredients_are_not_dates_of_the_photo() {
        let mut finds = Finds::default();
        Packet::parse(PACKET.as_bytes()).apply(&mut finds);
        assert!(finds.probe.dates.iter().all(|taken| taken.local.year() == 2023));
    }

    #[test]
    fn utf16_latin1_and_cut_packets_are_read() {
        let wide: Vec<u8> =
            std::iter::once(0xfeffu16).chain(PACKET.encode_utf16()).flat_map(u16::to_be_bytes).collect();
        assert_eq!(sidecar(&wide).unwrap().words.rating, Some(4));
        let latin: Vec<u8> =
            PACKET.replace("&#233;", "\u{e9}").chars().map(|c| u8::try_from(c).unwrap()).collect();
        assert_eq!(sidecar(&latin).unwrap().words.title.as_deref(), Some("Fish & chips été"));
        let cut = PACKET.as_bytes().get(..700).unwrap();
        assert_eq!(sidecar(cut).unwrap().words.rating, Some(4));
        assert!(sidecar(b"not xml at all").is_err());
    }

    #[test]
    fn a_container_directory_tells_where_the_video_is() {
        let packet = r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:Camera="http://ns.google.com/photos/1.0/camera/" xmlns:Container="http://ns.google.com/photos/1.0/container/"
 xmlns:Item="http://ns.google.com/photos/1.0/container/item/" Camera:MotionPhoto="1" Camera:BurstID="b-1" Camera:MotionPhotoPresentationTimestampUs="1500">
<Container:Directory><rdf:Seq>
<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="image/jpeg" Item:Semantic="Primary" Item:Length="0" Item:Padding="0"/></rdf:li>
<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="video/mp4" Item:Semantic="MotionPhoto" Item:Length="4096" Item:Padding="8"/></rdf:li>
</rdf:Seq></Container:Directory></rdf:Description></rdf:RDF></x:xmpmeta>"#;
        let mut finds = Finds::default();
        Packet::parse(packet.as_bytes()).apply(&mut finds);
        assert_eq!(finds.probe.burst_id.as_deref(), Some("b-1"));
        let claim = finds.motion_claim;
        assert!(claim.claimed);
        assert_eq!((claim.container_length, claim.container_bytes), (Some(4096), Some(4104)));
        assert_eq!(claim.presentation_micros, Some(1500));
    }
}
