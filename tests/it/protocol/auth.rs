//! Who asks: names, tokens, and what becomes of them in the middle of a push.

use super::{
    AT_ONCE, BLOBS, MANIFEST, UPLOADS, arrives, each, fails, fails_as, small_arrives, streams,
};
use crate::support::scripted_registry::{Access, Answer, AnswerBody, End, Fault, Rules, Then};
use crate::support::{Archive, ScriptedRegistry};

const OWN: &str = "repository:web:pull,push";

#[test]
fn name_and_password_are_shown_once_they_are_asked_for() {
    let registry = ScriptedRegistry::start_with_accounts();
    arrives(&registry);
    let refused = registry.seen().iter().filter(|seen| seen.status == Some(401)).count();
    assert_eq!(refused, 1);
}

#[test]
fn one_token_serves_a_whole_push() {
    let registry = ScriptedRegistry::start_with_tokens();
    arrives(&registry);
    let tokens = registry.tokens().scopes();
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    assert_eq!(tokens[0][0], OWN, "{tokens:?}");
}

#[test]
fn a_token_may_run_out_at_any_request() {
    for requests in [6, 7, 8, 10] {
        let registry = ScriptedRegistry::start_with_tokens();
        registry.tokens().last_for(requests);
        arrives(&registry);
        assert!(registry.tokens().scopes().len() > 1);
    }
}

#[test]
fn a_token_that_lives_for_ever_or_not_at_all_is_a_token() {
    for seconds in [0, u64::MAX] {
        let registry = ScriptedRegistry::start_with_tokens();
        registry.tokens().tell_life(seconds);
        arrives(&registry);
    }
}

#[test]
fn a_scope_that_is_missing_is_asked_for() {
    let registry = ScriptedRegistry::start_with_tokens();
    registry.tokens().want("repository:web:delete");
    arrives(&registry);
    let tokens = registry.tokens().scopes();
    assert_eq!(tokens.len(), 2, "{tokens:?}");
    assert!(tokens[1].contains(&"repository:web:delete".to_owned()), "{tokens:?}");
    assert_eq!(tokens[1][0], OWN, "{tokens:?}");
}

fn that_knows_people(by_tokens: bool) -> ScriptedRegistry {
    if by_tokens {
        ScriptedRegistry::start_with_tokens()
    } else {
        ScriptedRegistry::start_with_accounts()
    }
}

/// A 401 that comes while the layer is on its way.
fn refused_in_the_middle(registry: &ScriptedRegistry, then: Then) -> Fault {
    let challenge = match registry.has_tokens() {
        Some(server) => {
            format!(
                "Bearer realm=\"http://{server}/token\",service=\"r,1\",error=\"invalid_token\""
            )
        }
        None => "Basic realm=\"tests\"".to_owned(),
    };
    let answer = Answer::error(401, "UNAUTHORIZED").with("www-authenticate", &challenge);
    // Whoever closes at once answers for the head alone.
    Fault::Early(if then == Then::Close { 0 } else { 1 << 20 }, answer, then)
}

#[test]
fn an_upload_that_outlives_its_token_is_sent_again_with_another() {
    each(
        [(false, Then::Close), (true, Then::Close), (false, Then::Linger), (true, Then::Linger)],
        |(has_tokens, then)| {
            let registry = that_knows_people(has_tokens);
            let fault = refused_in_the_middle(&registry, then);
            registry.order("PATCH", UPLOADS, 1, fault);
            arrives(&registry);
            assert_eq!(streams(&registry).len(), 2, "{then:?}");
        },
    );
}

#[test]
fn an_upload_that_is_refused_with_fresh_credentials_too_is_told() {
    each(
        [(false, Then::Close), (true, Then::Close), (false, Then::Linger), (true, Then::Linger)],
        |(has_tokens, then)| {
            let registry = that_knows_people(has_tokens);
            let fault = refused_in_the_middle(&registry, then);
            registry.always("PATCH", UPLOADS, fault);
            let failed = fails(&registry, "registry.unauthorized");
            assert!(streams(&registry).len() <= 3, "{then:?}: {failed}");
            assert_eq!(registry.content().open_uploads(), 0);
        },
    );
}

