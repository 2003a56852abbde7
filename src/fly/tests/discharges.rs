//! The consent of third parties: whom it is asked of, as whom, and how often.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{Reply, Seen, Server, client_with, serve, web};
use crate::error::Explain as _;
use crate::fly::Error;
use crate::fly::token::minting::{mint, organization, third_party, valid};

const PERMISSION: &str = "https://api.fly.io/v1";
const ASK: &str = "POST /aaa/v1/.well-known/macfly/3p";
const LOOK: &str = "GET /v1/apps/web";

fn login(location: &str) -> String {
    mint(b"key", PERMISSION, [organization(5, 31), third_party(location, b"ticket")].concat())
}

/// A discharge that was made `age` seconds ago and lives for `rest` more.
fn discharge(age: u64, rest: u64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    mint(b"ticket", "https://api.fly.io/aaa/v1", valid(now - age, now + rest).to_vec())
}

/// A Fly whose third party answers with what `consent` makes of a request and its number.
async fn fly(mut consent: impl FnMut(&Seen, usize) -> (u16, Value) + Send + 'static) -> Server {
    let mut asked = 0;
    serve(move |seen: &Seen, _| {
        if seen.path.starts_with("/v1/") {
            return Reply::from((200, json!({"name": "web"})));
        }
        asked += 1;
        consent(seen, asked).into()
    })
    .await
}

fn authorization(seen: &Seen) -> &str {
    seen.header("authorization").unwrap_or_default()
}

#[tokio::test]
async fn a_login_gets_its_discharge_before_the_first_request_and_so_does_the_registry() {
    let given = discharge(0, 300);
    let answer = json!({ "discharge": given });
    let server = fly(move |_, _| (201, answer.clone())).await;
    let login = login(&format!("{}/aaa/v1", server.base));
    let client = server.client_with(&format!("{login},fo1_me"));
    let password = client.token().registry_password();
    assert_eq!(password.get().expose(), "fo1_me");
    let app = web();
    for looked in join_all((0..3).map(|_| client.app(&app))).await {
        looked.unwrap();
    }
    assert_eq!(server.requests(), [ASK, LOOK, LOOK, LOOK]);
    let seen = server.seen();
    assert_eq!(authorization(&seen[0]), "Bearer fo1_me");
    assert_eq!(seen[0].body, json!({"ticket": STANDARD.encode("ticket")}));
    assert_eq!(authorization(&seen[1]), format!("FlyV1 {login},{given}"));
    assert_eq!(password.get().expose(), format!("{login},{given}"));
}

#[tokio::test]
async fn users_tokens_go_to_no_other_third_party() {
    let answer = json!({ "discharge": discharge(0, 300) });
    let server = fly(move |_, _| (201, answer.clone())).await;
    let client =
        server.client_with(&format!("{},fo1_me", login(&format!("{}/secrets/v1", server.base))));
    client.app(&web()).await.unwrap();
    assert_eq!(authorization(&server.seen()[0]), "");
}

#[tokio::test]
async fn a_third_party_may_take_its_time() {
    let poll = Arc::new(Mutex::new(String::new()));
    let (url, given) = (Arc::clone(&poll), discharge(0, 300));
    let server = fly(move |seen, number| match (seen.method.clone(), number) {
        (Method::POST, _) => (201, json!({"poll_url": *url.lock().unwrap()})),
        (_, 2) => (202, json!(null)),
        (_, 3) => (202, json!({})),
        _ => (200, json!({ "discharge": given })),
    })
    .await;
    *poll.lock().unwrap() = format!("{}/aaa/v1/poll/7", server.base);
    let client = server.client_with(&login(&format!("{}/aaa/v1", server.base)));
    client.app(&web()).await.unwrap();
    let poll = "GET /aaa/v1/poll/7";
    assert_eq!(server.requests(), [ASK, poll, poll, poll, LOOK]);
}

