//! Originals out of sealed objects: the bytes that were asked for, and not many more.

use std::io::{Read as _, Write as _};

use crate::room::{Room, picture};

/// Large enough to rest as a sealed object of its own.
const LARGE_BYTES: usize = 24 << 20;

#[test]
fn every_range_is_that_range_of_the_file() {
    let (small, large) = (picture(1, 600), picture(2, LARGE_BYTES));
    let room = Room::with(&[("small.jpg", small.clone()), ("large.jpg", large.clone())]);
    let browser = room.serve();
    for id in browser.ids() {
        let path = format!("{}/o/{id}", browser.media);
        let whole = browser.ask("GET", &path, &browser.headers(), &[]);
        assert_eq!(whole.status, 200);
        let bytes = if whole.body.len() > 1000 { &large } else { &small };
        assert!(whole.body == *bytes, "the whole file");
        let size = bytes.len();
        for (first, last) in
            [(0, 0), (1, 2), (size / 2, size / 2 + 99), (size - 1, size - 1), (size - 200, size + 50)]
        {
            let headers = browser.headers_but("Range", Some(&format!("bytes={first}-{last}")));
            let part = browser.ask("GET", &path, &headers, &[]);
            let end = (last + 1).min(size);
            assert_eq!(part.status, 206);
            assert!(part.body == bytes[first..end], "{first} to {last} of {size}");
            assert_eq!(
                part.header("content-range"),
                Some(format!("bytes {first}-{}/{size}", end - 1).as_str())
            );
        }
        let beyond = browser.headers_but("Range", Some(&format!("bytes={size}-")));
        let nothing = browser.ask("GET", &path, &beyond, &[]);
        assert_eq!(
            (nothing.status, nothing.header("content-range")),
            (416, Some(format!("bytes */{size}").as_str()))
        );
    }
}

#[test]
fn the_video_within_a_motion_photo_is_served_and_nothing_before_it() {
    let video = film(3000);
    let packet = format!(
        "http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF \
         xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description \
         xmlns:GCamera=\"http://ns.google.com/photos/1.0/camera/\" GCamera:MicroVideo=\"1\" \
         GCamera:MicroVideoOffset=\"{}\"/></rdf:RDF></x:xmpmeta>",
        video.len()
    );
    let mut photo = vec![0xff, 0xd8, 0xff, 0xe1];
    photo.extend(u16::try_from(packet.len() + 2).unwrap().to_be_bytes());
    photo.extend(packet.bytes());
    photo.extend(&picture(4, 600)[2..]);
    photo.extend(&video);
    let room = Room::with(&[("moving.jpg", photo)]);
    let browser = room.serve();
    let id = browser.ids().remove(0);
    assert_eq!(browser.get(&format!("assets/{id}")).json()["web"]["moves"], true);
    let path = format!("{}/m/{id}", browser.media);
    let whole = browser.ask("GET", &path, &browser.headers(), &[]);
    assert_eq!((whole.status, whole.header("content-type")), (200, Some("video/mp4")));
    assert!(whole.body == video);
    assert!(whole.header("content-disposition").unwrap().contains("moving.mp4"));
    let part = browser.ask("GET", &path, &browser.headers_but("Range", Some("bytes=2990-9999")), &[]);
    assert_eq!(
        (part.status, part.header("content-range")),
        (206, Some(format!("bytes 2990-{}/{}", video.len() - 1, video.len()).as_str()))
    );
    assert!(part.body == video[2990..]);
}

#[test]
fn a_damaged_place_of_a_video_is_refused_and_no_answer_breaks_off() {
    let size = 6 << 20;
    let room = Room::with(&[("film.mp4", film(size))]);
    let sealed = largest_below(&room.path().join("objects"));
    let mut bytes = std::fs::read(&sealed).unwrap();
    bytes[size / 2] ^= 1;
    let mut permissions = std::fs::metadata(&sealed).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    std::fs::set_permissions(&sealed, permissions).unwrap();
    std::fs::write(&sealed, bytes).unwrap();
    let browser = room.serve();
    let path = format!("{}/o/{}", browser.media, browser.ids().remove(0));
    let ask = |range: String| browser.ask("GET", &path, &browser.headers_but("Range", Some(&range)), &[]);
    assert_eq!(ask("bytes=0-".to_owned()).status, 206);
    assert_eq!(ask(format!("bytes={}-", 5 << 20)).status, 206);
    let refused = ask(format!("bytes={}-", size / 2 - 100_000));
    assert_eq!((refused.status, refused.code().as_str()), (500, "damaged"));
    // And before anything of it is kept as a file, it is said.
    let look = |closely: &str| {
        let found = browser.get(&format!("assets/{}/fetch{closely}", browser.ids().remove(0)));
        (found.status, found.json()["missing"]["code"].clone())
    };
    assert_eq!(look(""), (200, serde_json::Value::Null), "it is there");
    assert_eq!(look("?whole=true"), (200, "damaged".into()));
    let found = browser.get(&format!("assets/{}/fetch?whole=true", browser.ids().remove(0))).json();
    let missing = &found["missing"];
    assert_eq!(missing["why"]["code"], "original-damaged", "{missing}");
    assert!(missing["hint"].as_str().unwrap().contains("safelight local fetch"), "{missing}");
}

