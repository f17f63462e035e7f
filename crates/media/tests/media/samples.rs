//! Builds small files of every format, byte by byte, so that the readers' tests own their samples.
//!
//! Pictures are headers only: a probe never reads pixels.

/// The day that all samples were taken, and where.
pub(crate) const TAKEN: &str = "2023-05-14T10:11:12.345";
pub(crate) const LATITUDE: f64 = 48.858_333;
pub(crate) const LONGITUDE: f64 = -2.294_444;

/// One entry of a TIFF directory.
pub(crate) enum Value {
    Text(&'static str),
    Short(u16),
    Long(u32),
    Ratios(Vec<(u32, u32)>),
    Bytes(Vec<u8>),
    /// A directory of its own, by offset.
    Directory(Vec<(u16, Self)>),
    /// Bytes elsewhere in the file: the entry holds their offset.
    Block(Vec<u8>),
}

/// A TIFF structure in either byte order, directories one after another.
pub(crate) struct TiffBuilder {
    pub(crate) big: bool,
    pub(crate) magic: [u8; 2],
}

impl TiffBuilder {
    pub(crate) fn little() -> Self {
        Self { big: false, magic: [42, 0] }
    }

    pub(crate) fn big() -> Self {
        Self { big: true, magic: [0, 42] }
    }

    fn u16(&self, value: u16) -> [u8; 2] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn u32(&self, value: u32) -> [u8; 4] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    pub(crate) fn build(&self, chain: Vec<Vec<(u16, Value)>>) -> Vec<u8> {
        let mut out = if self.big { b"MM".to_vec() } else { b"II".to_vec() };
        out.extend(self.magic);
        out.extend(self.u32(8));
        let mut link = 4;
        for directory in chain {
            let start = u32::try_from(out.len()).unwrap();
            let patch = self.u32(start);
            out[link..link + 4].copy_from_slice(&patch);
            link = self.directory(&mut out, directory);
        }
        out
    }

