//! OCI layouts: `index.json`, which leads to manifests, which lead to blobs.
//!
//! <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::archive::{MAX_JSON_BYTES, Members, Place};
use super::described::{Described, DescribedLayer};
use super::selection::{Candidate, select};
use super::tar_members::begins_a_tar;
use super::{Error, Wrapper};
use crate::image::{Digest, ImageConfig, Manifest};

/// How deep an index may lie in others.
const MAX_DEPTH: usize = 4;

/// The most manifests that an index may lead to, itself included.
const MAX_MANIFESTS: usize = 1000;

/// How tools name an image in an index.
const NAMES: [&str; 2] = ["org.opencontainers.image.ref.name", "io.containerd.image.name"];

/// nix-snapshotter's layers hold no files: a containerd with its plugin fills them.
const SNAPSHOTTER: &str = "containerd.io/snapshot/nix-layer";

/// Where the blobs of a layout are.
pub(super) trait Blobs {
    /// Returns the JSON with this digest.
    fn json(&self, digest: Digest) -> Result<Vec<u8>, Error>;

    /// Returns the name and the place of the layer with this digest.
    fn layer(&self, digest: Digest) -> Result<(String, Place), Error>;
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    digest: Digest,
    media_type: Option<String>,
    platform: Option<Platform>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize, Clone, PartialEq, Eq)]
struct Platform {
    architecture: String,
    os: String,
}

impl Platform {
    fn is(&self, os: &str, architecture: &str) -> bool {
        self.os == os && self.architecture == architecture
    }
}

/// A manifest that an index leads to.
struct Found {
    digest: Digest,
    platform: Option<Platform>,
    names: Vec<String>,
}

/// Finds the image called `name`, or the only one, by `index`. Of an image for several
/// platforms it is the one for linux/amd64, which Fly's machines are.
///
/// # Errors
///
/// Fails when there is none or several, and when a part of it is missing or wrong.
pub(super) fn image(
    blobs: &impl Blobs,
    path: &Path,
    index: &[u8],
    name: Option<&str>,
) -> Result<Described, Error> {
    let mut found = Vec::new();
    flatten(blobs, path, "index.json", index, &[], MAX_DEPTH, &mut found)?;
    let for_fly = |one: &Found| one.platform.as_ref().is_some_and(|p| p.is("linux", "amd64"));
    if found.iter().any(for_fly) {
        found.retain(|one| one.platform.is_none() || for_fly(one));
    }
    let candidates = found.into_iter().map(|one| Candidate {
        names: one.names,
        otherwise: match one.platform {
            Some(platform) => format!("{} ({}/{})", one.digest, platform.os, platform.architecture),
            None => one.digest.to_string(),
        },
        image: one.digest,
    });
    let digest = select(path, "index.json", candidates.collect(), name)?;
    of_manifest(blobs, path, digest)
}

/// Lists the manifests that `index` leads to, through other indexes too.
fn flatten(
    blobs: &impl Blobs,
    path: &Path,
    member: &str,
    index: &[u8],
    names: &[String],
    depth: usize,
    found: &mut Vec<Found>,
) -> Result<(), Error> {
    let problem = |problem: String| Error::Member {
        path: path.to_owned(),
        member: member.to_owned(),
        problem,
    };
    let index: Index = serde_json::from_slice(index).map_err(|source| Error::Json {
        path: path.to_owned(),
        member: member.to_owned(),
        source,
    })?;
    for entry in index.manifests {
        if found.len() >= MAX_MANIFESTS {
            return Err(problem(format!("leads to more than {MAX_MANIFESTS} manifests")));
        }
        // Attestations are manifests of a platform that does not exist.
        if entry.platform.as_ref().is_some_and(|platform| platform.is("unknown", "unknown")) {
            continue;
        }
        let mut names = names.to_vec();
        names.extend(NAMES.iter().filter_map(|key| entry.annotations.get(*key).cloned()));
        let kind = entry.media_type.as_deref().unwrap_or_default();
        if kind.ends_with("image.index.v1+json") || kind.ends_with("manifest.list.v2+json") {
            let Some(depth) = depth.checked_sub(1) else {
                return Err(problem("lies too deep in other indexes".to_owned()));
            };
            let inner = blobs.json(entry.digest)?;
            let member = blob_name(entry.digest);
            flatten(blobs, path, &member, &inner, &names, depth, found)?;
        } else if !found.iter().any(|one| one.digest == entry.digest && one.names == names) {
            found.push(Found { digest: entry.digest, platform: entry.platform, names });
        }
    }
    // Two names of one image are no two images.
    merge(found);
    Ok(())
}

fn merge(found: &mut Vec<Found>) {
    let mut merged: Vec<Found> = Vec::new();
    for one in found.drain(..) {
        match merged.iter_mut().find(|other| other.digest == one.digest) {
            Some(other) => other.names.extend(one.names),
            None => merged.push(one),
        }
    }
    *found = merged;
}

