//! Reads MPEG-2 streams of camcorders and discs: program streams (`.mpg`, `.vob`, `.mod`) and transport streams
//! (`.mts`, `.m2ts`, `.ts`).
//!
//! They hold no metadata: only their pictures' size, where these are MPEG-1 or MPEG-2, and how long they are, by the clock in
//! their pieces. Where recordings were joined the clock begins anew between them, and no piece tells how long all are: a clock
//! that does not run through tells nothing. Invariant: no more than [`PLACES`] pieces of a file are read, however large it is.
//! (ISO/IEC 13818-1 §2.4 and §2.5; ISO/IEC 13818-2 §6.2.2.)

use crate::settle::Finds;
use crate::source::Source;

/// How much is looked at of each end, and of each place between.
const END_BYTES: usize = 256 << 10;
/// In so many places the clock is looked at, the two ends among them.
const PLACES: u64 = 9;
/// A film has so many bytes a second, at the least and the most. Where it would have others, the clock did not run through.
const BYTES_PER_SECOND: std::ops::RangeInclusive<u64> = 8000..=25_000_000;
/// Ticks of a clock in a millisecond.
const TICKS: u64 = 90;
/// A clock of 33 bits begins anew after a day.
const CLOCK: u64 = 1 << 33;
/// The lengths of a packet of a transport stream: bare, and with a time stamp before it (camcorders, Blu-ray).
const PACKETS: [(usize, usize); 2] = [(188, 0), (192, 4)];

/// Whether a file begins as a program stream does: with a pack.
pub(crate) fn is_program_stream(head: &[u8]) -> bool {
    head.starts_with(b"\0\0\x01\xba") && head.get(4).is_some_and(|byte| byte >> 6 == 1 || byte >> 4 == 2)
}

/// Whether a file begins as a transport stream does: with the same byte at the beginning of each packet.
pub(crate) fn is_transport_stream(head: &[u8]) -> bool {
    packets(head).is_some()
}

/// How long its packets are, and where in one the packet proper begins.
fn packets(head: &[u8]) -> Option<(usize, usize)> {
    let is_so = |&(length, start): &(usize, usize)| {
        (0..8).all(|packet| head.get(packet * length + start) == Some(&0x47))
    };
    PACKETS.into_iter().find(is_so)
}

pub(crate) fn read_program_stream(source: &Source<'_>, finds: &mut Finds) {
    let head = source.get_some(0, END_BYTES);
    read_size(&head, finds);
    let end = source.len().saturating_sub(END_BYTES as u64);
    let between = (1..PLACES - 1).map(|place| source.get_some(end / (PLACES - 1) * place, END_BYTES));
    let mut times: Vec<u64> = clocks(&head).next().into_iter().collect();
    times.extend(between.filter_map(|piece| clocks(&piece).next()));
    times.extend(clocks(&source.get_some(end, END_BYTES)).last());
    settle_length(&times, source.len(), finds);
}

pub(crate) fn read_transport_stream(source: &Source<'_>, finds: &mut Finds) {
    let head = source.get_some(0, END_BYTES);
    let Some((length, start)) = packets(&head) else { return };
    read_size(&head, finds);
    // Packets lie a whole number of them after the beginning.
    let packet = |offset: u64| offset - offset % length as u64;
    let end = packet(source.len()).saturating_sub(packet(END_BYTES as u64));
    let between = (1..PLACES - 1).map(|place| source.get_some(packet(end / (PLACES - 1) * place), END_BYTES));
    let mut times: Vec<u64> = references(&head, length, start).next().into_iter().collect();
    times.extend(between.filter_map(|piece| references(&piece, length, start).next()));
    times.extend(references(&source.get_some(end, END_BYTES), length, start).last());
    settle_length(&times, source.len(), finds);
}

/// The size of MPEG-1 and MPEG-2 pictures stands in their sequence header.
fn read_size(head: &[u8], finds: &mut Finds) {
    let found = head.windows(8).find(|eight| eight.starts_with(b"\0\0\x01\xb3"));
    if let Some(&[_, _, _, _, first, middle, last, _]) = found {
        let (first, middle, last) = (u32::from(first), u32::from(middle), u32::from(last));
        finds.probe.width = Some(first << 4 | middle >> 4).filter(|&width| width > 0);
        finds.probe.height = Some((middle & 15) << 8 | last).filter(|&height| height > 0);
    }
}

/// How long a film of so many bytes is that shows these times, in the order in which they lie in it.
fn settle_length(times: &[u64], length_bytes: u64, finds: &mut Finds) {
    let steps = times.iter().zip(times.iter().skip(1)).map(|(one, next)| (next + CLOCK - one) % CLOCK);
    // More than half a day further is a step back.
    let all = steps.map(|step| (step < CLOCK / 2).then_some(step)).sum::<Option<u64>>();
    let millis = all.map(|ticks| ticks / TICKS).filter(|&millis| millis > 0);
    let is_possible =
        |millis: &u64| BYTES_PER_SECOND.contains(&(length_bytes.saturating_mul(1000) / (*millis).max(1)));
    finds.probe.duration_millis = millis.filter(is_possible);
}

