//! What both sides of a pairing show and ask: the code, and whether the six words are the same.
//!
//! In a script nobody sees two screens: there a line of stdin has to be the six words that the other device shows, or a
//! flag says in so many words that nobody compares.

use std::io::BufRead as _;
use std::path::Path;

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use safelight_library::{
    GivenCode, LibraryError, PairingPlace, PairingTalk, RemoteCredential, ShownInvitation, is_remote_name,
};
use serde_json::json;
use zeroize::Zeroizing;

use crate::commands::remote;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{for_shell, printable, printable_text};
use crate::prompt;

/// Shows and asks, on one side.
pub(crate) struct Screen<'a> {
    pub(crate) context: &'a Context,
    /// Whether the code alone decides.
    pub(crate) without_comparing: bool,
    /// What opens a place that a new device learns of.
    pub(crate) opening: Option<Opening<'a>>,
}

/// What opens a place that is not known yet.
#[derive(Clone, Copy)]
pub(crate) struct Opening<'a> {
    pub(crate) file: Option<&'a Path>,
    /// With which somebody signs in there.
    pub(crate) client: &'a remote::Client,
}

impl Opening<'_> {
    /// Whether something is given that no other may see.
    pub(crate) fn is_given(&self) -> bool {
        self.file.is_some() || self.client.is_given()
    }
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
                "lan_announced": invitation.lan_announced,
                "lan_trouble": invitation.lan_trouble,
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
            for_shell(&invitation.address),
            invitation.until
        ));
        if !invitation.lan.is_empty() {
            let typed =
                format!("safelight join {} --code", invitation.lan.join(" --code, or safelight join "));
            output.talk(&if invitation.lan_announced {
                format!(
                    "On the same network the words are enough: safelight join --code. Where it does not find this device: {typed}"
                )
            } else {
                format!("On the same network (this device cannot be found there by itself): {typed}")
            });
        }
        self.warn_of_lan(invitation);
        // A reader that is gone has the code already, or needs none.
        let _gone = output.data(&invitation.words);
    }

    fn tried(&self, left: usize) {
        if self.context.output.json() {
            self.event(&json!({ "event": "tried", "left": left, "near": false }));
        }
        let tries = if left == 1 { "try is" } else { "tries are" };
        self.context.output.warn(&format!("somebody tried another code; {left} {tries} left"));
    }

    fn tried_near(&self, left: usize) {
        if self.context.output.json() {
            self.event(&json!({ "event": "tried", "left": left, "near": true }));
        }
        self.context.output.warn(&match left {
            0 => "after three tries with wrong codes the invitation is over on the local network; it goes on in the remote"
                .to_owned(),
            1 => "somebody on the local network tried another code; 1 try is left there".to_owned(),
            left => format!("somebody on the local network tried another code; {left} tries are left there"),
        });
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
                _ => {
                    let called = if is_remote_name(&place.name) { &name } else { "NAME" };
                    let address = for_shell(&place.address);
                    format!("It rests in {name} as well: safelight remote add {called} {address}")
                }
            });
        }
    }

    fn credential(&self, address: &str) -> Result<Option<RemoteCredential>, LibraryError> {
        let Some(opening) = &self.opening else { return Ok(None) };
        self.agree_to_go(address, opening)?;
        let opened = remote::credential(self.context, Some(address), opening.file, opening.client);
        opened.map_err(|failure| LibraryError::Refused {
            reason: failure.message,
            hint: "say what opens the place with --credential-file FILE or --client-id ID".into(),
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
    /// What opens a place is sent to none that only the other device named, unless somebody here agrees.
    fn agree_to_go(&self, address: &str, opening: &Opening<'_>) -> Result<(), LibraryError> {
        let is_a_file = address.starts_with("folder:") || address.starts_with("file:");
        let refused = |reason: String| {
            let hint =
                "--yes agrees; or name the place as this device reaches it: safelight join ADDRESS --code";
            Err(LibraryError::Refused { reason, hint: hint.into() })
        };
        if self.context.global.yes || is_a_file && !opening.is_given() {
            return Ok(());
        }
        let shown = printable_text(address);
        if prompt::someone_is_there() {
            let question = format!(
                "The other device says that the library rests in {shown}. Open that place from here?"
            );
            let failed = |source| LibraryError::Io { path: "the terminal".into(), action: "read", source };
            return match prompt::agree(&question).map_err(failed)? {
                true => Ok(()),
                false => refused(format!("nobody agreed to open {shown}")),
            };
        }
        // Nothing of this machine goes there where nothing is given, but for its own identity at Azure.
        if opening.is_given() || address.starts_with("azure:") {
            return refused(format!("only the other device says that the library rests in {shown}"));
        }
        Ok(())
    }

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
pub(crate) fn given_code(context: &Context, file: Option<&Path>) -> Result<GivenCode, Failure> {
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
