//! Images of nix2container: a description in JSON, and the store paths that it names.
//!
//! nix2container hashes the layers of an image when it builds it, and keeps nothing of them
//! but their digests: their tars are made again when they are pushed. Here they are made to
//! the same bytes, so a layer that a registry has by that digest need not be made at all.
//! Layers of a base image, and those that could not be made twice, are files in the store.
//!
//! The digests of a layer that is made here are claims: nix2container has changed what it
//! writes a few times (times, the names of groups), and the description does not tell by
//! which version it was made. Then the layer comes out as the current one would make it,
//! under another digest, and the config is made of what came out.

mod config;
mod json;
mod options;
mod tar;
mod tree;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::config::{GoImage, RootFs};
use self::json::{ConfigJson, HistoryJson, ImageJson, LayerJson, PathJson};
use self::options::{Expressions, Options};
use self::tar::LayerTar;
use super::Error;
use crate::image::{DiffId, Digest, MediaType};
use crate::nix::StorePath;

/// The largest description that is read, in bytes: one of 10,000 store paths has some two
/// megabytes.
const MAX_BYTES: u64 = 16 << 20;

/// The version of descriptions that is read. It is the only one so far.
const VERSION: i64 = 1;

/// An image that nix2container has described.
#[derive(Debug)]
pub(super) struct Nix2Container {
    path: PathBuf,
    architecture: String,
    created: Option<String>,
    config: ConfigJson,
    history: Vec<HistoryJson>,
    layers: Vec<N2cLayer>,
}

/// A layer of such an image.
#[derive(Debug, Clone)]
pub(super) enum N2cLayer {
    /// The blob is a file in the store.
    File(FileLayer),
    /// Store paths, whose tar is made while it is read.
    Paths(PathsLayer),
}

/// A layer whose blob is a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileLayer {
    /// The file.
    pub(super) path: PathBuf,
    /// Of the blob. It is that of a layer, and tells how the blob is compressed.
    pub(super) media_type: MediaType,
    /// Digest of the blob.
    pub(super) digest: Digest,
    /// Size of the blob in bytes: that of the file.
    pub(super) size_bytes: u64,
    /// Digest of the tar in the blob.
    pub(super) diff_id: DiffId,
}

/// A layer that is made of store paths.
#[derive(Debug, Clone)]
pub(super) struct PathsLayer {
    claimed: DiffId,
    size_bytes: u64,
    roots: Arc<[RootPath]>,
}

/// A store path, and how it comes into its layer.
#[derive(Debug)]
struct RootPath {
    path: StorePath,
    options: Option<Arc<Options>>,
}

impl Nix2Container {
    /// Reads a description.
    ///
    /// # Errors
    ///
    /// Fails when it is not of the known version and shape, when it asks for something that
    /// snowbird does not know, or when the file of a layer is missing.
    pub(super) fn read(json: &Path) -> Result<Self, Error> {
        let cannot = |source| Error::Open { path: json.to_owned(), source };
        let mut text = Vec::new();
        let file = File::open(json).map_err(cannot)?;
        file.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(cannot)?;
        if text.len() as u64 > MAX_BYTES {
            let problem = format!("has more than {MAX_BYTES} bytes");
            return Err(malformed(json, "the description", problem));
        }
        Self::parse(json, &text)
    }

    fn parse(path: &Path, text: &[u8]) -> Result<Self, Error> {
        let image: ImageJson = serde_json::from_slice(text).map_err(|source| Error::Json {
            path: path.to_owned(),
            member: "the description".to_owned(),
            source,
        })?;
        if image.version != VERSION {
            let problem = format!("is {}, but snowbird reads {VERSION}", image.version);
            return Err(malformed(path, "version", problem));
        }
        let (mut layers, mut history) = (Vec::new(), Vec::new());
        let mut expressions = Expressions::default();
        for (number, mut layer) in image.layers.unwrap_or_default().into_iter().enumerate() {
            history.push(layer.history.take().unwrap_or_default());
            let wrong = |problem| malformed(path, &format!("layers[{number}]"), problem);
            layers.push(N2cLayer::new(layer, &mut expressions, wrong)?);
        }
        Ok(Self {
            path: path.to_owned(),
            // As nix2container did before one could choose.
            architecture: if image.arch.is_empty() { "amd64".to_owned() } else { image.arch },
            created: image.created,
            config: image.config.unwrap_or_default(),
            history,
            layers,
        })
    }