/// The largest file somewhere below a folder.
fn largest_below(folder: &std::path::Path) -> std::path::PathBuf {
    let mut found = vec![folder.to_owned()];
    let mut largest = (0, folder.to_owned());
    while let Some(path) = found.pop() {
        let metadata = path.metadata().unwrap();
        if metadata.is_dir() {
            found.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if metadata.len() > largest.0 {
            largest = (metadata.len(), path);
        }
    }
    largest.1
}

#[test]
fn before_a_file_is_kept_it_is_said_why_there_is_none() {
    let room = Room::with(&[]);
    let folder = room.link(&[("linked.jpg", picture(1, 600))]);
    let browser = room.serve();
    let path = format!("assets/{}/fetch", browser.ids().remove(0));
    let there = browser.get(&path);
    assert!((there.status, &there.json()["missing"]) == (200, &serde_json::Value::Null), "{there:?}");
    std::fs::remove_file(folder.join("linked.jpg")).unwrap();
    let gone = browser.get(&path);
    let why = &gone.json()["missing"];
    assert_eq!((gone.status, why["code"].as_str()), (200, Some("not-found")), "{gone:?}");
    assert!(why["message"].as_str().unwrap().contains("linked.jpg") && why["hint"].is_string(), "{why}");
    assert_eq!(browser.get(&format!("assets/{}/fetch", "0".repeat(64))).status, 404);
}

#[test]
fn what_stands_still_has_no_video() {
    let room = Room::with(&[("still.jpg", picture(1, 600))]);
    let browser = room.serve();
    let id = browser.ids().remove(0);
    let answer = browser.ask("GET", &format!("{}/m/{id}", browser.media), &browser.headers(), &[]);
    assert_eq!((answer.status, answer.code().as_str()), (404, "not-found"));
    assert_eq!(browser.get(&format!("assets/{id}")).json()["web"]["moves"], false);
}

/// Enough of a film to be taken for one.
fn film(length: usize) -> Vec<u8> {
    let mut bytes = b"\0\0\0\x18ftypisom\0\0\x02\0isommp41".to_vec();
    bytes.extend(u32::try_from(length).unwrap().to_be_bytes());
    bytes.extend(b"mdat");
    bytes.extend(picture(3, length - 8));
    bytes
}

/// What this process has read so far, by the count that the system keeps of it.
fn bytes_read() -> u64 {
    let counts = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = counts.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
    line.parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn who_seeks_to_the_end_reads_only_what_is_there() {
    let size: usize = 256 << 20;
    let room = Room::with(&[("long.mp4", film(size))]);
    let browser = room.serve();
    let id = browser.ids().remove(0);
    let mut request = format!("GET {}/o/{id} HTTP/1.1\r\nRange: bytes={}-\r\n", browser.media, size / 10 * 9);
    for (name, value) in browser.headers() {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    let before = bytes_read();
    let mut stream = browser.connect();
    stream.write_all(format!("{request}\r\n").as_bytes()).unwrap();
    // A player reads what it needs to go on, and looks at that for a while.
    let mut first = vec![0; 256 << 10];
    stream.read_exact(&mut first).unwrap();
    std::thread::sleep(std::time::Duration::from_secs(2));
    let read = bytes_read() - before;
    assert!(first.starts_with(b"HTTP/1.1 206"));
    // The two sealed segments that it lies in, and little more.
    assert!(read <= 3 << 20, "{read} bytes were read");
}

#[cfg(target_os = "linux")]
#[test]
fn a_video_that_another_one_ends_has_not_failed() {
    let room = Room::with(&[("first.mp4", film(5000)), ("second.mp4", film(6000))]);
    if !std::path::Path::new("/usr/bin/ffmpeg").exists() {
        println!("skipped: without ffmpeg nothing is begun");
        return;
    }
    // It takes its time, and makes nothing.
    let began = room.replace_worker("#!/bin/sh\n: > \"$0.began\"\nexec /bin/sleep 1\n");
    let browser = room.serve();
    let ids = browser.ids();
    let watch = |id: &str| browser.ask("GET", &format!("{}/v/{id}", browser.media), &browser.headers(), &[]);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| watch(&ids[0]));
        while !began.exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let second = watch(&ids[1]);
        assert_eq!((second.status, second.code().as_str()), (422, "cannot-convert"), "{second:?}");
        let first = first.join().unwrap();
        assert_eq!((first.status, first.code().as_str()), (409, "another-video"), "{first:?}");
    });
}

#[test]
fn a_photo_without_a_picture_is_no_mistake_and_one_that_is_not_there_is() {
    let room = Room::with(&[("plain.jpg", picture(1, 600))]);
    let browser = room.serve();
    let id = browser.ids().remove(0);
    // These rooms import without a worker, so that nothing is drawn.
    for (id, status) in [(id.as_str(), 204), (&"e".repeat(64), 404)] {
        for kind in ["t", "p"] {
            let answer =
                browser.ask("GET", &format!("{}/{kind}/{id}", browser.media), &browser.headers(), &[]);
            assert_eq!(answer.status, status, "{kind}: {answer:?}");
        }
    }
}
