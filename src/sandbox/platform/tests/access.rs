use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::sandbox::access::ticket;
use crate::sandbox::testing::{World, answer, options};
use crate::sandbox::{Grant, Options, Scope};

/// A world with apps of two organizations, and tokens for parts of it.
async fn parted() -> World {
    let grant = |token: &str, scope| Grant { token: token.into(), scope };
    World::with(Options {
        apps: vec!["web".into(), "api".into(), "shop@acme".into()],
        grants: vec![
            grant("fo1_acme", Scope::Organization("acme".into())),
            grant("FlyV1 fm2_deploy", Scope::App("web".into())),
            grant("fo1_umbrella", Scope::Organization("umbrella".into())),
        ],
        ..options()
    })
    .await
}

impl World {
    async fn as_whom(
        &self,
        header: &str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> (u16, Value) {
        let request = self.client.request(method, format!("{}{path}", self.sandbox.url()));
        answer(request.header("authorization", header).json(body).send().await.unwrap()).await
    }
}

#[tokio::test]
async fn an_app_of_another_organization_is_there_but_forbidden() {
    let world = parted().await;
    for (header, app, expected) in [
        ("Bearer fo1_test", "shop", 200),
        ("Bearer fo1_acme", "shop", 200),
        ("Bearer fo1_acme", "web", 403),
        ("Bearer fo1_acme", "nobody", 404),
        ("Bearer fo1_other", "shop", 401),
        ("FlyV1 fm2_deploy", "web", 200),
        ("FlyV1 fm2_deploy", "api", 403),
        ("Bearer fo1_acme,fm2_deploy", "web", 200),
    ] {
        for path in ["", "/machines", "/volumes"] {
            let path = format!("/v1/apps/{app}{path}");
            let (status, body) = world.as_whom(header, Method::GET, &path, &json!({})).await;
            assert_eq!(status, expected, "{header} {path} {body}");
        }
    }
    let release = json!({"app_name": "web", "image": "i", "strategy": "ROLLING"});
    let refused = world.as_whom("Bearer fo1_acme", Method::POST, "/api/v1/releases", &release);
    assert_eq!(refused.await.0, 403);
    let query = json!({"query": "{app(name: \"web\"){id}}"});
    let (_, told) = world.as_whom("Bearer fo1_acme", Method::POST, "/graphql", &query).await;
    assert_eq!(told["errors"][0]["message"], "Could not find App");
}

#[tokio::test]
async fn a_deploy_token_may_not_read_logs_list_apps_or_make_them() {
    let world = parted().await;
    let deploy = "FlyV1 fm2_deploy";
    let get = async |path: &str| world.as_whom(deploy, Method::GET, path, &json!({})).await.0;
    assert_eq!(get("/api/v1/apps/web/logs").await, 401);
    assert_eq!(get("/v1/apps?org_slug=personal").await, 403);
    assert_eq!(get("/api/v1/apps/web/releases").await, 200);
    assert_eq!(get("/api/v1/organizations/personal").await, 200);
    assert_eq!(get("/api/v1/organizations/acme").await, 404);
    let create = json!({"name": "new", "org_slug": "personal"});
    assert_eq!(world.as_whom(deploy, Method::POST, "/v1/apps", &create).await.0, 403);
    let (_, told) = world.as_whom(deploy, Method::GET, "/v1/tokens/current", &json!({})).await;
    assert_eq!(told["tokens"][0]["apps"], json!(["web"]));
}

#[tokio::test]
async fn apps_are_made_in_the_organizations_that_a_token_is_for() {
    let world = parted().await;
    let create = async |header: &str, body: Value| {
        world.as_whom(header, Method::POST, "/v1/apps?wait=true", &body).await
    };
    let new = json!({"name": "new", "org_slug": "umbrella", "idempotency_key": "k"});
    assert_eq!(create("Bearer fo1_acme", new.clone()).await.0, 404);
    let (status, first) = create("Bearer fo1_umbrella", new.clone()).await;
    assert_eq!(status, 201);
    assert_eq!(create("Bearer fo1_umbrella", new).await, (201, first));
    let taken = json!({"name": "new", "org_slug": "acme"});
    let (status, body) = create("Bearer fo1_acme", taken).await;
    assert_eq!((status, &body["status"]), (422, &json!("name_taken")));
    assert_eq!(create("Bearer fo1_acme", json!({"name": "x"})).await.0, 400);
    let (_, list) = world.get("/v1/apps?org_slug=umbrella&limit=1").await;
    assert_eq!((&list["apps"][0]["name"], &list["next_cursor"]), (&json!("new"), &json!("")));
    let (_, page) = world.get("/v1/apps?org_slug=personal&limit=1").await;
    assert_eq!((&page["total_apps"], &page["next_cursor"]), (&json!(2), &json!("api")));
    let (_, rest) = world.get("/v1/apps?org_slug=personal&limit=1&cursor=api").await;
    assert_eq!(rest["apps"][0]["name"], "web");
}

#[tokio::test]
async fn a_token_is_told_what_it_may_do() {
    let world = parted().await;
    let authorize = async |header: &str, access: Value| {
        let body = json!({"header": header, "access": access});
        world.call(Method::POST, "/v1/tokens/authorize", body).await.0
    };
    let push =
        json!({"org_slug": "acme", "app_name": "shop", "app_feature": "images", "action": 31});
    assert_eq!(authorize("Bearer fo1_acme", push.clone()).await, 200);
    assert_eq!(authorize("FlyV1 fm2_deploy", push.clone()).await, 400);
    assert_eq!(authorize("Bearer fo1_other", push).await, 400);
    assert_eq!(authorize("Bearer fo1_acme", json!({"org_slug": "acme"})).await, 200);
    assert_eq!(authorize("Bearer fo1_acme", json!({})).await, 400);
    let header = json!({"header": "Bearer fo1_acme"});
    let (status, told) = world.call(Method::POST, "/v1/tokens/authenticate", header).await;
    assert_eq!((status, &told[0]["header"]), (200, &json!("Bearer fo1_acme")));
}

#[tokio::test]
async fn a_macaroon_is_discharged_at_the_sandbox_and_the_discharge_runs_out() {
    let world = World::with(Options {
        require_discharge: true,
        discharge_lifetime: Duration::from_secs(2),
        ..options()
    })
    .await;
    let day = Duration::from_secs(86_400);
    let scope = Scope::Organization("personal".into());
    let macaroon = world.sandbox.mint_macaroon(&scope, day).unwrap();
    let get = async |tokens: &str| {
        let header = format!("FlyV1 {tokens}");
        world.as_whom(&header, Method::GET, "/v1/apps/web", &json!({})).await.0
    };
    assert_eq!(get(&macaroon).await, 401);
    let ask = |ticket: Vec<u8>| json!({"ticket": STANDARD.encode(ticket)});
    let url = format!("{}/.well-known/macfly/3p", world.sandbox.url());
    let request = world.client.post(&url).json(&ask(ticket(&macaroon).unwrap()));
    let (status, told) = answer(request.send().await.unwrap()).await;
    assert_eq!(status, 201);
    let both = format!("{macaroon},{}", told["discharge"].as_str().unwrap());
    assert_eq!(get(&both).await, 200);
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    assert_eq!(get(&both).await, 401);
    let wrong = world.client.post(&url).json(&ask(vec![1; 80]));
    let (status, told) = answer(wrong.send().await.unwrap()).await;
    assert_eq!((status, told["error"].is_string()), (500, true));
    let unknown = world.client.post(&url).json(&ask(vec![1])).bearer_auth("fo1_other");
    assert_eq!(unknown.send().await.unwrap().status(), 401);

    let (_, made) = world.call(Method::POST, "/v1/apps/web/deploy_token", json!({})).await;
    let deploy = made["token"].as_str().unwrap().strip_prefix("FlyV1 ").unwrap();
    assert_eq!(get(deploy).await, 200);
    assert!(world.sandbox.mint_macaroon(&Scope::App("nobody".into()), day).is_none());
}