    /// Appends a directory; returns where its link to the next one is.
    fn directory(&self, out: &mut Vec<u8>, entries: Vec<(u16, Value)>) -> usize {
        let start = out.len();
        out.extend(self.u16(u16::try_from(entries.len()).unwrap()));
        out.resize(start + 2 + entries.len() * 12 + 4, 0);
        let link = out.len() - 4;
        for (index, (tag, value)) in entries.into_iter().enumerate() {
            let (kind, count, bytes): (u16, usize, Vec<u8>) = match value {
                Value::Text(text) => (2, text.len() + 1, [text.as_bytes(), b"\0"].concat()),
                Value::Short(number) => (3, 1, self.u16(number).to_vec()),
                Value::Long(number) => (4, 1, self.u32(number).to_vec()),
                Value::Ratios(ratios) => {
                    let bytes =
                        ratios.iter().flat_map(|(a, b)| [self.u32(*a), self.u32(*b)]).flatten().collect();
                    (5, ratios.len(), bytes)
                }
                Value::Bytes(bytes) => (7, bytes.len(), bytes),
                Value::Directory(inner) => {
                    let at = u32::try_from(out.len()).unwrap();
                    self.directory(out, inner);
                    (4, 1, self.u32(at).to_vec())
                }
                Value::Block(bytes) => {
                    let at = u32::try_from(out.len()).unwrap();
                    out.extend(bytes);
                    (4, 1, self.u32(at).to_vec())
                }
            };
            let entry = start + 2 + index * 12;
            let head =
                [&self.u16(tag)[..], &self.u16(kind)[..], &self.u32(u32::try_from(count).unwrap())[..]]
                    .concat();
            out[entry..entry + 8].copy_from_slice(&head);
            if bytes.len() <= 4 {
                out[entry + 8..entry + 8 + bytes.len()].copy_from_slice(&bytes);
            } else {
                let at = self.u32(u32::try_from(out.len()).unwrap());
                out[entry + 8..entry + 12].copy_from_slice(&at);
                out.extend(bytes);
            }
        }
        link
    }
}

/// The entries of IFD0 that every sample has, with Exif and GPS directories.
pub(crate) fn camera(orientation: u16) -> Vec<(u16, Value)> {
    use Value::{Bytes, Directory, Ratios, Short, Text};
    let exif = vec![
        (0x829a, Ratios(vec![(1, 250)])),
        (0x829d, Ratios(vec![(28, 10)])),
        (0x8827, Short(400)),
        (0x9003, Text("2023:05:14 10:11:12")),
        (0x9004, Text("2023:05:14 10:11:12")),
        (0x9011, Text("+02:00")),
        (0x920a, Ratios(vec![(50, 1)])),
        (0x9291, Text("345")),
        (0xa434, Text("Sample 50mm")),
        (0x927c, Bytes(apple_note())),
    ];
    let place = vec![
        (1, Text("N")),
        (2, Ratios(vec![(48, 1), (51, 1), (30, 1)])),
        (3, Text("W")),
        (4, Ratios(vec![(2, 1), (17, 1), (40, 1)])),
        (6, Ratios(vec![(35, 1)])),
    ];
    vec![
        (0x010f, Text("Sample")),
        (0x0110, Text("Camera 1")),
        (0x0112, Short(orientation)),
        (0x8769, Directory(exif)),
        (0x8825, Directory(place)),
    ]
}

/// Apple's note with a burst and a content identifier; offsets count from its own beginning.
pub(crate) fn apple_note() -> Vec<u8> {
    let texts = ["BURST-1234\0", "CONTENT-5678\0"];
    let mut note = b"Apple iOS\0\0\x01MM\0\x02".to_vec();
    let mut at = 14 + 2 + 24 + 4;
    for (tag, text) in [0x0bu16, 0x11].iter().zip(texts) {
        note.extend(tag.to_be_bytes());
        note.extend(2u16.to_be_bytes());
        note.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        note.extend(u32::try_from(at).unwrap().to_be_bytes());
        at += text.len();
    }
    note.extend([0; 4]);
    note.extend(texts.concat().bytes());
    note
}

/// A complete EXIF block.
pub(crate) fn exif(big: bool, orientation: u16) -> Vec<u8> {
    let builder = if big { TiffBuilder::big() } else { TiffBuilder::little() };
    builder.build(vec![camera(orientation)])
}

pub(crate) fn xmp() -> Vec<u8> {
    br#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" xmp:Rating="4">
<dc:subject><rdf:Bag><rdf:li>sea</rdf:li><rdf:li>food</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta>"#
        .to_vec()
}

fn segment(marker: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 2).unwrap().to_be_bytes();
    [&[0xff, marker], &length[..], payload].concat()
}

/// A JPEG's header of a size, with segments before it.
pub(crate) fn jpeg(width: u16, height: u16, segments: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8];
    for (marker, payload) in segments {
        out.extend(segment(*marker, payload));
    }
    let frame = [&[8][..], &height.to_be_bytes(), &width.to_be_bytes(), &[1, 1, 0x11, 0]].concat();
    out.extend(segment(0xc0, &frame));
    out.extend(segment(0xda, &[1, 1, 0, 0, 63, 0]));
    out.extend([0x55; 8]);
    out.extend([0xff, 0xd9]);
    out
}

pub(crate) fn app1_exif(big: bool, orientation: u16) -> (u8, Vec<u8>) {
    (0xe1, [b"Exif\0\0".to_vec(), exif(big, orientation)].concat())
}

pub(crate) fn app1_xmp(packet: &[u8]) -> (u8, Vec<u8>) {
    (0xe1, [b"http://ns.adobe.com/xap/1.0/\0", packet].concat())
}

