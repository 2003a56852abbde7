//! What this machine remembers of layers, from one push to the next.
//!
//! It is a file of lines, each with a checksum: facts are only ever added, at the end, in one
//! write, so that several pushes may do so at once. What is damaged or of another version is
//! passed over. Nothing here can fail a push: without a memory, layers are just not known.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::{LayerKey, TarHash};
use crate::image::{Descriptor, DiffId, RegistryHost, Repository};

/// The file in the folder. The name changes with the format.
const FILE: &str = "layers-1";

/// When the file is larger, its older half is forgotten.
const MAX_BYTES: usize = 4 << 20;

/// How many places are remembered of one layer.
const MAX_PLACES: usize = 8;

/// What this machine remembers of layers.
#[derive(Debug)]
pub struct Memo {
    folder: PathBuf,
    facts: Mutex<Facts>,
}

/// A blob of a layer, where a push has seen it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The registry.
    pub host: RegistryHost,
    /// The repository in it.
    pub repository: Repository,
    /// The blob.
    pub blob: Descriptor,
}

#[derive(Debug, Default)]
struct Facts {
    places: BTreeMap<DiffId, VecDeque<Place>>,
    made: BTreeMap<LayerKey, TarHash>,
    /// Lines that are to be written.
    new: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fact {
    /// A layer is in a registry.
    Stored { diff_id: DiffId, place: Place },
    /// A layer was made of store paths.
    Made { key: String, diff_id: DiffId, bytes: u64 },
}

impl Memo {
    /// Reads what is remembered in `folder`, which need not be there.
    pub fn open(folder: &Path) -> Self {
        let mut facts = Facts::default();
        match read(&folder.join(FILE)) {
            Ok(text) => text.split(|&byte| byte == b'\n').filter_map(parse).for_each(|fact| {
                facts.learn(fact);
            }),
            Err(error) => tracing::debug!(%error, folder = %folder.display(), "nothing remembered"),
        }
        Self { folder: folder.to_owned(), facts: Mutex::new(facts) }
    }

    /// Returns what the layer with this key came to.
    pub fn made(&self, key: &LayerKey) -> Option<TarHash> {
        self.facts().made.get(key).copied()
    }

    /// Returns where blobs of the layer were seen, the newest first.
    pub fn places(&self, diff_id: DiffId) -> Vec<Place> {
        self.facts().places.get(&diff_id).into_iter().flatten().cloned().collect()
    }

    /// Remembers what the layer with this key came to.
    pub fn remember_made(&self, key: LayerKey, hash: TarHash) {
        let TarHash { diff_id, uncompressed_bytes: bytes } = hash;
        self.facts().add(Fact::Made { key: key.to_string(), diff_id, bytes });
    }

    /// Remembers where a blob of the layer is.
    pub fn remember_place(&self, diff_id: DiffId, place: Place) {
        self.facts().add(Fact::Stored { diff_id, place });
    }

    /// Writes down what is new.
    pub fn save(&self) {
        let new = std::mem::take(&mut self.facts().new);
        if new.is_empty() {
            return;
        }
        if let Err(error) = self.append(&new) {
            tracing::debug!(%error, folder = %self.folder.display(), "not remembered");
        }
    }

    fn append(&self, lines: &str) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let path = self.folder.join(FILE);
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        // In one write, so that lines of others do not come between. What an interrupted one
        // has left must not spoil the first line.
        file.write_all(format!("\n{lines}").as_bytes())?;
        if file.metadata()?.len() > MAX_BYTES as u64 {
            self.prune(&path)?;
        }
        Ok(())
    }

