//! The recovery kit as one page that any printer prints: text in the fonts that every reader of PDF has, and a picture for
//! telephones in squares.

use pdf_writer::{Content, Finish as _, Name, Pdf, Rect, Ref, Str};
use qrcode::{Color, EcLevel, QrCode};
use zeroize::{Zeroize as _, Zeroizing};

use super::{KitSecret, RecoveryKit};

/// A4, in points of a 72nd of an inch.
const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 48.0;
/// The side of the picture for telephones.
const PICTURE: f32 = 132.0;
const PLAIN: Name<'static> = Name(b"F1");
const BOLD: Name<'static> = Name(b"F2");
const FIXED: Name<'static> = Name(b"F3");
/// Remotes that are told; a library rarely has more.
const MOST_REMOTES: usize = 6;
/// Characters of the fixed font that a line has room for.
const FIXED_COLUMNS: usize = 88;

/// A page that is filled from the top.
struct Page {
    content: Content,
    y: f32,
}

pub(super) fn page(kit: &RecoveryKit, secret: KitSecret<'_>) -> Zeroizing<Vec<u8>> {
    let mut page = Page { content: Content::new(), y: HEIGHT - MARGIN - 16.0 };
    page.line(BOLD, 20.0, "Safelight recovery kit");
    page.skip(4.0);
    page.line(
        PLAIN,
        10.0,
        &format!(
            "Made on {}. Keep it where neither fire nor thieves get at both it and your devices.",
            kit.made
        ),
    );
    page.line(FIXED, 9.0, &format!("Library {}", kit.library));
    page.skip(10.0);
    write_secret(&mut page, secret);
    page.heading("Where the photos rest");
    if kit.remotes.is_empty() {
        page.line(
            PLAIN,
            10.0,
            "On this device alone, so far: without a second place these words bring nothing back.",
        );
    }
    for (name, address) in kit.remotes.iter().take(MOST_REMOTES) {
        page.line(BOLD, 10.0, name);
        page.fixed(address);
    }
    if kit.remotes.len() > MOST_REMOTES {
        page.line(PLAIN, 10.0, "and others, which safelight remote list names");
    }
    page.line(
        PLAIN,
        10.0,
        "What opens that storage (a key, an account, a password) is not on this page: note where it is kept.",
    );
    page.line(PLAIN, 10.0, "____________________________________________________________________________");
    page.heading("How everything comes back");
    for line in HOW {
        page.line(PLAIN, 10.0, line);
    }
    page.heading("Whether it is all there");
    page.line(
        PLAIN,
        10.0,
        "Six words of the history on that day. Give them when you join: a place that shows less is told.",
    );
    page.fixed(&kit.six_words);
    page.fixed(&format!("{} devices, roster {}", kit.devices, kit.roster));
    page.finish()
}

/// What somebody does who has nothing but this page.
const HOW: [&str; 7] = [
    "1. Install Safelight on any computer, or have somebody do it; nothing of the old one is needed.",
    "2. Run: safelight join ADDRESS, with an address from above, and type the words when it asks.",
    "    With shares, type the words of as many of them as are needed, one share after the other.",
    "3. Choose a new passphrase. The photos come as you look at them; safelight local fetch brings all.",
    "Without Safelight: recover/safelight_recover.py of its source code needs Python and these words alone,",
    "and docs/spec/ describes every byte, so that somebody can write another program.",
    "Whoever has the words, or enough shares, and the storage has the photos.",
];

fn write_secret(page: &mut Page, secret: KitSecret<'_>) {
    match secret {
        KitSecret::Lines => {
            page.heading("The 24 recovery words: write them here by hand");
            page.words(&["______________"; 24], 4);
        }
        KitSecret::Words(words) => {
            page.heading("The 24 recovery words");
            page.secret_words(&words.words(), 4);
        }
        KitSecret::Share { share, count } => {
            page.heading(&format!("Share {} of {count}", share.number()));
            let needed = share.threshold();
            page.line(PLAIN, 10.0, &format!("Any {needed} shares together are as good as the recovery words; fewer tell nothing of them."));
            page.skip(4.0);
            page.secret_words(&share.words(), 4);
        }
    }
}

impl Page {
    fn skip(&mut self, points: f32) {
        self.y -= points;
    }