pub(crate) fn png(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let header = [&320u32.to_be_bytes()[..], &200u32.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let all = [(b"IHDR", header)].into_iter().chain(chunks.iter().map(|(kind, data)| (*kind, data.clone())));
    for (kind, data) in all.chain([(b"IEND", Vec::new())]) {
        out.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        out.extend(kind);
        out.extend(data);
        out.extend([0; 4]);
    }
    out
}

pub(crate) fn riff(form: &[u8; 4], chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut body = form.to_vec();
    for (kind, data) in chunks {
        body.extend(*kind);
        body.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        body.extend(data);
        if data.len() % 2 == 1 {
            body.push(0);
        }
    }
    [b"RIFF".to_vec(), u32::try_from(body.len()).unwrap().to_le_bytes().to_vec(), body].concat()
}

pub(crate) fn webp() -> Vec<u8> {
    let canvas = [&[0x0c, 0, 0, 0][..], &[0x3f, 1, 0], &[0xc7, 0, 0]].concat();
    riff(b"WEBP", &[(b"VP8X", canvas), (b"EXIF", exif(false, 8)), (b"XMP ", xmp())])
}

pub(crate) fn part(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    [&u32::try_from(payload.len() + 8).unwrap().to_be_bytes()[..], kind, payload].concat()
}

/// A HEIC or AVIF with a primary item turned by `irot` and `imir`, EXIF and XMP items at the end.
pub(crate) fn heif(brand: &[u8; 4], coded: &[u8; 4], turns: &[(&[u8; 4], u8)]) -> Vec<u8> {
    let item = |id: u16, kind: &[u8; 4], more: &[u8]| {
        part(b"infe", &[&[2, 0, 0, 0][..], &id.to_be_bytes(), &[0, 0], kind, b"\0", more].concat())
    };
    let items = [
        item(1, coded, b""),
        item(2, b"Exif", b""),
        item(3, b"mime", b"application/rdf+xml\0"),
        item(4, coded, b""),
    ]
    .concat();
    let mut properties =
        vec![part(b"ispe", &[&[0; 4][..], &4032u32.to_be_bytes(), &3024u32.to_be_bytes()].concat())];
    properties.extend(turns.iter().map(|(kind, value)| part(kind, &[*value])));
    properties.push(part(b"ispe", &[&[0; 4][..], &320u32.to_be_bytes(), &240u32.to_be_bytes()].concat()));
    let used = u8::try_from(turns.len()).unwrap() + 1;
    let mut links = vec![0, 0, 0, 0, 0, 0, 0, 2, 0, 1, used];
    links.extend((1..=used).map(|index| index | 0x80));
    links.extend([0, 4, 1, used + 1]);
    let exif_item = [&6u32.to_be_bytes()[..], b"Exif\0\0", &exif(true, 6)].concat();
    let packet = xmp();
    let coded_bytes = [0u8; 40];
    let meta = |base: u32| {
        let sizes = [coded_bytes.len(), exif_item.len(), packet.len(), 20];
        let mut places = vec![0, 0, 0, 0, 0x44, 0, 0, 4];
        let mut at = base;
        for (id, size) in sizes.iter().enumerate() {
            places.extend(u16::try_from(id + 1).unwrap().to_be_bytes());
            places.extend([0, 0, 0, 1]);
            places.extend(at.to_be_bytes());
            let size = u32::try_from(*size).unwrap();
            places.extend(size.to_be_bytes());
            at += size;
        }
        let body = [
            vec![0; 4],
            part(b"hdlr", b"\0\0\0\0\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0\0"),
            part(b"pitm", &[0, 0, 0, 0, 0, 1]),
            part(b"iinf", &[&[0, 0, 0, 0, 0, 4][..], &items].concat()),
            part(
                b"iref",
                &[vec![0; 4], part(b"cdsc", &[0, 2, 0, 1, 0, 1]), part(b"thmb", &[0, 4, 0, 1, 0, 1])]
                    .concat(),
            ),
            part(b"iprp", &[part(b"ipco", &properties.concat()), part(b"ipma", &links)].concat()),
            part(b"iloc", &places),
        ]
        .concat();
        part(b"meta", &body)
    };
    let head = part(b"ftyp", &[&brand[..], &[0; 4], b"mif1", brand].concat());
    let before = u32::try_from(head.len() + meta(0).len() + 8).unwrap();
    let data = [&coded_bytes[..], &exif_item, &packet, &[0; 20]].concat();
    [head, meta(before), part(b"mdat", &data)].concat()
}

/// A JPEG XL container: EXIF, XMP, then the codestream's header (8 by 8 pixels).
pub(crate) fn jxl() -> Vec<u8> {
    [
        b"\0\0\0\x0cJXL \r\n\x87\n".to_vec(),
        part(b"ftyp", b"jxl \0\0\0\0jxl "),
        part(b"Exif", &[vec![0; 4], exif(false, 3)].concat()),
        part(b"xml ", &xmp()),
        part(b"jxlc", &[0xff, 0x0a, 0b0100_0001, 0b0000_0010, 0, 0]),
    ]
    .concat()
}

/// Seconds since 1904 of 2023-05-14T08:11:12Z.
pub(crate) const MOVIE_DATE: u32 = 3_766_896_672;

fn full(payload: &[u8]) -> Vec<u8> {
    [&[0; 4][..], payload].concat()
}

/// A movie: a picture track of 1920 × 1080 with a matrix, Apple's keys, and what else is wanted in `moov`.
pub(crate) fn movie(brand: &[u8; 4], matrix: [i32; 4], more: &[Vec<u8>]) -> Vec<u8> {
    let date = MOVIE_DATE.to_be_bytes();
    let header = full(&[&date[..], &date, &1000u32.to_be_bytes(), &2500u32.to_be_bytes(), &[0; 80]].concat());
    let [a, b, c, d] = matrix.map(|number| (number << 16).to_be_bytes());
    let turn = [&a[..], &b, &[0; 4], &c, &d, &[0; 4], &[0; 8], &(1u32 << 30).to_be_bytes()].concat();
    let track_header = [
        full(&[&date[..], &date, &[0, 0, 0, 1], &[0; 4], &2500u32.to_be_bytes(), &[0; 8], &[0; 8]].concat()),
        turn,
        (1920u32 << 16).to_be_bytes().to_vec(),
        (1080u32 << 16).to_be_bytes().to_vec(),
    ]
    .concat();
    let media_header =
        full(&[&date[..], &date, &600u32.to_be_bytes(), &1500u32.to_be_bytes(), &[0; 4]].concat());
    let entry =
        part(b"hvc1", &[&[0; 24][..], &1920u16.to_be_bytes(), &1080u16.to_be_bytes(), &[0; 50]].concat());
    let table = [
        part(b"stsd", &full(&[&1u32.to_be_bytes()[..], &entry].concat())),
        part(b"stsz", &full(&[&100u32.to_be_bytes()[..], &75u32.to_be_bytes()].concat())),
    ]
    .concat();
    let media = [
        part(b"mdhd", &media_header),
        part(b"hdlr", &full(b"mhlrvide\0\0\0\0\0\0\0\0\0\0\0\0\0")),
        part(b"minf", &part(b"stbl", &table)),
    ]
    .concat();
    let track = part(b"trak", &[part(b"tkhd", &track_header), part(b"mdia", &media)].concat());
    let moov = [vec![part(b"mvhd", &header), track], more.to_vec()].concat().concat();
    [part(b"ftyp", &[&brand[..], &[0; 4], brand].concat()), part(b"mdat", &[0; 64]), part(b"moov", &moov)]
        .concat()
}

/// Apple's `meta` with keys.
pub(crate) fn keys(pairs: &[(&str, &str)]) -> Vec<u8> {
    let names: Vec<u8> = pairs.iter().flat_map(|(name, _)| part(b"mdta", name.as_bytes())).collect();
    let items: Vec<u8> = pairs
        .iter()
        .enumerate()
        .flat_map(|(index, (_, value))| {
            let data = part(b"data", &[&1u32.to_be_bytes()[..], &[0; 4], value.as_bytes()].concat());
            part(&u32::try_from(index + 1).unwrap().to_be_bytes(), &data)
        })
        .collect();
    let count = u32::try_from(pairs.len()).unwrap().to_be_bytes();
    let body = [
        part(b"hdlr", &full(b"\0\0\0\0mdta\0\0\0\0\0\0\0\0\0\0\0\0\0")),
        part(b"keys", &full(&[&count[..], &names].concat())),
        part(b"ilst", &items),
    ]
    .concat();
    part(b"meta", &body)
}

pub(crate) fn live_keys() -> Vec<u8> {
    keys(&[
        ("com.apple.quicktime.creationdate", "2023-05-14T10:11:12+0200"),
        ("com.apple.quicktime.location.ISO6709", "+48.858333-002.294444+035.0/"),
        ("com.apple.quicktime.make", "Sample"),
        ("com.apple.quicktime.model", "Phone 1"),
        ("com.apple.quicktime.content.identifier", "CONTENT-5678"),
    ])
}

/// QuickTime's user data with a place and a day.
pub(crate) fn user_data() -> Vec<u8> {
    let text = |kind: &[u8; 4], text: &str| {
        part(
            kind,
            &[&u16::try_from(text.len()).unwrap().to_be_bytes()[..], &[0x15, 0xc7], text.as_bytes()].concat(),
        )
    };
    part(b"udta", &[text(b"\xa9xyz", "+48.858333-002.294444/"), text(b"\xa9mak", "Sample")].concat())
}

/// 3GPP's place.
pub(crate) fn loci() -> Vec<u8> {
    let fixed = |degrees: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "a sample")]
        let number = (degrees * 65_536.0).round() as i32;
        number.to_be_bytes()
    };
    let body = [
        &[0; 4][..],
        &[0x15, 0xc7],
        b"Here\0",
        &[0],
        &fixed(LONGITUDE),
        &fixed(LATITUDE),
        &fixed(35.0),
        b"earth\0\0",
    ]
    .concat();
    part(b"udta", &part(b"loci", &body))
}

