//! Store paths full of files, as a real closure has them.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::content::{Content, Random, Writer};

/// A folder of store paths.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    writer: Writer,
}

impl Store {
    /// Makes the folder.
    pub(crate) fn new(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, writer: Writer::new() })
    }

    /// Returns the folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns a path in the store: 32 characters that follow from `name`, and `name`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        const BASE32: &[u8] = b"0123456789abcdfghijklmnpqrsvwxyz";
        let mut random = Random::new(seed(name));
        let hash: String = (0..32)
            .map(|_| BASE32.get(random.below(32)).copied().unwrap_or(b'0'))
            .map(char::from)
            .collect();
        self.folder.join(format!("{hash}-{name}"))
    }

    /// Fills a store path with about `bytes` bytes of files, and returns it.
    pub(crate) fn package(&self, name: &str, bytes: u64) -> io::Result<PathBuf> {
        let path = self.path(name);
        let mut random = Random::new(seed(name).rotate_left(17));
        let mut left = bytes;
        let mut number = 0;
        while left > 0 {
            let kind = KINDS.iter().cycle().nth(random.below(KINDS.len())).unwrap_or(&KINDS[0]);
            let size = kind.size(&mut random).min(left);
            left -= size;
            let folder = path.join(kind.folder).join(format!("part-{}", number / 40));
            fs::create_dir_all(&folder)?;
            let file = folder.join(format!("{}-{number}{}", kind.name, kind.extension));
            let size = usize::try_from(size).map_err(io::Error::other)?;
            write(&file, &self.writer.file(kind.content, size, &mut random), kind.mode)?;
            if kind.extension == ".so" {
                symlink(file.file_name().unwrap_or_default(), file.with_extension("so.1"))?;
            }
            number += 1;
        }
        Ok(path)
    }
}

/// A kind of file, and where it is found.
struct Kind {
    folder: &'static str,
    name: &'static str,
    extension: &'static str,
    content: Content,
    mode: u32,
    /// The usual size in bytes; a few are many times larger.
    usual_bytes: u64,
}

impl Kind {
    /// Picks a size: half of them are between a quarter of the usual one and the usual one,
    /// and every doubling beyond it is half as frequent.
    fn size(&self, random: &mut Random) -> u64 {
        let doublings = random.next().leading_ones().min(6);
        let base = self.usual_bytes << doublings;
        base / 4 + random.next() % base
    }
}

/// As many of each as there are in ten files; most bytes are those of binaries.
const KINDS: [Kind; 10] = [
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    Kind { folder: "include/api", name: "header", extension: ".h", ..TEXT },
    Kind { folder: "lib/python3/site-packages/package", name: "module", extension: ".py", ..TEXT },
    Kind { folder: "etc", name: "settings", extension: ".conf", usual_bytes: 500, ..TEXT },
    Kind { folder: "bin", name: "tool", extension: "", ..BINARY },
    BINARY,
    Kind {
        folder: "share/icons",
        name: "image",
        extension: ".png",
        content: Content::Noise,
        mode: 0o444,
        usual_bytes: 2000,
    },
];

const TEXT: Kind = Kind {
    folder: "share/doc/manual",
    name: "page",
    extension: ".txt",
    content: Content::Text,
    mode: 0o444,
    usual_bytes: 5000,
};

const BINARY: Kind = Kind {
    folder: "lib",
    name: "lib",
    extension: ".so",
    content: Content::Binary,
    mode: 0o555,
    usual_bytes: 40_000,
};

/// Writes a file that nobody may change, as they are in a store.
pub(crate) fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    File::create(path)?.write_all(content)?;
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Makes a number of a name (FNV-1a).
fn seed(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
