//! Where the frames of a WebSocket end (RFC 6455, 5.2), and the frame that closes one.

use bytes::Bytes;

/// Follows the frames of one direction, byte by byte, without keeping any.
#[derive(Debug, Default)]
pub(super) struct Frames {
    state: State,
    /// Whether the last frame was the one that closes.
    closed: bool,
}

#[derive(Debug)]
enum State {
    /// The frame's head, as far as it is here.
    Head { bytes: [u8; 14], len: usize },
    /// So many bytes of its payload are to come.
    Payload(u64),
}

impl Default for State {
    fn default() -> Self {
        Self::Head { bytes: [0; 14], len: 0 }
    }
}

const OPCODE: u8 = 0x0f;
const CLOSE: u8 = 0x08;
const MASKED: u8 = 0x80;

impl Frames {
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Payload(left) => {
                    let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    bytes = &bytes[taken..];
                    *left -= taken as u64;
                    if *left == 0 {
                        self.state = State::default();
                    }
                }
                State::Head { bytes: head, len } => {
                    head[*len] = bytes[0];
                    *len += 1;
                    bytes = &bytes[1..];
                    if *len >= 2 && *len == head_len(head[1]) {
                        self.closed |= head[0] & OPCODE == CLOSE;
                        let payload = payload_len(head);
                        self.state = if payload == 0 { State::default() } else { State::Payload(payload) };
                    }
                }
            }
        }
    }

    /// Whether a frame of ours may follow: the last one has ended, and was not the last of all.
    pub(super) fn may_close(&self) -> bool {
        !self.closed && matches!(self.state, State::Head { len: 0, .. })
    }
}

/// How long a head is, by its second byte.
fn head_len(second: u8) -> usize {
    let mask = if second & MASKED == 0 { 0 } else { 4 };
    let extended = match second & !MASKED {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + extended + mask
}

fn payload_len(head: &[u8; 14]) -> u64 {
    match head[1] & !MASKED {
        126 => u16::from_be_bytes([head[2], head[3]]).into(),
        127 => u64::from_be_bytes([head[2], head[3], head[4], head[5], head[6], head[7], head[8], head[9]]),
        short => short.into(),
    }
}

/// "Going away" (1001), as a server says it.
pub(super) fn going_away() -> Bytes {
    Bytes::from_static(&[0x88, 2, 0x03, 0xe9])
}

/// The same, as a client says it: masked, with a mask of zeros, as nothing of it could be chosen by anyone.
pub(super) fn going_away_masked() -> Bytes {
    Bytes::from_static(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame with a payload of that length.
    fn frame(opcode: u8, masked: bool, len: usize) -> Vec<u8> {
        let mask = if masked { MASKED } else { 0 };
        let mut frame = vec![0x80 | opcode];
        match len {
            0..126 => frame.push(mask | u8::try_from(len).expect("short")),
            126..65536 => {
                frame.push(mask | 0x7e);
                frame.extend(u16::try_from(len).expect("short").to_be_bytes());
            }
            _ => {
                frame.push(mask | 0x7f);
                frame.extend((len as u64).to_be_bytes());
            }
        }
        frame.extend(vec![0xff; len + if masked { 4 } else { 0 }]);
        frame
    }

    #[test]
    fn the_end_of_a_frame_is_known_however_it_comes() {
        for masked in [false, true] {
            for len in [0, 1, 125, 126, 65535, 65536, 70000] {
                let whole = frame(2, masked, len);
                for cut in [1, 2, 3, 5, whole.len() - 1].into_iter().filter(|cut| *cut < whole.len()) {
                    let mut frames = Frames::default();
                    let (first, second) = whole.split_at(cut);
                    frames.feed(first);
                    assert!(!frames.may_close(), "{masked} {len} {cut}");
                    frames.feed(second);
                    assert!(frames.may_close(), "{masked} {len} {cut}");
                    frames.feed(&whole);
                    assert!(frames.may_close());
                }
            }
        }
    }

    #[test]
    fn nothing_follows_a_close() {
        let mut frames = Frames::default();
        frames.feed(&frame(1, false, 5));
        frames.feed(&frame(8, false, 2));
        assert!(!frames.may_close());
    }
}