fn element(id: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = (0x1000_0000 | u32::try_from(payload.len()).unwrap()).to_be_bytes();
    [id, &length[..], payload].concat()
}

pub(crate) fn matroska(kind: &str) -> Vec<u8> {
    let nanos: i64 = (1_684_051_872 - 978_307_200) * 1_000_000_000;
    let info = [
        element(&[0x2a, 0xd7, 0xb1], &1_000_000u32.to_be_bytes()),
        element(&[0x44, 0x89], &2500f64.to_be_bytes()),
        element(&[0x44, 0x61], &nanos.to_be_bytes()),
    ]
    .concat();
    let video = [element(&[0xb0], &[7, 0x80]), element(&[0xba], &[4, 0x38])].concat();
    let track = [element(&[0x83], &[1]), element(&[0x86], b"V_VP9"), element(&[0xe0], &video)].concat();
    let segment = [
        element(&[0x15, 0x49, 0xa9, 0x66], &info),
        element(&[0x16, 0x54, 0xae, 0x6b], &element(&[0xae], &track)),
        element(&[0x1f, 0x43, 0xb6, 0x75], &[0; 32]),
    ]
    .concat();
    let head = element(&[0x42, 0x82], kind.as_bytes());
    [element(&[0x1a, 0x45, 0xdf, 0xa3], &head), element(&[0x18, 0x53, 0x80, 0x67], &segment)].concat()
}

