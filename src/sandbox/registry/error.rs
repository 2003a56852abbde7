//! Errors in the form that the protocol gives them.

use axum::Json;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::image::Digest;

/// An answer that refuses.
///
/// <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes>
#[derive(Debug)]
pub(super) struct OciError {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// One error is told for each.
    details: Vec<Value>,
    headers: Vec<(HeaderName, String)>,
}

impl OciError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: vec![Value::Null], headers: vec![] }
    }

    pub(super) fn detail(mut self, detail: Value) -> Self {
        self.details = vec![detail];
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required")
            .header(WWW_AUTHENTICATE, "Basic realm=\"snowbird sandbox\"".into())
    }

    pub(super) fn denied() -> Self {
        let message = "requested access to the resource is denied";
        Self::new(StatusCode::FORBIDDEN, "DENIED", message)
    }

    pub(super) fn app_unknown(name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "app repository not found")
            .detail(json!({"name": name}))
    }

    pub(super) fn blob_unknown(digest: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry")
            .detail(json!(digest))
    }

    pub(super) fn upload_unknown() -> Self {
        Self::new(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
    }

    pub(super) fn digest_invalid(told: &str, found: Option<Digest>) -> Self {
        let message = "provided digest did not match uploaded content";
        Self::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
            .detail(json!({"digest": told, "computed": found}))
    }

    pub(super) fn blobs_missing(missing: &[Digest]) -> Self {
        let message = "blob unknown to registry";
        Self {
            details: missing.iter().map(|digest| json!({"digest": digest})).collect(),
            ..Self::new(StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN", message)
        }
    }

    pub(super) fn manifest_invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", message)
    }

    pub(super) fn storage(error: &std::io::Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", error.to_string())
    }
}

impl IntoResponse for OciError {
    fn into_response(self) -> Response {
        let errors: Vec<_> = self
            .details
            .iter()
            .map(|detail| json!({"code": self.code, "message": self.message, "detail": detail}))
            .collect();
        let mut response = (self.status, Json(json!({"errors": errors}))).into_response();
        for (name, value) in self.headers {
            if let Ok(value) = value.try_into() {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}
