//! The end of a push: the manifest and its tag.

use snowbird::image::Digest;

use super::{AT_ONCE, BLOBS, MANIFEST, UPLOADS, arrives, each, fails_as, small_arrives};
use crate::support::scripted_registry::{Answer, End, Fault};
use crate::support::{Archive, ScriptedRegistry};

#[test]
fn a_stored_manifest_may_be_told_in_any_way() {
    for status in [200, 202, 204] {
        let registry = ScriptedRegistry::start();
        let fault = Fault::change(move |answer| {
            answer.status = status;
            answer.remove("docker-content-digest");
            answer.remove("location");
        });
        registry.always("PUT", MANIFEST, fault);
        small_arrives(&registry);
        assert_eq!(registry.asked("PUT", MANIFEST).len(), 1);
    }
}

#[test]
fn a_manifest_that_was_stored_as_another_is_told() {
    let registry = ScriptedRegistry::start();
    let other = Digest::of(b"another").to_string();
    let answer = Answer::new(201).with("docker-content-digest", &other);
    registry.always("PUT", MANIFEST, Fault::Answer(answer));
    let failed = fails_as(&registry, &Archive::small("hello"), "registry.digest-mismatch");
    assert!(failed.error().1.contains(&other), "{failed}");
    assert!(failed.elapsed < AT_ONCE, "{failed}");
    assert_eq!(registry.asked("PUT", MANIFEST).len(), 1);
}

#[test]
fn a_manifest_is_stored_again_when_it_may_not_have_been() {
    each(
        [
            Fault::LostAnswer(End::Reset),
            Fault::LostAnswer(End::Close),
            Fault::Cut(100, End::Reset),
            Fault::Answer(Answer::new(500).body("<html>")),
            Fault::Answer(Answer::error(429, "TOOMANYREQUESTS")),
        ],
        |fault| {
            let registry = ScriptedRegistry::start();
            registry.order("PUT", MANIFEST, 1, fault);
            small_arrives(&registry);
            assert_eq!(registry.asked("PUT", MANIFEST).len(), 2);
            assert_eq!(registry.asked("PUT", UPLOADS).len(), 3, "no blob is sent twice");
        },
    );
}

#[test]
fn a_manifest_that_is_refused_is_told_at_once() {
    for (status, code) in [(400, "MANIFEST_INVALID"), (413, "SIZE_INVALID"), (405, "UNSUPPORTED")] {
        let registry = ScriptedRegistry::start();
        registry.always("PUT", MANIFEST, Fault::Answer(Answer::error(status, code)));
        let failed = fails_as(&registry, &Archive::small("hello"), "registry.refused");
        assert!(failed.error().1.contains(code), "{failed}");
        assert!(failed.elapsed < AT_ONCE, "{failed}");
        assert_eq!(registry.asked("PUT", MANIFEST).len(), 1);
    }
}

/// Pushes an image, takes the blob that `which` finds in its manifest away from the
/// registry, and pushes it to the tag again.
fn pushed_after_a_loss(which: &str, detail: impl Fn(&str) -> serde_json::Value) -> (usize, usize) {
    let registry = ScriptedRegistry::start();
    arrives(&registry);
    let lost = {
        let mut content = registry.content();
        let tag = ("web".to_owned(), "v1".to_owned());
        let manifest: serde_json::Value = serde_json::from_slice(&content.manifests[&tag]).unwrap();
        let lost = manifest.pointer(which).unwrap()["digest"].as_str().unwrap().to_owned();
        content.blobs.remove(&("web".to_owned(), lost.clone()));
        lost
    };
    let puts = registry.asked("PUT", UPLOADS).len();
    let detail = detail(&lost);
    // Another image with the same big layers, so that there is a manifest to be stored.
    let refusal = Answer::error_about(400, "MANIFEST_BLOB_UNKNOWN", &detail);
    registry.order("PUT", MANIFEST, 1, Fault::Answer(refusal));
    super::arrives_as(&registry, &Archive::new("good morning"));
    (registry.asked("PUT", UPLOADS).len() - puts, registry.asked("PUT", MANIFEST).len() - 1)
}

#[test]
fn a_layer_that_the_registry_has_lost_is_sent_and_no_other() {
    use serde_json::json;
    // The changed layer and the config are sent in any case.
    assert_eq!(pushed_after_a_loss("/layers/0", |digest| json!(digest)), (3, 2));
    assert_eq!(pushed_after_a_loss("/layers/0", |digest| json!({ "digest": digest })), (3, 2));
    assert_eq!(pushed_after_a_loss("/layers/1", |digest| json!({ "Digest": digest })), (3, 2));
}

#[test]
fn where_it_is_not_said_what_was_lost_everything_is_looked_at_again() {
    let (_, manifests) = pushed_after_a_loss("/layers/0", |_| serde_json::Value::Null);
    assert_eq!(manifests, 2);
}

#[test]
fn a_registry_that_loses_whatever_it_is_given_is_told() {
    let registry = ScriptedRegistry::start();
    let detail = serde_json::json!(Digest::of(b"whatever").to_string());
    let refusal = Answer::error_about(400, "MANIFEST_BLOB_UNKNOWN", &detail);
    registry.always("PUT", MANIFEST, Fault::Answer(refusal));
    let failed = fails_as(&registry, &Archive::small("hello"), "registry.blobs-unknown");
    assert!(failed.elapsed < AT_ONCE, "{failed}");
    assert_eq!(registry.asked("PUT", MANIFEST).len(), 3);
}

#[test]
fn an_image_that_cannot_be_read_there_is_just_not_known() {
    let html = Answer::new(200).body("<html>hello</html>");
    for answer in [html, Answer::new(404).body("<html>"), Answer::error(403, "DENIED")] {
        let registry = ScriptedRegistry::start();
        registry.always("GET", MANIFEST, Fault::Answer(answer));
        small_arrives(&registry);
    }
}

#[test]
fn a_config_that_cannot_be_read_there_says_nothing_of_its_layers() {
    for answer in [Answer::error(403, "DENIED"), Answer::new(400), Answer::new(404)] {
        let registry = ScriptedRegistry::start();
        small_arrives(&registry);
        registry.always("GET", BLOBS, Fault::Answer(answer));
        small_arrives(&registry);
    }
}
