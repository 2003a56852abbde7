//! Docker archives: what `docker save` and nixpkgs' `dockerTools` write.
//!
//! Members may come in any order; nearly every writer puts the layers first and
//! `manifest.json` last. Layers are told by their content, not by their name, for there
//! are as many ways of naming them as there are writers.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;
use tar::Entries;

use super::links::{Links, clean_name};
use super::tar_members::{TarMember, begins_a_tar, for_each};
use super::{Error, Member, Stop, Visit, Wrapper};
use crate::image::{Digest, ImageConfig};

/// The largest JSON member that is kept: no config is larger than its registry's limit.
const MAX_JSON_BYTES: u64 = 4 << 20;

/// The most bytes of JSON that are kept of one archive.
const MAX_ALL_JSON_BYTES: u64 = 16 << 20;

/// An image as its archive describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The config, its bytes untouched.
    pub config: ImageConfig,
    /// The members that hold the layers, lowest first. One may occur twice.
    pub layers: Vec<String>,
    /// The names that the archive gives the image, such as `hello:latest`.
    pub repo_tags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// What one pass over an archive found.
#[derive(Default)]
struct Found {
    layers: BTreeSet<String>,
    json: BTreeMap<String, Vec<u8>>,
    json_bytes: u64,
    others: BTreeSet<String>,
    links: Links,
}

/// Reads the archive in `entries` once, and shows `visitor` each layer as it comes.
///
/// # Errors
///
/// Fails on damaged data, on what is no image, and when the visitor has had enough.
pub(super) fn read<'a, R: Read + 'a>(
    path: &Path,
    entries: Entries<'a, R>,
    visitor: &mut dyn Visit,
) -> Result<Image, Error> {
    let mut found = Found::default();
    let damaged = |what: &str, source: io::Error| Error::Damaged {
        path: path.to_owned(),
        what: what.to_owned(),
        source,
    };
    for_each(
        entries,
        |error| damaged("a member cannot be found", error),
        |name, member| {
            let name = clean_name(name);
            match member {
                TarMember::File(size, content) => {
                    found.file(name.clone(), size, content, visitor).map_err(
                        |stop| match stop {
                            Stop::Read(error) => {
                                damaged(&format!("`{name}` is cut or broken"), error)
                            }
                            Stop::Enough => Error::Stopped,
                        },
                    )?;
                }
                TarMember::SymbolicLink(target) => found.links.symbolic(&name, &target),
                TarMember::HardLink(target) => found.links.hard(&name, &target),
                TarMember::Other => {}
            }
            Ok(())
        },
    )?;
    found.image(path)
}

impl Found {
    fn file(
        &mut self,
        name: String,
        size_bytes: u64,
        mut content: impl Read,
        visitor: &mut dyn Visit,
    ) -> Result<(), Stop> {
        let mut head = Vec::with_capacity(512);
        content.by_ref().take(512).read_to_end(&mut head)?;
        let wrapper = Wrapper::of(&head);
        if wrapper != Wrapper::None || begins_a_tar(&head) {
            let named = name_digest(&name);
            let member = Member { name, size_bytes, wrapper, named };
            visitor.layer(&member, &mut head.chain(content))?;
            self.layers.insert(member.name);
        } else if matches!(head.trim_ascii_start(), [b'{' | b'[', ..])
            && size_bytes <= MAX_JSON_BYTES
            && self.json_bytes + size_bytes <= MAX_ALL_JSON_BYTES
        {
            self.json_bytes += size_bytes;
            content.read_to_end(&mut head)?;
            self.json.insert(name, head);
        } else {
            self.others.insert(name);
        }
        Ok(())
    }

    /// Puts the image together once every member has been seen.
    fn image(mut self, path: &Path) -> Result<Image, Error> {
        let member_error = |member: &str, problem: String| Error::Member {
            path: path.to_owned(),
            member: member.to_owned(),
            problem,
        };
        let Some(manifest) = self.json.remove("manifest.json") else {
            if self.json.contains_key("index.json") {
                return Err(Error::Unsupported {
                    path: path.to_owned(),
                    found: "an OCI archive without a docker manifest",
                });
            }
            return Err(Error::NoManifest { path: path.to_owned() });
        };
        let images: Vec<Entry> = serde_json::from_slice(&manifest).map_err(|source| {
            Error::Json { path: path.to_owned(), member: "manifest.json".to_owned(), source }
        })?;
        let [image] = <[Entry; 1]>::try_from(images).map_err(|images| match images.len() {
            0 => member_error("manifest.json", "names no image".to_owned()),
            _ => Error::SeveralImages {
                path: path.to_owned(),
                names: images.into_iter().map(Entry::name).collect(),
            },
        })?;

        let in_circles = |name: &str| member_error(name, "is a link that leads nowhere".to_owned());
        let config_name = clean_name(&image.config);
        let config_name =
            self.links.resolve(&config_name).ok_or_else(|| in_circles(&config_name))?;
        let config = self.json.remove(config_name).ok_or_else(|| {
            member_error(config_name, "is named as the config, but is not there as JSON".to_owned())
        })?;
        let config = ImageConfig::parse(config).map_err(|source| Error::Config {
            path: path.to_owned(),
            member: config_name.to_owned(),
            source,
        })?;

        let mut layers = Vec::with_capacity(image.layers.len());
        for name in &image.layers {
            let name = clean_name(name);
            let target = self.links.resolve(&name).ok_or_else(|| in_circles(&name))?;
            if !self.layers.contains(target) {
                let there = self.others.contains(target) || self.json.contains_key(target);
                let problem = if there { "is no tar archive" } else { "is not there" };
                let problem = format!("is named as a layer, but {problem}");
                return Err(member_error(target, problem));
            }
            layers.push(target.to_owned());
        }
        if layers.len() != config.diff_ids().len() {
            let problem = format!(
                "names {} layers, but the config has {} diff_ids",
                layers.len(),
                config.diff_ids().len()
            );
            return Err(member_error("manifest.json", problem));
        }
        Ok(Image { config, layers, repo_tags: image.repo_tags.unwrap_or_default() })
    }
}

