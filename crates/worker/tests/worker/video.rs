//! Posters and facts of videos, from descriptors alone, and what ffmpeg cannot do. Skipped without ffmpeg.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::{letters, pool, pool_with, quarters};
use safelight_media::pool::{Plays, Pool, PoolOptions, ProxyStop, RenderError, Rendered, Wanted};

/// The `ffmpeg` of this computer; a test is skipped without it.
fn ffmpeg() -> Option<PathBuf> {
    let program = PoolOptions::default().ffmpeg;
    if program.is_none() {
        println!("skipped: there is no ffmpeg here");
    }
    program
}

/// A video of one second of the picture of quarters.
fn video(directory: &Path, name: &str, options: &[&str]) -> Option<PathBuf> {
    let program = ffmpeg()?;
    let picture = directory.join("quarters.ppm");
    fs::write(&picture, [b"P6\n320 240\n255\n".as_slice(), &quarters(320, 240)].concat()).unwrap();
    let target = directory.join(name);
    let status = Command::new(program)
        .args(["-nostdin", "-loglevel", "error", "-y", "-loop", "1", "-framerate", "10", "-i"])
        .arg(&picture)
        .args(["-t", "1"])
        .args(options)
        .arg(&target)
        .status()
        .unwrap();
    assert!(status.success(), "ffmpeg makes no {name}");
    Some(target)
}

fn shown(rendered: &Rendered) -> String {
    let preview = rendered.preview.as_ref().unwrap();
    let image = turbojpeg::decompress(&preview.bytes, turbojpeg::PixelFormat::RGB).unwrap();
    letters(&image.pixels, image.width, image.height, 3)
}

fn poster(pool: &Pool, path: &Path) -> Result<Rendered, RenderError> {
    pool.poster(&File::open(path).unwrap(), Wanted::ALL)
}

