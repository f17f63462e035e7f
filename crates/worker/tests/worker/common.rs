//! Pools over the test worker, and pictures made on the spot.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use safelight_media::pool::{Pool, PoolOptions, StillFormat};
use safelight_worker::protocol::{
    Answer, Hello, Limits, Outcome, RenderedHead, Request, Wanted, read_head, write_head,
};

/// A pool of the test worker.
pub(crate) fn pool() -> Pool {
    pool_with(|_| ())
}

/// The same with other options.
pub(crate) fn pool_with(change: impl FnOnce(&mut PoolOptions)) -> Pool {
    let mut options = PoolOptions {
        program: env!("CARGO_BIN_EXE_safelight-worker-test").into(),
        arguments: Vec::new(),
        workers: 2,
        ..PoolOptions::default()
    };
    change(&mut options);
    Pool::start(options).unwrap()
}

/// Pixels whose four quarters have their own colours, so that turns show: red, green over blue, white.
pub(crate) fn quarters(width: usize, height: usize) -> Vec<u8> {
    (0..width * height)
        .flat_map(|index| match (index % width * 2 >= width, index / width * 2 >= height) {
            (false, false) => [220, 20, 20],
            (true, false) => [20, 200, 20],
            (false, true) => [20, 20, 220],
            (true, true) => [240, 240, 240],
        })
        .collect()
}

/// A JPEG of [`quarters`].
pub(crate) fn jpeg(width: usize, height: usize, progressive: bool) -> Vec<u8> {
    let mut compressor = turbojpeg::Compressor::new().unwrap();
    compressor.set_quality(90).unwrap();
    compressor.set_progressive(progressive).unwrap();
    compressor
        .compress_to_vec(turbojpeg::Image {
            pixels: quarters(width, height).as_slice(),
            width,
            pitch: width * 3,
            height,
            format: turbojpeg::PixelFormat::RGB,
        })
        .unwrap()
}

/// A JPEG of 64 × 48.
pub(crate) fn small_jpeg() -> Vec<u8> {
    jpeg(64, 48, false)
}

/// The colour in the middle of each quarter of a decoded picture, as letters.
pub(crate) fn letters(pixels: &[u8], width: usize, height: usize, channels: usize) -> String {
    [(1, 1), (3, 1), (1, 3), (3, 3)]
        .iter()
        .map(|(x, y)| {
            let at = (height * y / 4 * width + width * x / 4) * channels;
            match pixels[at..at + 3] {
                [red, green, blue] if red > 180 && green > 180 && blue > 180 => 'w',
                [red, green, blue] if red > 150 && green < 90 && blue < 90 => 'r',
                [red, green, blue] if red < 90 && green > 150 && blue < 90 => 'g',
                [red, green, blue] if red < 90 && green < 90 && blue > 150 => 'b',
                _ => '?',
            }
        })
        .collect()
}

/// Has a worker render a JPEG with its second decoder, as the pool asks after the first one died.
pub(crate) fn render_by_fallback(bytes: &[u8]) -> RenderedHead {
    let mut child = Command::new(env!("CARGO_BIN_EXE_safelight-worker-test"))
        .arg("decode")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    read_head::<Hello>(&mut output).unwrap().unwrap();
    let request = Request {
        id: 1,
        format: StillFormat::Jpeg,
        orientation: 1,
        wanted: Wanted::ALL,
        limits: Limits::default(),
        turn: false,
        fallback: true,
        body_bytes: bytes.len() as u64,
        wrong: None,
    };
    write_head(&mut input, &request).unwrap();
    input.write_all(bytes).unwrap();
    let answer: Answer = read_head(&mut output).unwrap().unwrap();
    // The parent lives, so the worker does, until its input closes.
    drop(input);
    drop(output.read_to_end(&mut Vec::new()));
    child.wait().unwrap();
    match answer.outcome {
        Outcome::Rendered(rendered) => rendered,
        Outcome::Refused(refusal) => panic!("{refusal}"),
    }
}
