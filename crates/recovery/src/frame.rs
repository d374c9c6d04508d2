//! The bytes of a page: what it is, how long it is, its content, and a checksum over all of that.

use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use crate::bytes::Reader;

/// What a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Kit,
    Share,
}

impl Form {
    /// Part of the format: never change one. Another layout gets another number.
    fn number(self) -> u8 {
        match self {
            Self::Kit => 1,
            Self::Share => 2,
        }
    }

    fn of(number: u8) -> Option<Self> {
        [Self::Kit, Self::Share]
            .into_iter()
            .find(|form| form.number() == number)
    }
}

/// Why bytes are no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameError {
    UnknownForm,
    Damaged,
}

/// Puts `content` into its frame; `None` where it has more than 65,535 bytes.
pub(crate) fn frame(form: Form, content: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let length = u16::try_from(content.len()).ok()?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(content.len() + OVERHEAD));
    bytes.push(form.number());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(content);
    let sum = checksum(&bytes);
    bytes.extend_from_slice(&sum);
    Some(bytes)
}

/// How long a frame is that begins with these bytes; `None` where they are too few to tell.
pub(crate) fn length(beginning: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(beginning);
    reader.byte()?;
    Some(usize::from(reader.short()?) + OVERHEAD)
}

/// What a page is, and its content.
pub(crate) fn unframe(bytes: &[u8]) -> Result<(Form, &[u8]), FrameError> {
    let mut reader = Reader::new(bytes);
    let number = reader.byte().ok_or(FrameError::Damaged)?;
    let form = Form::of(number).ok_or(FrameError::UnknownForm)?;
    let content = reader
        .short()
        .and_then(|length| reader.take(length.into()))
        .ok_or(FrameError::Damaged)?;
    let covered = bytes.get(..HEAD + content.len());
    let is_whole = covered.is_some_and(|covered| reader.rest() == checksum(covered));
    if is_whole {
        Ok((form, content))
    } else {
        Err(FrameError::Damaged)
    }
}

/// Nobody who changes some shares can know what it has to become: of a kit that is put together from
/// shares it covers keys that they do not know.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut named = Zeroizing::new(Vec::with_capacity(DOMAIN.len() + bytes.len()));
    named.extend_from_slice(DOMAIN);
    named.extend_from_slice(bytes);
    let whole = digest(&SHA256, &named);
    let mut sum = [0; CHECKSUM];
    for (to, from) in sum.iter_mut().zip(whole.as_ref()) {
        *to = *from;
    }
    sum
}

/// Changing this makes every printed page unreadable.
const DOMAIN: &[u8] = b"keyward/recovery/v1";
const HEAD: usize = 3;
const CHECKSUM: usize = 16;
const OVERHEAD: usize = HEAD + CHECKSUM;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_reads_back() {
        for form in [Form::Kit, Form::Share] {
            let bytes = frame(form, b"content").unwrap();
            assert_eq!(length(&bytes), Some(bytes.len()));
            assert_eq!(unframe(&bytes), Ok((form, &b"content"[..])));
        }
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed() {
        let whole = frame(Form::Kit, b"content").unwrap();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(unframe(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn nothing_may_be_missing_or_follow() {
        let whole = frame(Form::Kit, b"content").unwrap();
        for end in 0..whole.len() {
            assert!(unframe(&whole[..end]).is_err(), "{end}");
        }
        let longer = [&whole[..], b"x"].concat();
        assert_eq!(unframe(&longer), Err(FrameError::Damaged));
    }

    #[test]
    fn a_later_layout_is_told_from_damage() {
        let mut bytes = frame(Form::Kit, b"content").unwrap();
        bytes[0] = 3;
        assert_eq!(unframe(&bytes), Err(FrameError::UnknownForm));
    }

    #[test]
    fn what_is_too_long_has_no_frame() {
        assert!(frame(Form::Kit, &vec![0; 65_535]).is_some());
        assert!(frame(Form::Kit, &vec![0; 65_536]).is_none());
    }
}