    fn heading(&mut self, text: &str) {
        self.skip(10.0);
        self.line(BOLD, 13.0, text);
        self.skip(3.0);
    }

    /// Text in as many lines of the fixed font as it takes: no address is cut off.
    fn fixed(&mut self, text: &str) {
        let characters: Vec<char> = text.chars().collect();
        for line in characters.chunks(FIXED_COLUMNS) {
            self.line(FIXED, 9.0, &line.iter().collect::<String>());
        }
    }

    fn line(&mut self, font: Name<'_>, size: f32, text: &str) {
        self.show(font, size, MARGIN, text);
        self.y -= size * 1.4;
    }

    fn show(&mut self, font: Name<'_>, size: f32, x: f32, text: &str) {
        let bytes = Zeroizing::new(latin(text));
        self.content.begin_text().set_font(font, size).next_line(x, self.y).show(Str(&bytes)).end_text();
    }

    /// Words with their numbers in columns, from left to right.
    fn words(&mut self, words: &[&str], columns: usize) {
        let right = WIDTH - 2.0 * MARGIN - PICTURE - 8.0;
        let step = right / f32::from(u8::try_from(columns).unwrap_or(1));
        for (row, some) in words.chunks(columns).enumerate() {
            let mut x = MARGIN;
            for (column, word) in some.iter().enumerate() {
                self.show(PLAIN, 8.0, x, &format!("{:>2}", row * columns + column + 1));
                self.show(FIXED, 11.0, x + 14.0, word);
                x += step;
            }
            self.y -= 20.0;
        }
    }

    /// The same, with a picture beside them that says them to a telephone.
    fn secret_words(&mut self, words: &[&str], columns: usize) {
        let (top, mut said) = (self.y + 14.0, words.join(" "));
        self.words(words, columns);
        self.picture(&said, top);
        said.zeroize();
    }

    fn picture(&mut self, text: &str, top: f32) {
        let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::L) else { return };
        let side = code.width();
        let square = PICTURE / f32::from(u16::try_from(side.max(1)).unwrap_or(u16::MAX));
        let (mut x, mut y) = (0, 0);
        for color in code.to_colors() {
            if color == Color::Dark {
                let (left, down) =
                    (f32::from(u16::try_from(x).unwrap_or(0)), f32::from(u16::try_from(y + 1).unwrap_or(0)));
                let left = WIDTH - MARGIN - PICTURE + left * square;
                self.content.rect(left, top - down * square, square, square);
            }
            x += 1;
            if x == side {
                (x, y) = (0, y + 1);
            }
        }
        self.content.fill_nonzero();
        // Numbers below the picture do not run into it.
        self.y = self.y.min(top - PICTURE - 8.0);
    }

    fn finish(self) -> Zeroizing<Vec<u8>> {
        let [catalog, pages, page, contents, plain, bold, fixed] = [1, 2, 3, 4, 5, 6, 7].map(Ref::new);
        let mut pdf = Pdf::new();
        pdf.catalog(catalog).pages(pages);
        pdf.pages(pages).kids([page]).count(1);
        let mut written = pdf.page(page);
        written.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT)).parent(pages).contents(contents);
        let mut resources = written.resources();
        resources.fonts().pair(PLAIN, plain).pair(BOLD, bold).pair(FIXED, fixed);
        resources.finish();
        written.finish();
        for (reference, name) in [(plain, "Helvetica"), (bold, "Helvetica-Bold"), (fixed, "Courier")] {
            pdf.type1_font(reference)
                .base_font(Name(name.as_bytes()))
                .encoding_predefined(Name(b"WinAnsiEncoding"));
        }
        let mut content = self.content.finish().into_vec();
        pdf.stream(contents, &content);
        content.zeroize();
        Zeroizing::new(pdf.finish())
    }
}

/// Text in the encoding of the page's fonts; what they have no sign for is told by its number.
fn latin(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match u8::try_from(u32::from(character)) {
            Ok(byte) if (0x20..0x7f).contains(&byte) || byte >= 0xa0 => bytes.push(byte),
            _ => bytes.extend(format!("\\u{{{:x}}}", u32::from(character)).bytes()),
        }
    }
    bytes
}
