//! Sessions: where they are, how they go on, how they end.

use std::time::Duration;

use super::{AT_ONCE, BLOBS, UPLOADS, arrives, each, fails, fails_as, small_arrives, streams};
use crate::support::scripted_registry::{Access, Answer, End, Fault, Rules, Then};
use crate::support::{Archive, ScriptedRegistry};

/// Changes every `Location` that begins or continues an upload.
fn with_locations(
    change: impl Fn(&str) -> String + Clone + Send + Sync + 'static,
) -> ScriptedRegistry {
    let registry = ScriptedRegistry::start_with_accounts();
    for method in ["POST", "PATCH"] {
        let change = change.clone();
        let fault = Fault::change(move |answer| {
            if let Some(location) = answer.header("location").map(&change) {
                answer.set("location", &location);
            }
        });
        registry.always(method, UPLOADS, fault);
    }
    registry
}

#[test]
fn a_location_may_be_written_in_any_way() {
    // Absolute as it is, without a scheme, without a host, from where one is.
    for slashes in [0, 2, 3, 7] {
        let registry = with_locations(move |location| {
            let start: usize = location.split_inclusive('/').take(slashes).map(str::len).sum();
            match slashes {
                2 => location[start - 2..].to_owned(),
                3 => location[start - 1..].to_owned(),
                _ => location[start..].to_owned(),
            }
        });
        arrives(&registry);
        // One way for each blob, and nothing is tried twice.
        assert_eq!(registry.asked("POST", UPLOADS).len(), 4, "{slashes}");
        assert!(registry.content().open_uploads() == 0);
    }
}

#[test]
fn a_location_that_leads_nowhere_is_told_at_once() {
    for location in ["", "http://[::", "ftp://127.0.0.1/x"] {
        let registry = ScriptedRegistry::start();
        let location = location.to_owned();
        let fault = Fault::change(move |answer| match location.as_str() {
            "" => answer.remove("location"),
            location => answer.set("location", location),
        });
        registry.always("POST", UPLOADS, fault);
        let failed = fails(&registry, "registry.protocol");
        assert!(failed.elapsed < AT_ONCE, "{failed}");
        assert!(failed.error().1.contains("`Location`"), "{failed}");
    }
}

#[test]
fn an_answer_without_a_location_means_the_same_place() {
    let rules = Rules { is_stateless: true, ..Rules::default() };
    let registry = ScriptedRegistry::start_with(rules, Access::Open);
    registry.always("PATCH", UPLOADS, Fault::change(|answer| answer.remove("location")));
    arrives(&registry);
    assert_eq!(registry.asked("PATCH", UPLOADS).len(), 1);
}

#[test]
fn a_success_may_have_any_status_that_means_it() {
    for (patch, put) in [(201, 200), (204, 204), (200, 202)] {
        let registry = ScriptedRegistry::start();
        registry.always("PATCH", UPLOADS, Fault::status(patch));
        registry.always("PUT", UPLOADS, Fault::status(put));
        registry.always("POST", UPLOADS, Fault::status(201));
        arrives(&registry);
        assert_eq!(registry.asked("POST", UPLOADS).len(), 4);
    }
}

fn already_there() -> Fault {
    let blob = "/v2/web/blobs/sha256:0123456789abcdef";
    Fault::Answer(Answer::new(201).with("location", blob))
}

#[test]
fn a_blob_that_is_found_there_when_its_upload_begins_is_not_sent() {
    let registry = ScriptedRegistry::start();
    small_arrives(&registry);
    registry.content().manifests.clear();
    assert_eq!(registry.asked("PUT", UPLOADS).len(), 3);
    registry.order("POST", UPLOADS, 1, already_there());
    small_arrives(&registry);
    assert_eq!(registry.asked("PUT", UPLOADS).len(), 3 + 2, "all but the one that was found");
    assert_eq!(registry.asked("HEAD", BLOBS).len(), 1);
}

#[test]
fn a_registry_that_claims_to_have_what_it_has_not_is_told() {
    let registry = ScriptedRegistry::start();
    registry.always("POST", UPLOADS, already_there());
    for archive in [Archive::small("hello"), Archive::new("hello")] {
        let failed = fails_as(&registry, &archive, "registry.protocol");
        assert!(failed.elapsed < AT_ONCE, "{failed}");
    }
}

#[test]
fn every_body_has_a_length_or_is_in_chunks_and_only_parts_have_ranges() {
    // The registry answers 411 to all others.
    let registry = ScriptedRegistry::start();
    let min_length = |answer: &mut Answer| answer.set("oci-chunk-min-length", "67108864");
    registry.always("POST", UPLOADS, Fault::change(min_length));
    arrives(&registry);
    for sent in registry.seen() {
        assert_eq!(sent.head.header("content-range"), None, "{sent:?}");
    }
    let closing = registry.asked("PUT", UPLOADS);
    assert!(closing.iter().any(|put| put.head.header("content-length") == Some("0")));
}

