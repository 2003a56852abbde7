//! An independent reader of what was pushed, and of what there was to push.

use std::fs;
use std::io::Read as _;
use std::process::Command;

use serde_json::Value;
use snowbird::image::Digest;

use super::Archive;

/// An image as skopeo found it.
pub(crate) struct ReadBack {
    pub(crate) manifest: Value,
    config: Vec<u8>,
    layers: Vec<Vec<u8>>,
}

/// Copies an image out of a registry, with credentials such as `user:password` if any.
pub(crate) fn read(reference: &str, credentials: Option<&str>) -> ReadBack {
    let flags = match credentials {
        Some(pair) => vec!["--src-tls-verify=false", "--src-creds", pair],
        None => vec!["--src-tls-verify=false", "--src-no-creds"],
    };
    let image = copy(&format!("docker://{reference}"), &flags);
    assert!(image.layers_are_of_their_types(), "{}", image.manifest);
    image
}

/// Copies an image out of a file or folder, such as `oci-archive:image.tar`.
pub(crate) fn read_written(image: &str) -> ReadBack {
    copy(image, &[])
}

fn copy(image: &str, flags: &[&str]) -> ReadBack {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    let output = Command::new("skopeo")
        .args(["--insecure-policy", "copy", "--quiet"])
        .args(flags)
        .arg(image)
        .arg(format!("dir:{}", copy.display()))
        .env("HOME", folder.path())
        .env("TMPDIR", folder.path())
        .output()
        .expect("these tests need `skopeo` on PATH");
    assert!(output.status.success(), "skopeo cannot read `{image}`: {output:?}");

    let manifest = serde_json::from_slice(&fs::read(copy.join("manifest.json")).unwrap()).unwrap();
    let blob = |digest: &str| fs::read(copy.join(digest.trim_start_matches("sha256:"))).unwrap();
    ReadBack::of(manifest, blob)
}

impl ReadBack {
    /// Takes the image of `manifest`, with blobs as they are found by their digests.
    pub(crate) fn of(manifest: Value, found: impl Fn(&str) -> Vec<u8>) -> Self {
        let blob = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().unwrap();
            let bytes = found(digest);
            assert_eq!(Digest::of(&bytes).to_string(), digest);
            assert_eq!(Some(bytes.len() as u64), descriptor["size"].as_u64());
            bytes
        };
        let config = blob(&manifest["config"]);
        let layers = manifest["layers"].as_array().unwrap().iter().map(blob).collect();
        Self { manifest, config, layers }
    }

    /// Compares it with the archive that was pushed: config and layers, byte for byte.
    #[track_caller]
    pub(crate) fn assert_is(&self, archive: &Archive) {
        assert_eq!(self.config_text(), archive.config());
        assert_eq!(self.diff_ids(), archive.diff_ids());
    }

    /// Returns the digests of the layers' tars.
    pub(crate) fn diff_ids(&self) -> Vec<Digest> {
        self.layers.iter().map(|blob| Digest::of(&inflated(blob))).collect()
    }

    /// Returns the config.
    pub(crate) fn config_text(&self) -> String {
        String::from_utf8_lossy(&self.config).into_owned()
    }

    /// Returns the digest of the config.
    pub(crate) fn config_digest(&self) -> Digest {
        Digest::of(&self.config)
    }

    /// Returns the digests of the layers' blobs.
    pub(crate) fn layer_digests(&self) -> Vec<&str> {
        let layers = self.manifest["layers"].as_array().unwrap();
        layers.iter().map(|layer| layer["digest"].as_str().unwrap()).collect()
    }

    /// Returns whether each layer is compressed as its media type says.
    pub(crate) fn layers_are_of_their_types(&self) -> bool {
        let is_so = |(media_type, blob): (&str, &Vec<u8>)| {
            media_type.ends_with("gzip") && blob.starts_with(&[0x1f, 0x8b])
                || media_type.ends_with("zstd") && blob.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
        };
        self.layer_types().into_iter().zip(&self.layers).all(is_so)
    }

    /// Returns the media types of the layers.
    pub(crate) fn layer_types(&self) -> Vec<&str> {
        let layers = self.manifest["layers"].as_array().unwrap();
        layers.iter().map(|layer| layer["mediaType"].as_str().unwrap()).collect()
    }
}

fn inflated(blob: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    match blob {
        [0x1f, 0x8b, ..] => {
            flate2::read::MultiGzDecoder::new(blob).read_to_end(&mut bytes).unwrap();
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            zstd::Decoder::new(blob).unwrap().read_to_end(&mut bytes).unwrap();
        }
        // Archives hold layers as they are, and one without files is two blocks of zeros.
        _ if blob.get(257..262) == Some(b"ustar") || blob == [0; 1024] => return blob.to_vec(),
        _ => panic!("a layer is neither gzip nor zstd nor tar"),
    }
    bytes
}
