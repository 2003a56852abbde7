//! The parts that every tar is made of: header blocks, number fields, pax records, padding.
//!
//! Writers differ in how they fill a header, and the digest of a layer depends on it to the
//! last byte. So there is no one way of writing an entry here, only the fields of a block,
//! which each writer's rules are put together from.

use std::ops::Range;

/// The size of a tar's blocks, in bytes: headers have it, content is padded to it.
pub const TAR_BLOCK_BYTES: usize = 512;

/// A field of a header block, by its POSIX name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TarField {
    /// The entry's name, 100 bytes.
    Name,
    /// The permissions, 8 bytes.
    Mode,
    /// The owner's number, 8 bytes.
    Uid,
    /// The group's number, 8 bytes.
    Gid,
    /// The size of the content in bytes, 12 bytes.
    Size,
    /// The time of the last change, in seconds since 1970, 12 bytes.
    Mtime,
    /// What kind of entry it is, one byte.
    TypeFlag,
    /// The target of a link, 100 bytes.
    LinkName,
    /// Which format the header has: magic and version together, 8 bytes.
    Magic,
    /// The owner's name, 32 bytes.
    Uname,
    /// The group's name, 32 bytes.
    Gname,
    /// The major number of a device, 8 bytes.
    DevMajor,
    /// The minor number of a device, 8 bytes.
    DevMinor,
    /// What comes before the name and a `/`, 155 bytes.
    Prefix,
}

impl TarField {
    /// Where the header's checksum is.
    const CHECKSUM: Range<usize> = 148..156;

    const fn range(self) -> Range<usize> {
        match self {
            Self::Name => 0..100,
            Self::Mode => 100..108,
            Self::Uid => 108..116,
            Self::Gid => 116..124,
            Self::Size => 124..136,
            Self::Mtime => 136..148,
            Self::TypeFlag => 156..157,
            Self::LinkName => 157..257,
            Self::Magic => 257..265,
            Self::Uname => 265..297,
            Self::Gname => 297..329,
            Self::DevMajor => 329..337,
            Self::DevMinor => 337..345,
            Self::Prefix => 345..500,
        }
    }

    /// Returns the size of the field, in bytes.
    pub const fn size_bytes(self) -> usize {
        let range = self.range();
        range.end - range.start
    }

    /// Returns whether `value` fits into the field as octal digits and a NUL.
    pub fn holds_octal(self, value: i64) -> bool {
        let bits = 3 * (self.size_bytes() - 1);
        (0..1 << bits).contains(&value)
    }
}

/// A header block that is being filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarHeader([u8; TAR_BLOCK_BYTES]);

impl Default for TarHeader {
    fn default() -> Self {
        Self::new()
    }
}

impl TarHeader {
    /// Makes a block in which every field is empty.
    pub const fn new() -> Self {
        Self([0; TAR_BLOCK_BYTES])
    }

    /// Writes `text` into `field`, which was empty. What does not fit is cut off; the last
    /// byte need not be a NUL.
    pub fn text(&mut self, field: TarField, text: &[u8]) {
        self.put(field.range(), text);
    }

    /// Writes `value` into `field` as octal digits with leading zeros, and a NUL.
    ///
    /// A value that does not fit ([`TarField::holds_octal`]) loses its upper digits.
    pub fn octal(&mut self, field: TarField, value: u64) {
        let width = field.size_bytes() - 1;
        let digits = format!("{value:0width$o}");
        let lower = digits.as_bytes().get(digits.len() - width..).unwrap_or_default();
        self.put(field.range(), lower);
    }

    /// Writes `value` into `field` as GNU tar does what does not fit as octal digits: a byte
    /// that says so, and the number in two's complement, its highest byte first.
    pub fn base_256(&mut self, field: TarField, value: i64) {
        let range = field.range();
        let width = range.len() - 1;
        let wide = i128::from(value).to_be_bytes();
        let lower = wide.get(wide.len() - width..).unwrap_or_default();
        self.put(range.start..range.start + 1, &[if value < 0 { 0o377 } else { 0o200 }]);
        self.put(range.start + 1..range.end, lower);
    }

    /// Returns the block with its checksum: six octal digits, a NUL, a blank.
    pub fn finish(mut self) -> [u8; TAR_BLOCK_BYTES] {
        self.put(TarField::CHECKSUM, b"        ");
        let sum: u32 = self.0.iter().copied().map(u32::from).sum();
        self.put(TarField::CHECKSUM, format!("{sum:06o}\0").as_bytes());
        self.0
    }

    fn put(&mut self, range: Range<usize>, bytes: &[u8]) {
        let field = self.0.get_mut(range).unwrap_or_default();
        for (to, from) in field.iter_mut().zip(bytes) {
            *to = *from;
        }
    }
}

