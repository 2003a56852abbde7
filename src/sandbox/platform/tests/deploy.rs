use reqwest::Method;
use serde_json::{Value, json};

use super::MACHINES;
use crate::image::{Descriptor, Manifest, ManifestFormat};
use crate::sandbox::Options;
use crate::sandbox::testing::{World, answer, options};

#[tokio::test]
async fn the_platform_answers_good_tokens_only_and_always_with_a_request_id() {
    let world = World::start().await;
    let url = format!("{}/v1/apps/web", world.sandbox.url());
    for (header, expected) in [
        ("Bearer fo1_test", 200),
        ("FlyV1 fo1_test", 200),
        ("Bearer fo1_other", 401),
        ("Basic fo1_test", 401),
    ] {
        let request = world.client.get(&url).header("authorization", header);
        let response = request.send().await.unwrap();
        assert!(response.headers().contains_key("fly-request-id"));
        let (status, body) = answer(response).await;
        assert_eq!(status, expected, "{header}");
        if expected == 401 {
            assert_eq!(body["error"], "Authenticate: token validation error");
        }
    }
}

#[tokio::test]
async fn apps_are_made_once_and_unknown_ones_are_not_found() {
    let world = World::start().await;
    assert_eq!(world.get("/v1/apps/new").await.0, 404);
    assert_eq!(world.get("/v1/apps/new/machines").await.0, 404);
    let create = json!({"app_name": "new", "org_slug": "personal"});
    assert_eq!(world.call(Method::POST, "/v1/apps", create.clone()).await.0, 201);
    let (status, body) = world.call(Method::POST, "/v1/apps", create).await;
    assert_eq!((status, &body["status"]), (422, &json!("name_taken")));
    assert!(body["error"].as_str().unwrap().contains("Name has already been taken"));
    let (_, app) = world.get("/v1/apps/new").await;
    assert_eq!(
        (&app["status"], &app["organization"]["slug"]),
        (&json!("pending"), &json!("personal"))
    );
    assert_eq!(world.get("/v1/apps?org_slug=personal").await.1["total_apps"], 3);
    assert_eq!(world.get("/v1/apps").await.0, 400);
}

#[tokio::test]
async fn releases_are_counted_and_the_last_complete_one_is_current() {
    let world = World::start().await;
    let create = |image: &str| {
        json!({"app_name": "web", "build_id": 0, "image": image, "strategy": "ROLLING",
               "definition": {"app": "web"}})
    };
    let (status, first) = world.call(Method::POST, "/api/v1/releases", create("i:1")).await;
    assert_eq!((status, &first["release"]["version"]), (201, &json!(1)));
    let (_, second) = world.call(Method::POST, "/api/v1/releases", create("i:2")).await;
    let current = "/api/v1/apps/web/releases/current";
    assert_eq!(world.get(current).await.0, 404);
    for (release, status) in [(&first, "complete"), (&second, "failed")] {
        let path = format!("/api/v1/releases/{}", release["release"]["id"].as_str().unwrap());
        let update = json!({"status": status, "metadata": null});
        let (code, told) = world.call(Method::PATCH, &path, update).await;
        assert_eq!((code, &told["status"]), (200, &json!(status)));
    }
    assert_eq!(world.get(current).await.1["image_ref"], "i:1");
    let (_, list) = world.get("/api/v1/apps/web/releases?limit=1").await;
    assert_eq!(list["releases"][0]["version"], 2);
    assert_eq!(world.sandbox.releases("web").len(), 2);
    let unknown = world.call(Method::PATCH, "/api/v1/releases/x", json!({"status": "failed"}));
    assert_eq!(unknown.await.0, 404);
}