pub(crate) fn avi() -> Vec<u8> {
    let numbers = |numbers: &[u32]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
    let list = |kind: &[u8; 4], chunks: &[(&[u8; 4], Vec<u8>)]| riff(kind, chunks)[8..].to_vec();
    let main = numbers(&[40_000, 0, 0, 0, 50, 0, 1, 0, 640, 480, 0, 0, 0, 0]);
    let stream = [b"vidsMJPG".to_vec(), numbers(&[0, 0, 0, 1, 25, 0, 50, 0, 0, 0])].concat();
    let format = [numbers(&[40, 640, 480, 0]), b"MJPG".to_vec(), numbers(&[0; 5])].concat();
    let header =
        list(b"hdrl", &[(b"avih", main), (b"LIST", list(b"strl", &[(b"strh", stream), (b"strf", format)]))]);
    riff(b"AVI ", &[(b"LIST", header), (b"IDIT", b"SUN MAY 14 10:11:12 2023\n\0".to_vec())])
}

pub(crate) fn gif() -> Vec<u8> {
    let frame = b"\x21\xf9\x04\0\x0a\0\0\0\x2c\0\0\0\0\x40\x01\xc8\0\0\x02\x02\x44\x01\0";
    [&b"GIF89a\x40\x01\xc8\0\0\0\0"[..], frame, frame, b"\x3b"].concat()
}

