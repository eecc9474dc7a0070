//! LZO1X, as the Linux kernel describes it in `Documentation/staging/lzo.rst`, without its run-length
//! extension, which squashfs never has.
//!
//! A stream is a row of instructions. Each copies bytes that are already there, says how many literal bytes
//! follow (at most three), or begins a longer run of them. What the lowest instructions mean depends on the
//! number of literals before them.

/// Bytes of literals before an instruction that stand for "four or more".
const MANY: usize = 4;

/// Decodes `stored` into `buffer` and returns the number of bytes. `None` if the stream is damaged, gives
/// more than that, or does not end where `stored` does.
pub(crate) fn decode(stored: &[u8], buffer: &mut [u8]) -> Option<usize> {
    let mut input = Input(stored);
    let mut output = Output { bytes: buffer, count: 0 };
    let mut literals = 0;
    // The first byte may be a number of literals.
    if let Some(count) = stored.first()?.checked_sub(17).filter(|count| *count > 0) {
        input.byte()?;
        literals = usize::from(count).min(MANY);
        output.append(input.take(count.into())?)?;
    }
    loop {
        let code = input.byte()?;
        let low = usize::from(code >> 2 & 3);
        let (length, distance, then) = match code {
            0..16 if literals == 0 => {
                let count = input.length(code, 15)?.checked_add(3)?;
                output.append(input.take(count)?)?;
                literals = MANY;
                continue;
            }
            0..16 => {
                let distance = usize::from(input.byte()?) << 2 | low;
                let (length, nearest) = if literals == MANY { (3, 2049) } else { (2, 1) };
                (length, distance.checked_add(nearest)?, code)
            }
            16..32 => {
                let length = input.length(code & 7, 7)?.checked_add(2)?;
                let (distance, then) = input.distance()?;
                let distance = usize::from(code & 8) << 11 | distance;
                if distance == 0 {
                    return (length == 3 && input.0.is_empty()).then_some(output.count);
                }
                (length, distance.checked_add(16 << 10)?, then)
            }
            32..64 => {
                let length = input.length(code & 31, 31)?.checked_add(2)?;
                let (distance, then) = input.distance()?;
                (length, distance.checked_add(1)?, then)
            }
            64.. => {
                let distance = usize::from(input.byte()?) << 3 | usize::from(code >> 2 & 7);
                (usize::from(code >> 5).checked_add(1)?, distance.checked_add(1)?, code)
            }
        };
        output.repeat(distance, length)?;
        literals = usize::from(then & 3);
        output.append(input.take(literals)?)?;
    }
}

/// The rest of a stream.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<u8> {
        self.0.split_off_first().copied()
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        self.0.split_off(..count)
    }

    /// A length that an instruction holds, or that follows it if that is zero: `most`, 255 for each zero
    /// byte, and the byte after them.
    fn length(&mut self, held: u8, most: usize) -> Option<usize> {
        if held > 0 {
            return Some(held.into());
        }
        let zeros = self.0.iter().take_while(|byte| **byte == 0).count();
        self.take(zeros)?;
        zeros.checked_mul(255)?.checked_add(most)?.checked_add(self.byte()?.into())
    }

    /// A distance, and the byte whose lowest two bits say how many literals follow.
    fn distance(&mut self) -> Option<(usize, u8)> {
        let [low, high] = [self.byte()?, self.byte()?];
        Some((usize::from(u16::from_le_bytes([low, high]) >> 2), low))
    }
}

/// The bytes that are there so far, in a buffer that holds no more.
struct Output<'a> {
    bytes: &'a mut [u8],
    count: usize,
}

