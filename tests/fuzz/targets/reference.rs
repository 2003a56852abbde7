//! References, digests, store paths and encodings: what is read is printed as it was, and a
//! reference is always a part of a URL that nothing changes.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use snowbird::image::{Digest, Reference, RegistryHost, Repository, Tag};
use snowbird::layer::Encoding;
use snowbird::nix::StorePath;
use url::Url;

fn read<T: FromStr + Display + PartialEq + Debug>(text: &str) -> Option<T> {
    let value: T = text.parse().ok()?;
    let printed = value.to_string();
    assert_eq!(printed.parse().ok(), Some(value), "{text:?} was printed as {printed:?}");
    text.parse().ok()
}

fuzz_target!(|text: &str| {
    let _digest: Option<Digest> = read(text);
    let _store_path: Option<StorePath> = read(text);
    let _encoding: Option<Encoding> = read(text);
    let _reference: Option<Reference> = read(text);
    let base = Url::parse("https://registry.example").expect("a URL");
    if let Some(host) = read::<RegistryHost>(text) {
        // Some names of the form `xn--…` are refused there.
        let Ok(url) = Url::parse(&format!("https://{host}/v2/")) else { return };
        assert!(url.username().is_empty() && url.path() == "/v2/", "{host} became {url}");
        let written = host.as_str().to_ascii_lowercase();
        let name = url.host_str().expect("there is a host");
        assert!(written.starts_with('[') || written.split(':').next() == Some(name), "{url}");
    }
    for name in [
        read::<Repository>(text).map(|name| name.to_string()),
        read::<Tag>(text).map(|tag| tag.to_string()),
    ] {
        let Some(name) = name else { continue };
        let url = base.join(&format!("/v2/{name}/x")).expect("a name is a URL's");
        assert_eq!(url.path(), format!("/v2/{name}/x"));
    }
});
