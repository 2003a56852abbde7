//! Small archives for the tests of this module and of those above it.

use crate::image::Digest;

/// Makes the tar of a layer with one file.
pub(crate) fn layer_tar(name: &str, content: &[u8]) -> Vec<u8> {
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

/// Makes a docker archive, right or wrong.
#[derive(Clone)]
pub(crate) struct ArchiveBuilder {
    pub(crate) layers: Vec<Vec<u8>>,
    /// The members' names, as the manifest lists them.
    pub(crate) layer_names: Vec<String>,
    /// `manifest.json`, or nothing to leave it out.
    pub(crate) manifest: Option<String>,
    pub(crate) reverse_members: bool,
    /// Names that the manifest's last layers get: links to the first layer.
    pub(crate) links: Vec<String>,
    config: String,
}

impl ArchiveBuilder {
    pub(crate) fn new(layers: &[&[u8]]) -> Self {
        let digests: Vec<_> = layers.iter().map(|layer| Digest::of(layer)).collect();
        let diff_ids: Vec<_> = digests.iter().map(|d| format!("\"{d}\"")).collect();
        Self {
            layers: layers.iter().map(|layer| layer.to_vec()).collect(),
            layer_names: digests.iter().map(|d| format!("{}/layer.tar", d.hex())).collect(),
            manifest: Some(String::new()),
            reverse_members: false,
            links: Vec::new(),
            config: format!(
                r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
                diff_ids.join(",")
            ),
        }
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let mut names = self.layer_names.clone();
        let mut members: Vec<_> = names.iter().cloned().zip(self.layers.clone()).collect();
        members.dedup_by(|a, b| a.0 == b.0);
        for (link, name) in self.links.iter().zip(names.iter_mut().rev()) {
            name.clone_from(link);
        }
        let config_name = format!("{}.json", Digest::of(self.config.as_bytes()).hex());
        members.push((config_name.clone(), self.config.clone().into_bytes()));
        if let Some(manifest) = &self.manifest {
            let manifest = if manifest.is_empty() {
                serde_json::json!([
                    {"Config": config_name, "RepoTags": ["hello:1"], "Layers": names}
                ])
                .to_string()
            } else {
                manifest.clone()
            };
            members.push(("manifest.json".to_owned(), manifest.into_bytes()));
        }
        if self.reverse_members {
            members.reverse();
        }
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in &members {
            append(&mut builder, name, content);
        }
        for link in &self.links {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            let target = format!("../{}", self.layer_names[0]);
            builder.append_link(&mut header, link, target).unwrap();
        }
        builder.into_inner().unwrap()
    }
}
