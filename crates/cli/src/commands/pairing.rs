//! What both sides of a pairing show and ask: the code, and whether the six words are the same.
//!
//! In a script nobody sees two screens: there a line of stdin has to be the six words that the other device shows, or a
//! flag says in so many words that nobody compares.

use std::io::BufRead as _;

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use safelight_library::{
    GivenCode, LibraryError, PairingPlace, PairingTalk, RemoteCredential, ShownInvitation,
};
use serde_json::json;
use zeroize::Zeroizing;

use crate::commands::remote;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{printable, printable_text};
use crate::prompt;

/// Shows and asks, on one side.
pub(crate) struct Screen<'a> {
    pub(crate) context: &'a Context,
    /// Whether the code alone decides.
    pub(crate) without_comparing: bool,
    /// The client with which a new device signs in at a place that it learns of.
    pub(crate) client: Option<&'a remote::Client>,
}

impl PairingTalk for Screen<'_> {
    fn invited(&self, invitation: &ShownInvitation) {
        let output = self.context.output;
        if output.json() {
            self.warn_of_lan(invitation);
            self.event(&json!({
                "event": "invited",
                "words": *invitation.words,
                "qr": *invitation.qr,
                "address": invitation.address,
                "lan": invitation.lan,
                "until": invitation.until,
            }));
            return;
        }
        if let Some(picture) = qr(&invitation.qr) {
            output.talk(&picture);
        }
        output.talk(&format!(
            "On the new device: safelight join {} --code, and these eight words, or what the picture says. They let one device \
             in, until {} UTC:",
            printable_text(&invitation.address),
            invitation.until
        ));
        if !invitation.lan.is_empty() {
            output.talk(&format!(
                "On the same network the words are enough: safelight join --code. Where it does not find this device: safelight \
                 join {} --code",
                invitation.lan.join(" --code, or ")
            ));
        }
        self.warn_of_lan(invitation);
        // A reader that is gone has the code already, or needs none.
        let _gone = output.data(&invitation.words);
    }

    fn tried(&self, left: usize) {
        if self.context.output.json() {
            self.event(&json!({ "event": "tried", "left": left }));
        }
        let tries = if left == 1 { "try is" } else { "tries are" };
        self.context.output.warn(&format!("somebody tried another code; {left} {tries} left"));
    }

    fn waits(&self) {
        self.context.output.talk(
            "It is let in. This device stays until the other one has heard of it; Ctrl-C ends that, and then it has to be \
             invited again.",
        );
    }

    fn looks_near(&self) {
        self.context.output.talk("Looking for the device that invites on the local network …");
    }

    fn learned(&self, places: &[PairingPlace]) {
        if self.context.output.json() {
            let places: Vec<_> =
                places.iter().map(|place| json!({ "name": place.name, "address": place.address })).collect();
            self.event(&json!({ "event": "learned", "places": places }));
        }
        for (at, place) in places.iter().enumerate() {
            let (name, address) = (printable_text(&place.name), printable_text(&place.address));
            self.context.output.talk(&match at {
                0 => format!("The library rests in {name} ({address}); this device joins from there."),
                _ => format!("It rests in {name} as well: safelight remote add {name} {address}"),
            });
        }
    }

    fn credential(&self, address: &str) -> Result<Option<RemoteCredential>, LibraryError> {
        let Some(client) = self.client else { return Ok(None) };
        remote::credential(self.context, Some(address), None, client).map_err(|failure| LibraryError::Refused {
            reason: format!("this device was let in, and cannot open {address}: {}", failure.message),
            hint: format!(
                "invite it again, and say what opens the place: safelight join {address} --code --credential-file FILE"
            ),
        })
    }

    fn is_same(&self, other: &str, six_words: &str) -> Result<bool, LibraryError> {
        let other = printable_text(other);
        if self.context.output.json() {
            self.event(&json!({
                "event": "compare",
                "other": other,
                "six_words": six_words,
                "compares": !self.without_comparing,
            }));
        }
        self.context.output.say(&format!("Both screens must show the same six words:\n\n    {six_words}\n"));
        if self.without_comparing {
            self.context.output.warn("nobody compares them: the code alone decides (--without-comparing)");
            return Ok(true);
        }
        let failed = |source| LibraryError::Io { path: "the terminal".into(), action: "read", source };
        if prompt::someone_is_there() {
            return prompt::agree(&format!("Does {other} show the same?")).map_err(failed);
        }
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line).map_err(failed)? == 0 {
            return Err(LibraryError::Refused {
                reason: "nobody compared the six words".into(),
                hint: "on a terminal a person does; a script gives the words that the other device shows as a line of stdin, or \
                       --without-comparing"
                    .into(),
            });
        }
        let words = |text: &str| text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>();
        Ok(words(&line) == words(six_words))
    }
}

impl Screen<'_> {
    fn warn_of_lan(&self, invitation: &ShownInvitation) {
        if let Some(trouble) = &invitation.lan_trouble {
            self.context.output.warn(&format!("no device finds this one on the local network: {trouble}"));
        }
    }

    fn event(&self, event: &serde_json::Value) {
        // As above: a reader that is gone is told nothing more.
        let _gone = self.context.output.data(&event.to_string());
    }
}

/// A picture for a dark terminal: there what is drawn is light.
fn qr(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    Some(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

/// The code, from a file, from a person, or from a line of stdin; never from the command line, which others can read.
pub(crate) fn given_code(context: &Context, file: Option<&std::path::Path>) -> Result<GivenCode, Failure> {
    if let Some(file) = file {
        let text = std::fs::read_to_string(file).map(Zeroizing::new).map_err(|error| {
            Failure::new(Exit::NotFound, format!("{} cannot be read: {error}", printable(file)))
        })?;
        return GivenCode::parse(&text).map_err(no_code);
    }
    if !prompt::someone_is_there() {
        let mut line = Zeroizing::new(String::new());
        if std::io::stdin().lock().read_line(&mut line)? == 0 {
            return Err(Failure::new(Exit::Refused, "there is no terminal to ask for the code on")
                .hint("give the eight words as the first line of stdin, or pass --code-file FILE"));
        }
        return GivenCode::parse(&line).map_err(no_code);
    }
    loop {
        let typed = prompt::line("The eight words, or what the picture says: ")?;
        match GivenCode::parse(&typed) {
            Ok(code) => return Ok(code),
            Err(reason) => context.output.say(&reason),
        }
    }
}

fn no_code(reason: String) -> Failure {
    Failure::new(Exit::Locked, reason).hint("type the eight words as the other device shows them")
}