    /// Forgets the older half. Lines that others add meanwhile may be lost: it is a cache.
    fn prune(&self, path: &Path) -> io::Result<()> {
        let text = read(path)?;
        let newer = text.get(text.len().saturating_sub(MAX_BYTES / 2)..).unwrap_or_default();
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(newer)?;
        file.persist(path)?;
        Ok(())
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts {
    /// Takes a fact in. Returns whether it is new.
    fn learn(&mut self, fact: Fact) -> bool {
        match fact {
            Fact::Stored { diff_id, place } => {
                let places = self.places.entry(diff_id).or_default();
                if places.front() == Some(&place) {
                    return false;
                }
                places.retain(|known| *known != place);
                places.push_front(place);
                places.truncate(MAX_PLACES);
                true
            }
            Fact::Made { key, diff_id, bytes } => {
                let hash = TarHash { diff_id, uncompressed_bytes: bytes };
                key.parse().is_ok_and(|key| self.made.insert(key, hash) != Some(hash))
            }
        }
    }

    fn add(&mut self, fact: Fact) {
        let line = line(&fact);
        if self.learn(fact) {
            self.new.push_str(&line);
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    // Twice the bound: others may have added to it before it was pruned.
    File::open(path)?.take(2 * MAX_BYTES as u64).read_to_end(&mut text)?;
    Ok(text)
}

/// Writes a fact: its checksum, a blank, its JSON.
fn line(fact: &Fact) -> String {
    // Strings and numbers are always JSON.
    let json = serde_json::to_string(fact).unwrap_or_default();
    format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()))
}

fn parse(line: &[u8]) -> Option<Fact> {
    let (checksum, rest) = line.split_at_checked(8)?;
    let json = rest.strip_prefix(b" ")?;
    let checksum = u32::from_str_radix(std::str::from_utf8(checksum).ok()?, 16).ok()?;
    (crc32fast::hash(json) == checksum).then(|| serde_json::from_slice(json).ok())?
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use proptest::prelude::*;

    use super::*;
    use crate::image::{Compression, Digest, MediaType};

    fn diff_id(text: &str) -> DiffId {
        DiffId(Digest::of(text.as_bytes()))
    }

    fn place(repository: &str) -> Place {
        Place {
            host: "registry.example".parse().unwrap(),
            repository: repository.parse().unwrap(),
            blob: Descriptor::of(MediaType::oci_layer(Compression::Zstd), repository.as_bytes()),
        }
    }

    fn key(text: &str) -> LayerKey {
        LayerKey::new(text, [])
    }

    fn hash(text: &str) -> TarHash {
        TarHash { diff_id: diff_id(text), uncompressed_bytes: 7 }
    }

    #[test]
    fn what_was_saved_is_remembered_the_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("deep/cache");
        for repository in ["old", "new", "old"] {
            let memo = Memo::open(&folder);
            memo.remember_place(diff_id("a"), place(repository));
            memo.remember_made(key("a"), hash("a"));
            memo.save();
        }
        let memo = Memo::open(&folder);
        assert_eq!(memo.places(diff_id("a")), [place("old"), place("new")]);
        assert_eq!(memo.made(&key("a")), Some(hash("a")));
        assert_eq!(memo.made(&key("b")), None);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(FILE))), (0o700, 0o600));
    }

    #[test]
    fn what_is_known_already_is_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let size = || fs::metadata(folder.path().join(FILE)).unwrap().len();
        let mut sizes = Vec::new();
        for _ in 0..2 {
            let memo = Memo::open(folder.path());
            memo.remember_place(diff_id("a"), place("web"));
            memo.remember_made(key("a"), hash("a"));
            memo.save();
            sizes.push(size());
        }
        assert_eq!(sizes[0], sizes[1]);
    }

    #[test]
    fn several_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let folder = folder.path();
                scope.spawn(move || {
                    let memo = Memo::open(folder);
                    for number in 0..50 {
                        memo.remember_made(key(&format!("{thread} {number}")), hash("a"));
                        memo.save();
                    }
                });
            }
        });
        assert_eq!(Memo::open(folder.path()).facts().made.len(), 8 * 50);
    }

    #[test]
    fn an_old_memory_is_forgotten_before_it_grows_too_large() {
        let folder = tempfile::tempdir().unwrap();
        let memo = Memo::open(folder.path());
        for number in 0..30_000 {
            memo.remember_made(key(&number.to_string()), hash("a"));
        }
        memo.save();
        assert!(fs::metadata(folder.path().join(FILE)).unwrap().len() <= MAX_BYTES as u64 / 2);
        let later = Memo::open(folder.path());
        assert_eq!(later.made(&key("29999")), Some(hash("a")));
        assert_eq!(later.made(&key("0")), None);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_no_failure() {
        let memo = Memo::open(Path::new("/proc/nowhere"));
        memo.remember_made(key("a"), hash("a"));
        memo.save();
        assert_eq!(memo.made(&key("a")), Some(hash("a")));
    }

    proptest! {
        #[test]
        fn damage_never_changes_a_fact(at in 0..600_usize, byte in any::<u8>(), cut in any::<bool>()) {
            let folder = tempfile::tempdir().unwrap();
            let memo = Memo::open(folder.path());
            for name in ["a", "b"] {
                memo.remember_made(key(name), hash(name));
                memo.remember_place(diff_id(name), place(name));
            }
            memo.save();
            let path = folder.path().join(FILE);
            let mut bytes = fs::read(&path).unwrap();
            let at = at % bytes.len();
            bytes[at] = byte;
            if cut {
                bytes.truncate(at);
            }
            fs::write(&path, bytes).unwrap();
            let memo = Memo::open(folder.path());
            for name in ["a", "b"] {
                prop_assert!(memo.made(&key(name)).is_none_or(|made| made == hash(name)));
                prop_assert!(memo.places(diff_id(name)).iter().all(|one| *one == place(name)));
            }
            // What comes later is whole.
            memo.remember_made(key("c"), hash("c"));
            memo.save();
            prop_assert_eq!(Memo::open(folder.path()).made(&key("c")), Some(hash("c")));
        }
    }
}