#[tokio::test]
async fn graphql_answers_what_a_deploy_asks() {
    let world = World::start().await;
    let ask = async |query: &str, variables: Value| {
        let body = json!({"query": query, "variables": variables});
        world.call(Method::POST, "/graphql", body).await.1
    };
    let image = "query($appName:String!,$imageRef:String!){app(name:$appName){id \
                 image(ref:$imageRef){id digest ref compressedSize: compressedSizeFull}}}";
    let of = |reference: &str| json!({"appName": "web", "imageRef": reference});
    let missing = ask(image, of("registry.fly.io/web:v1")).await;
    assert_eq!(missing["data"]["app"]["image"], Value::Null);
    let foreign = ask(image, of("nginx")).await;
    assert_eq!(foreign["data"]["app"]["image"]["compressedSize"], "0");
    let digest = format!("sha256:{}", "1".repeat(64));
    let foreign = ask(image, of(&format!("ghcr.io/acme/web@{digest}"))).await;
    assert_eq!(foreign["data"]["app"]["image"]["digest"], json!(digest));
    let web = json!({"appName": "web"});
    let egress = "query($appName:String!){app(name:$appName){egressIpAddresses{nodes{id ip \
                  version region updatedAt}}}}";
    let egress = ask(egress, web.clone()).await;
    assert_eq!(egress["data"]["app"]["egressIpAddresses"]["nodes"], json!([]));
    let allowed = "query($appName:String!){canPerformBluegreenDeployment(name:$appName)}";
    assert_eq!(ask(allowed, web.clone()).await["data"]["canPerformBluegreenDeployment"], true);
    world.sandbox.allow_bluegreen("web", false);
    assert_eq!(ask(allowed, web.clone()).await["data"]["canPerformBluegreenDeployment"], false);
    let release = "query($appName:String!){app(name:$appName){currentReleaseUnprocessed{\
                   configDefinition}}}";
    assert_eq!(
        ask(release, web.clone()).await["data"]["app"]["currentReleaseUnprocessed"],
        Value::Null
    );
    let compact = "query($appName:String!){appcompact:app(name:$appName){id status deployed \
                   organization{slug paidPlan} postgresAppRole: role{name}}}";
    let compact = ask(compact, web.clone()).await;
    assert_eq!(
        compact["data"]["appcompact"],
        json!({"id": "web", "status": "pending", "deployed": false,
               "organization": {"slug": "personal", "paidPlan": false}, "postgresAppRole": null})
    );
    for (query, variables, code) in [
        (release, json!({"appName": "nobody"}), "NOT_FOUND"),
        ("query($appName:String!){app(name:$appName){magic}}", web.clone(), "undefinedField"),
        ("mutation{createRelease(input:{}){release{id}}}", web.clone(), "undefinedField"),
        ("{nothing}", web.clone(), "undefinedField"),
        ("{app(name:", web, "parseError"),
    ] {
        let told = ask(query, variables).await;
        assert_eq!(told["errors"][0]["extensions"]["code"], code, "{query}");
    }
}

#[tokio::test]
async fn builds_and_the_organization_are_there_for_flyctl() {
    let world = World::start().await;
    let (_, told) = world.get("/api/v1/organizations/personal").await;
    assert_eq!(told["organization"]["slug"], "personal");
    let (status, build) =
        world.call(Method::POST, "/api/v1/builds", json!({"app_name": "web"})).await;
    assert_eq!((status, &build["id"]), (200, &json!(1)));
    let finish = json!({"build_id": 1, "app_name": "web", "status": "completed"});
    let finished = world.call(Method::POST, "/api/v1/builds/finish", finish).await;
    assert_eq!((finished.0, &finished.1["id"]), (200, &json!(1)));
}

#[tokio::test]
async fn apps_come_to_be_when_they_are_named_where_that_is_wanted() {
    let world = World::with(Options { auto_create_apps: true, ..options() }).await;
    assert_eq!(world.get("/v1/apps/fresh").await.0, 200);
    assert_eq!(world.get("/v1/apps/Not%20A%20Name").await.0, 404);
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_so_where_that_is_wanted() {
    let world = World::with(Options { rate_limits: true, ..options() }).await;
    for _ in 0..3 {
        assert_eq!(world.get(MACHINES).await.0, 200);
    }
    assert_eq!(world.get(MACHINES).await.0, 429);
    assert_eq!(world.get("/v1/apps/web").await.0, 200);
}

#[tokio::test]
async fn an_image_that_was_pushed_is_found_and_started_by_tag_and_digest() {
    let world = World::start().await;
    world.push_blob("web", b"{}").await;
    let format = ManifestFormat::Oci;
    let manifest = Manifest::new(format, Descriptor::of(format.config_type(), b"{}"), Vec::new());
    let put = world
        .registry(Method::PUT, "/v2/web/manifests/v1")
        .header("content-type", manifest.media_type().as_str())
        .body(manifest.to_bytes());
    assert_eq!(put.send().await.unwrap().status(), 201);
    let digest = manifest.digest().to_string();
    let by_tag = format!("{}/web:v1", world.sandbox.address());
    for reference in [by_tag.clone(), format!("registry.fly.io/web@{digest}")] {
        let body = json!({"config": {"image": reference}});
        let (_, machine) = world.call(Method::POST, MACHINES, body).await;
        assert_eq!(machine["image_ref"]["digest"], digest);
        let wait = format!("{MACHINES}/{}/wait?timeout=5", machine["id"].as_str().unwrap());
        assert_eq!(world.get(&wait).await.1["state"], "started");
    }
    let body = json!({
        "query": "query{app(name:$appName){image(ref:$imageRef){id digest compressedSizeFull}}}",
        "variables": {"appName": "web", "imageRef": by_tag},
    });
    let (_, told) = world.call(Method::POST, "/graphql", body).await;
    let image = &told["data"]["app"]["image"];
    assert_eq!((&image["digest"], &image["compressedSizeFull"]), (&json!(digest), &json!("2")));
}
