//! Writes what is known of a photo as an XMP sidecar that other programs read.
//!
//! Only properties with a published schema are used where one exists (Dublin Core, XMP basic, EXIF for
//! XMP, Lightroom's hierarchical keywords, MWG collections for albums); what no schema has goes
//! under our own namespace, so that nothing a person typed is left behind.
//! Source: Adobe XMP specification parts 1 and 2; MWG Guidelines 2.0.

use std::fmt::Write as _;

/// What a sidecar says. Texts are plain; dates are as they would be read aloud where the photo was taken.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Described {
    pub(crate) title: Option<String>,
    pub(crate) caption: Option<String>,
    pub(crate) tags: Vec<String>,
    /// −1 (rejected) to 5.
    pub(crate) rating: Option<i8>,
    /// Local date and time, with its offset where known: `2023-05-14T10:11:12+02:00`.
    pub(crate) taken: Option<String>,
    /// Degrees north and east.
    pub(crate) position: Option<(f64, f64)>,
    /// Metres above the sea.
    pub(crate) altitude_metres: Option<f64>,
    pub(crate) city: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) country: Option<String>,
    pub(crate) albums: Vec<String>,
    pub(crate) favourite: bool,
    pub(crate) hidden: bool,
    /// Degrees clockwise on top of the file's own orientation.
    pub(crate) rotate: u16,
    /// SHA-256 of the original, in hexadecimal.
    pub(crate) content: String,
}

/// Writes the sidecar.
pub(crate) fn write(described: &Described) -> String {
    let mut xml = String::from(concat!(
        "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n",
        "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\" x:xmptk=\"Safelight\">\n",
        " <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n",
        "  <rdf:Description rdf:about=\"\"\n",
        "    xmlns:dc=\"http://purl.org/dc/elements/1.1/\"\n",
        "    xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\"\n",
        "    xmlns:exif=\"http://ns.adobe.com/exif/1.0/\"\n",
        "    xmlns:photoshop=\"http://ns.adobe.com/photoshop/1.0/\"\n",
        "    xmlns:lr=\"http://ns.adobe.com/lightroom/1.0/\"\n",
        "    xmlns:mwg-coll=\"http://www.metadataworkinggroup.com/schemas/collections/\"\n",
        "    xmlns:safelight=\"https://safelight.photos/ns/1.0/\">\n",
    ));
    language_alternative(&mut xml, "dc:title", described.title.as_deref());
    language_alternative(&mut xml, "dc:description", described.caption.as_deref());
    let plain: Vec<&str> = described.tags.iter().map(|tag| tag.rsplit('/').next().unwrap_or(tag)).collect();
    bag(&mut xml, "dc:subject", &plain);
    let hierarchical: Vec<String> =
        described.tags.iter().filter(|tag| tag.contains('/')).map(|tag| tag.replace('/', "|")).collect();
    bag(&mut xml, "lr:hierarchicalSubject", &hierarchical.iter().map(String::as_str).collect::<Vec<_>>());
    simple(&mut xml, "xmp:Rating", described.rating.map(|rating| rating.to_string()).as_deref());
    simple(&mut xml, "exif:DateTimeOriginal", described.taken.as_deref());
    simple(&mut xml, "photoshop:DateCreated", described.taken.as_deref());
    if let Some((latitude, longitude)) = described.position {
        simple(&mut xml, "exif:GPSLatitude", Some(&coordinate(latitude, 'N', 'S')));
        simple(&mut xml, "exif:GPSLongitude", Some(&coordinate(longitude, 'E', 'W')));
    }
    if let Some(altitude) = described.altitude_metres {
        simple(&mut xml, "exif:GPSAltitude", Some(&format!("{}/1000", (altitude.abs() * 1000.0).round())));
        simple(&mut xml, "exif:GPSAltitudeRef", Some(if altitude < 0.0 { "1" } else { "0" }));
    }
    simple(&mut xml, "photoshop:City", described.city.as_deref());
    simple(&mut xml, "photoshop:State", described.region.as_deref());
    simple(&mut xml, "photoshop:Country", described.country.as_deref());
    albums(&mut xml, &described.albums);
    simple(&mut xml, "safelight:Favourite", described.favourite.then_some("True"));
    simple(&mut xml, "safelight:Hidden", described.hidden.then_some("True"));
    let rotate = (described.rotate != 0).then(|| described.rotate.to_string());
    simple(&mut xml, "safelight:Rotate", rotate.as_deref());
    simple(&mut xml, "safelight:OriginalSHA256", Some(&described.content));
    xml.push_str("  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end=\"w\"?>\n");
    xml
}

/// Text with the five special characters escaped and those that XML cannot carry left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' => out.push(character),
            '\r' => out.push_str("&#13;"),
            '\u{fffe}' | '\u{ffff}' => {}
            other if other.is_control() && other < ' ' => {}
            other => out.push(other),
        }
    }
    out
}

fn simple(xml: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        push(xml, format_args!("   <{name}>{}</{name}>\n", escaped(value)));
    }
}

fn language_alternative(xml: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        let value = escaped(value);
        push(
            xml,
            format_args!(
                "   <{name}><rdf:Alt><rdf:li xml:lang=\"x-default\">{value}</rdf:li></rdf:Alt></{name}>\n"
            ),
        );
    }
}

fn bag(xml: &mut String, name: &str, values: &[&str]) {
    if values.is_empty() {
        return;
    }
    push(xml, format_args!("   <{name}><rdf:Bag>"));
    for value in values {
        push(xml, format_args!("<rdf:li>{}</rdf:li>", escaped(value)));
    }
    push(xml, format_args!("</rdf:Bag></{name}>\n"));
}

fn albums(xml: &mut String, albums: &[String]) {
    if albums.is_empty() {
        return;
    }
    xml.push_str("   <mwg-coll:Collections><rdf:Bag>");
    for album in albums {
        push(
            xml,
            format_args!(
                "<rdf:li rdf:parseType=\"Resource\"><mwg-coll:CollectionName>{}</mwg-coll:CollectionName></rdf:li>",
                escaped(album)
            ),
        );
    }
    xml.push_str("</rdf:Bag></mwg-coll:Collections>\n");
}

fn push(xml: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _always_written = xml.write_fmt(text);
}

/// `48,51.3960000N`: degrees and decimal minutes, as EXIF for XMP writes them.
fn coordinate(degrees: f64, positive: char, negative: char) -> String {
    let side = if degrees < 0.0 { negative } else { positive };
    let whole = degrees.abs().trunc();
    let minutes = (degrees.abs() - whole) * 60.0;
    format!("{whole},{minutes:.7}{side}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sidecar_escapes_what_a_person_typed() {
        let described = Described {
            caption: Some("Tom & \"Jerry\" <3\u{0}".into()),
            tags: vec!["places/Paris".into()],
            ..Described::default()
        };
        let xml = write(&described);
        assert!(xml.contains("Tom &amp; &quot;Jerry&quot; &lt;3"));
        assert!(xml.contains("<rdf:li>Paris</rdf:li>"));
        assert!(xml.contains("<rdf:li>places|Paris</rdf:li>"));
        assert!(!xml.contains('\u{0}'));
    }

    #[test]
    fn a_position_is_degrees_and_decimal_minutes() {
        assert_eq!(coordinate(-33.5, 'N', 'S'), "33,30.0000000S");
        assert_eq!(coordinate(2.35, 'E', 'W'), "2,21.0000000E");
    }
}
