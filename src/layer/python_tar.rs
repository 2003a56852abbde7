//! Tar entries as Python's `tarfile` writes them, byte for byte.
//!
//! nixpkgs makes layers with that module, so a layer has the same `diff_id` whether its
//! script or snowbird made it.

use super::tar_header::{TAR_BLOCK_BYTES, TarField, TarHeader, pax_record, tar_padding_bytes};

/// What a tar is filled up to with zeros, in bytes.
const RECORD_BYTES: u64 = 10_240;

/// How Python writes tars, which has changed twice.
///
/// The default format became pax in 3.8, and since 3.9 the fields for devices are empty in
/// what is no device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PythonTar {
    /// Up to Python 3.7: GNU's format.
    Gnu,
    /// Python 3.8: pax, with zeros as device numbers.
    Pax38,
    /// Since Python 3.9: pax, without device numbers.
    Pax,
}

/// What kind of entry a [`PythonEntry`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PythonEntryKind<'a> {
    /// A regular file.
    File {
        /// The size of its content in bytes.
        size_bytes: u64,
    },
    /// A folder. Its name gets the `/` at its end here.
    Folder,
    /// A symbolic link.
    Symlink {
        /// Where it points to.
        target: &'a [u8],
    },
}

/// Whom all entries of a layer belong to, and since when they are as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonOwner {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The user's name.
    pub uname: String,
    /// The group's name.
    pub gname: String,
    /// The time of the last change, in seconds since 1970.
    pub mtime_seconds: i64,
}

/// An entry of a tar, without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PythonEntry<'a> {
    /// Its name, in the file system's bytes. What of it is no UTF-8 is what Python calls
    /// surrogate escapes.
    pub name: &'a [u8],
    /// What it is.
    pub kind: PythonEntryKind<'a>,
    /// Its permissions; only the lower twelve bits count.
    pub mode: u32,
}

impl PythonTar {
    /// Returns how Python `major.minor` writes tars, where that is known.
    pub fn of_version(major: u32, minor: u32) -> Option<Self> {
        match (major, minor) {
            (3, 4..=7) => Some(Self::Gnu),
            (3, 8) => Some(Self::Pax38),
            (3, 9..=15) => Some(Self::Pax),
            _ => None,
        }
    }

