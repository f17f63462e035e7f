//! Binary PPM, as ffmpeg writes a poster frame: `P6 width height 255` and the pixels.

use super::{Decoded, Job};
use crate::protocol::Refusal;
use crate::raster::Raster;

pub(super) fn decode(job: &Job<'_>) -> Result<Decoded, Refusal> {
    let (width, height, pixels) =
        parse(job.bytes).ok_or_else(|| Refusal::malformed("the video's frame is malformed"))?;
    job.admit(width, height, 0)?;
    let raster = Raster { width, height, pixels: pixels.to_vec() };
    Ok(Decoded::upright(raster, job, (width, height), "ppm"))
}

fn parse(bytes: &[u8]) -> Option<(u32, u32, &[u8])> {
    let mut rest = bytes.strip_prefix(b"P6")?;
    let mut number = || {
        rest = rest.trim_ascii_start();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (text, others) = rest.split_at_checked(digits)?;
        rest = others;
        std::str::from_utf8(text).ok()?.parse::<u32>().ok()
    };
    let (width, height, most) = (number()?, number()?, number()?);
    let pixels = rest.get(1..)?;
    let length = (width as usize).checked_mul(height as usize)?.checked_mul(3)?;
    (most == 255 && length > 0).then_some((width, height, pixels.get(..length)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_parsed_and_a_short_one_is_not() {
        assert_eq!(parse(b"P6\n2 1\n255\nabcdef"), Some((2, 1, b"abcdef".as_slice())));
        for wrong in [
            b"P6\n2 1\n255\nabcde".as_slice(),
            b"P5\n1 1\n255\na",
            b"P6\n0 1\n255\n",
            b"P6 4294967295 4294967295 255\n",
            b"",
        ] {
            assert_eq!(parse(wrong), None);
        }
    }
}
