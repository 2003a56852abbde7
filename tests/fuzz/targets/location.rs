//! `Location` and `Range`: an upload goes on at a URL over HTTP, credentials go to the registry
//! alone, what it wrote into the URL stays, and a byte count is none that overflows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snowbird::image::Digest;
use snowbird::registry::fuzzing;
use url::Url;

fuzz_target!(|text: &[u8]| {
    if let Some(kept) = fuzzing::kept_bytes(text) {
        assert!(text.contains(&b'-'), "{kept}");
    }
    let digest = Digest::of(b"");
    for registry in ["https://registry.example", "http://127.0.0.1:5000"] {
        let registry = Url::parse(registry).expect("a URL");
        let asked = registry.join("/v2/web/blobs/uploads/1?_state=x").expect("a URL");
        let Some((close, at_registry)) = fuzzing::location(text, &asked, &registry, digest) else {
            continue;
        };
        assert_eq!(at_registry, close.origin() == registry.origin(), "{close}");
        assert!(close.scheme() == "https" || registry.scheme() == "http", "{close}");
        let query = close.query().expect("there is a digest");
        assert!(query.ends_with(&format!("digest={digest}")), "{close}");
        let text = std::str::from_utf8(text).expect("a header that is read is text");
        let kept = asked.join(text).expect("it was read as a URL");
        assert!(query.starts_with(kept.query().unwrap_or_default()), "{close}");
        assert_eq!(close.path(), kept.path());
    }
});
