//! Docker archives of every kind, and their damage.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use snowbird::image::Digest;

use super::World;

/// The size of the layer that is sent while it is read: it does not compress.
const BIG_BYTES: usize = 9 << 20;

/// How an archive is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    Gzip,
    Zstd,
    Xz,
    Script,
    /// A folder with gzip layers, as `skopeo copy … oci:` makes it.
    OciFolder,
    /// The same as a tar.
    OciArchive,
    /// The same as a tar that is compressed.
    OciArchiveGzip,
    /// A docker archive whose layers are gzip, as jib makes it.
    GzipLayers,
}

impl Kind {
    /// Those that are compressed layer by layer.
    pub(crate) const OF_BLOBS: [Self; 4] =
        [Self::OciFolder, Self::OciArchive, Self::OciArchiveGzip, Self::GzipLayers];

    pub(crate) const ALL: [Self; 5] = [Self::Plain, Self::Gzip, Self::Zstd, Self::Xz, Self::Script];
}

/// An image in the form that `docker save` and nixpkgs write.
#[derive(Clone)]
pub(crate) struct Archive {
    layers: Vec<Layer>,
    /// The digests that the config lists, right or wrong.
    diff_ids: Vec<Digest>,
    /// Makes the configs of two archives with the same layers differ.
    command: String,
}

#[derive(Clone)]
struct Layer {
    member: String,
    tar: Vec<u8>,
}

impl Archive {
    /// Makes an image of three layers: a big one, one of text, a tiny one that says `text`.
    pub(crate) fn new(text: &str) -> Self {
        let big = layer_tar("data/noise", &noise(BIG_BYTES, 7));
        let words = layer_tar("usr/share/words", "a word and another\n".repeat(9000).as_bytes());
        Self::of(vec![big, words, layer_tar("etc/greeting", text.as_bytes())])
    }

    /// Makes an image of four big layers and a tiny one.
    pub(crate) fn large(text: &str) -> Self {
        let big = |seed| layer_tar(&format!("data/{seed}"), &noise(BIG_BYTES, seed));
        let mut layers: Vec<_> = (1..=4).map(big).collect();
        layers.push(layer_tar("etc/greeting", text.as_bytes()));
        Self::of(layers)
    }

    /// Makes an image of two small layers.
    pub(crate) fn small(text: &str) -> Self {
        let words = layer_tar("usr/share/words", "a word and another\n".repeat(500).as_bytes());
        Self::of(vec![words, layer_tar("etc/greeting", text.as_bytes())])
    }

    fn of(tars: Vec<Vec<u8>>) -> Self {
        let diff_ids: Vec<_> = tars.iter().map(|tar| Digest::of(tar)).collect();
        let layers = tars
            .into_iter()
            .zip(&diff_ids)
            .map(|(tar, diff_id)| Layer { member: format!("{}/layer.tar", diff_id.hex()), tar })
            .collect();
        Self { layers, diff_ids, command: "/bin/greet".to_owned() }
    }

    /// Names the layers by IDs that look like digests and are none, as `buildImage` does.
    pub(crate) fn with_foreign_names(mut self) -> Self {
        for layer in &mut self.layers {
            let id = Digest::of(format!("id of {}", layer.member).as_bytes());
            layer.member = format!("{}/layer.tar", id.hex());
        }
        self
    }

    /// Changes one byte of a layer, but not what the config says of it.
    pub(crate) fn with_damage_in(mut self, layer: usize) -> Self {
        let tar = &mut self.layers[layer].tar;
        let middle = 512 + (tar.len() - 512) / 4;
        tar[middle] ^= 1;
        self
    }

    /// Returns the `diff_ids`, lowest first.
    pub(crate) fn diff_ids(&self) -> &[Digest] {
        &self.diff_ids
    }

    /// Returns the config; its digest is the image's ID.
    pub(crate) fn config(&self) -> String {
        let diff_ids: Vec<_> = self.diff_ids.iter().map(|id| format!("\"{id}\"")).collect();
        // Spaces and order that no serializer would write: the bytes must not change.
        format!(
            "{{ \"os\":\"linux\",  \"architecture\":\"amd64\",\n\"config\":{{\"Cmd\":[\"{}\"]}}, \
             \"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[{}]}}}}",
            self.command,
            diff_ids.join(",")
        )
    }