pub(crate) fn bmp() -> Vec<u8> {
    let numbers = |numbers: &[u32]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
    [
        b"BM".to_vec(),
        numbers(&[54, 0, 54, 40, 320]),
        (-200i32).to_le_bytes().to_vec(),
        numbers(&[0x0018_0001, 0, 0, 0, 0, 0, 0]),
    ]
    .concat()
}

/// A RAW file that is a TIFF inside: a thumbnail first, the sensor's picture and a preview in SubIFDs.
pub(crate) fn tiff_raw(make: &'static str, builder: &TiffBuilder, more: Vec<(u16, Value)>) -> Vec<u8> {
    use Value::{Block, Long, Short};
    let preview = jpeg(1620, 1080, &[]);
    let length = u32::try_from(preview.len()).unwrap();
    let mut main = camera(8);
    main[0].1 = Value::Text(make);
    main.splice(0..0, [(0x00fe, Long(1)), (0x0100, Long(160)), (0x0101, Long(120))]);
    main.extend([(0x0201, Block(preview)), (0x0202, Long(length))]);
    main.extend(more);
    main.push((
        0x014a,
        Value::Directory(vec![
            (0x00fe, Long(0)),
            (0x0100, Long(6000)),
            (0x0101, Long(4000)),
            (0x0103, Short(1)),
            (0x0106, Short(32803)),
        ]),
    ));
    builder.build(vec![main])
}

pub(crate) fn cr2() -> Vec<u8> {
    let mut file = tiff_raw("Canon", &TiffBuilder::little(), Vec::new());
    // Canon's mark sits where the first directory would; move the directory's bytes by relinking.
    let first = u32::from_le_bytes(file[4..8].try_into().unwrap());
    assert_eq!(first, 8);
    let copy: Vec<u8> = file[8..8 + 2 + usize::from(file[8]) * 12 + 4].to_vec();
    let moved = u32::try_from(file.len()).unwrap();
    file.extend(copy);
    file[4..8].copy_from_slice(&moved.to_le_bytes());
    file[8..12].copy_from_slice(b"CR\x02\0");
    file
}

pub(crate) fn raf() -> Vec<u8> {
    let preview = jpeg(1920, 1280, &[app1_exif(true, 6)]);
    let directory = [
        &2u32.to_be_bytes()[..],
        &[0x01, 0x00, 0, 4, 0x0f, 0xc0, 0x17, 0xa0],
        &[0x01, 0x11, 0, 4, 0x0f, 0xa0, 0x17, 0x70],
    ]
    .concat();
    let mut head = b"FUJIFILMCCD-RAW 0201FF119501X-T2".to_vec();
    head.resize(84, 0);
    let jpeg_at = 160 + u32::try_from(directory.len()).unwrap();
    head.extend(jpeg_at.to_be_bytes());
    head.extend(u32::try_from(preview.len()).unwrap().to_be_bytes());
    head.extend(160u32.to_be_bytes());
    head.resize(160, 0);
    [head, directory, preview].concat()
}

pub(crate) fn rw2() -> Vec<u8> {
    use Value::{Bytes, Long, Text};
    let preview = jpeg(1920, 1440, &[app1_exif(false, 3)]);
    let entries = vec![
        (0x0004, Long(10)),
        (0x0005, Long(20)),
        (0x0006, Long(3010)),
        (0x0007, Long(4020)),
        (0x002e, Bytes(preview)),
        (0x010f, Text("Panasonic")),
        (0x0112, Value::Short(3)),
    ];
    TiffBuilder { big: false, magic: [0x55, 0] }.build(vec![entries])
}