#[test]
fn every_container_has_a_poster() {
    let directory = tempfile::tempdir().unwrap();
    let pool = pool();
    let h264 = ["-c:v", "mpeg4", "-q:v", "2", "-pix_fmt", "yuv420p"].as_slice();
    for name in ["a.mp4", "a.mov", "a.m4v", "a.avi", "a.mkv", "a.3gp"] {
        let Some(path) = video(directory.path(), name, h264) else { return };
        let rendered = poster(&pool, &path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((rendered.width, rendered.height), (320, 240), "{name}");
        assert_eq!(shown(&rendered), "rgbw", "{name}");
        assert!(rendered.thumbnail.is_some() && rendered.thumbhash.is_some() && rendered.pdq256.is_some());
    }
}

#[test]
fn facts_are_read_of_a_file_and_of_a_sealed_video_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let Some(path) = video(directory.path(), "a.mp4", &["-c:v", "mpeg4", "-pix_fmt", "yuv420p"]) else {
        return;
    };
    let pool = pool();
    let facts = pool.video_facts(&File::open(&path).unwrap()).unwrap();
    assert_eq!((facts.width, facts.height), (Some(320), Some(240)));
    assert_eq!(facts.codec.as_deref(), Some("mpeg4"));
    assert!(facts.duration_millis.is_some_and(|millis| (900..=1100).contains(&millis)), "{facts:?}");
    #[cfg(target_os = "linux")]
    {
        let memory = rustix::fs::memfd_create("video", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let mut memory = File::from(memory);
        memory.write_all(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(pool.video_facts(&memory).unwrap(), facts);
        assert_eq!(shown(&pool.poster(&memory, Wanted::ALL).unwrap()), "rgbw");
    }
}

#[test]
fn a_video_that_begins_in_the_dark_has_a_later_poster() {
    let directory = tempfile::tempdir().unwrap();
    let dark = ["-t", "5", "-vf", "fade=in:st=2:d=0.5", "-c:v", "mpeg4", "-q:v", "2", "-pix_fmt", "yuv420p"];
    let Some(path) = video(directory.path(), "dark.mp4", &dark) else { return };
    assert_eq!(shown(&poster(&pool(), &path).unwrap()), "rgbw");
}

#[test]
fn large_frames_are_shrunk_and_small_ones_are_not_enlarged() {
    let directory = tempfile::tempdir().unwrap();
    let large =
        ["-vf", "scale=2880:2160", "-c:v", "mjpeg", "-q:v", "3", "-frames:v", "1", "-pix_fmt", "yuvj420p"];
    let Some(path) = video(directory.path(), "large.mov", &large) else { return };
    let rendered = poster(&pool(), &path).unwrap();
    assert_eq!((rendered.width, rendered.height), (1440, 1080));
}

#[test]
#[cfg(target_os = "linux")]
fn ffmpeg_reads_no_other_file_than_the_video() {
    let directory = tempfile::tempdir().unwrap();
    let Some(secret) = video(directory.path(), "secret.mp4", &["-c:v", "mpeg4", "-pix_fmt", "yuv420p"])
    else {
        return;
    };
    let name = secret.to_string_lossy();
    // Containers that ask the program to open another file for its pictures.
    for (kind, text) in [
        ("hls", format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{name}\n#EXT-X-ENDLIST\n")),
        ("concat", format!("ffconcat version 1.0\nfile 'file:{name}'\n")),
    ] {
        let path = directory.path().join(kind);
        fs::write(&path, text).unwrap();
        let outcome = poster(&pool(), &path);
        assert!(matches!(outcome, Err(RenderError::Refused(_))), "{kind}: {outcome:?}");
    }
}

#[test]
fn broken_empty_and_huge_sparse_videos_give_a_reason_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let Some(whole) = video(directory.path(), "a.mp4", &["-c:v", "mpeg4", "-pix_fmt", "yuv420p"]) else {
        return;
    };
    let bytes = fs::read(whole).unwrap();
    let cut = directory.path().join("cut.mp4");
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let empty = directory.path().join("empty.mp4");
    fs::write(&empty, b"").unwrap();
    let sparse = directory.path().join("sparse.mp4");
    let mut file = File::create(&sparse).unwrap();
    file.write_all(&bytes[..64]).unwrap();
    file.set_len(5 << 30).unwrap();
    let pool = pool();
    for path in [cut, empty, sparse] {
        let begun = Instant::now();
        let outcome = poster(&pool, &path);
        assert!(begun.elapsed() < Duration::from_secs(40), "{}", path.display());
        match outcome {
            Ok(_) | Err(RenderError::Refused(_) | RenderError::TimedOut(_) | RenderError::Died(_)) => {}
            other => panic!("{}: {other:?}", path.display()),
        }
    }
}

#[test]
fn without_ffmpeg_a_video_has_no_poster_for_a_reason_that_is_not_its_own() {
    let pool = pool_with(|options| options.ffmpeg = None);
    let file = tempfile::tempfile().unwrap();
    let error = pool.poster(&file, Wanted::ALL).unwrap_err();
    assert!(matches!(error, RenderError::NoFfmpeg) && !error.is_about_the_file());
}

#[test]
fn videos_of_the_corpus_have_posters_or_reasons() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    if ffmpeg().is_none() || !root.is_dir() {
        println!("skipped: the corpus is not here");
        return;
    }
    let pool = pool();
    let (mut posters, mut reasons) = (0, 0);
    for directory in fs::read_dir(root).unwrap().flatten() {
        for entry in fs::read_dir(directory.path()).into_iter().flatten().flatten() {
            let path = entry.path();
            let known = path.extension().is_some_and(|kind| kind == "mp4" || kind == "mov" || kind == "3gp");
            if known {
                match poster(&pool, &path) {
                    Ok(rendered) => posters += usize::from(rendered.preview.is_some()),
                    Err(RenderError::Refused(refusal)) => reasons += usize::from(!refusal.reason.is_empty()),
                    Err(other) => panic!("{}: {other:?}", path.display()),
                }
            }
        }
    }
    println!("{posters} posters, {reasons} reasons");
    assert!(posters >= 6, "{posters} posters, {reasons} reasons");
}

/// All pieces of a proxy.
fn made(pool: &Pool, path: &Path, from_seconds: u32) -> Result<(String, Vec<u8>), RenderError> {
    let mut proxy =
        pool.proxy(&File::open(path).unwrap(), from_seconds, Plays::ALL, &ProxyStop::default())?;
    let mut bytes = Vec::new();
    while let Some(piece) = proxy.next_piece()? {
        bytes.extend(piece);
    }
    Ok((proxy.media_type().to_owned(), bytes))
}

/// What `ffprobe` says of a video that is being streamed: its codecs, its size, and its seconds.
fn probed(directory: &Path, bytes: &[u8]) -> (String, f64) {
    let path = directory.join("made");
    fs::write(&path, bytes).unwrap();
    let probe = |entries: &str, of: &str| {
        let said = Command::new(ffmpeg().unwrap().with_file_name("ffprobe"))
            .args(["-v", "error", "-show_entries", entries, "-of", of])
            .arg(&path)
            .output()
            .unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap().trim().replace('\n', " ")
    };
    let seconds = probe("format=duration", "csv=p=0").parse().unwrap();
    (probe("stream=codec_name,width,height", "csv=p=0"), seconds)
}

#[test]
fn what_browsers_do_not_play_is_made_anew_from_anywhere_on() {
    let directory = tempfile::tempdir().unwrap();
    let pool = pool();
    let sound = ["-f", "lavfi", "-i", "sine=frequency=440"].as_slice();
    for (name, coding) in [
        ("a.mp4", ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"].as_slice()),
        ("a.mov", &["-c:v", "prores_ks", "-c:a", "pcm_s16le"]),
        ("a.mpg", &["-c:v", "mpeg2video", "-c:a", "mp2", "-r", "25"]),
        ("a.avi", &["-c:v", "mpeg4", "-c:a", "ac3"]),
    ] {
        let options = [sound, &["-t", "4", "-vf", "scale=1440:1080"], coding].concat();
        let Some(path) = video(directory.path(), name, &options) else { return };
        let (media_type, whole) = made(&pool, &path, 0).unwrap_or_else(|error| panic!("{name}: {error}"));
        let is_said =
            media_type.starts_with("video/mp4; codecs=\"avc1.4d40") && media_type.ends_with(", mp4a.40.2\"");
        assert!(is_said, "{name}: {media_type}");
        let (streams, seconds) = probed(directory.path(), &whole);
        assert_eq!(streams, "h264,1280,960 aac", "{name}: smaller, with its shape and its sound");
        assert!((3.5..4.5).contains(&seconds), "{name}: {seconds}");
        let (_, rest) = made(&pool, &path, 2).unwrap();
        let (_, seconds) = probed(directory.path(), &rest);
        assert!((1.0..3.0).contains(&seconds), "{name}: {seconds} from the second second on");
        // It begins with what a player needs first, and goes on in pieces of about a second.
        assert_eq!(&whole[4..8], b"ftyp");
        let fragments = whole.windows(4).filter(|four| four == b"moof").count();
        assert!(fragments >= 3, "{name}: {fragments} fragments");
    }
}

#[test]
fn a_small_silent_video_stays_so() {
    let directory = tempfile::tempdir().unwrap();
    let Some(path) = video(directory.path(), "a.avi", &["-c:v", "mpeg4", "-vf", "scale=101:77"]) else {
        return;
    };
    let (media_type, bytes) = made(&pool(), &path, 0).unwrap();
    assert!(media_type.starts_with("video/mp4") && !media_type.contains("mp4a"), "{media_type}");
    assert_eq!(probed(directory.path(), &bytes).0, "h264,100,76", "even sides, never enlarged");
}

/// A camcorder writes two half pictures of two moments into one frame; what moves has teeth then.
#[test]
fn half_pictures_of_a_camcorder_become_whole_ones() {
    let directory = tempfile::tempdir().unwrap();
    let Some(program) = ffmpeg() else { return };
    let (halves, whole) = (directory.path().join("halves.mpg"), directory.path().join("whole.mp4"));
    // An edge that moves by 8 pixels from one half picture to the next.
    let moving = "color=black:size=640x480:rate=50[b];color=white:size=80x480:rate=50[w];\
                  [b][w]overlay=x='mod(n*8,560)':y=0,tinterlace=interleave_top,setfield=tff";
    let status = Command::new(&program)
        .args(["-nostdin", "-loglevel", "error", "-y", "-filter_complex", moving, "-t", "2", "-an"])
        .args(["-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-b:v", "6M"])
        .arg(&halves)
        .status()
        .unwrap();
    assert!(status.success());
    let (media_type, bytes) = made(&pool(), &halves, 0).unwrap();
    assert!(!media_type.contains("mp4a"), "it is silent: {media_type}");
    fs::write(&whole, bytes).unwrap();
    assert!(teeth(&program, &halves) > 200, "the film itself has them");
    assert!(teeth(&program, &whole) < 20, "{}", teeth(&program, &whole));
}

/// How often in the 20th frame a bright pixel has dark ones above and below it.
fn teeth(program: &Path, video: &Path) -> usize {
    let shown = Command::new(program)
        .args(["-nostdin", "-loglevel", "error", "-i"])
        .arg(video)
        .args(["-vf", "select=eq(n\\,20),scale=640:480:flags=neighbor", "-frames:v", "1", "-pix_fmt", "gray"])
        .args(["-f", "rawvideo", "-"])
        .output()
        .unwrap()
        .stdout;
    assert_eq!(shown.len(), 640 * 480);
    let bright = |at: usize| shown[at] > 160;
    (640..640 * 479).filter(|&at| bright(at) && !bright(at - 640) && !bright(at + 640)).count()
}

#[test]
fn a_proxy_ends_when_somebody_stops_it_even_before_it_begins() {
    let directory = tempfile::tempdir().unwrap();
    let long = ["-t", "600", "-r", "30", "-c:v", "mpeg4", "-vf", "scale=640:480"];
    let Some(path) = video(directory.path(), "long.avi", &long) else { return };
    let pool = pool();
    let file = File::open(&path).unwrap();
    let stop = ProxyStop::default();
    let mut proxy = pool.proxy(&file, 0, Plays::ALL, &stop).unwrap();
    assert!(proxy.next_piece().unwrap().is_some());
    let ends = std::thread::spawn(move || {
        loop {
            match proxy.next_piece() {
                Ok(Some(_)) => {}
                other => return other.map(|_| ()),
            }
        }
    });
    std::thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    stop.stop();
    let ended = ends.join().unwrap();
    assert!(matches!(ended, Err(RenderError::Died(_))), "{ended:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    let outcome = pool.proxy(&file, 0, Plays::ALL, &stop);
    assert!(matches!(outcome, Err(RenderError::Died(_))), "it was stopped before: {outcome:?}");
}

#[test]
fn what_is_no_video_is_no_proxy_either_in_bounded_time() {
    let directory = tempfile::tempdir().unwrap();
    let Some(whole) = video(directory.path(), "a.mp4", &["-c:v", "mpeg4", "-pix_fmt", "yuv420p"]) else {
        return;
    };
    let bytes = fs::read(whole).unwrap();
    let pool = pool_with(|options| options.timeout = Duration::from_secs(5));
    let playlist = format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{}/a.mp4\n#EXT-X-ENDLIST\n",
        directory.path().display()
    );
    for (name, content) in [
        ("cut.mp4", bytes[..bytes.len() / 2].to_vec()),
        ("empty.mp4", Vec::new()),
        ("noise.mp4", (0..200_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()),
        ("playlist.mp4", playlist.into_bytes()),
    ] {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        let begun = Instant::now();
        let outcome = made(&pool, &path, 0);
        assert!(
            matches!(outcome, Err(RenderError::Refused(_) | RenderError::TimedOut(_))),
            "{name}: {outcome:?}"
        );
        assert!(begun.elapsed() < Duration::from_secs(20), "{name}");
    }
    let without = pool_with(|options| options.ffmpeg = None);
    let file = File::open(directory.path().join("a.mp4")).unwrap();
    let outcome = without.proxy(&file, 0, Plays::ALL, &ProxyStop::default());
    assert!(matches!(outcome, Err(RenderError::NoFfmpeg)), "{outcome:?}");
}

#[test]
fn without_h264_it_is_webm_and_without_sound_where_that_cannot_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let sound = ["-f", "lavfi", "-i", "sine=frequency=440", "-c:v", "mpeg4", "-c:a", "aac", "-t", "2"];
    let Some(path) = video(directory.path(), "a.mp4", &sound) else { return };
    for (task, has_sound) in [("proxy-vp8@0", true), ("proxy-vp8-silent@0", false)] {
        let output = Command::new(env!("CARGO_BIN_EXE_safelight-worker-test"))
            .args(["video", task])
            .arg(ffmpeg().unwrap())
            .stdin(File::open(&path).unwrap())
            .output()
            .unwrap();
        assert!(output.status.success(), "{task}: {:?}", output.status);
        assert!(output.stdout.starts_with(b"\x1a\x45\xdf\xa3"));
        assert_eq!(output.stdout.windows(6).any(|six| six == b"A_OPUS"), has_sound, "{task}");
        let made = directory.path().join("made.webm");
        fs::write(&made, output.stdout).unwrap();
        let facts = pool().video_facts(&File::open(made).unwrap()).unwrap();
        let shown = (facts.codec.as_deref(), facts.width, facts.height);
        assert_eq!(shown, (Some("vp8"), Some(320), Some(240)), "{task}");
    }
}

#[test]
fn a_video_is_made_in_a_form_that_can_be_played() {
    let directory = tempfile::tempdir().unwrap();
    let short = ["-t", "3", "-r", "30", "-c:v", "mpeg4", "-vf", "scale=320:240"];
    let Some(path) = video(directory.path(), "short.avi", &short) else { return };
    let pool = pool();
    for (plays, kind) in
        [(Plays { h264: false, vp8: true }, "video/webm"), (Plays { h264: true, vp8: false }, "video/mp4")]
    {
        match pool.proxy(&File::open(&path).unwrap(), 0, plays, &ProxyStop::default()) {
            Ok(proxy) => assert!(proxy.media_type().starts_with(kind), "{}", proxy.media_type()),
            // An ffmpeg without that encoder.
            Err(error) => println!("no {kind} here: {error}"),
        }
    }
    let none = Plays { h264: false, vp8: false };
    assert!(pool.proxy(&File::open(&path).unwrap(), 0, none, &ProxyStop::default()).is_err());
}