impl Output<'_> {
    fn append(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.count.checked_add(bytes.len())?;
        self.bytes.get_mut(self.count..end)?.copy_from_slice(bytes);
        self.count = end;
        Some(())
    }

    /// Copies `length` bytes from so far back. They may overlap with what they become: then they repeat.
    fn repeat(&mut self, distance: usize, length: usize) -> Option<()> {
        let from = self.count.checked_sub(distance)?;
        let end = self.count.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        // Whatever there is between them is a whole number of repetitions, so it may be copied at once.
        while self.count < end {
            let there = self.count.checked_sub(from)?.min(end.checked_sub(self.count)?);
            self.bytes.copy_within(from..from.checked_add(there)?, self.count);
            self.count = self.count.checked_add(there)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::decode;

    const END: [u8; 3] = [0x11, 0, 0];

    /// A stream with these instructions, decoded into a buffer of so many bytes.
    fn decoded(instructions: &[u8], room: usize) -> Option<Vec<u8>> {
        let mut buffer = vec![0; room];
        let count = decode(&[instructions, &END].concat(), &mut buffer)?;
        buffer.truncate(count);
        Some(buffer)
    }

    /// Instructions for so many literals at the begin of a stream.
    fn literals(bytes: &[u8]) -> Vec<u8> {
        let count = bytes.len() - 18;
        let zeros = (count - 1) / 255;
        [&[0][..], &vec![0; zeros], &[u8::try_from(count - zeros * 255).expect("a byte")], bytes].concat()
    }

    #[test]
    fn each_instruction_copies_what_it_names() {
        let text: Vec<u8> =
            (0..40_000_u32).map(|number| number.wrapping_mul(0x9E37_79B1).to_be_bytes()[0]).collect();
        let begin = literals(&text);
        let from = |back: usize, length: usize| text[text.len() - back..][..length].to_vec();
        for (instruction, copied) in [
            // After four literals or more: three bytes from 2049 bytes back and more.
            (&[0b0000_0100, 1][..], from(2049 + 5, 3)),
            (&[0b0101_0100, 2], from((2 << 3 | 5) + 1, 3)),
            (&[0b1111_0100, 2], from((2 << 3 | 5) + 1, 8)),
            (&[0b0010_1010, 0x04, 0x01], from(0x41 + 1, 12)),
            (&[0b0010_0000, 5, 0x00, 0x02], from(129, 38)),
            (&[0b0010_0000, 0, 1, 0x00, 0x08], from(513, 289)),
            (&[0b0001_0001, 0x04, 0x00], from(16385, 3)),
            (&[0b0001_1001, 0x04, 0x00], from(32769, 3)),
            (&[0b0001_0000, 9, 0x04, 0x00], from(16385, 18)),
        ] {
            let all = decoded(&[&begin[..], instruction].concat(), 50_000).expect("a sound stream");
            assert!(all == [&text[..], &copied].concat(), "{instruction:?}");
        }
    }

    #[test]
    fn literals_follow_where_an_instruction_says_so() {
        // Two literals, a copy of one byte thrice with one literal behind it, a copy of two with none, four.
        let stream = [19, b'a', b'b', 0b0100_0001, 0, b'c', 0b0000_0100, 0, 1, b'd', b'e', b'f', b'g'];
        assert_eq!(decoded(&stream, 99).as_deref(), Some(&b"abbbbcbcdefg"[..]));
    }

    #[test]
    fn a_damaged_stream_is_none() {
        let sound = [18, b'a', 0b0100_0000, 0];
        assert_eq!(decoded(&sound, 4).as_deref(), Some(&b"aaaa"[..]));
        assert_eq!(decoded(&sound, 3), None, "more than the buffer holds");
        assert_eq!(decoded(&[18, b'a', 0b0100_0100, 0], 99), None, "bytes before the first");
        assert_eq!(decoded(&[&sound[..], &END].concat(), 99), None, "bytes behind the end");
        assert_eq!(decoded(&[25, b'a'], 99), None, "fewer literals than it says");
        assert_eq!(decode(&sound, &mut [0; 99]), None, "no end");
        assert_eq!(decode(&[], &mut [0; 99]), None);
        assert_eq!(decode(&[0x10, 0, 0], &mut [0; 99]), None);
        // A length of 256 MiB.
        assert_eq!(decoded(&[&[18, b'a', 0x20][..], &vec![0; 1 << 20], &[1, 0, 0]].concat(), 1 << 20), None);
    }
}