impl Entry {
    fn name(self) -> String {
        self.repo_tags.and_then(|tags| tags.into_iter().next()).unwrap_or(self.config)
    }
}

/// Returns the digest that a member's name is made of: `HEX/layer.tar`, `HEX.tar`,
/// `blobs/sha256/HEX`.
fn name_digest(name: &str) -> Option<Digest> {
    name.split(['/', '.']).find_map(|part| Digest::from_hex(part).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SkipLayers;
    use crate::source::tests_support::{ArchiveBuilder, layer_tar};

    fn read_bytes(archive: &[u8]) -> Result<Image, Error> {
        read_with(archive, &mut SkipLayers)
    }

    fn read_with(archive: &[u8], visitor: &mut dyn Visit) -> Result<Image, Error> {
        let mut archive = tar::Archive::new(archive);
        read(Path::new("image.tar"), archive.entries().unwrap(), visitor)
    }

    #[derive(Default)]
    struct Collect(Vec<(Member, Digest)>);

    impl Visit for Collect {
        fn layer(&mut self, member: &Member, content: &mut dyn Read) -> Result<(), Stop> {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            self.0.push((member.clone(), Digest::of(&bytes)));
            Ok(())
        }
    }

    #[test]
    fn layers_come_in_archive_order_and_are_listed_in_image_order() {
        let (a, b) = (layer_tar("a", b"one"), layer_tar("b", b"two"));
        let mut builder = ArchiveBuilder::new(&[&a, &b]);
        builder.reverse_members = true;
        let mut seen = Collect::default();
        let image = read_with(&builder.build(), &mut seen).unwrap();
        let digests: Vec<_> = image
            .layers
            .iter()
            .map(|name| seen.0.iter().find(|(m, _)| m.name == *name).unwrap().1)
            .collect();
        assert_eq!(digests, [Digest::of(&a), Digest::of(&b)]);
        assert_eq!(image.config.diff_ids().len(), 2);
        assert!(seen.0.iter().all(|(member, digest)| member.named == Some(*digest)));
    }

    #[test]
    fn a_layer_that_is_a_link_to_another_is_the_same_layer() {
        let layer = layer_tar("a", b"one");
        let mut builder = ArchiveBuilder::new(&[&layer, &layer]);
        builder.links = vec!["copy/layer.tar".to_owned()];
        let image = read_bytes(&builder.build()).unwrap();
        assert_eq!(image.layers.first(), image.layers.last());
    }

    #[test]
    fn what_is_missing_or_is_no_layer_is_named() {
        let layer = layer_tar("a", b"one");
        let whole = ArchiveBuilder::new(&[&layer]);

        let mut no_layer = whole.clone();
        no_layer.layer_names = vec!["nowhere/layer.tar".to_owned()];
        no_layer.layers.clear();
        let error = read_bytes(&no_layer.build()).unwrap_err().to_string();
        assert!(error.contains("`nowhere/layer.tar`") && error.contains("not there"), "{error}");

        let mut no_tar = whole.clone();
        no_tar.layers = vec![b"not a tar at all, not even by accident".repeat(40)];
        let error = read_bytes(&no_tar.build()).unwrap_err().to_string();
        assert!(error.contains("no tar archive"), "{error}");

        let mut no_manifest = whole.clone();
        no_manifest.manifest = None;
        assert!(matches!(read_bytes(&no_manifest.build()), Err(Error::NoManifest { .. })));

        let mut several = whole.clone();
        several.manifest = Some(
            r#"[{"Config":"a","RepoTags":["x:1"],"Layers":[]},{"Config":"b","Layers":[]}]"#.into(),
        );
        let error = read_bytes(&several.build()).unwrap_err();
        assert!(error.to_string().ends_with("2 images: x:1, b"), "{error}");

        let mut fewer = whole;
        fewer.layer_names.clear();
        let error = read_bytes(&fewer.build()).unwrap_err().to_string();
        assert!(error.contains("names 0 layers, but the config has 1"), "{error}");
    }

    #[test]
    fn an_archive_cut_anywhere_is_an_error() {
        let layer = layer_tar("a", &[7; 3000]);
        let whole = ArchiveBuilder::new(&[&layer]).build();
        assert!(read_with(&whole, &mut Collect::default()).is_ok());
        for cut in (0..whole.len() - 1024).step_by(511) {
            let result = read_with(&whole[..cut], &mut Collect::default());
            assert!(result.is_err(), "cut at {cut}: {result:?}");
        }
    }

    #[test]
    fn names_of_many_writers_give_their_digest() {
        let hex = Digest::of(b"x").hex();
        for name in [
            format!("{hex}/layer.tar"),
            format!("{hex}.tar"),
            format!("blobs/sha256/{hex}"),
            format!("{hex}.tar.gz"),
        ] {
            assert_eq!(name_digest(&name), Some(Digest::of(b"x")), "{name}");
        }
        assert_eq!(name_digest("layer.tar"), None);
    }
}
