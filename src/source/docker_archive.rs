//! `manifest.json`: how `docker save` and nixpkgs' `dockerTools` describe the images of an
//! archive.

use serde::Deserialize;

use super::Error;
use super::archive::Members;
use super::described::{Described, DescribedLayer};
use super::selection::{Candidate, select};
use crate::image::ImageConfig;

/// The member that describes the images.
const MANIFEST: &str = "manifest.json";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Finds the image called `name`, or the only one, by `manifest`.
///
/// # Errors
///
/// Fails when there is none or several, and when a part of it is missing or wrong.
pub(super) fn image(
    members: &Members,
    manifest: &[u8],
    name: Option<&str>,
) -> Result<Described, Error> {
    let images: Vec<Entry> = serde_json::from_slice(manifest).map_err(|source| Error::Json {
        path: members.path().to_owned(),
        member: MANIFEST.to_owned(),
        source,
    })?;
    let images = images.into_iter().map(|entry| Candidate {
        names: entry.repo_tags.clone().unwrap_or_default(),
        otherwise: entry.config.clone(),
        image: entry,
    });
    let entry = select(members.path(), MANIFEST, images.collect(), name)?;
    let config = members.json(&entry.config)?.ok_or_else(|| {
        members.error(&entry.config, "is named as the config, but is not there as JSON".to_owned())
    })?;
    let config = ImageConfig::parse(config.to_owned()).map_err(|source| Error::Config {
        path: members.path().to_owned(),
        member: entry.config.clone(),
        source,
    })?;
    let layers = entry.layers.iter().map(|name| {
        let (member, place) = members.layer(name)?;
        Ok(DescribedLayer { member, written: name.clone(), place, blob: None })
    });
    let layers = layers.collect::<Result<_, Error>>()?;
    Described { config, layers }.checked(members.path(), MANIFEST)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::path::Path;

    use super::*;
    use crate::image::Digest;
    use crate::source::tests_support::{ArchiveBuilder, layer_tar};
    use crate::source::{Image, Member, SkipLayers, Stop, Visit};

    fn read_bytes(archive: &[u8]) -> Result<Image, Error> {
        read_with(archive, &mut SkipLayers)
    }

    fn read_with(archive: &[u8], visitor: &mut dyn Visit) -> Result<Image, Error> {
        let mut archive = tar::Archive::new(archive);
        let members = Members::read(Path::new("image.tar"), archive.entries().unwrap(), visitor)?;
        Described::find(&members, None).map(Image::from)
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
}