/// Adds the pax record `LENGTH KEY=VALUE` to `records`. The length counts its own digits.
pub fn pax_record(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    // A blank, an equals sign, a line feed.
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    loop {
        let with_digits = rest + length.to_string().len();
        if with_digits == length {
            break;
        }
        length = with_digits;
    }
    records.extend(format!("{length} {key}=").into_bytes());
    records.extend(value);
    records.push(b'\n');
}

/// Returns how many zeros follow `size_bytes` of content, up to the next block.
pub const fn tar_padding_bytes(size_bytes: u64) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "the rest is below 512")]
    let rest = (size_bytes % TAR_BLOCK_BYTES as u64) as usize;
    (TAR_BLOCK_BYTES - rest) % TAR_BLOCK_BYTES
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_header_is_read_back_by_another_reader() {
        let mut header = TarHeader::new();
        header.text(TarField::Name, b"a/b");
        header.octal(TarField::Mode, 0o755);
        header.octal(TarField::Uid, 1000);
        header.octal(TarField::Gid, 100);
        header.octal(TarField::Size, 70_000);
        header.octal(TarField::Mtime, 1);
        header.text(TarField::TypeFlag, b"0");
        header.text(TarField::Magic, b"ustar\x0000");
        header.text(TarField::Uname, b"root");
        let block = header.finish();
        let read = tar::Header::from_byte_slice(&block);
        assert_eq!(&*read.path_bytes(), b"a/b");
        assert_eq!((read.mode().unwrap(), read.size().unwrap()), (0o755, 70_000));
        assert_eq!((read.uid().unwrap(), read.gid().unwrap()), (1000, 100));
        assert_eq!(read.username_bytes(), Some(&b"root"[..]));
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        let field: u32 = block[148..156].iter().map(|&byte| u32::from(byte)).sum();
        assert_eq!(read.cksum().unwrap(), sum - field + 8 * 32);
    }

    #[test]
    fn fields_lie_one_after_another_and_hold_what_they_say() {
        for (field, next) in [
            (TarField::Name, TarField::Mode),
            (TarField::Mode, TarField::Uid),
            (TarField::Uid, TarField::Gid),
            (TarField::Gid, TarField::Size),
            (TarField::Size, TarField::Mtime),
            (TarField::TypeFlag, TarField::LinkName),
            (TarField::LinkName, TarField::Magic),
            (TarField::Magic, TarField::Uname),
            (TarField::Uname, TarField::Gname),
            (TarField::Gname, TarField::DevMajor),
            (TarField::DevMajor, TarField::DevMinor),
            (TarField::DevMinor, TarField::Prefix),
        ] {
            assert_eq!(field.range().end, next.range().start, "{field:?}");
        }
        assert!(TarField::Uid.holds_octal(0o7_777_777) && !TarField::Uid.holds_octal(0o10_000_000));
        assert!(TarField::Size.holds_octal((8 << 30) - 1) && !TarField::Size.holds_octal(8 << 30));
        assert!(!TarField::Mtime.holds_octal(-1));
    }

    #[test]
    fn text_that_is_too_long_stays_in_its_field() {
        let mut header = TarHeader::new();
        header.text(TarField::Uname, &[b'x'; 40]);
        let block = header.finish();
        assert_eq!(&block[265..298], [&[b'x'; 32][..], b"\0"].concat());
    }

    #[test]
    fn padding_fills_the_last_block() {
        let sizes = [0, 1, 511, 512, 513, u64::MAX];
        assert_eq!(sizes.map(tar_padding_bytes), [0, 511, 1, 0, 511, 1]);
    }

    proptest! {
        #[test]
        fn large_numbers_are_read_back(value in 0..i64::MAX) {
            let mut header = TarHeader::new();
            header.base_256(TarField::Size, value);
            let block = header.finish();
            let read = tar::Header::from_byte_slice(&block).entry_size().unwrap();
            prop_assert_eq!(read, u64::try_from(value).unwrap());
        }

        #[test]
        fn a_pax_record_says_its_own_length(
            key in "[a-z]{1,9}",
            value in prop::collection::vec(any::<u8>(), 0..1200),
        ) {
            let mut record = Vec::new();
            pax_record(&mut record, &key, &value);
            let end = record.iter().position(|&byte| byte == b' ').unwrap();
            let length: usize = std::str::from_utf8(&record[..end]).unwrap().parse().unwrap();
            prop_assert_eq!(length, record.len());
            let expected = [b" ", key.as_bytes(), b"=", &value, b"\n"].concat();
            prop_assert_eq!(&record[end..], expected);
        }
    }
}