    /// Returns the tar.
    pub(crate) fn tar(&self) -> Vec<u8> {
        self.tar_with(<[u8]>::to_vec)
    }

    fn tar_with(&self, layer_member: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let config = self.config();
        let config_name = format!("{}.json", Digest::of(config.as_bytes()).hex());
        let members: Vec<_> = self.layers.iter().map(|layer| layer.member.as_str()).collect();
        let manifest = serde_json::json!([
            { "Config": config_name, "RepoTags": ["greeter:1"], "Layers": members }
        ]);
        let mut builder = tar::Builder::new(Vec::new());
        for layer in &self.layers {
            append(&mut builder, &layer.member, &layer_member(&layer.tar));
        }
        append(&mut builder, &config_name, config.as_bytes());
        append(&mut builder, "manifest.json", manifest.to_string().as_bytes());
        builder.into_inner().unwrap()
    }

    /// Returns the files of an OCI layout, the index last.
    fn oci_files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files =
            vec![("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.into())];
        let mut blob = |kind: &str, content: Vec<u8>| {
            let (digest, size) = (Digest::of(&content), content.len());
            files.push((format!("blobs/sha256/{}", digest.hex()), content));
            let media_type = format!("application/vnd.oci.image.{kind}");
            serde_json::json!({ "mediaType": media_type, "digest": digest, "size": size })
        };
        let config = blob("config.v1+json", self.config().into_bytes());
        let layers = self.layers.iter().map(|layer| blob("layer.v1.tar+gzip", gzip(&layer.tar)));
        let layers: Vec<_> = layers.collect();
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers
        });
        let mut manifest = blob("manifest.v1+json", manifest.to_string().into_bytes());
        manifest["annotations"] = serde_json::json!({ "org.opencontainers.image.ref.name": "1" });
        let index = serde_json::json!({ "schemaVersion": 2, "manifests": [manifest] });
        files.push(("index.json".to_owned(), index.to_string().into_bytes()));
        files
    }

    fn oci_tar(&self) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in self.oci_files() {
            append(&mut builder, &name, &content);
        }
        builder.into_inner().unwrap()
    }

    /// Writes it in the form `kind` and returns the path.
    pub(crate) fn write(&self, world: &World, kind: Kind) -> PathBuf {
        let name = format!("image-{}", Digest::of(self.config().as_bytes()).short());
        let tar = self.tar();
        match kind {
            Kind::Plain => world.file(&format!("{name}.tar"), tar),
            Kind::Gzip => world.file(&format!("{name}.tar.gz"), gzip(&tar)),
            Kind::Zstd => {
                world.file(&format!("{name}.tar.zst"), zstd::encode_all(&*tar, 1).unwrap())
            }
            Kind::Xz => world.file(&format!("{name}.tar.xz"), xz(&tar)),
            Kind::OciFolder => {
                for (file, content) in self.oci_files() {
                    world.file(&format!("{name}/{file}"), content);
                }
                world.work().join(name)
            }
            Kind::OciArchive => world.file(&format!("{name}.oci.tar"), self.oci_tar()),
            Kind::OciArchiveGzip => {
                world.file(&format!("{name}.oci.tar.gz"), gzip(&self.oci_tar()))
            }
            Kind::GzipLayers => world.file(&format!("{name}.jib.tar"), self.tar_with(gzip)),
            Kind::Script => {
                let file = world.file(&format!("{name}.streamed"), tar);
                world.script(&format!("{name}.sh"), &format!("cat {}", file.display()))
            }
        }
    }
}

/// Compresses with gzip.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new("xz")
        .args(["-0", "--stdout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("these tests need `xz` on PATH");
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(bytes).unwrap());
        child.wait_with_output().unwrap().stdout
    })
}

fn layer_tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    append(&mut builder, name, content);
    builder.into_inner().unwrap()
}

fn append(builder: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, content).unwrap();
}

/// Returns bytes that do not compress, always the same ones for a seed that is not zero.
fn noise(size_bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(size_bytes);
    while bytes.len() < size_bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}
