//! Images that are in a registry already: how they are shown, and what they are.

use super::Context;
use super::exit::Failure;
use super::platform::Fly;
use super::push::{fly_credentials, registry, transport};
use crate::fly::AppName;
use crate::http::clean;
use crate::image::{Digest, Reference};
use crate::registry::Error;

/// What Fly's registry knows of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It has it.
    There(Digest),
    /// It has it not.
    Gone,
    /// It was not asked, being another registry, or does not tell whoever deploys to the app.
    Untold,
}

/// Asks Fly's registry for an image that shall be deployed to `app`.
pub(super) async fn look_up(
    context: &Context,
    fly: &Fly,
    app: &AppName,
    image: &Reference,
) -> Result<Known, Failure> {
    if image.registry != fly.registry_host(context)? {
        return Ok(Known::Untold);
    }
    let credentials = Some(fly_credentials(fly.token()));
    let transport = transport(&image.registry, false);
    let registry = registry(context, image, transport, credentials)?;
    let digest = tokio::select! {
        digest = registry.resolve(image) => digest,
        () = context.cancel.cancelled() => return Err(Failure::interrupted()),
    };
    let own = image.repository.as_str() == app.as_str();
    match digest {
        Ok(Some(digest)) => Ok(Known::There(digest)),
        // The platform may fetch what the token of one app may not see.
        Err(Error::NoRepository { .. } | Error::Denied { .. } | Error::Unauthorized { .. })
            if !own =>
        {
            Ok(Known::Untold)
        }
        Ok(None) | Err(Error::NoRepository { .. }) => Ok(Known::Gone),
        Err(error) => Err(Failure::of(error)),
    }
}

/// Shortens a reference by digest to what tells it from others.
pub(super) fn short(image: &str) -> String {
    match image.parse::<Reference>() {
        Ok(Reference { registry, repository, digest: Some(digest), .. }) => {
            format!("{registry}/{repository}@sha256:{}…", digest.short())
        }
        _ => clean(image),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_shortened_and_a_tag_is_not() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for (image, shown) in [
            (format!("registry.fly.io/web@{digest}"), "registry.fly.io/web@sha256:e3b0c44298fc…"),
            (format!("registry.fly.io/web:a@{digest}"), "registry.fly.io/web@sha256:e3b0c44298fc…"),
            ("registry.fly.io/web:deployment-01".to_owned(), "registry.fly.io/web:deployment-01"),
            ("no\u{1b}reference".to_owned(), "noreference"),
        ] {
            assert_eq!(short(&image), shown);
        }
    }
}