#[test]
fn credentials_that_are_wrong_are_told_at_once() {
    for registry in [ScriptedRegistry::start_with_tokens(), ScriptedRegistry::start_with_accounts()]
    {
        registry.always("GET", "/v2/", challenged_by_name());
        let failed = fails(&registry, "registry.unauthorized");
        assert!(failed.elapsed < AT_ONCE, "{failed}");
        assert!(registry.seen().len() <= 4, "{:?}", registry.seen());
    }
}

fn challenged_by_name() -> Fault {
    Fault::Answer(Answer::new(401).with("www-authenticate", "Basic realm=\"tests\""))
}

#[test]
fn a_registry_that_asks_for_what_nobody_knows_is_told_at_once() {
    for challenge in ["Negotiate", "Bearer service=\"x\"", "Digest realm=\"x\", nonce=\"y\"", ""] {
        let registry = ScriptedRegistry::start();
        let answer = Answer::new(401).with("www-authenticate", challenge);
        registry.always("GET", "/v2/", Fault::Answer(answer));
        let failed = fails(&registry, "registry.unauthorized");
        assert!(failed.elapsed < AT_ONCE, "{failed}");
    }
}

#[test]
fn a_token_server_may_stumble() {
    let html = Answer::new(200).body("<html>in a moment</html>");
    each(
        [
            Fault::Answer(Answer::new(503)),
            Fault::Answer(html),
            Fault::Answer(Answer::new(200).body("{\"token\":\"\"}")),
            Fault::Cut(0, End::Reset),
        ],
        |fault| {
            let registry = ScriptedRegistry::start_with_tokens();
            registry.order_of_tokens(1, fault);
            arrives(&registry);
        },
    );
}

#[test]
fn a_token_server_that_gives_none_is_told() {
    let mut endless = Answer::new(200);
    endless.body = AnswerBody::Endless;
    for (answer, code) in [
        (Answer::error(401, "UNAUTHORIZED"), "registry.unauthorized"),
        (Answer::error(403, "DENIED"), "registry.denied"),
        (Answer::new(200).body("{\"token\":\"\\n\"}"), "registry.protocol"),
        (endless, "registry.interrupted"),
    ] {
        let registry = ScriptedRegistry::start_with_tokens();
        for nth in 1..=10 {
            registry.order_of_tokens(nth, Fault::Answer(answer.clone()));
        }
        let failed = fails(&registry, code);
        assert!(failed.elapsed < AT_ONCE, "{failed}");
        assert!(!failed.stderr.contains("open sesame"), "{failed}");
    }
}

#[test]
fn another_host_that_asks_who_is_there_is_not_told() {
    // The registry itself asks for nothing, so no header is known yet.
    for realm in ["Basic realm=\"x\"".to_owned(), "Bearer".to_owned()] {
        let registry = ScriptedRegistry::start();
        let other = registry.other_host();
        let challenge = match realm.as_str() {
            "Bearer" => format!("Bearer realm=\"http://{other}/token\""),
            _ => realm,
        };
        let away = Fault::change(move |answer| {
            let place = answer.header("location").unwrap_or_default().to_owned();
            let path = place.splitn(4, '/').nth(3).unwrap_or_default().to_owned();
            answer.set("location", &format!("http://{other}/{path}"));
        });
        registry.always("POST", UPLOADS, away);
        let answer = Answer::error(401, "UNAUTHORIZED").with("www-authenticate", &challenge);
        registry.always_elsewhere("PATCH", UPLOADS, Fault::Answer(answer));
        fails(&registry, "registry.unauthorized");
        assert_eq!(registry.asked_elsewhere("GET", "/token").len(), 0);
    }
}

#[test]
fn who_may_write_need_not_be_allowed_to_read() {
    let registry = ScriptedRegistry::start_with(Rules::default(), Access::Basic);
    registry.always("GET", MANIFEST, Fault::Answer(Answer::error(403, "DENIED")));
    registry.always("HEAD", BLOBS, Fault::Answer(Answer::error(403, "DENIED")));
    small_arrives(&registry);
}

#[test]
fn who_may_not_write_is_told_at_once() {
    let registry = ScriptedRegistry::start_with_accounts();
    registry.always("POST", UPLOADS, Fault::Answer(Answer::error(403, "DENIED")));
    let failed = fails_as(&registry, &Archive::small("hello"), "registry.denied");
    assert!(failed.elapsed < AT_ONCE, "{failed}");
}