/// The clocks of the packs of a program stream, in 90 kHz.
fn clocks(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.windows(9).filter(|nine| nine.starts_with(b"\0\0\x01\xba")).filter_map(|nine| {
        let five = nine.get(4..)?;
        let bits = five.iter().fold(0_u64, |bits, &byte| bits << 8 | u64::from(byte));
        // Marker bits lie between the three parts; MPEG-2 has two bits less before them than MPEG-1.
        match five.first()? >> 4 {
            4..=7 => Some((bits >> 35 & 7) << 30 | (bits >> 19 & 0x7fff) << 15 | bits >> 3 & 0x7fff),
            2 => Some((bits >> 33 & 7) << 30 | (bits >> 17 & 0x7fff) << 15 | bits >> 1 & 0x7fff),
            _ => None,
        }
    })
}

/// The clock references of a transport stream, in 90 kHz.
fn references(bytes: &[u8], length: usize, start: usize) -> impl Iterator<Item = u64> {
    bytes.chunks_exact(length).filter_map(move |packet| {
        let packet = packet.get(start..)?;
        let has_clock = packet.first() == Some(&0x47)
            && packet.get(3)? & 0x20 != 0
            && *packet.get(4)? >= 7
            && packet.get(5)? & 0x10 != 0;
        let [first, second, third, fourth, fifth] = *packet.get(6..)?.first_chunk()?;
        let high = u64::from(u32::from_be_bytes([first, second, third, fourth]));
        has_clock.then_some(high << 1 | u64::from(fifth >> 7))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pack of a program stream of MPEG-2, `ticks` after the clock began.
    fn pack(ticks: u64) -> Vec<u8> {
        let (high, middle, low) = (ticks >> 30 & 7, ticks >> 15 & 0x7fff, ticks & 0x7fff);
        let bits = 1 << 38 | high << 35 | 1 << 34 | middle << 19 | 1 << 18 | low << 3 | 1 << 2;
        [b"\0\0\x01\xba".as_slice(), &bits.to_be_bytes()[3..]].concat()
    }

    /// A packet of a transport stream that tells the clock.
    fn packet(ticks: u64) -> Vec<u8> {
        let mut packet = vec![0x47, 0x40, 0, 0x30, 7, 0x10];
        packet.extend((u32::try_from(ticks >> 1).unwrap()).to_be_bytes());
        packet.push(u8::try_from((ticks & 1) << 7).unwrap());
        packet.resize(188, 0xff);
        packet
    }

    fn read(bytes: &[u8], read: impl Fn(&Source<'_>, &mut Finds)) -> (Option<u32>, Option<u32>, Option<u64>) {
        let mut finds = Finds::default();
        read(&Source::memory(bytes), &mut finds);
        (finds.probe.width, finds.probe.height, finds.probe.duration_millis)
    }

    #[test]
    fn a_program_stream_is_as_long_as_its_clock_ran_and_as_large_as_its_sequence_says() {
        let size = b"\0\0\x01\xb3\x2d\x02\x40\x33";
        // Far apart, with the clock beginning anew between them.
        let stream = [pack(CLOCK - 90_000), size.to_vec(), vec![9; 2 * END_BYTES], pack(90_000)].concat();
        assert!(is_program_stream(&stream) && !is_transport_stream(&stream));
        assert_eq!(read(&stream, read_program_stream), (Some(720), Some(576), Some(2000)));
        assert_eq!(read(&pack(5), read_program_stream), (None, None, None));
    }

    /// A film whose clock shows these seconds, one in each quarter of a megabyte.
    fn film(seconds: impl Iterator<Item = u64>) -> Vec<u8> {
        seconds.flat_map(|second| [pack(second * 90_000), vec![9; END_BYTES - 100]].concat()).collect()
    }

    #[test]
    fn a_clock_that_does_not_run_through_tells_no_length() {
        let length = |bytes: &[u8]| read(bytes, read_program_stream).2;
        assert_eq!(length(&film(0..40)), Some(39_000));
        // Two recordings, the second a little shorter, a little longer, or much later.
        for second in [0..16, 0..25, 70_000..70_020, 7000..7020] {
            assert_eq!(length(&film((0..20).chain(second.clone()))), None, "{second:?}");
        }
        // Cells of a disc, each with its own clock.
        assert_eq!(length(&film((0..40).map(|at| at % 13))), None);
        let joined = (0..8000).map(|count| packet(if count < 4000 { 90_000_000 } else { 0 } + count * 900));
        assert_eq!(read(&joined.collect::<Vec<_>>().concat(), read_transport_stream).2, None);
    }

    #[test]
    fn a_transport_stream_is_known_by_its_packets_bare_or_stamped() {
        let clocks = (0..4000).map(|count| packet(count * 900));
        let bare = clocks.clone().collect::<Vec<_>>().concat();
        let stamped = clocks.map(|packet| [vec![0; 4], packet].concat()).collect::<Vec<_>>().concat();
        for stream in [bare, stamped] {
            assert!(is_transport_stream(&stream));
            assert_eq!(read(&stream, read_transport_stream).2, Some(39_990));
            assert!(!is_transport_stream(&stream[..600]) && !is_transport_stream(&stream[1..]));
            // Cut off in the middle of a packet, it is a little shorter.
            assert_eq!(read(&stream[..stream.len() - 5], read_transport_stream).2, Some(39_980));
        }
    }
}