#[test]
fn a_body_that_is_too_large_is_told_though_the_connection_was_reset() {
    each([(0, Then::Close), (0, Then::Linger), (1 << 20, Then::Linger)], |(after, then)| {
        let registry = ScriptedRegistry::start();
        let html = Answer::new(413).body("<html>Request Entity Too Large</html>");
        registry.always("PATCH", UPLOADS, Fault::Early(after, html, then));
        let failed = fails(&registry, "registry.refused");
        assert!(failed.error().1.contains("413"), "{failed}");
        assert!(failed.elapsed < AT_ONCE, "{failed}");
        assert_eq!(streams(&registry).len(), 1, "{failed}");
        assert_eq!(registry.content().open_uploads(), 0);
    });
}

#[test]
fn a_small_body_that_is_too_large_is_told() {
    for then in [Then::Close, Then::Linger] {
        let registry = ScriptedRegistry::start();
        registry.always("PUT", UPLOADS, Fault::Early(0, Answer::new(413), then));
        let failed = fails_as(&registry, &Archive::small("hello"), "registry.refused");
        assert!(failed.error().1.contains("413"), "{failed}");
        assert!(failed.elapsed < AT_ONCE, "{failed}");
    }
}

#[test]
fn a_layer_that_is_refused_for_a_moment_before_it_is_read_is_sent_again() {
    for then in [Then::Close, Then::Linger] {
        let registry = ScriptedRegistry::start();
        registry.order("PATCH", UPLOADS, 1, Fault::Early(100_000, Answer::new(500), then));
        arrives(&registry);
        assert_eq!(streams(&registry).len(), 2);
    }
}

#[test]
fn an_answer_that_comes_before_the_body_is_no_success() {
    for then in [Then::Close, Then::Linger] {
        let registry = ScriptedRegistry::start();
        let early = Answer::new(202).with("location", "/v2/web/blobs/uploads/1?_state=2");
        registry.order("PATCH", UPLOADS, 1, Fault::Early(100_000, early, then));
        let pushed = arrives(&registry);
        assert!(pushed.elapsed < Duration::from_secs(6), "{pushed}");
    }
}

#[test]
fn a_layer_whose_connection_ends_is_sent_again_from_its_beginning() {
    each([0, 1, 3_000_000], |bytes| {
        for end in [End::Close, End::Reset] {
            let registry = ScriptedRegistry::start();
            registry.order("PATCH", UPLOADS, 1, Fault::Cut(bytes, end));
            arrives(&registry);
            assert_eq!(streams(&registry).len(), 2, "{end:?} after {bytes}");
            assert_eq!(registry.content().open_uploads(), 0);
        }
    });
}

fn that_resumes() -> ScriptedRegistry {
    let rules = Rules { resumes: true, ..Rules::default() };
    ScriptedRegistry::start_with(rules, Access::Open)
}

#[test]
fn a_small_blob_goes_on_where_it_broke_off() {
    let registry = that_resumes();
    registry.order("PUT", UPLOADS, 1, Fault::Cut(50, End::Reset));
    small_arrives(&registry);
    let parts = registry.asked("PATCH", UPLOADS);
    assert_eq!(parts.len(), 1);
    assert!(parts[0].head.header("content-range").unwrap().starts_with("50-"), "{parts:?}");
    assert_eq!(registry.asked("POST", UPLOADS).len(), 3, "two layers and the config");
}

#[test]
fn a_small_blob_of_which_one_byte_or_none_arrived_is_sent_in_another_upload() {
    each([0, 1], |bytes| {
        let registry = that_resumes();
        registry.order("PUT", UPLOADS, 1, Fault::Cut(bytes, End::Reset));
        small_arrives(&registry);
        assert_eq!(registry.asked("PATCH", UPLOADS).len(), 0);
        assert_eq!(registry.asked("POST", UPLOADS).len(), 4);
    });
}

#[test]
fn a_small_blob_goes_on_where_the_registry_wants_it() {
    let registry = that_resumes();
    registry.order("PUT", UPLOADS, 1, Fault::Cut(50, End::Close));
    registry.order("GET", UPLOADS, 1, Fault::change(|answer| answer.set("range", "0-9")));
    small_arrives(&registry);
    let parts = registry.asked("PATCH", UPLOADS);
    let parts: Vec<_> =
        parts.iter().map(|part| (part.status, part.head.header("content-range"))).collect();
    assert!(
        matches!(parts[..], [(Some(416), Some(wrong)), (Some(202), Some(right))]
        if wrong.starts_with("10-") && right.starts_with("50-")),
        "{parts:?}"
    );
}

