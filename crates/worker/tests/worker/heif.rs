//! HEIF and AVIF files around embedded HEVC and AV1 pictures, with the turns that a test wants.

const HVCC: &[u8] = include_bytes!("data/quarters.hvcC");
const HEVC: &[u8] = include_bytes!("data/quarters.hevc");
const AV1C: &[u8] = include_bytes!("data/quarters.av1C");
const COLR: &[u8] = include_bytes!("data/quarters.colr");
const AV1: &[u8] = include_bytes!("data/quarters.av1");

/// A container's turns: quarter turns anticlockwise, and the axis of a mirror.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turns {
    pub(crate) irot: u8,
    pub(crate) imir: Option<u8>,
}

struct Item {
    kind: &'static [u8; 4],
    data: Vec<u8>,
    properties: Vec<Vec<u8>>,
}

/// A HEIC of 320 × 240, before its turns.
pub(crate) fn heic(turns: Turns) -> Vec<u8> {
    file(b"heic", &[hevc_item(turns)], &[])
}

/// An AVIF of 64 × 48, before its turns.
pub(crate) fn avif(turns: Turns) -> Vec<u8> {
    let mut properties = vec![AV1C.to_vec(), COLR.to_vec(), ispe(64, 48)];
    properties.extend(turn_boxes(turns));
    file(b"avif", &[Item { kind: b"av01", data: AV1.to_vec(), properties }], &[])
}

/// A HEIC whose picture of 640 × 480 is four tiles, each the picture of quarters; with a thumbnail of
/// 320 × 240 that is turned as told.
pub(crate) fn heic_grid(turns: Turns, thumbnail: Turns) -> Vec<u8> {
    let descriptor = [[0, 0, 1, 1].as_slice(), &640_u16.to_be_bytes(), &480_u16.to_be_bytes()].concat();
    let mut properties = vec![ispe(640, 480)];
    properties.extend(turn_boxes(turns));
    let mut items = vec![Item { kind: b"grid", data: descriptor, properties }];
    items.extend((0..4).map(|_| hevc_item(Turns::default())));
    items.push(hevc_item(thumbnail));
    file(b"heic", &items, &[(b"dimg", 1, vec![2, 3, 4, 5]), (b"thmb", 6, vec![1])])
}

fn hevc_item(turns: Turns) -> Item {
    let mut properties = vec![HVCC.to_vec(), ispe(320, 240)];
    properties.extend(turn_boxes(turns));
    Item { kind: b"hvc1", data: HEVC.to_vec(), properties }
}

fn turn_boxes(turns: Turns) -> Vec<Vec<u8>> {
    let rotation = (turns.irot > 0).then(|| boxed(b"irot", &[turns.irot]));
    let mirror = turns.imir.map(|axis| boxed(b"imir", &[axis]));
    rotation.into_iter().chain(mirror).collect()
}

fn ispe(width: u32, height: u32) -> Vec<u8> {
    boxed(b"ispe", &[[0; 4], width.to_be_bytes(), height.to_be_bytes()].concat())
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len() + 8).unwrap().to_be_bytes(), kind.as_slice(), body].concat()
}

fn full(kind: &[u8; 4], version: u8, body: &[u8]) -> Vec<u8> {
    boxed(kind, &[&[version, 0, 0, 0], body].concat())
}

/// Items are numbered from 1, the first is the primary one.
fn file(brand: &[u8; 4], items: &[Item], references: &[(&[u8; 4], u16, Vec<u16>)]) -> Vec<u8> {
    let ftyp = boxed(b"ftyp", &[brand.as_slice(), &[0; 4], b"mif1", brand, b"miaf"].concat());
    let meta_bytes = meta(items, references, 0).len();
    let start = u32::try_from(ftyp.len() + meta_bytes + 8).unwrap();
    let data: Vec<u8> = items.iter().flat_map(|item| item.data.clone()).collect();
    [ftyp, meta(items, references, start), boxed(b"mdat", &data)].concat()
}

fn meta(items: &[Item], references: &[(&[u8; 4], u16, Vec<u16>)], start: u32) -> Vec<u8> {
    let count = u16::try_from(items.len()).unwrap().to_be_bytes();
    let number = |index: usize| u16::try_from(index + 1).unwrap().to_be_bytes();
    let (mut iloc, mut iinf, mut ipco) = (vec![0x44, 0], count.to_vec(), Vec::new());
    iloc.extend(count);
    let mut ipma = u32::try_from(items.len()).unwrap().to_be_bytes().to_vec();
    let (mut offset, mut property) = (start, 0_u8);
    for (index, item) in items.iter().enumerate() {
        let length = u32::try_from(item.data.len()).unwrap();
        iloc.extend([number(index), [0, 0], [0, 1]].concat());
        iloc.extend([offset.to_be_bytes(), length.to_be_bytes()].concat());
        offset += length;
        iinf.extend(full(b"infe", 2, &[&number(index), [0, 0].as_slice(), item.kind, &[0]].concat()));
        ipma.extend([number(index).as_slice(), &[u8::try_from(item.properties.len()).unwrap()]].concat());
        for body in &item.properties {
            ipco.extend(body);
            property += 1;
            // All are essential, which a reader must understand or refuse.
            ipma.push(0x80 | property);
        }
    }
    let iref: Vec<u8> = references
        .iter()
        .flat_map(|(kind, from, to)| {
            let count = u16::try_from(to.len()).unwrap();
            let numbers: Vec<u8> =
                [*from, count].iter().chain(to).flat_map(|number| number.to_be_bytes()).collect();
            boxed(kind, &numbers)
        })
        .collect();
    let hdlr = full(b"hdlr", 0, &[[0; 4].as_slice(), b"pict", &[0; 13]].concat());
    let iprp = boxed(b"iprp", &[boxed(b"ipco", &ipco), full(b"ipma", 0, &ipma)].concat());
    let parts = [
        hdlr,
        full(b"pitm", 0, &[0, 1]),
        full(b"iloc", 0, &iloc),
        full(b"iinf", 0, &iinf),
        full(b"iref", 0, &iref),
        iprp,
    ];
    full(b"meta", 0, &parts.concat())
}
