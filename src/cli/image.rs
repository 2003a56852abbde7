//! Images, as they are shown.

use crate::http::clean;
use crate::image::Reference;

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