    /// Returns the file with the description.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the operating system, in Go's words: there is one.
    #[expect(clippy::unused_self, reason = "which one is a matter of the kind of image")]
    pub(super) fn os(&self) -> &'static str {
        "linux"
    }

    /// Returns the processor architecture, in Go's words.
    pub(super) fn architecture(&self) -> &str {
        &self.architecture
    }

    /// Returns the layers, lowest first.
    pub(super) fn layers(&self) -> &[N2cLayer] {
        &self.layers
    }

    /// Returns the bytes of the image's config, if its layers have these digests: the same
    /// that nix2container would push.
    ///
    /// # Errors
    ///
    /// Fails when there are not as many as layers.
    pub(super) fn config(&self, diff_ids: &[DiffId]) -> Result<Vec<u8>, Error> {
        if diff_ids.len() != self.layers.len() {
            let problem = format!("are {}, and not {}", self.layers.len(), diff_ids.len());
            return Err(malformed(&self.path, "layers", problem));
        }
        let image = GoImage {
            created: self.created.as_deref(),
            architecture: &self.architecture,
            os: self.os(),
            config: &self.config,
            rootfs: RootFs::new(diff_ids),
            history: &self.history,
        };
        image.to_json().map_err(|source| Error::Json {
            path: self.path.clone(),
            member: "the config made of it".to_owned(),
            source,
        })
    }
}

fn malformed(path: &Path, member: &str, problem: String) -> Error {
    Error::Member { path: path.to_owned(), member: member.to_owned(), problem }
}

impl N2cLayer {
    fn new(
        json: LayerJson,
        expressions: &mut Expressions,
        wrong: impl Fn(String) -> Error,
    ) -> Result<Self, Error> {
        let digest = |name: &str, text: &str| {
            text.parse::<Digest>().map_err(|error| wrong(format!("has a bad `{name}`: {error}")))
        };
        let diff_id = DiffId(digest("diff_ids", &json.diff_ids)?);
        // Zero means that nobody has looked.
        let size_bytes = u64::try_from(json.size).unwrap_or_default();
        if !json.layer_path.is_empty() {
            let path = PathBuf::from(&json.layer_path);
            if !path.ancestors().any(is_store_path) {
                let name = json.layer_path.escape_debug();
                return Err(wrong(format!("has its file outside of the store: `{name}`")));
            }
            let media_type = MediaType::new(json.media_type);
            if media_type.layer_compression().is_none() {
                let name = media_type.as_str().escape_debug();
                return Err(wrong(format!("has the media type `{name}`, which is no layer's")));
            }
            let digest = digest("digest", &json.digest)?;
            let found = size_of(&path)?;
            if ![0, found].contains(&size_bytes) {
                let problem = format!("has a file of {found} bytes instead of {size_bytes}");
                return Err(wrong(problem));
            }
            let size_bytes = found;
            return Ok(Self::File(FileLayer { path, media_type, digest, size_bytes, diff_id }));
        }
        let Some(paths) = json.paths else {
            return Err(wrong("has neither `layer-path` nor `paths`".to_owned()));
        };
        let roots = paths.into_iter().map(|path| RootPath::new(path, expressions).map_err(&wrong));
        let roots = roots.collect::<Result<_, _>>()?;
        Ok(Self::Paths(PathsLayer { claimed: diff_id, size_bytes, roots }))
    }
}

/// Returns whether `path` is an object of a store, and not something in one.
fn is_store_path(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.parse::<StorePath>().is_ok())
}

/// Returns the size of a file, in bytes.
fn size_of(path: &Path) -> Result<u64, Error> {
    let cannot = |source| Error::Open { path: path.to_owned(), source };
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(metadata.len()),
        Ok(_) => Err(cannot(io::Error::other("it is no file"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Error::MissingStorePath { path: path.to_owned() })
        }
        Err(error) => Err(cannot(error)),
    }
}

impl RootPath {
    fn new(json: PathJson, expressions: &mut Expressions) -> Result<Self, String> {
        if let Some(name) = json::unknown(&json.others) {
            return Err(options::unknown_option(name));
        }
        // Anything else of this machine is nobody's business.
        let path = json.path.parse().map_err(|_not_a_store_path| {
            format!("has `{}`, which is no store path", json.path.escape_debug())
        })?;
        let options = json.options.map(|json| Options::new(json, expressions)).transpose()?;
        let options = options.map(Arc::new);
        Ok(Self { path, options })
    }
}

impl PathsLayer {
    /// Returns what the description says is the digest of the tar.
    pub(super) fn claimed(&self) -> DiffId {
        self.claimed
    }

    /// Returns what the description says is the size of the tar, in bytes; zero if it does
    /// not say.
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Returns the store paths that it is made of.
    pub(super) fn store_paths(&self) -> impl Iterator<Item = &StorePath> {
        self.roots.iter().map(|root| &root.path)
    }

    /// Begins to make the tar: looks at all files, but opens none before its turn.
    ///
    /// # Errors
    ///
    /// Fails when a store path is missing, or two files come to lie in one place and differ.
    pub(super) fn open(&self) -> io::Result<LayerTar> {
        tree::entries(&self.roots).map(LayerTar::new)
    }
}

#[cfg(test)]
mod tests;
