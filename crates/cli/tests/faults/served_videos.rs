//! Videos that browsers do not play: the gallery has them made anew while they are watched. Skipped without ffmpeg.

use std::io::Read as _;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::room::{PATIENCE, Room, skip, text};
use crate::serving::Serving;

/// So long a video is that is taken to its end.
const SHORT: u32 = 12;
/// So long that nobody has taken all of it before something else happens.
const LONG: u32 = 300;

/// A library with a drawn video that no browser plays, sealed or left where it lies.
fn with_video(name: &str, seconds: u32, coding: &[&str], import: &[&str]) -> Option<Room> {
    let room = Room::with_library();
    std::fs::create_dir_all(room.photos()).unwrap();
    let drawn = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25"])
        .args(["-f", "lavfi", "-i", "sine=frequency=440", "-t", &seconds.to_string()])
        .args(coding)
        .arg(room.photos().join(name))
        .status();
    if !drawn.is_ok_and(|status| status.success()) {
        skip("no ffmpeg here draws a video");
        return None;
    }
    let mut command = room.import_command();
    room.run(command.args(import)).ends_with(&[0]);
    Some(room)
}

const HEVC: &[&str] =
    &["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-c:a", "aac"];
const MPEG4: &[&str] = &["-c:v", "mpeg4", "-q:v", "4", "-c:a", "ac3"];

fn id_of(room: &Room, query: &str) -> String {
    let found = room.safelight(&["--json", "list", query]).ends_with(&[0]).json();
    text(&found[0], "id")
}

/// The codecs and the seconds of a video that was streamed.
fn probed(room: &Room, head: &str, body: &[u8]) -> (String, f64) {
    let body = if head.contains("transfer-encoding: chunked") { joined(body) } else { body.to_vec() };
    let path = room.path("streamed");
    std::fs::write(&path, body).unwrap();
    let probe = |entries: &str| {
        let words = ["-v", "error", "-show_entries", entries, "-of", "csv=p=0"];
        let said = Command::new("ffprobe").args(words).arg(&path).output().unwrap();
        assert!(said.status.success(), "{head} {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap().trim().replace('\n', " ")
    };
    (probe("stream=codec_name,width,height"), probe("format=duration").parse().unwrap())
}

fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = chunks.windows(2).position(|two| two == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).unwrap(), 16).unwrap();
        body.extend(&chunks[end + 2..end + 2 + length]);
        if length == 0 {
            break;
        }
        chunks = &chunks[end + 4 + length..];
    }
    body
}

/// Asks for a video, and takes the first of it.
fn begun(serving: &Serving, id: &str) -> TcpStream {
    let mut stream = serving.begun("GET", &format!("{}/v/{id}", serving.media), "");
    let mut first = [0; 4096];
    stream.read_exact(&mut first).unwrap();
    assert!(first.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&first));
    stream
}

/// Takes the rest of a stream; answers whether its end is the end of the video.
fn ends_well(mut stream: TcpStream) -> bool {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).is_ok() && rest.ends_with(b"0\r\n\r\n")
}

/// The programs that make videos for this server.
#[cfg(target_os = "linux")]
fn makers(serving: &Serving) -> usize {
    let parent = serving.process().to_string();
    let is_one = |process: &std::fs::DirEntry| {
        let told = std::fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        // `ID (NAME) STATE PARENT …`
        let (name, rest) = told.rsplit_once(") ").unwrap_or_default();
        name.ends_with("(ffmpeg") && rest.split(' ').nth(1) == Some(&parent)
    };
    std::fs::read_dir("/proc").unwrap().flatten().filter(is_one).count()
}

/// The videos that lie open in this server's memory.
#[cfg(target_os = "linux")]
fn open_videos(serving: &Serving) -> usize {
    let files = std::fs::read_dir(format!("/proc/{}/fd", serving.process())).unwrap().flatten();
    let shown = files.filter_map(|file| std::fs::read_link(file.path()).ok());
    shown.filter(|path| path.to_string_lossy().starts_with("/memfd:video")).count()
}

