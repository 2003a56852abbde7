//! Pushes by the library, which can be told more than the program.

use std::path::Path;
use std::sync::Arc;

use snowbird::event::{Reporter, Silent};
use snowbird::image::{ManifestFormat, Reference};
use snowbird::layer::Encoding;
use snowbird::push::{Error, Format, Platform, Push, Request, Reuse};
use snowbird::registry::Registry;
use snowbird::source::Source;
use tokio_util::sync::CancellationToken;

/// Pushes an image to the tag `v1`; `previous` are images that may share layers with it.
pub(crate) async fn push(
    registry: &Registry,
    source: &Path,
    previous: &[Reference],
) -> Result<Reference, Error> {
    let request = &Request {
        identity: None,
        tags: vec!["v1".parse().unwrap()],
        previous: previous.to_vec(),
        format: Format::new(ManifestFormat::Oci, Encoding::ZSTD).unwrap(),
        platform: Platform::Any,
        reuse: Reuse::Images,
        memo: None,
    };
    let reporter = &(Arc::new(Silent) as Arc<dyn Reporter>);
    let push = Push { registry, request, reporter, cancel: &CancellationToken::new() };
    let survey = push.survey().await?;
    let layout = Source::open(source).unwrap().layout().unwrap();
    push.send(&layout, survey).await.map(|pushed| pushed.reference)
}