fn of_manifest(blobs: &impl Blobs, path: &Path, digest: Digest) -> Result<Described, Error> {
    let member = blob_name(digest);
    let error = |problem: &str| Error::Member {
        path: path.to_owned(),
        member: member.clone(),
        problem: problem.to_owned(),
    };
    let manifest = Manifest::parse(&blobs.json(digest)?)
        .map_err(|source| error(&format!("is no image manifest: {source}")))?;
    let is_stub = |annotations: &BTreeMap<String, String>| {
        annotations.get(SNAPSHOTTER).is_some_and(|value| value == "true")
    };
    if manifest.layers.iter().any(|layer| is_stub(&layer.annotations)) {
        let found = "an image of nix-snapshotter, whose layers hold no files";
        return Err(Error::Unsupported { path: path.to_owned(), found });
    }
    let config_name = blob_name(manifest.config.digest);
    let config = ImageConfig::parse(blobs.json(manifest.config.digest)?)
        .map_err(|source| Error::Config { path: path.to_owned(), member: config_name, source })?;
    let layers = manifest.layers.into_iter().map(|blob| {
        let (member, place) = blobs.layer(blob.digest)?;
        Ok(DescribedLayer { written: member.clone(), member, place, blob: Some(blob) })
    });
    let layers = layers.collect::<Result<_, Error>>()?;
    Described { config, layers }.checked(path, &member)
}

/// Returns the name of a blob in the layout.
fn blob_name(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

impl Blobs for Members {
    fn json(&self, digest: Digest) -> Result<Vec<u8>, Error> {
        let name = blob_name(digest);
        let bytes = Members::json(self, &name)?;
        let bytes = bytes.ok_or_else(|| self.error(&name, "is not there as JSON".to_owned()))?;
        if Digest::of(bytes) == digest {
            return Ok(bytes.to_owned());
        }
        Err(self.error(&name, "does not have the digest that it is named by".to_owned()))
    }

    fn layer(&self, digest: Digest) -> Result<(String, Place), Error> {
        Members::layer(self, &blob_name(digest))
    }
}

/// A layout in a folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Finds the image called `name`, or the only one, in the layout at `path`.
    ///
    /// # Errors
    ///
    /// Fails when there is none or several, and when a part of it is missing or wrong.
    pub(super) fn image(path: &Path, name: Option<&str>) -> Result<Described, Error> {
        let folder = Self { path: path.to_owned() };
        let index = folder.capped("index.json")?;
        image(&folder, path, &index, name)
    }

    fn capped(&self, name: &str) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        File::open(self.path.join(name))
            .and_then(|file| file.take(MAX_JSON_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|source| self.cannot(name, source))?;
        if bytes.len() as u64 > MAX_JSON_BYTES {
            return Err(self.error(name, "is larger than any such file"));
        }
        Ok(bytes)
    }

    fn cannot(&self, name: &str, source: io::Error) -> Error {
        if source.kind() == io::ErrorKind::NotFound {
            return self.error(name, "is not there");
        }
        Error::Open { path: self.path.join(name), source }
    }

    fn error(&self, name: &str, problem: &str) -> Error {
        Error::Member {
            path: self.path.clone(),
            member: name.to_owned(),
            problem: problem.to_owned(),
        }
    }
}

impl Blobs for Folder {
    fn json(&self, digest: Digest) -> Result<Vec<u8>, Error> {
        let name = blob_name(digest);
        let bytes = self.capped(&name)?;
        if Digest::of(&bytes) == digest {
            return Ok(bytes);
        }
        Err(self.error(&name, "does not have the digest that it is named by"))
    }