#[tokio::test]
async fn who_must_log_in_is_told_so() {
    let urls = json!({"user_url": "https://fly.io/app/auth", "poll_url": "https://fly.io/p"});
    let server = fly(move |_, _| (201, json!({ "user_interactive": urls }))).await;
    let client = server.client_with(&login(&format!("{}/aaa/v1", server.base)));
    let error = client.app(&web()).await.unwrap_err();
    assert!(matches!(error, Error::LoginNeeded { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("fly auth login"));
    assert_eq!(server.requests(), [ASK]);
}

#[tokio::test]
async fn a_refusal_is_told_in_its_own_words_unless_there_is_another_token() {
    let server = fly(|_, _| (403, json!({"error": "not a member\u{1b}[2J"}))).await;
    let login = login(&format!("{}/aaa/v1", server.base));
    let error = server.client_with(&login).app(&web()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the Fly token needs a discharge from `127.0.0.1`, which gave none: not a member[2J"
    );
    server.client_with(&format!("{login},fo1_me")).app(&web()).await.unwrap();
    assert_eq!(server.requests(), [ASK, ASK, LOOK]);
    assert_eq!(authorization(&server.seen()[2]), "Bearer fo1_me");
}

#[tokio::test]
async fn what_is_given_must_be_for_the_ticket() {
    let other = mint(b"another ticket", "https://api.fly.io/aaa/v1", Vec::new());
    for given in [other, "hush".to_owned(), String::new()] {
        let answer = json!({ "discharge": given });
        let server = fly(move |_, _| (201, answer.clone())).await;
        let client = server.client_with(&login(&format!("{}/aaa/v1", server.base)));
        let error = client.app(&web()).await.unwrap_err();
        assert_eq!(error.code(), "fly.discharge");
        assert!(!format!("{error:?}").contains("hush"));
        assert_eq!(server.requests(), [ASK]);
    }
}

#[tokio::test]
async fn only_flys_own_hosts_and_the_configured_api_are_asked() {
    let elsewhere = fly(|_, _| (201, json!({"discharge": "fm2_"}))).await;
    let target = elsewhere.base.clone();
    let server =
        fly(move |_, _| (201, json!({"poll_url": format!("{target}/aaa/v1/poll/7")}))).await;
    for location in [
        format!("{}/aaa/v1", elsewhere.base),
        "http://api.fly.io/aaa/v1".to_owned(),
        "https://fly.io.example/aaa/v1".to_owned(),
        "https://notfly.io/aaa/v1".to_owned(),
        "https://me@api.fly.io/aaa/v1".to_owned(),
        "https://api.fly.io:8443/aaa/v1".to_owned(),
        "nowhere".to_owned(),
        // This one may be asked, but sends its users elsewhere.
        format!("{}/aaa/v1", server.base),
    ] {
        let error = server.client_with(&login(&location)).app(&web()).await.unwrap_err();
        assert_eq!(error.code(), "fly.discharge", "{location}");
    }
    assert_eq!(elsewhere.requests(), Vec::<String>::new());
    assert_eq!(server.requests(), [ASK]);
}

#[tokio::test]
async fn a_discharge_that_runs_out_is_renewed_and_used_as_long_as_it_lives() {
    // It lives for half a minute more, which is less than the minute in which it is renewed.
    let server = fly(|_, number| match number {
        1 => (201, json!({"discharge": discharge(1_000, 30)})),
        2..=5 => (500, json!({"error": "away"})),
        _ => (201, json!({"discharge": discharge(0, 300)})),
    })
    .await;
    let client = server.client_with(&login(&format!("{}/aaa/v1", server.base)));
    for _ in 0..3 {
        client.app(&web()).await.unwrap();
    }
    // After the failure it is left in peace for a while.
    assert_eq!(server.requests(), [ASK, LOOK, ASK, ASK, ASK, ASK, LOOK, LOOK]);
}

#[tokio::test]
async fn a_token_is_kept_fresh_while_nothing_is_asked_for() {
    let server = fly(|_, _| (201, json!({"discharge": discharge(0, 300)}))).await;
    let client = server.client_with(&login(&format!("{}/aaa/v1", server.base)));
    let password = client.token().registry_password();
    let before = password.get().expose().to_owned();
    let renewed = async {
        while password.get().expose() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        never = client.keep_token_fresh() => match never {},
        () = renewed => {}
    }
    assert_eq!(server.requests(), [ASK]);
}

#[tokio::test]
async fn tokens_that_need_no_consent_ask_for_none() {
    let server = fly(|_, _| (201, json!({}))).await;
    for token in ["fo1_me", "fm2_opaque", &mint(b"key", PERMISSION, organization(5, 31).to_vec())] {
        client_with(&server.base, token).app(&web()).await.unwrap();
    }
    assert_eq!(server.requests(), [LOOK, LOOK, LOOK]);
}
