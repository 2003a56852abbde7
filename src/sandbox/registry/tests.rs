use bytes::Bytes;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::image::{Descriptor, Digest, Manifest, ManifestFormat, MediaType};
use crate::sandbox::testing::{World, answer, header, options};
use crate::sandbox::{Fault, FaultKind, Grant, Options, Scope, Storage, Strikes};

const UPLOADS: &str = "/v2/web/blobs/uploads/";

fn image(config: &[u8], layer: &[u8]) -> Manifest {
    let format = ManifestFormat::Oci;
    let layer = Descriptor::of(MediaType::new("application/vnd.oci.image.layer.v1.tar"), layer);
    Manifest::new(format, Descriptor::of(format.config_type(), config), vec![layer])
}

async fn put_manifest(world: &World, at: &str, manifest: &Manifest) -> reqwest::Response {
    let request = world.registry(Method::PUT, at).body(manifest.to_bytes());
    request.header("content-type", manifest.media_type().as_str()).send().await.unwrap()
}

#[tokio::test]
async fn who_shows_no_token_is_challenged_and_a_wrong_one_is_refused() {
    let world = World::start().await;
    let url = format!("{}/v2/", world.sandbox.url());
    let response = world.client.get(&url).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(header(&response, "www-authenticate"), "Basic realm=\"snowbird sandbox\"");
    let wrong = world.client.get(&url).basic_auth("x", Some("fo1_other")).send().await.unwrap();
    let (status, body) = answer(wrong).await;
    assert_eq!((status, &body["errors"][0]["code"]), (401, &json!("UNAUTHORIZED")));
    let right = world.registry(Method::GET, "/v2/").send().await.unwrap();
    assert_eq!(right.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_app_that_is_not_there_has_no_repository() {
    let world = World::start().await;
    let request = world.registry(Method::POST, "/v2/nobody/blobs/uploads/");
    let (status, body) = answer(request.send().await.unwrap()).await;
    assert_eq!(status, 404);
    assert_eq!(body["errors"][0]["code"], "NAME_UNKNOWN");
    assert_eq!(body["errors"][0]["message"], "app repository not found");
}

#[tokio::test]
async fn a_blob_that_is_stored_can_be_asked_for_and_read() {
    let world = World::start().await;
    let digest = Digest::of(b"layer");
    let path = format!("/v2/web/blobs/{digest}");
    let missing = world.registry(Method::HEAD, &path).send().await.unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    world.push_blob("web", b"layer").await;
    let head = world.registry(Method::HEAD, &path).send().await.unwrap();
    assert_eq!((head.status(), header(&head, "content-length")), (StatusCode::OK, "5".into()));
    assert_eq!(header(&head, "docker-content-digest"), digest.to_string());
    let body = world.registry(Method::GET, &path).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(&body[..], b"layer");
    let elsewhere = format!("/v2/api/blobs/{digest}");
    let elsewhere = world.registry(Method::HEAD, &elsewhere).send().await.unwrap();
    assert_eq!(elsewhere.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pieces_are_appended_where_the_upload_stands_and_nowhere_else() {
    let world = World::start().await;
    let opened = world.registry(Method::POST, UPLOADS).send().await.unwrap();
    assert_eq!(opened.status(), StatusCode::ACCEPTED);
    assert_eq!(header(&opened, "range"), "0-0");
    let location = header(&opened, "location");
    let piece = |range: &'static str, body: &'static str| {
        world.registry(Method::PATCH, &location).header("content-range", range).body(body).send()
    };
    let first = piece("0-3", "abcd").await.unwrap();
    assert_eq!((first.status(), header(&first, "range")), (StatusCode::ACCEPTED, "0-3".into()));
    let again = piece("0-3", "abcd").await.unwrap();
    assert_eq!(again.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(header(&again, "range"), "0-3");
    assert_eq!(piece("4-9", "ef").await.unwrap().status(), StatusCode::BAD_REQUEST);
    let status = world.registry(Method::GET, &location).send().await.unwrap();
    assert_eq!((status.status(), header(&status, "range")), (StatusCode::NO_CONTENT, "0-3".into()));
    let digest = Digest::of(b"abcdef");
    let close = format!("{}&digest={digest}", header(&status, "location"));
    let closed = world.registry(Method::PUT, &close).body("ef").send().await.unwrap();
    assert_eq!(closed.status(), StatusCode::CREATED);
    assert_eq!(world.sandbox.blobs().get(&digest), Some(&6));
    let twice = world.registry(Method::PUT, &close).send().await.unwrap();
    assert_eq!(answer(twice).await.1["errors"][0]["code"], "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn a_wrong_digest_is_refused_and_ends_the_session() {
    let world = World::start().await;
    let opened = world.registry(Method::POST, UPLOADS).send().await.unwrap();
    let location = header(&opened, "location");
    let close = format!("{location}&digest={}", Digest::of(b"other"));
    let closed = world.registry(Method::PUT, &close).body("layer").send().await.unwrap();
    let (status, body) = answer(closed).await;
    assert_eq!((status, &body["errors"][0]["code"]), (400, &json!("DIGEST_INVALID")));
    let after = world.registry(Method::GET, &location).send().await.unwrap();
    assert_eq!(after.status(), StatusCode::NOT_FOUND);
    assert!(world.sandbox.blobs().is_empty());
}

#[tokio::test]
async fn an_upload_can_be_given_up() {
    let world = World::start().await;
    let opened = world.registry(Method::POST, UPLOADS).send().await.unwrap();
    let location = header(&opened, "location");
    let gone = world.registry(Method::DELETE, &location).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    let after = world.registry(Method::PATCH, &location).body("x").send().await.unwrap();
    assert_eq!(after.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_blob_is_mounted_from_a_repository_that_has_it_and_else_a_session_opens() {
    let world = World::start().await;
    world.push_blob("api", b"shared").await;
    let digest = Digest::of(b"shared");
    let mount = |from: &str| format!("{UPLOADS}?mount={digest}&from={from}");
    let refused = world.registry(Method::POST, &mount("nobody")).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::ACCEPTED);
    let mounted = world.registry(Method::POST, &mount("api")).send().await.unwrap();
    assert_eq!(mounted.status(), StatusCode::CREATED);
    let head = world.registry(Method::HEAD, &format!("/v2/web/blobs/{digest}"));
    assert_eq!(head.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_whole_blob_in_the_first_request_is_not_stored() {
    let world = World::start().await;
    let path = format!("{UPLOADS}?digest={}", Digest::of(b"layer"));
    let response = world.registry(Method::POST, &path).body("layer").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert!(world.sandbox.blobs().is_empty());
}

#[tokio::test]
async fn a_manifest_wants_its_blobs_and_names_those_that_are_missing() {
    let world = World::start().await;
    let manifest = image(b"{}", b"layer");
    world.push_blob("web", b"{}").await;
    let at = "/v2/web/manifests/v1";
    let (status, body) = answer(put_manifest(&world, at, &manifest).await).await;
    assert_eq!((status, &body["errors"][0]["code"]), (400, &json!("MANIFEST_BLOB_UNKNOWN")));
    assert_eq!(body["errors"][0]["detail"]["digest"], Digest::of(b"layer").to_string());

    world.push_blob("web", b"layer").await;
    let put = put_manifest(&world, at, &manifest).await;
    assert_eq!(put.status(), StatusCode::CREATED);
    assert_eq!(header(&put, "docker-content-digest"), manifest.digest().to_string());
    for reference in ["v1".to_owned(), manifest.digest().to_string()] {
        let path = format!("/v2/web/manifests/{reference}");
        let head = world.registry(Method::HEAD, &path).send().await.unwrap();
        assert_eq!(header(&head, "content-type"), MediaType::OCI_MANIFEST);
        let got = world.registry(Method::GET, &path).send().await.unwrap();
        assert_eq!(got.bytes().await.unwrap(), manifest.to_bytes());
    }
    let held = world.sandbox.manifest("web", &"v1".parse().unwrap()).await;
    assert_eq!(held, Some(Bytes::from(manifest.to_bytes())));
    let unknown = world.registry(Method::GET, "/v2/web/manifests/v2").send().await.unwrap();
    assert_eq!(answer(unknown).await.1["errors"][0]["code"], "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn a_manifest_must_be_what_its_request_says() {
    let world = World::start().await;
    world.push_blob("web", b"{}").await;
    world.push_blob("web", b"layer").await;
    let manifest = image(b"{}", b"layer");
    let other = format!("/v2/web/manifests/{}", Digest::of(b"other"));
    let (status, body) = answer(put_manifest(&world, &other, &manifest).await).await;
    assert_eq!((status, &body["errors"][0]["code"]), (400, &json!("DIGEST_INVALID")));

    let request = world
        .registry(Method::PUT, "/v2/web/manifests/v1")
        .header("content-type", MediaType::DOCKER_MANIFEST)
        .body(manifest.to_bytes());
    let (status, body) = answer(request.send().await.unwrap()).await;
    assert_eq!((status, &body["errors"][0]["code"]), (400, &json!("MANIFEST_INVALID")));

    let mut wrong_size = manifest;
    wrong_size.layers[0].size = 4;
    let refused = put_manifest(&world, "/v2/web/manifests/v1", &wrong_size).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);

    let large = vec![b' '; 4 * 1024 * 1024 + 1];
    let request = world.registry(Method::PUT, "/v2/web/manifests/v1").body(large);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_cut_connection_leaves_the_bytes_that_came_and_a_lost_answer_the_effect() {
    let world = World::start().await;
    let opened = world.registry(Method::POST, UPLOADS).send().await.unwrap();
    let location = header(&opened, "location");
    world.sandbox.inject("PATCH /v2/web=cut:3".parse().unwrap());
    assert!(world.registry(Method::PATCH, &location).body("layer").send().await.is_err());
    let status = world.registry(Method::GET, &location).send().await.unwrap();
    assert_eq!(header(&status, "range"), "0-2");

    world.sandbox.inject("PUT /v2/web=lost".parse().unwrap());
    let close = format!("{location}&digest={}", Digest::of(b"layer"));
    assert!(world.registry(Method::PUT, &close).body("er").send().await.is_err());
    assert_eq!(world.sandbox.blobs().get(&Digest::of(b"layer")), Some(&5));
}

#[tokio::test]
async fn an_ordered_status_is_answered_and_nothing_is_done() {
    let world = World::start().await;
    world.sandbox.inject(Fault {
        requests: format!("POST {UPLOADS}").parse().unwrap(),
        strikes: Strikes::once(2),
        what: FaultKind::Status {
            status: 503,
            headers: vec![("retry-after".into(), "2".into())],
            body: Bytes::from_static(b"<h1>busy</h1>"),
        },
    });
    let first = world.registry(Method::POST, UPLOADS).send().await.unwrap();
    assert_eq!(first.status(), StatusCode::ACCEPTED);
    let second = world.registry(Method::POST, UPLOADS).send().await.unwrap();
    assert_eq!(header(&second, "retry-after"), "2");
    assert!(!header(&second, "fly-request-id").is_empty());
    assert_eq!(answer(second).await, (503, json!("<h1>busy</h1>")));
    let seen: Vec<_> = world.sandbox.requests().iter().map(|record| record.status).collect();
    assert_eq!(seen, [Some(202), Some(503)]);
}

#[tokio::test]
async fn a_folder_keeps_images_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { storage: Storage::Folder(folder.path().into()), ..options() };
    let manifest = image(b"{}", b"layer");
    let world = World::with(options()).await;
    world.push_blob("web", b"{}").await;
    world.push_blob("web", b"layer").await;
    put_manifest(&world, "/v2/web/manifests/v1", &manifest).await;
    world.sandbox.stop().await.unwrap();

    let world = World::with(options()).await;
    let got = world.registry(Method::GET, "/v2/web/manifests/v1").send().await.unwrap();
    assert_eq!(got.bytes().await.unwrap(), manifest.to_bytes());
    let path = format!("/v2/web/blobs/{}", Digest::of(b"layer"));
    let body = world.registry(Method::GET, &path).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(&body[..], b"layer");
}

#[tokio::test]
async fn a_deploy_token_pushes_to_its_app_and_pulls_in_its_organization() {
    let grants = vec![Grant { token: "fm2_deploy".into(), scope: Scope::App("web".into()) }];
    let apps = vec!["web".into(), "api".into(), "shop@acme".into()];
    let world = World::with(Options { grants, apps, ..options() }).await;
    for app in ["api", "shop"] {
        world.push_blob(app, b"{}").await;
    }
    let ask = async |method: Method, path: &str| {
        let url = format!("{}{path}", world.sandbox.url());
        let request = world.client.request(method, url).basic_auth("x", Some("fm2_deploy"));
        answer(request.send().await.unwrap()).await
    };
    let digest = Digest::of(b"{}");
    assert_eq!(ask(Method::POST, UPLOADS).await.0, 202);
    let (status, body) = ask(Method::POST, "/v2/api/blobs/uploads/").await;
    assert_eq!((status, &body["errors"][0]["code"]), (403, &json!("DENIED")));
    assert_eq!(ask(Method::GET, &format!("/v2/api/blobs/{digest}")).await.0, 200);
    assert_eq!(ask(Method::GET, &format!("/v2/shop/blobs/{digest}")).await.0, 403);
    let mount = |from: &str| format!("{UPLOADS}?mount={digest}&from={from}");
    assert_eq!(ask(Method::POST, &mount("shop")).await.0, 202, "what it may not see is sent");
    assert_eq!(ask(Method::POST, &mount("api")).await.0, 201);
}

#[tokio::test]
async fn an_image_that_does_not_fit_when_it_is_unpacked_never_starts() {
    use std::io::Write as _;

    // What does not shrink, followed by as much that does.
    let mut number = 1_u32;
    let mut noise = || {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        number.to_be_bytes()[0]
    };
    let mut tar: Vec<u8> = (0..50_000).map(|_| noise()).collect();
    tar.resize(100_000, b'x');
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    let gzip: &[u8] = gzip.finish().unwrap().leak();
    let zstd: &[u8] = zstd::encode_all(&tar[..], 1).unwrap().leak();
    for (kind, layer) in [("tar+gzip", gzip), ("tar+zstd", zstd), ("tar", tar.leak())] {
        for (rootfs_bytes, expected) in [(99_999, 408), (100_000, 200)] {
            let world = World::with(Options { rootfs_bytes, ..options() }).await;
            world.push_blob("web", b"{}").await;
            world.push_blob("web", layer).await;
            let mut manifest = image(b"{}", layer);
            let media_type = format!("application/vnd.oci.image.layer.v1.{kind}");
            manifest.layers[0].media_type = MediaType::new(&media_type);
            let put = put_manifest(&world, "/v2/web/manifests/v1", &manifest).await;
            assert_eq!(put.status(), StatusCode::CREATED);
            let create = json!({"config": {"image": "registry.fly.io/web:v1"}});
            let (_, made) = world.call(Method::POST, "/v1/apps/web/machines", create).await;
            let at = format!("/v1/apps/web/machines/{}", made["id"].as_str().unwrap());
            let waited = world.get(&format!("{at}/wait?timeout=1")).await.0;
            assert_eq!(waited, expected, "{kind} {rootfs_bytes}");
            let (_, logs) = world.get("/api/v1/apps/web/logs").await;
            assert_eq!(logs.to_string().contains("Not enough space to unpack"), expected == 408);
        }
    }
}

#[tokio::test]
async fn a_sandbox_that_is_dropped_answers_no_more() {
    let world = World::start().await;
    let World { sandbox, client } = world;
    let url = format!("{}/v2/", sandbox.url());
    client.get(&url).send().await.unwrap();
    drop(sandbox);
    assert!(client.get(&url).send().await.is_err());
}