    /// Returns a name that will always mean this format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gnu => "gnu",
            Self::Pax38 => "pax-3.8",
            Self::Pax => "pax",
        }
    }

    /// Returns the blocks that come before the entry's content.
    pub fn header(self, entry: &PythonEntry<'_>, owner: &PythonOwner) -> Vec<u8> {
        let mut name = entry.name.to_vec();
        let (type_flag, size_bytes, target) = match entry.kind {
            PythonEntryKind::File { size_bytes } => (b'0', size_bytes, &b""[..]),
            PythonEntryKind::Folder => {
                if name.last() != Some(&b'/') {
                    name.push(b'/');
                }
                (b'5', 0, &b""[..])
            }
            PythonEntryKind::Symlink { target } => (b'2', 0, target),
        };
        let texts = [
            (TarField::Name, "path", &name[..]),
            (TarField::LinkName, "linkpath", target),
            (TarField::Uname, "uname", owner.uname.as_bytes()),
            (TarField::Gname, "gname", owner.gname.as_bytes()),
        ];
        let numbers = [
            (TarField::Uid, "uid", i64::from(owner.uid)),
            (TarField::Gid, "gid", i64::from(owner.gid)),
            // No file system has larger files.
            (TarField::Size, "size", i64::try_from(size_bytes).unwrap_or(i64::MAX)),
            (TarField::Mtime, "mtime", owner.mtime_seconds),
        ];
        let mut header = TarHeader::new();
        header.octal(TarField::Mode, u64::from(entry.mode & 0o7777));
        header.text(TarField::TypeFlag, &[type_flag]);
        match self {
            Self::Gnu => self.gnu(header, &texts, &numbers),
            Self::Pax38 | Self::Pax => self.pax(header, &texts, &numbers),
        }
    }

    fn gnu(
        self,
        mut header: TarHeader,
        texts: &[(TarField, &str, &[u8])],
        numbers: &[(TarField, &str, i64)],
    ) -> Vec<u8> {
        let mut blocks = Vec::new();
        // The target comes first.
        for (of, type_flag) in [(TarField::LinkName, b'K'), (TarField::Name, b'L')] {
            for (_, _, text) in texts.iter().filter(|(field, _, _)| *field == of) {
                if text.len() > of.size_bytes() {
                    let content = [text, &b"\0"[..]].concat();
                    self.extension(&mut blocks, b"././@LongLink", type_flag, &content);
                }
            }
        }
        for &(field, _, text) in texts {
            header.text(field, text);
        }
        for &(field, _, value) in numbers {
            match u64::try_from(value) {
                Ok(value_octal) if field.holds_octal(value) => header.octal(field, value_octal),
                _ => header.base_256(field, value),
            }
        }
        self.format(&mut header);
        blocks.extend(header.finish());
        blocks
    }

    fn pax(
        self,
        mut header: TarHeader,
        texts: &[(TarField, &str, &[u8])],
        numbers: &[(TarField, &str, i64)],
    ) -> Vec<u8> {
        let mut records = Vec::new();
        for &(field, key, text) in texts {
            if !text.is_ascii() || text.len() > field.size_bytes() {
                pax_record(&mut records, key, text);
            }
            header.text(field, &ascii(text));
        }
        for &(field, key, value) in numbers {
            match u64::try_from(value) {
                Ok(value_octal) if field.holds_octal(value) => header.octal(field, value_octal),
                _ => {
                    pax_record(&mut records, key, value.to_string().as_bytes());
                    header.octal(field, 0);
                }
            }
        }
        self.format(&mut header);
        let mut blocks = Vec::new();
        if !records.is_empty() {
            if texts.iter().any(|(_, _, text)| std::str::from_utf8(text).is_err()) {
                records.splice(0..0, *b"21 hdrcharset=BINARY\n");
            }
            self.extension(&mut blocks, b"././@PaxHeader", b'x', &records);
        }
        blocks.extend(header.finish());
        blocks
    }

    /// Adds an entry that says more about the next one.
    fn extension(self, blocks: &mut Vec<u8>, name: &[u8], type_flag: u8, content: &[u8]) {
        let mut header = TarHeader::new();
        header.text(TarField::Name, name);
        header.text(TarField::TypeFlag, &[type_flag]);
        for field in [TarField::Mode, TarField::Uid, TarField::Gid, TarField::Mtime] {
            header.octal(field, 0);
        }
        let size_bytes = content.len() as u64;
        header.octal(TarField::Size, size_bytes);
        self.format(&mut header);
        blocks.extend(header.finish());
        blocks.extend(content);
        blocks.resize(blocks.len() + tar_padding_bytes(size_bytes), 0);
    }

    /// Fills in what says the format, and what a device would have.
    fn format(self, header: &mut TarHeader) {
        header.text(TarField::Magic, if self == Self::Gnu { b"ustar  \0" } else { b"ustar\x0000" });
        if self != Self::Pax {
            header.octal(TarField::DevMajor, 0);
            header.octal(TarField::DevMinor, 0);
        }
    }

    /// Returns how many zeros end a tar whose entries take `size_bytes`.
    pub fn end_bytes(size_bytes: u64) -> u64 {
        let end = size_bytes + 2 * TAR_BLOCK_BYTES as u64;
        end.next_multiple_of(RECORD_BYTES) - size_bytes
    }
}

/// Replaces by `?` each character that is not ASCII, and each byte that is in no character.
fn ascii(text: &[u8]) -> Vec<u8> {
    let mut ascii = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        ascii.extend(chunk.valid().chars().map(|c| u8::try_from(c).ok().filter(u8::is_ascii)));
        ascii.extend(chunk.invalid().iter().map(|_| None));
    }
    ascii.into_iter().map(|byte| byte.unwrap_or(b'?')).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;

    /// Prints Python's version, and the header of each entry as hex digits.
    const ORACLE: &str = r#"