/// A CR3: Canon's box with four TIFF structures, a preview box, and a track whose sample is a JPEG.
pub(crate) fn cr3() -> Vec<u8> {
    use Value::{Long, Short, Text};
    let little = TiffBuilder::little();
    let mut all = camera(6).into_iter();
    let mut take = |tag: u16| all.find(|(found, _)| *found == tag).map(|(_, value)| value).unwrap();
    let (make, model) = (take(0x010f), take(0x0110));
    let (Value::Directory(exif), Value::Directory(place)) = (take(0x8769), take(0x8825)) else {
        unreachable!()
    };
    let one = little.build(vec![vec![
        (0x0100, Long(6000)),
        (0x0101, Long(4000)),
        (0x010f, make),
        (0x0110, model),
        (0x0112, Short(6)),
    ]]);
    let parts = [
        part(b"CNCV", b"CanonCR3_001/00.09.00/00.00.00"),
        part(b"CMT1", &one),
        part(b"CMT2", &little.build(vec![exif])),
        part(b"CMT3", &little.build(vec![vec![(0x0095, Text("RF50mm"))]])),
        part(b"CMT4", &little.build(vec![place])),
    ]
    .concat();
    let canon = [&b"\x85\xc0\xb6\x87\x82\x0f\x11\xe0\x81\x11\xf4\xce\x46\x2b\x6a\x48"[..], &parts].concat();
    let small = jpeg(1620, 1080, &[]);
    let shown = part(
        b"PRVW",
        &[&[0; 6][..], &[0, 1, 6, 0x54, 4, 0x38], &u32::try_from(small.len()).unwrap().to_be_bytes(), &small]
            .concat(),
    );
    let preview =
        [&b"\xea\xf4\x2b\x5e\x1c\x98\x4b\x88\xb9\xfb\xb7\xdc\x40\x6e\x4d\x16"[..], &[0; 8], &shown].concat();
    let large = jpeg(6000, 4000, &[]);
    let build = |at: u32| {
        let table = [
            part(
                b"stsz",
                &full(
                    &[&u32::try_from(large.len()).unwrap().to_be_bytes()[..], &1u32.to_be_bytes()].concat(),
                ),
            ),
            part(b"stco", &full(&[&1u32.to_be_bytes()[..], &at.to_be_bytes()].concat())),
        ]
        .concat();
        let track = part(b"trak", &part(b"mdia", &part(b"minf", &part(b"stbl", &table))));
        let moov = part(b"moov", &[part(b"uuid", &canon), track].concat());
        [part(b"ftyp", b"crx \0\0\0\x01crx isom"), moov, part(b"uuid", &preview)].concat()
    };
    let at = u32::try_from(build(0).len() + 8).unwrap();
    [build(at), part(b"mdat", &large)].concat()
}

/// A CRW: records, then the heap's directory at its end.
pub(crate) fn crw() -> Vec<u8> {
    let preview = jpeg(1536, 1024, &[]);
    let records: [(u16, Vec<u8>); 4] = [
        (0x080a, b"Canon\0Canon EOS D30\0".to_vec()),
        (0x1810, [2160u32, 1440, 0, 90].iter().flat_map(|n| n.to_le_bytes()).collect()),
        (0x180e, [1_684_059_072u32, 0, 0].iter().flat_map(|n| n.to_le_bytes()).collect()),
        (0x2007, preview),
    ];
    let mut heap = Vec::new();
    let mut entries = u16::try_from(records.len()).unwrap().to_le_bytes().to_vec();
    for (tag, data) in records {
        entries.extend(tag.to_le_bytes());
        entries.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        entries.extend(u32::try_from(heap.len()).unwrap().to_le_bytes());
        heap.extend(data);
    }
    let at = u32::try_from(heap.len()).unwrap();
    [b"II\x1a\0\0\0HEAPCCDR".to_vec(), vec![0; 12], heap, entries, at.to_le_bytes().to_vec()].concat()
}