fn in_time(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_video_that_browsers_do_not_play_is_made_anew_from_wherever_it_is_asked_for() {
    for (name, coding, import) in
        [("hevc.mp4", HEVC, [].as_slice()), ("old.avi", MPEG4, &[]), ("linked.avi", MPEG4, &["--link"])]
    {
        let Some(room) = with_video(name, SHORT, coding, import) else { return };
        let serving = Serving::begin(&room);
        let id = serving.ids().remove(0);
        let path = format!("{}/v/{id}", serving.media);
        let (head, body) = serving.ask("GET", &path, "");
        assert!(head.starts_with("HTTP/1.1 200"), "{name}: {head}");
        // The level is the encoder's business.
        let said =
            ["content-type: video/mp4; codecs=\"avc1.4d40", ", mp4a.40.2\"", "cache-control: no-store"];
        assert!(said.iter().all(|said| head.contains(said)), "{name}: {head}");
        let (streams, seconds) = probed(&room, &head, &body);
        assert_eq!(streams, "h264,320,240 aac", "{name}");
        assert!((f64::from(SHORT) - seconds).abs() < 0.5, "{name}: {seconds}");
        let (head, body) = serving.ask("GET", &format!("{path}?from=9"), "");
        let (_, seconds) = probed(&room, &head, &body);
        assert!((2.5..3.8).contains(&seconds), "{name}: {seconds} from the ninth second on");
        let (head, body) = serving.ask("GET", &format!("{path}?from=500"), "");
        let said: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        // Some write what stands before the first picture all the same.
        let is_refused = head.starts_with("HTTP/1.1 422") && said["error"]["code"] == "nothing-follows";
        assert!(is_refused || !body.windows(4).any(|four| four == b"moof"), "{name}: {head}");
        assert!(serving.ask("GET", &format!("{path}?from=-1"), "").0.starts_with("HTTP/1.1 400"));
        serving.end().ends_with(&[0]);
        room.verify_is_clean();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn one_is_watched_at_a_time_and_none_is_made_for_nobody() {
    let Some(room) = with_video("long.avi", LONG, MPEG4, &[]) else { return };
    let serving = Serving::begin(&room);
    let id = serving.ids().remove(0);
    let first = begun(&serving, &id);
    assert_eq!((makers(&serving), open_videos(&serving)), (1, 1));
    let second = begun(&serving, &id);
    assert!(!ends_well(first), "the second ended the first");
    in_time("one is made at a time", || makers(&serving) == 1);
    drop(second);
    in_time("who leaves ends it", || makers(&serving) == 0);
    assert_eq!(open_videos(&serving), 1, "somebody may seek in it");

    // Locked, it breaks off.
    let third = begun(&serving, &id);
    assert_eq!((makers(&serving), open_videos(&serving)), (1, 1));
    serving.done("POST", "lock", &json!({}));
    in_time("the lock ends it", || makers(&serving) == 0 && open_videos(&serving) == 0);
    assert!(!ends_well(third), "what a lock cuts off has no end");
    let (head, _) = serving.ask("GET", &format!("{}/v/{id}", serving.media), "");
    assert!(head.starts_with("HTTP/1.1 423"), "{head}");
    serving.end().ends_with(&[0]);
}

#[test]
fn a_hidden_video_is_watched_no_longer_than_hidden_photos_are_open() {
    let Some(room) = with_video("long.avi", LONG, MPEG4, &[]) else { return };
    room.safelight(&["set", "long.avi", "hidden=yes"]).ends_with(&[0]);
    let serving = Serving::begin(&room);
    let id = id_of(&room, "is:hidden");
    let path = format!("{}/v/{id}", serving.media);
    assert!(serving.ask("GET", &path, "").0.starts_with("HTTP/1.1 404"));
    serving.done("POST", "hidden/open", &json!({ "passphrase": "correct horse battery staple" }));
    let watched = begun(&serving, &id);
    serving.done("POST", "hidden/close", &json!({}));
    #[cfg(target_os = "linux")]
    in_time("it is let go of", || makers(&serving) == 0 && open_videos(&serving) == 0);
    assert!(!ends_well(watched), "it is cut off");
    assert!(serving.ask("GET", &path, "").0.starts_with("HTTP/1.1 404"));
    serving.end().ends_with(&[0]);
}

#[test]
fn what_is_no_video_or_only_named_so_is_refused_in_bounded_time() {
    let Some(room) = with_video("hevc.mp4", SHORT, HEVC, &[]) else { return };
    let whole = std::fs::read(room.photos().join("hevc.mp4")).unwrap();
    let mut hostile = whole[..64].to_vec();
    hostile.extend((0..300_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0]));
    room.put("hostile.mp4", hostile);
    room.put("photo.jpg", crate::pictures::photo(1));
    room.import().ends_with(&[0]);
    let serving = Serving::begin(&room);
    for (name, code) in [("hostile.mp4", "cannot-convert"), ("photo.jpg", "cannot-convert")] {
        let id = id_of(&room, &format!("name:{name}"));
        let asked = Instant::now();
        let (head, body) = serving.ask("GET", &format!("{}/v/{id}", serving.media), "");
        let said: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert!(head.starts_with("HTTP/1.1 422"), "{name}: {head}");
        assert_eq!(
            (&said["error"]["code"], &said["error"]["why"]["code"]),
            (&json!(code), &json!(code)),
            "{said}"
        );
        assert!(asked.elapsed() < Duration::from_secs(60), "{name}");
    }
    serving.end().ends_with(&[0]);
}