#[test]
fn a_small_blob_is_sent_anew_where_it_cannot_go_on() {
    each(
        [Answer::error(404, "BLOB_UPLOAD_UNKNOWN"), Answer::new(405), Answer::new(204)],
        |answer| {
            let registry = ScriptedRegistry::start();
            registry.order("PUT", UPLOADS, 1, Fault::Cut(50, End::Reset));
            registry.always("GET", UPLOADS, Fault::Answer(answer));
            small_arrives(&registry);
            assert_eq!(registry.asked("POST", UPLOADS).len(), 4);
            assert_eq!(registry.asked("PATCH", UPLOADS).len(), 0);
        },
    );
}

#[test]
fn an_upload_that_the_registry_has_lost_is_begun_again() {
    let unsatisfiable = Answer::new(416).with("range", "0-4999");
    each(
        [
            Answer::error(404, "BLOB_UPLOAD_UNKNOWN"),
            Answer::error(404, "BLOB_UPLOAD_INVALID"),
            unsatisfiable,
        ],
        |answer| {
            for (method, nth) in [("PATCH", 1), ("PUT", 1), ("PUT", 2), ("PUT", 3)] {
                let registry = ScriptedRegistry::start();
                registry.order(method, UPLOADS, nth, Fault::Answer(answer.clone()));
                arrives(&registry);
                assert!(registry.asked("PUT", UPLOADS).len() <= 5);
            }
        },
    );
}

#[test]
fn a_blob_that_arrived_as_another_is_told_at_once() {
    let registry = ScriptedRegistry::start();
    registry.always("PUT", UPLOADS, Fault::Answer(Answer::error(400, "DIGEST_INVALID")));
    let failed = fails(&registry, "registry.refused");
    assert!(failed.error().1.contains("DIGEST_INVALID"), "{failed}");
    assert!(failed.elapsed < AT_ONCE, "{failed}");

    let registry = ScriptedRegistry::start();
    let other = format!("sha256:{}", "ab".repeat(32));
    let fault = Fault::change(move |answer| answer.set("docker-content-digest", &other));
    registry.always("PUT", UPLOADS, fault);
    let failed = fails(&registry, "registry.digest-mismatch");
    assert!(failed.elapsed < AT_ONCE, "{failed}");
}

#[test]
fn a_lost_answer_is_looked_into_before_anything_is_sent_again() {
    each(1..=4, |nth| {
        for end in [End::Close, End::Reset] {
            let registry = ScriptedRegistry::start();
            registry.order("PUT", UPLOADS, nth, Fault::LostAnswer(end));
            arrives(&registry);
            assert_eq!(registry.asked("PUT", UPLOADS).len(), 4, "{end:?} {nth}");
        }
    });
}

#[test]
fn a_lost_answer_to_the_beginning_costs_another_beginning() {
    let registry = ScriptedRegistry::start();
    registry.order("POST", UPLOADS, 1, Fault::LostAnswer(End::Reset));
    arrives(&registry);
    assert_eq!(registry.asked("POST", UPLOADS).len(), 5);

    let registry = ScriptedRegistry::start();
    registry.order("PATCH", UPLOADS, 1, Fault::LostAnswer(End::Reset));
    arrives(&registry);
    assert_eq!(streams(&registry).len(), 2);
}

#[test]
fn a_registry_may_take_its_time_to_store_a_blob() {
    let registry = ScriptedRegistry::start();
    registry.order("PUT", UPLOADS, 1, Fault::Slow(Duration::from_secs(2)));
    let pushed = arrives(&registry);
    assert!(pushed.elapsed >= Duration::from_secs(2));
    assert_eq!(registry.asked("PUT", UPLOADS).len(), 4);
}

#[test]
fn a_registry_that_will_not_say_what_it_has_gets_everything() {
    for status in [400, 403, 404, 405, 501] {
        let registry = ScriptedRegistry::start();
        registry.always("HEAD", BLOBS, Fault::Answer(Answer::new(status)));
        let pushed = arrives(&registry);
        assert!(pushed.elapsed < AT_ONCE, "{pushed}");
    }
}

#[test]
fn a_blob_of_another_size_is_none() {
    let registry = ScriptedRegistry::start();
    small_arrives(&registry);
    registry.content().manifests.clear();
    registry.always("HEAD", BLOBS, Fault::change(|answer| answer.set("content-length", "7")));
    small_arrives(&registry);
    assert_eq!(registry.asked("PUT", UPLOADS).len(), 2 * 3);
}

#[test]
fn an_upload_that_came_to_nothing_is_called_off() {
    let registry = ScriptedRegistry::start();
    registry.always("PATCH", UPLOADS, Fault::Answer(Answer::error(400, "SIZE_INVALID")));
    fails(&registry, "registry.refused");
    assert_eq!(registry.content().open_uploads(), 0);
    assert_eq!(registry.asked("DELETE", UPLOADS).len(), 1);
}