/// A phone's motion photo: a JPEG whose XMP tells of the video behind it.
pub(crate) fn motion_photo(old: bool) -> Vec<u8> {
    let video = movie(b"mp42", [1, 0, 0, 1], &[]);
    let body = if old {
        format!(r#"GCamera:MicroVideo="1" GCamera:MicroVideoOffset="{}"/>"#, video.len())
    } else {
        format!(
            r#"GCamera:MotionPhoto="1" GCamera:MotionPhotoPresentationTimestampUs="500000"><Container:Directory><rdf:Seq>
<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="image/jpeg" Item:Semantic="Primary"/></rdf:li>
<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="video/mp4" Item:Semantic="MotionPhoto" Item:Length="{}"/></rdf:li>
</rdf:Seq></Container:Directory></rdf:Description>"#,
            video.len()
        )
    };
    let packet = format!(
        r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:GCamera="http://ns.google.com/photos/1.0/camera/"
 xmlns:Container="http://ns.google.com/photos/1.0/container/" xmlns:Item="http://ns.google.com/photos/1.0/container/item/"
 {body}</rdf:RDF></x:xmpmeta>"#
    );
    [jpeg(4000, 3000, &[app1_exif(false, 1), app1_xmp(packet.as_bytes())]), video].concat()
}

/// Samsung's motion photo: a trailer of named blocks.
pub(crate) fn samsung_motion() -> Vec<u8> {
    let picture = jpeg(4000, 3000, &[app1_exif(false, 6)]);
    let name = b"MotionPhoto_Data";
    let block = [
        &[0, 0, 0x30, 0x0a][..],
        &u32::try_from(name.len()).unwrap().to_le_bytes(),
        name,
        &movie(b"mp42", [1, 0, 0, 1], &[]),
    ]
    .concat();
    let length = u32::try_from(block.len()).unwrap().to_le_bytes();
    let index =
        [b"SEFH", &107u32.to_le_bytes()[..], &1u32.to_le_bytes(), &[0, 0, 0x30, 0x0a], &length, &length]
            .concat();
    let tail = [&u32::try_from(index.len()).unwrap().to_le_bytes()[..], b"SEFT"].concat();
    [picture, block, index, tail].concat()
}

/// Every sample with its name.
pub(crate) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let one = [1, 0, 0, 1];
    let dng = || vec![(0xc612, Value::Bytes(vec![1, 4, 0, 0]))];
    vec![
        ("a.jpg", jpeg(4032, 3024, &[app1_exif(true, 6), app1_xmp(&xmp())])),
        ("motion.jpg", motion_photo(false)),
        ("micro.jpg", motion_photo(true)),
        ("samsung.jpg", samsung_motion()),
        (
            "a.png",
            png(&[
                (b"eXIf", exif(true, 3)),
                (b"iTXt", [b"XML:com.adobe.xmp\0\0\0\0\0", &xmp()[..]].concat()),
            ]),
        ),
        ("a.gif", gif()),
        ("a.webp", webp()),
        (
            "a.tif",
            TiffBuilder::big().build(vec![
                [vec![(0x0100, Value::Short(320)), (0x0101, Value::Short(200))], camera(5)].concat_values(),
            ]),
        ),
        ("a.bmp", bmp()),
        ("a.heic", heif(b"heic", b"hvc1", &[(b"irot", 3)])),
        ("a.avif", heif(b"avif", b"av01", &[(b"imir", 1)])),
        ("a.jxl", jxl()),
        ("a.cr2", cr2()),
        ("a.cr3", cr3()),
        ("a.crw", crw()),
        ("a.nef", tiff_raw("NIKON CORPORATION", &TiffBuilder::big(), Vec::new())),
        ("a.arw", tiff_raw("SONY", &TiffBuilder::little(), Vec::new())),
        ("a.dng", tiff_raw("Sample", &TiffBuilder::little(), dng())),
        ("a.orf", tiff_raw("OLYMPUS", &TiffBuilder { big: false, magic: *b"RO" }, Vec::new())),
        ("a.pef", tiff_raw("PENTAX", &TiffBuilder::big(), Vec::new())),
        ("a.raf", raf()),
        ("a.rw2", rw2()),
        ("a.mp4", movie(b"mp42", one, &[user_data()])),
        ("a.mov", movie(b"qt  ", [0, 1, -1, 0], &[live_keys()])),
        ("a.m4v", movie(b"M4V ", one, &[])),
        ("a.3gp", movie(b"3gp5", one, &[loci()])),
        ("a.avi", avi()),
        ("a.mkv", matroska("matroska")),
        ("a.webm", matroska("webm")),
    ]
}

trait Joined {
    fn concat_values(self) -> Vec<(u16, Value)>;
}

impl Joined for [Vec<(u16, Value)>; 2] {
    fn concat_values(self) -> Vec<(u16, Value)> {
        self.into_iter().flatten().collect()
    }
}