import json, sys, tarfile
print(*sys.version_info[:2])
for entry in json.load(sys.stdin):
    text = lambda key: bytes.fromhex(entry[key]).decode("utf-8", "surrogateescape")
    info = tarfile.TarInfo(text("name"))
    info.type = entry["type"].encode()
    info.linkname = text("target")
    for key in ("mode", "size", "uid", "gid", "uname", "gname", "mtime"):
        setattr(info, key, entry[key])
    print(info.tobuf(tarfile.DEFAULT_FORMAT, "utf-8", "surrogateescape").hex())
"#;

    /// Prints how long tars with one file of each size are.
    const LENGTHS: &str = r#"
import io, json, sys, tarfile
for size in json.load(sys.stdin):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w|") as tar:
        info = tarfile.TarInfo("a")
        info.size = size
        tar.addfile(info, io.BytesIO(bytes(size)))
    print(len(out.getvalue()))
"#;

    fn python(script: &str, input: &serde_json::Value) -> Vec<String> {
        let mut child = Command::new("python3")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test compares with Python's tarfile and needs `python3` on PATH");
        child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "python3: {}", output.status);
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    #[derive(Debug, Clone)]
    struct Case {
        name: Vec<u8>,
        /// The type flag, and the target of a link.
        kind: (char, Vec<u8>),
        mode: u32,
        size_bytes: u64,
        owner: PythonOwner,
    }

    impl Case {
        fn entry(&self) -> PythonEntry<'_> {
            let kind = match &self.kind {
                ('0', _) => PythonEntryKind::File { size_bytes: self.size_bytes },
                ('5', _) => PythonEntryKind::Folder,
                (_, target) => PythonEntryKind::Symlink { target },
            };
            PythonEntry { name: &self.name, kind, mode: self.mode }
        }

        fn json(&self) -> serde_json::Value {
            let symlink = self.kind.0 == '2';
            serde_json::json!({
                "name": hex(&self.name),
                "type": self.kind.0,
                "target": if symlink { hex(&self.kind.1) } else { String::new() },
                "mode": self.mode,
                "size": if self.kind.0 == '0' { self.size_bytes } else { 0 },
                "uid": self.owner.uid,
                "gid": self.owner.gid,
                "uname": self.owner.uname,
                "gname": self.owner.gname,
                "mtime": self.owner.mtime_seconds,
            })
        }
    }

    fn hex(bytes: &[u8]) -> String {
        let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.map(|digit| char::from_digit(digit.into(), 16).unwrap()).collect()
    }

    /// Paths that are short, long, near the limit, not ASCII, or no UTF-8 at all.
    fn path() -> impl Strategy<Value = Vec<u8>> {
        let anything = prop_oneof![Just(b'/'), Just(b'e'), 1..=0xff_u8];
        prop_oneof![
            "[a-z/.]{1,60}".prop_map(String::into_bytes),
            "[a-z/.]{95,105}".prop_map(String::into_bytes),
            "[a-z/]{195,1100}".prop_map(String::into_bytes),
            "[a-zäß→😀/]{1,110}".prop_map(String::into_bytes),
            ("[a-z]{90,99}", "[^\\x00]{0,12}").prop_map(|(a, b)| (a + &b).into_bytes()),
            prop::collection::vec(anything, 1..130),
            ("[aé€]{1,4}", prop::collection::vec(0x80..=0xff_u8, 1..5)).prop_map(|(a, b)| [
                a.as_bytes(),
                &b
            ]
            .concat()),
        ]
    }

    fn number(limit: u32) -> impl Strategy<Value = u32> {
        prop_oneof![0..2000_u32, limit - 2..limit + 2, any::<u32>()]
    }

    fn owner_name() -> impl Strategy<Value = String> {
        prop_oneof![Just("root".to_owned()), "[a-z]{0,40}", "[a-zé😀]{0,34}"]
    }

    prop_compose! {
        fn owner()(
            uid in number(0o10_000_000),
            gid in number(0o10_000_000),
            uname in owner_name(),
            gname in owner_name(),
            mtime_seconds in prop_oneof![
                Just(1), 0..2_000_000_000_i64, (8_i64 << 30) - 2..(8 << 30) + 2,
                -62_135_596_800..253_402_300_800_i64,
            ],
        ) -> PythonOwner {
            PythonOwner { uid, gid, uname, gname, mtime_seconds }
        }
    }

    prop_compose! {
        fn case()(
            name in path(),
            kind in (prop::sample::select(&['0', '2', '5'][..]), path()),
            mode in prop_oneof![Just(0o100_444), Just(0o40_555), any::<u32>()],
            size_bytes in prop_oneof![
                0..2000_u64, (8_u64 << 30) - 2..(8 << 30) + 2, 0..1_u64 << 62,
            ],
            owner in owner(),
        ) -> Case {
            Case { name, kind, mode, size_bytes, owner }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
        #[test]
        fn headers_are_those_of_this_machines_python(
            cases in prop::collection::vec(case(), 1..150),
        ) {
            let lines = python(ORACLE, &cases.iter().map(Case::json).collect());
            let (major, minor) = lines[0].split_once(' ').unwrap();
            let format = PythonTar::of_version(major.parse().unwrap(), minor.parse().unwrap())
                .unwrap_or_else(|| panic!("nobody knows how Python {major}.{minor} writes tars"));
            prop_assert_eq!(lines.len(), cases.len() + 1);
            for (case, expected) in cases.iter().zip(&lines[1..]) {
                let found = hex(&format.header(&case.entry(), &case.owner));
                prop_assert!(found == *expected, "{case:?}\n{found}\n{expected}");
            }
        }
    }

    #[test]
    fn the_end_fills_the_last_record() {
        let sizes = [0_u32, 1, 512, 8192, 8704, 8705, 9216, 9217, 10_240, 20_000];
        let lengths = python(LENGTHS, &sizes.as_slice().into());
        for (size, length) in sizes.into_iter().zip(lengths) {
            let entries = 512 + u64::from(size).next_multiple_of(512);
            assert_eq!((entries + PythonTar::end_bytes(entries)).to_string(), length, "{size}");
        }
    }

    fn headers_of(name: &[u8]) -> [Vec<u8>; 3] {
        let owner = PythonOwner {
            uid: 0,
            gid: 0,
            uname: "root".to_owned(),
            gname: "root".to_owned(),
            mtime_seconds: 1,
        };
        let entry = PythonEntry { name, kind: PythonEntryKind::Folder, mode: 0o40_555 };
        [PythonTar::Gnu, PythonTar::Pax38, PythonTar::Pax].map(|tar| tar.header(&entry, &owner))
    }

    /// What differs between versions, for whoever has only one of them.
    #[test]
    fn the_formats_differ_where_python_changed() {
        let [gnu, pax38, pax] = headers_of(b"/nix/store");
        assert_eq!(&gnu[257..265], b"ustar  \0");
        assert_eq!(&pax[257..265], b"ustar\x0000");
        assert_eq!(&gnu[329..345], b"0000000\x000000000\0");
        assert_eq!(&pax38[329..345], b"0000000\x000000000\0");
        assert_eq!(&pax[329..345], [0; 16]);
        assert_eq!(&pax[..12], b"/nix/store/\0");

        let [gnu, pax38, pax] = headers_of("/nix/store/ä\u{20ac}".as_bytes());
        assert_eq!([gnu.len(), pax38.len(), pax.len()], [512, 1536, 1536]);
        assert_eq!(&pax[..14], b"././@PaxHeader");
        assert!(pax[512..].starts_with("26 path=/nix/store/ä\u{20ac}/\n\0".as_bytes()));
        assert!(pax[1024..].starts_with(b"/nix/store/??/\0"));

        let [gnu, _, pax] = headers_of(&[&b"/nix/store/\xff"[..], &[b'x'; 90]].concat());
        assert_eq!(&gnu[..13], b"././@LongLink");
        assert!(pax[512..].starts_with(b"21 hdrcharset=BINARY\n"));
    }

    #[test]
    fn versions_that_nobody_has_looked_at_have_no_format() {
        assert_eq!(PythonTar::of_version(3, 7), Some(PythonTar::Gnu));
        assert_eq!(PythonTar::of_version(3, 8), Some(PythonTar::Pax38));
        assert_eq!(PythonTar::of_version(3, 13), Some(PythonTar::Pax));
        for (major, minor) in [(2, 7), (3, 3), (3, 99), (4, 0)] {
            assert_eq!(PythonTar::of_version(major, minor), None, "{major}.{minor}");
        }
    }
}
