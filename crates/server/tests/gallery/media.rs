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
    assert!(read <= 8 << 20, "{read} bytes were read");
}