    fn layer(&self, digest: Digest) -> Result<(String, Place), Error> {
        let name = blob_name(digest);
        let read = || {
            let mut file = File::open(self.path.join(&name))?;
            let mut head = Vec::new();
            file.by_ref().take(512).read_to_end(&mut head)?;
            Ok((file.metadata()?.len(), head))
        };
        let (size_bytes, head) = read().map_err(|source| self.cannot(&name, source))?;
        let wrapper = Wrapper::of(&head);
        if wrapper == Wrapper::None && !begins_a_tar(&head) {
            return Err(self.error(&name, "is named as a layer, but is no tar archive"));
        }
        Ok((name, Place { offset_bytes: 0, size_bytes, wrapper }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::*;
    use crate::source::tests_support::layer_tar;

    const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";

    /// A layout that is written as it grows.
    struct Writer(tempfile::TempDir);

    impl Writer {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir_all(folder.path().join("blobs/sha256")).unwrap();
            Self(folder)
        }

        fn blob(&self, media_type: &str, content: &[u8]) -> Value {
            let digest = Digest::of(content);
            fs::write(self.0.path().join(blob_name(digest)), content).unwrap();
            json!({ "mediaType": media_type, "digest": digest, "size": content.len() })
        }

        /// Writes an image with one layer that says `text`.
        fn image(&self, text: &str, layer_annotations: &Value) -> Value {
            let tar = layer_tar("greeting", text.as_bytes());
            let mut layer = self.blob("application/vnd.oci.image.layer.v1.tar", &tar);
            layer["annotations"] = layer_annotations.clone();
            let config = json!({
                "architecture": "amd64", "os": "linux",
                "rootfs": { "type": "layers", "diff_ids": [Digest::of(&tar)] },
            });
            let config = self
                .blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
            let manifest = json!({
                "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer],
            });
            self.blob(MANIFEST, manifest.to_string().as_bytes())
        }

        fn index(&self, manifests: &Value) -> Value {
            let index = json!({ "schemaVersion": 2, "manifests": manifests });
            self.blob(INDEX, index.to_string().as_bytes())
        }

        /// Finds an image in the layout with these manifests at its top.
        fn find(&self, manifests: &Value, name: Option<&str>) -> Result<Described, Error> {
            let index = json!({ "schemaVersion": 2, "manifests": manifests });
            fs::write(self.0.path().join("index.json"), index.to_string()).unwrap();
            Folder::image(self.0.path(), name)
        }
    }

    fn with(mut descriptor: Value, key: &str, value: Value) -> Value {
        descriptor[key] = value;
        descriptor
    }

    fn named(descriptor: Value, name: &str) -> Value {
        with(descriptor, "annotations", json!({ NAMES[0]: name }))
    }

    fn platform(descriptor: Value, os: &str, architecture: &str) -> Value {
        with(descriptor, "platform", json!({ "os": os, "architecture": architecture }))
    }

    #[test]
    fn the_only_image_is_found_with_its_blobs() {
        let layout = Writer::new();
        let image = layout.image("hello", &json!({ "note": "kept" }));
        let found = layout.find(&json!([image]), None).unwrap();
        let layer = &found.layers[0];
        assert_eq!(layer.blob.as_ref().unwrap().annotations["note"], "kept");
        assert_eq!(layer.place.wrapper, Wrapper::None);
        assert_eq!(found.config.diff_ids().len(), 1);
    }

    #[test]
    fn of_an_image_for_several_platforms_it_is_the_one_for_fly_however_deep_it_lies() {
        let layout = Writer::new();
        let [ours, arm, attestation] =
            ["x86", "arm", "attestation"].map(|text| layout.image(text, &json!({})));
        let wanted = ours["digest"].clone();
        let inner = layout.index(&json!([
            platform(arm, "linux", "arm64"),
            platform(ours, "linux", "amd64"),
            platform(attestation, "unknown", "unknown"),
        ]));
        let found = layout.find(&json!([named(inner, "web:1")]), None).unwrap();
        let manifest = layout.0.path().join(blob_name(wanted.as_str().unwrap().parse().unwrap()));
        let manifest = Manifest::parse(&fs::read(manifest).unwrap()).unwrap();
        assert_eq!(found.layers[0].blob.as_ref(), manifest.layers.first());
    }

    #[test]
    fn several_images_are_told_apart_by_name() {
        let layout = Writer::new();
        let [web, worker] = ["web", "worker"].map(|text| layout.image(text, &json!({})));
        let both = json!([
            named(web.clone(), "web:1"),
            named(worker.clone(), "worker:1"),
            named(web, "web:2")
        ]);
        let error = layout.find(&both, None).unwrap_err().to_string();
        assert!(error.ends_with("2 images: web:1, worker:1"), "{error}");
        let second = layout.find(&both, Some("worker")).unwrap();
        assert_ne!(second.config, layout.find(&both, Some("web:2")).unwrap().config);
    }

    #[test]
    fn layers_that_only_a_snapshotter_can_fill_are_refused() {
        let layout = Writer::new();
        let image = layout.image("stub", &json!({ SNAPSHOTTER: "true" }));
        let error = layout.find(&json!([image]), None).unwrap_err().to_string();
        assert!(error.contains("nix-snapshotter"), "{error}");
    }

    #[test]
    fn blobs_that_are_missing_or_not_what_they_are_named_by_are_told() {
        let layout = Writer::new();
        let image = layout.image("hello", &json!({}));
        let manifest = blob_name(image["digest"].as_str().unwrap().parse().unwrap());
        let found = layout.find(&json!([image.clone()]), None).unwrap();

        let layer = layout.0.path().join(&found.layers[0].member);
        fs::write(&layer, "no tar").unwrap();
        let error = layout.find(&json!([image.clone()]), None).unwrap_err().to_string();
        assert!(error.contains("is no tar archive"), "{error}");
        fs::remove_file(&layer).unwrap();
        let error = layout.find(&json!([image.clone()]), None).unwrap_err().to_string();
        assert!(error.contains("is not there"), "{error}");

        fs::write(layout.0.path().join(&manifest), "{}").unwrap();
        let error = layout.find(&json!([image]), None).unwrap_err().to_string();
        assert!(error.contains("does not have the digest"), "{error}");
    }

    #[test]
    fn an_index_that_lies_in_itself_has_an_end() {
        let layout = Writer::new();
        let mut index = layout.index(&json!([]));
        for _ in 0..=MAX_DEPTH {
            index = layout.index(&json!([index]));
        }
        let error = layout.find(&json!([index]), None).unwrap_err().to_string();
        assert!(error.contains("too deep"), "{error}");
    }
}
